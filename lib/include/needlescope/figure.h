/* figure.h - figures for papers: PNG, PDF, EPS and SVG from one drawing (the ending of the path says which). */
#ifndef NEEDLESCOPE_FIGURE_H
#define NEEDLESCOPE_FIGURE_H

#include <needlescope/error.h>
#include <needlescope/fact.h>
#include <needlescope/head.h>

NS_BEGIN

/* Numbers in cells: where they fit; in any case (NS_E_ARG where they do not fit); but none that is 0 as it is printed; nowhere. */
enum { NS_VALUES_AUTO, NS_VALUES_ON, NS_VALUES_OFF, NS_VALUES_NONZERO, NS_N_VALUES };
enum { NS_LEGEND_BOTTOM, NS_LEGEND_TOP, NS_LEGEND_OFF, NS_N_LEGENDS };       /* off: what was left out or pooled is said all the same */
enum { NS_X_AUTO, NS_X_STEPS, NS_X_TOKENS, NS_N_X };                          /* auto: tokens where all are known, else steps */

/* What a figure has no use for (values where there are no cells, layers, an order, x) is NS_E_ARG. */
typedef struct ns_figure_params {
    size_t      size;
    const char *title;            /* NULL = a title that says what is shown; "" = none */
    const char *colormap;         /* NULL = "cividis", or "bluered" for signed values; viridis, magma, inferno, grey */
    double      vmin, vmax;       /* both 0 = the score's natural range: [0, 1] for scores within it, symmetric for signed values;
                                     -INFINITY, INFINITY = that end alone is the natural one */
    double      width;            /* inches; 0 = a paper's column (3.3) or less */
    int         dpi;              /* of PNG; 0 = 200 */
    const char *comment;          /* how it was made: goes into PNG iTXt / PDF and SVG metadata */
    const ns_fact *facts;  int n_facts;   /* its provenance, each with its name: PNG iTXt, PDF keywords, SVG metadata */
    uint8_t   **bytes;  size_t *n_bytes;   /* not NULL: the file comes here, malloc'd, and of the path only its ending counts */
    char       *crowded;  size_t crowded_size;   /* not NULL: which texts lie on each other or leave the page, in words; "" = none */
    double      font_size;        /* points of the smallest texts; 0 = 7. All else grows with it, but for the figure's width */
    const char *font;             /* family of an installed font, or a font's file; NULL = DejaVu Sans, which is compiled in */
    const char *const *labels;  int n_labels;   /* "retrieval_find=find": a text that is written another way; each must be there */
    double      height;           /* inches; 0 = as it comes. What it holds is stretched or pressed to it; NS_E_ARG: too much */
    const char *theme;            /* a JSON file of colours, line width and font (docs/figures.md); NULL = none */
    bool        dark;             /* light texts and lines on a dark page */
    bool        transparent;      /* the page itself is not painted */
    int         values, legend, x_axis;           /* NS_VALUES_..., NS_LEGEND_..., NS_X_... */
    const char *const *order;  int n_order;       /* panels, groups, rows or columns by their names: these first, the others behind them */
    const char *layers;           /* "0-3,7": those alone are drawn; NULL = all. Of figures of files (plot.h) */
} ns_figure_params;

/* Are these parameters, and the theme that they name, good for a figure? Nothing is drawn. NS_E_ARG, NS_E_FORMAT and NS_E_IO as of a
 * figure. */
NS_API NS_MUST_CHECK int ns_figure_check(const ns_figure_params *, ns_error *);

/* Layer x head map of one score. score[L * H] row-major, NaN = no such head (drawn hatched); kind[L]: 0 full 1 swa 2 recurrent
 * (ns_layer_kind), NULL = all full; window[L] of the swa layers, NULL = not known; marks: heads to outline (e.g. planted or top
 * heads) as pairs layer, head. */
typedef struct ns_heads_figure {
    size_t       size;
    const float *score;  int64_t n_layers, n_heads;
    const int   *kind;   const int64_t *window;
    const char  *score_name, *model_name;
    double       chance;          /* a tick on the colour bar; NaN = none */
    ns_head *marks;  int n_marks;
    const char  *marks_name;      /* what the outlines mean ("planted", "top 10"); NULL = "marked" */
    const int64_t *layer_at;      /* [L] the number of each layer, ascending; NULL = 0, 1, 2 ... */
    double      range[2];         /* what numbers there are beside its own, so that maps have one scale; both 0 = none */
    bool        difference;       /* of two numbers: colours by their sign, whatever the caller's map of values is */
    bool        no_bar;           /* of maps in a row: the next one's colour bar speaks for it */
} ns_heads_figure;
NS_API NS_MUST_CHECK int ns_draw_heads(const char *path, const ns_heads_figure *, const ns_figure_params *, ns_error *);

