/* greedy.c - greedy continuations of a file of cases, as JSON lines {"id", "plain": [...], "verified": [...]}: for the transformers
 * referee. "verified" feeds the gold answer as a draft; both must be the same tokens. */
#include <needlescope/case.h>
#include <needlescope/model.h>

#include <stdio.h>
#include <stdlib.h>

static ns_error err;

static void need(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "greedy: %s\n", err.message);
        exit(1);
    }
}

static void print(const char *name, const int32_t *tokens, int64_t n)
{
    printf(", \"%s\": [", name);
    for (int64_t i = 0; i < n; i++)
        printf("%s%d", i ? ", " : "", (int)tokens[i]);
    printf("]");
}

static void go_on(const ns_model *m, const ns_case *c, int64_t n, bool draft, const char *name)
{
    int32_t *out = calloc((size_t)n, sizeof *out);
    int64_t n_out;
    ns_session *s;
    ns_session_params sp = {.size = sizeof sp, .decode = true};
    ns_generate_params gp = {.size = sizeof gp, .gold = c->answer, .n_gold = draft ? c->n_answer : 0};
    need(ns_session_new(&s, m, &sp, &err));
    need(ns_session_append(s, c->tokens, c->n_tokens, &err));
    need(ns_generate(m, s, n, &gp, out, &n_out, &err));
    print(name, out, n_out);
    ns_session_free(s);
    free(out);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: greedy MODEL CASES N THREADS\n");
        return 2;
    }
    ns_cases cases = {0};
    ns_checkpoint *c;
    ns_arch *arch;
    ns_engine *engine;
    ns_model *m;
    ns_engine_params ep = {.size = sizeof ep, .threads = atoi(argv[4])};
    need(ns_cases_read(&cases, argv[2], NULL, &err));
    need(ns_checkpoint_open(&c, argv[1], NULL, &err));
    need(ns_arch_from_checkpoint(&arch, c, NULL, &err));
    need(ns_engine_new(&engine, &ep, &err));
    need(ns_model_load(&m, engine, c, arch, NULL, &err));
    for (int64_t i = 0; i < cases.n; i++) {
        printf("{\"id\": \"%s\"", cases.list[i].id);
        go_on(m, &cases.list[i], atoll(argv[3]), false, "plain");
        go_on(m, &cases.list[i], atoll(argv[3]), true, "verified");
        printf("}\n");
    }
    ns_model_free(m);
    ns_engine_free(engine);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
    ns_cases_clear(&cases);
    return 0;
}
