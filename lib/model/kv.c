/* kv.c - keys and values in pages of NS_PAGE absolute positions. A page is the unit of forking and the K-block of pattern . v.
 *
 * K is stored as packed columns of K^T (a page is 8 panels of 32 keys), V as packed columns of V, so both are read by ns_gemm in place.
 * Unwritten entries of a panel that is read are 0 and stale ones finite: masked probabilities of 0 make them harmless. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

/* One branch has pages, one has a state. Nobody looks at the rows of another than the layer's mixer. */
static void join(ns_keeps *sum, const ns_keeps *k, bool is_mixer)
{
    if (k->kind == NS_STATE_PAGES) {
        sum->groups = k->groups;
        sum->k = k->k;
        sum->v = k->v;
    } else {
        sum->rows_k = is_mixer ? k->rows_k : 0;
        sum->rows_v = is_mixer ? k->rows_v : 0;
        sum->states = k->states;
        sum->key = k->key;
        sum->value = k->value;
        sum->tail = k->tail;
    }
    sum->kind |= k->kind;
}

ns_keeps ns_layer_keeps(const ns_arch *arch, int64_t layer)
{
    const ns_layer *const l = &arch->layers[layer];
    ns_keeps sum = {.kind = NS_STATE_NONE};
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            const ns_keeps own = ns_branch_keeps(&l->stages[s].branches[b]);
            if (own.kind != NS_STATE_NONE)
                join(&sum, &own, &l->stages[s].branches[b] == ns_layer_mixer(l));
        }
    return sum;
}

static int64_t k_floats(const ns_keeps *keeps)
{
    return keeps->groups * keeps->k * NS_PAGE;
}

static int64_t v_floats(const ns_keeps *keeps)
{
    return keeps->groups * ((keeps->v + NS_PANEL - 1) / NS_PANEL * NS_PANEL) * NS_PAGE;
}

int64_t ns_kv_page_floats(const ns_keeps *keeps)
{
    const ns_keeps k = ns_state_k(keeps), v = ns_state_v(keeps);
    return k_floats(keeps) + v_floats(keeps) + k_floats(&k) + v_floats(&v);
}

static void page_release(ns_page *p)
{
    if (!p || --p->refs > 0)
        return;
    free(p->k);
    free(p->v);
    free(p);
}

static void fill(float *to, const float *from, int64_t at, int64_t n)
{
    if (n && from)
        memcpy(to + at, from + at, (size_t)n * sizeof *to);
    else if (n)
        memset(to + at, 0, (size_t)n * sizeof *to);
}

/* Readers go by panels of 32 positions. Rows of a recurrence are laid out otherwise, and filled whole. */
static int64_t filled_until(const ns_keeps *keeps, int64_t end)
{
    const int64_t panels = (end + NS_PANEL - 1) / NS_PANEL * NS_PANEL;
    return !(keeps->kind & NS_STATE_PAGES) || panels > NS_PAGE ? NS_PAGE : panels;
}

/* What the page has of its positions before `end` from another page, or 0. */
static void page_fill(ns_page *p, const ns_keeps *keeps, const ns_page *from, int64_t end)
{
    const int64_t begin = p->filled, n = filled_until(keeps, end) - begin, panels = (keeps->v + NS_PANEL - 1) / NS_PANEL;
    if (n <= 0)
        return;
    for (int64_t g = 0; g < keeps->groups; g++) {
        fill(p->k, from ? from->k : NULL, (g * NS_PAGE + begin) * keeps->k, n * keeps->k);
        for (int64_t i = g * panels; i < (g + 1) * panels; i++)
            fill(p->v, from ? from->v : NULL, (i * NS_PAGE + begin) * NS_PANEL, n * NS_PANEL);
    }
    p->filled += n;
}

static ns_page *page_new(const ns_keeps *keeps)
{
    const size_t k_bytes = (size_t)k_floats(keeps) * sizeof(float), v_bytes = (size_t)v_floats(keeps) * sizeof(float);
    ns_page *p = ns_alloc_array(1, sizeof *p);
    if (!p)
        return NULL;
    p->refs = 1;
    p->k = k_bytes ? ns_alloc_aligned(k_bytes) : NULL;
    p->v = v_bytes ? ns_alloc_aligned(v_bytes) : NULL;
    if ((k_bytes && !p->k) || (v_bytes && !p->v)) {
        page_release(p);
        return NULL;
    }
    return p;
}

static ns_page *page_copy(const ns_keeps *keeps, const ns_page *from, int64_t end)
{
    ns_page *const p = page_new(keeps);
    if (p)
        page_fill(p, keeps, from, end);
    return p;
}

bool ns_kv_writable(ns_kv *kv, const ns_keeps *keeps, int64_t begin, int64_t end)
{
    const int64_t need = (end + NS_PAGE - 1) / NS_PAGE, there = kv->n, first = begin / NS_PAGE < there ? begin / NS_PAGE : there;
    if (!ns_grow(&kv->pages, &kv->capacity, need, sizeof *kv->pages))
        return false;
    for (; kv->n < need; kv->n++)
        if (!(kv->pages[kv->n] = page_new(keeps)))
            return false;
    for (int64_t p = first; p < need; p++) {
        if (kv->pages[p]->refs > 1) {
            ns_page *own = page_copy(keeps, kv->pages[p], kv->pages[p]->filled);
            if (!own)
                return false;
            page_release(kv->pages[p]);
            kv->pages[p] = own;
        }
        page_fill(kv->pages[p], keeps, NULL, end - p * NS_PAGE);
    }
    return true;
}

bool ns_kv_fork(ns_kv *child, const ns_kv *parent, const ns_keeps *keeps, int64_t at, bool last)
{
    const int64_t need = (at + NS_PAGE - 1) / NS_PAGE, full = last ? need : at / NS_PAGE;
    if (!ns_grow(&child->pages, &child->capacity, need, sizeof *child->pages))
        return false;
    for (; child->n < full; child->n++) {
        child->pages[child->n] = parent->pages[child->n];
        child->pages[child->n]->refs++;
    }
    for (; child->n < need; child->n++)
        if (!(child->pages[child->n] = page_copy(keeps, parent->pages[child->n], at - child->n * NS_PAGE)))
            return false;
    child->ready = true;
    return true;
}

void ns_kv_truncate(ns_kv *kv, int64_t positions)
{
    int64_t keep = (positions + NS_PAGE - 1) / NS_PAGE;
    while (kv->n > keep)
        page_release(kv->pages[--kv->n]);
}

void ns_kv_free(ns_kv *kv)
{
    ns_kv_truncate(kv, 0);
    free(kv->pages);
    *kv = (ns_kv) { 0 };
}

void ns_kv_store(ns_kv *kv, const ns_attn *a, int64_t position, int64_t g, const float *k, const float *v)
{
    const int64_t d = a->head_dim, in_page = position % NS_PAGE;
    ns_page *page = kv->pages[position / NS_PAGE];
    float *kt = page->k + g * ns_kv_k_floats(a) + in_page / NS_PANEL * d * NS_PANEL + in_page % NS_PANEL;
    for (int64_t i = 0; i < d; i++)
        kt[i * NS_PANEL] = k[i];
    float *vp = page->v + g * ns_kv_v_floats(a) + in_page * NS_PANEL;
    for (int64_t i = 0; i < d; i += NS_PANEL, vp += NS_PAGE * NS_PANEL)
        memcpy(vp, v + i, (size_t)(d - i < NS_PANEL ? d - i : NS_PANEL) * sizeof *vp);
}
