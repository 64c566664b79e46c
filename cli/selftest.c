/* selftest.c - doctor --self-test: plants the zoo, scores it, silences its heads, and compares everything with what planted.json says.
 *     zoo -> needle cases, repeats -> scores -> probe x decoy table (least, most, seen) ; sets of heads -> ablate -> answered or not */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/ablate.h>
#include <needlescope/case.h>
#include <needlescope/dataset.h>
#include <needlescope/probe.h>

#include "cli/open.h"
#include "cli/selftest.h"
#include "math/math.h"

/* What is scored on what; the key in planted.json under which a head has its ranges. */
typedef enum set { NEEDLES, WITH_NULL, REPEATS, SETS } set;
static const struct { const char *key, *probes[12]; int n_probes; } sets[SETS] = {
    [NEEDLES] = {"expected", {"retrieval_find", "retrieval_mass", "needle_mass", "previous_token", "previous_at_needle", "retrieval_wu",
                              "sink_mass", "local_mass", "entropy", "entropy_norm", "writes", "ov_copying"}, 12},
    [WITH_NULL] = {"expected_with_null", {"qr"}, 1},
    [REPEATS] = {"expected_on_repeats", {"induction", "duplicate_token", "echo"}, 3},
};

/* The last of the needles' probes, and the only one that needs OpenBLAS. */
static const char NEEDS_BLAS[] = "ov_copying";

typedef struct zoo {
    ns_opened     *m;
    cJSON         *truth;
    ns_cases       cases[SETS];
    ns_scores     *scores[SETS];
    bool           blas;
} zoo;

static int load_zoo(cli *app, zoo *z, const char *folder, ns_error *err)
{
    char *const truth = ns_path_join(folder, "planted.json");
    int rc = truth ? ns_json_read(&z->truth, truth, 1 << 20, 8, err) : ns_oom(err, folder);
    free(truth);
    if (rc == NS_OK)
        rc = cli_open(app, &z->m, folder, &(cli_model_settings){.no_hash = true}, NS_OPEN_WEIGHTS, err);
    return rc;
}

static int make_cases(zoo *z, ns_error *err)
{
    static const int64_t lengths[] = {64, 128};
    static const double depths[] = {0, .25, .5, .75, 1};
    ns_needle_params needle = {.size = sizeof needle, .lengths = lengths, .n_lengths = 2, .depths = depths, .n_depths = 5, .count = 5,
                               .seed = 1,
                                     .vocab = z->m->arch->vocab};
    const ns_repeat_params repeat =
        {.size = sizeof repeat, .length = 201, .count = 5, .seed = 1, .vocab = z->m->arch->vocab, .first_id = 3, .bos = 0};
    int rc = ns_needle_cases(&z->cases[NEEDLES], &needle, err);
    needle.twins = NS_TWIN_NULL;
    if (rc == NS_OK)
        rc = ns_needle_cases(&z->cases[WITH_NULL], &needle, err);
    return rc == NS_OK ? ns_repeat_cases(&z->cases[REPEATS], &repeat, err) : rc;
}

static int score_zoo(zoo *z, ns_error *err)
{
    int rc = NS_OK;
    for (int s = 0; s < SETS && rc == NS_OK; s++) {
        const int n = sets[s].n_probes - (s == NEEDLES && !z->blas);
        const ns_score_params how = {.size = sizeof how, .probes = sets[s].probes, .n_probes = n};
        rc = ns_score_run(&z->scores[s], z->m->model, &z->cases[s], &how, err);
    }
    return rc;
}

static double value_of(const ns_scores *scores, const char *name, int64_t layer, int64_t head)
{
    for (int i = 0; i < ns_scores_count(scores); i++)
        if (strcmp(ns_scores_def(scores, i)->name, name) == 0)
            return (double)ns_scores_values(scores, i)[layer * ns_scores_heads(scores) + head];
    return NAN;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item ? item->valuedouble : NAN;
}

/* Of one score of a head: whether it lies where it should, or why it is not there. */
static const char *verdict(const zoo *z, const char *score, double least, double most, double seen)
{
    if (!z->blas && strcmp(score, NEEDS_BLAS) == 0)
        return "left out";
    return seen >= least - 1e-6 && seen <= most + 1e-6 ? "ok" : "FAILED";
}

