/* golden.c - a fixture against the forward pass: logits <= 1e-4, attention rows <= 1e-5 (of recurrent layers, which are
 * not normalised: of 1 + |weight|), hidden states entering each layer <= 1e-4, outputs of recurrences <= 1e-5 of 1 + |output|. Every cell
 * must have been compared, and a NaN fails.
 *
 *   golden FIXTURE...     folders written by make_fixtures.py; prints the worst differences, exits 1 when a bound is passed */
#include "../compare.h"

#include <needlescope/model.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LOGITS_BOUND = 1e-4, ATTENTION_BOUND = 1e-5, HIDDEN_BOUND = 1e-4, RECURRENCE_BOUND = 1e-5;

static ns_error err;

typedef struct expected {
    ns_checkpoint *file;
    int64_t  T, R, V, L, H, D;
    int64_t *ids, *rows;
    float   *logits, *attn, *hidden;      /* [T, V] [M, H, R, T] [L, R, D] */
    int64_t  N, W, *recurrent;            /* [N] layers */
    int64_t  M, *attn_layers;             /* [M] those of attn; NULL: all */
    float   *recurrence;                  /* [N, R, W] */
} expected;

typedef struct worst { ns_worst logits, attn, recurrence, *hidden; } worst;
typedef struct state { const expected *want; worst worst; } state;

static void need(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "golden: %s\n", err.message);
        exit(1);
    }
}

static const ns_tensor *tensor(const expected *e, const char *name)
{
    const ns_tensor *t = ns_checkpoint_find(e->file, name);
    if (!t) {
        fprintf(stderr, "golden: no tensor %s\n", name);
        exit(1);
    }
    return t;
}

static float *floats(const expected *e, const char *name)
{
    const ns_tensor *t = tensor(e, name);
    int64_t n = ns_view_count(&t->view);
    float *out = malloc((size_t)n * sizeof *out);
    need(ns_tensor_read_f32(t, 0, n, out, &err));
    return out;
}

static int64_t *integers(const expected *e, const char *name, int64_t *n)
{
    const ns_tensor *t = tensor(e, name);
    *n = ns_view_count(&t->view);
    int64_t *out = malloc((size_t)*n * sizeof *out);
    need(ns_tensor_read(t, 0, *n * (int64_t)sizeof *out, out, &err));
    return out;
}

static expected expected_open(const char *folder)
{
    expected e = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    need(ns_checkpoint_open(&e.file, path, NULL, &err));
    e.ids = integers(&e, "ids", &e.T);
    e.rows = integers(&e, "rows", &e.R);
    e.logits = floats(&e, "logits");
    e.hidden = floats(&e, "hidden");
    e.V = tensor(&e, "logits")->view.shape[1];
    e.L = tensor(&e, "hidden")->view.shape[0];
    if (ns_checkpoint_find(e.file, "attn")) {
        e.attn = floats(&e, "attn");
        e.M = tensor(&e, "attn")->view.shape[0];
        e.H = tensor(&e, "attn")->view.shape[1];
    }
    if (ns_checkpoint_find(e.file, "attn_layers"))
        e.attn_layers = integers(&e, "attn_layers", &e.M);
    e.D = tensor(&e, "hidden")->view.shape[2];
    if (!ns_checkpoint_find(e.file, "recurrent"))
        return e;
    e.recurrent = integers(&e, "recurrent", &e.N);
    e.recurrence = floats(&e, "recurrence");
    e.W = tensor(&e, "recurrence")->view.shape[2];
    return e;
}

static void expected_close(expected *e)
{
    ns_checkpoint_free(e->file);
    free(e->ids);
    free(e->rows);
    free(e->logits);
    free(e->attn);
    free(e->hidden);
    free(e->recurrent);
    free(e->attn_layers);
    free(e->recurrence);
}

static int64_t row_number(const expected *e, int64_t position)
{
    for (int64_t r = 0; r < e->R; r++)
        if (e->rows[r] == position)
            return r;
    return -1;
}

/* Among those of a list; the number itself without one; -1: it is not there. */
static int64_t number_among(const int64_t *list, int64_t n, int64_t layer)
{
    int64_t i = 0;
    while (list && i < n && list[i] != layer)
        i++;
    return !list ? layer : i < n ? i : -1;
}

static int see_pattern(void *user, const ns_site *site, const ns_view *v, ns_error *error)
{
    state *s = user;
    const expected *e = s->want;
    const int64_t layer = number_among(e->attn_layers, e->M, site->layer);
    if (layer < 0)
        return ns_fail(error, NS_E_ARG, "layer %lld shows rows, and transformers has none", (long long)site->layer);
    for (int64_t i = 0; i < site->n_rows; i++) {
        const float *want = e->attn + (layer * e->H * e->R + row_number(e, site->row0 + i)) * e->T;
        for (int64_t h = 0; h < v->shape[0]; h++)
            for (int64_t k = 0; k < e->T; k++) {
                bool given = k >= site->key0 && k < site->key0 + v->shape[2];
                double right = want[h * e->R * e->T + k], unit = site->kind == NS_ROW_UNROLLED ? 1 + fabs(right) : 1;
                ns_worst_add(&s->worst.attn, ((given ? (double)*ns_at(v, h, i, k - site->key0) : 0.0) - right) / unit);
            }
    }
    return NS_OK;
}

