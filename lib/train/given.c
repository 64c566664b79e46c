/* given.c - a model to train that is no pattern of letters: a description, a config.json, or a checkpoint whose weights are the first
 * values. */
#include "train/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST_MODEL = 64 << 20, DEPTH = 64 };

/* ---- opening ---- */

/* A description becomes a config.json that holds it; a config.json is one. */
static int read_text(ns_train_model *m, char *text, size_t n, ns_error *err)
{
    cJSON *object = NULL;
    int rc = ns_json_parse_python(&object, text, n, DEPTH, m->path, err);
    const bool config = rc == NS_OK && cJSON_HasObjectItem(object, "model_type");
    if (rc == NS_OK)
        rc = config ? ns_arch_from_config(&m->arch, text, n, m->path, NULL, err) : ns_arch_from_json(&m->arch, text, n, m->path, NULL, err);
    if (rc == NS_OK && !config) {
        cJSON *const whole = cJSON_CreateObject();
        const bool ok = whole && cJSON_AddStringToObject(whole, "model_type", "needlescope") &&
                        cJSON_AddItemToObject(whole, "arch", object);
        object = ok ? NULL : object;
        m->config = ok ? ns_json_print(whole, true) : NULL;
        cJSON_Delete(whole);
    } else if (rc == NS_OK) {
        m->config = ns_json_print(object, true);
    }
    cJSON_Delete(object);
    return rc != NS_OK ? rc : m->config ? NS_OK : ns_oom(err, m->path);
}

static int read_file(ns_train_model *m, const char *path, ns_error *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = ns_file_read(path, LARGEST_MODEL, &text, &n, err);
    if (rc == NS_OK)
        rc = read_text(m, text, n, err);
    free(text);
    return rc;
}

static int open_checkpoint(ns_train_model *m, ns_error *err)
{
    int rc = ns_checkpoint_open(&m->checkpoint, m->path, NULL, err);
    if (rc == NS_OK && !ns_checkpoint_config_path(m->checkpoint))
        rc = ns_fail(err, NS_E_MISSING, "%s: no config.json: a checkpoint that training goes on from needs one", m->path);
    if (rc == NS_OK)
        rc = read_file(m, ns_checkpoint_config_path(m->checkpoint), err);
    ns_arch_free(m->arch);                     /* names may depend on what the file holds */
    m->arch = NULL;
    if (rc == NS_OK)
        rc = ns_arch_from_checkpoint(&m->arch, m->checkpoint, NULL, err);
    return rc != NS_OK ? rc : ns_arch_check(m->arch, m->checkpoint, err);
}

/* Over whatever the model adds to the bits of a run. */
static int hash(ns_train_model *m, ns_error *err)
{
    char *arch = NULL, weights[65] = "none";
    ns_engine *engine = NULL;
    int rc = ns_arch_to_json(m->arch, &arch, err);
    if (rc == NS_OK && m->checkpoint)
        rc = ns_engine_new(&engine, &(ns_engine_params){.size = sizeof(ns_engine_params)}, err);
    if (rc == NS_OK && m->checkpoint)
        rc = ns_weights_hash(&(ns_model){.engine = engine, .checkpoint = m->checkpoint}, weights, err);
    if (rc == NS_OK) {
        ns_sha256 sha;
        ns_sha256_begin(&sha);
        ns_sha256_add(&sha, arch, strlen(arch));
        ns_sha256_add(&sha, weights, strlen(weights));
        ns_sha256_end(&sha, m->sha256);
    }
    ns_engine_free(engine);
    free(arch);
    return rc;
}

int ns_train_model_open(ns_train_model **out, const char *path, ns_error *err)
{
    *out = NULL;
    ns_train_model *const m = ns_alloc_array(1, sizeof *m);
    if (!m)
        return ns_oom(err, path);
    m->path = ns_strdup(path);
    int rc = m->path ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK)
        rc = ns_path_is_dir(path) || !ns_ends(path, ".json") ? open_checkpoint(m, err) : read_file(m, path, err);
    rc = rc != NS_OK ? rc : hash(m, err);
    if (rc != NS_OK)
        ns_train_model_free(m);
    else
        *out = m;
    return rc;
}

