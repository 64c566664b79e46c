/* hdf5_read.c - a file as needlescope.read() in Python reads it (_file_array of needlescope.py, call by call), printed: facts, and of each
 * dataset axes, values and what is said of a score. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>
#include <needlescope/study.h>

#include "core/core.h"

int read_like_python(const char *path, ns_error *err);

static void print_numbers(ns_dtype type, const void *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (type == NS_I64)
            printf(" %" PRId64, ((const int64_t *)values)[i]);
        else
            printf(" %.17g", type == NS_F64 ? ((const double *)values)[i] : (double)((const float *)values)[i]);
    putchar('\n');
}

static bool is_float(ns_dtype type)
{
    return type == NS_F16 || type == NS_F32 || type == NS_F64 || type == NS_BF16;
}

/* The type in the file in w->type; NS_N_DTYPES: texts. */
static int print_values(const ns_file *f, ns_expected *w, int64_t n, ns_error *err)
{
    char **texts = NULL;
    void *values = NULL;
    if (w->type == NS_N_DTYPES) {
        const int rc = ns_file_texts(f, w, &texts, err);
        for (int64_t i = 0; rc == NS_OK && i < n; i++)
            printf(" %s\n", texts[i]);
        ns_free_strings(texts, rc == NS_OK ? n : 0);
        return rc;
    }
    w->type = !is_float(w->type) ? NS_I64 : w->type == NS_F64 ? NS_F64 : NS_F32;
    const int rc = ns_file_array(f, w, &values, err);
    if (rc == NS_OK)
        print_numbers(w->type, values, n);
    free(values);
    return rc;
}

static int print_dataset(const ns_file *f, const char *name, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = name, .range = ns_any_number()};
    ns_score_meaning meaning;
    char *axes;
    int64_t n = 1;
    int rc = ns_file_describe(f, name, &w.type, &w.rank, w.shape, &axes, err);
    if (rc != NS_OK)
        return rc;
    printf("%s: %s:", name, axes);
    free(axes);
    for (int i = 0; i < w.rank; i++) {
        printf(" %" PRId64, w.shape[i]);
        n *= w.shape[i];                                /* ns_file_describe has looked */
    }
    rc = print_values(f, &w, n, err);
    rc = rc != NS_OK ? rc : ns_file_meaning(f, name, &meaning, err);
    if (rc == NS_OK && !meaning.assumed)
        printf("best %d, chance %.17g\n", (int)meaning.best, meaning.chance);
    return rc;
}

int read_like_python(const char *path, ns_error *err)
{
    ns_file *f;
    char **list = NULL;
    int64_t n = 0;
    int rc = ns_file_open(&f, path, err);
    if (rc != NS_OK)
        return rc;
    rc = ns_file_check_values(f, err);
    for (int64_t i = 0; rc == NS_OK && i < ns_file_fact_count(f); i++)
        printf("%s = %s\n", ns_file_fact_name(f, i), ns_file_fact(f, ns_file_fact_name(f, i)));
    rc = rc != NS_OK ? rc : ns_file_list(f, &list, &n, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        rc = print_dataset(f, list[i], err);
    ns_free_strings(list, n);
    ns_file_close(f);
    return rc;
}
