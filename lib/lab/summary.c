/* summary.c - the page: what was run, the births, the claims; as text and as JSON. */
#include <stdarg.h>

#include "page.h"

/* ---- writing ---- */

void ns_page_say(page *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(p->text, fmt, args);
    va_end(args);
}

void ns_page_put(page *p, cJSON *object, const char *key, double value)
{
    p->failed |= !object || !(isfinite(value) ? cJSON_AddNumberToObject(object, key, value) : cJSON_AddNullToObject(object, key));
}

void ns_page_put_text(page *p, cJSON *object, const char *key, const char *value)
{
    p->failed |= !object || !cJSON_AddStringToObject(object, key, value);
}

void ns_page_put_bool(page *p, cJSON *object, const char *key, bool value)
{
    p->failed |= !object || !cJSON_AddBoolToObject(object, key, value);
}

cJSON *ns_page_list(page *p, cJSON *object, const char *key)
{
    cJSON *const list = object ? cJSON_AddArrayToObject(object, key) : NULL;
    p->failed |= !list;
    return list;
}

void ns_page_put_list(page *p, cJSON *object, const char *key, const double *values, int n)
{
    cJSON *const list = ns_page_list(p, object, key);
    for (int i = 0; i < n && list; i++) {
        cJSON *const item = isfinite(values[i]) ? cJSON_CreateNumber(values[i]) : cJSON_CreateNull();
        p->failed |= !item || !cJSON_AddItemToArray(list, item);
    }
}

cJSON *ns_page_item(page *p, cJSON *list)
{
    cJSON *const item = list ? cJSON_CreateObject() : NULL;
    p->failed |= !item || !cJSON_AddItemToArray(list, item);
    return item;
}

cJSON *ns_page_claim(page *p, const char *key, const char *words, const char *verdict)
{
    cJSON *const object = cJSON_AddObjectToObject(p->claims, key);
    ns_page_put_text(p, object, "claim", words);
    ns_page_put_text(p, object, "verdict", verdict);
    ns_page_say(p, "\n%s: %s\n    %s\n", key, words, verdict);
    return object;
}

void ns_page_put_evidence(page *p, cJSON *object, const char *test, ns_evidence e)
{
    ns_page_put_text(p, object, "test", test);
    ns_page_put(p, object, "p", e.p);
    ns_page_put(p, object, "least_p", e.least);
    ns_page_put(p, object, "seeds", e.n);
    ns_page_put(p, object, "seeds_for", e.yes);
    if (!isnan(e.p))
        ns_page_say(p, "    p = %.2g (%s; with %d seed%s %.2g at least)\n", e.p, test, e.n, ns_plural(e.n), e.least);
}

/* ---- the runs ---- */

static void put_birth(page *p, cJSON *object, const char *key, ns_event e)
{
    cJSON *const item = object ? cJSON_AddObjectToObject(object, key) : NULL;
    ns_page_put_bool(p, item, "censored", !isfinite(e.at));
    ns_page_put(p, item, "after", e.after);
    ns_page_put(p, item, "by", e.at);
}

static void put_run(page *p, cJSON *list, const lab_run *run, const lab_result *r)
{
    cJSON *const item = ns_page_item(p, list);
    ns_page_put_text(p, item, "run", run->name);
    ns_page_put_text(p, item, "arm", run->arm);
    ns_page_put_text(p, item, "pattern", run->pattern);
    ns_page_put(p, item, "window", (double)run->window);
    ns_page_put(p, item, "seed", (double)run->seed);
    ns_page_put_bool(p, item, "nope", run->nope);
    ns_page_put_bool(p, item, "measured", r->measured);
    if (!r->measured)
        return;
    put_birth(p, item, "retrieval", r->find);
    put_birth(p, item, "previous_token", r->previous);
    put_birth(p, item, "needle_accuracy", r->solved);
    for (int i = 0; i < NS_SWEEP; i++) {
        char key[40];
        snprintf(key, sizeof key, "retrieval_theta_%g", p->lab->sweep[i]);
        put_birth(p, item, key, r->sweep[i]);
    }
    ns_page_put(p, item, "null_p", r->null_p);
    ns_page_put(p, item, "median_low", r->low);
    ns_page_put(p, item, "median_high", r->high);
    ns_page_put(p, item, "retrieval_heads", r->n_heads);
    ns_page_put_list(p, item, "accuracy", r->accuracy, p->lab->n_lengths);
    ns_page_put(p, item, "swap_accuracy", r->swap);
    ns_page_put(p, item, "loss", r->loss);
    ns_page_put(p, item, "loss_filler", r->loss_filler);
    ns_page_put(p, item, "loss_near", r->loss_near);
    ns_page_put(p, item, "loss_mid", r->loss_mid);
    ns_page_put(p, item, "loss_far", r->loss_far);
    ns_page_put(p, item, "recall_in_window", r->in_window);
}

