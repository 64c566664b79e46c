/* train.c - a short run for the referee: train CONFIG.json OUT STEPS [MODEL].
 *
 * OUT/tokens.i32 [STEPS, B, T], OUT/losses.f64 [STEPS], OUT/step000000 and OUT/stepSTEPS (with states), OUT/logits.f32 [B, T, V] of the
 * first batch at the end. With MODEL, a model that is given (train.h), also OUT/gradients.safetensors of the first batch at its start. */
#include <needlescope/train.h>
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ns_error err;

static void must(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "train: %s\n", err.message);
        exit(1);
    }
}

static void put(const char *folder, const char *name, const void *data, size_t n)
{
    char *const path = ns_path_join(folder, name);
    must(ns_file_write(path, data, n, &err));
    free(path);
}

/* Half of the tokens repeat the one five places before: something to learn. */
static int32_t *batches(int64_t n, int64_t vocab)
{
    ns_rng rng = ns_rng_seed(42, 0);
    int32_t *const tokens = ns_alloc_array((size_t)n, sizeof *tokens);
    for (int64_t i = 0; i < n; i++)
        tokens[i] = i > 5 && ns_rng_below(&rng, 2) ? tokens[i - 5] : (int32_t)ns_rng_below(&rng, vocab);
    return tokens;
}

int main(int argc, char **argv)
{
    ns_train_config c;
    ns_trainer *t;
    char *text;
    size_t n;
    ns_train_model *model = NULL;
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: %s CONFIG.json OUT STEPS [MODEL]\n", argv[0]);
        return 2;
    }
    const int64_t steps = strtoll(argv[3], NULL, 10);
    must(ns_file_read(argv[1], 1 << 20, &text, &n, &err));
    must(ns_train_config_from_json(&c, text, n, argv[1], &err));
    if (argc == 5) {
        must(ns_train_model_open(&model, argv[4], &err));
        must(ns_train_config_give(&c, model, argv[1], &err));
    }
    const ns_trainer_params params = {.size = sizeof params, .model = model};
    must(ns_trainer_new(&t, &c, &params, &err));
    must(ns_trainer_save(t, argv[2], true, NULL, &err));
    const int64_t size = c.batch * c.length;
    int32_t *const tokens = batches(steps * size, c.vocab);
    double *const losses = ns_alloc_array((size_t)steps, sizeof *losses);
    float *const logits = ns_alloc_array((size_t)(size * c.vocab), sizeof *logits);
    ns_train_result r;
    if (model) {
        char *const path = ns_path_join(argv[2], "gradients.safetensors");
        must(ns_trainer_gradient(t, tokens, &r, &err));
        must(ns_trainer_save_gradients(t, path, &err));
        free(path);
    }
    for (int64_t i = 0; i < steps; i++) {
        must(ns_trainer_step(t, tokens + i * size, &r, &err));
        losses[i] = r.loss;
    }
    must(ns_trainer_save(t, argv[2], true, NULL, &err));
    must(ns_trainer_logits(t, tokens, c.batch, c.length, logits, &err));
    put(argv[2], "tokens.i32", tokens, (size_t)(steps * size) * sizeof *tokens);
    put(argv[2], "losses.f64", losses, (size_t)steps * sizeof *losses);
    put(argv[2], "logits.f32", logits, (size_t)(size * c.vocab) * sizeof *logits);
    free(text);
    free(tokens);
    free(losses);
    free(logits);
    ns_trainer_free(t);
    return 0;
}
