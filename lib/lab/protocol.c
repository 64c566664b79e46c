/* protocol.c - the protocol of a study (compiled in, or a file) and a size (quick, default, full) -> the list of runs, and a config file
 * for each. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/train.h>

#include "laboratory.h"

enum { LARGEST = 1 << 20, DEPTH = 8, MAX_WINDOWS = 32, MOST_RUNS = 1 << 16 };

static const lab_study studies[] = {
    {"laziness", "Large-Window Laziness", ns_protocol_laziness},
    {"mixers", "Mixers that alternate with full attention", ns_protocol_mixers},
    {"paper", "The architectures of arXiv 2606.15378", ns_protocol_paper},
};
enum { N_STUDIES = sizeof studies / sizeof *studies };

static const lab_study *find_study(const char *name)
{
    for (int i = 0; i < N_STUDIES; i++)
        if (!name || strcmp(studies[i].name, name) == 0)
            return &studies[i];
    return NULL;
}

char *ns_laboratory_protocol(const char *study)
{
    const lab_study *const found = find_study(study);
    const char *const *const lines = found ? found->protocol : studies->protocol;
    size_t n = 1;
    for (const char *const *line = lines; *line; line++)
        n += strlen(*line) + 1;
    char *const text = found ? malloc(n) : NULL, *at = text;
    for (const char *const *line = lines; text && *line; line++) {
        at = stpcpy(at, *line);
        at = stpcpy(at, "\n");
    }
    return text;
}

char *ns_laboratory_path(const laboratory *lab, const char *fmt, ...)
{
    char name[512];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    return n >= 0 && (size_t)n < sizeof name ? ns_path_join(lab->dir, name) : NULL;
}

void ns_laboratory_say(const laboratory *lab, ns_laboratory_line kind, const char *fmt, ...)
{
    char line[1200];
    va_list args;
    va_start(args, fmt);
    ns_line_args(line, sizeof line, fmt, args);
    va_end(args);
    if (lab->params->say)
        lab->params->say(lab->params->user, kind, line);
}

static int read_protocol(laboratory *lab, const char *path, ns_error *err)
{
    if (path)
        return ns_json_read(&lab->protocol, path, LARGEST, DEPTH, err);
    char *const text = ns_laboratory_protocol(lab->study->name);
    const int rc = text ? ns_json_parse(&lab->protocol, text, strlen(text), DEPTH, "protocol.json", err) : ns_oom(err, "protocol.json");
    free(text);
    return rc;
}

static const cJSON *part(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool has_text(const cJSON *list, const char *text)
{
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next)
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    return false;
}

static int read_numbers(const cJSON *list, int64_t *out, int most, int *n, const char *what, ns_error *err)
{
    *n = 0;
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next) {
        if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > INT32_MAX || *n == most)
            return ns_fail(err, NS_E_FORMAT, "protocol: %s holds at most %d positive whole numbers", what, most);
        out[(*n)++] = (int64_t)item->valuedouble;
    }
    return NS_OK;
}

/* ---- the runs ---- */

static int add_run(laboratory *lab, const cJSON *arm, int64_t window, int64_t seed, ns_error *err)
{
    lab_run run = {.arm = part(arm, "arm")->valuestring, .pattern = part(arm, "pattern")->valuestring, .window = window, .seed = seed,
                       .nope = cJSON_IsTrue(part(arm, "nope"))};
    const bool windowed = ns_train_windowed(run.pattern);
    char middle[32] = "";
    if (lab->n_runs == MOST_RUNS)
        return ns_fail(err, NS_E_FORMAT, "the protocol asks for more than %d runs (fewer seeds, arms or windows)", (int)MOST_RUNS);
    if (windowed)
        snprintf(middle, sizeof middle, "-W%lld", (long long)window);
    run.name = ns_printf_alloc("%s%s%s-s%lld", run.pattern, middle, run.nope ? "-nope" : "", (long long)seed);
    if (!run.name || !ns_grow(&lab->runs, &lab->capacity, lab->n_runs + 1, sizeof *lab->runs)) {
        free(run.name);
        return ns_oom(err, "the list of runs");
    }
    lab->runs[lab->n_runs++] = run;
    return NS_OK;
}

/* The windows of an arm: those asked for where it has several, else its own. */
static int arm_windows(const laboratory *lab, const cJSON *arm, const ns_laboratory_params *asked, int64_t out[MAX_WINDOWS], int *n,
                       ns_error *err)
{
    const bool full = strcmp(lab->scale, "full") == 0;
    const cJSON *const own = full && part(arm, "windows_full") ? part(arm, "windows_full") : part(arm, "windows");
    const int rc = read_numbers(own, out, MAX_WINDOWS, n, "windows", err);
    if (rc != NS_OK)
        return rc;
    if (asked->n_windows && strcmp(part(arm, "arm")->valuestring, "swa") == 0) {
        if (asked->n_windows > MAX_WINDOWS)
            return ns_fail(err, NS_E_ARG, "--windows: at most %d", MAX_WINDOWS);
        *n = (int)asked->n_windows;
        memcpy(out, asked->windows, (size_t)*n * sizeof *out);
    }
    if (*n == 0)
        out[(*n)++] = lab->length;       /* no window: a row sees all that it was trained on */
    return NS_OK;
}

