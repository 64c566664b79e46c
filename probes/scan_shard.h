/* scan_shard.h - inside of a scan: a checkpoint at work, what its shard is asked for, and whether it may be written. Internal. */
#ifndef NS_SCAN_SHARD_H
#define NS_SCAN_SHARD_H

#include <needlescope/scan.h>

#include "core/core.h"
#include "scan_index.h"

/* A scan at the checkpoint `item` of `run`. */
typedef struct ns_scan_pass {
    const ns_scan_params *p;
    const ns_scan_run    *run;
    const ns_series_item *item;
    char                  cases_sha256[65];
    char                 *probes;
    ns_scan_counts       *counts;
    ns_opened            *reference;          /* of `run`; loaded when a probe of weights is asked for */
    ns_opened            *first;              /* of `run`: its first checkpoint that opens; the others have its heads */
    const char           *first_label;
    ns_fact_list          first_facts;        /* of its arch and config */
    bool                  noted;              /* what the cases lack was told; all checkpoints have the same cases */
    bool                  told;               /* what is odd about the configs was told while the runs were looked at */
    ns_error             *err;
} ns_scan_pass;

/* Its architecture. What is odd about a config is told once a run. */
int   ns_scan_open(ns_opened **, const ns_scan_pass *, const ns_series_item *, ns_error *);
char *ns_shard_path(const ns_scan_pass *, const char *folder, const char *ending);
/* What the shard is asked for, scan_sha256 too. */
int   ns_shard_facts(const ns_scan_pass *, const ns_opened *, ns_fact_list *, char scan_sha256[65], ns_error *);
int   ns_shard_is_done(const char *path, const char *scan_sha256, bool *out, ns_error *);
int   ns_shard_check(const ns_scan_pass *, const char *path);

#endif
