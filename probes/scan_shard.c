/* scan_shard.c - the shard of a checkpoint: what it is asked for, whether it is done, whether another's answer stands in its place.
 *
 * What a shard was asked for is known before the weights are read: scan_sha256 over run, stage, step, probes, cases, arch and kernel class.
 * Which checkpoint it is of, and against which it was measured, their weights say: the same files (checkpoint_stamp, reference_stamp), or
 * the same hash of weights. Names, paths, times and
 * threads are in neither. */
#include "scan_shard.h"

#include "core/coords.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ns_scan_open(ns_opened **m, const ns_scan_pass *s, const ns_series_item *item, ns_error *err)
{
    ns_open_params how = s->p->open;
    how.path = item->path;
    how.revision = item->revision;
    how.want = NS_OPEN_ARCH;
    how.warn = s->first || s->told ? NULL : how.warn;
    return ns_open(m, &how, err);
}

/* ---- facts ---- */

/* run.window = 4, run.pattern = SSFS ... */
static int say_coords(ns_fact_list *f, const char *coords, ns_error *err)
{
    cJSON *root = NULL;
    int rc = ns_json_parse(&root, coords, strlen(coords), 4, "run.json", err);
    for (const cJSON *v = rc == NS_OK ? root->child : NULL; v && rc == NS_OK; v = v->next) {
        char name[NS_COORD_NAME + sizeof "run."], number[40];
        snprintf(name, sizeof name, "run.%s", v->string);        /* as long as a run.json may say it */
        snprintf(number, sizeof number, "%.17g", cJSON_IsNumber(v) ? v->valuedouble : cJSON_IsTrue(v) ? 1.0 : 0.0);
        if (cJSON_IsString(v) || cJSON_IsNumber(v) || cJSON_IsBool(v))
            rc = ns_fact_list_add(f, name, cJSON_IsString(v) ? v->valuestring : number, false, err);
    }
    cJSON_Delete(root);
    return rc;
}

/* What this shard was asked for -> scan_sha256. The checkpoint's name and its stamp are told beside it. The step of a later stage is its
 * own, and how many tokens were before it the index says: that changes while an earlier stage grows. */
int ns_shard_facts(const ns_scan_pass *s, const ns_opened *m, const char *stamp, ns_fact_list *f, char scan_sha256[65], ns_error *err)
{
    char stage[24], step[24], tokens[24];
    snprintf(stage, sizeof stage, "%lld", (long long)s->item->stage);
    snprintf(step, sizeof step, "%lld", (long long)s->item->stage_step);
    snprintf(tokens, sizeof tokens, "%lld", (long long)s->item->tokens);
    ns_fact_list model = {0};
    int rc = ns_provenance_of_arch(&model, m->arch, m->checkpoint, err);
    const ns_fact asked[] = {{"kind", "scores", false}, {"run", s->run->name, false}, {"stage", s->item->stage ? stage : NULL, false},
                             {"step", step, false}, {"tokens", ns_series_stage(s->item) == 1 ? tokens : NULL, false},
                             {"scan_probes", s->probes, false},
                             {"scan_cases_sha256", s->cases_sha256, false},
                             {"arch_sha256", ns_fact_list_find(&model, "arch_sha256"), false},
                             {"constrain", ns_fact_list_find(&model, "constrain"), false},
                             {"kernel_class", ns_engine_kernel_class(s->p->open.engine), false}};
    rc = rc != NS_OK ? rc : ns_fact_list_add_all(f, asked, sizeof asked / sizeof *asked, err);
    rc = rc != NS_OK ? rc : say_coords(f, s->run->coords, err);
    rc = rc != NS_OK ? rc : ns_facts_sha256(f->list, (int)f->n, scan_sha256, err);
    ns_fact_list_clear(&model);
    const ns_fact of[] = {{"checkpoint", s->item->label, false}, {"checkpoint_stamp", stamp, true}, {"scan_sha256", scan_sha256, true},
                          {"tokenizer_unread", s->unread[0] ? s->unread : NULL, true},
                          {"reference_stamp", s->reference_stamp[0] ? s->reference_stamp : NULL, true}};
    return rc != NS_OK ? rc : ns_fact_list_add_all(f, of, sizeof of / sizeof *of, err);
}

/* ---- shards ---- */

char *ns_shard_path(const ns_scan_pass *s, const char *folder, const char *ending)
{
    return ns_scan_file(folder, (ns_scan_key){ns_series_stage(s->item), s->item->stage_step}, ending);
}

static bool says(const ns_file *f, const char *fact, const char *value)
{
    const char *const said = ns_file_fact(f, fact);
    return said && value && strcmp(said, value) == 0;
}

