/* scan.c - run folders -> checkpoints in order -> (done already? else load, score, write) -> a shard each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/scan.h>

#include "scan_index.h"
#include "scan_shard.h"
#include "score.h"

static int64_t heads_of(const ns_arch *arch, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    return attn ? attn->n_heads : 0;
}

/* A run is one model over time: its shards are merged head by head. */
static int check_same_heads(const ns_arch *arch, const ns_arch *first, const char *label, ns_error *err)
{
    int64_t l = 0;
    const bool same = arch->n_layers == first->n_layers && strcmp(arch->family, first->family) == 0;
    while (same && l < arch->n_layers && heads_of(arch, l) == heads_of(first, l))
        l++;
    if (same && l == arch->n_layers)
        return NS_OK;
    return ns_fail(
        err, NS_E_FORMAT,
        "is a %s of %lld layers with up to %lld heads, while the run's '%s' is a %s of %lld layers with up to %lld: another model",
        arch->family, (long long)arch->n_layers, (long long)ns_arch_max_heads(arch), label, first->family, (long long)first->n_layers,
        (long long)ns_arch_max_heads(first));
}

static char *probe_list(const ns_score_params *s)
{
    char *text = ns_strdup("");
    for (int i = 0; text && i < s->n_probes + s->n_definitions; i++) {
        const char *const one = i < s->n_probes ? s->probes[i] : s->definitions[i - s->n_probes]->definition;
        char *const longer = ns_printf_alloc("%s%s%s", text, i ? "," : "", one ? one : "");
        free(text);
        text = longer;
    }
    return text;
}

static bool needs_reference(const ns_score_params *s)
{
    for (int i = 0; i < s->n_probes; i++) {
        const ns_probe *const probe = ns_probe_find(s->probes[i]);
        if (probe && strcmp(probe->name, "distance") == 0)
            return true;
    }
    return false;
}

/* The run's last checkpoint that loads; one that does not is said to have failed in its own turn. */
static int load_reference(ns_scan_pass *s, ns_error *err)
{
    int rc = NS_OK;
    if (!needs_reference(&s->p->score))
        return NS_OK;
    for (int64_t i = s->run->series.n - 1; i >= 0 && !s->reference; i--) {
        rc = ns_scan_open(&s->reference, s, &s->run->series.list[i], err);
        if (rc == NS_OK)
            rc = ns_open_more(s->reference, NS_OPEN_WEIGHTS, err);
        if (rc != NS_OK) {
            ns_close(s->reference);
            s->reference = NULL;
        }
    }
    return rc;
}

static int score_into(ns_scan_pass *s, ns_opened *o, const char *path, const ns_fact_list *f, ns_error *err)
{
    ns_scores *scores = NULL;
    ns_score_params params = s->p->score;
    int rc = ns_open_more(o, NS_OPEN_WEIGHTS, err);
    if (rc == NS_OK)
        rc = load_reference(s, err);
    params.reference = s->reference ? s->reference->model : NULL;
    params.note = s->noted ? NULL : params.note;
    s->noted |= rc == NS_OK;
    if (rc == NS_OK)
        rc = ns_score_run(&scores, o->model, s->p->cases, &params, err);
    if (rc == NS_OK)
        rc = ns_scores_write_as(scores, path, f, s->p->by, err);
    ns_scores_free(scores);
    return rc;
}

/* The outcome of one checkpoint; NS_STOP when cancelled. */
static int do_checkpoint(ns_scan_pass *s, const char *shard, const char *failed, ns_scan_outcome *outcome, ns_error *err)
{
    ns_opened *m = NULL;
    ns_fact_list f = {0};
    char scan_sha256[65];
    *outcome = NS_SCAN_FAILED_NOW;
    int rc = ns_scan_open(&m, s, s->item, err);
    if (rc == NS_OK && s->first)
        rc = check_same_heads(m->arch, s->first->arch, s->first_label, err);
    if (rc == NS_OK)
        rc = ns_shard_facts(s, m, &f, scan_sha256, err);
    bool done = false;
    if (rc == NS_OK && !s->p->force)
        rc = ns_shard_is_done(shard, scan_sha256, &done, err);
    if (rc == NS_OK && done) {
        *outcome = NS_SCAN_PRESENT;
        s->counts->unsealed += ns_file_is_unsealed(shard);
    } else if (rc == NS_OK && !s->p->retry_failed && !s->p->force && ns_path_exists(failed)) {
        *outcome = NS_SCAN_FAILED_BEFORE;
        rc = ns_fail(err, NS_E_FORMAT, "failed before (--retry-failed tries again)");
    } else if (rc == NS_OK) {
        const bool before = ns_path_exists(shard);
        (void)unlink(failed);       /* first: a kill leaves a shard to be made, never one beside a failure that it outlived */
        rc = score_into(s, m, shard, &f, err);
        s->counts->replaced += rc == NS_OK && before;
        *outcome = rc == NS_OK ? NS_SCAN_SCORED : NS_SCAN_FAILED_NOW;
    }
    ns_fact_list_clear(&f);
    ns_close(m);
    return rc;
}