/* Attention map of one head. map[T * S] row-major (rows = query), NaN = not recorded; row0/key0 = position of the first; max-pooled
 * when there are more cells than pixels; white above the diagonal and outside the window. spans are drawn as brackets with names
 * on both axes. */
typedef struct ns_figure_span { const char *name; int64_t begin, end; } ns_figure_span;
typedef struct ns_map_figure {
    size_t       size;
    const float *map;  int64_t n_rows, n_keys, row0, key0;
    const ns_figure_span *spans;  int n_spans;
    const char  *model_name, *case_name;
    int64_t      layer, head, window;
    bool         log_scale;       /* colours by log10, from 1e-4 to 1 */
    const int64_t *row_at;        /* [n_rows] ascending query positions where rows are not consecutive; NULL = row0 + row */
    const char  *value_name;      /* NULL = "attention weight" */
    const char *const *row_texts, *const *key_texts;      /* [n_rows], [n_keys] the tokens, beside and under the cells; NULL = positions */
} ns_map_figure;
NS_API NS_MUST_CHECK int ns_draw_map(const char *path, const ns_map_figure *, const ns_figure_params *, ns_error *);

/* Scores over training, one thin row a run, nothing averaged (means of step-like curves invent slow ramps): bands of rows (a window, a
 * control) under each other, panels (scores) side by side, tokens on a log axis up to the common horizon. A birth is a white bar as wide as
 * the interval between checkpoints in which it lies, a triangle at the right edge says that there was none up to the horizon, a cross is a
 * death. */
enum { NS_FIGURE_BANDS = 64, NS_FIGURE_PANELS = 24 };
typedef struct ns_bands_figure {
    size_t        size;
    const double *tokens;  int64_t n_points;      /* [P] >= 0, ascending, two at least; the last is the horizon */
    const char *const *panels;  int n_panels;     /* their names; at most NS_FIGURE_PANELS */
    const char *const *bands;   int n_bands;      /* their names, from the top; at most NS_FIGURE_BANDS */
    int           n_controls;                     /* the last so many bands are set apart */
    const char *const *notes;                     /* [n_bands] for the right margin, or NULL */
    const int    *band;  int64_t n_rows;          /* [n_rows] each row's band, ascending */
    const float  *value;                          /* [panels, rows, P]; NaN = not run, hatched */
    const double (*birth)[2]; /* [panels, rows] tokens: born in (before, at]; at = infinity: not up to the horizon; NaN: nothing to say */
    const double *death;                          /* [panels, rows] tokens, NaN = none; or NULL */
    const double (*chance)[2]; /* [panels] each one's level on the colour bar, least and most over its rows; NaN = not known; or NULL */
    const char   *value_name, *study_name;
    const double *ticks;  int n_ticks;            /* tokens where the architecture changes */
    const char   *x_name;                         /* NULL = "tokens" */
} ns_bands_figure;
NS_API NS_MUST_CHECK int ns_draw_bands(const char *path, const ns_bands_figure *, const ns_figure_params *, ns_error *);

/* Lines, steps or points, coloured by group, in one pair of axes or in panels side by side that share them: scores over training (one thin
 * line a seed), Kaplan-Meier births, one birth against another. */
typedef enum ns_curve_kind { NS_CURVE_LINE, NS_CURVE_STEP, NS_CURVE_POINTS } ns_curve_kind;     /* a step holds y until the next x */
typedef struct ns_curve {
    const double *x, *y;  int64_t n;              /* NaN breaks a line, and is no point; beyond the axes: drawn at their edge */
    int           group;
    bool          open;                           /* points: hollow (a bound, not a value); steps: the mark of a censored end */
    int           panel;
    const double *low, *high;                     /* lines: [n] a pale band behind all lines, where neither is NaN; NULL = none */
} ns_curve;
typedef struct ns_curves_figure {
    size_t          size;
    ns_curve_kind   kind;
    const ns_curve *curves;  int n_curves;
    const char *const *groups;  int n_groups;     /* at most 64; of groups that are 8 apart a panel shows one */
    const char     *x_name, *y_name, *title, *study_name;
    bool            log_x, log_y;
    double          x_min, x_max, y_min, y_max;   /* both 0 = from the data (of a log axis: its positive part) */
    double          guide;                        /* a thin level line; NaN = none */
    bool            diagonal;                     /* x = y */
    const char     *open_name;                    /* what hollow points and marks mean; NULL = no key */
    const char *const *panels;  int n_panels;     /* their names; 0 = one without a name; at most
                                                   * NS_FIGURE_PANELS */
    const double   *ticks;  int n_ticks;          /* on the x axis, into the panel: where something happens */
    const char     *ticks_name;                   /* what; NULL = no key */
    const int      *y_axes;                       /* [n_panels] panels of one number share a y axis, others have their own, from the data;
                                                   * NULL = all share one */
    const char     *guide_name;                   /* what the level line is; NULL = no key */
} ns_curves_figure;
NS_API NS_MUST_CHECK int ns_draw_curves(const char *path, const ns_curves_figure *, const ns_figure_params *, ns_error *);

