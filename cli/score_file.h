/* score_file.h - what the figures read from a file with scores over layers and heads. */
#ifndef NS_CLI_SCORE_FILE_H
#define NS_CLI_SCORE_FILE_H

#include <needlescope/record.h>

#include "cli/cli.h"

/* values[L, H], malloc'd. NS_E_ARG names the scores that the file has; name NULL: none was asked for. */
int cli_read_score(const ns_file *, const char *path, const char *name, float **values, int64_t shape[2], ns_error *);
/* kind[L] (ns_layer_kind) and the widest window of each layer [L]; both malloc'd. */
int cli_read_layers(const ns_file *, int64_t n_layers, int **kind, int64_t **window, ns_error *);
/* Where score `name` stands in the axis `score` of a ranked score file; -1. */
int64_t cli_find_ranked(char *const *names, int64_t n, const char *name);

#endif
