/* scan.c - run folders -> checkpoints in order -> (done already? else load, score, write) -> a shard each.
 *
 * What a shard was asked for is known before the weights are read: scan_sha256 over run, step, probes, cases, kernel class and the checkpoint's
 * identity. Paths and threads are not in it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <needlescope/scan.h>

#include "score.h"

enum { MAX_RUN_JSON = 1 << 20 };

/* ---- runs ---- */

static int read_run_json(ns_scan_run *r, const char *path, ns_error *err)
{
    cJSON *root = NULL;
    const char *name;
    int rc = ns_json_read(&root, path, MAX_RUN_JSON, 8, err);
    if (rc == NS_OK)
        rc = ns_json_str(root, "name", &name, path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(root, "tokens_per_step", 0, &r->tokens_per_step, path, err);
    if (rc == NS_OK) {
        const cJSON *const coords = cJSON_GetObjectItemCaseSensitive(root, "coords");
        r->name = ns_strdup(name && name[0] ? name : ns_path_base(r->folder));
        r->coords = cJSON_IsObject(coords) ? ns_json_print(coords, false) : ns_strdup("{}");
        rc = r->name && r->coords ? NS_OK : ns_oom(err, path);
    }
    cJSON_Delete(root);
    return rc;
}

/* What the checkpoint's config.json says of the run that trained it; "" when it does not say. */
static int trained_by(const ns_series_item *item, char out[65], ns_error *err)
{
    char *const path = ns_path_join(item->path, "config.json");
    cJSON *root = NULL;
    const char *hex = NULL;
    out[0] = '\0';
    int rc = !path ? ns_oom(err, item->path) : ns_path_exists(path) ? ns_json_read(&root, path, MAX_RUN_JSON, 16, err) : NS_OK;
    if (rc == NS_OK && root)
        rc = ns_json_str(root, "train_config_sha256", &hex, path, err);
    if (rc == NS_OK && hex)
        snprintf(out, 65, "%s", hex);
    cJSON_Delete(root);
    free(path);
    return rc;
}

/* Ours say which run they are of: a folder that holds two is refused, since births over a mixture mean nothing. A checkpoint whose config cannot be read
 * is the scan's to report, as one that failed. */
static int check_one_run(const ns_series *series, const char *folder, ns_error *err)
{
    char first[65] = "", this[65];
    const char *label = NULL;
    for (int64_t i = 0; i < series->n; i++) {
        if (trained_by(&series->list[i], this, NULL) != NS_OK || !this[0])
            continue;
        if (label && strcmp(first, this) != 0)
            return ns_fail(err, NS_E_FORMAT, "%s: checkpoint '%s' is of another run than '%s' (train_config_sha256 in their config.json): give each run a folder of its own",
                           folder, series->list[i].label, label);
        label = series->list[i].label;
        memcpy(first, this, sizeof first);
    }
    return NS_OK;
}

int ns_scan_run_open(ns_scan_run *r, const char *folder, const char *manifest, ns_error *err)
{
    *r = (ns_scan_run){0};
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    r->folder = ns_printf_alloc("%.*s", (int)n, folder);
    char *const json = r->folder ? ns_path_join(r->folder, "run.json") : NULL;
    int rc = json ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(json)) {
        rc = read_run_json(r, json, err);
    } else if (rc == NS_OK) {
        r->name = ns_strdup(ns_path_base(r->folder));
        r->coords = ns_strdup("{}");
        rc = r->name && r->coords ? NS_OK : ns_oom(err, folder);
    }
    if (rc == NS_OK && (strchr(r->name, '/') || r->name[0] == '.'))
        rc = ns_fail(err, NS_E_FORMAT, "%s: the run's name '%.80s' cannot name a folder", json, r->name);
    if (rc == NS_OK)
        rc = manifest ? ns_series_manifest(&r->series, manifest, err) : ns_series_find(&r->series, r->folder, err);
    if (rc == NS_OK)
        rc = check_one_run(&r->series, r->folder, err);
    for (int64_t i = 0; rc == NS_OK && i < r->series.n && r->tokens_per_step > 0; i++)
        if (r->series.list[i].tokens < 0 && !ns_mul_i64(r->series.list[i].step, r->tokens_per_step, &r->series.list[i].tokens))
            r->series.list[i].tokens = -1;
    free(json);
    if (rc)
        ns_scan_run_close(r);
    return rc;
}

