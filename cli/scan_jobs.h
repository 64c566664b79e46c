/* scan_jobs.h - processes that share out a scan. */
#ifndef NS_CLI_SCAN_JOBS_H
#define NS_CLI_SCAN_JOBS_H

#include <needlescope/scan.h>

#include "cli/cli.h"

/* Of shard/n_shards (0/1: all), dealt out to so many processes. */
typedef struct cli_scan_share { int64_t jobs, shard, n_shards; } cli_scan_share;
/* Starts them and waits for all; sum: what they scored, replaced and saw fail. What a job that died has left is not done. */
int cli_scan_jobs(cli *, const cli_scan_share *, ns_scan_counts *sum);

#endif
