/* scaling_tell.c - scaling laws as an answer: a row a table, a row a size that was left out, a row a pair of tables, a row a point. */
#include <math.h>
#include <stdio.h>

#include "scaling.h"
#include "telling.h"

static void tell_interval(const ns_answer *a, ns_scaling_interval i)
{
    char words[64];
    snprintf(words, sizeof words, "%s%.4g, %.4g%s", i.low_open ? "[" : "(", i.low, i.high, i.high_open ? "]" : ")");
    if (a->brief) {
        tell_text(a, words);
        return;
    }
    tell_number(a, i.low);
    tell_number(a, i.high);
    tell_text(a, i.low_open && i.high_open ? "both" : i.low_open ? "low" : i.high_open ? "high" : "");
}

static void tell_error(const ns_answer *a, const ns_scaling_error *e)
{
    tell_integer(a, e->n);
    tell_number(a, e->r2);
    tell_number(a, e->rmse);
    tell_number(a, e->mae);
}

/* b and c are for programs: they trade off against the exponents. */
static void tell_laws(const ns_answer *a, const ns_scaling_report *r)
{
    static const ns_column brief[] = {
        {"alpha", "alpha", NS_CELL_NUMBER},     {"alpha_interval", "95%", NS_CELL_TEXT},    {"beta", "beta", NS_CELL_NUMBER},
        {"beta_interval", "95%", NS_CELL_TEXT}, {"objective", "objective", NS_CELL_NUMBER}, {"n", "points", NS_CELL_INT},
        {"r2", "R2", NS_CELL_NUMBER},           {"rmse", "RMSE", NS_CELL_NUMBER},           {"mae", "MAE", NS_CELL_NUMBER},
        {"file", "table", NS_CELL_TEXT}};
    static const ns_column whole[] = {{"alpha", "", NS_CELL_NUMBER},      {"alpha_low", "", NS_CELL_NUMBER},
                                      {"alpha_high", "", NS_CELL_NUMBER}, {"alpha_open", "", NS_CELL_TEXT},
                                      {"beta", "", NS_CELL_NUMBER},       {"beta_low", "", NS_CELL_NUMBER},
                                      {"beta_high", "", NS_CELL_NUMBER},  {"beta_open", "", NS_CELL_TEXT},
                                      {"objective", "", NS_CELL_NUMBER},  {"n", "", NS_CELL_INT},
                                      {"r2", "", NS_CELL_NUMBER},         {"rmse", "", NS_CELL_NUMBER},
                                      {"mae", "", NS_CELL_NUMBER},        {"file", "", NS_CELL_TEXT},
                                      {"ln_b", "", NS_CELL_NUMBER},       {"ln_c", "", NS_CELL_NUMBER}};
    if (a->brief)
        TELL_TABLE(a, "laws", "y = b / N^alpha + c / D^beta", brief);
    else
        TELL_TABLE(a, "laws", "", whole);
    for (int i = 0; i < r->n; i++) {
        const ns_scaling *const s = r->fits[i];
        tell_number(a, s->fit.law.alpha);
        tell_interval(a, s->alpha);
        tell_number(a, s->fit.law.beta);
        tell_interval(a, s->beta);
        tell_number(a, s->fit.objective);
        tell_error(a, &s->fit.fitted);
        tell_text(a, s->table->path);
        if (!a->brief) {
            tell_number(a, s->fit.law.ln_b);
            tell_number(a, s->fit.law.ln_c);
        }
    }
    a->end(a->user);
}

static void tell_held(const ns_answer *a, const ns_scaling *s, const ns_scaling_fit *f)
{
    tell_text(a, f->held_out);
    tell_error(a, &f->held);
    tell_number(a, f->law.alpha);
    tell_number(a, f->law.beta);
    tell_number(a, f->objective);
    tell_text(a, s->table->path);
}

static const ns_column held_columns[] = {{"size", "size", NS_CELL_TEXT},   {"n", "points", NS_CELL_INT},
                                         {"r2", "R2", NS_CELL_NUMBER},     {"rmse", "RMSE", NS_CELL_NUMBER},
                                         {"mae", "MAE", NS_CELL_NUMBER},   {"alpha", "alpha", NS_CELL_NUMBER},
                                         {"beta", "beta", NS_CELL_NUMBER}, {"objective", "objective", NS_CELL_NUMBER},
                                         {"file", "table", NS_CELL_TEXT}};

