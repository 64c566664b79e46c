/* tref.c - where the numbers of a weight are. */
#include "model/branch/tref.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char braces[] = "{}";

bool ns_tref_split(const ns_tref *t)
{
    return t->name && strstr(t->name, braces);
}

void ns_tref_name(const ns_tref *t, int64_t expert, char out[NS_TENSOR_NAME])
{
    const char *const at = expert >= 0 ? strstr(t->name, braces) : NULL;
    if (at)
        snprintf(out, NS_TENSOR_NAME, "%.*s%lld%s", (int)(at - t->name), t->name, (long long)expert, at + strlen(braces));
    else
        snprintf(out, NS_TENSOR_NAME, "%s", t->name);
}

/* ---- joined tensors ---- */

/* The first list of the name, without its braces; NULL: none. */
static const char *list_in(const char *name, size_t *n)
{
    for (const char *at = strchr(name, '{'); at; at = strchr(at + 1, '{')) {
        *n = strcspn(at + 1, "{}");
        if (at[1 + *n] == '}' && memchr(at + 1, ',', *n))
            return at + 1;
    }
    return NULL;
}

int ns_joined_count(const char *name)
{
    size_t n;
    const char *const list = list_in(name, &n);
    int count = 1;
    for (size_t i = 0; list && i < n; i++)
        count += list[i] == ',';
    return count;
}

void ns_joined_name(const char *name, int i, char out[NS_TENSOR_NAME])
{
    size_t n;
    const char *const list = list_in(name, &n), *word = list;
    for (; list && i > 0; i--)
        word += strcspn(word, ",") + 1;
    if (list)
        snprintf(out, NS_TENSOR_NAME, "%.*s%.*s%s", (int)(list - 1 - name), name, (int)strcspn(word, ",}"), word, list + n + 1);
    else
        snprintf(out, NS_TENSOR_NAME, "%s", name);
}

/* Rows of one width and type. */
static bool follows(const ns_view *a, const ns_view *b)
{
    bool fits = a->dtype == b->dtype && a->rank == b->rank && a->rank > 0;
    for (int i = 1; fits && i < a->rank; i++)
        fits = a->shape[i] == b->shape[i];
    return fits;
}

/* No tensor has the name itself. */
static int find_joined(const char *name, const ns_checkpoint *c, ns_source *out, ns_error *err)
{
    char one[NS_TENSOR_NAME];
    const int n = ns_joined_count(name);
    for (int i = 0; n > 1 && n <= NS_JOINED_MOST && i < n; i++) {
        ns_joined_name(name, i, one);
        const ns_tensor *const t = ns_checkpoint_find(c, one);
        if (!t)
            return ns_fail(err, NS_E_FORMAT, "%s: no tensor '%s', one of '%s'", ns_checkpoint_dir(c), one, name);
        if (i > 0 && !follows(&out->tensor->view, &t->view))
            return ns_fail(err, NS_E_FORMAT, "%s: tensors '%s' and '%s' have not one type and rows of one width: they cannot be joined",
                           t->file, out->tensor->name, t->name);
        *(i > 0 ? &out->more[out->n_more++] : &out->tensor) = t;
    }
    return NS_OK;
}

static int read_joined(const ns_source *s, int64_t first, int64_t n, float *out, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i <= s->n_more && n > 0 && rc == NS_OK; i++) {
        const ns_tensor *const t = i ? s->more[i - 1] : s->tensor;
        const int64_t all = ns_view_count(&t->view), left = first < all ? all - first : 0, count = left < n ? left : n;
        rc = count ? ns_tensor_read_f32(t, first, count, out, err) : NS_OK;
        out += count;
        n -= count;
        first = left ? 0 : first - all;
    }
    return rc;
}

const ns_tensor *ns_source_at(const ns_source *s, int64_t *row)
{
    const ns_tensor *t = s->tensor;
    for (int i = 0; i < s->n_more && *row >= t->view.shape[0]; i++) {
        *row -= t->view.shape[0];
        t = s->more[i];
    }
    return t;
}

/* ---- MXFP4 ---- */

enum { BLOCK = 32, BLOCK_BYTES = BLOCK / 2 };