static int note_failure(const char *failed, const ns_error *why, ns_error *err)
{
    return ns_file_write(failed, why->message, strlen(why->message), err);
}

static int one_checkpoint(ns_scan_pass *s, const char *folder)
{
    ns_error why = {""};
    ns_scan_outcome outcome = NS_SCAN_FAILED_NOW;
    char *const shard = ns_shard_path(s, folder, "h5"), *const failed = ns_shard_path(s, folder, "failed");
    int rc = shard && failed ? do_checkpoint(s, shard, failed, &outcome, &why) : ns_oom(&why, folder);
    if (rc == NS_STOP || rc == NS_E_MEMORY || rc == NS_E_CREATE || rc == NS_E_IO) {       /* the machine's fault, not the checkpoint's */
        if (rc < 0)
            ns_fail(s->err, rc, "%s: %s", s->item->path, why.message);
    } else {
        const int64_t passed = outcome == NS_SCAN_SCORED || outcome == NS_SCAN_PRESENT;
        if (passed)
            (void)unlink(failed);
        rc = passed || outcome == NS_SCAN_FAILED_BEFORE ? NS_OK : note_failure(failed, &why, s->err);
        s->counts->scored += outcome == NS_SCAN_SCORED;
        s->counts->present += outcome == NS_SCAN_PRESENT;
        s->counts->failed += !passed;
        if (rc == NS_OK && s->p->told)
            s->p->told(s->p->user, s->run, s->item, outcome, passed ? NULL : why.message);
    }
    free(shard);
    free(failed);
    return rc;
}

enum { LARGEST_METRICS = 1 << 30 };

/* The run's own metrics lie beside its shards, so that a scan's folder is all that a merge needs. */
static int copy_metrics(const ns_scan_run *run, const char *folder, ns_error *err)
{
    char *const from = ns_path_join(run->folder, "metrics.h5"), *const to = ns_path_join(folder, "metrics.h5");
    char *bytes = NULL;
    size_t n;
    int rc = from && to ? ns_check_not_input(to, (const char *const[]){from}, 1, err) : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(from) && (rc = ns_file_read(from, LARGEST_METRICS, &bytes, &n, err)) == NS_OK)
        rc = ns_file_write(to, bytes, n, err);
    free(bytes);
    free(from);
    free(to);
    return rc;
}

/* Whichever checkpoints are done here and now, the first of the whole run decides. One that does not open says so in its own turn. */
static int open_first(ns_scan_pass *s)
{
    ns_error why = {""};
    for (int64_t i = 0; i < s->run->series.n && !s->first; i++) {
        const ns_series_item *const item = &s->run->series.list[i];
        const int rc = ns_scan_open(&s->first, s, item, &why);
        if (rc == NS_E_MEMORY)                           /* the next one would decide in its place */
            return ns_fail(s->err, rc, "%s", why.message);
        if (rc == NS_OK)
            s->first_label = item->label;
    }
    return s->first ? ns_provenance_of_arch(&s->first_facts, s->first->arch, s->first->checkpoint, s->err) : NS_OK;
}

static void close_models(ns_scan_pass *s)
{
    ns_close(s->reference);
    ns_close(s->first);
    s->reference = s->first = NULL;
    ns_fact_list_clear(&s->first_facts);
}

/* Cases that were made for one run's tokenizer are not measured on another's. */
static int check_cases(ns_scan_pass *s)
{
    ns_error why = {""};
    const int rc = s->first ? ns_open_check_cases(s->first, s->p->cases, &why) : NS_OK;
    return rc != NS_OK ? ns_fail(s->err, rc, "run '%s': %s", s->run->name, why.message) : NS_OK;
}

/* Calls visit for every checkpoint of the run that is this call's; *number counts those that are asked for over all runs. */
static int each_own(ns_scan_pass *s, const char *folder, int64_t *number, int (*visit)(ns_scan_pass *, const char *folder))
{
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < s->run->series.n; i++) {
        s->item = &s->run->series.list[i];
        if (!ns_scan_takes(s->p, s->item->step))
            continue;
        const int64_t mine = (*number)++;
        if (s->p->score.cancelled && s->p->score.cancelled(s->p->score.user))
            rc = NS_STOP;
        else if (s->p->n_shards <= 1 || mine % s->p->n_shards == s->p->shard)
            rc = visit(s, folder);
    }
    return rc;
}

static int check_own(ns_scan_pass *s, const char *folder)
{
    char *const path = ns_shard_path(s, folder, "h5");
    const int rc = path ? ns_shard_check(s, path) : ns_oom(s->err, folder);
    s->counts->own++;
    free(path);
    return rc;
}

/* The note for what stands in a run.json and is not read. */
static void tell_unread(const ns_scan_pass *s)
{
    char line[600];
    if (!s->run->unread || !s->p->open.warn)
        return;
    ns_line(line, sizeof line, "%s/run.json: %.120s is not read: coordinates of the run belong under \"coords\": %.120s",
            s->run->folder, s->run->unread, s->run->unread);
    s->p->open.warn(s->p->open.user, line);
}

