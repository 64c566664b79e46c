/* test_gradients.c - the analytic derivative of every parameter of every layer kind against central differences of the loss. */
#include "runs.h"

static double loss_of(ns_trainer *t, const int32_t *tokens)
{
    const ns_train_config *const c = ns_trainer_config(t);
    const int64_t n = c->batch * (c->length - 1);
    float *const loss = malloc((size_t)n * sizeof *loss);
    double sum = 0;
    ok(ns_trainer_losses(t, tokens, c->batch, c->length, loss, NULL, &err));
    for (int64_t i = 0; i < n; i++)
        sum += (double)loss[i];
    free(loss);
    return sum / (double)n;
}

static void move(ns_trainer *t, const char *name, const float *from, const double *along, double by)
{
    ns_view w;
    assert_true(ns_trainer_tensor(t, name, NS_TRAIN_PARAMETER, &w));
    for (int64_t i = 0; i < ns_view_count(&w); i++)
        ((float *)w.data)[i] = (float)((double)from[i] + by * along[i]);
}

/* Half along the gradient (its length), half anywhere (its direction). */
static double *direction(const float *g, int64_t n, uint64_t seed)
{
    ns_rng rng = ns_rng_seed(seed, 7);
    double *const u = malloc((size_t)n * sizeof *u), norm_g = 1e-30, norm_r = 0;
    for (int64_t i = 0; i < n; i++) {
        u[i] = ns_rng_normal(&rng);
        norm_g += (double)g[i] * (double)g[i];
        norm_r += u[i] * u[i];
    }
    for (int64_t i = 0; i < n; i++)
        u[i] = 0.7 * (double)g[i] / sqrt(norm_g) + 0.7 * u[i] / sqrt(norm_r);
    return u;
}

static void check_parameter(ns_trainer *t, const int32_t *tokens, const char *kind, const char *name, int64_t i)
{
    ns_view g, w;
    assert_true(ns_trainer_tensor(t, name, NS_TRAIN_GRADIENT, &g) && ns_trainer_tensor(t, name, NS_TRAIN_PARAMETER, &w));
    const int64_t n = ns_view_count(&w);
    float *const start = malloc((size_t)n * sizeof *start);
    memcpy(start, w.data, (size_t)n * sizeof *start);
    double *const u = direction(g.data, n, (uint64_t)i), analytic = 0;
    for (int64_t j = 0; j < n; j++)
        analytic += u[j] * (double)((const float *)g.data)[j];
    const double step = 4e-3;              /* rounding of the losses leaves 1e-8 over the step; curvature and the kinks of relu up to half a
                                            * percent */
    move(t, name, start, u, step);
    double numeric = loss_of(t, tokens);
    move(t, name, start, u, -step);
    numeric = (numeric - loss_of(t, tokens)) / (2 * step);
    move(t, name, start, u, 0);
    if (!(fabs(numeric - analytic) <= 1e-2 * fabs(analytic) + 2e-5))
        fail_msg("%s: %s: the loss rises by %.8g, the gradient says %.8g", kind, name, numeric, analytic);
    free(start);
    free(u);
}

/* Off the start, where gains are 1 and the head is small. Returns how many parameters' names have `part` in them. */
static int check_trainer(ns_trainer *t, const char *kind, const char *part)
{
    const ns_train_config *const c = ns_trainer_config(t);
    int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 11);
    ns_train_result r;
    int n = 0;
    for (int i = 0; i < 3; i++)
        ok(ns_trainer_step(t, tokens, &r, &err));
    ok(ns_trainer_gradient(t, tokens, &r, &err));
    assert_true(fabs(loss_of(t, tokens) - r.loss) < 1e-6);
    for (int64_t i = 0; i < ns_trainer_count(t); i++) {
        check_parameter(t, tokens, kind, ns_trainer_name(t, i), i);
        n += strstr(ns_trainer_name(t, i), part) != NULL;
    }
    free(tokens);
    return n;
}

static void analytic_is_numeric(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        ns_trainer *const t = trainer_of(kinds[k].json, NULL);
        assert_true(check_trainer(t, kinds[k].name, "weight") > 0);
        ns_trainer_free(t);
    }
}

/* Parameters that no letter has: the sinks of attention, beside a window and without (all experts are chosen, so that no choice flips),
 * and the lower bounds of HGRN2's gates, one tensor of three layers. */
static void analytic_is_numeric_of_given_models(void **state)
{
    (void)state;
    static const struct { const char *part, *json; int n; } given[] = {
        {"sinks",
         "{\"model_type\": \"gpt_oss\", \"vocab_size\": 40, \"hidden_size\": 24, \"intermediate_size\": 20, \"num_hidden_layers\": 2, "
         "\"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": 8, \"max_position_embeddings\": 64, \"sliding_window\": 7, "
         "\"num_local_experts\": 2, \"num_experts_per_tok\": 2, \"rope_scaling\": null}", 2},
        {"lower_bounds",
         "{\"model_type\": \"hgrn2\", \"vocab_size\": 40, \"hidden_size\": 24, \"intermediate_size\": 20, \"num_hidden_layers\": 3, "
         "\"expand_ratio\": 8, \"max_position_embeddings\": 64}", 1},
    };
    char folder[32];
    temporary(folder);
    char *const path = ns_path_join(folder, "config.json");
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        ns_train_config config = config_of("{\"batch\": 3, \"length\": 30}");
        ns_train_model *model;
        ns_trainer *t;
        ok(ns_file_write(path, given[i].json, strlen(given[i].json), &err));
        ok(ns_train_model_open(&model, path, &err));
        ok(ns_train_config_give(&config, model, "test", &err));
        ok(ns_trainer_new(&t, &config, &(ns_trainer_params){.size = sizeof(ns_trainer_params), .model = model}, &err));
        assert_int_equal(check_trainer(t, given[i].part, given[i].part), given[i].n);
        ns_trainer_free(t);
        ns_train_model_free(model);
    }
    free(path);
    remove_tree(folder);
}

/* The norm of the whole gradient and of each layer's part, from the gradients themselves. */
static void norms(void **state)
{
    (void)state;
    ns_trainer *const t = trainer_of(kinds[0].json, NULL);
    const ns_train_config *const c = ns_trainer_config(t);
    int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 12);
    double all = 0, layer[4] = {0};
    ns_train_result r;
    ok(ns_trainer_gradient(t, tokens, &r, &err));
    for (int64_t i = 0; i < ns_trainer_count(t); i++) {
        const char *const name = ns_trainer_name(t, i);
        ns_view g;
        int l;
        ns_trainer_tensor(t, name, NS_TRAIN_GRADIENT, &g);
        for (int64_t j = 0; j < ns_view_count(&g); j++) {
            const double square = pow(((const float *)g.data)[j], 2);
            all += square;
            if (sscanf(name, "model.layers.%d.", &l) == 1)
                layer[l] += square;
        }
    }
    assert_true(fabs(sqrt(all) - r.grad_norm) < 1e-9 * r.grad_norm);
    for (int l = 0; l < 4; l++)
        assert_true(fabs(sqrt(layer[l]) - r.grad_norm_layer[l]) < 1e-9);
    free(tokens);
    ns_trainer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(analytic_is_numeric), cmocka_unit_test(analytic_is_numeric_of_given_models),
                                       cmocka_unit_test(norms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