static int wrong_codes(const ns_source *s, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: tensors '%s' and '%s' are not MXFP4: U8 [..., 16] and U8 [...] are needed", s->tensor->file,
                   s->tensor->name, s->scales->name);
}

static int check_codes(const ns_source *s, ns_error *err)
{
    const ns_view *const b = &s->tensor->view, *const e = &s->scales->view;
    bool fits = b->dtype == NS_U8 && e->dtype == NS_U8 && b->rank == e->rank + 1 && e->rank > 0 && b->shape[b->rank - 1] == BLOCK_BYTES;
    for (int i = 0; fits && i < e->rank; i++)
        fits = b->shape[i] == e->shape[i];
    return fits ? NS_OK : wrong_codes(s, err);
}

static const ns_tensor *part_of(const ns_checkpoint *c, const char *name, const char *suffix)
{
    char full[NS_TENSOR_NAME + 8];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return ns_checkpoint_find(c, full);
}

static void widen(float *out, const uint8_t *codes, uint8_t exponent)
{
    static const float values[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6};
    const float scale = ldexpf(1, exponent - 127);
    for (int i = 0; i < BLOCK_BYTES; i++) {
        out[2 * i] = values[codes[i] & 15] * scale;
        out[2 * i + 1] = values[codes[i] >> 4] * scale;
    }
}

static int read_codes(const ns_source *s, int64_t first, int64_t n, float *out, ns_error *err)
{
    enum { MOST = 64 };
    uint8_t codes[MOST * BLOCK_BYTES], exponents[MOST];
    int rc = first % BLOCK || n % BLOCK ? wrong_codes(s, err) : NS_OK;
    for (int64_t at = first / BLOCK, end = (first + n) / BLOCK, count; at < end && rc == NS_OK; at += count) {
        count = end - at < MOST ? end - at : MOST;
        rc = ns_tensor_read(s->tensor, at * BLOCK_BYTES, count * BLOCK_BYTES, codes, err);
        rc = rc != NS_OK ? rc : ns_tensor_read(s->scales, at, count, exponents, err);
        for (int64_t i = 0; i < count && rc == NS_OK; i++, out += BLOCK)
            widen(out, codes + i * BLOCK_BYTES, exponents[i]);
    }
    return rc;
}

/* ---- sources ---- */

ns_view ns_source_view(const ns_source *s)
{
    ns_view v = s->tensor->view;
    for (int i = 0; i < s->n_more; i++)
        v.shape[0] += s->more[i]->view.shape[0];
    if (!s->scales)
        return v;
    v.dtype = NS_BF16;
    v.rank--;
    v.shape[v.rank - 1] *= BLOCK;
    return v;
}

int ns_source_read(const ns_source *s, int64_t first, int64_t n, float *out, ns_error *err)
{
    return s->scales   ? read_codes(s, s->at + first, n, out, err)
           : s->n_more ? read_joined(s, first, n, out, err)
                       : ns_tensor_read_f32(s->tensor, s->at + first, n, out, err);
}

int ns_tref_source(const ns_tref *t, const ns_checkpoint *c, int64_t expert, ns_source *out, ns_error *err)
{
    char name[NS_TENSOR_NAME];
    ns_tref_name(t, expert, name);
    *out = (ns_source){.tensor = ns_checkpoint_find(c, name)};
    if (!out->tensor && find_joined(name, c, out, err) != NS_OK)
        return NS_E_FORMAT;
    if (!out->tensor) {
        out->tensor = part_of(c, name, "_blocks");
        out->scales = part_of(c, name, "_scales");
    }
    if (!out->tensor || (!out->scales && !out->n_more && !ns_checkpoint_find(c, name)))
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is missing", ns_checkpoint_dir(c), name);
    if (out->scales && check_codes(out, err) != NS_OK)
        return NS_E_FORMAT;
    const ns_view v = ns_source_view(out);
    out->n = ns_view_count(&v);
    if (expert >= 0 && !ns_tref_split(t) && v.rank > 0 && v.shape[0] > expert) {
        out->n /= v.shape[0];
        out->at = expert * out->n;
    }
    return NS_OK;
}
