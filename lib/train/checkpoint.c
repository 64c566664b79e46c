/* checkpoint.c - RUN_DIR/stepNNNNNN and back: config.json and model.safetensors for everyone, trainer.json and trainer.safetensors to go
 * on. The folder is whole or absent (ns_folder_write). */
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1, MOST_JSON = 1 << 20 };

/* The states of the optimiser that a parameter has. */
typedef struct state { const char *prefix; float *data; } state;

static int states_of(const ns_trainer *t, const ns_param *p, state out[2])
{
    const bool muon = ns_train_is_muon(t, p);
    out[0] = (state){muon ? "muon.momentum." : "adam.mean.", t->m + p->at};
    out[1] = (state){"adam.square.", t->v + p->at};
    return muon ? 1 : 2;
}

/* ---- writing ---- */

/* What a file gets; the numbers of joined tensors are the first one's to free. */
typedef struct written { ns_tensor_out *list; char **names; float **data; int64_t n; } written;

/* Rows of a view, in parts that are as equal as they can be: the part at number i. */
static ns_view rows_of_part(const ns_view *whole, int i, int parts)
{
    const int64_t rows = whole->shape[0], begin = rows * i / parts, end = rows * (i + 1) / parts;
    ns_view part = *whole;
    part.shape[0] = end - begin;
    part.data = (float *)whole->data + begin * (rows ? ns_view_count(whole) / rows : 0);
    return part;
}

/* The tensor of a parameter, or the tensors that its name joins. */
static int add_tensors(written *w, const ns_trainer *t, float *arena, int64_t param, ns_error *err)
{
    const char *const name = t->model.params[param].name;
    const int parts = ns_joined_count(name);
    char one[NS_TENSOR_NAME];
    ns_view whole;
    const int rc = ns_trainable_tensor(&t->model, arena, param, &whole, err);
    if (rc != NS_OK)
        return rc;
    w->data[w->n] = whole.data;
    for (int i = 0; i < parts; i++, w->n++) {
        ns_joined_name(name, i, one);
        w->names[w->n] = ns_strdup(one);
        w->list[w->n] = (ns_tensor_out){w->names[w->n], parts > 1 ? rows_of_part(&whole, i, parts) : whole, NS_F32};
        if (!w->names[w->n])
            return ns_oom(err, name);
    }
    return NS_OK;
}

/* Tensors as the model names them: of weights, or of gradients. */
static int write_tensors(const ns_trainer *t, float *arena, const char *path, ns_error *err)
{
    const size_t most = (size_t)t->model.n_params * NS_JOINED_MOST;
    written w = {ns_alloc_array(most, sizeof *w.list), ns_alloc_array(most, sizeof *w.names), ns_alloc_array(most, sizeof *w.data), 0};
    int rc = w.list && w.names && w.data ? NS_OK : ns_oom(err, path);
    for (int64_t i = 0; i < t->model.n_params && rc == NS_OK; i++)
        if (ns_trainable_begins(&t->model, i))
            rc = add_tensors(&w, t, arena, i, err);
    rc = rc != NS_OK ? rc : ns_safetensors_write(path, w.list, w.n, err);
    for (size_t i = 0; i < most && w.names && w.data; i++) {
        free(w.names[i]);
        free(w.data[i]);
    }
    free(w.list);
    free(w.names);
    free(w.data);
    return rc;
}

static int write_weights(const ns_trainer *t, const char *path, ns_error *err)
{
    return write_tensors(t, t->model.w, path, err);
}

int ns_trainer_save_gradients(const ns_trainer *t, const char *path, ns_error *err)
{
    return write_tensors(t, t->model.g, path, err);
}

/* The states of the optimiser are each parameter's: a part of a tensor is told by where it begins. */
static void state_name(const char *prefix, const ns_param *p, char out[256])
{
    const bool part = p->ref->start != 0 || p->ref->group < p->ref->n_out || p->expert >= 0;
    snprintf(out, 256, part ? "%s%s@%lld.%lld" : "%s%s", prefix, p->name, (long long)p->ref->start, (long long)p->expert);
}

