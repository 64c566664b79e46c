/* export.h - a study (ns_merge) or a score file (needlescope score) for other people's tools: CSV, a LaTeX table, a notebook.
 * docs/exports.md
 *
 * R runs, P steps, L layers, H heads. A score file is a study of one run and one step. The same file and parameters give the same bytes.
 * Files are written whole or not at all; one that exists is replaced. */
#ifndef NEEDLESCOPE_EXPORT_H
#define NEEDLESCOPE_EXPORT_H

#include <needlescope/provenance.h>
#include <needlescope/study.h>

NS_BEGIN

/* A score to export. over, of: the outputs over cases that it is a quotient of (n in the CSV: the sum of `over`, else how many cases have a
 * finite `of`); NULL = not known. */
typedef struct ns_export_score { const char *name, *of, *over; } ns_export_score;

/* The births section of a notebook: what ns_emergence_run found of the first score, and figures that were drawn of it. */
typedef struct ns_export_png { const uint8_t *data; size_t n; } ns_export_png;         /* n = 0: was not drawn */
typedef struct ns_export_births {
    double        theta, horizon;
    int           persist;
    bool          in_tokens;          /* the axis: tokens, else steps */
    const ns_event *run;              /* [R] */
    ns_export_png bands, curves;      /* best head's score: a row a run with its birth, a line a run */
} ns_export_births;

/* A page of `needlescope view` in a notebook: its HTML, and what the cell makes it from again: the files that it shows beside the study's
 * own, the tokenizer (NULL: the recordings') and the limit (0: the usual one). */
typedef struct ns_export_page {
    const char        *html;  int64_t bytes;
    const char *const *beside;  int n_beside;
    const char        *tokenizer;
    int64_t            limit;
} ns_export_page;

typedef struct ns_export_params {
    size_t      size;
    const ns_export_score *scores;  int n_scores;     /* one at least */
    const char *run;                  /* notebook: whose heads are drawn (NULL = the first); csv, latex: only this one (NULL = all) */
    int64_t     top;                  /* heads in a table; 0 = 10 */
    bool        standalone;           /* latex: a document, not a tabular to \input */
    const ns_export_births *births;   /* notebook; NULL = none */
    const ns_provenance *by;          /* who exports; NULL = not said, nor when and where: the same bytes each time */
    const ns_export_page *page;       /* notebook; NULL = none */
} ns_export_params;

/* One row per (run, checkpoint, score, head): run and its coordinates, step, tokens, layer, head, layer_kind, score, value, n. RFC 4180;
 * %.9g, so that every f32 comes back; empty = NaN, or not known. Checkpoints that were not scored and heads that are not there have no row.
 * *rows may be NULL. The provenance stands beside it, in PATH-metadata.json (W3C's CSV on the Web): a CSV has no place for it. */
NS_API NS_MUST_CHECK int ns_export_csv(ns_study *, const char *path, const ns_export_params *, int64_t *rows, ns_error *);
/* A booktabs tabular: the best heads (best.h) by each score at the last checkpoint of each run, with 95 % intervals where the file has
 * them. Provenance in comments. */
NS_API NS_MUST_CHECK int ns_export_latex(ns_study *, const char *path, const ns_export_params *, ns_error *);
/* nbformat 4.5: the cells read the file by its path relative to the notebook, with xarray, and carry their outputs: tables, and figures as
 * PNG (none in a build that draws no figures). Provenance in metadata.needlescope. */
NS_API NS_MUST_CHECK int ns_export_notebook(ns_study *, const char *path, const ns_export_params *, ns_error *);

/* A list of heads of one checkpoint, the last that was scored of params->run (which must be named where there are several), by
 * params->scores[0], in another program's form (head_list.h): retrieval_head, locos (a number for each case where the score is of cases),
 * target_heads (params->top targets), qrhead (all heads), names (params->top), duo (of KV heads the best query head's number; config.json
 * is written beside). *n: heads that it lists. NS_E_ARG where the smallest are the best: those programs take the largest. The provenance
 * stands beside it, as of a CSV. */
NS_API NS_MUST_CHECK int ns_export_heads(ns_study *, const char *path, const char *format, const ns_export_params *, int64_t *n,
                                         ns_error *);

/* What `gradient -o` wrote as the NPZ of the paper's own code: distance, mean_grad_norm, sum_grad_norm, sample_count (a number a distance),
 * model_name, context_len, target, target_last_n_tokens (scalars). shuffled: the norms of the shuffled texts; NS_E_ARG where the file has
 * none. The provenance stands beside it, as of a CSV. */
NS_API NS_MUST_CHECK int ns_export_npz(const char *gradient, const char *path, bool shuffled, const ns_provenance *by, ns_error *);

NS_END
#endif
