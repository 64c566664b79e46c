/* runs.c - folders that were named -> the runs in them: what each is of, the last step that all of them have, their architectures and
 * seeds. Without a folder: the runs of the committed protocol. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/lab.h>
#include <needlescope/open.h>

#include "lab/page.h"

#include "paper.h"

enum { LARGEST = 1 << 20, LARGEST_PAGE = 1 << 28, DEPTH = 8 };

/* ---- one run ---- */

static paper_kind kind_of(const char *pattern, bool nope)
{
    if (nope)
        return PAPER_NOPE;
    if (ns_laboratory_recurs(pattern))
        return PAPER_RECURRENT;
    return strchr(pattern, 'H') ? PAPER_HEADS : strpbrk(pattern, "Ss") ? PAPER_WINDOW : PAPER_FULL;
}

static int64_t step_of(const char *entry)
{
    char *end;
    if (!ns_starts(entry, "step"))
        return -1;
    const long long step = strtoll(entry + 4, &end, 10);
    return end > entry + 4 && !*end ? step : -1;
}

/* The newest stepNNNNNN, 0: none; is `wanted` among them? */
static int find_steps(const char *folder, int64_t wanted, int64_t *newest, bool *there, ns_error *err)
{
    char **entries = NULL;
    int64_t n = 0;
    const int rc = ns_folder_list(&entries, &n, folder, err);
    *newest = 0;
    *there = false;
    for (int64_t i = 0; i < n; i++) {
        const int64_t step = step_of(entries[i]);
        *newest = step > *newest ? step : *newest;
        *there |= step == wanted;
    }
    ns_free_strings(entries, n);
    return rc;
}

