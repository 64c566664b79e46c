/* checkpoint.c - RUN_DIR/stepNNNNNN and back: config.json and model.safetensors for everyone, trainer.json and trainer.safetensors to go
 * on.
 *
 * All files are written in a temporary folder beside (".stepNNNNNN.tmp...."), each fsynced; then the folder is renamed: it is whole or
 * absent. */
#include "train/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCHEMA = 1, MOST_JSON = 1 << 20 };

/* The states of the optimiser that a parameter has. */
typedef struct state { const char *prefix; float *data; } state;

static int states_of(const ns_trainer *t, const ns_param *p, state out[2])
{
    out[0] = (state){p->muon ? "muon.momentum." : "adam.mean.", t->m + p->at};
    out[1] = (state){"adam.square.", t->v + p->at};
    return p->muon ? 1 : 2;
}

/* ---- writing ---- */

static ns_tensor_out tensor_of(const char *name, float *data, const ns_param *p)
{
    return (ns_tensor_out){name, ns_view_of(data, NS_F32, p->kind == NS_PARAM_VECTOR ? 1 : 2, (int64_t[]){p->rows, p->cols}), NS_F32};
}

/* Tensors as the model names them: of weights, or of gradients. */
static int write_tensors(const ns_trainer *t, float *arena, const char *path, ns_error *err)
{
    ns_tensor_out *const list = ns_alloc_array((size_t)t->n_params, sizeof *list);
    int64_t n = 0;
    int rc = list ? NS_OK : ns_oom(err, path);
    for (int64_t i = 0; i < t->n_params && rc == NS_OK; i++) {
        if (!ns_train_tensor_begins(t, i))
            continue;
        list[n] = (ns_tensor_out){.name = t->params[i].name, .dtype = NS_F32};
        rc = ns_train_tensor_new(t, arena, i, &list[n].view, err);
        n += rc == NS_OK;
    }
    if (rc == NS_OK)
        rc = ns_safetensors_write(path, list, n, err);
    for (int64_t i = 0; i < n; i++)
        free(list[i].view.data);
    free(list);
    return rc;
}

static int write_weights(const ns_trainer *t, const char *path, ns_error *err)
{
    return write_tensors(t, t->w, path, err);
}

int ns_trainer_save_gradients(const ns_trainer *t, const char *path, ns_error *err)
{
    return write_tensors(t, t->g, path, err);
}

/* The states of the optimiser are each parameter's: a part of a tensor is told by where it begins. */
static void state_name(const char *prefix, const ns_param *p, char out[256])
{
    const bool part = p->ref->start != 0 || p->ref->group < p->ref->n_out || p->expert >= 0;
    snprintf(out, 256, part ? "%s%s@%lld.%lld" : "%s%s", prefix, p->name, (long long)p->ref->start, (long long)p->expert);
}

static int write_state(const ns_trainer *t, const char *path, ns_error *err)
{
    ns_tensor_out *const list = ns_alloc_array((size_t)(2 * t->n_params), sizeof *list);
    char (*const names)[256] = ns_alloc_array((size_t)(2 * t->n_params), sizeof *names);
    int64_t n = 0;
    int rc = list && names ? NS_OK : ns_oom(err, path);
    for (int64_t i = 0; i < t->n_params && rc == NS_OK; i++) {
        state s[2];
        const int states = states_of(t, &t->params[i], s);
        for (int k = 0; k < states; k++, n++) {
            state_name(s[k].prefix, &t->params[i], names[n]);
            list[n] = tensor_of(names[n], s[k].data, &t->params[i]);
        }
    }
    if (rc == NS_OK)
        rc = ns_safetensors_write(path, list, n, err);
    free(list);
    free(names);
    return rc;
}

static int write_json(const char *path, char *text, ns_error *err)
{
    const int rc = ns_file_write(path, text, strlen(text), err);
    free(text);
    return rc;
}

static int write_trainer(const ns_trainer *t, const char *path, ns_error *err)
{
    char hex[65], *config = NULL;
    int rc = ns_train_config_sha256(&t->config, hex, err);
    if (rc == NS_OK)
        rc = ns_train_config_to_json(&t->config, &config, err);
    if (rc != NS_OK)
        return rc;
    char *const text = ns_printf_alloc("{\"schema\": %d, \"step\": %lld, \"config_sha256\": \"%s\", \"config\": %s}\n", SCHEMA,
                                       (long long)t->done, hex, config);
    free(config);
    return text ? write_json(path, text, err) : ns_oom(err, path);
}

static int write_config(const ns_trainer *t, const char *path, ns_error *err)
{
    char *text;
    const int rc = t->given ? ns_train_given_config(t, &text, err) : ns_train_model_config(&t->config, &text, err);
    return rc != NS_OK ? rc : write_json(path, text, err);
}

