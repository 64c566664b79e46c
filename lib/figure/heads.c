/* heads.c - scores of every head, layer x head, of one or more files: maps side by side, the best heads outlined, each map's own chance on
 * its colour bar. */
#include "figure/headmaps.h"
#include "figure/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef ns_head_map map;
typedef struct maps {
    map  list[NS_FIGURE_HEADS];
    int  n;
    bool few;                            /* of the k best less than k score */
    int64_t hidden;                      /* outlined heads in layers that are not drawn */
    char marks_name[64], note[400];
} maps;

static void clear_maps(maps *m)
{
    for (int i = 0; i < m->n; i++)
        ns_head_map_clear(&m->list[i]);
}

/* The k best behind the marks that are there; a head that scores nothing is none of them. */
static int add_best(const ns_study *study, const char *score, int64_t k, map *m, maps *all, ns_error *err)
{
    ns_score_meaning meaning;
    const int64_t H = m->figure.n_heads;
    int rc = ns_plot_ranks(study, score, &meaning, all->note, sizeof all->note, err);
    int64_t *const best = ns_alloc_array((size_t)k + 1, sizeof *best);
    if (rc == NS_OK && !best)
        rc = ns_oom(err, "marks");
    if (rc == NS_OK) {
        const ns_best_cut cut = ns_best(m->score, m->figure.n_layers * H, k, &meaning, best);
        for (int64_t i = 0; i < cut.n; i++)
            m->marks[m->figure.n_marks++] = (ns_head){best[i] / H, best[i] % H};
        all->few |= cut.n < k;
        ns_plot_note_cut(all->note, sizeof all->note, m->name, &cut, k);
    }
    free(best);
    return rc;
}

static int mark_heads(const ns_heads_plot *p, const ns_study *study, const char *score, map *m, maps *all, ns_error *err)
{
    m->marks = ns_alloc_array((size_t)(p->top + p->n_marks) + 1, sizeof *m->marks);
    if (!m->marks)
        return ns_oom(err, "marks");
    for (int i = 0; i < p->n_marks; i++) {
        const ns_head h = p->marks[i];
        for (int k = 0; k < i; k++)
            if (p->marks[k].layer == h.layer && p->marks[k].head == h.head)
                return ns_fail(err, NS_E_ARG, "head %lld.%lld is to be marked twice", (long long)h.layer, (long long)h.head);
        if (h.layer < 0 || h.layer >= m->figure.n_layers || h.head < 0 || h.head >= m->figure.n_heads ||
            !ns_study_head_valid(study, 0, h.layer, h.head))
            return ns_fail(err, NS_E_ARG, "%s has no head %lld.%lld to mark: it has %lld layer%s of %lld head%s at most",
                           ns_study_path(study), (long long)h.layer, (long long)h.head, (long long)m->figure.n_layers,
                           ns_plural(m->figure.n_layers), (long long)m->figure.n_heads, ns_plural(m->figure.n_heads));
        m->marks[m->figure.n_marks++] = h;
    }
    m->figure.marks = m->marks;
    return p->top ? add_best(study, score, p->top, m, all, err) : NS_OK;
}

static int read_map(ns_study *study, const char *score, bool several, map *m, ns_error *err)
{
    const int rc = ns_head_map_read(m, study, score, 0, 0, err);
    return rc != NS_OK ? rc : ns_head_map_name(m, several ? ns_plot_label(ns_study_path(study), score) : ns_strdup(score), err);
}

/* find of retrieval_find: two of them stand side by side. */
static const char *short_name(const char *score)
{
    return ns_starts(score, "retrieval_") ? score + strlen("retrieval_") : score;
}

