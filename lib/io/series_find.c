/* series_find.c - what lies in a run's folder: each is a checkpoint of the series, or is left out with a reason. A checkpoint is a folder,
 * a file of weights, or the run's folder itself; those in RUN/checkpoints are the run's too. */
#include "io/series.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STATE = 64 << 20, STATE_DEPTH = 16 };

bool ns_series_is_nest(const char *name)
{
    static const char *const names[] = {"checkpoints", "checkpoint", "ckpts", "ckpt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* What cannot be listed holds none; NS_E_MEMORY alone is an error. */
static int holds_weights(const char *folder, bool *found, ns_error *err)
{
    char **names;
    int64_t n;
    *found = false;
    const int rc = ns_folder_list(&names, &n, folder, err);
    if (rc != NS_OK)
        return rc == NS_E_MEMORY ? rc : NS_OK;
    for (int64_t i = 0; i < n; i++)
        *found |= ns_is_weights(names[i]) || strcmp(names[i], "config.json") == 0;
    ns_free_strings(names, n);
    return NS_OK;
}

/* The step that trainer_state.json says; -1: none, or it cannot be read. NS_E_MEMORY alone is an error. */
static int state_step(const char *folder, int64_t *step, ns_error *err)
{
    char *const path = ns_path_join(folder, "trainer_state.json");
    cJSON *state = NULL;
    *step = -1;
    const int rc = !path ? ns_oom(err, folder) : ns_path_exists(path) ? ns_json_read(&state, path, MAX_STATE, STATE_DEPTH, err) : NS_OK;
    if (rc == NS_OK && state && ns_json_i64(state, "global_step", -1, step, path, NULL) < 0)
        *step = -1;
    cJSON_Delete(state);
    free(path);
    return rc == NS_E_MEMORY ? rc : NS_OK;
}

/* The number of a member at the top of an object; -1: none in this text, which may end anywhere. */
static int64_t top_number(const char *text, const char *key)
{
    const size_t n = strlen(key);
    for (int depth = 0; *text; text++) {
        depth += (*text == '{' || *text == '[') - (*text == '}' || *text == ']');
        if (*text != '"')
            continue;
        const char *const begin = ++text;
        while (*text && *text != '"')
            text += text[0] == '\\' && text[1] ? 2 : 1;
        if (!*text)
            break;
        const char *const colon = text + 1 + strspn(text + 1, " \t\r\n"), *const value = colon + 1 + strspn(colon + 1, " \t\r\n");
        const size_t digits = *colon == ':' ? strspn(value, "0123456789") : 0;
        if (depth == 1 && (size_t)(text - begin) == n && memcmp(begin, key, n) == 0 && digits > 0 && digits < 16 && value[digits])
            return strtoll(value, NULL, 10);
    }
    return -1;
}

/* Without its log, which may be long: transformers writes keys in order, and global_step stands before it. */
static int64_t step_in_head(const char *path)
{
    enum { HEAD = 1 << 14 };
    char text[HEAD + 1];
    ns_input in;
    if (ns_input_open(&in, path, NULL) != NS_OK)
        return -1;
    const size_t n = in.size < HEAD ? (size_t)in.size : HEAD;
    text[ns_input_read(&in, 0, text, n, path, NULL) == NS_OK ? n : 0] = '\0';
    ns_input_close(&in);
    return top_number(text, "global_step");
}

int ns_series_compare_step(const char *path, ns_series_item *item, ns_error *err)
{
    char *const state = ns_path_is_dir(path) ? ns_path_join(path, "trainer_state.json") : NULL;
    int64_t step = state && ns_path_exists(state) ? step_in_head(state) : item->stage_step;
    free(state);
    const int rc = step < 0 ? state_step(path, &step, err) : NS_OK;
    item->other = step >= 0 && step != item->stage_step;
    item->other_step = item->other ? step : 0;
    return rc;
}

/* The step that a trainer's file of weights says. */
static int weights_step(const char *path, int64_t *step, ns_error *err)
{
    ns_checkpoint *ck = NULL;
    const int rc = ns_checkpoint_open(&ck, path, NULL, err);
    *step = rc == NS_OK ? ns_checkpoint_step(ck) : -1;
    ns_checkpoint_free(ck);
    return rc == NS_E_MEMORY ? rc : NS_OK;
}

int ns_series_step_inside(const char *path, ns_series_item *item, bool *found, ns_error *err)
{
    int64_t step = -1;
    int rc = ns_path_is_dir(path) ? state_step(path, &step, err) : NS_OK;
    if (rc == NS_OK && step < 0)
        rc = weights_step(path, &step, err);
    *found |= step >= 0;
    if (step >= 0)
        *item = (ns_series_item){.step = step, .stage_step = step, .tokens = -1, .inside = true};
    return rc;
}

/* Is it a link to its neighbour? Then *out is that one's name, malloc'd; else NULL. */
static int neighbour_of(const char *path, char **out, ns_error *err)
{
    char *const folder = ns_printf_alloc("%.*s", (int)(ns_path_base(path) - path), path);
    char whole[PATH_MAX], target[PATH_MAX];
    struct stat st;
    const bool linked = folder && lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(path, target) && realpath(folder, whole);
    const size_t n = linked ? strlen(whole) : 0;
    const bool near = linked && ns_starts(target, whole) && target[n] == '/' && !strchr(target + n + 1, '/');
    *out = near ? ns_strdup(target + n + 1) : NULL;
    const int rc = folder && (!near || *out) ? NS_OK : ns_oom(err, path);
    free(folder);
    return rc;
}

static int leave_stepless(ns_series *s, const char *path, const char *label, ns_error *err)
{
    char *neighbour;
    int rc = neighbour_of(path, &neighbour, err);
    if (rc == NS_OK)
        rc = neighbour ? ns_series_leave(s, label, false, err, "a link to %.200s", neighbour)
                       : ns_series_leave(s, label, false, err, NS_SERIES_NO_STEP);
    free(neighbour);
    return rc;
}

/* A checkpoint whose name was parsed (known), or that may know its step itself. */
static int add(ns_series *s, const char *path, const char *label, bool known, ns_series_item *item, ns_error *err)
{
    const int rc = known && !item->final ? ns_series_compare_step(path, item, err) : ns_series_step_inside(path, item, &known, err);
    return rc != NS_OK ? rc : known ? ns_series_append(s, path, NULL, label, item, err) : leave_stepless(s, path, label, err);
}

/* ---- folders ---- */

/* A folder that holds neither weights that are read nor a config.json, but another form of weights, or a step in its name. */
static int leave_folder(ns_series *s, const char *path, const char *name, bool known, ns_error *err)
{
    ns_location at;
    ns_error why = {""};
    const int rc = ns_locate(&at, path, NULL, &why);
    if (rc == NS_E_MEMORY)
        return ns_oom(err, path);
    if (rc == NS_OK)
        ns_location_free(&at);
    const size_t prefix = strlen(path) + 2;
    const char *const reason = ns_starts(why.message, path) && strlen(why.message) > prefix ? why.message + prefix : why.message;
    const bool other_form = rc == NS_E_UNSUPPORTED;
    return ns_series_leave(s, name, !known && !other_form, err, "%s", other_form || known ? reason : "no weights in it");
}

static int add_entries(ns_series *, const char *folder, const char *under, ns_error *);

/* By a file that transformers names so. NS_E_MEMORY alone is an error. */
static int is_checkpoint(const char *folder, bool *is, ns_error *err)
{
    ns_location at;
    const int located = ns_locate(&at, folder, NULL, NULL);
    *is = located == NS_OK && ns_reader_gives(ns_path_base(at.index_path ? at.index_path : at.files[0]));
    if (located == NS_OK)
        ns_location_free(&at);
    return located == NS_E_MEMORY ? ns_oom(err, folder) : NS_OK;
}

/* RUN/checkpoints; one without a word of checkpoints is like any other folder. */
static int add_nest(ns_series *s, const char *path, const char *name, ns_error *err)
{
    const int64_t before = s->n + s->n_left_out;
    const int rc = add_entries(s, path, name, err);
    return rc != NS_OK || s->n + s->n_left_out > before ? rc : leave_folder(s, path, name, false, err);
}

static int add_folder(ns_series *s, const char *path, const char *name, const char *label, bool top, ns_error *err)
{
    ns_series_item item = {0};
    bool weights, whole = true;
    const bool known = ns_series_parse(name, &item);
    int rc = top && ns_series_is_nest(name) ? is_checkpoint(path, &whole, err) : NS_OK;
    if (rc == NS_OK && !whole)
        return add_nest(s, path, name, err);
    rc = rc != NS_OK ? rc : holds_weights(path, &weights, err);
    if (rc == NS_OK && known && access(path, R_OK | X_OK) != 0)          /* a step that may not be looked at fails, and is not left out */
        return add(s, path, label, known, &item, err);
    return rc != NS_OK ? rc : weights ? add(s, path, label, known, &item, err) : leave_folder(s, path, label, known, err);
}

/* ---- files ---- */

/* epoch=0-step=1000.ckpt, step1000-00001-of-00002.gguf: the name without what says the format and the part. */
static char *stem_of(const char *name)
{
    char *const stem = ns_strdup(name), *const dot = stem ? strrchr(stem, '.') : NULL;
    if (dot)
        *dot = '\0';
    char *const part = stem && ns_parts_of(name) ? stem + strlen(stem) - strlen("-00001-of-00002") : NULL;
    if (part)
        *part = '\0';
    return stem;
}

/* A link to nothing, and what has a checkpoint's name and is neither a folder nor weights: an archive, a log. */
static int leave_other(ns_series *s, const char *path, const char *name, const char *label, ns_error *err)
{
    ns_series_item item = {0};
    char *const stem = ns_strdup(name);
    if (stem)
        stem[strcspn(stem, ".")] = '\0';
    const bool known = stem && (ns_series_parse(stem, &item) || ns_series_parse(name, &item));
    int rc = stem ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK && !ns_path_exists(path))
        rc = ns_series_leave(s, label, !known, err, "a link to what is not there");
    else if (rc == NS_OK && known)
        rc = ns_series_leave(s, label, true, err, "neither a folder nor a file of weights that is read");
    free(stem);
    return rc;
}

/* The files that are the folder's own checkpoint: model.safetensors, those of an index. A single file of another name is not, since it may
 * be one of a series. */
typedef struct self { char **files; int64_t n; const char *name; } self;

/* Of a model in parts the first stands for all; one of several shards is none by itself. */
static int add_file(ns_series *s, const char *path, const char *name, const char *label, const self *own, ns_error *err)
{
    ns_series_item item = {0};
    char *const stem = stem_of(name), *const first = ns_parts_of(name) ? ns_part_name(name, 1) : NULL;
    int rc = !stem || (ns_parts_of(name) && !first) ? ns_oom(err, path) : NS_OK;
    const bool known = rc == NS_OK && ns_series_parse(stem, &item);
    if (rc == NS_OK && own->n && !known)
        rc = ns_series_leave(s, label, true, err, "beside %s, which is the folder's own checkpoint", own->name);
    else if (rc == NS_OK && !ns_parts_of(name) && ns_glob("*-of-*", stem))
        rc = ns_series_leave(s, label, false, err, "one of several shards, and their index is not there");
    else if (rc == NS_OK && (!first || strcmp(first, name) == 0))
        rc = add(s, path, label, known, &item, err);
    free(stem);
    free(first);
    return rc;
}

/* ---- all that is in a folder ---- */

static bool is_own(const self *own, const char *name)
{
    bool found = false;
    for (int64_t i = 0; i < own->n; i++)
        found |= strcmp(ns_path_base(own->files[i]), name) == 0;
    return found;
}

static int add_entry(ns_series *s, const char *folder, const char *under, const char *name, const self *own, ns_error *err)
{
    char *const path = ns_path_join(folder, name), *const label = *under ? ns_path_join(under, name) : ns_strdup(name);
    int rc = path && label ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && name[0] != '.') {
        if (ns_path_is_dir(path))
            rc = add_folder(s, path, name, label, !*under, err);
        else if (ns_is_weights(name) && !is_own(own, name))
            rc = add_file(s, path, name, label, own, err);
        else if (!is_own(own, name))
            rc = leave_other(s, path, name, label, err);
    }
    free(label);
    free(path);
    return rc;
}

