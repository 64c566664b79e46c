/* scan.c - run folders -> checkpoints in order -> (done already? else load, score, write) -> a shard each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <needlescope/scan.h>

#include "scan_index.h"
#include "scan_shard.h"
#include "score.h"

static char *probe_list(const ns_score_params *s)
{
    char *text = ns_strdup("");
    for (int i = 0; text && i < s->n_probes + s->n_definitions; i++) {
        const ns_probe *const own = i < s->n_probes ? NULL : s->definitions[i - s->n_probes];
        const char *const one = !own ? s->probes[i] : own->definition ? own->definition : own->name;
        char *const longer = ns_printf_alloc("%s%s%s", text, i ? "," : "", one);
        free(text);
        text = longer;
    }
    return text;
}

enum { LARGEST_METRICS = 1 << 30 };

static bool holds(const char *path, const char *bytes, size_t n)
{
    char *now = NULL;
    size_t n_now = 0;
    const bool same = ns_path_exists(path) && ns_file_read(path, LARGEST_METRICS, &now, &n_now, NULL) == NS_OK && n_now == n &&
                      memcmp(now, bytes, n) == 0;
    free(now);
    return same;
}

/* The run's own metrics lie beside its shards, so that a scan's folder is all that a merge needs. */
static int copy_metrics(const ns_scan_run *run, const char *folder, ns_error *err)
{
    char *const from = ns_path_join(run->folder, "metrics.h5"), *const to = ns_path_join(folder, "metrics.h5");
    char *bytes = NULL;
    size_t n;
    int rc = from && to ? ns_check_not_input(to, (const char *const[]){from}, 1, err) : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(from) && (rc = ns_file_read(from, LARGEST_METRICS, &bytes, &n, err)) == NS_OK)
        rc = holds(to, bytes, n) ? NS_OK : ns_file_write(to, bytes, n, err);
    free(bytes);
    free(from);
    free(to);
    return rc;
}

/* Whichever checkpoints are done here and now, the first of the whole run decides. One that does not open says so in its own turn. */
int ns_scan_open_run(ns_scan_pass *s)
{
    ns_error why = {""};
    if (s->first || s->none_opens)
        return NS_OK;
    for (int64_t i = 0; i < s->run->series.n && !s->first; i++) {
        const ns_series_item *const item = &s->run->series.list[i];
        const int rc = ns_scan_open(&s->first, s, item, &why);
        if (rc == NS_E_MEMORY)                           /* the next one would decide in its place */
            return ns_fail(s->err, rc, "%s", why.message);
        if (rc == NS_OK)
            s->first_label = item->label;
    }
    s->none_opens = !s->first;
    return s->first ? ns_provenance_of_arch(&s->first_facts, s->first->arch, s->first->checkpoint, s->err) : NS_OK;
}

static void close_models(ns_scan_pass *s)
{
    ns_close(s->reference);
    ns_close(s->first);
    s->reference = s->first = NULL;
    s->none_opens = false;
    ns_fact_list_clear(&s->first_facts);
}

/* Calls visit for every checkpoint of the run that is this call's; *number counts those that are asked for over all runs. */
static int each_own(ns_scan_pass *s, const char *folder, int64_t *number, int (*visit)(ns_scan_pass *, const char *folder))
{
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < s->run->series.n; i++) {
        s->item = &s->run->series.list[i];
        if (!ns_scan_takes(s->p, s->item->step))
            continue;
        s->number = (*number)++;
        if (s->p->score.cancelled && s->p->score.cancelled(s->p->score.user))
            rc = NS_STOP;
        else if (s->p->n_shards <= 1 || s->number % s->p->n_shards == s->p->shard)
            rc = visit(s, folder);
    }
    return rc;
}

static int check_own(ns_scan_pass *s, const char *folder)
{
    ns_scan_place at;
    int rc = ns_scan_place_of(s, folder, &at, s->err);
    if (rc == NS_OK && (s->p->force || !ns_scan_seen(s, &at)))
        rc = ns_shard_check(s, at.shard);
    s->counts->own++;
    ns_scan_place_clear(&at);
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
    rc = rc != NS_OK ? rc : ns_scan_open_run(s);
    if (rc == NS_OK)
        rc = ns_scan_read_cases(s);
    rc = rc != NS_OK ? rc : ns_scan_find_reference(s);
    if (rc == NS_OK)
        rc = each_own(s, folder, number, check_own);
    s->counts->found += s->run->series.n;
    s->counts->left_out += s->run->series.n - (*number - before);
    s->counts->empty_runs += *number == before;
    close_models(s);
    return rc;
}

/* A call that has its own share of the checkpoints leaves the files of the others alone. */
static int sweep_own(ns_scan_pass *s, const char *folder)
{
    static const char *const endings[] = {"h5", "failed", "seen"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *const path = ns_shard_path(s, folder, endings[i]);
        if (path)
            ns_temporaries_sweep(folder, ns_path_base(path));
        free(path);
    }
    return NS_OK;
}

static int begin_run(ns_scan_pass *s, const char *folder, int64_t *number)
{
    int rc = ns_folder_make(folder, s->err);
    if (rc == NS_OK && s->p->n_shards <= 1)
        ns_temporaries_sweep(folder, NULL);
    if (rc == NS_OK && s->p->n_shards > 1)
        rc = each_own(s, folder, number, sweep_own);
    if (rc == NS_OK)
        rc = copy_metrics(s->run, folder, s->err);
    return rc == NS_OK ? ns_scan_index_write(s->p, s->run, s->err) : rc;
}