void ns_scan_run_close(ns_scan_run *r)
{
    free(r->folder);
    free(r->name);
    free(r->coords);
    ns_series_clear(&r->series);
    *r = (ns_scan_run){0};
}

/* ---- one open checkpoint ---- */

typedef struct scan {
    const ns_scan_params *p;
    const ns_scan_run    *run;
    const ns_series_item *item;
    char                  cases_sha256[65];
    char                 *probes;
    ns_scan_counts       *counts;
    ns_opened            *reference;          /* of `run`; loaded when a probe of weights is asked for */
    ns_opened            *first;              /* of `run`: its first checkpoint that opens; the others have its heads */
    const char           *first_label;
    ns_error             *err;
} scan;

/* What is odd about a config is told once a run. */
static int open_checkpoint(ns_opened **m, const scan *s, const ns_series_item *item, ns_error *err)
{
    ns_open_params how = s->p->open;
    how.path = item->path;
    how.revision = item->revision;
    how.want = NS_OPEN_ARCH;
    how.warn = s->first ? NULL : how.warn;
    return ns_open(m, &how, err);
}

static int arch_sha256(const ns_arch *arch, char hex[65], ns_error *err)
{
    char *json = NULL;
    ns_sha256 sha;
    const int rc = ns_arch_to_json(arch, &json, err);
    if (rc < 0)
        return rc;
    ns_sha256_begin(&sha);
    ns_sha256_add(&sha, json, strlen(json));
    ns_sha256_end(&sha, hex);
    free(json);
    return NS_OK;
}

/* A run is one model over time: its shards are merged head by head. */
static int check_same_heads(const ns_arch *arch, const ns_arch *first, const char *label, ns_error *err)
{
    int64_t l = 0;
    const bool same = arch->n_layers == first->n_layers && strcmp(arch->family, first->family) == 0;
    while (same && l < arch->n_layers && ns_arch_attn(arch, l)->n_heads == ns_arch_attn(first, l)->n_heads)
        l++;
    if (same && l == arch->n_layers)
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT, "is a %s of %lld layers with up to %lld heads, while the run's '%s' is a %s of %lld layers with up to %lld: another model", arch->family,
                   (long long)arch->n_layers, (long long)ns_arch_max_heads(arch), label, first->family, (long long)first->n_layers,
                   (long long)ns_arch_max_heads(first));
}

/* ---- facts ---- */

/* run.window = 4, run.pattern = SSFS ... */
static int say_coords(ns_fact_list *f, const char *coords, ns_error *err)
{
    cJSON *root = NULL;
    int rc = ns_json_parse(&root, coords, strlen(coords), 4, "run.json", err);
    for (const cJSON *v = rc == NS_OK ? root->child : NULL; v && rc == NS_OK; v = v->next) {
        char name[80], number[40];
        snprintf(name, sizeof name, "run.%.60s", v->string);
        snprintf(number, sizeof number, "%.17g", cJSON_IsNumber(v) ? v->valuedouble : cJSON_IsTrue(v) ? 1.0 : 0.0);
        if (cJSON_IsString(v) || cJSON_IsNumber(v) || cJSON_IsBool(v))
            rc = ns_fact_list_add(f, name, cJSON_IsString(v) ? v->valuestring : number, false, err);
    }
    cJSON_Delete(root);
    return rc;
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

/* What this shard was asked for -> scan_sha256. The checkpoint's identity is in it and no stable fact of its own: it knows mtimes. */
static int gather(const scan *s, const ns_opened *m, ns_fact_list *f, char scan_sha256[65], ns_error *err)
{
    char arch[65], step[24], tokens[24];
    snprintf(step, sizeof step, "%lld", (long long)s->item->step);
    snprintf(tokens, sizeof tokens, "%lld", (long long)s->item->tokens);
    int rc = arch_sha256(m->arch, arch, err);
    if (rc < 0)
        return rc;
    const ns_fact asked[] = {{"kind", "scores", false}, {"run", s->run->name, false}, {"step", step, false}, {"tokens", tokens, false},
                             {"checkpoint", s->item->label, false}, {"scan_probes", s->probes, false}, {"scan_cases_sha256", s->cases_sha256, false},
                             {"arch_sha256", arch, false}, {"kernel_class", ns_engine_kernel_class(s->p->open.engine), false}};
    ns_fact_list all = {0};
    rc = ns_fact_list_add_all(f, asked, sizeof asked / sizeof *asked, err);
    rc = rc ? rc : say_coords(f, s->run->coords, err);
    rc = rc ? rc : ns_fact_list_add_all(&all, f->list, f->n, err);
    rc = rc ? rc : ns_fact_list_add(&all, "checkpoint_identity", ns_checkpoint_identity(m->checkpoint), false, err);
    rc = rc ? rc : ns_facts_sha256(all.list, (int)all.n, scan_sha256, err);
    ns_fact_list_clear(&all);
    return rc ? rc : ns_fact_list_add(f, "scan_sha256", scan_sha256, true, err);
}

/* ---- shards ---- */

static int make_folder(const char *path, ns_error *err)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? NS_OK : ns_fail(err, NS_E_CREATE, "%s: cannot be made: %s", path, strerror(errno));
}