/* The folder is a checkpoint by a file that transformers names so; its step it may know itself. */
static int add_self(ns_series *s, const char *folder, const char *under, ns_error *err)
{
    ns_series_item item = {.tokens = -1, .final = true};
    const char *const name = *under ? under : ns_path_base(folder);
    bool known = true;
    int rc = ns_series_step_inside(folder, &item, &known, err);
    return rc != NS_OK ? rc : ns_series_append(s, folder, NULL, name, &item, err);
}

static int add_entries(ns_series *s, const char *folder, const char *under, ns_error *err)
{
    ns_location at = {0};
    char **names = NULL;
    int64_t n = 0;
    const int located = ns_locate(&at, folder, NULL, NULL);
    int rc = located == NS_E_MEMORY ? ns_oom(err, folder) : ns_folder_list(&names, &n, folder, err);
    const char *const taken = located == NS_OK ? ns_path_base(at.index_path ? at.index_path : at.files[0]) : "";
    const bool is_self = ns_reader_gives(taken);
    const self own = {is_self ? at.files : NULL, is_self ? at.n_files : 0, taken};
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        rc = add_entry(s, folder, under, names[i], &own, err);
    if (rc == NS_OK && is_self && s->n)
        rc = add_self(s, folder, under, err);
    ns_free_strings(names, n);
    if (located == NS_OK)
        ns_location_free(&at);
    return rc;
}