/* A file that was touched, copied or unpacked again is read once more, and holds the same weights or others. */
static int has_weights(const ns_file *f, ns_opened *m, bool *out, ns_error *err)
{
    const bool knows = ns_file_fact(f, "weights_sha256");
    const int rc = knows ? ns_open_more(m, NS_OPEN_WEIGHTS, err) : NS_OK;
    *out = knows && rc == NS_OK && says(f, "weights_sha256", ns_model_weights_sha256(m->model));
    return rc;
}

/* What cannot be opened is not done; NS_E_MEMORY, and what is wrong with the checkpoint, are errors. */
int ns_scan_is_done(ns_scan_pass *s, const ns_scan_place *at, const char *scan_sha256, ns_opened *m, bool *out, ns_error *err)
{
    ns_file *f = NULL;
    int rc = ns_path_exists(at->shard) ? ns_file_open(&f, at->shard, err) : NS_OK;
    *out = false;
    if (!f)
        return rc == NS_E_MEMORY ? rc : NS_OK;
    if (says(f, "complete", "1") && says(f, "scan_sha256", scan_sha256)) {
        rc = ns_scan_same_reference(s, f, out, err);
        if (rc == NS_OK && *out && !says(f, "checkpoint_stamp", at->stamp))
            rc = has_weights(f, m, out, err);
        const char *const unread = ns_file_fact(f, "tokenizer_unread");
        snprintf(s->unread, sizeof s->unread, "%s", unread ? unread : "");        /* of when it was scored, whatever is there now */
    }
    ns_file_close(f);
    return rc;
}

/* now NULL: it is not known, or there is none. */
static bool says_other(const ns_file *f, const char *fact, const char *now)
{
    const char *const value = ns_file_fact(f, fact);
    return value && (!now || strcmp(value, now) != 0);
}

static bool says_other_than(const ns_file *f, const char *fact, const ns_fact_list *now)
{
    return says_other(f, fact, ns_fact_list_find(now, fact));
}

/* The same checkpoint under another description. One whose config.json was changed is another checkpoint; one that does not open says so
 * in its own turn. Most have the arch of the run's first, and are not opened for it. */
static bool read_otherwise(const ns_scan_pass *s, const ns_file *f)
{
    ns_fact_list now = {0};
    ns_opened *m = NULL;
    if (!says_other_than(f, "arch_sha256", &s->first_facts))
        return false;
    const bool other = ns_scan_open(&m, s, s->item, NULL) == NS_OK &&
                       ns_provenance_of_arch(&now, m->arch, m->checkpoint, NULL) == NS_OK && says_other_than(f, "arch_sha256", &now) &&
                       !says_other_than(f, "model_config_sha256", &now);
    ns_fact_list_clear(&now);
    ns_close(m);
    return other;
}

/* By the layers of the run's first checkpoint that opens. */
static bool constrained_otherwise(const ns_scan_pass *s, const ns_file *f)
{
    const char *const was = ns_file_fact(f, "constrain"), *const now = ns_fact_list_find(&s->first_facts, "constrain");
    return (s->first || !s->p->open.n_constrain) && strcmp(was ? was : "", now ? now : "") != 0;
}

/* A finished shard that this call would replace by another's answer; force scores it again, but never one of a newer version. */
int ns_shard_check(const ns_scan_pass *s, const char *path)
{
    ns_file *f;
    ns_error why = {""};
    if (!ns_path_exists(path))
        return NS_OK;
    const int rc = ns_file_open(&f, path, &why);
    if (rc == NS_E_UNSUPPORTED)
        return ns_fail(s->err, rc, "%s (or another -o FOLDER)", why.message);
    if (rc == NS_E_MEMORY)
        return ns_oom(s->err, path);
    if (rc != NS_OK || s->p->force) {
        if (rc == NS_OK)
            ns_file_close(f);
        return NS_OK;
    }
    const char *const what = says_other(f, "scan_cases_sha256", s->cases_sha256) ? "cases"
                             : says_other(f, "scan_probes", s->probes)           ? "probes"
                             : constrained_otherwise(s, f)                       ? "constraints (--constrain)"
                             : read_otherwise(s, f) ? "facts of the architecture (--arch, --names, --olmo3-rope, --heads-of)"
                                                    : NULL;
    ns_file_close(f);
    return !what ? NS_OK
                 : ns_fail(s->err, NS_E_FORMAT,
                           "%s was scored with other %s: nothing finished is replaced (give another -o FOLDER, or --force to score again)",
                           path, what);
}
