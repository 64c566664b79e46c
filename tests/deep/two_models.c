/* two_models.c - two models in two threads of one process: each scores, records and trains, with two threads of its own, and makes what it
 * makes alone. Under ThreadSanitizer it shows that they share nothing that is not guarded.   two_models FOLDER, which is there and empty */
#include <needlescope/dataset.h>
#include <needlescope/open.h>
#include <needlescope/probe.h>
#include <needlescope/record.h>
#include <needlescope/train.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS = 2, ROUNDS = 2, STEPS = 3 };

typedef struct work {
    int      number;                    /* of the model */
    char     folder[512];
    char     scores[65], maps[65];      /* content_sha256 */
    double   loss;
    ns_error err;
} work;

static const char *beside(char path[600], const work *w, const char *ending)
{
    snprintf(path, 600, "%s%s", w->folder, ending);
    return path;
}

static int content_of(work *w, const char *path, char hex[65])
{
    ns_file *f = NULL;
    const int rc = ns_file_open(&f, path, &w->err);
    const char *const hash = rc == NS_OK ? ns_file_fact(f, "content_sha256") : "";
    snprintf(hex, 65, "%s", hash ? hash : "");
    ns_file_close(f);
    return rc;
}

static int score(work *w, const ns_model *m, const ns_cases *cases)
{
    static const char *const probes[] = {"retrieval", "mass", "induction"};
    char path[600];
    ns_scores *s = NULL;
    int rc = ns_score_run(&s, m, cases, &(ns_score_params){.size = sizeof(ns_score_params), .probes = probes, .n_probes = 3}, &w->err);
    rc = rc != NS_OK ? rc : ns_scores_rank(s, &(ns_ranking_params){.size = sizeof(ns_ranking_params), .resamples = 10}, &w->err);
    rc = rc != NS_OK ? rc : ns_scores_write(s, beside(path, w, ".scores.h5"), NULL, &w->err);
    ns_scores_free(s);
    return rc != NS_OK ? rc : content_of(w, path, w->scores);
}

static int record(work *w, const ns_model *m, const ns_cases *cases)
{
    static const char *const at[] = {"blocks.*.attn.hook_pattern", "blocks.*.hook_resid_post"};
    char path[600];
    ns_recorder *r = NULL;
    const ns_recorder_params params = {.size = sizeof params, .at = at, .n_at = 2, .maps = NS_MAPS_DENSE, .dtype = NS_F16};
    int rc = ns_recorder_new(&r, m, cases, beside(path, w, ".maps.h5"), &params, NULL, &w->err);
    if (rc == NS_OK) {
        rc = ns_run_cases(m, cases, ns_recorder_hooks(r), &(ns_score_params){.size = sizeof(ns_score_params), .no_sharing = true}, &w->err);
        if (rc == NS_OK)
            rc = ns_recorder_commit(r, &w->err);
        else
            ns_recorder_abort(r);
    }
    return rc != NS_OK ? rc : content_of(w, path, w->maps);
}

static int train(work *w)
{
    static const char config[] = "{\"pattern\": \"SGF\", \"window\": 4, \"d_model\": 16, \"heads\": 2, \"d_ff\": 16,"
                                 " \"batch\": 2, \"length\": 24, \"steps\": 3}";
    int32_t tokens[2 * 24];
    char path[600];
    ns_train_config c;
    ns_trainer *t = NULL;
    ns_train_result last = {0};
    for (int i = 0; i < 48; i++)
        tokens[i] = (i * 7 + w->number) % 40;
    int rc = ns_train_config_from_json(&c, config, strlen(config), "two models", &w->err);
    rc = rc != NS_OK ? rc : ns_trainer_new(&t, &c, NULL, &w->err);
    for (int i = 0; rc == NS_OK && i < STEPS; i++)
        rc = ns_trainer_step(t, tokens, &last, &w->err);
    w->loss = last.loss;
    rc = rc != NS_OK ? rc : ns_trainer_save(t, beside(path, w, ".run"), true, NULL, &w->err);
    ns_trainer_free(t);
    return rc;
}

static int everything(work *w)
{
    static const int64_t lengths[] = {40, 90};
    static const double depths[] = {0, .5};
    ns_opened *m = NULL;
    ns_cases cases = {0};
    const ns_needle_params needles = {.size = sizeof needles, .lengths = lengths, .n_lengths = 2, .depths = depths, .n_depths = 2,
                                      .seed = 1 + (uint64_t)w->number, .vocab = 512};
    int rc = ns_open(&m, &(ns_open_params){.size = sizeof(ns_open_params), .path = w->folder, .threads = 2}, &w->err);
    rc = rc != NS_OK ? rc : ns_needle_cases(&cases, &needles, &w->err);
    rc = rc != NS_OK ? rc : score(w, m->model, &cases);
    rc = rc != NS_OK ? rc : record(w, m->model, &cases);
    rc = rc != NS_OK ? rc : train(w);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

static void *thread(void *user)
{
    int rc = NS_OK;
    for (int i = 0; i < ROUNDS && rc == NS_OK; i++)
        rc = everything(user);
    return rc == NS_OK ? user : NULL;
}

static void fail(const char *what, const work *w)
{
    fprintf(stderr, "FAILED: %s, model %d: %s\n", what, w->number, w->err.message);
    exit(1);
}

static void side_by_side(work together[MODELS])
{
    pthread_t id[MODELS];
    for (int i = 0; i < MODELS; i++)
        if (pthread_create(&id[i], NULL, thread, &together[i]))
            fail("pthread_create", &together[i]);
    bool good[MODELS];
    for (int i = 0; i < MODELS; i++) {
        void *result = NULL;
        good[i] = pthread_join(id[i], &result) == 0 && result;
    }
    for (int i = 0; i < MODELS; i++)
        if (!good[i])
            fail("beside the other", &together[i]);
}

int main(int argc, char **argv)
{
    work alone[MODELS] = {0}, together[MODELS];
    for (int i = 0; i < MODELS; i++) {
        alone[i].number = i;
        snprintf(alone[i].folder, sizeof alone[i].folder, "%s/model%d", argc > 1 ? argv[1] : "", i);
        const ns_plant_params plant = {.size = sizeof plant, .window = i ? 24 : 0};
        if (ns_plant(alone[i].folder, &plant, &alone[i].err) || everything(&alone[i]))
            fail("alone", &alone[i]);
        together[i] = (work){.number = i};
        memcpy(together[i].folder, alone[i].folder, sizeof alone[i].folder);
    }
    side_by_side(together);
    for (int i = 0; i < MODELS; i++)
        if (strlen(alone[i].scores) != 64 || strlen(alone[i].maps) != 64 || strcmp(alone[i].scores, together[i].scores) ||
            strcmp(alone[i].maps, together[i].maps) || !(alone[i].loss == together[i].loss))
            fail("other results beside the other than alone", &together[i]);
    printf("two models in two threads made what they make alone: %.8s %.8s, %.8s %.8s\n", alone[0].scores, alone[0].maps, alone[1].scores,
           alone[1].maps);
    return strcmp(alone[0].scores, alone[1].scores) == 0;
}
