/* fuzz_head_list.c - the input as a list of heads in any form, of a text or a table; what is read is written in its form, and read
 * again. */
#include "fuzz.h"

#include <math.h>
#include <needlescope/head_list.h>

static void check(const ns_head_list *l)
{
    int64_t L, H, chosen = 0;
    ns_head_list_size(l, &L, &H);
    fuzz_check(l->n > 0 && L <= NS_HEAD_MOST && H <= NS_HEAD_MOST, "a list has heads, and they are of a model");
    for (int64_t i = 0; i < l->n; i++) {
        const ns_listed_head *const h = &l->list[i];
        chosen += h->chosen;
        fuzz_check(h->head.layer >= 0 && h->head.layer < L && h->head.head >= 0 && h->head.head < H, "a head is a head");
        fuzz_check(!isnan(h->score) && h->first + h->n_trials <= l->n_trials, "and has a number");
    }
    fuzz_check(chosen == l->n_chosen && (!l->ordered || chosen == l->n), "those that are chosen are counted");
}

static void round_trip(const ns_head_list *l)
{
    ns_head_list back;
    ns_error err = {""};
    char *text;
    const int rc = ns_head_list_text(l, &text, &err);
    fuzz_check_outcome(rc, text, &err);
    fuzz_check(rc == NS_OK || rc == NS_E_ARG, "what is read can be written");
    if (rc != NS_OK)
        return;
    fuzz_check(ns_head_list_parse(&back, text, strlen(text), l->of_kv ? "a.tsv" : "a", &err) == NS_OK, "and be read again");
    fuzz_check(back.n >= l->n && strcmp(back.format, l->format) == 0, "as the same form");
    ns_head_list_clear(&back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (int table = 0; table < 2; table++) {
        ns_head_list l;
        ns_error err = {""};
        const int rc = ns_head_list_parse(&l, (const char *)data, n, table ? "input.tsv" : "input", &err);
        fuzz_check_outcome(rc, l.list, &err);
        bool finite = true;
        for (int64_t i = 0; i < l.n; i++)
            finite = finite && isfinite(l.list[i].score);
        if (rc == NS_OK)
            check(&l);
        if (rc == NS_OK && finite && l.list[l.n - 1].head.layer < 64 && l.list[l.n - 1].head.head < 64)
            round_trip(&l);
        ns_head_list_clear(&l);
    }
    return 0;
}
