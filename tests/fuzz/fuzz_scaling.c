/* fuzz_scaling.c - the input as a table of losses; what is read has numbers that can be fitted, and sizes in their order. */
#include "fuzz.h"

#include <math.h>
#include <needlescope/scaling.h>

static double n_of(const ns_scaling_table *t, const char *size)
{
    for (int64_t i = 0; i < t->n; i++)
        if (t->points[i].size == size)
            return t->points[i].n;
    return NAN;
}

static void check(const ns_scaling_table *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        const ns_scaling_point *const p = &t->points[i];
        fuzz_check(p->n > 0 && p->tokens >= 0 && p->y > 0, "a point has numbers above 0");
        fuzz_check(isfinite(p->n) && isfinite(p->tokens) && isfinite(p->y), "which are finite");
        fuzz_check(n_of(t, p->size) == p->n, "one size has one n, and its name is the table's");
    }
    for (int64_t i = 1; i < t->n_sizes; i++)
        fuzz_check(n_of(t, t->sizes[i - 1]) <= n_of(t, t->sizes[i]), "sizes ascend");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_put(FUZZ_FILE, data, n);
    for (int longppl = 0; longppl < 2; longppl++) {
        ns_scaling_table t;
        ns_error err = {""};
        const int rc = ns_scaling_read(&t, FUZZ_FILE, longppl, &err);
        fuzz_check_outcome(rc, rc == NS_OK ? &t : NULL, &err);
        if (rc == NS_OK)
            check(&t);
        ns_scaling_clear(&t);
    }
    return 0;
}
