/* plot.h - figures of files: what a study, a score file, a recording or an ablation holds is read, arranged and drawn by one call.
 *
 * Each figure says what it is made of (names, hashes, models: ns_provenance_of_file) behind what look->facts say of its caller
 * (ns_provenance_of_run).
 *
 * path: its ending (.png, .pdf, .eps, .svg) says what is written; with look->bytes the file comes there instead. A build without cairo
 * answers NS_E_UNSUPPORTED. figure.h draws numbers that are not in a file. */
#ifndef NEEDLESCOPE_PLOT_H
#define NEEDLESCOPE_PLOT_H

#include <needlescope/figure.h>
#include <needlescope/training.h>

NS_BEGIN

/* What was drawn, in words to print; the caller sets size. NULL where nobody asks. */
typedef struct ns_plotted {
    size_t size;
    char   shows[256];                   /* "retrieval_find" */
    char   note[512];                    /* what was left out or pooled; "" = nothing */
} ns_plotted;

/* ---- a study and its births ---- */
typedef struct ns_study_view {
    size_t              size;
    ns_study           *study;
    const ns_emergence *births;          /* of that study */
    const char         *name;            /* of the study, for the figure */
    int64_t             run;             /* of a figure of one run; -1 where none was chosen */
} ns_study_view;
typedef int ns_study_draw(const char *path, const ns_study_view *, const ns_figure_params *look, ns_plotted *, ns_error *);
/* of_a_run: of one run; of_previous: of previous-token heads, too. */
typedef struct ns_study_figure { const char *name, *summary; bool of_a_run, of_previous; ns_study_draw *draw; } ns_study_figure;
/* laziness, births, pairs, curves, loss, strip; ends with name = NULL. NS_E_ARG: nothing to draw up to the horizon, or too many runs, heads
 * or groups. */
extern NS_API const ns_study_figure ns_study_figures[];
/* NULL: no figure of that name. */
NS_API const ns_study_figure *ns_study_figure_find(const char *name);

