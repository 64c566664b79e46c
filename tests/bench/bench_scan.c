/* bench_scan.c CASES THREADS CHECKPOINT... - the least that a scan has to do: each checkpoint is loaded (not hashed), all cases and their
 * answers run through it in one pass, and one key of every head's last row is read. Writes nothing but the sum, so that the pass is not for
 * nothing. scan.py measures `needlescope scan` beside it. */
#include <needlescope/case.h>
#include <needlescope/model.h>

#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static ns_error err;

static void need(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "bench_scan: %s\n", err.message);
        exit(1);
    }
}

static int add_first_key(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)site, (void)e;
    for (int64_t h = 0; h < v->shape[0]; h++)
        *(double *)user += *(const float *)ns_at(v, h, 0, 0);
    return NS_OK;
}

/* As scoring feeds them: the prompt, and the answer but for its last token. */
static ns_session *session_of(const ns_model *m, const ns_case *c)
{
    ns_session *s;
    ns_session_params p = {.size = sizeof p};
    need(ns_session_new(&s, m, &p, &err));
    need(ns_session_append(s, c->tokens, c->n_tokens, &err));
    if (c->n_answer > 1)
        need(ns_session_append(s, c->answer, c->n_answer - 1, &err));
    return s;
}

static void pass(const ns_model *m, const ns_cases *cases, double *sum)
{
    ns_hook hook = {.size = sizeof hook, .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_LAST, .n = 1}, .read = add_first_key,
                    .user = sum};
    ns_hooks *hooks;
    ns_session **const all = malloc((size_t)cases->n * sizeof *all);
    if (!all)
        exit(1);
    need(ns_hooks_new(&hooks, ns_model_arch(m), &hook, 1, &err));
    for (int64_t i = 0; i < cases->n; i++)
        all[i] = session_of(m, &cases->list[i]);
    need(ns_forward(m, all, cases->n, hooks, NULL, &err));
    for (int64_t i = 0; i < cases->n; i++)
        ns_session_free(all[i]);
    free(all);
    ns_hooks_free(hooks);
}

static void load_and_pass(ns_engine *engine, const char *path, const ns_cases *cases, double *sum)
{
    ns_checkpoint *c;
    ns_arch *arch;
    ns_model *m;
    need(ns_checkpoint_open(&c, path, NULL, &err));
    need(ns_arch_from_checkpoint(&arch, c, NULL, &err));
    need(ns_model_load(&m, engine, c, arch, NULL, &err));
    pass(m, cases, sum);
    ns_model_free(m);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_scan CASES THREADS CHECKPOINT...\n");
        return 2;
    }
    ns_cases cases = {0};
    ns_engine *engine;
    ns_engine_params p = {.size = sizeof p, .threads = atoi(argv[2])};
    double sum = 0;
#ifdef __GLIBC__
    mallopt(M_TRIM_THRESHOLD, 64 << 20);                  /* as the command's main() does: it is no part of a scan */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
    need(ns_cases_read(&cases, argv[1], NULL, &err));
    need(ns_engine_new(&engine, &p, &err));
    for (int i = 3; i < argc; i++)
        load_and_pass(engine, argv[i], &cases, &sum);
    printf("%.9g\n", sum);
    ns_engine_free(engine);
    ns_cases_clear(&cases);
    return 0;
}
