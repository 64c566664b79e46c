/* lab_summary.c - the page: what was run, the births, the claims; as text and as JSON. */
#include <stdarg.h>

#include "cli/lab_page.h"

/* ---- writing ---- */

void cli_page_say(cli_page *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(p->text, fmt, args);
    va_end(args);
}

void cli_page_put(cli_page *p, cJSON *object, const char *key, double value)
{
    p->failed |= !object || !(isfinite(value) ? cJSON_AddNumberToObject(object, key, value) : cJSON_AddNullToObject(object, key));
}

void cli_page_put_text(cli_page *p, cJSON *object, const char *key, const char *value)
{
    p->failed |= !object || !cJSON_AddStringToObject(object, key, value);
}

void cli_page_put_bool(cli_page *p, cJSON *object, const char *key, bool value)
{
    p->failed |= !object || !cJSON_AddBoolToObject(object, key, value);
}

cJSON *cli_page_list(cli_page *p, cJSON *object, const char *key)
{
    cJSON *const list = object ? cJSON_AddArrayToObject(object, key) : NULL;
    p->failed |= !list;
    return list;
}

void cli_page_put_list(cli_page *p, cJSON *object, const char *key, const double *values, int n)
{
    cJSON *const list = cli_page_list(p, object, key);
    for (int i = 0; i < n && list; i++) {
        cJSON *const item = isfinite(values[i]) ? cJSON_CreateNumber(values[i]) : cJSON_CreateNull();
        p->failed |= !item || !cJSON_AddItemToArray(list, item);
    }
}

cJSON *cli_page_item(cli_page *p, cJSON *list)
{
    cJSON *const item = list ? cJSON_CreateObject() : NULL;
    p->failed |= !item || !cJSON_AddItemToArray(list, item);
    return item;
}

cJSON *cli_page_claim(cli_page *p, const char *key, const char *words, const char *verdict)
{
    cJSON *const object = cJSON_AddObjectToObject(p->claims, key);
    cli_page_put_text(p, object, "claim", words);
    cli_page_put_text(p, object, "verdict", verdict);
    cli_page_say(p, "\n%s: %s\n    %s\n", key, words, verdict);
    return object;
}

/* ---- the runs ---- */

static void put_birth(cli_page *p, cJSON *object, const char *key, cli_lab_birth b)
{
    cJSON *const item = object ? cJSON_AddObjectToObject(object, key) : NULL;
    cli_page_put_bool(p, item, "censored", b.at < 0);
    cli_page_put(p, item, "after", b.before < 0 ? NAN : (double)b.before);
    cli_page_put(p, item, "by", b.at < 0 ? NAN : (double)b.at);
}

static void put_run(cli_page *p, cJSON *list, const cli_lab_run *run, const cli_lab_result *r)
{
    cJSON *const item = cli_page_item(p, list);
    cli_page_put_text(p, item, "run", run->name);
    cli_page_put_text(p, item, "arm", run->arm);
    cli_page_put_text(p, item, "pattern", run->pattern);
    cli_page_put(p, item, "window", (double)run->window);
    cli_page_put(p, item, "seed", (double)run->seed);
    cli_page_put_bool(p, item, "nope", run->nope);
    cli_page_put_bool(p, item, "measured", r->measured);
    if (!r->measured)
        return;
    put_birth(p, item, "retrieval", r->find);
    put_birth(p, item, "previous_token", r->previous);
    put_birth(p, item, "needle_accuracy", r->solved);
    for (int i = 0; i < NS_SWEEP; i++) {
        char key[40];
        snprintf(key, sizeof key, "retrieval_theta_%g", ns_sweep[i]);
        put_birth(p, item, key, r->sweep[i]);
    }
    cli_page_put(p, item, "null_p", r->null_p);
    cli_page_put(p, item, "median_low", r->low);
    cli_page_put(p, item, "median_high", r->high);
    cli_page_put(p, item, "retrieval_heads", r->n_heads);
    cli_page_put_list(p, item, "accuracy", r->accuracy, p->lab->n_lengths);
    cli_page_put(p, item, "swap_accuracy", r->swap);
    cli_page_put(p, item, "loss", r->loss);
    cli_page_put(p, item, "loss_filler", r->loss_filler);
    cli_page_put(p, item, "loss_near", r->loss_near);
    cli_page_put(p, item, "loss_mid", r->loss_mid);
    cli_page_put(p, item, "loss_far", r->loss_far);
    cli_page_put(p, item, "recall_in_window", r->in_window);
}

