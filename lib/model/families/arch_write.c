/* arch_write.c - an arch as JSON that a person can edit: every size explicit, weights by name, layers one by one. */
#include "model/families/fields.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double ns_readable(float value)
{
    char text[32];
    double d = value;
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        d = strtod(text, NULL);
        if ((float)d == value)
            return d;
    }
    return value;
}

static cJSON *put(cJSON *object, const char *key, cJSON *value)
{
    if (!value || !cJSON_AddItemToObject(object, key, value)) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

static bool put_i64(cJSON *object, const char *key, int64_t value)
{
    return put(object, key, cJSON_CreateNumber((double)value));
}

static bool write_tref(cJSON *object, const char *key, const ns_tref *t)
{
    const bool plain = t->group == t->n_out && t->stride == t->n_out;
    if (plain && t->start == 0 && !t->transposed)
        return put(object, key, cJSON_CreateString(t->name));
    cJSON *const o = put(object, key, cJSON_CreateObject());
    return o && put(o, "name", cJSON_CreateString(t->name)) && (t->start == 0 || put_i64(o, "start", t->start)) &&
           (plain || (put_i64(o, "group", t->group) && put_i64(o, "stride", t->stride))) &&
           (!t->transposed || put(o, "transposed", cJSON_CreateTrue()));
}

static bool write_list(cJSON *object, const ns_field *f, const void *base, int64_t n)
{
    const void *const list = *(const void *const *)((const char *)base + f->offset);
    if (!list)
        return true;
    cJSON *const array = put(object, f->key, cJSON_CreateArray());
    for (int64_t i = 0; array && i < n; i++) {
        cJSON *const v = cJSON_CreateNumber(f->kind == NS_FIELD_I64S ? (double)((const int64_t *)list)[i] : ((const double *)list)[i]);
        if (!v || !cJSON_AddItemToArray(array, v)) {
            cJSON_Delete(v);
            return false;
        }
    }
    return array != NULL;
}

/* What an absent key would be read as. */
static bool is_otherwise(const ns_field *f, const void *base)
{
    const void *const p = (const char *)base + f->offset;
    if (f->kind == NS_FIELD_FIXED)
        return true;
    const double value = f->kind == NS_FIELD_I64    ? (double)*(const int64_t *)p
                         : f->kind == NS_FIELD_F32  ? (double)*(const float *)p
                         : f->kind == NS_FIELD_F64  ? *(const double *)p
                         : f->kind == NS_FIELD_BOOL ? *(const bool *)p
                                                    : *(const int *)p;
    return value == f->otherwise;
}

static bool write_fields(cJSON *object, const ns_field *f, const void *base);

static bool write_field(cJSON *object, const ns_field *f, const void *base)
{
    const void *const p = (const char *)base + f->offset;
    const ns_norm *const norm = p;
    switch (f->kind) {
    case NS_FIELD_I64:
        return put_i64(object, f->key, *(const int64_t *)p);
    case NS_FIELD_INT:
        return put_i64(object, f->key, *(const int *)p);
    case NS_FIELD_F32:
        return put(object, f->key, cJSON_CreateNumber(ns_readable(*(const float *)p)));
    case NS_FIELD_F64:
        return put(object, f->key, cJSON_CreateNumber(*(const double *)p));
    case NS_FIELD_BOOL:
        return put(object, f->key, cJSON_CreateBool(*(const bool *)p));
    case NS_FIELD_WORD:
        return put(object, f->key, cJSON_CreateString(ns_word_name(f->words, *(const int *)p)));
    case NS_FIELD_FIXED:
    case NS_FIELD_IMPLIES:
        return put(object, f->key, cJSON_CreateString(f->words->name));
    case NS_FIELD_TREF:
        return !((const ns_tref *)p)->name || write_tref(object, f->key, p);
    case NS_FIELD_NORM:
        return norm->type == NS_NORM_NONE || write_fields(put(object, f->key, cJSON_CreateObject()), ns_fields_norm, norm);
    case NS_FIELD_I64S:
    case NS_FIELD_F64S:
        return write_list(object, f, base, *(const int64_t *)((const char *)base + f->count) / f->over);
    }
    return false;
}

static bool write_fields(cJSON *object, const ns_field *f, const void *base)
{
    for (; object && f->key; f++)
        if (!(f->sparse && is_otherwise(f, base)) && !write_field(object, f, base))
            return false;
    return object != NULL;
}

static cJSON *append(cJSON *array)
{
    cJSON *const object = cJSON_CreateObject();
    if (!array || !object || !cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static bool write_layer(cJSON *layers, const ns_layer *layer)
{
    cJSON *const object = append(layers);
    cJSON *const stages = object ? put(object, "stages", cJSON_CreateArray()) : NULL;
    for (int s = 0; stages && s < layer->n_stages; s++) {
        cJSON *const stage = append(stages);
        cJSON *const branches = stage && write_fields(stage, ns_fields_stage, &layer->stages[s])
                                    ? put(stage, "branches", cJSON_CreateArray())
                                    : NULL;
        for (int b = 0; b < layer->stages[s].n_branches; b++) {
            const ns_branch *const branch = &layer->stages[s].branches[b];
            const char *const kind = branch->class_->part;
            cJSON *const o = append(branches);
            if (!o || !put(o, "kind", cJSON_CreateString(kind)) || !write_fields(o, ns_fields_branch, branch) ||
                !write_fields(put(o, kind, cJSON_CreateObject()), branch->class_->fields, branch->params))
                return false;
        }
        if (!branches)
            return false;
    }
    return stages != NULL;
}

static bool write_arch(cJSON *root, const ns_arch *a)
{
    if (!root || !put_i64(root, "needlescope_arch", NS_ARCH_JSON_VERSION) || !put(root, "family", cJSON_CreateString(a->family)) ||
        !write_fields(root, ns_fields_arch, a))
        return false;
    cJSON *const ignored = put(root, "ignored", cJSON_CreateArray());
    for (int i = 0; ignored && i < a->n_ignored; i++) {
        cJSON *const glob = cJSON_CreateString(a->ignored[i]);
        if (!glob || !cJSON_AddItemToArray(ignored, glob)) {
            cJSON_Delete(glob);
            return false;
        }
    }
    cJSON *const ropes = put(root, "ropes", cJSON_CreateArray());
    for (int i = 0; ropes && i < a->n_ropes; i++)
        if (!write_fields(append(ropes), ns_fields_rope, &a->ropes[i]))
            return false;
    cJSON *const layers = put(root, "layers", cJSON_CreateArray());
    for (int64_t i = 0; layers && i < a->n_layers; i++)
        if (!write_layer(layers, &a->layers[i]))
            return false;
    return ignored && ropes && layers;
}

int ns_arch_to_json(const ns_arch *a, char **out, ns_error *err)
{
    cJSON *const root = cJSON_CreateObject();
    *out = write_arch(root, a) ? ns_json_print(root, true) : NULL;
    cJSON_Delete(root);
    return *out ? NS_OK : ns_oom(err, "the description as JSON");
}