static int add_arm(laboratory *lab, const cJSON *arm, const ns_laboratory_params *asked, int64_t seed, ns_error *err)
{
    int64_t windows[MAX_WINDOWS];
    int n;
    if (!cJSON_IsString(part(arm, "arm")) || !cJSON_IsString(part(arm, "pattern")) || strlen(part(arm, "pattern")->valuestring) > 64)
        return ns_fail(err, NS_E_FORMAT, "protocol: an arm has texts arm and pattern (at most 64 layers)");
    if (!has_text(part(arm, "in"), lab->scale))
        return NS_OK;
    int rc = arm_windows(lab, arm, asked, windows, &n, err);
    for (int i = 0; i < n && rc == NS_OK; i++) {
        if (windows[i] < 1)
            return ns_fail(err, NS_E_ARG, "--windows: a window of %lld tokens (a row sees at least itself: 1 and more)",
                           (long long)windows[i]);
        rc = add_run(lab, arm, windows[i], seed, err);
    }
    return rc;
}

const char *ns_laboratory_pattern(const laboratory *lab, const char *arm)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, part(lab->protocol, "arms")) {
        const char *const name = cJSON_GetStringValue(part(item, "arm"));
        if (name && strcmp(name, arm) == 0)
            return cJSON_GetStringValue(part(item, "pattern"));
    }
    return NULL;
}

/* The recipe is a train config: its own reader knows its keys. */
static int check_recipe(const laboratory *lab, const char *label, ns_error *err)
{
    ns_train_config config;
    char *const text = ns_json_print(part(lab->protocol, "train"), false);
    const int rc = text ? ns_train_config_from_json(&config, text, strlen(text), label, err) : ns_oom(err, label);
    free(text);
    return rc;
}

static int no_size(const laboratory *lab, const char *label, ns_error *err)
{
    enum { MOST = 16 };
    const char *known[MOST];
    int n = 0;
    const cJSON *const sizes = part(lab->protocol, "sizes");
    for (const cJSON *size = sizes ? sizes->child : NULL; size && n < MOST; size = size->next)
        known[n++] = size->string;
    const char *const near = ns_nearest_word(lab->scale, known, n);
    return ns_fail(err, NS_E_FORMAT, "%s: sizes.%s is missing%s%s%s", label, lab->scale, near ? " (did you mean " : "", near ? near : "",
                   near ? "?)" : "");
}

static int read_numbers_of_lab(laboratory *lab, const ns_laboratory_params *p, const char *label, ns_error *err)
{
    const cJSON *const size = part(part(lab->protocol, "sizes"), lab->scale), *const cases = part(lab->protocol, "cases"),
                       *const train = part(lab->protocol, "train");
    if (!cJSON_IsObject(size))
        return no_size(lab, label, err);
    const struct { const cJSON *object; const char *key; int64_t otherwise, *out; } wanted[] = {
        {lab->protocol, "first_seed", 0, &lab->first_seed},
        {lab->protocol, "checkpoint_every", 0, &lab->every},
        {lab->protocol, "validation_seed", 0, &lab->validation_seed},
        {lab->protocol, "draws", 0, &lab->draws},
        {size, "seeds", 0, &lab->seeds},
        {size, "steps", 0, &lab->steps},
        {train, "length", 64, &lab->length},
        {train, "batch", 32, &lab->batch},
        {cases, "seed", 0, &lab->case_seed},
        {cases, "count", 0, &lab->n_cases},
    };
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && rc == NS_OK; i++)
        rc = ns_json_i64(wanted[i].object, wanted[i].key, wanted[i].otherwise, wanted[i].out, label, err);
    if (rc == NS_OK)
        rc = ns_json_i64(size, "checkpoint_every", lab->every, &lab->every, label, err);
    if (rc == NS_OK)
        rc = read_numbers(part(cases, "lengths"), lab->lengths, LAB_LENGTHS, &lab->n_lengths, "cases.lengths", err);
    if (p->seeds > 0)
        lab->seeds = p->seeds;
    if (rc == NS_OK && lab->seeds > MOST_RUNS)
        rc = ns_fail(err, NS_E_ARG, "%s: %lld seeds are more than %d runs", label, (long long)lab->seeds, (int)MOST_RUNS);
    if (rc == NS_OK && (lab->steps < 1 || lab->every < 1 || lab->seeds < 1 || lab->first_seed < 0 || lab->draws < 1 || lab->n_lengths < 1 ||
                        lab->n_cases < 1 || lab->draws > LAB_DRAWS))
        rc = ns_fail(err, NS_E_FORMAT,
                     "%s: steps, checkpoint_every, seeds, draws (at most %d), cases.count and cases.lengths must be positive", label,
                     (int)LAB_DRAWS);
    return rc;
}

