/* test_writes.c FIXTURES - what heads write, on a model of every family: what the heads of a row wrote and what no head writes sum up to
 * hook_attn_out, hook_z (or what a recurrence hands on) in their place writes the same, parts of it write their part; and what all layers
 * add, read in the directions of the unembedding, sums up to the logit. */
#include "../../unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/model.h>

#include "core/core.h"

static const char *fixtures;

enum { T = 9, ROWS = 3, MOST = 1 << 16 };

typedef struct seen {
    const ns_arch *arch;
    int64_t layers, unfrozen;              /* with heads; of those not known */
    float   z[ROWS][MOST];                 /* of the layer in hand */
    float   x[ROWS][1024];                 /* leaving the last layer */
    float   first[ROWS][1024], parts[ROWS][1024];      /* the embedding; what all layers added to it */
    float   logits[ROWS];
    int32_t token;
} seen;

static int64_t row_at(int64_t position)
{
    return position - (T - ROWS);
}

/* hook_recurrence_out comes behind hook_z and takes its place. */
static int see_z(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    seen *const s = user;
    const int64_t d = v->rank == 3 ? v->shape[2] : v->shape[1], H = v->rank == 3 ? v->shape[1] : 1;
    assert_true(H * d <= MOST);
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t h = 0; h < H; h++)
            memcpy(s->z[row_at(site->row0 + r)] + h * d, ns_at(v, r, h, 0), (size_t)d * sizeof(float));
    return NS_OK;
}

static double largest(const float *x, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabs((double)x[i]) <= most ? most : fabs((double)x[i]);       /* a NaN stays */
    return most;
}

static int see_out(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    seen *const s = user;
    const ns_attn *const a = ns_arch_attn(s->arch, site->layer);
    const int64_t D = s->arch->d_model, H = a ? a->n_heads : 0, d = a ? a->head_dim : 0;
    if (!a)
        return NS_OK;
    float *const own = calloc((size_t)(4 * H * D), sizeof *own), *const put = own + H * D, *const parts = put + H * D;
    float *const z = calloc((size_t)(3 * H * d), sizeof *z), *const rest = calloc((size_t)D, sizeof *rest);
    s->layers++;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t at = site->row0 + r, twice[2] = {at, at};
        assert_int_equal(ns_site_write(site, &at, 1, NULL, own, err), NS_OK);
        assert_int_equal(ns_site_write(site, &at, 1, s->z[row_at(at)], put, err), NS_OK);
        for (int64_t i = 0; i < H * d; i++) {             /* two parts of it */
            z[i] = i % 3 ? 2 * s->z[row_at(at)][i] : 0;
            z[H * d + i] = s->z[row_at(at)][i] - z[i];
        }
        assert_int_equal(ns_site_write(site, twice, 2, z, parts, err), NS_OK);
        assert_int_equal(ns_site_write_rest(site, at, rest, err), NS_OK);
        const double scale = fmax(largest(own, H * D), largest(ns_at(v, r, 0, 0), D)) + 1e-6;
        for (int64_t i = 0; i < H * D; i++) {
            assert_near((double)put[i], (double)own[i], 2e-6 * scale);
            assert_near((double)parts[i] + (double)parts[H * D + i], (double)own[i], 8e-6 * scale);
        }
        for (int64_t k = 0; k < D; k++) {
            double sum = (double)rest[k];
            for (int64_t h = 0; h < H; h++)
                sum += (double)own[h * D + k];
            assert_near(sum, (double)*ns_at(v, r, k, 0), 1e-5 * scale);
        }
    }
    free(own);
    free(z);
    free(rest);
    return NS_OK;
}

/* At hook_resid_pre of the first layer the embedding, at that of the others and behind the last what a layer has added. */
static int see_x(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    seen *const s = user;
    const bool begins = site->point == NS_POINT_RESID_PRE;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t k = 0; k < s->arch->d_model; k++) {
            const int64_t row = row_at(site->row0 + r);
            const float x = *ns_at(v, r, k, 0);
            if (begins && site->layer == 0)
                s->first[row][k] = x;
            if (!begins)
                s->parts[row][k] += x - (site->layer == 0 ? s->first[row][k] : s->x[row][k]);
            s->x[row][k] = x;
        }
    return NS_OK;
}

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    seen *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        s->logits[row_at(site->row0 + r)] = *ns_at(v, r, s->token, 0);
    return NS_OK;
}

static void check_logits(const ns_model *m, const seen *s)
{
    const int64_t D = s->arch->d_model;
    float u[1024];
    double constant;
    assert_int_equal(ns_model_logit_directions(m, &s->token, 1, u, &constant, NULL), NS_OK);
    for (int64_t r = 0; r < ROWS; r++) {
        const double size = ns_model_final_size(m, s->x[r]), cap = (double)s->arch->logit_softcap;
        double sum = constant, most = fabs(constant);
        for (int64_t k = 0; k < D; k++) {
            sum += (double)u[k] * ((double)s->first[r][k] + (double)s->parts[r][k]) / size;
            most += fabs((double)u[k] * (double)s->x[r][k]) / size;
        }
        assert_near(cap > 0 ? cap * tanh(sum / cap) : sum, (double)s->logits[r], 1e-4 * fmax(1, most));
    }
}

