/* series.c - a run's checkpoints in order: names -> (stage, step, tokens) by a table of patterns -> sorted, checked for doubles. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/series.h>

#include "io/reader.h"

/* Groups: 1 stage, 2 step, 3 tokens, 4 their unit. The first pattern that knows the name decides; spec of each beside it. */
static const char *const patterns[] = {
    "^stage(\\d{1,6})-(?:ingredient\\d+-)?step[-_]?(\\d{1,15})(?:-tokens(\\d{1,15})([KMBT])?)?(?:-.*)?$",      /* OLMo 2, 3 */
    "^()(?:global_)?step[-_]?(\\d{1,15})(?:-tokens(\\d{1,15})([KMBT])?)?(?:-.*)?$",       /* Pythia, OLMo, DeepSpeed, torchtitan, accelerate, ours */
    "^()checkpoint[-_](\\d{1,15})$",                                                   /* HF Trainer, TRL */
    "^()iter[-_](\\d{1,15})$",                                                         /* Megatron */
    "^()epoch=\\d+-step=(\\d{1,15})(?:[-.].*)?$",                                      /* Lightning */
    "^()ep\\d+-ba(\\d{1,15})$",                                                        /* composer */
};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns, MAX_MANIFEST = 16 << 20 };

static int64_t group_number(pcre2_match_data *m, const char *name, uint32_t group, int64_t otherwise)
{
    const PCRE2_SIZE *const at = pcre2_get_ovector_pointer(m);
    if (group >= pcre2_get_ovector_count(m) || at[2 * group] == PCRE2_UNSET || at[2 * group] == at[2 * group + 1])
        return otherwise;
    return strtoll(name + at[2 * group], NULL, 10);
}

static int64_t unit_of(pcre2_match_data *m, const char *name)
{
    const PCRE2_SIZE *const at = pcre2_get_ovector_pointer(m);
    const char unit = pcre2_get_ovector_count(m) > 4 && at[8] != PCRE2_UNSET && at[8] < at[9] ? name[at[8]] : ' ';
    return unit == 'K' ? 1000 : unit == 'M' ? 1000000 : unit == 'B' ? 1000000000 : unit == 'T' ? 1000000000000 : 1;
}

static bool match(const char *pattern, const char *name, ns_series_item *out)
{
    int code;
    PCRE2_SIZE where;
    pcre2_code *const re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &where, NULL);
    pcre2_match_data *const m = re ? pcre2_match_data_create_from_pattern(re, NULL) : NULL;
    const bool found = m && pcre2_match(re, (PCRE2_SPTR)name, strlen(name), 0, 0, m, NULL) > 0;
    if (found) {
        out->stage = group_number(m, name, 1, 0);
        out->step = group_number(m, name, 2, 0);
        out->tokens = group_number(m, name, 3, -1);
        if (out->tokens >= 0 && !ns_mul_i64(out->tokens, unit_of(m, name), &out->tokens))
            out->tokens = -1;
    }
    pcre2_match_data_free(m);
    pcre2_code_free(re);
    return found;
}

bool ns_series_parse(const char *name, ns_series_item *out)
{
    out->stage = out->step = 0;
    out->tokens = -1;
    out->final = strcmp(name, "main") == 0 || strcmp(name, "final") == 0 || strcmp(name, "last") == 0;
    bool found = out->final;
    for (int i = 0; i < N_PATTERNS && !found; i++)
        found = match(patterns[i], name, out);
    return found;
}

/* ---- the list ---- */

static int append(ns_series *s, const char *path, const char *revision, const char *label, const ns_series_item *parsed, ns_error *err)
{
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return ns_oom(err, path);
    ns_series_item *const item = &s->list[s->n++];
    *item = *parsed;
    item->path = ns_strdup(path);
    item->revision = revision ? ns_strdup(revision) : NULL;
    item->label = ns_strdup(label);
    return item->path && item->label && (item->revision || !revision) ? NS_OK : ns_oom(err, path);
}

void ns_series_clear(ns_series *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        free(s->list[i].path);
        free(s->list[i].revision);
        free(s->list[i].label);
    }
    free(s->list);
    *s = (ns_series){0};
}

static int in_order(const void *a, const void *b)
{
    const ns_series_item *const x = a, *const y = b;
    if (x->final != y->final)
        return x->final - y->final;
    if (x->stage != y->stage)
        return x->stage < y->stage ? -1 : 1;
    return x->step != y->step ? (x->step < y->step ? -1 : 1) : strcmp(x->label, y->label);
}

/* Steps of a later stage that start again at 0 are laid behind the stage before, so that steps ascend; a final one without a number is next. */
static int settle(ns_series *s, const char *folder, ns_error *err)
{
    qsort(s->list, (size_t)s->n, sizeof *s->list, in_order);
    int64_t base = 0, stage = s->n ? s->list[0].stage : 0, last = -1;
    for (int64_t i = 0; i < s->n; i++) {
        ns_series_item *const item = &s->list[i];
        if (!item->final && item->stage != stage) {
            base = last >= 0 && item->step <= last ? last + 1 : 0;
            stage = item->stage;
        }
        item->step = item->final ? last + 1 : item->step + base;
        if (i && item->step == last)
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' and '%s' are both step %lld: name the run's checkpoints in a manifest", folder, s->list[i - 1].label,
                           item->label, (long long)last);
        last = item->step;
    }
    return s->n ? NS_OK : ns_fail(err, NS_E_MISSING, "%s: no checkpoints (folders named step1000, checkpoint-1000, ...) and no checkpoint itself", folder);
}

