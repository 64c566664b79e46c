/* merge.h - inside of a merge: shards on their grid, and the fields that a study is made of. Internal. */
#ifndef NS_MERGE_H
#define NS_MERGE_H

#include <needlescope/axes.h>
#include <needlescope/scan.h>
#include <needlescope/study.h>

#include "core/core.h"
#include "scan_index.h"
#include "weights_sample.h"

typedef struct ns_shard {
    char   *run_name, *path;
    ns_file *file;                     /* of a finished one, resting */
    char   *cases, *probes, *kernels, *label, *content;   /* facts of a finished one */
    char   *reference;                 /* reference_weights_sha256; "" where it does not say */
    char   *tokenizer;                 /* tokenizer_sha256; "" where it does not say */
    char   *constrain;                 /* "" = no constraint */
    char   *weights;                   /* weights_sha256; NULL where it does not say */
    char   *arch, *kinds, *config;     /* arch_sha256, layer_kinds, model_config_sha256; "" where it does not say */
    char   *coords;                    /* its facts of the run, "NAME=VALUE" each behind a newline */
    char    layers[65];                /* hash of the kind of every layer, the window of every head and the heads that there are */
    char    heads[65];                 /* the same without windows: what a run's checkpoints share */
    char   *own_run;                   /* what it says itself of its place; "" and step -1 in one of an older version */
    ns_scan_key own;
    bool    failed;                    /* path is the file with the reason */
    bool    missing;                   /* the scan found the checkpoint, and there is neither, or one of an older one; path may be NULL */
    char   *expected;                  /* the name under which the scan found the checkpoint; NULL = not known */
    ns_scan_key key;                   /* as its name says */
    int64_t step, tokens, L, H;        /* step: over all stages */
    ns_extent extent;                  /* of the axes of its outputs */
    int64_t run, place;                /* index on the axes run and step */
} ns_shard;
void ns_shard_clear(ns_shard *);
static inline bool ns_shard_is_done(const ns_shard *s) { return !s->failed && !s->missing; }

enum { NS_MERGE_SAID = 8 };            /* facts of shards that the study repeats; merge_facts.c */

enum { NS_MERGE_LEFT = 3 };            /* run, name, why */
typedef struct ns_merge_left { char *text[NS_MERGE_LEFT]; } ns_merge_left;

typedef struct ns_merge_job {
    char     *said[NS_MERGE_SAID];
    bool      mixed_kernels, gone_too;
    ns_shard *shards;                  /* by run, step */
    ns_merge_left *left_out;           /* by run, name */
    int64_t   n_left_out, left_capacity;
    int64_t   not_taken;               /* checkpoints that --steps left out of the scan */
    char     *arch_changes;            /* "RUN step N; ...": where facts of the arch change within a run; NULL = nowhere */
    int64_t   passed_over;             /* files and folders among the shards that are none, nor on their way to be one */
    int64_t   gone;                    /* shards of checkpoints that the last scan did not find any more, left out */
    int64_t   superseded;              /* shards of other checkpoints than the last scan found in their place: those are missing */
    int64_t   unsealed;                /* shards and metrics without a seal */
    int64_t   unread;                  /* checkpoints whose own tokenizer could not be read when they were scored */
    int64_t   n_shards, shards_capacity, first;      /* first: index of the first finished one */
    char    **runs;                    /* [R], borrowed from the shards */
    int64_t  *steps;                   /* [P] */
    int64_t   R, P, C, L, H;
    ns_extent extent;                  /* of the study: the longest of its shards' */
} ns_merge_job;
int ns_merge_list(ns_merge_job *, const char *out, const char *shards, ns_error *);      /* by their names */
int ns_merge_find(ns_merge_job *, const char *out, ns_error *);
/* NS_E_FORMAT where the shards of the folder are not those of a study with this shards_sha256. */
int ns_shards_compare(const char *out, const char *sha256, ns_error *);

/* A dataset of the study, gathered over all shards. */
typedef struct ns_merge_field {
    char         *name;
    ns_axes       axes;                /* behind (run, step) */
    bool          is_score;            /* over layer and head, so that it may say what its numbers mean */
    int64_t       n;                   /* numbers of a cell */
    ns_dtype      dtype;               /* NS_U8 or NS_F32 */
    void         *cell;                /* [...] of the checkpoint in hand */
    ns_table_part *part;
    float        *share;               /* [R, P] of cases that have it, of what cases have or have not; else NULL */
    ns_score_meaning meaning;          /* of a score, as the first shard says; chance: the mean over shards */
    double        chance_sum;  int64_t chance_n;
} ns_merge_field;