/* One row a score of a head; returns how many lie outside. A score that no probe gave is NaN, which lies outside. */
static int compare_head(cli_out *o, const zoo *z, const cJSON *head)
{
    const int64_t layer = (int64_t)number(head, "layer"), h = (int64_t)number(head, "head");
    int failed = 0;
    for (int s = 0; s < SETS; s++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(head, sets[s].key)) {
            const double least = cJSON_GetArrayItem(item, 0)->valuedouble, most = cJSON_GetArrayItem(item, 1)->valuedouble;
            const double seen = value_of(z->scores[s], item->string, layer, h);
            const char *const result = verdict(z, item->string, least, most, seen);
            cli_cell_int(o, layer);
            cli_cell_int(o, h);
            cli_cell_text(o, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(head, "kind")));
            cli_cell_text(o, item->string);
            cli_cell_number(o, least);
            cli_cell_number(o, most);
            cli_cell_number(o, seen);
            cli_cell_text(o, result);
            failed += strcmp(result, "FAILED") == 0;
        }
    }
    return failed;
}

static int compare_scores(cli_out *o, const zoo *z)
{
    static const cli_column columns[] = {
        {"layer", "layer", CELL_INT}, {"head", "head", CELL_INT}, {"kind", "what it does", CELL_TEXT}, {"score", "score", CELL_TEXT},
        {"least", "least", CELL_NUMBER}, {"most", "most", CELL_NUMBER}, {"seen", "seen", CELL_NUMBER}, {"result", "result", CELL_TEXT},
    };
    const cJSON *head;
    int failed = 0;
    cli_out_table(o, "zoo", "Zoo: what every score must say of heads that are known", columns, 8);
    cJSON_ArrayForEach(head, cJSON_GetObjectItemCaseSensitive(z->truth, "heads"))
        failed += compare_head(o, z, head);
    cli_out_table_end(o);
    return failed;
}

/* Share of the cases that are answered with these heads' z set to 0. */
static int answered_without(const zoo *z, const ns_head *heads, int n, double *out, ns_error *err)
{
    ns_ablation *ablation = NULL;
    const ns_ablate_params how =
        {.size = sizeof how, .heads = heads, .n_heads = n, .modes = 1u << NS_EDIT_ZERO_Z, .draws = 1, .loss_cases = -1};
    const int rc = ns_ablate(&ablation, z->m->model, &z->cases[NEEDLES], &how, err);
    *out = NAN;
    for (int i = 0; rc == NS_OK && i < ablation->n; i++)
        if (ablation->list[i].kind == NS_CONDITION_TARGET)
            *out = ablation->list[i].answered;
    ns_ablation_free(ablation);
    return rc;
}

static int compare_silenced(cli_out *o, const zoo *z, int *failed, ns_error *err)
{
    static const cli_column columns[] = {
        {"heads", "heads", CELL_TEXT}, {"expected", "expected", CELL_NUMBER}, {"seen", "seen", CELL_NUMBER},
        {"result", "result", CELL_TEXT},
    };
    enum { MOST = 16 };
    const cJSON *silenced, *pair;
    int rc = NS_OK;
    cli_out_table(o, "silenced", "Share of cases answered when heads are silenced (zero_z)", columns, 4);
    cJSON_ArrayForEach(silenced, cJSON_GetObjectItemCaseSensitive(z->truth, "silenced")) {
        ns_head heads[MOST];
        int n = 0;
        char text[128] = "";
        cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(silenced, "heads")) {
            if (n == MOST)
                break;
            heads[n] = (ns_head){(int64_t)cJSON_GetArrayItem(pair, 0)->valuedouble, (int64_t)cJSON_GetArrayItem(pair, 1)->valuedouble};
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d.%d", n ? " " : "", (int)heads[n].layer, (int)heads[n].head);
            n++;
        }
        const double expected = number(silenced, "answered");
        double seen;
        if ((rc = answered_without(z, heads, n, &seen, err)) < 0)
            break;
        const bool good = expected > 0.5 ? seen >= 0.99 : seen <= 0.01;
        cli_cell_text(o, text);
        cli_cell_number(o, expected);
        cli_cell_number(o, seen);
        cli_cell_text(o, good ? "ok" : "FAILED");
        *failed += !good;
    }
    cli_out_table_end(o);
    return rc;
}

int cli_self_test(cli *app, cli_out *o, const char *folder, int *failed)
{
    zoo z = {.blas = ns_blas_can_start()};
    int rc = ns_plant_zoo(folder, 0, &app->err);
    if (rc == NS_OK)
        rc = load_zoo(app, &z, folder, &app->err);
    if (rc == NS_OK)
        rc = make_cases(&z, &app->err);
    if (rc == NS_OK)
        rc = score_zoo(&z, &app->err);
    if (rc == NS_OK) {
        *failed += compare_scores(o, &z);
        if (!z.blas)
            cli_note(app, "left out: %s, which needs OpenBLAS (not installed, or too little address space)", NEEDS_BLAS);
        rc = compare_silenced(o, &z, failed, &app->err);
    }
    for (int s = 0; s < SETS; s++) {
        ns_scores_free(z.scores[s]);
        ns_cases_clear(&z.cases[s]);
    }
    ns_close(z.m);
    cJSON_Delete(z.truth);
    return rc;
}
