/* read.c - the one reader: a dataset is what its reader says it expects, or an error that says what it is instead. */
#include "record/file.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 1 << 20, SAID = 160 };               /* bytes of one text; of a type and shape in words */

ns_range ns_between(double least, double most) { return (ns_range){least, most, false}; }
ns_range ns_finite(void)                       { return (ns_range){-DBL_MAX, DBL_MAX, false}; }
ns_range ns_any_number(void)                   { return (ns_range){-(double)INFINITY, (double)INFINITY, true}; }
ns_range ns_or_nan(ns_range r)                 { r.nan = true; return r; }

/* ---- what is there, what is expected ---- */

static const char *type_in_words(ns_dtype type)
{
    return type == NS_N_DTYPES ? "text" : type == NS_I64 ? "integers" : "numbers";
}

/* "integers of 3 x any"; "one of integers" without axes. */
static void say(char out[SAID], const char *type, int rank, const int64_t *shape)
{
    int used = snprintf(out, SAID, rank ? "%s of " : "one of %s", type);
    for (int i = 0; i < rank && used < SAID - 32; i++)
        used += shape[i] == NS_ANY ? snprintf(out + used, (size_t)(SAID - used), "%sany", i ? " x " : "")
                                   : snprintf(out + used, (size_t)(SAID - used), "%s%" PRId64, i ? " x " : "", shape[i]);
}

static int mismatch(const ns_file *f, const ns_expected *w, const ns_dset *d, const char *type, ns_error *err)
{
    char is[SAID], wanted[SAID];
    say(is, type, d->rank, d->shape);
    say(wanted, type_in_words(w->type), w->rank, w->shape);
    return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' is %s, where %s is expected", f->path, w->name, is, wanted);
}

static bool is_float(ns_dtype type)
{
    return type == NS_F16 || type == NS_F32 || type == NS_F64;
}

/* An integer is never made of a float, nor of one that it cannot hold. */
static bool type_serves(ns_dtype is, ns_dtype wanted)
{
    if (is == NS_N_DTYPES || wanted == NS_N_DTYPES)
        return is == wanted;
    return is_float(wanted) || (!is_float(is) && is != NS_U64);
}

static bool shape_serves(const ns_dset *d, const ns_expected *w)
{
    bool good = d->rank == w->rank;
    for (int i = 0; good && i < w->rank; i++)
        good = w->shape[i] == NS_ANY || w->shape[i] == d->shape[i];
    return good;
}

/* A shape alone says not what is counted along it. */
static int check_axes(const ns_file *f, const ns_expected *w, const ns_dset *d, ns_error *err)
{
    char *axes = NULL;
    int rc = w->axes ? ns_dset_axes(f, d, w->name, &axes, err) : NS_OK;
    if (axes && strcmp(axes, w->axes) != 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' has the axes '%s', where '%s' are expected (copy or make the file again)", f->path,
                     w->name, axes, w->axes);
    free(axes);
    return rc;
}

/* Of numbers that the file keeps: what HDF5 would make of them. */
static bool converts(ns_dtype is, ns_dtype wanted)
{
    return is == wanted || (is == NS_U8 && wanted == NS_F32) || (is == NS_I64 && wanted == NS_F32) || (is == NS_U8 && wanted == NS_I64);
}

static void convert(const ns_dset *d, ns_dtype wanted, void *out)
{
    if (d->dtype == wanted)
        memcpy(out, d->bytes, (size_t)d->count * d->unit);
    for (int64_t i = 0; d->dtype != wanted && i < d->count; i++)
        if (wanted == NS_I64)
            ((int64_t *)out)[i] = ((const uint8_t *)d->bytes)[i];
        else
            ((float *)out)[i] = d->dtype == NS_U8 ? (float)((const uint8_t *)d->bytes)[i] : (float)((const int64_t *)d->bytes)[i];
}

/* It is what was expected; w->shape is then what it has. */
static int check_wanted(const ns_file *f, ns_expected *w, const ns_dset *d, ns_error *err)
{
    int rc;
    if (d->foreign)
        rc = mismatch(f, w, d, "of a type that needlescope does not write,", err);
    else if (!type_serves(d->dtype, w->type) || !shape_serves(d, w))
        rc = mismatch(f, w, d, d->dtype == NS_N_DTYPES ? "text" : ns_h5_type_name(d->dtype), err);
    else
        rc = check_axes(f, w, d, err);
    for (int i = 0; rc == NS_OK && i < w->rank; i++)
        w->shape[i] = d->shape[i];
    return rc;
}

/* The caller's struct may be an older, shorter one. */
static int begin(ns_expected *own, const ns_expected *theirs, ns_error *err)
{
    int rc = ns_sized_copy(own, sizeof *own, theirs, "ns_expected", err);
    if (rc == NS_OK && (own->rank < 0 || own->rank > NS_MAX_RANK))
        rc = ns_fail(err, NS_E_ARG, "dataset '%s': rank %d (0 to %d)", own->name ? own->name : "", own->rank, NS_MAX_RANK);
    return rc;
}