typedef int (*write_fn)(const ns_trainer *, const char *path, ns_error *);
static const struct { const char *name; write_fn write; bool state; } files[] = {
    {"config.json", write_config, false}, {"model.safetensors", write_weights, false}, {"trainer.safetensors", write_state, true},
    {"trainer.json", write_trainer, true},
};
enum { N_FILES = sizeof files / sizeof *files };

static int write_files(const ns_trainer *t, const char *folder, bool with_state, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i < N_FILES && rc == NS_OK; i++) {
        if (files[i].state && !with_state)
            continue;
        char *const path = ns_path_join(folder, files[i].name);
        rc = path ? files[i].write(t, path, err) : ns_oom(err, folder);
        free(path);
    }
    return rc != NS_OK ? rc : ns_train_given_files(t, folder, err);
}

/* ---- folders ---- */

static void sync_folder(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* An older folder of this step steps aside first: rename does not replace one that is not empty. */
static int put_in_place(const char *made, const char *final, ns_error *err)
{
    char *const aside = ns_temporary_name(made);
    int rc = aside ? NS_OK : ns_oom(err, final);
    const bool replaces = rc == NS_OK && rename(final, aside) == 0;
    if (rc == NS_OK && rename(made, final) != 0)
        rc = ns_fail(err, NS_E_CREATE, "%s: cannot be put in place: %s", final, strerror(errno));
    if (rc != NS_OK && replaces && rename(aside, final) != 0)
        rc = ns_fail(err, NS_E_IO, "%s: cannot be put back from %s: %s", final, aside, strerror(errno));
    else if (replaces)
        ns_temporary_remove(aside);
    free(aside);
    return rc;
}

static char *folder_name(const char *run_dir, const char *before, int64_t step)
{
    return ns_printf_alloc("%s/%sstep%06lld", run_dir, before, (long long)step);
}

static int save_as(const ns_trainer *t, const char *run_dir, const char *made, const char *final, bool with_state, ns_error *err)
{
    int rc = ns_folder_make(run_dir, err);
    const int lock = rc != NS_OK ? -1 : ns_temporary_folder(made);
    if (rc == NS_OK && lock < 0)
        rc = ns_fail(err, NS_E_CREATE, "%s: the folder cannot be made: %s", made, strerror(errno));
    rc = rc != NS_OK ? rc : write_files(t, made, with_state, err);
    rc = rc != NS_OK ? rc : put_in_place(made, final, err);
    if (rc != NS_OK && lock >= 0)
        ns_temporary_remove(made);
    if (lock >= 0)
        close(lock);
    return rc;
}

int ns_trainer_save(const ns_trainer *t, const char *run_dir, bool with_state, char **path, ns_error *err)
{
    char *const final = folder_name(run_dir, "", t->done), *const hidden = folder_name(run_dir, ".", t->done);
    char *const made = hidden ? ns_temporary_name(hidden) : NULL;
    const int rc = final && made ? save_as(t, run_dir, made, final, with_state, err) : ns_oom(err, run_dir);
    if (rc == NS_OK)
        sync_folder(run_dir);
    free(hidden);
    free(made);
    if (rc != NS_OK || !path)
        free(final);
    if (path)
        *path = rc != NS_OK ? NULL : final;
    return rc;
}

/* ---- reading ---- */

static int read_state(const ns_checkpoint *c, const char *prefix, const ns_param *p, float *out, ns_error *err)
{
    char name[256];
    state_name(prefix, p, name);
    const ns_tensor *const found = ns_checkpoint_find(c, name);
    if (!found)
        return ns_fail(err, NS_E_FORMAT, "%s: there is no tensor '%s'", ns_checkpoint_dir(c), name);
    if (found->view.dtype != NS_F32 || ns_view_count(&found->view) != p->rows * p->cols)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' has %lld numbers of type %s, the config wants %lld of F32", ns_checkpoint_dir(c),
                       name, (long long)ns_view_count(&found->view), ns_dtype_name(found->view.dtype), (long long)(p->rows * p->cols));
    return ns_tensor_read_f32(found, 0, p->rows * p->cols, out, err);
}

static int read_tensors(ns_trainer *t, const char *folder, bool states, ns_error *err)
{
    char *const path = ns_path_join(folder, states ? "trainer.safetensors" : "model.safetensors");
    ns_checkpoint *c = NULL;
    int rc = path ? ns_checkpoint_open(&c, path, NULL, err) : ns_oom(err, folder);
    for (int64_t i = 0; i < t->n_params && rc == NS_OK; i++) {
        const ns_param *const p = &t->params[i];
        state s[2];
        const int n = states ? states_of(t, p, s) : 0;
        if (!states)
            rc = ns_train_param_read(t, c, p->name, p, t->w + p->at, err);
        for (int k = 0; k < n && rc == NS_OK; k++)
            rc = read_state(c, s[k].prefix, p, s[k].data, err);
    }
    ns_checkpoint_free(c);
    free(path);
    return rc;
}

