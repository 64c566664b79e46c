/* test_recurrence.c - linear recurrences: the rows of whoever asks are the recurrence, edited rows leave their terms out, passes that go on
 * show what one pass shows, and a state that cannot be says where. The referee is the recurrence in f64, written out here. */
#include "../../unit.h"
#include "tiny.h"
#include "core/core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { T = 70, MAX_DIM = 48, MAX_LAYERS = 4 };

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

/* ---- what a pass shows: rows [T, width] of a point of a layer; of the pattern [heads, T, T] ---- */

typedef struct seen { float *data; int64_t heads, width, rows; } seen;
typedef struct album { seen at[MAX_LAYERS][NS_N_POINTS]; } album;

static int collect(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    album *const a = user;
    if (site->layer < 0)
        return NS_OK;
    seen *const s = &a->at[site->layer][site->point];
    const bool map = site->point == NS_POINT_PATTERN || site->point == NS_POINT_SCORES;
    const int64_t heads = map ? v->shape[0] : v->rank == 3 ? v->shape[1] : 1, last = v->rank == 3 ? v->shape[2] : v->shape[1];
    s->heads = heads;
    s->width = map ? T : heads * last;
    s->rows += site->n_rows;
    if (!s->data)
        s->data = calloc((size_t)((map ? heads : 1) * T * s->width), sizeof *s->data);
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < last; i++) {
                const int64_t row = site->row0 + r;
                if (map)
                    s->data[(h * T + row) * T + site->key0 + i] = *ns_at(v, h, r, i);
                else
                    s->data[row * s->width + h * last + i] = v->rank == 3 ? *ns_at(v, r, h, i) : *ns_at(v, r, i, 0);
            }
    return NS_OK;
}

static void album_clear(album *a)
{
    for (int l = 0; l < MAX_LAYERS; l++)
        for (int p = 0; p < NS_N_POINTS; p++)
            free(a->at[l][p].data);
    memset(a, 0, sizeof *a);
}

static int pass(const tiny *t, ns_session *s, const ns_hook *list, int n)
{
    ns_hooks *hooks;
    ok(ns_hooks_new(&hooks, t->arch, list, n, &err));
    const int rc = ns_forward(t->model, &s, 1, hooks, NULL, &err);
    ns_hooks_free(hooks);
    return rc;
}

static ns_session *fresh(const tiny *t, const int32_t *tokens, int64_t n, bool decode)
{
    ns_session *s;
    const ns_session_params p = {.size = sizeof p, .decode = decode};
    ok(ns_session_new(&s, t->model, &p, &err));
    ok(ns_session_append(s, tokens, n, &err));
    return s;
}

static void show_all(const tiny *t, const int32_t *tokens, album *a)
{
    const ns_hook all = {.size = sizeof all, .at = "*", .read = collect, .user = a};
    ns_session *const s = fresh(t, tokens, T, false);
    ok(pass(t, s, &all, 1));
    ns_session_free(s);
}

/* The same of a model that is opened here. */
static void show_model(tiny *t, const char *config, album *a)
{
    int32_t tokens[T];
    tiny_open(t, config, 2, NULL, 0);
    tiny_tokens(tokens, T, t->arch->vocab, 11);
    show_all(t, tokens, a);
}

/* ---- the recurrence in f64 ---- */

/* One head: its rows of q, k, v, and of each position the decay of each key channel and the write. */
typedef struct head {
    double  q[T][MAX_DIM], k[T][MAX_DIM], v[T][MAX_DIM], a[T][MAX_DIM], beta[T], scale;
    int64_t key, value;
    bool    delta;
} head;

static void take(double out[T][MAX_DIM], const seen *s, int64_t h, int64_t H, int64_t n)
{
    for (int64_t t = 0; t < T; t++)
        for (int64_t i = 0; i < n; i++)
            out[t][i] = (double)s->data[t * s->width + h / (H / s->heads) * n + i];
}

