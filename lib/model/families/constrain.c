/* constrain.c - constraints on what rows see: words -> the masks of layers, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

#include "core/core.h"
#include "model/branch/branch.h"

/* W = 0: none. */
typedef struct bound { int64_t cut, kept; } bound;

typedef struct job { const ns_arch *arch; bound *of; ns_error *err; } job;

static bool read_count(const char **at, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(*at, &end, 10);
    const bool good = **at >= '0' && **at <= '9' && errno == 0;
    *at = end;
    return good;
}

/* "512", "512+4" */
static int read_bound(const char *word, const char *text, bound *out, ns_error *err)
{
    *out = (bound){0};
    const char *at = text;
    bool good = read_count(&at, &out->cut) && out->cut > 0;
    if (good && *at == '+')
        good = (at++, read_count(&at, &out->kept));
    if (good && !*at)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "constraint %s: behind = it has W or W+S: the W last keys of a row, at least 1, and S first positions",
                   word);
}

/* A layer whose rows are shown has a mask. */
static const ns_branch *masked(const ns_arch *a, int64_t layer)
{
    const ns_branch *const shows = ns_layer_shows(&a->layers[layer], NS_POINT_PATTERN);
    return shows && shows->class_->heads ? shows : NULL;
}

static int set_layer(const job *j, const char *word, int64_t layer, bound b)
{
    const ns_branch *const shown = masked(j->arch, layer);
    if (!shown)
        return ns_fail(j->err, NS_E_ARG, "constraint %s: layer %lld has no mask: %s", word, (long long)layer,
                       ns_arch_mixers(j->arch, layer) ? "no rows of keys are made there" : "nothing in it looks at other rows");
    if (j->of[layer].cut)
        return ns_fail(j->err, NS_E_ARG, "constraint %s: layer %lld is constrained twice", word, (long long)layer);
    j->of[layer] = b;
    return NS_OK;
}

static int set_kind(const job *j, const char *word, const char *kind, bound b, bool *is_kind)
{
    static const ns_layer_kind kinds[] = {NS_LAYER_FULL, NS_LAYER_SWA, NS_LAYER_RECURRENT};
    int64_t n = 0;
    int rc = NS_OK;
    *is_kind = false;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (strcmp(kind, ns_layer_kind_name(kinds[k])))
            continue;
        *is_kind = true;
        for (int64_t l = 0; l < j->arch->n_layers && rc == NS_OK; l++)
            if (ns_arch_layer_kind(j->arch, l) == kinds[k])
                n++, rc = set_layer(j, word, l, b);
    }
    return rc == NS_OK && *is_kind && !n ? ns_fail(j->err, NS_E_ARG, "constraint %s: no layer of the model is %s", word, kind) : rc;
}

/* "3" or "0-5" */
static int set_layers(const job *j, const char *word, const char *layers, bound b)
{
    int64_t first, last;
    const char *at = layers;
    bool good = read_count(&at, &first);
    last = first;
    if (good && *at == '-')
        good = (at++, read_count(&at, &last)) && last >= first;
    if (!good || *at)
        return ns_fail(j->err, NS_E_ARG, "constraint %s: %s is no kind of layers (full, swa, recurrent) and no layer (3, 0-5)", word,
                       layers);
    if (last >= j->arch->n_layers)
        return ns_fail(j->err, NS_E_ARG, "constraint %s: the model has layers 0 to %lld", word, (long long)j->arch->n_layers - 1);
    int rc = NS_OK;
    for (int64_t l = first; l <= last && rc == NS_OK; l++)
        rc = set_layer(j, word, l, b);
    return rc;
}

static int set_word(const job *j, const char *word, bound b)
{
    const size_t n = strcspn(word, "=");
    bool is_kind = false;
    char *const name = ns_strdup(word);
    if (!name)
        return ns_oom(j->err, "constraints");
    name[n] = '\0';
    int rc = set_kind(j, word, name, b, &is_kind);
    if (rc == NS_OK && !is_kind)
        rc = set_layers(j, word, name, b);
    free(name);
    return rc;
}

/* Words without a bound take that of the next which has one. */
static int set_words(const job *j, const char *const *words, int64_t n)
{
    int64_t first = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const char *const bound_at = strchr(words[i], '=');
        bound b;
        if (!bound_at)
            continue;
        rc = read_bound(words[i], bound_at + 1, &b, j->err);
        for (; first <= i && rc == NS_OK; first++)
            rc = set_word(j, words[first], b);
    }
    return rc != NS_OK || first == n
               ? rc : ns_fail(j->err, NS_E_ARG, "constraint %s: it says no =W (full=512, full=512+4, 0,3=64)", words[n - 1]);
}

static void apply(const job *j, void (*warn)(void *user, const char *line), void *user)
{
    for (int64_t l = 0; l < j->arch->n_layers; l++) {
        char line[160];
        ns_attn *const a = j->of[l].cut ? masked(j->arch, l)->params : NULL;
        if (!a)
            continue;
        a->cut = j->of[l].cut;
        a->kept = j->of[l].kept;
        ns_line(line, sizeof line, "layer %lld: its heads are constrained, the other mixer that stands beside them is not", (long long)l);
        if (warn && ns_arch_mixers(j->arch, l) > 1)
            warn(user, line);
    }
}

int ns_arch_constrain(ns_arch *arch, const char *const *words, int64_t n, void (*warn)(void *user, const char *line), void *user,
                      ns_error *err)
{
    const job j = {.arch = arch, .of = ns_alloc_array((size_t)arch->n_layers, sizeof *j.of), .err = err};
    const int rc = j.of ? set_words(&j, words, n) : ns_oom(err, "constraints");
    if (rc == NS_OK)
        apply(&j, warn, user);
    free(j.of);
    return rc;
}

/* ---- back ---- */

static bound bound_of(const ns_arch *arch, int64_t layer)
{
    const ns_attn *const a = ns_arch_attn(arch, layer);
    return a ? (bound){a->cut, a->kept} : (bound){0};
}

static bool same(bound a, bound b)
{
    return a.cut == b.cut && a.kept == b.kept;
}

/* All layers of the bound of layer `first`, if none before has it. */
static void print_bound(const ns_arch *arch, int64_t first, char *out, size_t room)
{
    const bound b = bound_of(arch, first);
    size_t n = strlen(out);
    if (!b.cut)
        return;
    for (int64_t l = 0; l < first; l++)
        if (same(bound_of(arch, l), b))
            return;
    for (int64_t l = first; l < arch->n_layers; l++)
        if (same(bound_of(arch, l), b))
            n += (size_t)snprintf(out + n, room - n, "%s%lld", n ? "," : "", (long long)l);
    n += (size_t)snprintf(out + n, room - n, "=%lld", (long long)b.cut);
    if (b.kept)
        snprintf(out + n, room - n, "+%lld", (long long)b.kept);
}

int ns_arch_constraints(const ns_arch *arch, char **out, ns_error *err)
{
    enum { A_LAYER = 64 };
    const size_t room = (size_t)arch->n_layers * A_LAYER + 1;
    *out = ns_alloc_array(room, 1);
    if (!*out)
        return ns_oom(err, "constraints");
    for (int64_t l = 0; l < arch->n_layers; l++)
        print_bound(arch, l, *out, room);
    return NS_OK;
}