void ns_train_model_free(ns_train_model *m)
{
    if (!m)
        return;
    ns_arch_free(m->arch);
    ns_checkpoint_free(m->checkpoint);
    free(m->config);
    free(m->path);
    free(m);
}

const ns_arch *ns_train_model_arch(const ns_train_model *m)
{
    return m->arch;
}

/* ---- first values, and the tensors of a checkpoint ---- */

/* Where number k of output row o of a parameter lies in its tensor, or from its expert's share of it on, which has n rows. */
static int64_t place_of(const ns_param *p, int64_t o, int64_t k, int64_t n)
{
    const ns_tref *const r = p->ref;
    const int64_t row = r->start + o / r->group * r->stride + o % r->group, own = r->transposed ? k * n + row : row * r->n_in + k;
    return p->expert > 0 ? p->expert * n * r->n_in + own : own;
}

static void copy(const ns_param *p, float *param, float *tensor, int64_t rows, bool out)
{
    for (int64_t o = 0; o < p->rows; o++)
        for (int64_t k = 0; k < p->cols; k++) {
            float *const at = tensor + place_of(p, o, k, rows);
            *(out ? at : param + o * p->cols + k) = *(out ? param + o * p->cols + k : at);
        }
}

/* Rows that a tensor, or each expert's share of it, has for the parameters from `first` on that name it; how many share it (1: nobody). */
static int64_t rows_of(const ns_trainer *t, int64_t first, int64_t *experts)
{
    int64_t rows = 0;
    *experts = 1;
    for (int64_t i = first; i < t->n_params; i++) {
        const ns_tref *const r = t->params[i].ref;
        const int64_t last = r->n_out - 1, end = r->start + last / r->group * r->stride + last % r->group + 1;
        if (strcmp(t->params[i].name, t->params[first].name) != 0)
            continue;
        rows = end > rows ? end : rows;
        *experts = t->params[i].expert >= *experts ? t->params[i].expert + 1 : *experts;
    }
    return rows;
}

/* As files have it: experts first; a convolution's taps behind an axis of one. */
static ns_view view_of(const ns_param *p, float *data, int64_t rows, int64_t experts)
{
    const bool turned = p->ref->transposed, shared = p->expert >= 0;
    const int64_t n = turned ? p->cols : rows, k = turned ? rows : p->cols;
    if (p->kind == NS_PARAM_TABLE)
        return ns_view_of(data, NS_F32, 3, (int64_t[]){n, 1, k});
    if (p->kind == NS_PARAM_VECTOR)
        return shared ? ns_view_of(data, NS_F32, 2, (int64_t[]){experts, n}) : ns_view_of(data, NS_F32, 1, (int64_t[]){n});
    return shared ? ns_view_of(data, NS_F32, 3, (int64_t[]){experts, n, k}) : ns_view_of(data, NS_F32, 2, (int64_t[]){n, k});
}

int ns_train_tensor_new(const ns_trainer *t, float *arena, int64_t first, ns_view *out, ns_error *err)
{
    const ns_param *const p = &t->params[first];
    int64_t experts;
    const int64_t rows = rows_of(t, first, &experts);
    float *const data = ns_alloc_array((size_t)(experts * rows * p->cols), sizeof *data);
    if (!data)
        return ns_oom(err, p->name);
    for (int64_t i = first; i < t->n_params; i++)
        if (strcmp(t->params[i].name, p->name) == 0)
            copy(&t->params[i], arena + t->params[i].at, data, rows, true);
    *out = view_of(p, data, rows, experts);
    return NS_OK;
}

bool ns_train_tensor_begins(const ns_trainer *t, int64_t i)
{
    for (int64_t j = 0; j < i; j++)
        if (strcmp(t->params[j].name, t->params[i].name) == 0)
            return false;
    return true;
}