/* Before anything is written: what of the run is asked for, and whether it may go where it would. */
static int prepare_run(ns_scan_pass *s, const char *folder, int64_t *number)
{
    const int64_t before = *number;
    tell_unread(s);
    int rc = ns_scan_index_check(s->p, s->run, s->err);
    rc = rc != NS_OK ? rc : open_first(s);
    if (rc == NS_OK)
        rc = check_cases(s);
    if (rc == NS_OK)
        rc = each_own(s, folder, number, check_own);
    s->counts->found += s->run->series.n;
    s->counts->left_out += s->run->series.n - (*number - before);
    s->counts->empty_runs += *number == before;
    close_models(s);
    return rc;
}

static int scan_run(ns_scan_pass *s, const char *folder, int64_t *number)
{
    int rc = ns_folder_make(folder, s->err);
    if (rc == NS_OK)
        ns_temporaries_sweep(folder, NULL);
    if (rc == NS_OK)
        rc = copy_metrics(s->run, folder, s->err);
    if (rc == NS_OK)
        rc = ns_scan_index_write(s->p, s->run, s->err);
    rc = rc != NS_OK ? rc : open_first(s);
    if (rc == NS_OK)
        rc = each_own(s, folder, number, one_checkpoint);
    close_models(s);
    return rc;
}

static int each_run(ns_scan_pass *s, const ns_scan_run *runs, int64_t n_runs, const char *shards,
                    int (*visit)(ns_scan_pass *, const char *folder, int64_t *number))
{
    int64_t number = 0;
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < n_runs; i++) {
        char *const folder = ns_path_join(shards, runs[i].name);
        s->run = &runs[i];
        rc = folder ? visit(s, folder, &number) : ns_oom(s->err, shards);
        free(folder);
    }
    return rc;
}

/* Before a folder is made, and not once for each checkpoint. */
static int check_request(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *p, ns_error *err)
{
    const ns_probe *chosen[NS_MAX_PROBES];
    int n_chosen;
    const int rc = ns_choose_probes(&p->score, chosen, &n_chosen, err);
    if (rc != NS_OK)
        return rc;
    int64_t first = INT64_MAX, last = 0;
    bool some = false;
    if (n_runs < 1)
        return ns_fail(err, NS_E_ARG, "no run is given");
    if (p->shard < 0 || p->n_shards < 0 || (p->n_shards ? p->shard >= p->n_shards : p->shard != 0))
        return ns_fail(err, NS_E_ARG, "shard %lld/%lld: I/N has 0 <= I < N", (long long)p->shard, (long long)p->n_shards);
    if (p->steps && p->steps[0] > p->steps[1])
        return ns_fail(err, NS_E_ARG, "steps %lld to %lld: the first comes after the last", (long long)p->steps[0], (long long)p->steps[1]);
    for (int64_t i = 0; i < n_runs; i++) {
        if (ns_path_inside(p->out, runs[i].folder))
            return ns_fail(err, NS_E_ARG, "%s lies in the run %s, which is read: a scan writes to a folder of its own", p->out,
                           runs[i].folder);
        for (int64_t j = 0; j < i; j++)
            if (strcmp(runs[i].name, runs[j].name) == 0)
                return ns_fail(err, NS_E_ARG, "%s and %s are both called '%s': give them names in their run.json", runs[j].folder,
                               runs[i].folder, runs[i].name);
        for (int64_t k = 0; k < runs[i].series.n; k++) {
            const int64_t step = runs[i].series.list[k].step;
            some |= ns_scan_takes(p, step);
            first = step < first ? step : first;
            last = step > last ? step : last;
        }
    }
    return some ? NS_OK
                : ns_fail(err, NS_E_ARG, "no checkpoint has a step from %lld to %lld: the runs go from %lld to %lld",
                          (long long)(p->steps ? p->steps[0] : 0), (long long)(p->steps ? p->steps[1] : 0), (long long)first,
                          (long long)last);
}

int ns_scan(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *p, ns_scan_counts *counts, ns_error *err)
{
    ns_scan_pass s = {.p = p, .counts = counts, .err = err, .probes = probe_list(&p->score)};
    char *const shards = ns_path_join(p->out, "shards"), *const index = ns_path_join(p->out, "index");
    *counts = (ns_scan_counts){0};
    ns_cases_hash(p->cases, s.cases_sha256);
    int rc = shards && index && s.probes ? check_request(runs, n_runs, p, err) : ns_oom(err, p->out);
    if (rc == NS_OK)
        rc = each_run(&s, runs, n_runs, shards, prepare_run);
    s.told = true;
    if (rc == NS_OK)
        rc = ns_folder_make(p->out, err);
    if (rc == NS_OK)
        rc = ns_folder_make(shards, err);
    if (rc == NS_OK)
        rc = ns_folder_make(index, err);
    if (rc == NS_OK)
        ns_temporaries_sweep(index, NULL);
    if (rc == NS_OK)
        rc = each_run(&s, runs, n_runs, shards, scan_run);
    free(s.probes);
    free(shards);
    free(index);
    return rc;
}