/* The hits that a score is a rate of: find_hits of retrieval_find. NS_E_ARG: the file has none. */
static int hits_of(const ns_study *study, const char *score, char hits[96], ns_error *err)
{
    snprintf(hits, 96, "%.60s_hits", short_name(score));
    if (!ns_study_has(study, "distance"))
        return ns_fail(err, NS_E_ARG, "it is of an older version, without the distances of needles (score the cases again)");
    return ns_study_has(study, hits) && ns_hits_of(hits)
               ? NS_OK
               : ns_fail(err, NS_E_ARG, "%s cannot be split by the needle's distance: it is no rate of hits that the file has of each case",
                         score);
}

/* out[heads]: hits / events over the cases on one side of the split; *n: how many these are. */
static void rate(const float *hits, const float *events, const float *distance, ns_study_shape size, int64_t split, bool far, float *out,
                 int64_t *n)
{
    *n = 0;
    for (int64_t c = 0; c < size.C; c++)
        *n += isfinite(distance[c]) && (distance[c] >= (float)split) == far;
    for (int64_t h = 0; h < size.L * size.H; h++) {
        double hit = 0, of = 0;
        for (int64_t c = 0; c < size.C; c++) {
            const int64_t at = c * size.L * size.H + h;
            if (!isfinite(distance[c]) || (distance[c] >= (float)split) != far || !isfinite(events[at]))
                continue;
            hit += (double)hits[at];
            of += (double)events[at];
        }
        out[h] = of > 0 ? (float)(hit / of) : NAN;
    }
}

/* One side of the split in place of the score. Its chance is not known apart. */
static int take_side(ns_study *study, const char *score, int64_t split, bool far, map *m, ns_error *err)
{
    const ns_study_shape size = ns_study_size(study);
    const size_t cells = (size_t)(size.C * size.L * size.H);
    char hits_name[96];
    int64_t n = 0;
    int rc = hits_of(study, score, hits_name, err);
    if (rc != NS_OK)
        return rc;
    float *const hits = ns_alloc_array(cells, sizeof *hits), *const events = ns_alloc_array(cells, sizeof *events);
    float *const distance = ns_alloc_array((size_t)size.C, sizeof *distance);
    rc = hits && events && distance ? NS_OK : ns_oom(err, "hits of cases");
    rc = rc != NS_OK ? rc : ns_study_counts(study, hits_name, 0, 0, hits, err);
    rc = rc != NS_OK ? rc : ns_study_counts(study, ns_hits_of(hits_name), 0, 0, events, err);
    rc = rc != NS_OK ? rc : ns_study_case_numbers(study, "distance", distance, err);
    if (rc == NS_OK)
        rate(hits, events, distance, size, split, far, m->score, &n);
    if (rc == NS_OK && n == 0)
        rc = ns_fail(err, NS_E_ARG, "no case has its needle %s %lld tokens from the query", far ? "at or beyond" : "within",
                     (long long)split);
    const char *const sign = far ? "\xe2\x89\xa5" : "<";
    char *const name = rc != NS_OK ? NULL : ns_printf_alloc("d %s %lld: %s", sign, (long long)split, short_name(m->name));
    rc = rc == NS_OK && !name ? ns_oom(err, "a map of heads") : rc;
    if (rc == NS_OK) {
        free(m->name);
        m->figure.score_name = m->name = name;
        m->figure.chance = (double)NAN;
    }
    free(hits);
    free(events);
    free(distance);
    return rc;
}

static int add_map(const ns_heads_plot *p, ns_study *study, const char *score, bool far, maps *all, ns_error *err)
{
    map *const m = &all->list[all->n++];
    int rc = read_map(study, score, p->n_files > 1, m, err);
    rc = rc == NS_OK && p->split ? take_side(study, score, p->split, far, m, err) : rc;
    rc = rc != NS_OK ? rc : mark_heads(p, study, score, m, all, err);
    m->figure.marks_name = all->marks_name;
    return rc;
}

