/* scan_status.c - how far a scan's folder is, from its index and the files in it: of a shard the first bytes are read, and nothing is
 * written. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>
#include <needlescope/scan.h>

#include "scan_index.h"
#include "scan_shard.h"

static char *beside(const char *out, const char *run, ns_scan_key key, const char *ending)
{
    char *const folder = ns_printf_alloc("%s/shards/%s", out, run), *const path = folder ? ns_scan_file(folder, key, ending) : NULL;
    free(folder);
    return path;
}

/* The first line of the note. */
static int read_reason(const char *note, char **why, ns_error *err)
{
    enum { LARGEST = 1 << 16 };
    char *text = NULL;
    const int rc = ns_file_read(note, LARGEST, &text, NULL, NULL);
    if (rc == NS_OK)
        text[strcspn(text, "\n")] = '\0';
    *why = rc == NS_OK ? text : ns_strdup("the reason cannot be read");
    return *why && rc != NS_E_MEMORY ? NS_OK : ns_oom(err, note);
}

static int say_cut(ns_scan_one *one, ns_error *err)
{
    one->why = ns_strdup("its file of scores was cut, and is none: the next scan makes it again");
    return one->why ? NS_OK : ns_oom(err, one->label);
}

/* A failure counts also where older scores lie beside it. */
static int find_state(const char *const paths[4], ns_scan_one *one, ns_error *err)
{
    char holder[NS_CLAIM_HOLDER];
    if (ns_claim_held(paths[0], holder)) {
        one->state = NS_SCAN_IN_HAND;
        one->why = ns_strdup(holder);
        return one->why ? NS_OK : ns_oom(err, paths[0]);
    }
    const bool there = ns_path_exists(paths[2]), cut = there && !ns_file_is_uncut(paths[2]);
    one->state = ns_path_exists(paths[1]) ? NS_SCAN_FAILED : there && !cut ? NS_SCAN_DONE : NS_SCAN_WAITS;
    if (one->state == NS_SCAN_DONE)
        one->why = ns_scan_seen_unread(paths[3]);
    return one->state == NS_SCAN_FAILED ? read_reason(paths[1], &one->why, err) : cut ? say_cut(one, err) : NS_OK;
}

static int look_at(ns_scan_one *one, const char *out, ns_scan_key key, ns_error *err)
{
    static const char *const endings[] = {"claim", "failed", "h5", "seen"};
    char *paths[4];
    bool room = true;
    for (int i = 0; i < 4; i++)
        room &= (paths[i] = beside(out, one->run, key, endings[i])) != NULL;
    const int rc = room ? find_state((const char *const *)paths, one, err) : ns_oom(err, out);
    for (int i = 0; i < 4; i++)
        free(paths[i]);
    return rc;
}

static int add_one(ns_scan_status *s, const char *run, const ns_scan_entry *e, const char *out, ns_error *err)
{
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return ns_oom(err, run);
    ns_scan_one *const one = &s->list[s->n++];
    *one = (ns_scan_one){.run = ns_strdup(run), .label = ns_strdup(e->label), .step = e->step,
                         .state = e->gone ? NS_SCAN_GONE : NS_SCAN_NOT_TAKEN};
    int rc = one->run && one->label ? NS_OK : ns_oom(err, run);
    if (rc == NS_OK && !e->gone && e->taken)
        rc = look_at(one, out, e->key, err);
    s->count[one->state]++;
    s->unread += one->state == NS_SCAN_DONE && one->why;
    return rc;
}

static int add_left(ns_scan_status *s, const char *run, const ns_scan_left_out *left, ns_error *err)
{
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return ns_oom(err, run);
    ns_scan_one *const one = &s->list[s->n++];
    *one = (ns_scan_one){.run = ns_strdup(run), .label = ns_strdup(left->name), .step = -1,
                         .state = left->no_checkpoint ? NS_SCAN_NO_CHECKPOINT : NS_SCAN_LEFT_OUT, .why = ns_strdup(left->why)};
    s->count[one->state]++;
    return one->run && one->label && one->why ? NS_OK : ns_oom(err, run);
}

static int add_run(ns_scan_status *s, const char *out, const char *run, ns_error *err)
{
    ns_scan_index x;
    int rc = ns_scan_index_read(&x, out, run, err);
    s->n_runs++;
    for (int64_t i = 0; rc == NS_OK && i < x.n; i++)
        rc = add_one(s, run, &x.list[i], out, err);
    for (int64_t i = 0; rc == NS_OK && i < x.n_left_out; i++)
        rc = add_left(s, run, &x.left_out[i], err);
    ns_scan_index_clear(&x);
    return rc;
}

static int find_index(const char *out, char **folder, ns_error *err)
{
    static const char *const wanted = "a scan folder (needlescope scan -o makes one)";
    *folder = ns_path_join(out, "index");
    if (!*folder)
        return ns_oom(err, out);
    const int rc = ns_path_is_dir(*folder) ? NS_OK : ns_fail(err, NS_E_MISSING, "%s: %s, and %s is wanted", out,
                                                             ns_path_exists(out) ? "holds no index" : "there is no such folder", wanted);
    return ns_kind_fail(err, rc, out, NS_KINDS(NS_KIND_SCAN), wanted);
}

int ns_scan_status_read(ns_scan_status *s, const char *out, ns_error *err)
{
    char *folder, **names = NULL;
    int64_t n = 0;
    *s = (ns_scan_status){0};
    int rc = find_index(out, &folder, err);
    rc = rc != NS_OK ? rc : ns_folder_list(&names, &n, folder, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        if (!ns_ends(names[i], ".json"))
            continue;
        names[i][strlen(names[i]) - strlen(".json")] = '\0';
        rc = add_run(s, out, names[i], err);
    }
    if (rc != NS_OK)
        ns_scan_status_clear(s);
    ns_free_strings(names, n);
    free(folder);
    return rc;
}

void ns_scan_status_clear(ns_scan_status *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        free(s->list[i].run);
        free(s->list[i].label);
        free(s->list[i].why);
    }
    free(s->list);
    *s = (ns_scan_status){0};
}