static void head_of(head *x, const album *a, int64_t layer, int64_t h, int64_t H, bool delta, double scale, double slope)
{
    const seen *const q = &a->at[layer][NS_POINT_ROT_Q], *const k = &a->at[layer][NS_POINT_ROT_K], *const v = &a->at[layer][NS_POINT_V];
    const seen *const log_decay = &a->at[layer][NS_POINT_LOG_DECAY], *const beta = &a->at[layer][NS_POINT_BETA];
    x->key = k->width / k->heads;
    x->value = v->width / v->heads;
    x->delta = delta;
    x->scale = scale;
    assert_true(x->key <= MAX_DIM && x->value <= MAX_DIM);
    take(x->q, q, h, H, x->key);
    take(x->k, k, h, H, x->key);
    take(x->v, v, h, H, x->value);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < x->key; i++) {
            const int64_t each = log_decay->data ? log_decay->width / H : 0;
            x->a[t][i] = exp(each ? (double)log_decay->data[t * log_decay->width + h * each + (each > 1 ? i : 0)] : -slope);
        }
        x->beta[t] = beta->data ? (double)beta->data[t * H + h] : 1;
    }
}

static void near(double got, double want, double bound, const char *what)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s: %.9g, expected %.9g", what, got, want);
}

/* state: as it was shown, [T] at so many numbers a row. */
static void run_recurrence(const head *x, double z[T][MAX_DIM], const float *state, int64_t stride)
{
    static double S[MAX_DIM][MAX_DIM];
    memset(S, 0, sizeof S);
    for (int64_t t = 0; t < T; t++)
        for (int64_t j = 0; j < x->value; j++) {
            double predicted = 0, sum = 0;
            for (int64_t i = 0; i < x->key; i++)
                predicted += x->a[t][i] * S[i][j] * x->k[t][i];
            const double u = x->beta[t] * (x->v[t][j] - (x->delta ? predicted : 0));
            for (int64_t i = 0; i < x->key; i++) {
                S[i][j] = x->a[t][i] * S[i][j] + x->k[t][i] * u;
                sum += S[i][j] * x->q[t][i] * x->scale;
            }
            z[t][j] = sum;
            for (int64_t i = 0; i < x->key; i++)
                near((double)state[t * stride + i * x->value + j], S[i][j], 1e-5 * (1 + fabs(S[i][j])), "hook_ssm_state");
        }
}

static void run_row(const head *x, int64_t t, double row[T])
{
    double p[MAX_DIM];
    for (int64_t i = 0; i < x->key; i++)
        p[i] = x->q[t][i] * x->scale;
    for (int64_t s = t; s >= 0; s--) {
        double dot = 0;
        for (int64_t i = 0; i < x->key; i++)
            dot += p[i] * x->k[s][i];
        row[s] = x->beta[s] * dot;
        for (int64_t i = 0; i < x->key; i++)
            p[i] = x->a[s][i] * (p[i] - (x->delta ? row[s] * x->k[s][i] : 0));
    }
}

static void check_head(const album *a, int64_t layer, int64_t h, int64_t H, bool delta, double scale, double slope)
{
    static head x;
    static double z[T][MAX_DIM], row[T];
    const seen *const pattern = &a->at[layer][NS_POINT_PATTERN], *const out = &a->at[layer][NS_POINT_Z];
    head_of(&x, a, layer, h, H, delta, scale, slope);
    const seen *const state = &a->at[layer][NS_POINT_SSM_STATE];
    assert_int_equal(state->width, H * x.key * x.value);
    run_recurrence(&x, z, state->data + h * x.key * x.value, state->width);
    for (int64_t t = 0; t < T; t++) {
        double most = 1;
        run_row(&x, t, row);
        for (int64_t j = 0; j < x.value; j++) {
            double sum = 0, size = 1;
            for (int64_t s = 0; s <= t; s++) {
                sum += row[s] * x.v[s][j];
                size += fabs(row[s] * x.v[s][j]);
            }
            near(sum, z[t][j], 1e-12 * size, "row times v");
            near((double)out->data[t * out->width + h * x.value + j], z[t][j], 2e-6 * size, "hook_z");
        }
        for (int64_t s = 0; s <= t; s++)
            most = fabs(row[s]) > most ? fabs(row[s]) : most;
        for (int64_t s = 0; s < T; s++)
            near((double)pattern->data[(h * T + t) * T + s], s <= t ? row[s] : 0, 2e-6 * most, "hook_pattern");
    }
}

static void rows_of(const char *config, bool delta, double scale)
{
    tiny t;
    static album a;
    show_model(&t, config, &a);
    int64_t layers = 0;
    for (int64_t l = 0; l < t.arch->n_layers; l++) {
        const ns_attn *const attn = ns_arch_attn(t.arch, l);
        if (ns_arch_layer_kind(t.arch, l) != NS_LAYER_RECURRENT)
            continue;
        layers++;
        for (int64_t h = 0; h < attn->n_heads; h++)
            check_head(&a, l, h, attn->n_heads, delta, scale, 0);
    }
    assert_true(layers > 1);
    album_clear(&a);
    tiny_close(&t);
}