static int see_hidden(void *user, const ns_site *site, const ns_view *v, ns_error *error)
{
    (void)error;
    state *s = user;
    const expected *e = s->want;
    for (int64_t i = 0; i < site->n_rows; i++)
        for (int64_t j = 0; j < e->D; j++)
            ns_worst_add(&s->worst.hidden[site->layer],
                         (double)*ns_at(v, i, j, 0) - (double)e->hidden[(site->layer * e->R + row_number(e, site->row0 + i)) * e->D + j]);
    return NS_OK;
}

static int see_recurrence(void *user, const ns_site *site, const ns_view *v, ns_error *error)
{
    (void)error;
    state *s = user;
    const expected *e = s->want;
    const int64_t n = number_among(e->recurrent, e->N, site->layer);
    for (int64_t i = 0; i < site->n_rows && n >= 0; i++)
        for (int64_t j = 0; j < e->W; j++) {
            const double right = e->recurrence[(n * e->R + row_number(e, site->row0 + i)) * e->W + j];
            ns_worst_add(&s->worst.recurrence, ((double)*ns_at(v, i, j / v->shape[2], j % v->shape[2]) - right) / (1 + fabs(right)));
        }
    return NS_OK;
}

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *error)
{
    (void)error;
    state *s = user;
    for (int64_t i = 0; i < site->n_rows; i++)
        for (int64_t j = 0; j < s->want->V; j++)
            ns_worst_add(&s->worst.logits, (double)*ns_at(v, i, j, 0) - (double)s->want->logits[(site->row0 + i) * s->want->V + j]);
    return NS_OK;
}

static void run(const char *folder, const expected *e, state *s)
{
    ns_checkpoint *c;
    ns_arch *arch;
    ns_engine *engine;
    ns_model *m;
    ns_session *session;
    ns_hooks *hooks;
    ns_rows rows = {.kind = NS_ROWS_LIST, .n = e->R, .positions = e->rows};
    ns_hook list[] = {{.size = sizeof *list, .at = "blocks.*.hook_resid_pre", .rows = rows, .read = see_hidden, .user = s},
                      {.size = sizeof *list, .at = "hook_logits", .read = see_logits, .user = s},
                      {.size = sizeof *list, .at = "blocks.*.attn.hook_recurrence_out", .rows = rows, .read = see_recurrence, .user = s},
                      {.size = sizeof *list, .at = "blocks.*.attn.hook_pattern", .rows = rows, .read = see_pattern, .user = s}};
    const ns_hook pattern = list[3];
    list[2] = e->N ? list[2] : pattern;
    int32_t *tokens = malloc((size_t)e->T * sizeof *tokens);
    for (int64_t i = 0; i < e->T; i++)
        tokens[i] = (int32_t)e->ids[i];
    need(ns_checkpoint_open(&c, folder, &(ns_checkpoint_params) { .size = sizeof(ns_checkpoint_params) }, &err));
    need(ns_arch_from_checkpoint(&arch, c, NULL, &err));
    need(ns_engine_new(&engine, &(ns_engine_params) { .size = sizeof(ns_engine_params), .threads = 2 }, &err));
    need(ns_model_load(&m, engine, c, arch, NULL, &err));
    need(ns_hooks_new(&hooks, arch, list, 2 + (e->N > 0) + (e->M > 0), &err));
    need(ns_session_new(&session, m, NULL, &err));
    need(ns_session_append(session, tokens, e->T, &err));
    need(ns_forward(m, &session, 1, hooks, NULL, &err));
    free(tokens);
    ns_session_free(session);
    ns_hooks_free(hooks);
    ns_model_free(m);
    ns_engine_free(engine);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
}

static bool check(const char *folder)
{
    expected e = expected_open(folder);
    state s = {.want = &e};
    s.worst.hidden = calloc((size_t)e.L, sizeof *s.worst.hidden);
    run(folder, &e, &s);
    bool good = ns_worst_within(&s.worst.logits, LOGITS_BOUND, e.T * e.V) &&
                (!e.M || ns_worst_within(&s.worst.attn, ATTENTION_BOUND, e.M * e.H * e.R * e.T)) &&
                (!e.N || ns_worst_within(&s.worst.recurrence, RECURRENCE_BOUND, e.N * e.R * e.W));
    for (int64_t l = 0; l < e.L; l++)
        good &= ns_worst_within(&s.worst.hidden[l], HIDDEN_BOUND, e.R * e.D);
    printf("%-6s %s: logits %.2e", good ? "ok" : "FAILED", folder, s.worst.logits.most);
    if (e.M)
        printf(", attention rows %.2e", s.worst.attn.most);
    if (e.N)
        printf(", recurrences %.2e", s.worst.recurrence.most);
    printf("\n");
    for (int64_t l = 0; l < e.L && !good; l++)
        printf("    hidden state entering layer %lld: %.2e%s\n", (long long)l, s.worst.hidden[l].most,
               !ns_worst_within(&s.worst.hidden[l], HIDDEN_BOUND, e.R * e.D) ? "  <-" : "");
    free(s.worst.hidden);
    expected_close(&e);
    return good;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= !check(argv[i]);
    return failed;
}
