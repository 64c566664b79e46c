/* scan_index.h - OUT/index/RUN.json: where a run lies, which checkpoints it was found to have, which of them were to be scored, and what
 * was found and left out, with the reason.
 * Internal. Every task of an array writes it, with the same content; a later scan of more steps adds to it. */
#ifndef NS_SCAN_INDEX_H
#define NS_SCAN_INDEX_H

#include <needlescope/scan.h>

#include "core/core.h"

/* What a checkpoint's files are named by: its stage, counted from 1, and its step within that. */
typedef struct ns_scan_key { int64_t stage, step; } ns_scan_key;
/* taken: asked for by some scan; gone: the last scan did not find it any more. step: over all stages, as of the last scan. */
typedef struct ns_scan_entry {
    ns_scan_key key;
    int64_t stage, step, tokens;       /* stage as an ns_series_item has it */
    char   *label, *path, *revision;   /* path from the run's folder on; NULL: as of an older version */
    bool    taken, gone, other;        /* other: its trainer_state.json says other_step, and its name key.step */
    int64_t other_step;
} ns_scan_entry;
typedef struct ns_scan_left_out { char *name, *why; bool no_checkpoint; } ns_scan_left_out;    /* as an ns_series_left */
typedef struct ns_scan_index {
    char          *folder;             /* of the run; NULL: the scan's folder has no such run yet */
    char           stamp[65];          /* ns_series_stamp of it; "" = not known */
    ns_scan_entry *list;               /* keys ascend */
    int64_t        n, capacity;
    ns_scan_left_out *left_out;        /* what was found beside them and is no checkpoint of the run, by name */
    int64_t        n_left_out, left_capacity;
} ns_scan_index;

bool ns_scan_takes(const ns_scan_params *, int64_t step);
int  ns_scan_index_read(ns_scan_index *, const char *out, const char *run, ns_error *);
void ns_scan_index_clear(ns_scan_index *);
const ns_scan_entry *ns_scan_index_find(const ns_scan_index *, ns_scan_key);      /* NULL: none */
int  ns_scan_key_order(ns_scan_key, ns_scan_key);        /* as of strcmp */
/* FOLDER/step000120.ENDING; stage2-step000120.ENDING of a later stage. malloc'd. */
char *ns_scan_file(const char *folder, ns_scan_key, const char *ending);
const char *ns_scan_key_read(const char *name, ns_scan_key *);       /* of such a name, its ending with the point; "" of another */
/* NS_E_ARG when the folder's run of this name lies elsewhere (and that is still there). */
int  ns_scan_index_check(const ns_scan_params *, const ns_scan_run *, ns_error *);
/* The series as OUT's index has it, where the run's folder is still what it was (else stamp is ""). No checkpoint is looked at. */
int  ns_scan_index_series(ns_series *, char stamp[65], const char *out, const char *run, const char *folder, ns_error *);
int  ns_scan_index_write(const ns_scan_params *, const ns_scan_run *, ns_error *);

#endif