static bool is_done(const char *path, const char *scan_sha256)
{
    ns_file *f;
    if (!ns_path_exists(path) || ns_file_open(&f, path, NULL))
        return false;
    const char *const complete = ns_file_fact(f, "complete"), *const sha256 = ns_file_fact(f, "scan_sha256");
    const bool done = complete && strcmp(complete, "1") == 0 && sha256 && strcmp(sha256, scan_sha256) == 0;
    ns_file_close(f);
    return done;
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
static int load_reference(scan *s, ns_error *err)
{
    int rc = NS_OK;
    if (!needs_reference(&s->p->score))
        return NS_OK;
    for (int64_t i = s->run->series.n - 1; i >= 0 && !s->reference; i--) {
        rc = open_checkpoint(&s->reference, s, &s->run->series.list[i], err);
        if (rc == NS_OK)
            rc = ns_open_more(s->reference, NS_OPEN_WEIGHTS, err);
        if (rc < 0) {
            ns_close(s->reference);
            s->reference = NULL;
        }
    }
    return rc;
}

static int score_into(scan *s, ns_opened *o, const char *path, const ns_fact_list *f, ns_error *err)
{
    ns_scores *scores = NULL;
    ns_score_params params = s->p->score;
    int rc = ns_open_more(o, NS_OPEN_WEIGHTS, err);
    if (rc == NS_OK)
        rc = load_reference(s, err);
    params.reference = s->reference ? s->reference->model : NULL;
    if (rc == NS_OK)
        rc = ns_score_run(&scores, o->model, s->p->cases, &params, err);
    if (rc == NS_OK)
        rc = ns_scores_write_as(scores, path, f, s->p->by, err);
    ns_scores_free(scores);
    return rc;
}

/* The outcome of one checkpoint; NS_STOP when cancelled. */
static int do_checkpoint(scan *s, const char *shard, const char *failed, ns_scan_outcome *outcome, ns_error *err)
{
    ns_opened *m = NULL;
    ns_fact_list f = {0};
    char scan_sha256[65];
    *outcome = NS_SCAN_FAILED_NOW;
    int rc = open_checkpoint(&m, s, s->item, err);
    if (rc == NS_OK && s->first)
        rc = check_same_heads(m->arch, s->first->arch, s->first_label, err);
    if (rc == NS_OK)
        rc = gather(s, m, &f, scan_sha256, err);
    if (rc == NS_OK && !s->p->force && is_done(shard, scan_sha256)) {
        *outcome = NS_SCAN_PRESENT;
    } else if (rc == NS_OK && !s->p->retry_failed && !s->p->force && ns_path_exists(failed)) {
        *outcome = NS_SCAN_FAILED_BEFORE;
        rc = ns_fail(err, NS_E_FORMAT, "failed before (--retry-failed tries again)");
    } else if (rc == NS_OK) {
        rc = score_into(s, m, shard, &f, err);
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

static int one_checkpoint(scan *s, const char *folder)
{
    ns_error why = {""};
    ns_scan_outcome outcome = NS_SCAN_FAILED_NOW;
    char *const shard = ns_printf_alloc("%s/step%06lld.h5", folder, (long long)s->item->step);
    char *const failed = ns_printf_alloc("%s/step%06lld.failed", folder, (long long)s->item->step);
    int rc = shard && failed ? do_checkpoint(s, shard, failed, &outcome, &why) : ns_oom(s->err, folder);
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

/* Temporaries of processes that are gone: a killed scan left them. */
static int sweep(const char *folder, ns_error *err)
{
    char **names;
    int64_t n;
    int rc = ns_folder_list(&names, &n, folder, err);
    if (rc)
        return rc;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const char *const mark = strstr(names[i], ".tmp.");
        const long pid = mark ? strtol(mark + 5, NULL, 10) : 0;
        char *const path = ns_path_join(folder, names[i]);
        if (!path)
            rc = ns_oom(err, folder);
        else if (pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH)
            (void)unlink(path);
        free(path);
    }
    ns_free_strings(names, n);
    return rc;
}

/* The run's own metrics lie beside its shards, so that a scan's folder is all that a merge needs. */
static int copy_metrics(const ns_scan_run *run, const char *folder, ns_error *err)
{
    char *const from = ns_path_join(run->folder, "metrics.h5"), *const to = ns_path_join(folder, "metrics.h5");
    ns_map map;
    int rc = from && to ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(from) && (rc = ns_map_open(&map, from, err)) == NS_OK) {
        rc = ns_file_write(to, map.data, map.size, err);
        ns_map_close(&map);
    }
    free(from);
    free(to);
    return rc;
}

/* Whichever checkpoints are done here and now, the first of the whole run decides. One that does not open says so in its own turn. */
static void open_first(scan *s)
{
    for (int64_t i = 0; i < s->run->series.n && !s->first; i++) {
        const ns_series_item *const item = &s->run->series.list[i];
        if (open_checkpoint(&s->first, s, item, NULL) == NS_OK)
            s->first_label = item->label;
    }
}

static int scan_run(scan *s, const char *shards, int64_t *number)
{
    char *const folder = ns_path_join(shards, s->run->name);
    int rc = folder ? make_folder(folder, s->err) : ns_oom(s->err, shards);
    if (rc == NS_OK)
        rc = sweep(folder, s->err);
    if (rc == NS_OK)
        rc = copy_metrics(s->run, folder, s->err);
    if (rc == NS_OK)
        open_first(s);
    for (int64_t i = 0; rc == NS_OK && i < s->run->series.n; i++) {
        s->item = &s->run->series.list[i];
        if ((s->p->first_step || s->p->last_step) && (s->item->step < s->p->first_step || s->item->step > s->p->last_step))
            continue;
        const int64_t mine = (*number)++;
        if (s->p->score.cancelled && s->p->score.cancelled(s->p->score.user))
            rc = NS_STOP;
        else if (s->p->n_shards <= 1 || mine % s->p->n_shards == s->p->shard)
            rc = one_checkpoint(s, folder);
    }
    ns_close(s->reference);
    ns_close(s->first);
    s->reference = s->first = NULL;
    free(folder);
    return rc;
}

int ns_scan(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *p, ns_scan_counts *counts, ns_error *err)
{
    scan s = {.p = p, .counts = counts, .err = err, .probes = probe_list(&p->score)};
    char *const shards = ns_path_join(p->out, "shards");
    int64_t number = 0;
    *counts = (ns_scan_counts){0};
    const ns_probe *chosen[NS_MAX_PROBES];
    int n_chosen;
    if (ns_choose_probes(&p->score, chosen, &n_chosen, err) < 0)      /* before a folder is made, and not once for each checkpoint */
        return NS_E_ARG;
    ns_cases_hash(p->cases, s.cases_sha256);
    int rc = shards && s.probes ? make_folder(p->out, err) : ns_oom(err, p->out);
    if (rc == NS_OK)
        rc = make_folder(shards, err);
    for (int64_t i = 0; rc == NS_OK && i < n_runs; i++)
        for (int64_t j = 0; j < i && rc == NS_OK; j++)
            if (strcmp(runs[i].name, runs[j].name) == 0)
                rc = ns_fail(err, NS_E_ARG, "%s and %s are both called '%s': give them names in their run.json", runs[j].folder, runs[i].folder, runs[i].name);
    for (int64_t i = 0; rc == NS_OK && i < n_runs; i++) {
        s.run = &runs[i];
        rc = scan_run(&s, shards, &number);
    }
    free(s.probes);
    free(shards);
    return rc;
}