static void put_runs(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    cli_page_put_text(p, p->root, "schema", "needlescope.laziness/1");
    cli_page_put_text(p, p->root, "size", lab->size);
    cli_page_put_bool(p, p->root, "committed_protocol", !lab->own_protocol);
    cli_page_put_bool(p, p->root, "chosen_on_command_line", lab->own_choice);
    cli_page_put(p, p->root, "first_seed", (double)lab->first_seed);
    cli_page_put(p, p->root, "seeds", (double)lab->seeds);
    cli_page_put(p, p->root, "horizon_steps", (double)lab->steps);
    cli_page_put(p, p->root, "horizon_tokens", (double)(lab->steps * lab->batch * lab->length));
    cJSON *const runs = cli_page_list(p, p->root, "runs");
    for (int64_t i = 0; i < lab->n_runs; i++)
        put_run(p, runs, &lab->runs[i], &lab->results[i]);
}

/* ---- the head of the page ---- */

static void say_head(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    cli_page_say(p, "Large-Window Laziness (%s): %lld runs, seeds %lld to %lld, horizon %lld steps = %.2f M tokens for all of them\n", lab->size,
                 (long long)lab->n_runs, (long long)lab->first_seed, (long long)(lab->first_seed + lab->seeds - 1), (long long)lab->steps,
                 (double)(lab->steps * lab->batch * lab->length) / 1e6);
    cli_page_say(p, "%s%s\n",
                 lab->own_protocol ? "The protocol is not the committed one (see protocol.json beside this)."
                                   : "Seeds, horizon and thresholds were fixed beforehand (protocol.json), the recipe was chosen on other seeds.",
                 lab->own_choice ? " Seeds or windows were chosen on the command line." : "");
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (!lab->results[i].measured)
            cli_page_say(p, "  not measured: %s (log/%s.log)\n", lab->runs[i].name, lab->runs[i].name);
}

/* Does the model answer the key, or the prompt? Over the runs that answer at all. */
static void say_swap(cli_page *p)
{
    double lowest = INFINITY;
    int n = 0;
    for (int64_t i = 0; i < p->lab->n_runs; i++) {
        const cli_lab_result *const r = &p->lab->results[i];
        if (!r->measured || !(r->accuracy[0] >= .9) || !isfinite(r->swap))
            continue;
        lowest = fmin(lowest, r->swap);
        n++;
    }
    if (n)
        cli_page_say(p, "\nAsked for another key of the same prompts, the %d runs with needle accuracy .9 and more answer that one: %.2f "
                        "and more\n", n, lowest);
}

int cli_lab_summarise(const cli_lab *lab, cJSON **json, char **text, ns_error *err)
{
    size_t n = 0;
    cli_page p = {.lab = lab, .root = cJSON_CreateObject()};
    static void (*const parts[])(cli_page *) = {put_runs, say_head, cli_page_births, say_swap, cli_claim_heads, cli_claim_delay, cli_claim_cause,
                                                cli_claim_competition, cli_claim_convergence, cli_claim_nope, cli_claim_recurrent};
    *text = NULL;
    p.claims = p.root ? cJSON_AddObjectToObject(p.root, "claims") : NULL;
    p.text = p.claims ? open_memstream(text, &n) : NULL;
    p.failed = !p.text;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !p.failed; i++)
        parts[i](&p);
    if (p.text)
        p.failed |= fclose(p.text) != 0;
    *json = p.failed ? NULL : p.root;
    if (!p.failed)
        return NS_OK;
    cJSON_Delete(p.root);
    free(*text);
    *text = NULL;
    return ns_oom(err, "the summary");
}