static void rows_of_the_delta_rule(void **state)
{
    (void)state;
    rows_of(tiny_delta, true, 1 / sqrt(12));
}

static void rows_of_a_state_space(void **state)
{
    (void)state;
    rows_of(tiny_mamba2, false, 1);
}

/* HGRN2: keys are what the decays let go of. */
static void rows_of_forget_gates(void **state)
{
    (void)state;
    rows_of(tiny_hgrn2, false, (double)(float)(1 / sqrt(11)));
}

/* GLA, KDA, RetNet and DeltaNet: what the decay of each is, is asked of the points too. */
static void rows_of_every_setting(void **state)
{
    (void)state;
    static const double slopes[] = {0.5, 0.25, 0.125, 0.0625};
    tiny t;
    static album a;
    show_model(&t, tiny_recurrences, &a);
    for (int64_t l = 0; l < 4; l++)
        for (int64_t h = 0; h < 4; h++)
            check_head(&a, l, h, 4, l == 1 || l == 3, (double)0.3f, l == 2 ? slopes[h] : 0);
    assert_int_equal(a.at[0][NS_POINT_LOG_DECAY].width, 4 * 13);
    assert_int_equal(a.at[1][NS_POINT_LOG_DECAY].width, 4 * 12);
    assert_true(!a.at[2][NS_POINT_LOG_DECAY].data && !a.at[3][NS_POINT_LOG_DECAY].data && !a.at[2][NS_POINT_BETA].data);
    float most = 0;
    for (int64_t i = 0; i < T * 4; i++)
        most = a.at[3][NS_POINT_BETA].data[i] > most ? a.at[3][NS_POINT_BETA].data[i] : most;
    assert_true(most > 1 && most < 2);                /* eigenvalues below 0 */
    album_clear(&a);
    tiny_close(&t);
}

/* ---- edits: terms that are left out ---- */

enum { FIRST = 20, BEHIND = 30, EDITED = 50 };

static int leave_out(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)user;
    (void)e;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t k = FIRST; k < BEHIND; k++)
            *ns_at(v, 1, r, k - site->key0) = 0;
    return NS_OK;
}

