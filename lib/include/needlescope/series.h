/* series.h - the checkpoints of one training run, in order.
 *
 * Names are read by a table of patterns (HF Trainer's checkpoint-1000, Pythia's step1000, OLMo's stage1-step1000-tokens5B, TinyLlama's
 * step-50K-105b, SmolLM3's lc-4k-to-32k-step-4000, DeepSpeed's global_step1000, Megatron's iter_0001000, epoch=0-step=1000,
 * ckpt_000, ours step000120, ...), of folders and of single files (epoch=0-step=1000.ckpt, step1000.pt, a GGUF), else by trainer_state.json
 * or what a trainer's file says of itself; main, final and last come after the numbered ones. A manifest overrides names and order. What
 * was found and is not in the list stands beside it, with the reason. */
#ifndef NEEDLESCOPE_SERIES_H
#define NEEDLESCOPE_SERIES_H

#include <needlescope/error.h>

NS_BEGIN

typedef struct ns_series_item {
    char   *path;              /* what ns_checkpoint_open takes */
    char   *revision;          /* of a Hugging Face cache folder, or NULL */
    char   *label;             /* the folder's or revision's name */
    int64_t stage, step;       /* stage 0 where the name has none */
    int64_t branch;            /* ingredient of a stage (OLMo), trained beside the others: 0 where the name has none */
    int64_t tokens;            /* trained on so far; -1 = not known */
    bool    final;             /* main, final, last: its step is the last numbered one plus 1, where it does not say its own */
    bool    inside;            /* step is by its own account (trainer_state.json, a trainer's file), not by its name */
} ns_series_item;

typedef struct ns_series_left {
    char *name, *why;          /* a folder or a revision, and one line */
    bool  no_checkpoint;       /* neither weights in it nor a step in its name: logs and the like */
} ns_series_left;

typedef struct ns_series {
    ns_series_item *list;      /* by (stage, step), final ones last */
    int64_t         n, capacity;
    ns_series_left *left_out;  /* by name */
    int64_t         n_left_out, left_capacity;
} ns_series;

/* The checkpoints below a run's folder and in its folder `checkpoints` (or of a Hugging Face cache with several revisions): folders, and
 * files of weights; the folder itself when it is a checkpoint, by itself or as the last of those below it. Two names of the same weights
 * (a link, a revision, a copy) are one checkpoint, and of branches beside each other one is taken: the others are left out. Two checkpoints
 * of the same step, or none at all, are errors that name them. */
NS_API NS_MUST_CHECK int ns_series_find(ns_series *out, const char *folder, ns_error *);
/* Steps that are missing where checkpoints come at an even spacing: `missing` of them between two that are there. *out malloc'd, NULL where
 * there are none. */
typedef struct ns_series_gap { int64_t after, before, missing; } ns_series_gap;
NS_API NS_MUST_CHECK int ns_series_gaps(const ns_series *, ns_series_gap **out, int64_t *n, ns_error *);
/* A manifest: JSONL lines {"path": ..., "revision": ..., "step": N, "tokens": N, "label": ...}, paths relative to the manifest; order and
 * steps as written. path and step are needed; revision is of a Hugging Face cache folder. */
NS_API NS_MUST_CHECK int ns_series_manifest(ns_series *out, const char *path, ns_error *);
/* The manifest that says the same as this series: read again it gives its list. Whole or not at all. */
NS_API NS_MUST_CHECK int ns_series_write_manifest(const ns_series *, const char *path, ns_error *);
NS_API void ns_series_clear(ns_series *);
/* Step and tokens from a name alone; false when no pattern knows it. */
NS_API bool ns_series_parse(const char *name, ns_series_item *out);

NS_END
#endif