static int write_state(const ns_trainer *t, const char *path, ns_error *err)
{
    ns_tensor_out *const list = ns_alloc_array((size_t)(2 * t->model.n_params), sizeof *list);
    char (*const names)[256] = ns_alloc_array((size_t)(2 * t->model.n_params), sizeof *names);
    int64_t n = 0;
    int rc = list && names ? NS_OK : ns_oom(err, path);
    for (int64_t i = 0; i < t->model.n_params && rc == NS_OK; i++) {
        state s[2];
        const int states = states_of(t, &t->model.params[i], s);
        for (int k = 0; k < states; k++, n++) {
            state_name(s[k].prefix, &t->model.params[i], names[n]);
            list[n] = (ns_tensor_out){names[n], ns_param_view(&t->model.params[i], s[k].data), NS_F32};
        }
    }
    rc = rc != NS_OK ? rc : ns_safetensors_write(path, list, n, err);
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
    rc = rc != NS_OK ? rc : ns_train_config_to_json(&t->config, &config, err);
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
    const int rc = ns_train_config_text(t, &text, err);
    return rc != NS_OK ? rc : write_json(path, text, err);
}

typedef int (*write_fn)(const ns_trainer *, const char *path, ns_error *);
static const struct { const char *name; write_fn write; bool state; } files[] = {
    {"config.json", write_config, false}, {"model.safetensors", write_weights, false}, {"trainer.safetensors", write_state, true},
    {"trainer.json", write_trainer, true},
};
enum { N_FILES = sizeof files / sizeof *files };

typedef struct contents { const ns_trainer *t; bool state; } contents;

static int write_files(void *user, const char *folder, ns_error *err)
{
    const contents *const of = user;
    int rc = NS_OK;
    for (int i = 0; i < N_FILES && rc == NS_OK; i++) {
        if (files[i].state && !of->state)
            continue;
        char *const path = ns_path_join(folder, files[i].name);
        rc = path ? files[i].write(of->t, path, err) : ns_oom(err, folder);
        free(path);
    }
    return rc != NS_OK ? rc : ns_train_given_files(of->t, folder, err);
}

int ns_trainer_save(const ns_trainer *t, const char *run_dir, bool with_state, char **path, ns_error *err)
{
    char *const final = ns_printf_alloc("%s/step%06lld", run_dir, (long long)t->done);
    int rc = final ? NS_OK : ns_oom(err, run_dir);
    rc = rc != NS_OK ? rc : ns_folder_write(run_dir, ns_path_base(final), write_files, &(contents){t, with_state}, err);
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

static int read_states(ns_trainer *t, const ns_checkpoint *c, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < t->model.n_params; i++) {
        state s[2];
        const int n = states_of(t, &t->model.params[i], s);
        for (int k = 0; k < n && rc == NS_OK; k++)
            rc = read_state(c, s[k].prefix, &t->model.params[i], s[k].data, err);
    }
    return rc;
}

