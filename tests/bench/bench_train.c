/* bench_train.c - tokens per second of the trainer on one thread: bench_train [CONFIG.json [SECONDS]]. Prints one number: the median of its
 * rounds. The default config is the recipe's (SSFS, W = 4, 138,816 parameters, 32 x 64 tokens a step). */
#include <needlescope/train.h>
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5 };

static ns_error err;

static void must(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "bench_train: %s\n", err.message);
        exit(1);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double round_of(ns_trainer *t, const int32_t *tokens, int64_t size, double seconds)
{
    int64_t steps = 0;
    ns_train_result r;
    const double t0 = now();
    double spent = 0;
    for (; spent < seconds; steps++, spent = now() - t0)
        must(ns_trainer_step(t, tokens + steps % 8 * size, &r, &err));
    return (double)(steps * size) / spent;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    ns_train_config c;
    ns_trainer *t;
    double rate[ROUNDS];
    ns_train_config_default(&c);
    if (argc > 1 && argv[1][0]) {
        char *text;
        size_t n;
        must(ns_file_read(argv[1], 1 << 20, &text, &n, &err));
        must(ns_train_config_from_json(&c, text, n, argv[1], &err));
        free(text);
    }
    must(ns_trainer_new(&t, &c, NULL, &err));
    const int64_t size = c.batch * c.length;
    int32_t *const tokens = ns_alloc_array((size_t)(8 * size), sizeof *tokens);
    ns_rng rng = ns_rng_seed(1, 0);
    for (int64_t i = 0; i < 8 * size; i++)
        tokens[i] = (int32_t)ns_rng_below(&rng, c.vocab);
    for (int i = 0; i < ROUNDS; i++)
        rate[i] = round_of(t, tokens, size, (argc > 2 ? strtod(argv[2], NULL) : 5) / ROUNDS);
    qsort(rate, ROUNDS, sizeof *rate, by_value);
    printf("%.0f\n", rate[ROUNDS / 2]);
    free(tokens);
    ns_trainer_free(t);
    return 0;
}