static void check_model(const char *folder, int64_t *layers)
{
    ns_error err = {""};
    ns_engine *e = NULL;
    ns_checkpoint *ck = NULL;
    ns_arch *arch = NULL;
    ns_model *m = NULL;
    ns_session *session = NULL;
    ns_hooks *hooks = NULL;
    seen *const s = calloc(1, sizeof *s);
    const ns_model_params how = {.size = sizeof how};
    assert_int_equal(ns_engine_new(&e, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = 1}, &err), NS_OK);
    assert_int_equal(ns_checkpoint_open(&ck, folder, NULL, &err), NS_OK);
    if (ns_arch_from_checkpoint(&arch, ck, NULL, &err) != NS_OK || ns_model_load(&m, e, ck, arch, &how, &err) != NS_OK)
        fail_msg("%s: %s", folder, err.message);
    s->arch = arch;
    s->token = 5;
    static const int64_t last[ROWS] = {T - 3, T - 2, T - 1};
    const ns_rows rows = {.kind = NS_ROWS_LIST, .n = ROWS, .positions = last};
    ns_hook list[6];
    int n = 0;
    static const struct { const char *at; ns_read_fn read; ns_point point; } all[] = {
        {"blocks.*.attn.hook_z", see_z, NS_POINT_Z}, {"blocks.*.attn.hook_recurrence_out", see_z, NS_POINT_RECURRENCE_OUT},
        {"blocks.*.hook_attn_out", see_out, NS_POINT_ATTN_OUT}, {"blocks.*.hook_resid_pre", see_x, NS_POINT_RESID_PRE},
        {"blocks.*.hook_resid_post", see_x, NS_POINT_RESID_POST}, {"hook_logits", see_logits, NS_POINT_LOGITS}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool there = all[i].point == NS_POINT_LOGITS;
        for (int64_t l = 0; l < arch->n_layers; l++)
            there |= ns_point_exists(arch, all[i].point, l);
        if (there)
            list[n++] = (ns_hook){.size = sizeof *list, .at = all[i].at, .rows = rows, .read = all[i].read, .user = s};
    }
    static const int32_t tokens[T] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    assert_int_equal(ns_hooks_new(&hooks, arch, list, n, &err), NS_OK);
    assert_int_equal(ns_session_new(&session, m, NULL, &err), NS_OK);
    assert_int_equal(ns_session_append(session, tokens, T, &err), NS_OK);
    if (ns_forward(m, &session, 1, hooks, NULL, &err) != NS_OK)
        fail_msg("%s: %s", folder, err.message);
    check_logits(m, s);
    *layers += s->layers;
    ns_session_free(session);
    ns_hooks_free(hooks);
    ns_model_free(m);
    ns_arch_free(arch);
    ns_checkpoint_free(ck);
    ns_engine_free(e);
    free(s);
}

static void test_families(void **state)
{
    (void)state;
    char **names;
    int64_t n, layers = 0, models = 0;
    assert_int_equal(ns_folder_list(&names, &n, fixtures, NULL), NS_OK);
    for (int64_t i = 0; i < n; i++) {
        char *const path = ns_path_join(fixtures, names[i]), *const config = ns_path_join(path, "config.json");
        if (ns_path_exists(config)) {
            print_message("%s\n", names[i]);
            check_model(path, &layers);
            models++;
        }
        free(config);
        free(path);
    }
    ns_free_strings(names, n);
    assert_true(models >= 50 && layers >= 100);
}

static int refuse(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)v;
    float out[4096];
    const int64_t position = 1, beyond = T;
    int *const seen_calls = user;
    ++*seen_calls;
    assert_int_equal(ns_site_write(site, &position, 1, NULL, out, err), site->point == NS_POINT_ATTN_OUT ? NS_OK : NS_E_ARG);
    assert_int_equal(ns_site_write(site, &beyond, 1, NULL, out, err), NS_E_ARG);
    return NS_OK;
}

/* Elsewhere it is an error, and so is a row that the call does not have. */
static void test_elsewhere(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_engine *e;
    ns_checkpoint *ck;
    ns_arch *arch;
    ns_model *m;
    ns_session *session;
    ns_hooks *hooks;
    int calls = 0;
    char *const path = ns_path_join(fixtures, "llama");
    const ns_model_params how = {.size = sizeof how};
    const ns_hook list[2] = {{.size = sizeof *list, .at = "blocks.0.hook_attn_out", .read = refuse, .user = &calls},
                             {.size = sizeof *list, .at = "blocks.0.hook_mlp_out", .read = refuse, .user = &calls}};
    assert_int_equal(ns_engine_new(&e, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = 1}, &err), NS_OK);
    assert_int_equal(ns_checkpoint_open(&ck, path, NULL, &err), NS_OK);
    assert_int_equal(ns_arch_from_checkpoint(&arch, ck, NULL, &err), NS_OK);
    assert_int_equal(ns_model_load(&m, e, ck, arch, &how, &err), NS_OK);
    assert_int_equal(ns_hooks_new(&hooks, arch, list, 2, &err), NS_OK);
    assert_int_equal(ns_session_new(&session, m, NULL, &err), NS_OK);
    assert_int_equal(ns_session_append(session, (int32_t[]){1, 2, 3}, 3, &err), NS_OK);
    assert_int_equal(ns_forward(m, &session, 1, hooks, NULL, &err), NS_OK);
    assert_int_equal(calls, 2);
    ns_session_free(session);
    ns_hooks_free(hooks);
    ns_model_free(m);
    ns_arch_free(arch);
    ns_checkpoint_free(ck);
    ns_engine_free(e);
    free(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_families), cmocka_unit_test(test_elsewhere)};
    fixtures = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
