/* run_config.c - CONFIG.json of a run, and run.json, by which its folder is known and held against the config.
 *     {"name", "coords", "corpus": {"file", "width"}, "checkpoint_every", "validation_sequences", "validation_seed", "model",
 *      "train": {...}} */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <needlescope/probe.h>

#include "core/coords.h"
#include "run.h"

enum { LARGEST_CONFIG = 1 << 20, DEPTH = 8 };

static int unknown_key(const cJSON *object, const char *const *known, const char *label, ns_error *err)
{
    int n = 0;
    while (known[n])
        n++;
    const int rc = ns_json_keys(object, known, n, NS_E_ARG, "model and optimiser go into \"train\"", label, err);
    return rc != NS_OK ? rc : ns_json_no_null(object, label, err);
}

/* A file is looked for beside the config. */
static char *beside(const char *config, const char *file)
{
    const char *const base = ns_path_base(config);
    return file[0] == '/' || base == config ? ns_strdup(file) : ns_printf_alloc("%.*s%s", (int)(base - config), config, file);
}

static int read_corpus(ns_run *run, const cJSON *corpus, const char *path, ns_error *err)
{
    static const char *const known[] = {"file", "width", NULL};
    const char *file = NULL;
    int64_t width = 2;
    if (!corpus)
        return NS_OK;
    if (!cJSON_IsObject(corpus))
        return ns_fail(err, NS_E_FORMAT, "%s: corpus is an object {\"file\": \"tokens.u16\", \"width\": 2}", path);
    int rc = unknown_key(corpus, known, path, err);
    if (rc == NS_OK)
        rc = ns_json_str(corpus, "file", &file, path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(corpus, "width", 2, &width, path, err);
    if (rc == NS_OK && !file)
        return ns_fail(err, NS_E_ARG, "%s: corpus names no file (leave it out for the laboratory's language)", path);
    if (rc == NS_OK && width != 2 && width != 4)
        return ns_fail(err, NS_E_ARG, "%s: corpus ids have 2 or 4 bytes, not %lld", path, (long long)width);
    if (rc == NS_OK && file) {
        run->corpus_file = beside(path, file);
        run->corpus_width = (int)width;
        rc = run->corpus_file ? NS_OK : ns_oom(err, path);
    }
    return rc;
}

/* With the model's number of positions, where there is a model: those that letters have by default are not its. */
static char *train_text(const ns_run *run, const cJSON *train)
{
    cJSON *const own = train ? cJSON_Duplicate(train, true) : cJSON_CreateObject();
    bool ok = own != NULL;
    if (ok && run->model && cJSON_IsObject(own) && !cJSON_HasObjectItem(own, "max_positions"))
        ok = cJSON_AddNumberToObject(own, "max_positions", (double)ns_train_model_positions(run->model)) != NULL;
    char *const text = ok ? ns_json_print(own, false) : NULL;
    cJSON_Delete(own);
    return text;
}

static int read_train(ns_run *run, const cJSON *train, const char *path, const ns_run_params *p, ns_error *err)
{
    char *const text = train_text(run, train);
    if (!text)
        return ns_oom(err, path);
    int rc = ns_train_config_from_json(&run->train, text, strlen(text), path, err);
    free(text);
    if (rc == NS_OK && run->model)
        rc = ns_train_config_give(&run->train, run->model, path, err);
    if (rc != NS_OK)
        return rc;
    if (p->own_seed)
        run->train.seed = p->seed;
    if (p->steps > 0)
        run->train.steps = p->steps;
    if (!run->corpus_file && run->train.vocab < NS_LAB_VOCAB)
        return ns_fail(err, NS_E_ARG, "%s: a vocabulary of %lld tokens, the laboratory's language has %d", path,
                       (long long)run->train.vocab, (int)NS_LAB_VOCAB);
    return ns_train_config_check(&run->train, path, err);
}

/* A model that is no pattern: a description or config.json (weights begin anew), or a checkpoint to go on from. */
static int read_model(ns_run *run, const cJSON *root, const char *path, ns_error *err)
{
    const char *file = NULL;
    int rc = ns_json_str(root, "model", &file, path, err);
    if (rc == NS_OK && file && (!*file || strlen(file) >= PATH_MAX))
        rc = ns_fail(err, NS_E_ARG, "%s: 'model' is %s: it names a description, a config.json or a checkpoint (without it: letters)", path,
                     *file ? "longer than a path can be" : "empty");
    char *const found = rc == NS_OK && file ? beside(path, file) : NULL;
    if (rc == NS_OK && file)
        rc = found ? ns_train_model_open(&run->model, found, err) : ns_oom(err, path);
    free(found);
    return rc;
}

/* What a study shows of a run. A seed given on the command line is the seed. */
static int read_coords(ns_run *run, const cJSON *coords, const char *path, ns_error *err)
{
    const int rc = ns_coords_check(coords, path, err);
    if (rc != NS_OK)
        return rc;
    for (const cJSON *item = coords ? coords->child : NULL; item; item = item->next) {
        if (!cJSON_IsNumber(item) && !cJSON_IsString(item))
            return ns_fail(err, NS_E_FORMAT, "%s: coords: %.80s is neither a number nor a text", path, item->string);
        if (ns_coordinate_name_is_taken(item->string))
            return ns_fail(err, NS_E_FORMAT, "%s: coords: '%s' is the name of something else in a study (choose another)", path,
                           item->string);
    }
    run->coords = coords ? cJSON_Duplicate(coords, true) : cJSON_CreateObject();
    bool ok = run->coords != NULL;
    const bool letters = !run->model;
    if (ok && letters && !cJSON_HasObjectItem(run->coords, "pattern"))
        ok = cJSON_AddStringToObject(run->coords, "pattern", run->train.pattern);
    if (ok && letters && !cJSON_HasObjectItem(run->coords, "window"))
        ok = cJSON_AddNumberToObject(run->coords, "window", (double)run->train.window);
    if (ok && letters && !cJSON_HasObjectItem(run->coords, "nope"))
        ok = cJSON_AddNumberToObject(run->coords, "nope", run->train.nope);
    cJSON_DeleteItemFromObjectCaseSensitive(run->coords, "seed");
    return ok && cJSON_AddNumberToObject(run->coords, "seed", (double)run->train.seed) ? NS_OK : ns_oom(err, path);
}

static int hash_run(ns_run *run, ns_error *err)
{
    char model[65];
    int rc = ns_train_config_sha256(&run->train, model, err);
    if (rc != NS_OK)
        return rc;
    char *const coords = ns_json_print(run->coords, false);
    char *const text = coords ? ns_printf_alloc("train %s\ncorpus %s %d\ncheckpoint_every %lld\nvalidation %lld %lld\nname %s\ncoords %s\n",
                                                model, run->corpus_file ? ns_path_base(run->corpus_file) : "lab", run->corpus_width,
                                                (long long)run->checkpoint_every, (long long)run->validation_sequences,
                                                (long long)run->validation_seed, run->name, coords)
                              : NULL;
    if (text)
        ns_sha256_of(text, strlen(text), run->sha256);
    rc = text ? NS_OK : ns_oom(err, "the config of a run");
    free(text);
    free(coords);
    return rc;
}

static int read_run(ns_run *run, const cJSON *root, const ns_run_params *p, ns_error *err)
{
    const char *const path = p->config;
    static const char *const known[] = {"name",  "coords", "corpus", "checkpoint_every", "validation_sequences", "validation_seed",
                                        "train", "model", NULL};
    const char *own_name = NULL;
    if (!cJSON_IsObject(root))
        return ns_fail(err, NS_E_FORMAT, "%s: a run's config is an object {\"train\": {...}}", path);
    int rc = unknown_key(root, known, path, err);
    if (rc == NS_OK)
        rc = ns_json_str(root, "name", &own_name, path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(root, "checkpoint_every", 20, &run->checkpoint_every, path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(root, "validation_sequences", 64, &run->validation_sequences, path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(root, "validation_seed", 7, &run->validation_seed, path, err);
    if (rc == NS_OK && (run->checkpoint_every < 1 || run->validation_sequences < 1 || run->validation_sequences > 1 << 20 ||
                        run->validation_seed < 0))
        return ns_fail(err, NS_E_ARG,
                       "%s: checkpoint_every %lld, validation_sequences %lld, validation_seed %lld: the first two are 1 or more", path,
                       (long long)run->checkpoint_every, (long long)run->validation_sequences, (long long)run->validation_seed);
    if (rc == NS_OK)
        rc = read_corpus(run, cJSON_GetObjectItemCaseSensitive(root, "corpus"), path, err);
    if (rc == NS_OK)
        rc = read_model(run, root, path, err);
    if (rc == NS_OK)
        rc = read_train(run, cJSON_GetObjectItemCaseSensitive(root, "train"), path, p, err);
    if (rc == NS_OK)
        rc = read_coords(run, cJSON_GetObjectItemCaseSensitive(root, "coords"), path, err);
    run->name = ns_strdup(own_name ? own_name : ns_path_base(p->folder));
    if (rc == NS_OK && !run->name)
        return ns_oom(err, path);
    return rc == NS_OK ? hash_run(run, err) : rc;
}

int ns_run_read(ns_run *run, const ns_run_params *p, ns_error *err)
{
    cJSON *root;
    *run = (ns_run){.lock = -1};
    int rc = ns_json_read(&root, p->config, LARGEST_CONFIG, DEPTH, err);
    if (rc != NS_OK)
        return ns_json_fail(err, rc, p->config, NS_KIND_RUN_CONFIG);
    rc = read_run(run, root, p, err);
    cJSON_Delete(root);
    if (rc != NS_OK)
        ns_run_clear(run);
    return ns_json_fail(err, rc, p->config, NS_KIND_RUN_CONFIG);
}

void ns_run_clear(ns_run *run)
{
    free(run->name);
    free(run->corpus_file);
    ns_train_model_free(run->model);
    cJSON_Delete(run->coords);
    if (run->lock >= 0)
        close(run->lock);
    *run = (ns_run){.lock = -1};
}

int ns_run_open_corpus(const ns_run *run, bool validation, ns_corpus **out, ns_error *err)
{
    const ns_corpus_params p = {.size = sizeof p, .file = run->corpus_file, .width = run->corpus_width, .vocab = run->train.vocab,
                                .seed = (uint64_t)(validation ? run->validation_seed : run->train.seed), .validation = validation};
    return ns_corpus_open(out, &p, err);
}

static int write_run(const ns_run *run, const char *path, ns_error *err)
{
    cJSON *const root = cJSON_CreateObject();
    cJSON *const coords = cJSON_Duplicate(run->coords, true);
    bool ok = root && coords && cJSON_AddNumberToObject(root, "schema", 1) && cJSON_AddStringToObject(root, "name", run->name) &&
              cJSON_AddNumberToObject(root, "tokens_per_step", (double)(run->train.batch * run->train.length));
    if (ok && cJSON_AddItemToObject(root, "coords", coords))
        ok = cJSON_AddStringToObject(root, "config_sha256", run->sha256) != NULL;
    else
        cJSON_Delete(coords);
    char *const text = ok ? ns_json_print(root, true) : NULL;
    const int rc = text ? ns_file_write(path, text, strlen(text), err) : ns_oom(err, path);
    free(text);
    cJSON_Delete(root);
    return rc;
}

static int check_run(const ns_run *run, const char *path, const char *run_dir, bool resume, ns_error *err)
{
    cJSON *root;
    const char *sha = NULL, *name = NULL;
    int rc = ns_json_read(&root, path, LARGEST_CONFIG, DEPTH, err);
    if (rc != NS_OK)
        return rc;
    rc = ns_json_str(root, "config_sha256", &sha, path, err);
    if (rc == NS_OK)
        rc = ns_json_str(root, "name", &name, path, err);
    const bool same = sha && strcmp(sha, run->sha256) == 0;
    if (rc == NS_OK && !resume)
        rc = ns_fail(err, NS_E_CREATE, "%s holds the run '%s' already: go on with it (--resume), or name another folder", run_dir,
                     name ? name : "?");
    else if (rc == NS_OK && !same)
        rc = ns_fail(err, NS_E_ARG, "%s is the run '%s' of another config than this '%s' (%.12s, not %.12s): resume with the config it was "
                     "started with, "
                     "or name another folder", run_dir, name ? name : "?", run->name, sha ? sha : "no hash", run->sha256);
    cJSON_Delete(root);
    return rc;
}

/* The lock of a process that was killed a moment ago is that of its children, too: one may have been looking at a file for it. */
static bool lock_soon(int fd)
{
    enum { TRIES = 200, PAUSE_US = 10000 };
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (i == TRIES || (errno != EWOULDBLOCK && errno != EINTR))
            return false;
        usleep(PAUSE_US);
    }
    return true;
}

int ns_run_lock(ns_run *run, const char *run_dir, ns_error *err)
{
    static const char *const run_file[] = {"run.json", NULL}, *const model[] = {"config.json", "model.safetensors",
                                                                                "model.safetensors.index.json", NULL};
    const int rc = ns_folder_make(run_dir, err);
    if (rc != NS_OK)
        return rc;
    run->lock = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return ns_fail_errno(err, NS_E_CREATE, run_dir, "cannot be opened");
    if (!lock_soon(run->lock))
        return errno == EWOULDBLOCK
                   ? ns_fail(err, NS_E_CREATE, "%s: another process is training this run: wait for it, or name another folder", run_dir)
                   : ns_fail_errno(err, NS_E_CREATE, run_dir, "cannot be locked");
    if (!ns_folder_holds(run_dir, run_file) && ns_folder_holds(run_dir, model))
        return ns_fail(err, NS_E_CREATE, "%s: holds a checkpoint and no run of train (choose another folder)", run_dir);
    ns_temporaries_sweep(run_dir, NULL);
    return NS_OK;
}

int ns_run_claim(const ns_run *run, const char *run_dir, bool resume, ns_error *err)
{
    char *const path = ns_path_join(run_dir, "run.json");
    if (!path)
        return ns_oom(err, run_dir);
    const int rc = ns_path_exists(path) ? check_run(run, path, run_dir, resume, err) : write_run(run, path, err);
    free(path);
    return rc;
}