/* What --validate asks for; nothing where nothing was held out. */
static void tell_validation(const ns_answer *a, const ns_scaling_report *r)
{
    TELL_TABLE(a, "held_out", "Held out: foretold, not fitted", held_columns);
    for (int i = 0; i < r->n; i++)
        if (r->fits[i]->fit.held_out)
            tell_held(a, r->fits[i], &r->fits[i]->fit);
    a->end(a->user);
}

static void tell_without(const ns_answer *a, const ns_scaling_report *r)
{
    TELL_TABLE(a, "without_size", "Each size left out in turn, and foretold", held_columns);
    for (int i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->fits[i]->n_without; k++)
            tell_held(a, r->fits[i], &r->fits[i]->without[k]);
    a->end(a->user);
}

static void tell_gap(const ns_answer *a, const ns_scaling_gap *g)
{
    tell_number(a, g->n);
    tell_number(a, g->tokens);
    tell_number(a, g->gap);
    tell_number(a, g->low);
    tell_number(a, g->high);
}

static void tell_differences(const ns_answer *a, const ns_scaling_report *r)
{
    static const ns_column columns[] = {{"relation", "curves", NS_CELL_TEXT},
                                        {"small_n", "from N", NS_CELL_NUMBER},
                                        {"small_tokens", "D", NS_CELL_NUMBER},
                                        {"small_gap", "gap", NS_CELL_NUMBER},
                                        {"small_low", "low", NS_CELL_NUMBER},
                                        {"small_high", "high", NS_CELL_NUMBER},
                                        {"large_n", "to N", NS_CELL_NUMBER},
                                        {"large_tokens", "D", NS_CELL_NUMBER},
                                        {"large_gap", "gap", NS_CELL_NUMBER},
                                        {"large_low", "low", NS_CELL_NUMBER},
                                        {"large_high", "high", NS_CELL_NUMBER},
                                        {"narrower", "narrower by", NS_CELL_NUMBER},
                                        {"narrower_low", "low", NS_CELL_NUMBER},
                                        {"narrower_high", "high", NS_CELL_NUMBER},
                                        {"crossed", "crossed", NS_CELL_NUMBER},
                                        {"a", "table", NS_CELL_TEXT},
                                        {"b", "minus", NS_CELL_TEXT}};
    TELL_TABLE(a, "differences", "Do the curves cross or converge?", columns);
    const ns_scaling_difference *d = r->differences;
    for (int i = 0; i < r->n; i++)
        for (int k = i + 1; k < r->n; k++, d++) {
            tell_text(a, ns_scaling_relation_text(d->relation));
            tell_gap(a, &d->small);
            tell_gap(a, &d->large);
            tell_number(a, d->narrower);
            tell_number(a, d->narrower_low);
            tell_number(a, d->narrower_high);
            tell_number(a, d->crossed);
            tell_text(a, r->fits[i]->table->path);
            tell_text(a, r->fits[k]->table->path);
        }
    a->end(a->user);
}

static void tell_points(const ns_answer *a, const ns_scaling_report *r)
{
    static const ns_column columns[] = {
        {"file", "table", NS_CELL_TEXT},         {"size", "size", NS_CELL_TEXT},       {"n", "N", NS_CELL_NUMBER},
        {"tokens", "D", NS_CELL_NUMBER},         {"y", "y", NS_CELL_NUMBER},           {"fit", "fit", NS_CELL_NUMBER},
        {"residual", "fit - y", NS_CELL_NUMBER}, {"held_out", "held out", NS_CELL_INT}};
    TELL_TABLE(a, "points", "Points", columns);
    for (int i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->fits[i]->table->n; k++) {
            const ns_scaling *const s = r->fits[i];
            const ns_scaling_point *const p = &s->table->points[k];
            const double fit = ns_scaling_at(&s->fit.law, p->n, p->tokens);
            tell_text(a, s->table->path);
            tell_text(a, p->size);
            tell_number(a, p->n);
            tell_number(a, p->tokens);
            tell_number(a, p->y);
            tell_number(a, fit);
            tell_number(a, fit - p->y);
            tell_integer(a, p->size == s->fit.held_out);
        }
    a->end(a->user);
}

void ns_scaling_tell(const ns_scaling_report *r, const ns_answer *a)
{
    tell_fact(a, "y", "y", r->fits[0]->table->longppl ? "ln LongPPL" : "loss");
    tell_laws(a, r);
    tell_validation(a, r);
    tell_without(a, r);
    if (r->n > 1)
        tell_differences(a, r);
    if (!a->brief)
        tell_points(a, r);
}
