/* bench_forward.c - our side of the paired benchmarks; peers.py runs it against PyTorch on the same checkpoint and tokens.
 *
 *   bench_forward MODEL prefill T THREADS REPEATS     seconds of one pass with the last row's logits
 *   bench_forward MODEL wu T THREADS STEPS            Wu et al.'s decode-time score: prefill T, then STEPS greedy tokens, argmax of
 *                                                     every head's last row
 *   bench_forward MODEL generate T THREADS STEPS      the same and nobody looks
 *   bench_forward MODEL rows T THREADS ROWS           teacher-forced score: one pass, pattern of the last ROWS rows read
 *   bench_forward MODEL gradient T THREADS TEXTS      influence of TEXTS texts in one call, and a bare pass beside each
 *   bench_forward MODEL attribute T THREADS PAIRS     attribution of all heads for PAIRS pairs that differ in their last 20 tokens
 * Prints JSON: seconds per repeat, load seconds, peak RSS; of the last two also the bare passes', and the ratios in seconds and in the
 * processor time of all threads. */
#include <needlescope/attribute.h>
#include <needlescope/gradient.h>
#include <needlescope/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static ns_error err;

static void need(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "bench_forward: %s\n", err.message);
        exit(1);
    }
}

static double read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static double cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static double peak_rss_mib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

/* The same tokens as peers.py: a linear congruential walk over the vocabulary. */
static int32_t *tokens_of(int64_t n, int64_t vocab)
{
    int32_t *t = malloc((size_t)n * sizeof *t);
    uint64_t x = 1;
    for (int64_t i = 0; i < n && t; i++) {
        x = (x * 1103515245u + 12345u) % 2147483648u;
        t[i] = (int32_t)(x % (uint64_t)vocab);
    }
    return t;
}

static ns_session *session_of(const ns_model *m, const int32_t *tokens, int64_t n, bool decode)
{
    ns_session *s;
    ns_session_params p = {.size = sizeof p, .decode = decode};
    need(ns_session_new(&s, m, &p, &err));
    need(ns_session_append(s, tokens, n, &err));
    return s;
}

static int count_hits(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    int64_t *hits = user;
    for (int64_t h = 0; h < v->shape[0]; h++)
        for (int64_t r = 0; r < site->n_rows; r++) {
            const float *row = ns_at(v, h, r, 0);
            int64_t best = 0;
            for (int64_t k = 1; k < v->shape[2]; k++)
                best = row[k] > row[best] ? k : best;
            *hits += site->key0 + best > 100 && site->key0 + best < 120;
        }
    return NS_OK;
}

static double prefill(const ns_model *m, const int32_t *tokens, int64_t T)
{
    ns_session *s = session_of(m, tokens, T, false);
    double t0 = now();
    need(ns_forward(m, &s, 1, NULL, NULL, &err));
    double t = now() - t0;
    ns_session_free(s);
    return t;
}

static double watched(const ns_model *m, const int32_t *tokens, int64_t T, int64_t n, bool decode, bool looks)
{
    int64_t hits = 0, n_out;
    ns_hook hook = {.size = sizeof hook, .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_LAST, .n = decode ? 1 : n},
                    .read = count_hits, .user = &hits };
    ns_hooks *hooks;
    ns_session *s = session_of(m, tokens, T, decode);
    ns_generate_params gp = {.size = sizeof gp};
    int32_t *out = malloc((size_t)n * sizeof *out);
    need(ns_hooks_new(&hooks, ns_model_arch(m), &hook, 1, &err));
    gp.hooks = looks ? hooks : NULL;
    double t0 = now();
    if (decode)
        need(ns_generate(m, s, n, &gp, out, &n_out, &err));
    else
        need(ns_forward(m, &s, 1, hooks, NULL, &err));
    double t = now() - t0;
    free(out);
    ns_hooks_free(hooks);
    ns_session_free(s);
    return t;
}

/* ---- passes back: each beside a bare pass, timed as the calls report their progress ---- */

typedef struct turns {
    const ns_model *m;
    const int32_t  *tokens;
    int64_t         T, n;
    double          from, cpu_from, seconds[64], forward[64], cpu_ratio[64];
} turns;

static void turn_ends(void *user, double fraction)
{
    turns *const t = user;
    (void)fraction;
    t->seconds[t->n] = now() - t->from;
    const double back = cpu(), spent = back - t->cpu_from;
    t->forward[t->n] = prefill(t->m, t->tokens, t->T);
    t->cpu_from = cpu();
    t->cpu_ratio[t->n] = spent / (t->cpu_from - back);
    t->n++;
    t->from = now();
}