/* Points and the curves fitted to them, coloured by group, in panels side by side that share their axes; under each a strip of what the
 * curve leaves of its points. */
typedef struct ns_fit_series {
    const double *x, *y, *rest;  int64_t n;       /* points; rest: curve minus point */
    const double *line_x, *line_y;  int64_t n_line;
    int           group, panel;
    bool          open;                           /* hollow points: not fitted */
} ns_fit_series;
typedef struct ns_fit_figure {
    size_t        size;
    const ns_fit_series *series;  int n_series;
    const char *const *groups;  int n_groups;     /* at most 8 */
    const char *const *panels;  int n_panels;     /* their names; 0 = one without a name; at most NS_FIGURE_PANELS */
    const char   *x_name, *y_name, *rest_name, *title, *study_name;
    const char   *open_name;                      /* what hollow points mean */
    bool          log_x;
} ns_fit_figure;
NS_API NS_MUST_CHECK int ns_draw_fit(const char *path, const ns_fit_figure *, const ns_figure_params *, ns_error *);

/* Heads maps side by side (find, continue, induction): what each says of the same layers and heads. One colour bar where all have one scale
 * and one chance. */
enum { NS_FIGURE_HEADS = NS_FIGURE_PANELS };
NS_API NS_MUST_CHECK int ns_draw_heads_row(const char *path, const ns_heads_figure *figures, int n, const char *title, const char *subtitle,
                                           const ns_figure_params *, ns_error *);

/* A matrix of named rows and columns: agreement between scores, a needle grid (length x depth). value[rows * cols] row-major, NaN =
 * hatched; text in the cells, NULL = their numbers. */
typedef struct ns_matrix_figure {
    size_t       size;
    const float *value;  int64_t n_rows, n_cols;  /* at most 64 each */
    const char *const *rows, *const *cols;        /* their names */
    const char *const *text;                      /* [rows * cols] or NULL; a line each */
    const char  *row_name, *col_name, *value_name, *study_name;
    const char  *missing_name;                    /* what a hatched cell means; NULL = no key */
    double       chance;                          /* a tick on the colour bar; NaN = none */
} ns_matrix_figure;
NS_API NS_MUST_CHECK int ns_draw_matrix(const char *path, const ns_matrix_figure *, const ns_figure_params *, ns_error *);

/* Values by rank with their intervals, panels side by side: the best heads of each score. */
typedef struct ns_ranked {
    const char *name;
    int64_t n;
    const double *value, *low, *high;
    const char *const *labels;
    double chance;
} ns_ranked; /* NaN: no interval, no chance */
typedef struct ns_rank_figure {
    size_t           size;
    const ns_ranked *panels;  int n_panels;       /* at most NS_FIGURE_PANELS, of 1 to 256 values each */
    const char      *value_name, *study_name, *chance_name;
} ns_rank_figure;
NS_API NS_MUST_CHECK int ns_draw_rank(const char *path, const ns_rank_figure *, const ns_figure_params *, ns_error *);

/* Interventions and their controls: in each panel (a measure) a column for each set, every control a dot, the set itself a diamond, the
 * untouched value a line. draws[panels, columns, n_draws], NaN = none. */
typedef struct ns_strips_figure {
    size_t        size;
    const char *const *panels;   int n_panels;    /* at most NS_FIGURE_PANELS */
    const char *const *columns;  int n_columns;   /* at most 16 */
    const double *untouched;                      /* [panels] NaN = no line */
    const double *target;                         /* [panels, columns] */
    const double *draws;  int64_t n_draws;
    const char   *title, *study_name, *target_name, *draws_name;
    const double *untouched_of;                   /* [panels, columns] where `untouched` is NaN: each column's own; or NULL */
} ns_strips_figure;
NS_API NS_MUST_CHECK int ns_draw_strips(const char *path, const ns_strips_figure *, const ns_figure_params *, ns_error *);

/* One row of attention over the text itself: every token shaded by its weight, in lines as wide as the page. weights[n], NaN = a key
 * that the row cannot see (its text is faint). Texts are UTF-8 and may hold anything: line ends and tabs are shown by their signs,
 * control characters and what no font has by their codes, and counted under the text. */
typedef struct ns_tokens_figure {
    size_t       size;
    const char *const *texts;  const float *weights;  int64_t n;      /* at most 16384 */
    int64_t      query;                           /* which of them asks: outlined; -1 = none of them */
    const char  *title, *about;                   /* "layer 3, head 1"; the model and the case */
    const char  *value_name;                      /* NULL = "attention weight" */
} ns_tokens_figure;
NS_API NS_MUST_CHECK int ns_draw_tokens(const char *path, const ns_tokens_figure *, const ns_figure_params *, ns_error *);

NS_END
#endif