/* A birth lies between two checkpoints, and what is born must be seen again: with fewer behind the first nothing can be said. */
static int check_checkpoints(const laboratory *lab, const char *label, ns_error *err)
{
    const int64_t behind = (lab->steps + lab->every - 1) / lab->every;
    if (behind >= 2)
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT,
                   "%s: %lld steps with a checkpoint every %lld leave one behind the first, and a birth takes two (checkpoint_every at "
                   "most %lld, or more steps)",
                   label, (long long)lab->steps, (long long)lab->every, (long long)(lab->steps > 1 ? lab->steps / 2 : 1));
}

static int read_all(laboratory *lab, const ns_laboratory_params *p, ns_error *err)
{
    const char *const label = p->protocol ? p->protocol : "protocol.json";
    int rc = read_protocol(lab, p->protocol, err);
    rc = rc != NS_OK ? rc : ns_laboratory_check_protocol(lab->protocol, label, err);
    rc = rc != NS_OK ? rc : check_recipe(lab, label, err);
    rc = rc != NS_OK ? rc : read_numbers_of_lab(lab, p, label, err);
    rc = rc != NS_OK ? rc : check_checkpoints(lab, label, err);
    rc = rc != NS_OK ? rc : ns_laboratory_read_rules(lab, label, err);
    return p->protocol ? ns_json_fail(err, rc, p->protocol, NS_KIND_PROTOCOL) : rc;
}

static int no_study(const char *name, ns_error *err)
{
    const char *known[N_STUDIES];
    for (int i = 0; i < N_STUDIES; i++)
        known[i] = studies[i].name;
    const char *const near = ns_nearest_word(name, known, N_STUDIES);
    return ns_fail(err, NS_E_ARG, "the laboratory has no study '%.40s' (laziness, mixers, paper)%s%s%s", name,
                   near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int ns_laboratory_plan(laboratory *lab, const ns_laboratory_params *p, ns_error *err)
{
    lab->params = p;
    lab->study = find_study(p->study);
    if (!lab->study)
        return no_study(p->study, err);
    lab->dir = p->folder ? p->folder : lab->study->name;
    lab->scale = p->scale ? p->scale : "default";
    lab->own_protocol = p->protocol != NULL;
    lab->own_choice = p->seeds > 0 || p->n_windows > 0;
    int rc = read_all(lab, p, err);
    const cJSON *const arms = rc == NS_OK ? part(lab->protocol, "arms") : NULL;
    for (int64_t s = 0; rc == NS_OK && s < lab->seeds; s++)
        for (const cJSON *arm = arms->child; arm && rc == NS_OK; arm = arm->next)
            rc = add_arm(lab, arm, p, lab->first_seed + s, err);
    lab->results = rc == NS_OK ? ns_alloc_array((size_t)lab->n_runs, sizeof *lab->results) : NULL;
    if (rc == NS_OK && !lab->results)
        return ns_oom(err, "the list of runs");
    if (rc == NS_OK && lab->n_runs == 0)
        rc = ns_fail(err, NS_E_FORMAT, "the protocol has no arm for size %s", lab->scale);
    return ns_fail_of(err, rc, p->protocol);
}

void ns_laboratory_clear(laboratory *lab)
{
    for (int64_t i = 0; i < lab->n_runs; i++)
        free(lab->runs[i].name);
    free(lab->runs);
    free(lab->results);
    free(lab->text);
    free(lab->json);
    cJSON_Delete(lab->protocol);
}

/* ---- their configs ---- */

static bool fill_config(cJSON *root, const laboratory *lab, const lab_run *run)
{
    cJSON *const coords = cJSON_AddObjectToObject(root, "coords");
    cJSON *const train = cJSON_Duplicate(part(lab->protocol, "train"), true);
    if (!train || !cJSON_AddItemToObject(root, "train", train)) {
        cJSON_Delete(train);
        return false;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(train, "seed");
    return coords && cJSON_AddStringToObject(root, "name", run->name) && cJSON_AddStringToObject(coords, "arm", run->arm) &&
           cJSON_AddNumberToObject(coords, "window", (double)run->window) &&
           cJSON_AddNumberToObject(root, "checkpoint_every", (double)lab->every) &&
           cJSON_AddNumberToObject(root, "validation_seed", (double)lab->validation_seed) &&
           cJSON_AddStringToObject(train, "pattern", run->pattern) && cJSON_AddNumberToObject(train, "window", (double)run->window) &&
           cJSON_AddBoolToObject(train, "nope", run->nope) && cJSON_AddNumberToObject(train, "steps", (double)lab->steps) &&
           cJSON_AddNumberToObject(train, "seed", (double)run->seed);
}

static int write_config(const laboratory *lab, const lab_run *run, ns_error *err)
{
    cJSON *const root = cJSON_CreateObject();
    char *const text = root && fill_config(root, lab, run) ? ns_json_print(root, true) : NULL;
    char *const path = ns_laboratory_path(lab, "configs/%s.json", run->name);
    const int rc = text && path ? ns_file_write(path, text, strlen(text), err) : ns_oom(err, "a run's config");
    free(path);
    free(text);
    cJSON_Delete(root);
    return rc;
}

int ns_laboratory_write_configs(const laboratory *lab, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < lab->n_runs && rc == NS_OK; i++)
        rc = write_config(lab, &lab->runs[i], err);
    return rc;
}
