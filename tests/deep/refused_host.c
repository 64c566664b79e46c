/* refused_host.c - the library in a host that goes on when memory was refused: each function below is refused memory at many places in
 * turn, says NS_E_MEMORY with a line about memory, or gives what it gives undisturbed; the host lives, and in the end everything works as
 * in the beginning.   refused_host FOLDER STRIDE, with fail_alloc preloaded and FAIL_ALLOC=host; the folder is there and empty */
#include <needlescope/dataset.h>
#include <needlescope/export.h>
#include <needlescope/open.h>
#include <needlescope/probe.h>
#include <needlescope/record.h>
#include <needlescope/study.h>
#include <needlescope/train.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct host {
    char     folder[512], result[80];            /* what the function made, in words */
    ns_error err;
} host;

static const char *beside(char path[600], const host *h, const char *ending)
{
    snprintf(path, 600, "%s/%s", h->folder, ending);
    return path;
}

/* A hash that is the same each time. */
static int content_of(host *h, const char *path)
{
    ns_file *f = NULL;
    const int rc = ns_file_open(&f, path, &h->err);
    const char *const hash = rc == NS_OK ? ns_file_fact(f, "content_sha256") : NULL;
    snprintf(h->result, sizeof h->result, "%s", hash ? hash : "no hash");
    ns_file_close(f);
    return rc;
}

static int make_cases(host *h, ns_cases *out)
{
    static const int64_t lengths[] = {40, 60};
    static const double depths[] = {0, .5};
    return ns_needle_cases(out, &(ns_needle_params){.size = sizeof(ns_needle_params), .lengths = lengths, .n_lengths = 2, .depths = depths,
                                                    .n_depths = 2, .seed = 1, .vocab = 512}, &h->err);
}

static int open_model(host *h, ns_opened **out)
{
    char path[600];
    return ns_open(out, &(ns_open_params){.size = sizeof(ns_open_params), .path = beside(path, h, "model"), .threads = 1}, &h->err);
}

static int open_both(host *h, ns_opened **m, ns_cases *list)
{
    const int rc = open_model(h, m);
    return rc != NS_OK ? rc : make_cases(h, list);
}

static int close_both(int rc, ns_opened *m, ns_cases *list)
{
    ns_cases_clear(list);
    ns_close(m);
    return rc;
}

static int cases(host *h)
{
    ns_cases list = {0};
    const int rc = make_cases(h, &list);
    snprintf(h->result, sizeof h->result, "%lld cases", (long long)list.n);
    ns_cases_clear(&list);
    return rc;
}

static int opening(host *h)
{
    ns_opened *m = NULL;
    const int rc = open_model(h, &m);
    snprintf(h->result, sizeof h->result, "%s", m ? "a model" : "none");
    ns_close(m);
    return rc;
}

static int scoring(host *h)
{
    static const char *const probes[] = {"retrieval", "induction"};
    char path[600];
    ns_opened *m = NULL;
    ns_cases list = {0};
    ns_scores *s = NULL;
    int rc = open_both(h, &m, &list);
    if (rc == NS_OK)
        rc = ns_score_run(&s, m->model, &list, &(ns_score_params){.size = sizeof(ns_score_params), .probes = probes, .n_probes = 2},
                          &h->err);
    rc = rc != NS_OK ? rc : ns_scores_rank(s, &(ns_ranking_params){.size = sizeof(ns_ranking_params), .resamples = 5}, &h->err);
    rc = rc != NS_OK ? rc : ns_scores_write(s, beside(path, h, "scores.h5"), NULL, &h->err);
    rc = rc != NS_OK ? rc : content_of(h, path);
    ns_scores_free(s);
    return close_both(rc, m, &list);
}

static int recording(host *h)
{
    static const char *const at[] = {"blocks.*.attn.hook_pattern"};
    const ns_recorder_params params = {.size = sizeof params, .at = at, .n_at = 1, .maps = NS_MAPS_DENSE, .dtype = NS_F16};
    char path[600];
    ns_opened *m = NULL;
    ns_cases list = {0};
    ns_recorder *r = NULL;
    int rc = open_both(h, &m, &list);
    rc = rc != NS_OK ? rc : ns_recorder_new(&r, m->model, &list, beside(path, h, "maps.h5"), &params, NULL, &h->err);
    if (rc == NS_OK)
        rc = ns_run_cases(m->model, &list, ns_recorder_hooks(r), &(ns_score_params){.size = sizeof(ns_score_params)}, &h->err);
    if (rc == NS_OK)
        rc = ns_recorder_commit(r, &h->err);
    else
        ns_recorder_abort(r);
    rc = rc != NS_OK ? rc : content_of(h, path);
    return close_both(rc, m, &list);
}