/* ---- numbers ---- */

static double number_at(ns_dtype type, const void *values, int64_t i)
{
    return type == NS_I64   ? (double)((const int64_t *)values)[i]
           : type == NS_F64 ? ((const double *)values)[i]
                            : (double)((const float *)values)[i];
}

static int check_range(const ns_file *f, const ns_expected *w, const void *values, int64_t n, ns_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        const double v = number_at(w->type, values, i);
        if (isnan(v) ? !w->range.nan : !(v >= w->range.least && v <= w->range.most))
            return ns_fail(err, NS_E_FORMAT, "%s: dataset '%s' holds %.9g (value %" PRId64 "), where %.9g to %.9g can be", f->path, w->name,
                           v, i, w->range.least, w->range.most);
    }
    return NS_OK;
}

static hid_t memory_type(ns_dtype type)
{
    return type == NS_I64 ? H5T_NATIVE_INT64 : type == NS_F64 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT;
}

/* out: void **, malloc'd */
static int read_array(const ns_file *f, const ns_expected *w, const ns_dset *d, void *out, ns_error *err)
{
    int rc = ns_dset_check(f, d, w->name, true, err);
    if (rc != NS_OK)
        return rc;
    void *const data = ns_alloc_array((size_t)d->count, ns_dtype_size(w->type));
    if (!data)
        return ns_oom(err, w->name);
    if (d->bytes && converts(d->dtype, w->type))
        convert(d, w->type, data);
    else if (ns_dset_read(f, d, memory_type(w->type), NULL, NULL, data) < 0)
        rc = ns_h5_fail(err, NS_E_FORMAT, f->path, w->name);
    rc = rc != NS_OK ? rc : check_range(f, w, data, d->count, err);
    if (rc == NS_OK)
        *(void **)out = data;
    else
        free(data);
    return rc;
}

typedef int (*dataset_reader)(const ns_file *, const ns_expected *, const ns_dset *, void *user, ns_error *);

static int read_wanted(const ns_file *f, ns_expected *w, const ns_dset *d, dataset_reader read, void *user, ns_error *err)
{
    const int rc = check_wanted(f, w, d, err);
    return rc == NS_OK && read ? read(f, w, d, user, err) : rc;
}

/* The dataset opened, held against what is expected of it, read and closed; the shape is filled in. For numbers that the file keeps HDF5 is
 * not asked. */
static int with_dataset(const ns_file *f, ns_expected *w, dataset_reader read, void *user, ns_error *err)
{
    ns_dset d;
    const ns_kept *const kept = read == read_array && !w->axes ? ns_kept_find(f, w->name) : NULL;
    if (kept && kept->bytes && converts(kept->d.dtype, w->type))
        return read_wanted(f, w, &kept->d, read, user, err);
    const ns_h5_quiet quiet = ns_h5_enter();
    int rc = ns_dset_open(f, w->name, &d, err);
    if (rc == NS_OK) {
        rc = read_wanted(f, w, &d, read, user, err);
        ns_dset_close(&d);
    }
    return ns_file_end(f, quiet, rc, err);
}

static int begin_numbers(ns_expected *own, const ns_expected *wanted, ns_error *err)
{
    const int rc = begin(own, wanted, err);
    const bool known = own->type == NS_I64 || own->type == NS_F32 || own->type == NS_F64;
    return rc != NS_OK || known ? rc : ns_fail(err, NS_E_ARG, "dataset '%s': it is read as I64, F32 or F64", own->name ? own->name : "");
}

int ns_file_array(const ns_file *f, ns_expected *wanted, void *out, ns_error *err)
{
    void *data = NULL;
    ns_expected w;
    int rc = begin_numbers(&w, wanted, err);
    rc = rc != NS_OK ? rc : with_dataset(f, &w, read_array, &data, err);
    if (rc == NS_OK) {
        memcpy(wanted->shape, w.shape, sizeof w.shape);
    } else {
        free(data);
        data = NULL;
    }
    memcpy(out, &data, sizeof data);                    /* a pointer to any of three types */
    return rc;
}

typedef struct part { const int64_t *start, *count; void *out; } part;

static int read_part(const ns_file *f, const ns_expected *w, const ns_dset *d, void *user, ns_error *err)
{
    const part *const p = user;
    int64_t n = 1;
    for (int i = 0; i < w->rank; i++) {
        if (p->start[i] < 0 || p->count[i] < 0 || p->start[i] > d->shape[i] || p->count[i] > d->shape[i] - p->start[i])
            return ns_fail(err, NS_E_ARG, "%s: dataset '%s': %" PRId64 " + %" PRId64 " along axis %d, which has %" PRId64, f->path, w->name,
                           p->start[i], p->count[i], i, d->shape[i]);
        n *= p->count[i];                                /* at most the dataset's own count */
    }
    if (n == 0)
        return NS_OK;
    const int status = ns_dset_read(f, d, memory_type(w->type), w->rank ? p->start : NULL, p->count, p->out);
    return status < 0 ? ns_h5_fail(err, NS_E_FORMAT, f->path, w->name) : check_range(f, w, p->out, n, err);
}