static int add_file(const ns_heads_plot *p, const char *path, maps *all, ns_error *err)
{
    ns_study *study;
    int rc = ns_plot_open_scores(&study, path, err);
    for (int i = 0; rc == NS_OK && i < (p->n_scores ? p->n_scores : 1); i++) {
        const char *const score = p->n_scores ? p->scores[i] : ns_study_usual_score(study);
        rc = add_map(p, study, score, false, all, err);
        if (rc == NS_OK && p->split)
            rc = add_map(p, study, score, true, all, err);
    }
    ns_study_close(study);
    return ns_fail_of(err, rc, path);
}

/* NULL where the files are of several models. */
static const char *one_model(const maps *m)
{
    for (int i = 1; i < m->n; i++)
        if (strcmp(m->list[i].model, m->list[0].model) != 0)
            return NULL;
    return m->list[0].figure.model_name;
}

static int draw(const char *path, const ns_heads_plot *p, maps *m, const ns_figure_params *look, ns_error *err)
{
    const char *const title = p->split ? "Scores by the needle's distance d (tokens)" : "Scores of every head";
    ns_heads_figure figures[NS_FIGURE_HEADS];
    ns_plot_look own = {0};
    int rc = NS_OK;
    for (int i = 0; i < m->n && rc == NS_OK; i++) {
        rc = ns_head_map_keep(&m->list[i], look, &m->hidden, err);
        figures[i] = m->list[i].figure;
    }
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, look, m->n > 1 ? 7 : 0, p->files, p->n_files, err);
    own.params.layers = NULL;
    if (m->n == 1)
        rc = rc != NS_OK ? rc : ns_draw_heads(path, &figures[0], &own.params, err);
    else
        rc = rc != NS_OK ? rc : ns_draw_heads_row(path, figures, m->n, title, one_model(m), &own.params, err);
    ns_plot_look_end(&own);
    return ns_fail_of(err, rc, p->n_files == 1 ? p->files[0] : NULL);      /* maps of several are called by their files' names */
}

static void say(maps *m, ns_plotted *said)
{
    ns_note_count(m->note, sizeof m->note, m->hidden, "outlined head lies in a layer that is not drawn",
                  "outlined heads lie in layers that are not drawn");
    char shows[256] = "";
    for (int i = 0; i < m->n; i++) {
        const size_t used = strlen(shows);
        snprintf(shows + used, sizeof shows - used, "%s%s", used ? ", " : "", m->list[i].name);
    }
    ns_plotted_say(said, shows, m->note);
}

int ns_plot_heads(const char *path, const ns_heads_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_heads_plot p;
    maps m = {.n = 0};
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_heads_plot", err);
    const int64_t n = (int64_t)p.n_files * (p.n_scores ? p.n_scores : 1) * (p.split ? 2 : 1);
    if (rc == NS_OK && (n < 1 || n > NS_FIGURE_HEADS))
        rc = ns_fail(err, NS_E_ARG, "%lld maps (files x scores%s); 1 to %d can stand side by side", (long long)n,
                     p.split ? " x 2, split" : "", NS_FIGURE_HEADS);
    if (rc == NS_OK && p.split < 0)
        rc = ns_fail(err, NS_E_ARG, "split at %lld tokens: there is no such distance", (long long)p.split);
    if (rc == NS_OK && p.top < 0)
        rc = ns_fail(err, NS_E_ARG, "the %lld best heads: there is no such number", (long long)p.top);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, p.files, p.n_files, err);
    for (int i = 0; rc == NS_OK && i < p.n_files; i++)
        rc = add_file(&p, p.files[i], &m, err);
    snprintf(m.marks_name, sizeof m.marks_name, "%s%s%s%.0lld%s", p.n_marks ? "marked" : "", p.n_marks && p.top ? ", and " : "",
             p.top ? "top " : "", (long long)p.top, m.few ? " (those that score)" : "");
    rc = rc != NS_OK ? rc : draw(path, &p, &m, look, err);
    if (rc == NS_OK)
        say(&m, said);
    clear_maps(&m);
    return rc;
}