/* A file that is the checkpoint was not left out. */
static void take_back(ns_series *s, const ns_location *at)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_left_out; i++) {
        if (is_own(&(self){at->files, at->n_files, NULL}, s->left_out[i].name))
            ns_series_left_free(&s->left_out[i]);
        else
            s->left_out[n++] = s->left_out[i];
    }
    s->n_left_out = n;
}

/* Nothing below it has a step: the folder may be a checkpoint itself. */
static int alone(ns_series *s, const char *folder, ns_error *err)
{
    ns_series_item item = {.tokens = -1};
    ns_location at;
    bool weights;
    const int rc = holds_weights(folder, &weights, err);
    if (rc != NS_OK || !weights)
        return rc;
    const int located = ns_locate(&at, folder, NULL, NULL);
    if (located == NS_E_MEMORY)
        return ns_oom(err, folder);
    if (located == NS_OK) {
        take_back(s, &at);
        ns_location_free(&at);
    }
    (void)ns_series_parse(ns_path_base(folder), &item);
    item.final = false;
    return ns_series_append(s, folder, NULL, ns_path_base(folder), &item, err);
}

int ns_series_find(ns_series *out, const char *folder, ns_error *err)
{
    static const ns_kinds fine = NS_KINDS(NS_KIND_RUN) | NS_KINDS(NS_KIND_CHECKPOINT) | NS_KINDS(NS_KIND_CACHE) | NS_KINDS(NS_KIND_FOLDER);
    *out = (ns_series){0};
    if (!ns_path_is_dir(folder))
        return ns_kind_fail(err, ns_fail(err, NS_E_MISSING, "%s: no such folder", folder), folder, fine,
                            "a folder of checkpoints (step1000, checkpoint-1000, ...)");
    char *const refs = ns_path_join(folder, "refs"), *const snapshots = ns_path_join(folder, "snapshots");
    int rc = refs && snapshots ? NS_OK : ns_oom(err, folder);
    const bool has_refs = rc == NS_OK && ns_path_is_dir(refs);
    if (rc == NS_OK)
        rc = has_refs || ns_path_is_dir(snapshots) ? ns_series_add_cache(out, folder, has_refs, err) : add_entries(out, folder, "", err);
    if (rc == NS_OK && out->n == 0)
        rc = alone(out, folder, err);
    if (rc == NS_OK)
        rc = ns_series_settle(out, folder, err);
    if (rc != NS_OK)
        ns_series_clear(out);
    free(refs);
    free(snapshots);
    return ns_kind_fail(err, rc, folder, fine, "a folder of checkpoints (step1000, checkpoint-1000, ...)");
}