static bool holds_weights(const char *folder)
{
    char **names;
    int64_t n;
    bool found = false;
    if (ns_folder_list(&names, &n, folder, NULL))
        return false;
    for (int64_t i = 0; i < n; i++)
        found |= ns_ends(names[i], ".safetensors") || strcmp(names[i], "config.json") == 0;
    ns_free_strings(names, n);
    return found;
}

static int add_folders(ns_series *s, const char *folder, ns_error *err)
{
    char **names;
    int64_t n;
    int rc = ns_folder_list(&names, &n, folder, err);
    if (rc)
        return rc;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        ns_series_item item = {0};
        char *const path = ns_path_join(folder, names[i]);
        if (!path)
            rc = ns_oom(err, folder);
        else if (ns_series_parse(names[i], &item) && holds_weights(path))
            rc = append(s, path, NULL, names[i], &item, err);
        free(path);
    }
    ns_free_strings(names, n);
    return rc;
}

/* refs/step1000, refs/main ... of models--ORG--NAME. */
static int add_revisions(ns_series *s, const char *folder, const char *refs, ns_error *err)
{
    char **names;
    int64_t n;
    int rc = ns_folder_list(&names, &n, refs, err);
    if (rc)
        return rc;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        ns_series_item item = {0};
        if (ns_series_parse(names[i], &item))
            rc = append(s, folder, names[i], names[i], &item, err);
    }
    ns_free_strings(names, n);
    return rc;
}

int ns_series_find(ns_series *out, const char *folder, ns_error *err)
{
    *out = (ns_series){0};
    if (!ns_path_is_dir(folder))
        return ns_fail(err, NS_E_MISSING, "%s: no such folder", folder);
    char *const refs = ns_path_join(folder, "refs");
    int rc = refs ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK)
        rc = ns_path_is_dir(refs) ? add_revisions(out, folder, refs, err) : add_folders(out, folder, err);
    if (rc == NS_OK && out->n == 0 && holds_weights(folder)) {
        ns_series_item item = {.tokens = -1};
        (void)ns_series_parse(ns_path_base(folder), &item);
        item.final = false;
        rc = append(out, folder, NULL, ns_path_base(folder), &item, err);
    }
    if (rc == NS_OK)
        rc = settle(out, folder, err);
    if (rc)
        ns_series_clear(out);
    free(refs);
    return rc;
}

/* ---- the manifest ---- */

static int manifest_line(ns_series *s, const cJSON *line, const char *folder, const char *where, ns_error *err)
{
    const char *path, *label;
    ns_series_item item = {.tokens = -1};
    int rc;
    if ((rc = ns_json_str(line, "path", &path, where, err)) || (rc = ns_json_str(line, "label", &label, where, err)) ||
        (rc = ns_json_i64(line, "step", -1, &item.step, where, err)) || (rc = ns_json_i64(line, "tokens", -1, &item.tokens, where, err)))
        return rc;
    if (!path || item.step < 0)
        return ns_fail(err, NS_E_FORMAT, "%s: a line needs path and step", where);
    if (s->n && item.step <= s->list[s->n - 1].step)
        return ns_fail(err, NS_E_FORMAT, "%s: step %lld does not come after step %lld", where, (long long)item.step, (long long)s->list[s->n - 1].step);
    char *const full = path[0] == '/' ? ns_strdup(path) : ns_path_join(folder, path);
    rc = full ? append(s, full, NULL, label ? label : ns_path_base(path), &item, err) : ns_oom(err, where);
    free(full);
    return rc;
}

int ns_series_manifest(ns_series *out, const char *path, ns_error *err)
{
    char *text = NULL, where[512];
    *out = (ns_series){0};
    int rc = ns_file_read(path, MAX_MANIFEST, &text, NULL, err);
    char *const folder = ns_printf_alloc("%.*s", (int)(ns_path_base(path) - path), path);
    if (rc == NS_OK && !folder)
        rc = ns_oom(err, path);
    int64_t number = 1;
    for (char *line = text, *end; rc == NS_OK && line && *line; line = end, number++) {
        const size_t n = strcspn(line, "\n");
        end = line + n + (line[n] == '\n');
        cJSON *object = NULL;
        snprintf(where, sizeof where, "%.400s:%lld", path, (long long)number);
        if (strspn(line, " \t\r") >= n)
            continue;
        rc = ns_json_parse(&object, line, n, 4, where, err);
        if (rc == NS_OK)
            rc = manifest_line(out, object, folder[0] ? folder : ".", where, err);
        cJSON_Delete(object);
    }
    if (rc == NS_OK && out->n == 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: no checkpoint in it", path);
    if (rc)
        ns_series_clear(out);
    free(folder);
    free(text);
    return rc;
}