static int exporting(host *h)
{
    char from[600], to[600];
    const ns_export_score score = {.name = "retrieval_find"};
    int64_t rows = 0;
    ns_study *s = NULL;
    int rc = ns_study_open(&s, beside(from, h, "scores.h5"), &h->err);
    if (rc == NS_OK)
        rc = ns_export_csv(s, beside(to, h, "scores.csv"),
                           &(ns_export_params){.size = sizeof(ns_export_params), .scores = &score, .n_scores = 1}, &rows, &h->err);
    snprintf(h->result, sizeof h->result, "%lld rows", (long long)rows);
    ns_study_close(s);
    return rc;
}

static int training(host *h)
{
    static const char config[] = "{\"pattern\": \"SGF\", \"window\": 4, \"d_model\": 16, \"heads\": 2, \"d_ff\": 16,"
                                 " \"batch\": 2, \"length\": 24, \"steps\": 1}";
    int32_t tokens[2 * 24];
    ns_train_config c;
    ns_trainer *t = NULL;
    ns_train_result last = {0};
    for (int i = 0; i < 48; i++)
        tokens[i] = i * 7 % 40;
    int rc = ns_train_config_from_json(&c, config, strlen(config), "refused", &h->err);
    rc = rc != NS_OK ? rc : ns_trainer_new(&t, &c, NULL, &h->err);
    rc = rc != NS_OK ? rc : ns_trainer_step(t, tokens, &last, &h->err);
    snprintf(h->result, sizeof h->result, "%a", last.loss);
    ns_trainer_free(t);
    return rc;
}

static const struct { const char *name; int (*run)(host *); } functions[] = {
    {"cases", cases}, {"open", opening}, {"score", scoring}, {"record", recording}, {"export", exporting}, {"train", training},
};

static void fail(const char *name, long n, const host *h, const char *what)
{
    printf("FAILED: %s, allocation %ld: %s (%s; %s)\n", name, n, what, h->result, h->err.message);
    exit(1);
}

/* Refuses the n-th from now on, 0 none; gives how many were asked for since the last call. */
static long (*arm)(long);

static long refuse_each(const char *name, int (*run)(host *), host *h, long stride)
{
    char usual[sizeof h->result];
    arm(0);
    if (run(h) != NS_OK)
        fail(name, 0, h, "it does not work undisturbed");
    const long asked = arm(0);
    long refused = 0;
    snprintf(usual, sizeof usual, "%s", h->result);
    for (long n = 1; n <= asked; n += stride, refused++) {
        h->err.message[0] = '\0';
        arm(n);
        const int rc = run(h);
        arm(0);
        if (rc != NS_OK && rc != NS_E_MEMORY)
            fail(name, n, h, "another error");
        if (rc != NS_OK && !strstr(h->err.message, "memory"))
            fail(name, n, h, "the message does not speak of memory");
        if (rc == NS_OK && strcmp(usual, h->result))
            fail(name, n, h, "another result");
    }
    if (run(h) != NS_OK || strcmp(usual, h->result))
        fail(name, 0, h, "it does not work afterwards");
    return refused;
}

int main(int argc, char **argv)
{
    host h = {.folder = ""};
    char path[600];
    *(void **)&arm = dlsym(RTLD_DEFAULT, "fail_alloc_arm");
    if (argc < 3 || !arm || atol(argv[2]) < 1)
        return 2;
    snprintf(h.folder, sizeof h.folder, "%s", argv[1]);
    if (ns_plant(beside(path, &h, "model"), &(ns_plant_params){.size = sizeof(ns_plant_params)}, &h.err) < 0)
        fail("the model", 0, &h, "it cannot be written");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        printf("%s: %ld allocations refused\n", functions[i].name, refuse_each(functions[i].name, functions[i].run, &h, atol(argv[2])));
    return 0;
}