/* PAIRS twins, or texts that have no twin: the same tokens but for the last 20, which are each case's own. */
static ns_cases cases_of(const int32_t *tokens, int64_t T, int64_t n, bool twins)
{
    ns_cases all = {0};
    for (int64_t i = 0; i < n * (twins ? 2 : 1); i++) {
        char id[32], of[32];
        snprintf(id, sizeof id, "c%02lld%s", (long long)(twins ? i / 2 : i), twins && i % 2 ? "-swap" : "");
        snprintf(of, sizeof of, "c%02lld", (long long)(i / 2));
        ns_case c = {.id = strdup(id), .tokens = malloc((size_t)T * sizeof *c.tokens), .n_tokens = T, .answer = malloc(sizeof *c.answer),
                     .n_answer = 1, .twin_of = twins && i % 2 ? strdup(of) : NULL};
        memcpy(c.tokens, tokens, (size_t)T * sizeof *tokens);
        for (int64_t k = T - 20; k < T; k++)
            c.tokens[k] = (int32_t)((k * 37 + i * 101) % 4000);
        c.answer[0] = (int32_t)(100 + i);
        need(ns_cases_add(&all, &c, &err));
    }
    return all;
}

static void print_list(const char *name, const double *x, int64_t n)
{
    printf(", \"%s\": [", name);
    for (int64_t i = 0; i < n; i++)
        printf("%s%.4f", i ? ", " : "", x[i]);
    printf("]");
}

static void back(const ns_model *m, const int32_t *tokens, int64_t T, int64_t n, bool gradient)
{
    turns t = {.m = m, .tokens = tokens, .T = T};
    ns_cases cases = cases_of(tokens, T, n < 32 ? n : 32, !gradient);
    ns_gradient *g = NULL;
    ns_attribution *a = NULL;
    const ns_gradient_params gp = {.size = sizeof gp, .no_baseline = true, .progress = turn_ends, .user = &t};
    const ns_attribute_params ap = {.size = sizeof ap, .progress = turn_ends, .user = &t};
    prefill(m, tokens, T);
    t.from = now();
    t.cpu_from = cpu();
    need(gradient ? ns_gradient_of(&g, m, &cases, &gp, &err) : ns_attribute(&a, m, &cases, &ap, &err));
    double ratio[64];
    for (int64_t i = 0; i < t.n; i++)
        ratio[i] = t.seconds[i] / t.forward[i];
    print_list("seconds", t.seconds, t.n);
    print_list("forward", t.forward, t.n);
    print_list("ratio", ratio, t.n);
    print_list("cpu_ratio", t.cpu_ratio, t.n);
    ns_gradient_free(g);
    ns_attribution_free(a);
    ns_cases_clear(&cases);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: bench_forward MODEL prefill|wu|rows|gradient|attribute T THREADS N\n");
        return 2;
    }
    int64_t T = atoll(argv[3]), n = atoll(argv[5]);
    ns_checkpoint *c;
    ns_arch *arch;
    ns_engine *engine;
    ns_model *m;
    ns_engine_params ep = {.size = sizeof ep, .threads = atoi(argv[4])};
    double t0 = now();
    need(ns_checkpoint_open(&c, argv[1], NULL, &err));
    need(ns_arch_from_checkpoint(&arch, c, NULL, &err));
    need(ns_engine_new(&engine, &ep, &err));
    need(ns_model_load(&m, engine, c, arch, NULL, &err));
    double loaded = now() - t0;
    int32_t *tokens = tokens_of(T, arch->vocab);
    printf("{\"load\": %.3f", loaded);
    const bool whole = strcmp(argv[2], "prefill") == 0, gradient = strcmp(argv[2], "gradient") == 0;
    double seconds[64];
    for (int64_t i = 0; i < (whole ? n : 1) && i < 64; i++)
        seconds[i] = whole ? prefill(m, tokens, T) : gradient || strcmp(argv[2], "attribute") == 0 ? 0
                           : watched(m, tokens, T, n, strcmp(argv[2], "rows") != 0, strcmp(argv[2], "generate") != 0);
    if (gradient || strcmp(argv[2], "attribute") == 0)
        back(m, tokens, T, n, gradient);
    else
        print_list("seconds", seconds, whole ? n < 64 ? n : 64 : 1);
    printf(", \"rss_mib\": %.0f, \"cpu\": \"%s\"}\n", peak_rss_mib(), ns_engine_cpu(engine));
    free(tokens);
    ns_model_free(m);
    ns_engine_free(engine);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
    return 0;
}