static int read_trainer(const char *path, ns_train_config *config, int64_t *step, ns_error *err)
{
    cJSON *object = NULL;
    const char *saved = NULL;
    char hex[65], *text = NULL;
    int64_t schema = 0;
    int rc = ns_json_read(&object, path, MOST_JSON, 4, err);
    if (rc == NS_OK)
        rc = ns_json_i64(object, "schema", 0, &schema, path, err);
    if (rc == NS_OK && schema != SCHEMA)
        rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: schema %lld, this version reads %d", path, (long long)schema, SCHEMA);
    if (rc == NS_OK)
        rc = ns_json_i64(object, "step", -1, step, path, err);
    if (rc == NS_OK)
        rc = ns_json_str(object, "config_sha256", &saved, path, err);
    const cJSON *const part = rc != NS_OK ? NULL : cJSON_GetObjectItemCaseSensitive(object, "config");
    if (rc == NS_OK && !(part && saved && *step >= 0 && (text = ns_json_print(part, false))))
        rc = ns_fail(err, NS_E_FORMAT, "%s: needs step, config_sha256 and config", path);
    if (rc == NS_OK)
        rc = ns_train_config_read(config, text, strlen(text), path, err);
    if (rc == NS_OK)
        rc = ns_train_config_sha256(config, hex, err);
    if (rc == NS_OK && strcmp(hex, saved) != 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: config_sha256 is not that of the config beside it: the file was edited", path);
    free(text);
    cJSON_Delete(object);
    return rc;
}

/* The step's own description stands for the model that the run was given. */
static int open_given(ns_train_model **out, const char *step_dir, const char *sha256, ns_error *err)
{
    const int rc = ns_train_model_open(out, step_dir, err);
    if (rc == NS_OK)
        memcpy((*out)->sha256, sha256, sizeof (*out)->sha256);
    return rc;
}

int ns_trainer_resume(ns_trainer **out, const char *step_dir, const ns_train_config *config, const ns_trainer_params *params, ns_error *err)
{
    ns_train_config saved;
    ns_trainer *t = NULL;
    int64_t step = 0;
    *out = NULL;
    char *const path = ns_path_join(step_dir, "trainer.json");
    int rc = path ? read_trainer(path, &saved, &step, err) : ns_oom(err, step_dir);
    if (rc == NS_OK && config)
        rc = ns_train_config_same(&saved, config, step_dir, err);
    ns_trainer_params how = {.size = sizeof how};
    ns_train_model *given = NULL;
    rc = rc != NS_OK || !params ? rc : ns_sized_copy(&how, sizeof how, params, "ns_trainer_params", err);
    if (rc == NS_OK && saved.model[0] && !how.model)
        rc = open_given(&given, step_dir, saved.model, err);
    how.model = how.model ? how.model : given;
    if (rc == NS_OK)
        rc = ns_trainer_new(&t, config ? config : &saved, &how, err);
    if (rc == NS_OK)
        t->own_given = given;
    else
        ns_train_model_free(given);
    if (rc == NS_OK)
        rc = read_tensors(t, step_dir, false, err);
    if (rc == NS_OK)
        rc = read_tensors(t, step_dir, true, err);
    free(path);
    if (rc != NS_OK) {
        ns_trainer_free(t);
        return rc;
    }
    t->done = step;
    t->stale = true;
    *out = t;
    return NS_OK;
}

/* The number in stepNNNNNN, -1 for another name. */
static int64_t step_of(const char *name)
{
    if (!ns_starts(name, "step") || !name[4] || strspn(name + 4, "0123456789") != strlen(name + 4) || strlen(name) > 22)
        return -1;
    return strtoll(name + 4, NULL, 10);
}

int ns_trainer_find(char **out, const char *run_dir, ns_error *err)
{
    int64_t best = -1;
    *out = NULL;
    DIR *const folder = opendir(run_dir);
    if (!folder)
        return errno == ENOENT ? NS_OK : ns_fail(err, NS_E_MISSING, "%s: cannot be read: %s", run_dir, strerror(errno));
    for (const struct dirent *e; (e = readdir(folder));) {
        const int64_t step = step_of(e->d_name);
        char *const path = step > best ? ns_printf_alloc("%s/%s", run_dir, e->d_name) : NULL;
        char *const state_path = path ? ns_path_join(path, "trainer.json") : NULL;
        if (state_path && ns_path_exists(state_path)) {
            free(*out);
            *out = path;
            best = step;
        } else {
            free(path);
        }
        free(state_path);
    }
    closedir(folder);
    return NS_OK;
}