static int read_coords(paper_run *run, const cJSON *root, const char *path, ns_error *err)
{
    const cJSON *const coords = cJSON_GetObjectItemCaseSensitive(root, "coords");
    const char *name = NULL, *pattern = NULL;
    int64_t nope = 0;
    int rc = ns_json_str(root, "name", &name, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(coords, "pattern", &pattern, path, err);
    if (rc == NS_OK && (!name || !pattern))
        return ns_fail(err, NS_E_ARG, "%s: names no pattern of layers: paper takes runs that `needlescope train` made", path);
    rc = rc != NS_OK ? rc : ns_json_i64(coords, "window", 0, &run->window, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(coords, "seed", 0, &run->seed, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(coords, "nope", 0, &nope, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(root, "tokens_per_step", 0, &run->tokens_per_step, path, err);
    if (rc != NS_OK)
        return rc;
    run->nope = nope != 0;
    run->name = ns_strdup(name);
    run->pattern = ns_strdup(pattern);
    return run->name && run->pattern ? NS_OK : ns_oom(err, path);
}

static int read_shape(paper_run *run, ns_error *err)
{
    char *const model = ns_printf_alloc("%s/step%06lld", run->folder, (long long)run->last);
    ns_opened *opened = NULL;
    const ns_open_params params = {.size = sizeof params, .path = model, .want = NS_OPEN_ARCH};
    const int rc = model ? ns_open(&opened, &params, err) : ns_oom(err, run->folder);
    if (rc == NS_OK) {
        const ns_arch *const a = opened->arch;
        run->n_layers = a->n_layers;
        run->n_heads = ns_arch_max_heads(a);
        run->d_model = a->d_model;
        run->vocab = a->vocab;
    }
    ns_close(opened);
    free(model);
    return rc;
}

static int same_shape(const paper_run *first, const paper_run *run, ns_error *err)
{
    if (run->vocab != NS_LAB_VOCAB)
        return ns_fail(err, NS_E_ARG, "%s: a vocabulary of %lld tokens: paper takes runs in the laboratory's language, of %d", run->folder,
                       (long long)run->vocab, (int)NS_LAB_VOCAB);
    if (run->n_layers != first->n_layers || run->n_heads != first->n_heads || run->d_model != first->d_model)
        return ns_fail(err, NS_E_ARG, "%s: %lld layers of %lld heads and width %lld, %s has %lld of %lld and %lld: one shape at a time",
                       run->folder, (long long)run->n_layers, (long long)run->n_heads, (long long)run->d_model, first->folder,
                       (long long)first->n_layers, (long long)first->n_heads, (long long)first->d_model);
    if (run->tokens_per_step != first->tokens_per_step)
        return ns_fail(err, NS_E_ARG, "%s: %lld tokens a step, %s has %lld: births in steps could not be compared", run->folder,
                       (long long)run->tokens_per_step, first->folder, (long long)first->tokens_per_step);
    return NS_OK;
}

static int fill_run(paper_run *run, const char *folder, ns_error *err)
{
    bool any;
    cJSON *root = NULL;
    char *const path = ns_path_join(folder, "run.json");
    run->folder = ns_strdup(folder);
    for (int i = 0; i < PAPER_MEASURES; i++)
        run->value[i] = (double)NAN;
    int rc = path && run->folder ? ns_json_read(&root, path, LARGEST, DEPTH, err) : ns_oom(err, folder);
    rc = rc != NS_OK ? rc : read_coords(run, root, path, err);
    rc = rc != NS_OK ? rc : find_steps(folder, 0, &run->last, &any, err);
    if (rc == NS_OK && run->last < 1)
        rc = ns_fail(err, NS_E_ARG, "%s: a run without a checkpoint behind its first step", folder);
    rc = rc != NS_OK ? rc : read_shape(run, err);
    cJSON_Delete(root);
    free(path);
    return rc;
}

static paper_run *new_run(paper *p)
{
    if (!ns_grow(&p->runs, &p->capacity, p->n_runs + 1, sizeof *p->runs))
        return NULL;
    p->runs[p->n_runs] = (paper_run){.arm = -1};
    return &p->runs[p->n_runs++];
}

static int add_run(paper *p, const char *folder, ns_error *err)
{
    paper_run *const run = new_run(p);
    const int rc = run ? fill_run(run, folder, err) : ns_oom(err, folder);
    return rc != NS_OK ? rc : same_shape(&p->runs[0], run, err);
}

/* ---- folders ---- */

static bool is_run(const char *folder)
{
    return ns_folder_holds(folder, (const char *const[]){"run.json", NULL}) != NULL;
}

/* Each run.json below it, one deep; or of a laboratory's folder those in runs/. */
static int add_folder(paper *p, const char *folder, ns_error *err)
{
    char *const inner = ns_path_join(folder, "runs");
    char **entries = NULL;
    int64_t n = 0, found = 0;
    const char *const at = inner && ns_path_is_dir(inner) ? inner : folder;
    int rc = !inner ? ns_oom(err, folder) : ns_path_is_dir(folder) ? ns_folder_list(&entries, &n, at, err)
           : ns_fail(err, NS_E_ARG, "%s: %s, not a folder of a training run", folder,
                     ns_path_exists(folder) ? ns_path_kind(folder) : "is not there");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        char *const run = ns_path_join(at, entries[i]);
        rc = run ? NS_OK : ns_oom(err, at);
        if (rc == NS_OK && is_run(run)) {
            found++;
            rc = add_run(p, run, err);
        }
        free(run);
    }
    if (rc == NS_OK && !found)
        rc = ns_fail(err, NS_E_ARG, "%s: no training run (needlescope train leaves a run.json), and no folder of them", folder);
    ns_free_strings(entries, n);
    free(inner);
    return rc;
}

static int add_named(paper *p, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < p->params->n_runs && rc == NS_OK; i++)
        rc = is_run(p->params->runs[i]) ? add_run(p, p->params->runs[i], err) : add_folder(p, p->params->runs[i], err);
    return rc;
}

/* Those of the protocol: their folders may not be there yet. */
static int add_planned(paper *p, ns_error *err)
{
    for (int64_t i = 0; i < p->lab.n_runs; i++) {
        const lab_run *const planned = &p->lab.runs[i];
        paper_run *const run = new_run(p);
        if (!run)
            return ns_oom(err, "the list of runs");
        *run = (paper_run){.name = ns_strdup(planned->name), .folder = ns_laboratory_path(&p->lab, "runs/%s", planned->name),
                           .pattern = ns_strdup(planned->pattern), .window = planned->window, .seed = planned->seed,
                           .last = p->lab.steps, .nope = planned->nope, .arm = -1};
        for (int m = 0; m < PAPER_MEASURES; m++)
            run->value[m] = (double)NAN;
        if (!run->name || !run->folder || !run->pattern)
            return ns_oom(err, "the list of runs");
    }
    p->trained = true;
    return NS_OK;
}

/* ---- seeds, architectures, the last step ---- */

static int compare_seeds(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int list_seeds(paper *p, ns_error *err)
{
    p->seeds = ns_alloc_array((size_t)p->n_runs, sizeof *p->seeds);
    if (!p->seeds)
        return ns_oom(err, "seeds");
    for (int64_t i = 0; i < p->n_runs; i++) {
        bool known = false;
        for (int64_t s = 0; s < p->n_seeds; s++)
            known |= p->seeds[s] == p->runs[i].seed;
        if (!known)
            p->seeds[p->n_seeds++] = p->runs[i].seed;
    }
    qsort(p->seeds, (size_t)p->n_seeds, sizeof *p->seeds, compare_seeds);
    return NS_OK;
}

static void free_run(paper_run *run)
{
    free(run->name);
    free(run->folder);
    free(run->pattern);
}

/* --seeds N: the first N of those that there are. */
static void keep_seeds(paper *p)
{
    if (p->params->seeds < 1 || p->params->seeds >= p->n_seeds)
        return;
    const int64_t last = p->seeds[p->params->seeds - 1];
    int64_t kept = 0;
    for (int64_t i = 0; i < p->n_runs; i++) {
        if (p->runs[i].seed > last)
            free_run(&p->runs[i]);
        else
            p->runs[kept++] = p->runs[i];
    }
    p->n_runs = kept;
    p->n_seeds = p->params->seeds;
}

static int compare_arms(const void *a, const void *b)
{
    const paper_arm *const x = a, *const y = b;
    if (x->kind != y->kind)
        return (x->kind > y->kind) - (x->kind < y->kind);
    return x->window != y->window ? (x->window > y->window) - (x->window < y->window) : strcmp(x->pattern, y->pattern);
}

static bool in_arm(const paper_run *run, const paper_arm *arm)
{
    const bool windowed = strpbrk(run->pattern, "SH") != NULL;
    return strcmp(run->pattern, arm->pattern) == 0 && kind_of(run->pattern, run->nope) == arm->kind &&
           (!windowed || run->window == arm->window);
}

static void find_arm(paper *p, paper_run *run)
{
    run->arm = -1;
    for (int64_t a = 0; a < p->n_arms; a++)
        if (in_arm(run, &p->arms[a]))
            run->arm = a;
}

static void name_arm(paper_arm *arm, const paper_run *run)
{
    const char *const nope = run->nope ? " NoPE" : "";
    if (strpbrk(run->pattern, "SH"))
        snprintf(arm->text, sizeof arm->text, "%.40s W=%lld%s", run->pattern, (long long)run->window, nope);
    else
        snprintf(arm->text, sizeof arm->text, "%.40s%s", run->pattern, nope);
    ns_utf8_whole(arm->text);
}

static int list_arms(paper *p, ns_error *err)
{
    p->arms = ns_alloc_array((size_t)p->n_runs, sizeof *p->arms);
    if (!p->arms)
        return ns_oom(err, "architectures");
    for (int64_t i = 0; i < p->n_runs; i++) {
        const paper_run *const run = &p->runs[i];
        find_arm(p, &p->runs[i]);
        if (run->arm >= 0)
            continue;
        paper_arm *const arm = &p->arms[p->n_arms++];
        *arm = (paper_arm){.pattern = run->pattern, .window = run->window, .kind = kind_of(run->pattern, run->nope)};
        name_arm(arm, run);
    }
    qsort(p->arms, (size_t)p->n_arms, sizeof *p->arms, compare_arms);
    for (int64_t i = 0; i < p->n_runs; i++)
        find_arm(p, &p->runs[i]);
    return NS_OK;
}

static int check_pairs(const paper *p, ns_error *err)
{
    for (int64_t i = 0; i < p->n_runs; i++)
        for (int64_t k = 0; k < i; k++) {
            const paper_run *const a = &p->runs[k], *const b = &p->runs[i];
            if (a->arm == b->arm && a->seed == b->seed)
                return ns_fail(err, NS_E_ARG, "%s and %s are both %s with seed %lld: one run of each architecture and seed", a->folder,
                               b->folder, p->arms[a->arm].text, (long long)a->seed);
            if (strcmp(a->name, b->name) == 0)
                return ns_fail(err, NS_E_ARG, "%s and %s are both called %s: files of a run have its name", a->folder, b->folder, a->name);
        }
    return NS_OK;
}

/* What paper writes has the names of its stages, and what lies in a run or beside it would be taken for a part of the runs. */
static int check_apart(const paper *p, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < p->n_runs && rc == NS_OK; i++) {
        const char *const run = p->runs[i].folder;
        char *const beside = ns_path_join(run, "..");
        if (!beside)
            rc = ns_oom(err, run);
        else if (ns_path_inside(p->lab.dir, run) || ns_path_is_same(p->lab.dir, beside))
            rc = ns_fail(err, NS_E_ARG, "%s: paper writes to a folder of its own, and the run %s %s (-o DIR)", p->lab.dir, run,
                         ns_path_inside(p->lab.dir, run) ? "is read there" : "lies in it");
        free(beside);
    }
    return rc;
}

/* A file or folder of paper's names, in a folder that has no protocol of ours, is somebody's. */
static int check_is_ours(const paper *p, ns_error *err)
{
    static const char *const written[] = {"paper.md", "paper.json", "study.h5", "trace.h5", "figures", "cases", "configs", "log"};
    const size_t n = sizeof written / sizeof *written;
    int rc = NS_OK;
    for (size_t i = 0; rc == NS_OK && (i < n || ns_paper_folders[i - n]); i++) {
        char *const path = ns_laboratory_path(&p->lab, "%s", i < n ? written[i] : ns_paper_folders[i - n]);
        if (!path)
            rc = ns_oom(err, p->lab.dir);
        else if (ns_path_exists(path))
            rc = ns_fail(err, NS_E_CREATE, "%s is there, and not of paper, which leaves a protocol.json beside it: name another folder "
                                           "(-o)", path);
        free(path);
    }
    return rc;
}

/* paper.md and paper.json are replaced where they are such; what was written by hand is not. */
static int check_page(const paper *p, const char *name, const char *begins, ns_error *err)
{
    char *const path = ns_laboratory_path(&p->lab, "%s", name), *text = NULL;
    int rc = path ? NS_OK : ns_oom(err, name);
    if (rc == NS_OK && ns_path_exists(path))
        rc = ns_file_read(path, LARGEST_PAGE, &text, NULL, err);
    if (rc == NS_OK && text && *text && !ns_starts(text, begins))
        rc = ns_fail(err, NS_E_CREATE, "%s would be replaced, and is no page that paper wrote: move it, or name another folder (-o)", path);
    free(text);
    free(path);
    return rc;
}

/* Files of a run have its name: one of another folder left its numbers here, and a scan of this one would be refused in the end. */
static int check_same_run(const paper *p, const paper_run *run, ns_error *err)
{
    char *const index = ns_laboratory_path(&p->lab, "scan/index/%s.json", run->name);
    cJSON *root = NULL;
    const char *folder = NULL;
    int rc = index ? NS_OK : ns_oom(err, run->name);
    if (rc == NS_OK && ns_path_exists(index))
        rc = ns_json_read(&root, index, LARGEST_PAGE, DEPTH, err);
    if (rc == NS_OK && root)
        rc = ns_json_str(root, "folder", &folder, index, err);
    if (rc == NS_OK && folder && ns_path_is_dir(folder) && !ns_path_is_same(folder, run->folder))
        rc = ns_fail(err, NS_E_ARG, "%s holds the numbers of another run '%s', of %s: name another folder (-o)", p->lab.dir, run->name,
                     folder);
    cJSON_Delete(root);
    free(index);
    return rc;
}

static int check_folder(const paper *p, ns_error *err)
{
    bool ours;
    if (ns_path_exists(p->lab.dir) && !ns_path_is_dir(p->lab.dir))
        return ns_fail(err, NS_E_CREATE, "%s: %s, not a folder to work in (-o DIR)", p->lab.dir, ns_path_kind(p->lab.dir));
    int rc = check_apart(p, err);
    rc = rc != NS_OK ? rc : ns_laboratory_find_protocol(&p->lab, &ours, err);
    rc = rc != NS_OK || ours ? rc : check_is_ours(p, err);
    rc = rc != NS_OK ? rc : check_page(p, "paper.md", ns_paper_title, err);
    rc = rc != NS_OK ? rc : check_page(p, "paper.json", "{\n\t\"schema\":\t\"" PAPER_SCHEMA "\"", err);
    for (int64_t i = 0; i < p->n_runs && rc == NS_OK; i++)
        rc = check_same_run(p, &p->runs[i], err);
    return rc;
}

/* Final is the last step that every run has; in the laboratory's terms, its horizon. */
static int find_step(paper *p, ns_error *err)
{
    const int64_t length = p->lab.length;
    if (!p->trained && (p->runs[0].tokens_per_step < length || p->runs[0].tokens_per_step % length != 0))
        return ns_fail(err, NS_E_ARG, "%s: %lld tokens a step are no whole sequences of %lld, the length of our cases", p->runs[0].folder,
                       (long long)p->runs[0].tokens_per_step, (long long)length);
    if (!p->trained)
        p->lab.batch = p->runs[0].tokens_per_step / length;
    p->step = p->runs[0].last;
    for (int64_t i = 1; i < p->n_runs; i++)
        p->step = p->runs[i].last < p->step ? p->runs[i].last : p->step;
    int rc = NS_OK;
    for (int64_t i = 0; i < p->n_runs && !p->trained && rc == NS_OK; i++) {
        int64_t newest;
        bool there;
        rc = find_steps(p->runs[i].folder, p->step, &newest, &there, err);
        if (rc == NS_OK && !there)
            rc = ns_fail(err, NS_E_ARG, "%s: has no step%06lld, the last that a shorter run has: train both to one step",
                         p->runs[i].folder, (long long)p->step);
    }
    p->lab.steps = p->step;
    return rc;
}

int ns_paper_find_runs(paper *p, ns_error *err)
{
    int rc = p->params->n_runs ? add_named(p, err) : add_planned(p, err);
    rc = rc != NS_OK ? rc : list_seeds(p, err);
    if (rc == NS_OK)
        keep_seeds(p);
    rc = rc != NS_OK ? rc : list_arms(p, err);
    rc = rc != NS_OK ? rc : check_pairs(p, err);
    rc = rc != NS_OK ? rc : check_folder(p, err);
    return rc != NS_OK ? rc : find_step(p, err);
}

void ns_paper_clear(paper *p)
{
    for (int64_t i = 0; i < p->n_runs; i++)
        free_run(&p->runs[i]);
    free(p->runs);
    free(p->arms);
    free(p->seeds);
    ns_stream_drop(p->plan);
    cJSON_Delete(p->plan_json);
    ns_laboratory_clear(&p->lab);
}

/* ---- what a claim asks for ---- */

const paper_run *ns_paper_run_of(const paper *p, int64_t arm, int64_t seed)
{
    for (int64_t i = 0; i < p->n_runs; i++)
        if (p->runs[i].arm == arm && arm >= 0 && p->runs[i].seed == seed)
            return &p->runs[i];
    return NULL;
}

double ns_paper_value(const paper *p, int64_t arm, int64_t seed, paper_measure m)
{
    const paper_run *const run = ns_paper_run_of(p, arm, seed);
    return run ? run->value[m] : (double)NAN;
}

int64_t ns_paper_arm(const paper *p, paper_kind kind, bool largest)
{
    int64_t found = -1;
    for (int64_t a = 0; a < p->n_arms; a++)
        if (p->arms[a].kind == kind && (found < 0 || largest))
            found = a;
    return found;
}