static void put_runs(page *p)
{
    const laboratory *const lab = p->lab;
    char schema[64];
    snprintf(schema, sizeof schema, "needlescope.%s/1", lab->study->name);
    ns_page_put_text(p, p->root, "schema", schema);
    ns_page_put_text(p, p->root, "size", lab->scale);
    ns_page_put_bool(p, p->root, "committed_protocol", !lab->own_protocol);
    ns_page_put_bool(p, p->root, "chosen_on_command_line", lab->own_choice);
    ns_page_put(p, p->root, "first_seed", (double)lab->first_seed);
    ns_page_put(p, p->root, "seeds", (double)lab->seeds);
    ns_page_put(p, p->root, "horizon_steps", (double)lab->steps);
    ns_page_put(p, p->root, "horizon_tokens", (double)(lab->steps * lab->batch * lab->length));
    ns_page_put_text(p, p->root, "score", lab->score);
    ns_page_put(p, p->root, "theta", lab->birth.theta);
    ns_page_put(p, p->root, "consecutive", lab->birth.persist);
    ns_page_put(p, p->root, "alpha", lab->claims.alpha);
    ns_page_put(p, p->root, "failures", (double)lab->failures);
    cJSON *const runs = ns_page_list(p, p->root, "runs");
    for (int64_t i = 0; i < lab->n_runs; i++)
        put_run(p, runs, &lab->runs[i], &lab->results[i]);
}

/* ---- the head of the page ---- */

static void say_head(page *p)
{
    const laboratory *const lab = p->lab;
    const double tokens = (double)(lab->steps * lab->batch * lab->length) / 1e6;
    ns_page_say(p, "%s (%s): %lld run%s, seeds %lld to %lld, horizon %lld step%s = %.2f M tokens for all of them\n",
                lab->study->title, lab->scale, (long long)lab->n_runs, ns_plural(lab->n_runs), (long long)lab->first_seed,
                (long long)(lab->first_seed + lab->seeds - 1),
                (long long)lab->steps, ns_plural(lab->steps), tokens);
    ns_page_say(p, "%s%s\n",
                lab->own_protocol
                    ? "The protocol is not the committed one (see protocol.json beside this)."
                    : "Seeds, horizon and thresholds were fixed beforehand (protocol.json), the recipe was chosen on other seeds.",
                lab->own_choice ? " Seeds or windows were chosen on the command line." : "");
    ns_page_say(p, "A claim holds where every seed shows it with p <= %g in a test that could have said no.\n", lab->claims.alpha);
    if (lab->failures)
        ns_page_say(p, "  %lld job%s failed\n", (long long)lab->failures, ns_plural(lab->failures));
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (!lab->results[i].measured)
            ns_page_say(p, "  not measured: %s (log/%s.log)\n", lab->runs[i].name, lab->runs[i].name);
}

/* Does the model answer the key, or the prompt? Over the runs that answer at all. */
static void say_swap(page *p)
{
    const double enough = p->lab->claims.swap_answers;
    double lowest = INFINITY;
    int n = 0;
    for (int64_t i = 0; i < p->lab->n_runs; i++) {
        const lab_result *const r = &p->lab->results[i];
        if (!r->measured || !(r->accuracy[0] >= enough) || !isfinite(r->swap))
            continue;
        lowest = fmin(lowest, r->swap);
        n++;
    }
    if (n)
        ns_page_say(
            p,
            "\nAsked for another key of the same prompts, the %d run%s with needle accuracy %g and more answer that one: %.2f and more\n",
            n, ns_plural(n), enough, lowest);
}

typedef void (*part)(page *);
static const part of_all[] = {put_runs, say_head, ns_page_births, say_swap, NULL},
                  of_laziness[] = {ns_claim_heads, ns_claim_delay, ns_claim_cause, ns_claim_competition, ns_claim_convergence,
                                   ns_claim_nope, ns_claim_recurrent, NULL},
                  of_mixers[] = {ns_claim_whether, ns_claim_when, ns_claim_recurrent, ns_claim_heads, ns_claim_delay, NULL};

static void write_parts(page *p, const part *parts)
{
    for (; *parts && !p->failed; parts++)
        (*parts)(p);
}

int ns_laboratory_summarise(const laboratory *lab, cJSON **json, char **text, ns_error *err)
{
    page p = {.lab = lab, .root = cJSON_CreateObject()};
    *text = NULL;
    p.claims = p.root ? cJSON_AddObjectToObject(p.root, "claims") : NULL;
    p.stream = p.claims ? ns_stream_open() : NULL;
    p.text = p.stream ? ns_stream_file(p.stream) : NULL;
    p.failed = !p.text;
    write_parts(&p, of_all);
    write_parts(&p, strcmp(lab->study->name, "mixers") == 0 ? of_mixers : of_laziness);
    if (p.stream)
        p.failed |= ns_stream_end(p.stream, "", text, NULL, NULL) < 0;
    *json = p.failed ? NULL : p.root;
    if (!p.failed)
        return NS_OK;
    cJSON_Delete(p.root);
    free(*text);
    *text = NULL;
    return ns_oom(err, "the summary");
}