int ns_file_part(const ns_file *f, const ns_expected *wanted, const int64_t *start, const int64_t *count, void *out, ns_error *err)
{
    ns_expected w;
    const int rc = begin_numbers(&w, wanted, err);
    return rc != NS_OK ? rc : with_dataset(f, &w, read_part, &(part){start, count, out}, err);
}

int ns_file_expect(const ns_file *f, ns_expected *wanted, ns_error *err)
{
    ns_expected w;
    int rc = begin(&w, wanted, err);
    rc = rc != NS_OK ? rc : with_dataset(f, &w, NULL, NULL, err);
    if (rc == NS_OK)
        memcpy(wanted->shape, w.shape, sizeof w.shape);
    return rc;
}

/* ---- texts ---- */

static int check_text(const ns_file *f, const char *name, const char *text, ns_error *err)
{
    const size_t n = text ? strnlen(text, MOST_TEXT + 1) : 0;
    size_t at;
    if (n > MOST_TEXT)
        return ns_fail(err, NS_E_FORMAT, "%s: a text of '%s' is longer than %d bytes", f->path, name, MOST_TEXT);
    return n == 0 || ns_utf8_valid(text, n, &at) ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: a text of '%s' is not UTF-8", f->path, name);
}

int ns_dset_texts(const ns_file *f, const ns_dset *d, const char *name, char ***out, ns_error *err)
{
    *out = NULL;
    int rc = ns_dset_check(f, d, name, true, err);
    if (rc != NS_OK)
        return rc;
    char **const values = ns_alloc_array((size_t)d->count, sizeof *values);
    if (!values)
        return ns_oom(err, name);
    const hid_t type = ns_h5_string();
    rc = ns_dset_read(f, d, type, NULL, NULL, values) < 0 ? ns_h5_fail(err, NS_E_FORMAT, f->path, name) : NS_OK;
    H5Tclose(type);
    for (int64_t i = 0; rc == NS_OK && i < d->count; i++)
        rc = check_text(f, name, values[i], err);
    if (rc == NS_OK)
        *out = values;
    else
        ns_dset_free_texts(values, d->count);
    return rc;
}

void ns_dset_free_texts(char **values, int64_t n)
{
    for (int64_t i = 0; values && i < n; i++)
        if (values[i])
            H5free_memory(values[i]);
    free(values);
}

/* HDF5's strings are its own to free: the caller gets copies. */
static int copy_texts(const ns_file *f, const ns_expected *w, const ns_dset *d, void *out, ns_error *err)
{
    char **values, **const list = ns_alloc_array((size_t)d->count, sizeof *list);
    int rc = ns_dset_texts(f, d, w->name, &values, err);
    if (rc == NS_OK && !list)
        rc = ns_oom(err, w->name);
    for (int64_t i = 0; rc == NS_OK && i < d->count; i++)
        rc = (list[i] = ns_strdup(values[i] ? values[i] : "")) ? NS_OK : ns_oom(err, w->name);
    ns_dset_free_texts(values, d->count);
    if (rc == NS_OK)
        *(char ***)out = list;
    else
        ns_free_strings(list, d->count);
    return rc;
}

static int64_t cells(const ns_expected *w)
{
    int64_t n = 1;
    for (int i = 0; i < w->rank; i++)
        n *= w->shape[i];                               /* ns_dset_open has looked */
    return n;
}

int ns_file_texts(const ns_file *f, ns_expected *wanted, char ***out, ns_error *err)
{
    ns_expected w;
    *out = NULL;
    int rc = begin(&w, wanted, err);
    w.type = NS_N_DTYPES;
    rc = rc != NS_OK ? rc : with_dataset(f, &w, copy_texts, out, err);
    if (rc == NS_OK) {
        memcpy(wanted->shape, w.shape, sizeof w.shape);
    } else if (*out) {
        ns_free_strings(*out, cells(&w));
        *out = NULL;
    }
    return rc;
}

/* ---- facts that are numbers ---- */

int ns_file_whole(const ns_file *f, const char *fact, int64_t least, int64_t most, int64_t otherwise, int64_t *out, ns_error *err)
{
    const char *const text = ns_file_fact(f, fact);
    char *end = NULL;
    *out = otherwise;
    if (!text)
        return NS_OK;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most)
        return ns_fail(err, NS_E_FORMAT, "%s: attribute '%s' says '%.60s', where a number from %" PRId64 " to %" PRId64 " is expected",
                       f->path, fact, text, least, most);
    *out = value;
    return NS_OK;
}