static int read_tensors(ns_trainer *t, const char *folder, bool states, ns_error *err)
{
    char *const path = ns_path_join(folder, states ? "trainer.safetensors" : "model.safetensors");
    ns_checkpoint *c = NULL;
    int rc = path ? ns_checkpoint_open(&c, path, NULL, err) : ns_oom(err, folder);
    if (rc == NS_OK)
        rc = states ? read_states(t, c, err) : ns_trainable_load(&t->model, c, err);
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
    rc = rc != NS_OK ? rc : ns_json_i64(object, "schema", 0, &schema, path, err);
    if (rc == NS_OK && schema != SCHEMA)
        rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: schema %lld, this version reads %d", path, (long long)schema, SCHEMA);
    rc = rc != NS_OK ? rc : ns_json_i64(object, "step", -1, step, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(object, "config_sha256", &saved, path, err);
    const cJSON *const part = rc != NS_OK ? NULL : cJSON_GetObjectItemCaseSensitive(object, "config");
    if (rc == NS_OK && !(part && saved && *step >= 0 && (text = ns_json_print(part, false))))
        rc = ns_fail(err, NS_E_FORMAT, "%s: needs step, config_sha256 and config", path);
    rc = rc != NS_OK ? rc : ns_train_config_read(config, text, strlen(text), path, err);
    rc = rc != NS_OK ? rc : ns_train_config_sha256(config, hex, err);
    if (rc == NS_OK && strcmp(hex, saved) != 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: config_sha256 is not that of the config beside it: the file was edited", path);
    free(text);
    cJSON_Delete(object);
    return rc;
}

/* A run keeps the layout that it began with: that of the step that it goes on from. */
static int read_type(char type[64], const char *step_dir, ns_error *err)
{
    cJSON *object = NULL;
    const char *found = NULL;
    char *const path = ns_path_join(step_dir, "config.json");
    int rc = path ? ns_json_read(&object, path, MOST_JSON, 64, err) : ns_oom(err, step_dir);
    rc = rc != NS_OK ? rc : ns_json_str(object, "model_type", &found, path, err);
    snprintf(type, 64, "%s", found ? found : "");
    cJSON_Delete(object);
    free(path);
    return rc;
}

/* The step's own description stands for the model that the run was given. */
static int open_given(ns_train_model **out, const char *step_dir, const char *sha256, ns_error *err)
{
    const int rc = ns_train_model_open(out, step_dir, err);
    if (rc == NS_OK)
        memcpy((*out)->of.sha256, sha256, sizeof (*out)->of.sha256);
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
    rc = rc != NS_OK || !config ? rc : ns_train_config_same(&saved, config, step_dir, err);
    ns_trainer_params how = {.size = sizeof how};
    ns_train_model *given = NULL;
    char type[64];
    rc = rc != NS_OK || !params ? rc : ns_sized_copy(&how, sizeof how, params, "ns_trainer_params", err);
    if (rc == NS_OK && saved.model[0] && !how.model)
        rc = open_given(&given, step_dir, saved.model, err);
    how.model = how.model ? how.model : given;
    if (rc == NS_OK && !saved.model[0])
        rc = read_type(type, step_dir, err);
    if (rc == NS_OK)
        rc = ns_trainer_make(&t, config ? config : &saved, &how, saved.model[0] ? NULL : type, err);
    if (rc == NS_OK)
        t->own_given = given;
    else
        ns_train_model_free(given);
    rc = rc != NS_OK ? rc : read_tensors(t, step_dir, false, err);
    rc = rc != NS_OK ? rc : read_tensors(t, step_dir, true, err);
    free(path);
    if (rc != NS_OK) {
        ns_trainer_free(t);
        return rc;
    }
    t->done = step;
    *out = t;
    return NS_OK;
}

/* The number in stepNNNNNN, -1 for another name. */
static int64_t step_of(const char *name)
{
    const bool is = ns_starts(name, "step") && name[4] && strspn(name + 4, "0123456789") == strlen(name + 4) && strlen(name) <= 22;
    return is ? strtoll(name + 4, NULL, 10) : -1;
}

int ns_trainer_find(char **out, const char *run_dir, ns_error *err)
{
    char **names;
    int64_t n, best = -1;
    *out = NULL;
    if (!ns_path_exists(run_dir))
        return NS_OK;
    int rc = ns_folder_list(&names, &n, run_dir, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        if (step_of(names[i]) <= best)
            continue;
        char *const path = ns_path_join(run_dir, names[i]);
        const bool newer = path && ns_folder_holds(path, (const char *const[]){"trainer.json", NULL});
        rc = path ? NS_OK : ns_oom(err, run_dir);
        best = newer ? step_of(names[i]) : best;
        free(newer ? *out : path);
        *out = newer ? path : *out;
    }
    if (rc != NS_OK) {
        free(*out);
        *out = NULL;
    }
    ns_free_strings(names, n);
    return rc;
}
