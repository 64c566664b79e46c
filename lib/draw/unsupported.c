/* unsupported.c - figures in a build without cairo: each says what to do. */
#include <needlescope/figure.h>

static int refuse(ns_error *err, const char *path)
{
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: this build draws no figures (build with -Dcairo=enabled; "
                   "needs the development files of cairo, FreeType, HarfBuzz and FriBidi)", path ? path : "figure");
}

int ns_draw_heads(const char *path, const ns_heads_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_map(const char *path, const ns_map_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_bands(const char *path, const ns_bands_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_curves(const char *path, const ns_curves_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_matrix(const char *path, const ns_matrix_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_rank(const char *path, const ns_rank_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_fit(const char *path, const ns_fit_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_strips(const char *path, const ns_strips_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_tokens(const char *path, const ns_tokens_figure *figure, const ns_figure_params *params, ns_error *err)
{
    (void)figure;
    (void)params;
    return refuse(err, path);
}

int ns_draw_heads_row(const char *path, const ns_heads_figure *figures, int n, const char *title, const char *subtitle,
                      const ns_figure_params *params, ns_error *err)
{
    (void)figures;
    (void)n;
    (void)title;
    (void)subtitle;
    (void)params;
    return refuse(err, path);
}
