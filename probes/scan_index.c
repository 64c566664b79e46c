/* scan_index.c - what a scan found, for the merge: read, checked, merged with what is there, written when it changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "scan_index.h"

enum { LARGEST = 64 << 20, DEPTH = 4 };

static char *index_path(const char *out, const char *run)
{
    return ns_printf_alloc("%s/index/%s.json", out, run);
}

static void entry_clear(ns_scan_entry *e)
{
    free(e->label);
    free(e->path);
    free(e->revision);
}

void ns_scan_index_clear(ns_scan_index *x)
{
    for (int64_t i = 0; i < x->n; i++)
        entry_clear(&x->list[i]);
    for (int64_t i = 0; i < x->n_left_out; i++) {
        free(x->left_out[i].name);
        free(x->left_out[i].why);
    }
    free(x->left_out);
    free(x->list);
    free(x->folder);
    *x = (ns_scan_index){0};
}

/* Where the key stands, or would. */
static int64_t place_of(const ns_scan_index *x, ns_scan_key key)
{
    int64_t low = 0, high = x->n;
    while (low < high) {
        const int64_t mid = low + (high - low) / 2;
        if (ns_scan_key_order(x->list[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_at(const ns_scan_index *x, int64_t at, ns_scan_key key)
{
    return at < x->n && ns_scan_key_order(x->list[at].key, key) == 0;
}

const ns_scan_entry *ns_scan_index_find(const ns_scan_index *x, ns_scan_key key)
{
    const int64_t at = place_of(x, key);
    return is_at(x, at, key) ? &x->list[at] : NULL;
}

/* Adds a checkpoint at its place, or puts it in that of an older one of the same key. */
static int put(ns_scan_index *x, const ns_scan_entry *entry, ns_error *err)
{
    const int64_t at = place_of(x, entry->key);
    const bool there = is_at(x, at, entry->key);
    ns_scan_entry copy = *entry;
    copy.label = ns_strdup(entry->label);
    copy.path = entry->path ? ns_strdup(entry->path) : NULL;
    copy.revision = entry->revision ? ns_strdup(entry->revision) : NULL;
    copy.taken = entry->taken || (there && x->list[at].taken);
    if (!copy.label || (entry->path && !copy.path) || (entry->revision && !copy.revision) ||
        (!there && !ns_grow(&x->list, &x->capacity, x->n + 1, sizeof *x->list))) {
        entry_clear(&copy);
        return ns_oom(err, entry->label);
    }
    if (there)
        entry_clear(&x->list[at]);
    else
        memmove(x->list + at + 1, x->list + at, (size_t)(x->n++ - at) * sizeof *x->list);
    x->list[at] = copy;
    return NS_OK;
}

static int leave(ns_scan_index *x, const char *name, const char *why, bool no_checkpoint, ns_error *err)
{
    if (!ns_grow(&x->left_out, &x->left_capacity, x->n_left_out + 1, sizeof *x->left_out))
        return ns_oom(err, name);
    ns_scan_left_out *const left = &x->left_out[x->n_left_out++];
    *left = (ns_scan_left_out){ns_strdup(name), ns_strdup(why), no_checkpoint};
    return left->name && left->why ? NS_OK : ns_oom(err, name);
}

static int read_entry(ns_scan_index *x, const cJSON *item, const char *path, ns_error *err)
{
    ns_scan_entry e = {0};
    const char *label, *from, *revision;
    int rc = ns_json_i64(item, "step", -1, &e.step, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(item, "stage", 0, &e.stage, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "path", &from, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "revision", &revision, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(item, "stage_step", e.step, &e.key.step, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(item, "tokens", -1, &e.tokens, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "label", &label, path, err);
    rc = rc != NS_OK ? rc : ns_json_bool(item, "taken", true, &e.taken, path, err);
    rc = rc != NS_OK ? rc : ns_json_bool(item, "gone", false, &e.gone, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(item, "trainer_state_step", -1, &e.other_step, path, err);
    e.other = e.other_step >= 0;
    if (rc == NS_OK && (e.step < 0 || e.key.step < 0 || e.stage < 0 || !label))
        rc = ns_fail(err, NS_E_FORMAT, "%s: a checkpoint needs step and label, and no stage below 0", path);
    if (rc != NS_OK)
        return rc;
    e.key.stage = ns_series_stage(&(ns_series_item){.stage = e.stage});
    e.label = (char *)(uintptr_t)label;                  /* put() copies them */
    e.path = (char *)(uintptr_t)from;
    e.revision = (char *)(uintptr_t)revision;
    return put(x, &e, err);
}

static int read_left(ns_scan_index *x, const cJSON *item, const char *path, ns_error *err)
{
    const char *name, *why;
    bool none;
    int rc = ns_json_str(item, "name", &name, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "why", &why, path, err);
    rc = rc != NS_OK ? rc : ns_json_bool(item, "no_checkpoint", false, &none, path, err);
    if (rc == NS_OK && (!name || !why))
        rc = ns_fail(err, NS_E_FORMAT, "%s: what was left out needs name and why", path);
    return rc != NS_OK ? rc : leave(x, name, why, none, err);
}

static int read_index(ns_scan_index *x, const char *path, ns_error *err)
{
    cJSON *root = NULL;
    const char *folder, *stamp = NULL;
    int rc = ns_json_read(&root, path, LARGEST, DEPTH, err);
    rc = rc != NS_OK ? rc : ns_json_str(root, "stamp", &stamp, path, err);
    snprintf(x->stamp, sizeof x->stamp, "%s", stamp ? stamp : "");
    rc = rc != NS_OK ? rc : ns_json_str(root, "folder", &folder, path, err);
    if (rc == NS_OK && !(x->folder = ns_strdup(folder ? folder : "")))
        rc = ns_oom(err, path);
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(root, "checkpoints");
    for (const cJSON *item = rc == NS_OK && list ? list->child : NULL; item && rc == NS_OK; item = item->next)
        rc = read_entry(x, item, path, err);
    const cJSON *const left = cJSON_GetObjectItemCaseSensitive(root, "left_out");
    for (const cJSON *item = rc == NS_OK && left ? left->child : NULL; item && rc == NS_OK; item = item->next)
        rc = read_left(x, item, path, err);
    cJSON_Delete(root);
    return rc;
}

int ns_scan_index_read(ns_scan_index *x, const char *out, const char *run, ns_error *err)
{
    char *const path = index_path(out, run);
    *x = (ns_scan_index){0};
    int rc = !path ? ns_oom(err, out) : ns_path_exists(path) ? read_index(x, path, err) : NS_OK;
    if (rc == NS_E_FORMAT && err)
        rc = ns_fail(err, rc, "%s (an index is no result: remove it, and the next scan writes it again)", err->message);
    if (rc != NS_OK)
        ns_scan_index_clear(x);
    free(path);
    return rc;
}

bool ns_scan_takes(const ns_scan_params *p, int64_t step)
{
    return !p->steps || (step >= p->steps[0] && step <= p->steps[1]);
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The index is none of another run of the same name, which is still there. */
static int check_run(const ns_scan_index *x, const ns_scan_params *p, const ns_scan_run *run, ns_error *err)
{
    if (!x->folder || p->force || !ns_path_is_dir(x->folder) || same_folder(x->folder, run->folder))
        return NS_OK;
    return ns_fail(err, NS_E_ARG,
                   "%s holds shards of another run '%s', of %s: give the runs names in their run.json, or another -o FOLDER (--force "
                   "scores again)",
                   p->out, run->name, x->folder);
}

int ns_scan_index_check(const ns_scan_params *p, const ns_scan_run *run, ns_error *err)
{
    ns_scan_index x;
    int rc = ns_scan_index_read(&x, p->out, run->name, err);
    rc = rc != NS_OK ? rc : check_run(&x, p, run, err);
    ns_scan_index_clear(&x);
    return rc;
}

static cJSON *entry_json(const ns_scan_entry *e)
{
    cJSON *const item = cJSON_CreateObject();
    const bool good = item && cJSON_AddNumberToObject(item, "step", (double)e->step) &&
                      (e->stage == 0 || (cJSON_AddNumberToObject(item, "stage", (double)e->stage) &&
                                         cJSON_AddNumberToObject(item, "stage_step", (double)e->key.step))) &&
                      (!e->path || cJSON_AddStringToObject(item, "path", e->path)) &&
                      (!e->revision || cJSON_AddStringToObject(item, "revision", e->revision)) &&
                      cJSON_AddNumberToObject(item, "tokens", (double)e->tokens) && cJSON_AddStringToObject(item, "label", e->label) &&
                      cJSON_AddBoolToObject(item, "taken", e->taken) &&
                      (!e->other || cJSON_AddNumberToObject(item, "trainer_state_step", (double)e->other_step)) &&
                      (!e->gone || cJSON_AddTrueToObject(item, "gone"));
    if (good)
        return item;
    cJSON_Delete(item);
    return NULL;
}

static cJSON *left_json(const ns_scan_left_out *left)
{
    cJSON *const item = cJSON_CreateObject();
    if (item && cJSON_AddStringToObject(item, "name", left->name) && cJSON_AddStringToObject(item, "why", left->why) &&
        (!left->no_checkpoint || cJSON_AddTrueToObject(item, "no_checkpoint")))
        return item;
    cJSON_Delete(item);
    return NULL;
}

static char *print_index(const ns_scan_index *x, const ns_scan_run *run)
{
    cJSON *const root = cJSON_CreateObject();
    bool good = root && cJSON_AddNumberToObject(root, "schema", 1) && cJSON_AddStringToObject(root, "run", run->name) &&
                cJSON_AddStringToObject(root, "folder", x->folder) && (!x->stamp[0] || cJSON_AddStringToObject(root, "stamp", x->stamp));
    cJSON *const list = good ? cJSON_AddArrayToObject(root, "checkpoints") : NULL;
    cJSON *const left = list ? cJSON_AddArrayToObject(root, "left_out") : NULL;
    good = left;
    for (int64_t i = 0; good && i < x->n; i++)
        good = cJSON_AddItemToArray(list, entry_json(&x->list[i]));      /* NULL is refused */
    for (int64_t i = 0; good && i < x->n_left_out; i++)
        good = cJSON_AddItemToArray(left, left_json(&x->left_out[i]));
    char *const text = good ? ns_json_print(root, true) : NULL;
    cJSON_Delete(root);
    return text;
}

static bool holds(const char *path, const char *text)
{
    char *now = NULL;
    const bool same = ns_path_exists(path) && ns_file_read(path, LARGEST, &now, NULL, NULL) == NS_OK && strcmp(now, text) == 0;
    free(now);
    return same;
}

/* Of a path that begins with the folder's what is behind it; NULL: of another, which a manifest named. */
static char *path_from(const char *folder, const char *path)
{
    const size_t n = strlen(folder);
    return !ns_starts(path, folder) || (path[n] && path[n] != '/') ? NULL : (char *)(uintptr_t)(path + n + (path[n] == '/'));
}

/* The run as it is found now; what older scans found and this one does not is gone. */
static int find_again(ns_scan_index *x, const ns_scan_params *p, const ns_scan_run *run, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < x->n; i++)
        x->list[i].gone = true;
    for (int64_t i = 0; rc == NS_OK && i < run->series.n; i++) {
        const ns_series_item *const item = &run->series.list[i];
        rc = put(x, &(ns_scan_entry){.key = {ns_series_stage(item), item->stage_step}, .stage = item->stage, .step = item->step,
                                     .tokens = item->tokens, .label = item->label, .path = path_from(run->folder, item->path),
                                     .revision = item->revision, .taken = ns_scan_takes(p, item->step), .other = item->other,
                                     .other_step = item->other_step}, err);
    }
    for (int64_t i = 0; i < x->n_left_out; i++) {
        free(x->left_out[i].name);
        free(x->left_out[i].why);
    }
    x->n_left_out = 0;
    for (int64_t i = 0; rc == NS_OK && i < run->series.n_left_out; i++) {
        const ns_series_left *const left = &run->series.left_out[i];
        rc = leave(x, left->name, left->why, left->no_checkpoint, err);
    }
    return rc;
}

/* Another scan writes for moments; one that died is taken over. */
static int claim_index(ns_claim **claim, const char *index, ns_error *err)
{
    static const struct timespec moment = {.tv_nsec = 20000000};
    enum { TRIES = 3000 };
    char holder[NS_CLAIM_HOLDER], *const path = ns_printf_alloc("%s.claim", index);
    int rc = path ? NS_OK : ns_oom(err, index);
    *claim = NULL;
    for (int i = 0; rc == NS_OK && !*claim && i < TRIES; i++) {
        if (i > 0)
            nanosleep(&moment, NULL);
        rc = ns_claim_take(claim, path, holder, err);
    }
    if (rc == NS_OK && !*claim)
        rc = ns_fail(err, NS_E_MEMORY, "%s: %s writes it for a minute; try again", index, holder);
    free(path);
    return rc;
}

/* What was checked before is checked once more: another scan may have begun meanwhile, with another run of that name. */
static int next_text(const ns_scan_params *p, const ns_scan_run *run, const char *path, char **text, ns_error *err)
{
    ns_scan_index x;
    *text = NULL;
    int rc = ns_scan_index_read(&x, p->out, run->name, err);
    rc = rc != NS_OK ? rc : check_run(&x, p, run, err);
    if (rc == NS_OK) {
        free(x.folder);
        x.folder = realpath(run->folder, NULL);
        rc = x.folder ? NS_OK : ns_fail_errno(err, NS_E_MISSING, run->folder, "cannot be read");
    }
    rc = rc != NS_OK ? rc : find_again(&x, p, run, err);
    snprintf(x.stamp, sizeof x.stamp, "%s", run->stamp);
    if (rc == NS_OK && !(*text = print_index(&x, run)))
        rc = ns_oom(err, path);
    ns_scan_index_clear(&x);
    return rc;
}

static int write_claimed(const ns_scan_params *p, const ns_scan_run *run, const char *path, ns_error *err)
{
    char *text;
    int rc = next_text(p, run, path, &text, err);
    if (rc == NS_OK && !holds(path, text))
        rc = ns_file_write(path, text, strlen(text), err);
    free(text);
    return rc;
}

/* Of a scan that was killed while it wrote: nobody else takes it over where nothing is to be written. */
static void sweep_claim(const char *index)
{
    char holder[NS_CLAIM_HOLDER], *const path = ns_printf_alloc("%s.claim", index);
    ns_claim *stale = NULL;
    if (path && ns_path_exists(path) && ns_claim_take(&stale, path, holder, NULL) == NS_OK)
        ns_claim_release(stale);                         /* NULL where it is live after all */
    free(path);
}

int ns_scan_index_write(const ns_scan_params *p, const ns_scan_run *run, ns_error *err)
{
    char *const path = index_path(p->out, run->name);
    ns_claim *claim = NULL;
    char *text = NULL;
    int rc = path ? next_text(p, run, path, &text, err) : ns_oom(err, p->out);
    if (rc == NS_OK && holds(path, text)) {              /* nothing is to be written, nor claimed: the disk may be read-only */
        sweep_claim(path);
    } else if (rc == NS_OK) {
        rc = claim_index(&claim, path, err);
        rc = rc != NS_OK ? rc : write_claimed(p, run, path, err);
    }
    ns_claim_release(claim);
    free(text);
    free(path);
    return rc;
}

/* ---- read as a series ---- */

static int add_item(ns_series *s, const ns_scan_entry *e, const char *folder, ns_error *err)
{
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return ns_oom(err, folder);
    ns_series_item *const item = &s->list[s->n++];
    *item = (ns_series_item){.path = e->path[0] ? ns_path_join(folder, e->path) : ns_strdup(folder), .label = ns_strdup(e->label),
                             .revision = e->revision ? ns_strdup(e->revision) : NULL, .stage = e->stage, .stage_step = e->key.step,
                             .step = e->step, .tokens = e->tokens, .other = e->other, .other_step = e->other ? e->other_step : 0};
    return item->path && item->label && (item->revision || !e->revision) ? NS_OK : ns_oom(err, folder);
}

static int add_left(ns_series *s, const ns_scan_left_out *of, ns_error *err)
{
    if (!ns_grow(&s->left_out, &s->left_capacity, s->n_left_out + 1, sizeof *s->left_out))
        return ns_oom(err, of->name);
    ns_series_left *const left = &s->left_out[s->n_left_out++];
    *left = (ns_series_left){ns_strdup(of->name), ns_strdup(of->why), of->no_checkpoint};
    return left->name && left->why ? NS_OK : ns_oom(err, of->name);
}

static int fill(ns_series *s, const ns_scan_index *x, const char *folder, bool *whole, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && *whole && i < x->n; i++) {
        *whole = x->list[i].gone || x->list[i].path;
        rc = *whole && !x->list[i].gone ? add_item(s, &x->list[i], folder, err) : NS_OK;
    }
    for (int64_t i = 0; rc == NS_OK && i < x->n_left_out; i++)
        rc = add_left(s, &x->left_out[i], err);
    return rc;
}

/* An index that cannot be read says nothing; the scan will say why. */
int ns_scan_index_series(ns_series *s, char stamp[65], const char *out, const char *run, const char *folder, ns_error *err)
{
    ns_scan_index x;
    stamp[0] = '\0';
    *s = (ns_series){0};
    int rc = ns_scan_index_read(&x, out, run, NULL);
    if (rc != NS_OK)
        return rc == NS_E_MEMORY ? ns_oom(err, out) : NS_OK;
    bool whole = x.stamp[0] && x.n && same_folder(x.folder, folder);
    rc = whole ? fill(s, &x, folder, &whole, err) : NS_OK;
    rc = rc == NS_OK && whole ? ns_series_stamp(s, folder, stamp, err) : rc;
    if (rc != NS_OK || strcmp(stamp, x.stamp) != 0)
        stamp[0] = '\0';
    if (!stamp[0])
        ns_series_clear(s);
    ns_scan_index_clear(&x);
    return rc;
}
