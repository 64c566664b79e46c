/* laboratory.c - plan -> folder and lock -> the table of stages (stages.c) -> the report. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <needlescope/machine.h>

#include "jobs.h"
#include "laboratory.h"

static int make_folders(const laboratory *lab, ns_error *err)
{
    static const char *const folders[] = {"", "cases", "configs", "runs", "scan", "lengths", "ablate", "figures", "log"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *const path = ns_laboratory_path(lab, "%s", folders[i]);
        const int rc = path ? ns_folder_make(path, err) : ns_oom(err, lab->dir);
        free(path);
        if (rc != NS_OK)
            return rc;
    }
    return NS_OK;
}

/* One call works in a folder; children of a killed one hold the lock until they are done, since two trainers must not share a run. */
int ns_laboratory_lock(laboratory *lab, ns_error *err)
{
    const ns_laboratory_params *const p = lab->params;
    char *const path = ns_laboratory_path(lab, "lock");
    if (!path)
        return ns_oom(err, lab->dir);
    lab->lock = ns_place_open(path, O_RDWR, err);
    free(path);
    if (lab->lock < 0)
        return lab->lock;
    (void)fcntl(lab->lock, F_SETFD, 0);            /* children have it, too */
    if (flock(lab->lock, LOCK_EX | LOCK_NB) == 0)
        return NS_OK;
    ns_laboratory_say(lab, NS_LABORATORY_NOTE, "%s: another call, or children of one that was killed, are at work; waiting for them",
                      lab->dir);
    while (flock(lab->lock, LOCK_EX | LOCK_NB) != 0) {
        if ((p->cancelled && p->cancelled(p->user)) || (errno != EWOULDBLOCK && errno != EINTR))
            return ns_fail(err, NS_E_IO, "%s/lock: %s", lab->dir, strerror(errno));
        usleep(100000);
    }
    return NS_OK;
}

int ns_laboratory_find_protocol(const laboratory *lab, bool *there, ns_error *err)
{
    char *const text = ns_json_print(lab->protocol, true), *const path = ns_laboratory_path(lab, "protocol.json"), *before = NULL;
    int rc = text && path ? NS_OK : ns_oom(err, "the protocol");
    *there = rc == NS_OK && ns_path_exists(path);
    if (*there)
        rc = ns_file_read(path, 1 << 20, &before, NULL, err);
    if (rc == NS_OK && before && strcmp(before, text) != 0)
        rc = ns_fail(err, NS_E_ARG, "%s holds the results of another protocol: name another folder (-o)", lab->dir);
    free(before);
    free(path);
    free(text);
    return rc;
}

/* A folder belongs to one protocol: what it says is kept beside the results. */
int ns_laboratory_keep_protocol(const laboratory *lab, ns_error *err)
{
    bool there;
    int rc = ns_laboratory_find_protocol(lab, &there, err);
    if (rc != NS_OK || there)
        return rc;
    char *const text = ns_json_print(lab->protocol, true), *const path = ns_laboratory_path(lab, "protocol.json");
    rc = text && path ? ns_file_write(path, text, strlen(text), err) : ns_oom(err, "the protocol");
    free(path);
    free(text);
    return rc;
}

static int run_stages(laboratory *lab, ns_error *err)
{
    int rc = make_folders(lab, err);
    rc = rc != NS_OK ? rc : ns_laboratory_lock(lab, err);
    rc = rc != NS_OK ? rc : ns_laboratory_keep_protocol(lab, err);
    for (const lab_stage *stage = ns_laboratory_stages; stage->name && rc == NS_OK; stage++) {
        ns_laboratory_say(lab, NS_LABORATORY_DETAIL, "stage %s", stage->name);
        rc = stage->run(lab, err);
    }
    if (lab->lock >= 0)
        close(lab->lock);
    return rc;
}

static void report(laboratory *lab, ns_laboratory_report *out)
{
    *out = (ns_laboratory_report){.size = out->size, .text = lab->text, .json = lab->json, .runs = lab->n_runs, .failures = lab->failures};
    lab->text = lab->json = NULL;
    for (int64_t i = 0; i < lab->n_runs; i++)
        out->measured += lab->results[i].measured;
}

int ns_laboratory_run(ns_laboratory_report *out, const ns_laboratory_params *p, ns_error *err)
{
    ns_laboratory_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_laboratory_params", err);
    if (rc == NS_OK && out->size != sizeof *out)
        rc = ns_fail(err, NS_E_ARG, "ns_laboratory_report: its size field is %zu, not %zu", out->size, sizeof *out);
    if (rc != NS_OK)
        return rc;
    p = &params;
    laboratory lab = {.lock = -1, .cores = p->cores > 0 ? p->cores : ns_machine_cpus()};
    *out = (ns_laboratory_report){.size = out->size};
    rc = ns_laboratory_plan(&lab, p, err);
    rc = rc != NS_OK ? rc : run_stages(&lab, err);
    if (rc == NS_OK)
        report(&lab, out);
    ns_laboratory_clear(&lab);
    return rc == NS_OK && (out->failures || out->measured < out->runs) ? NS_STOP : rc;
}

void ns_laboratory_report_clear(ns_laboratory_report *r)
{
    free(r->text);
    free(r->json);
    *r = (ns_laboratory_report){.size = r->size};
}
