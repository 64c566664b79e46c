/* list_write.c - a list of heads as its readers want it, byte for byte where they are strict: one line where they read one. Writers get a
 * list of their own, which they may sort. */
#include "heads/list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void number(FILE *f, double value)
{
    fprintf(f, "%.17g", value);
}

/* {"L-H": [numbers]} in the order of the list. */
static void put_trials(const ns_head_list *l, FILE *f)
{
    for (int64_t i = 0; i < l->n; i++) {
        const ns_listed_head *const h = &l->list[i];
        fprintf(f, "%s\"%lld-%lld\": [", i ? ", " : "{", (long long)h->head.layer, (long long)h->head.head);
        for (int64_t t = 0; t < h->n_trials; t++) {
            fputs(t ? ", " : "", f);
            number(f, l->trials[h->first + t]);
        }
        if (!h->n_trials)
            number(f, h->score);
        fputc(']', f);
    }
    fputc('}', f);
}

/* numpy.mean of the first line is what they take: no line end. */
static void put_retrieval_head(ns_head_list *l, FILE *f)
{
    put_trials(l, f);
}

static void put_locos(ns_head_list *l, FILE *f)
{
    int64_t most = 0;
    for (int64_t i = 0; i < l->n; i++)
        most = l->list[i].n_trials > most ? l->list[i].n_trials : most;
    fprintf(f, "{\"meta\": {\"num_trials\": %lld}, \"scores\": ", (long long)most);
    put_trials(l, f);
    fputs("}\n", f);
}

static void put_matrix(const ns_head_list *l, FILE *f)
{
    int64_t L, H;
    ns_head_list_size(l, &L, &H);
    for (int64_t i = 0, next = 0; i < L * H; i++) {
        const bool there = next < l->n && l->list[next].head.layer * H + l->list[next].head.head == i;
        fputs(i % H ? ", " : i ? "], [" : "[[", f);
        number(f, there ? l->list[next++].score : 0);               /* theirs has a row of zeros where a layer has no attention */
    }
    fputs("]]", f);
}

static void put_qrhead(ns_head_list *l, FILE *f)
{
    for (int64_t i = 0; i < l->n; i++) {
        fprintf(f, "%s[\"%lld-%lld\", ", i ? ", " : "[", (long long)l->list[i].head.layer, (long long)l->list[i].head.head);
        number(f, l->list[i].score);
        fputc(']', f);
    }
    fputs("]\n", f);
}

static void put_names(ns_head_list *l, FILE *f)
{
    for (int64_t i = 0; i < l->n; i++)
        fprintf(f, "%s%lld-%lld", i ? "," : "", (long long)l->list[i].head.layer, (long long)l->list[i].head.head);
    fputc('\n', f);
}

/* As numpy.savetxt writes it. */
static void put_duo(ns_head_list *l, FILE *f)
{
    for (int64_t i = 0; i < l->n; i++)
        fprintf(f, "%.18e%c", l->list[i].score, i + 1 == l->n || l->list[i + 1].head.layer != l->list[i].head.layer ? '\n' : '\t');
}

static int by_head(const void *a, const void *b)
{
    return ns_compare_heads(&((const ns_listed_head *)a)->head, &((const ns_listed_head *)b)->head);
}

/* Best first; ties by place. */
static int by_score(const void *a, const void *b)
{
    const double x = ((const ns_listed_head *)a)->score, y = ((const ns_listed_head *)b)->score;
    return x != y ? (x > y ? -1 : 1) : by_head(a, b);
}

/* Targets best first, the matrix layer by layer. */
static void put_targets(ns_head_list *l, FILE *f)
{
    const char *comma = "";
    fputs("{\"target_heads\": [", f);
    qsort(l->list, (size_t)l->n, sizeof *l->list, by_score);
    for (int64_t i = 0; i < l->n; i++)
        if (l->list[i].chosen) {
            fprintf(f, "%s{\"layer\": %lld, \"head\": %lld, \"score\": ", comma, (long long)l->list[i].head.layer,
                    (long long)l->list[i].head.head);
            number(f, l->list[i].score);
            fputc('}', f);
            comma = ", ";
        }
    fputs("], \"layer_head_scores\": ", f);
    qsort(l->list, (size_t)l->n, sizeof *l->list, by_head);
    put_matrix(l, f);
    fputs("}\n", f);
}

static const struct form {
    const char *name;
    void (*put)(ns_head_list *, FILE *);
    bool best_first;                             /* else layer by layer */
} forms[] = {
    {"retrieval_head", put_retrieval_head, false}, {"target_heads", put_targets, false}, {"qrhead", put_qrhead, true},
    {"names", put_names, true}, {"duo", put_duo, false}, {"locos", put_locos, false},
};

static const struct form *form_of(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (name && strcmp(forms[i].name, name) == 0)
            return &forms[i];
    return NULL;
}

static bool is_whole_table(const ns_head_list *l)
{
    int64_t L, H;
    ns_head_list_size(l, &L, &H);
    return L * H == l->n;
}

int ns_head_list_text(const ns_head_list *l, char **out, ns_error *err)
{
    const struct form *const form = form_of(l->format);
    ns_head_list sorted = *l;
    *out = NULL;
    if (!form)
        return ns_fail(err, NS_E_ARG, "'%.40s' is no form of a list of heads", l->format ? l->format : "");
    if (l->n < 1)
        return ns_fail(err, NS_E_ARG, "a list of no heads");
    if (form->put == put_duo && !is_whole_table(l))
        return ns_fail(err, NS_E_ARG, "duo: a table of a number for every KV head of every layer, and some have none (choose another "
                       "form)");
    sorted.list = ns_alloc_array((size_t)l->n, sizeof *sorted.list);
    ns_stream *const s = sorted.list ? ns_stream_open() : NULL;
    if (!s) {
        free(sorted.list);
        return ns_oom(err, "a list of heads");
    }
    memcpy(sorted.list, l->list, (size_t)l->n * sizeof *l->list);
    qsort(sorted.list, (size_t)l->n, sizeof *l->list, form->best_first ? by_score : by_head);
    form->put(&sorted, ns_stream_file(s));
    free(sorted.list);
    return ns_stream_end(s, "a list of heads", out, NULL, err);
}

int ns_head_list_duo_config(const ns_head_list *l, char **out, ns_error *err)
{
    *out = ns_printf_alloc("{\"sink_size\": %lld, \"recent_size\": %lld}\n", (long long)l->sink_size, (long long)l->recent_size);
    return *out ? NS_OK : ns_oom(err, "a list of heads");
}