/* Codes of four bits and their scales may stand for the tensor. */
static int missing(const ns_checkpoint *c, const char *name, ns_error *err)
{
    char *const blocks = ns_printf_alloc("%s_blocks", name);
    const bool coded = blocks && ns_checkpoint_find(c, blocks);
    free(blocks);
    return coded ? ns_fail(err, NS_E_UNSUPPORTED,
                           "%s: '%s' is stored as MXFP4 codes: training goes on from weights of 16 or 32 bits (save the model dequantised)",
                           ns_checkpoint_dir(c), name)
                 : ns_fail(err, NS_E_FORMAT, "%s: there is no tensor '%s'", ns_checkpoint_dir(c), name);
}

int ns_train_param_read(const ns_trainer *t, const ns_checkpoint *c, const char *name, const ns_param *p, float *out, ns_error *err)
{
    const ns_tensor *const found = ns_checkpoint_find(c, name);
    if (!found)
        return missing(c, name, err);
    int64_t experts;
    const int64_t rows = rows_of(t, ns_param_find(t, p->name) - t->params, &experts);
    const int64_t n = ns_view_count(&found->view), wanted = experts * rows * p->cols;
    if (n != wanted)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' has %lld numbers of type %s, the config wants %lld", ns_checkpoint_dir(c), name,
                       (long long)n, ns_dtype_name(found->view.dtype), (long long)wanted);
    float *const data = ns_alloc_array((size_t)(n + NS_SLACK), sizeof *data);
    int rc = data ? ns_tensor_read_f32(found, 0, n, data, err) : ns_oom(err, p->name);
    if (rc == NS_OK && !t->pass.math->all_finite(data, n))
        rc = ns_fail(err, NS_E_NUMERIC, "%s: tensor '%s' holds a number that is not finite", found->file, name);
    if (rc == NS_OK)
        copy(p, out, data, rows, false);
    free(data);
    return rc;
}

int ns_train_model_values(ns_trainer *t, const ns_train_model *m, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; m->checkpoint && i < t->n_params && rc == NS_OK; i++)
        rc = ns_train_param_read(t, m->checkpoint, t->params[i].name, &t->params[i], t->w + t->params[i].at, err);
    t->stale = true;
    return rc;
}

/* ---- the files of a checkpoint ---- */

int ns_train_given_config(const ns_trainer *t, char **out, ns_error *err)
{
    char hex[65];
    cJSON *object = NULL;
    int rc = ns_train_config_sha256(&t->config, hex, err);
    if (rc == NS_OK)
        rc = ns_json_parse_python(&object, t->given->config, strlen(t->given->config), DEPTH, t->given->path, err);
    if (rc != NS_OK)
        return rc;
    cJSON_DeleteItemFromObjectCaseSensitive(object, "train_config_sha256");      /* of the run that it was taken from */
    *out = cJSON_AddStringToObject(object, "train_config_sha256", hex) ? ns_json_print(object, true) : NULL;
    cJSON_Delete(object);
    return *out ? NS_OK : ns_oom(err, "config.json");
}

static int copy_file(const char *from, const char *to, ns_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    int rc = ns_file_read(from, LARGEST_MODEL, &bytes, &n, err);
    if (rc == NS_OK)
        rc = ns_file_write(to, bytes, n, err);
    free(bytes);
    return rc;
}

/* What stands beside the tokenizer of the checkpoint that training went on from, so that each step is as complete as that was. */
int ns_train_given_files(const ns_trainer *t, const char *folder, ns_error *err)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
                                        "generation_config.json"};
    const char *const tokenizer = t->given && t->given->checkpoint ? ns_checkpoint_tokenizer_path(t->given->checkpoint) : NULL;
    int rc = NS_OK;
    for (size_t i = 0; tokenizer && i < sizeof names / sizeof *names && rc == NS_OK; i++) {
        char *const from = ns_printf_alloc("%.*s%s", (int)(ns_path_base(tokenizer) - tokenizer), tokenizer, names[i]);
        char *const to = ns_path_join(folder, names[i]);
        rc = !from || !to ? ns_oom(err, folder) : ns_path_exists(from) ? copy_file(from, to, err) : NS_OK;
        free(from);
        free(to);
    }
    return rc;
}