static int work_unsettled(ns_scan_pass *s, const char *folder)
{
    return s->settled[s->number] ? NS_OK : ns_scan_checkpoint(s, folder);
}

static int visit_run(ns_scan_pass *s, const char *folder, int64_t *number)
{
    int rc = ns_scan_find_reference(s);
    rc = rc != NS_OK ? rc : each_own(s, folder, number, s->visit);
    close_models(s);
    return rc;
}

static int each_run(ns_scan_pass *s, ns_own_cases *own, const ns_scan_run *runs, int64_t n_runs, const char *shards,
                    int (*visit)(ns_scan_pass *, const char *folder, int64_t *number))
{
    int64_t number = 0;
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < n_runs; i++) {
        char *const folder = ns_path_join(shards, runs[i].name);
        s->run = &runs[i];
        s->own = &own[i];
        ns_scan_use_cases(s);
        rc = folder ? visit(s, folder, &number) : ns_oom(s->err, shards);
        free(folder);
    }
    return rc;
}

/* What other scans have in hand is waited for: they may die, and whoever merges behind this call wants all there is. */
static int work(ns_scan_pass *s, ns_own_cases *own, const ns_scan_run *runs, int64_t n_runs, const char *shards)
{
    static const struct timespec moment = {.tv_nsec = 250000000};
    bool said = false;
    int rc;
    do {
        s->waiting = 0;
        rc = each_run(s, own, runs, n_runs, shards, visit_run);
        if (rc == NS_OK && s->waiting) {
            char line[NS_CLAIM_HOLDER + 100];
            snprintf(line, sizeof line, "waiting for %lld checkpoint%s that another scan has in hand (%s)", (long long)s->waiting,
                     ns_plural(s->waiting), s->holder);
            if (!said && s->p->score.note)
                s->p->score.note(s->p->score.user, line);
            said = true;
            nanosleep(&moment, NULL);
        }
    } while (rc == NS_OK && s->waiting);
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

static int make_folders(ns_scan_pass *s, const char *shards, const char *index)
{
    int rc = ns_folder_make(s->p->out, s->err);
    rc = rc != NS_OK ? rc : ns_folder_make(shards, s->err);
    rc = rc != NS_OK ? rc : ns_folder_make(index, s->err);
    if (rc == NS_OK && s->p->n_shards <= 1)
        ns_temporaries_sweep(index, NULL);
    const int64_t asked = s->counts->found - s->counts->left_out;
    s->settled = ns_alloc_array((size_t)asked + 1, sizeof *s->settled);
    return rc == NS_OK && !s->settled ? ns_oom(s->err, s->p->out) : rc;
}

/* A call: what it is asked, found and writes to. */
typedef struct call { ns_scan_pass pass; ns_own_cases *own; char *shards, *index; } call;

/* Up to the first write. */
static int begin(call *c, const ns_scan_run *runs, int64_t n_runs)
{
    ns_scan_pass *const s = &c->pass;
    s->probes = probe_list(&s->p->score);
    c->shards = ns_path_join(s->p->out, "shards");
    c->index = ns_path_join(s->p->out, "index");
    c->own = ns_alloc_array((size_t)n_runs + 1, sizeof *c->own);
    *s->counts = (ns_scan_counts){0};
    int rc = c->shards && c->index && s->probes && c->own ? check_request(runs, n_runs, s->p, s->err) : ns_oom(s->err, s->p->out);
    rc = rc != NS_OK ? rc : ns_scan_question(s);
    rc = rc != NS_OK ? rc : each_run(s, c->own, runs, n_runs, c->shards, prepare_run);
    s->told = true;
    return rc;
}

static void end(call *c, int64_t n_runs)
{
    for (int64_t i = 0; c->own && i < n_runs; i++)
        ns_scan_cases_clear(&c->own[i]);
    free(c->own);
    free(c->pass.settled);
    free(c->pass.question);
    free(c->pass.probes);
    free(c->shards);
    free(c->index);
}

int ns_scan(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *p, ns_scan_counts *counts, ns_error *err)
{
    call c = {.pass = {.p = p, .counts = counts, .visit = work_unsettled, .err = err}};
    int rc = begin(&c, runs, n_runs);
    rc = rc != NS_OK ? rc : make_folders(&c.pass, c.shards, c.index);
    rc = rc != NS_OK ? rc : each_run(&c.pass, c.own, runs, n_runs, c.shards, begin_run);
    rc = rc != NS_OK ? rc : work(&c.pass, c.own, runs, n_runs, c.shards);
    end(&c, n_runs);
    return rc;
}

int ns_scan_walk(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *p, int (*visit)(ns_scan_pass *, const char *folder),
                 void *user, ns_error *err)
{
    ns_scan_params nowhere = *p;
    nowhere.out = p->out ? p->out : "/dev/null";         /* nothing can lie below it */
    ns_scan_counts counts;
    call c = {.pass = {.p = &nowhere, .counts = &counts, .visit = visit, .user = user, .err = err}};
    int rc = begin(&c, runs, n_runs);
    rc = rc != NS_OK ? rc : each_run(&c.pass, c.own, runs, n_runs, c.shards, visit_run);
    end(&c, n_runs);
    return rc;
}