/* A study's file in one call: its births are found, and drawn. */
typedef struct ns_study_plot {
    size_t              size;
    const char         *file;
    const char         *figure;          /* a name of ns_study_figures */
    const ns_emergence_params
        *births; /* NULL = the defaults; `previous` counts where the figure is of such heads; of `loss` the horizon alone counts */
    const char         *run;             /* of a figure of one run: its name; NULL = the first */
} ns_study_plot;
NS_API NS_MUST_CHECK int ns_plot_study(const char *path, const ns_study_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* Layer x head maps of one run at chosen steps, with one scale and one colour bar: heads being born. */
typedef struct ns_growth_plot {
    size_t         size;
    const char    *file;                 /* a study */
    const char    *run;                  /* by its name; NULL = the first */
    const char    *score;                /* NULL = the usual one (ns_heads_plot) */
    const int64_t *steps;  int n_steps;  /* ascending, scored ones, at most NS_FIGURE_HEADS; 0 = the first, the last, and four between */
    int64_t        top;                  /* so many of the best at the last of them are outlined in all */
} ns_growth_plot;
NS_API NS_MUST_CHECK int ns_plot_growth(const char *path, const ns_growth_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* The heads of two score files, or of one run of a study at two steps, side by side, and what the second has more, in colours of its own by
 * their sign. NS_E_ARG: they differ in layers or heads. */
typedef struct ns_compare_plot {
    size_t             size;
    const char *const *files;   int n_files;         /* two score files, or one study */
    const char        *score;                        /* NULL = the first file's usual one */
    const char        *run;                          /* of a study: by its name; NULL = the first */
    const int64_t     *steps;   int n_steps;         /* of a study: two */
    int64_t            top;                          /* so many that differ most are outlined */
} ns_compare_plot;
NS_API NS_MUST_CHECK int ns_plot_compare(const char *path, const ns_compare_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* ---- a recording ---- */
/* The attention of one head on one case, recorded as maps of kind dense or rows. */
typedef struct ns_map_plot {
    size_t      size;
    const char *file;
    const char *case_id;                 /* id or number of the case; NULL = the first */
    int64_t     layer, head;
    bool        log_scale, no_spans;
    const char *rows;                    /* "answer" (those that predict it), "last:N", "span:NAME" or "A:B"; NULL = all recorded */
    const char *keys;                    /* "A:B" or "span:NAME"; NULL = all. How much weight lies elsewhere is said */
    bool        tokens;                  /* the texts of tokens in place of positions */
    const char *tokenizer;               /* that says them; NULL = the recording's, where it is still there, else ids */
} ns_map_plot;
NS_API NS_MUST_CHECK int ns_plot_map(const char *path, const ns_map_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* One row of attention of a head over the text itself, its tokens shaded by their weights. A path that ends with .tex is written as
 * LaTeX, whose macros stand in it; of the look nothing may be asked for then. NS_E_ARG: nobody says what the tokens are. */
typedef struct ns_tokens_plot {
    size_t      size;
    const char *file;
    const char *case_id;                 /* id or number of the case; NULL = the first */
    int64_t     layer, head;
    int64_t     row;                     /* position of the query; -1 = the first that predicts the answer, else the last recorded */
    const char *keys;                    /* "A:B" or "span:NAME"; NULL = all up to the query */
    const char *tokenizer;               /* NULL = the recording's, where it is still there */
} ns_tokens_plot;
NS_API NS_MUST_CHECK int ns_plot_tokens(const char *path, const ns_tokens_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* ---- score files: the scores of one checkpoint (score, a shard of scan, patch) ---- */
/* Layer x head maps of scores, side by side: files x scores (x 2, split) of them, at most NS_FIGURE_HEADS. */
typedef struct ns_heads_plot {
    size_t             size;
    const char *const *files;   int n_files;
    const char *const *scores;
    int n_scores; /* 0 = each file's usual one: retrieval_find, else the first retrieval score, else the first */
    const ns_head     *marks;   int n_marks;         /* heads to outline */
    int64_t            top;                          /* so many of the best, too (best.h: none that scores nothing) */
    int64_t            split;                        /* above 0: each score, a rate of hits, twice: over the cases whose needle is nearer
                                                        to the query than so many tokens, and over those whose needle is not */
} ns_heads_plot;
NS_API NS_MUST_CHECK int ns_plot_heads(const char *path, const ns_heads_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* The best heads of scores by rank, at most 6 panels, with intervals where the file has them. */
typedef struct ns_rank_plot {
    size_t             size;
    const char        *file;
    const char *const *scores;  int n_scores;        /* 0 = the usual one */
    int64_t            top;                          /* 0 = 20; at most 256 */
} ns_rank_plot;
NS_API NS_MUST_CHECK int ns_plot_rank(const char *path, const ns_rank_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* The needle grid, lengths x places of the needle: the values that were asked for where they are at most 12, else ten bins. Twins are left
 * out. A place is a depth where the file's cases have one, else (or where asked for) the distance from the query in tokens. */
enum { NS_GRID_BY_WHAT_IS_THERE, NS_GRID_BY_DEPTH, NS_GRID_BY_DISTANCE };
enum { NS_GRID_FIRST, NS_GRID_ANSWERED, NS_GRID_FIND };
typedef struct ns_grid_plot {
    size_t      size;
    const char *file;
    int         of;                      /* first answer token right, whole answer right, the find rate of `head` */
    ns_head     head;
    int         by;                      /* NS_GRID_BY_... */
} ns_grid_plot;
NS_API NS_MUST_CHECK int ns_plot_grid(const char *path, const ns_grid_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* How far scores mean the same heads: overlap of the ten best, or rank correlation. */
typedef struct ns_agreement_plot {
    size_t             size;
    const char        *file;
    const char *const *scores;  int n_scores;        /* 0 = all but the _nosink ones */
    bool               spearman;
} ns_agreement_plot;
NS_API NS_MUST_CHECK int ns_plot_agreement(const char *path, const ns_agreement_plot *, const ns_figure_params *look, ns_plotted *,
                                           ns_error *);

/* ---- tables of losses (scaling.h) ---- */
/* Scaling laws over tokens, a panel a table (at most 4), a colour a size (at most 8), with the residuals under them. */
typedef struct ns_scaling_plot {
    size_t             size;
    const char *const *files;   int n_files;
    bool               longppl, hold_largest;        /* as ns_scaling_params has them */
} ns_scaling_plot;
NS_API NS_MUST_CHECK int ns_plot_scaling(const char *path, const ns_scaling_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* ---- interventions ---- */
/* Files of ablate, or of patch with a set, beside each other: every control a dot. */
NS_API NS_MUST_CHECK int ns_plot_ablation(const char *path, const char *const *files, int n_files, const ns_figure_params *look,
                                          ns_plotted *, ns_error *);

/* ---- a trace of heads (ns_trace_write) ---- */
/* Entropy above, distance below; the best heads of the last checkpoint, those of each step, the others: one thin line a run, coloured by
 * what it is one of (runs that differ in their seed alone); eight of those are drawn, the rest counted. */
NS_API NS_MUST_CHECK int ns_plot_trace(const char *path, const char *file, const ns_figure_params *look, ns_plotted *, ns_error *);

/* ---- layer-wise probing (linear.h) ---- */
/* Of a file of one checkpoint: accuracy by layer with its interval, chance and controls, a panel a distance (at most 6); of a study: layer
 * x step of one run, 64 checkpoints at the most (evenly chosen, the others counted). */
typedef struct ns_probe_plot {
    size_t        size;
    const char   *file;
    const double *distances;  int n_distances;       /* 0 = each; NAN = all cases together; of a study one, 0 = all cases together */
    const char   *run;                               /* of a study; NULL = the first */
} ns_probe_plot;
NS_API NS_MUST_CHECK int ns_plot_probe(const char *path, const ns_probe_plot *, const ns_figure_params *look, ns_plotted *, ns_error *);

/* ---- influence ---- */
/* Files of gradient: the norm by distance, that of the shuffled texts, and windows. */
NS_API NS_MUST_CHECK int ns_plot_gradient(const char *path, const char *const *files, int n_files, const ns_figure_params *look,
                                          ns_plotted *, ns_error *);

NS_END
#endif
