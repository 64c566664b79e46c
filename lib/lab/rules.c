/* rules.c - the protocol's rules: no key that nobody reads, none that is missing, since what is not in the protocol was not fixed
 * beforehand. */
#include <string.h>

#include <needlescope/probe.h>

#include "laboratory.h"

/* ---- keys ---- */

enum { OPTIONAL = 1 };
typedef struct key { const char *name; int flags; } key;
enum { MOST_KEYS = 16 };
typedef struct part { const char *path; key keys[MOST_KEYS]; } part;      /* path "claims.P1"; "" = the whole */

static const part parts[] = {
    {"",
     {{"schema", OPTIONAL},
      {"name", OPTIONAL},
      {"about", OPTIONAL},
      {"first_seed", 0},
      {"checkpoint_every", 0},
      {"validation_seed", 0},
      {"emergence", 0},
      {"cases", 0},
      {"draws", 0},
      {"claims", 0},
      {"sizes", 0},
      {"arms", 0},
      {"train", 0}}},
    {"emergence", {{"score", 0}, {"theta", 0}, {"sweep", 0}, {"consecutive", 0}}},
    {"cases", {{"seed", 0}, {"count", 0}, {"lengths", 0}}},
    {"claims", {{"alpha", 0}, {"P1", 0}, {"Competition", 0}, {"P3", 0}, {"P4", 0}, {"swap", 0}}},
    {"claims.P1", {{"edges_cut_below", 0}, {"other_edges_cut_from", 0}}},
    {"claims.Competition", {{"recall_in_window_above", 0}}},
    {"claims.P3", {{"accuracy_from", 0}}},
    {"claims.P4", {{"kept_from", 0}}},
    {"claims.swap", {{"accuracy_from", 0}}},
    {"sizes", {{"quick", OPTIONAL}, {"default", OPTIONAL}, {"full", OPTIONAL}}},
};
static const part of_size = {"sizes.*", {{"seeds", 0}, {"steps", 0}, {"checkpoint_every", OPTIONAL}}};
static const part of_arm = {"arms",
                            {{"arm", 0}, {"pattern", 0}, {"windows", OPTIONAL}, {"windows_full", OPTIONAL}, {"nope", OPTIONAL}, {"in", 0}}};