/* Head 1 of layer 0 in one row without the keys of a span: its z lacks their terms, and no other value of the layer moves. */
static void a_span_is_left_out(void **state)
{
    (void)state;
    tiny t;
    static album before, after;
    int32_t tokens[T];
    const int64_t at[] = {EDITED};
    tiny_open(&t, tiny_delta, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    show_all(&t, tokens, &before);
    const ns_hook list[] = {
        {.size = sizeof *list, .at = "*", .read = collect, .user = &after},
        {.size = sizeof *list, .at = "blocks.0.attn.hook_pattern", .rows = {.kind = NS_ROWS_LIST, .n = 1, .positions = at},
         .edit = leave_out},
    };
    ns_session *const s = fresh(&t, tokens, T, false);
    ok(pass(&t, s, list, 2));
    const seen *const z = &before.at[0][NS_POINT_Z], *const edited = &after.at[0][NS_POINT_Z], *const v = &before.at[0][NS_POINT_V];
    const seen *const w = &before.at[0][NS_POINT_PATTERN];
    const int64_t d = z->width / z->heads;
    for (int64_t i = 0; i < T * z->width; i++) {
        const int64_t row = i / z->width, h = i % z->width / d;
        double want = (double)z->data[i];
        for (int64_t k = FIRST; row == EDITED && h == 1 && k < BEHIND; k++)
            want -= (double)w->data[(h * T + row) * T + k] * (double)v->data[k * v->width + i % z->width];
        if (row == EDITED && h == 1)
            near((double)edited->data[i], want, 1e-5, "z without a span");
        else
            assert_true(edited->data[i] == z->data[i]);
    }
    assert_true(memcmp(before.at[1][NS_POINT_RESID_PRE].data, after.at[1][NS_POINT_RESID_PRE].data, (size_t)(EDITED * 48) * 4) == 0);
    assert_true(memcmp(before.at[1][NS_POINT_RESID_PRE].data, after.at[1][NS_POINT_RESID_PRE].data, (size_t)(T * 48) * 4) != 0);
    ns_session_free(s);
    album_clear(&before);
    album_clear(&after);
    tiny_close(&t);
}

/* ---- layers of every kind show a row once ---- */

static void each_row_once(const char *config)
{
    tiny t;
    static album a;
    show_model(&t, config, &a);
    for (int64_t l = 0; l < t.arch->n_layers; l++)
        for (int p = 0; p < NS_N_POINTS; p++)
            if (a.at[l][p].rows != (ns_point_exists(t.arch, p, l) ? T : 0))
                fail_msg("%s of layer %lld was shown %lld times", ns_point_name(p), (long long)l, (long long)a.at[l][p].rows);
    album_clear(&a);
    tiny_close(&t);
}

static void rows_are_shown_once(void **state)
{
    (void)state;
    each_row_once(tiny_falcon);
    each_row_once(tiny_falcon_rows);
    each_row_once(tiny_nemotron);
    each_row_once(tiny_jamba);
    each_row_once(tiny_griffin);
    each_row_once(tiny_lfm2);
    each_row_once(tiny_lfm2_tap);
}

/* ---- passes that go on ---- */

/* Rows of the second pass over a session whose first kept nothing for them: the bits of one pass, and no row twice. */
static void a_state_is_not_edited(void **state)
{
    (void)state;
    tiny t;
    ns_hooks *hooks;
    const ns_hook edit = {.size = sizeof edit, .at = "blocks.0.attn.hook_ssm_state", .edit = leave_out};
    tiny_open(&t, tiny_delta, 1, NULL, 0);
    assert_int_equal(ns_hooks_new(&hooks, t.arch, &edit, 1, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "is read, not edited"));
    tiny_close(&t);
}

static void asked_for_later(void **state)
{
    (void)state;
    enum { BEFORE = 40 };
    tiny t;
    static album once, later;
    int32_t tokens[T];
    tiny_open(&t, tiny_delta, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    show_all(&t, tokens, &once);
    ns_session *const s = fresh(&t, tokens, BEFORE, true);
    ok(ns_forward(t.model, &s, 1, NULL, NULL, &err));
    ok(ns_session_append(s, tokens + BEFORE, T - BEFORE, &err));
    const ns_hook hook = {.size = sizeof hook, .at = "blocks.*.attn.hook_pattern", .read = collect, .user = &later};
    ok(pass(&t, s, &hook, 1));
    for (int64_t l = 0; l < t.arch->n_layers; l++) {
        const seen *const a = &once.at[l][NS_POINT_PATTERN], *const b = &later.at[l][NS_POINT_PATTERN];
        assert_int_equal(b->rows, T - BEFORE);
        for (int64_t h = 0; h < b->heads; h++)
            assert_memory_equal(a->data + (h * T + BEFORE) * T, b->data + (h * T + BEFORE) * T, (T - BEFORE) * T * sizeof(float));
    }
    ns_session_free(s);
    album_clear(&once);
    album_clear(&later);
    tiny_close(&t);
}

/* ---- what cannot be ---- */

typedef struct spoil { int64_t row, column; float value; } spoil;

static int put(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)e;
    const spoil *const s = user;
    if (site->row0 <= s->row && s->row < site->row0 + site->n_rows)
        *ns_at(v, s->row - site->row0, s->column, 0) = s->value;
    return NS_OK;
}

static void refused_where(const char *config, const char *point, spoil s, const char *what)
{
    tiny t;
    int32_t tokens[T];
    tiny_open(&t, config, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    const ns_hook hook = {.size = sizeof hook, .at = point, .edit = put, .user = &s};
    ns_session *const session = fresh(&t, tokens, T, false);
    assert_int_equal(pass(&t, session, &hook, 1), NS_E_NUMERIC);
    if (!strstr(err.message, what))
        fail_msg("'%s' does not say '%s'", err.message, what);
    ns_session_free(session);
    tiny_close(&t);
}

/* Where a session has a case it is named, and the checkpoint and what to do always are. */
static void names_the_case(void **state)
{
    (void)state;
    tiny t;
    int32_t tokens[T];
    tiny_open(&t, tiny_delta, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    char id[] = "a-case";
    const ns_case c = {.id = id, .tokens = tokens, .n_tokens = T};
    const struct { const char *point, *says; } all[] = {
        {"blocks.2.attn.hook_log_decay",
         "layer 2, head 1, position 5 of case 'a-case': the log of a decay is above 0 or no number: the state would grow (nan): the "
         "checkpoint diverged"},
        {"blocks.1.hook_attn_out",
         "blocks.1.hook_resid_mid, rows 0..69 of case 'a-case': a value is NaN or Inf: the checkpoint diverged"},
    };
    for (int i = 0; i < 2; i++) {
        spoil s = {5, 1, -NAN};
        const ns_hook hook = {.size = sizeof hook, .at = all[i].point, .edit = put, .user = &s};
        ns_session *const session = fresh(&t, tokens, T, false);
        ok(ns_session_add_case(session, &c, 0, &err));
        assert_int_equal(pass(&t, session, &hook, 1), NS_E_NUMERIC);
        if (!strstr(err.message, all[i].says) || !ns_starts(err.message, t.dir) ||
            !ns_ends(err.message, "take an earlier checkpoint, or leave the edit out"))
            fail_msg("'%s' does not say '%s'", err.message, all[i].says);
        ns_session_free(session);
    }
    tiny_close(&t);
}

/* e^120 is no number of 32 bits: infinite, as in transformers, times steps of 0. Mamba-1's channels had it so, heads did not. */
static void no_number_of_a_decay(void **state)
{
    (void)state;
    static const char rate[] = "backbone.layers.0.mixer.A_log";
    static const struct { const char *limit, *says; } all[] = {
        {"[0,1e-300]", "position 0 of session 0: the log of a decay is above 0 or no number: the state would grow (nan)"},
        {"[0,1]", NULL},
    };
    for (int i = 0; i < 2; i++) {
        tiny t;
        int32_t tokens[T];
        char config[4096];
        snprintf(config, sizeof config, "{\"time_step_limit\":%s,%s", all[i].limit, tiny_mamba2 + 1);
        tiny_open(&t, config, 2, NULL, 0);
        tiny_tokens(tokens, T, t.arch->vocab, 11);
        assert_non_null(ns_checkpoint_find(t.checkpoint, rate));
        ns_model_free(t.model);
        t.model = NULL;
        ns_checkpoint_free(t.checkpoint);
        ok(tiny_write(t.dir, t.arch, rate, 120, &err));
        ok(ns_checkpoint_open(&t.checkpoint, t.dir, NULL, &err));
        tiny_reopen(&t, 2, NULL, 0);
        ns_session *const session = fresh(&t, tokens, T, false);
        assert_int_equal(pass(&t, session, NULL, 0), all[i].says ? NS_E_NUMERIC : NS_OK);
        if (all[i].says && !strstr(err.message, all[i].says))
            fail_msg("'%s' does not say '%s'", err.message, all[i].says);
        ns_session_free(session);
        tiny_close(&t);
    }
}

static void impossible_states(void **state)
{
    (void)state;
    refused_where(tiny_delta, "blocks.2.attn.hook_log_decay", (spoil){33, 2, 0.25f},
                  "layer 2, head 2, position 33 of session 0: the log of a decay");
    refused_where(tiny_delta, "blocks.2.attn.hook_log_decay", (spoil){5, 1, NAN},
                  "layer 2, head 1, position 5 of session 0: the log of a decay");
    refused_where(tiny_delta, "blocks.0.attn.hook_v", (spoil){9, 3, INFINITY}, "layer 0, head 3, position 9 of session 0: the state");
    refused_where(tiny_jamba, "blocks.2.attn.hook_beta", (spoil){33, 7, -0.25f},
                  "layer 2, channel 7, position 33 of session 0: a step is below 0, or no number");
    refused_where(tiny_jamba, "blocks.0.attn.hook_beta", (spoil){5, 79, NAN},
                  "layer 0, channel 79, position 5 of session 0: a step is below 0, or no number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_the_delta_rule), cmocka_unit_test(rows_of_a_state_space),
                                       cmocka_unit_test(rows_of_forget_gates), cmocka_unit_test(rows_of_every_setting),
                                       cmocka_unit_test(rows_are_shown_once),
                                       cmocka_unit_test(a_span_is_left_out), cmocka_unit_test(a_state_is_not_edited),
                                       cmocka_unit_test(asked_for_later),
                                       cmocka_unit_test(impossible_states), cmocka_unit_test(names_the_case),
                                       cmocka_unit_test(no_number_of_a_decay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
