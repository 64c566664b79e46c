/* axes.c - names of axes, lists of them, and the shapes that they give. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <needlescope/axes.h>

#include "core/core.h"

static const char *const names[NS_N_AXES] = {"run", "step", "case", "answer", "layer", "head", "kv_head", "position", "class"};

const char *ns_axis_name(ns_axis axis)
{
    return axis >= 0 && axis < NS_N_AXES ? names[axis] : NULL;
}

static int find_word(const char *word, size_t n)
{
    int at = 0;
    while (at < NS_N_AXES && (strlen(names[at]) != n || memcmp(names[at], word, n)))
        at++;
    return at;
}

/* Takes words as long as they fit; where it stops is the first that does not, NULL: none. */
static const char *take(ns_axes *out, const char *words)
{
    *out = (ns_axes){0};
    for (const char *word = words; *word; word += word[0] == ' ') {
        const size_t n = strcspn(word, " ");
        const int at = find_word(word, n), last = out->rank ? (int)out->at[out->rank - 1] : -1;
        if (at == NS_N_AXES || at <= last || (at == NS_AXIS_KV_HEAD && last == NS_AXIS_HEAD) || (n == 0 || strcmp(word + n, " ") == 0))
            return word;
        out->at[out->rank++] = (ns_axis)at;
        word += n;
    }
    return NULL;
}

bool ns_axes_find(ns_axes *out, const char *words)
{
    const bool all = !take(out, words);
    if (!all)
        *out = (ns_axes){0};
    return all;
}

int ns_axes_parse(ns_axes *out, const char *words, const char *what, ns_error *err)
{
    const char *const wrong = take(out, words);
    if (!wrong)
        return NS_OK;
    *out = (ns_axes){0};
    return ns_fail(err, NS_E_ARG, "%s: axes '%s': '%.*s' is no axis, or not in its place (in this order: case, answer, layer, head or "
                   "kv_head, position, class)", what, words, (int)strcspn(wrong, " "), wrong);
}

bool ns_axes_have(const ns_axes *a, ns_axis axis)
{
    bool has = false;
    for (int i = 0; i < a->rank; i++)
        has |= a->at[i] == axis;
    return has;
}

bool ns_axes_equal(const ns_axes *a, const ns_axes *b)
{
    return a->rank == b->rank && memcmp(a->at, b->at, (size_t)a->rank * sizeof *a->at) == 0;
}

ns_axes ns_axes_behind(const ns_axes *a, int lead)
{
    ns_axes out = {.rank = a->rank > lead ? a->rank - lead : 0};
    memcpy(out.at, a->at + lead, (size_t)out.rank * sizeof *out.at);
    return out;
}

const char *ns_axes_text(const ns_axes *a, char out[NS_AXES_TEXT])
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < a->rank; i++)                    /* all eight take 54 bytes */
        used += (size_t)snprintf(out + used, NS_AXES_TEXT - used, "%s%s", i ? " " : "", names[a->at[i]]);
    return out;
}

bool ns_axes_shape(const ns_axes *a, const ns_extent *extent, int64_t *shape, int64_t *count)
{
    int64_t n = 1;
    bool fits = true;
    for (int i = 0; i < a->rank; i++) {
        shape[i] = extent->n[a->at[i]];
        fits = fits && ns_mul_i64(n, shape[i], &n);
    }
    if (count)
        *count = fits ? n : 0;
    return fits;
}

float ns_axes_nothing(const ns_axes *a, ns_dtype dtype)
{
    const bool ragged = ns_axes_have(a, NS_AXIS_ANSWER) || ns_axes_have(a, NS_AXIS_POSITION) || ns_axes_have(a, NS_AXIS_CLASS);
    return dtype != NS_U8 ? NAN : ragged ? UINT8_MAX : 0;
}