/* A dataset of the first shard: "float32 12 HEX" of its line in the content, and whether it says something of each case. */
typedef struct ns_merge_said { const char *name, *content; bool of_cases; } ns_merge_said;

typedef struct ns_merging {
    ns_merge_job      job;
    ns_merge_field         *fields;
    int64_t           n_fields, fields_capacity;
    ns_merge_said    *first;  int64_t n_first, first_capacity;
    ns_table_writer  *w;
    int64_t          *tokens, *windows, *valid;          /* [R, P] [R, L, H] */
    uint8_t          *status;                            /* [R, P] */
    double           *thetas;  int64_t *spans;           /* [R, P, L] of merge_arch.c */
    const char      **scalings, **changes;               /* [R, P, L] [R, P]; NULL = none */
    float           **samples;  const char **sampled;    /* [R, P] of merge_weights.c: weights, and of which tensors; NULL = none */
    const char      **kinds, **labels, **weights;        /* [R, L] [R, P] [R, P]; the last two are the shards' */
    char            **errors;                            /* [R, P] */
    ns_file          *last;                              /* the shard's that was read last, awake */
    char            **texts;  int64_t n_texts, texts_capacity;      /* what kinds and labels point to */
    ns_error         *err;
} ns_merging;

/* Every dataset of a file's root, with its axes and type (NS_N_DTYPES: strings). */
typedef int (*ns_merge_visit)(ns_merging *, void *user, const ns_file *, const char *name, const char *axes, ns_dtype);
int ns_merge_each(ns_merging *, const ns_file *, ns_merge_visit, void *user);
/* Is a dataset of a shard a field, and behind (run, step) over what? Values of cases that depend on the checkpoint are bytes and floats;
 * what a case is (lengths, depth, ids) is int64 and double. */
bool ns_merge_field_axes(const char *name, const char *axes, ns_dtype, ns_axes *out);
int  ns_merge_find_fields(ns_merging *);                         /* of the first shard */
void ns_merge_blank(ns_merge_field *);                           /* its cell, as of no checkpoint */
int  ns_merge_read(ns_merging *, const ns_shard *);              /* into the cells of the fields, and its place of the grid */
const char *ns_merge_keep(ns_merging *, const char *text);       /* a copy that stays for the life of the merge */
int ns_merge_hear(ns_merge_job *, const ns_file *, ns_shard *, ns_error *);      /* what the shard says of its model */
bool ns_merge_weights_new(ns_merging *);                          /* false: no memory */
void ns_merge_weights_clear(ns_merging *);
int ns_merge_hear_weights(ns_merging *, const ns_file *, int64_t cell);
int ns_merge_write_weights(ns_merging *);
bool ns_merge_arch_new(ns_merging *);                             /* false: no memory */
void ns_merge_arch_clear(ns_merging *);
int ns_merge_hear_arch(ns_merging *, const ns_file *, const ns_shard *);   /* how the shard's layers rotate and what they see */
int ns_merge_write_arch(ns_merging *);
int ns_merge_write_texts(ns_merging *, const char *name, const char *axes, const char *const *list, int64_t n);    /* NULL: "" */
int ns_merge_say(const ns_merging *, ns_fact_list *);            /* what all said */
int ns_merge_leave(ns_merge_job *, const char *run, const ns_scan_index *, ns_error *);
void ns_merge_left_clear(ns_merge_job *);
int ns_merge_write_left(ns_merging *);
int ns_merge_write_axis(ns_merging *, const char *name, const int64_t *values, int64_t n);      /* NULL: counts from 0 */
int ns_merge_write_axes(ns_merging *);
int ns_merge_write_grid(ns_merging *);
int ns_merge_write_coords(ns_merging *);
/* By the lines of the shard's content; the first is what the others are held to. */
int ns_merge_compare_cases(ns_merging *, const ns_file *, const ns_shard *, char *const *lines, int64_t n);
int ns_merge_write_cases(ns_merging *);
int ns_merge_begin_fields(ns_merging *);                         /* behind the axes: then cell by cell, run by run */
int ns_merge_add_cells(ns_merging *, int64_t cell);
int ns_merge_end_fields(ns_merging *);                           /* accuracies too */
int ns_merge_write_metrics(ns_merging *, const char *out);
char *ns_merge_metrics_path(const char *out, const char *run);   /* malloc'd */

#endif
