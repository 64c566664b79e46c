/* series.h - the checkpoints of one training run, in order.
 *
 * Names are read by a table of patterns (HF Trainer's checkpoint-1000, Pythia's step1000, OLMo's stage1-step1000-tokens5B, TinyLlama's
 * step-50K-105b, SmolLM3's lc-4k-to-32k-step-4000, DeepSpeed's global_step1000, Megatron's iter_0001000, epoch=0-step=1000,
 * ckpt_000, ours step000120, ...), of folders and of single files (epoch=0-step=1000.ckpt, step1000.pt, a GGUF), else by trainer_state.json
 * or what a trainer's file says of itself. Where nothing says the step (of main, final and last, as a rule), it is left out, unless
 * it is the only one: no step depends on what else is there. A manifest overrides names and order. What was found and is not in the list
 * stands beside it, with the reason. */
#ifndef NEEDLESCOPE_SERIES_H
#define NEEDLESCOPE_SERIES_H

#include <needlescope/error.h>

NS_BEGIN

typedef struct ns_series_item {
    char   *path;              /* what ns_checkpoint_open takes */
    char   *revision;          /* of a Hugging Face cache folder, or NULL */
    char   *label;             /* the folder's or revision's name */
    int64_t stage, stage_step; /* what it is found by again: its stage, 0 where the name has none, and the step that its name says */
    int64_t step;              /* goes on over the stages: where a later one counts from 0 again, behind the last that is there before it */
    int64_t branch;            /* ingredient of a stage (OLMo), trained beside the others: 0 where the name has none */
    int64_t tokens;            /* trained on so far, over all stages; -1 = not known */
    bool    final;             /* main, final, last, and it does not say its step itself */
    bool    inside;            /* step is by its own account (trainer_state.json, a trainer's file), not by its name */
    bool    other;             /* its name says the step, which is taken, and its trainer_state.json says other_step */
    int64_t other_step;
} ns_series_item;

typedef struct ns_series_left {
    char *name, *why;          /* a folder or a revision, and one line */
    bool  no_checkpoint;       /* neither weights in it nor a step in its name: logs and the like */
} ns_series_left;

typedef struct ns_series {
    ns_series_item *list;      /* steps ascend */
    int64_t         n, capacity;
    ns_series_left *left_out;  /* by name */
    int64_t         n_left_out, left_capacity;
} ns_series;

/* The checkpoints below a run's folder and in its folder `checkpoints` (or of a Hugging Face cache with several revisions): folders, and
 * files of weights; the folder itself when it is a checkpoint, by itself or beside those below it. Two names of the same weights
 * (a link, a revision, a copy) are one checkpoint, and of branches beside each other one is taken: the others are left out. Two checkpoints
 * of the same step, or none at all, are errors that name them. */
NS_API NS_MUST_CHECK int ns_series_find(ns_series *out, const char *folder, ns_error *);
/* Of a run's folder and the series that was found in it: as long as it is the same, so is the series, but for what is inside of its
 * checkpoints, which are not looked at. "" where that cannot be said (a cache, an entry that came meanwhile). */
NS_API NS_MUST_CHECK int ns_series_stamp(const ns_series *, const char *folder, char hex[65], ns_error *);
/* Steps that are missing where checkpoints come at an even spacing: `missing` of them between two that are there. *out malloc'd, NULL where
 * there are none. */
typedef struct ns_series_gap { int64_t after, before, missing; } ns_series_gap;
NS_API NS_MUST_CHECK int ns_series_gaps(const ns_series *, ns_series_gap **out, int64_t *n, ns_error *);
/* A manifest: JSONL lines {"path": ..., "revision": ..., "step": N, "stage": N, "stage_step": N, "tokens": N, "label": ...}, paths relative
 * to the manifest; order and steps as written. path and step are needed; revision is of a Hugging Face cache folder; stage (from 1 on)
 * and stage_step stand together. */
NS_API NS_MUST_CHECK int ns_series_manifest(ns_series *out, const char *path, ns_error *);
/* The manifest that says the same as this series: read again it gives its list. Whole or not at all. */
NS_API NS_MUST_CHECK int ns_series_write_manifest(const ns_series *, const char *path, ns_error *);
NS_API void ns_series_clear(ns_series *);
/* Its stage, counted from 1: a name without one is of the first. */
NS_API int64_t ns_series_stage(const ns_series_item *);
/* Step and tokens from a name alone; false when no pattern knows it. */
NS_API bool ns_series_parse(const char *name, ns_series_item *out);

NS_END
#endif