static const cJSON *child(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const cJSON *at(const cJSON *root, const char *path)
{
    const char *const dot = strchr(path, '.');
    char first[40];
    snprintf(first, sizeof first, "%.*s", dot ? (int)(dot - path) : 39, path);
    return !*path ? root : dot ? child(child(root, first), dot + 1) : child(root, first);
}

static int unknown(const part *p, const char *where, const char *name, const char *label, ns_error *err)
{
    const char *names[MOST_KEYS];
    int n = 0;
    while (n < MOST_KEYS && p->keys[n].name) {
        names[n] = p->keys[n].name;
        n++;
    }
    const char *const near = ns_nearest_word(name, names, n);
    return ns_fail(err, NS_E_FORMAT, "%s: %s%sunknown key '%.60s'%s%s%s", label, where, *where ? ": " : "", name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int check_part(const cJSON *object, const part *p, const char *where, const char *label, ns_error *err)
{
    if (!cJSON_IsObject(object))
        return ns_fail(err, NS_E_FORMAT, "%s: %s is an object", label, *where ? where : "a protocol");
    for (const cJSON *item = object->child; item; item = item->next) {
        int i = 0;
        while (i < MOST_KEYS && p->keys[i].name && strcmp(p->keys[i].name, item->string) != 0)
            i++;
        if (i == MOST_KEYS || !p->keys[i].name)
            return unknown(p, where, item->string, label, err);
    }
    for (int i = 0; i < MOST_KEYS && p->keys[i].name; i++)
        if (!(p->keys[i].flags & OPTIONAL) && !child(object, p->keys[i].name))
            return ns_fail(err, NS_E_FORMAT, "%s: %s%s%s is missing; --print-protocol shows the committed protocol", label, where,
                           *where ? "." : "", p->keys[i].name);
    return NS_OK;
}

static int check_sizes(const cJSON *sizes, const char *label, ns_error *err)
{
    int rc = NS_OK;
    for (const cJSON *item = sizes->child; item && rc == NS_OK; item = item->next) {
        char where[40];
        snprintf(where, sizeof where, "sizes.%.20s", item->string);
        rc = check_part(item, &of_size, where, label, err);
    }
    return rc;
}

static int check_arms(const cJSON *arms, const char *label, ns_error *err)
{
    int rc = cJSON_IsArray(arms) ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: arms is a list", label), n = 0;
    for (const cJSON *arm = arms->child; arm && rc == NS_OK; arm = arm->next) {
        char where[40];
        snprintf(where, sizeof where, "arms[%d]", n++);
        rc = check_part(arm, &of_arm, where, label, err);
        for (const cJSON *size = child(arm, "in") ? child(arm, "in")->child : NULL; size && rc == NS_OK; size = size->next)
            if (!cJSON_IsString(size) ||
                strcmp(size->valuestring, "quick") * strcmp(size->valuestring, "default") * strcmp(size->valuestring, "full") != 0)
                rc = ns_fail(err, NS_E_FORMAT, "%s: %s: `in` lists sizes: quick, default, full", label, where);
    }
    return rc;
}

int ns_laboratory_check_protocol(const cJSON *protocol, const char *label, ns_error *err)
{
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == NS_OK; i++)
        rc = check_part(at(protocol, parts[i].path), &parts[i], parts[i].path, label, err);
    rc = rc != NS_OK ? rc : check_sizes(child(protocol, "sizes"), label, err);
    return rc != NS_OK ? rc : check_arms(child(protocol, "arms"), label, err);
}

/* ---- numbers of the rules ---- */

/* A share in (0, 1], but for alpha: a test with alpha 1 cannot fail. */
static int read_thresholds(laboratory *lab, const char *label, ns_error *err)
{
    lab_thresholds *const c = &lab->claims;
    const struct { const char *where, *name; double *out; } wanted[] = {
        {"claims", "alpha", &c->alpha},
        {"claims.P1", "edges_cut_below", &c->edges_cut},
        {"claims.P1", "other_edges_cut_from", &c->others_cut},
        {"claims.Competition", "recall_in_window_above", &c->recall},
        {"claims.P3", "accuracy_from", &c->answers},
        {"claims.P4", "kept_from", &c->kept},
        {"claims.swap", "accuracy_from", &c->swap_answers},
    };
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && rc == NS_OK; i++) {
        rc = ns_json_f64(at(lab->protocol, wanted[i].where), wanted[i].name, 0, wanted[i].out, label, err);
        if (rc == NS_OK && !(*wanted[i].out > 0 && *wanted[i].out <= 1))
            rc = ns_fail(err, NS_E_FORMAT, "%s: %s.%s is %g; it lies in (0, 1]", label, wanted[i].where, wanted[i].name, *wanted[i].out);
    }
    return rc == NS_OK && c->alpha >= 1
               ? ns_fail(err, NS_E_FORMAT, "%s: claims.alpha is %g: a test that cannot say no; it lies in (0, 1)", label, c->alpha)
               : rc;
}

static int read_sweep(laboratory *lab, const char *label, ns_error *err)
{
    const cJSON *const list = at(lab->protocol, "emergence.sweep");
    int n = 0;
    for (const cJSON *item = list->child; item; item = item->next, n++) {
        if (n == NS_SWEEP || !cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble <= 1) ||
            (n && item->valuedouble <= lab->sweep[n - 1]))
            break;
        lab->sweep[n] = item->valuedouble;
    }
    return n == NS_SWEEP && cJSON_GetArraySize(list) == NS_SWEEP
               ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: emergence.sweep holds %d thresholds in (0, 1], ascending", label, (int)NS_SWEEP);
}

static const ns_probe *next_probe(const char **list)
{
    char word[64];
    const size_t n = strcspn(*list, ",");
    snprintf(word, sizeof word, "%.*s", (int)n, *list);
    *list += n + ((*list)[n] == ',');
    return ns_probe_find(word);
}

/* Of a score that is not scanned, or of which no head rises to a threshold, there would be no births after all the training. */
static int check_score(const laboratory *lab, const char *label, ns_error *err)
{
    for (const char *list = ns_laboratory_probes; *list;) {
        const ns_probe *const probe = next_probe(&list);
        for (int i = 0; i < probe->n_scores; i++) {
            const ns_score *const s = &probe->scores[i];
            if (strcmp(s->name, lab->score) == 0 && s->best == NS_BEST_LARGEST && s->hi <= 1)
                return NS_OK;
        }
    }
    return ns_fail(err, NS_E_FORMAT, "%s: emergence.score is '%s': births are of scores whose largest is best and 1 at most, and of those "
                   "that are scanned (%s)", label, lab->score, ns_laboratory_probes);
}

int ns_laboratory_read_rules(laboratory *lab, const char *label, ns_error *err)
{
    const cJSON *const rule = child(lab->protocol, "emergence");
    int64_t consecutive = 0;
    int rc = ns_json_f64(rule, "theta", 0, &lab->birth.theta, label, err);
    rc = rc != NS_OK ? rc : ns_json_i64(rule, "consecutive", 0, &consecutive, label, err);
    rc = rc != NS_OK ? rc : ns_json_str(rule, "score", &lab->score, label, err);
    rc = rc != NS_OK ? rc : check_score(lab, label, err);
    rc = rc != NS_OK ? rc : read_sweep(lab, label, err);
    rc = rc != NS_OK ? rc : read_thresholds(lab, label, err);
    if (rc == NS_OK && (!(lab->birth.theta > 0 && lab->birth.theta <= 1) || consecutive < 1 || consecutive > 1000))
        rc = ns_fail(err, NS_E_FORMAT, "%s: emergence.theta lies in (0, 1], emergence.consecutive in 1 to 1000", label);
    lab->birth.size = sizeof lab->birth;
    lab->birth.persist = (int)consecutive;
    return rc;
}
