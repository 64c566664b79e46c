/* arch_read_fields.c - an object of JSON into a struct, by a table of fields. */
#include "model/families/arch_read.h"
#include <stdio.h>
#include <string.h>

int ns_arch_read_fail(const ns_arch_reader *r, const char *key, const char *why)
{
    return ns_fail(r->err, NS_E_FORMAT, "%s: %s%s'%.80s' %s", r->label, r->where, r->where[0] ? ": " : "", key, why);
}

int ns_arch_read_at_place(const ns_arch_reader *r, int rc)
{
    if (rc != NS_OK && r->err && r->where[0]) {
        const char *const text = r->err->message + (ns_starts(r->err->message, r->label) ? strlen(r->label) + 2 : 0);
        return ns_fail(r->err, rc, "%s: %s: %s", r->label, r->where, text);
    }
    return rc;
}

static int read_whole(const ns_arch_reader *r, const cJSON *object, const char *key, int64_t otherwise, int64_t low, int64_t high,
                      int64_t *out)
{
    int64_t value;
    const int rc = ns_json_i64(object, key, otherwise, &value, r->label, r->err);
    if (rc != NS_OK)
        return ns_arch_read_at_place(r, rc);
    if (value < low || value > high)
        return ns_arch_read_fail(r, key, "is out of range");
    *out = value;
    return NS_OK;
}

static int read_tref(const ns_arch_reader *r, const cJSON *item, const char *key, ns_tref *t)
{
    static const char *const known[] = {"name", "start", "group", "stride", "transposed"};
    const char *name = cJSON_IsString(item) ? item->valuestring : NULL;
    int rc;
    if (cJSON_IsObject(item)) {
        for (const cJSON *k = item->child; k; k = k->next) {
            size_t i = 0;
            while (i < sizeof known / sizeof *known && strcmp(known[i], k->string) != 0)
                i++;
            if (i == sizeof known / sizeof *known)
                return ns_arch_read_fail(r, k->string, "is not a key of a weight (name, start, group, stride, transposed are)");
        }
        if ((rc = ns_json_str(item, "name", &name, r->label, r->err)) != NS_OK ||
            (rc = ns_json_bool(item, "transposed", false, &t->transposed, r->label, r->err)) != NS_OK)
            return ns_arch_read_at_place(r, rc);
        if ((rc = read_whole(r, item, "start", 0, 0, NS_MAX_DIM, &t->start)) != NS_OK ||
            (rc = read_whole(r, item, "group", 0, 0, NS_MAX_DIM, &t->group)) != NS_OK ||
            (rc = read_whole(r, item, "stride", 0, 0, NS_MAX_DIM, &t->stride)) != NS_OK)
            return rc;
        if ((t->group > 0) != (t->stride > 0))
            return ns_arch_read_fail(r, key, "must have group and stride, or neither: alone they do not select rows");
    }
    if (!name || !name[0])
        return ns_arch_read_fail(r, key, "must be the name of a tensor, or an object with one");
    t->name = ns_strdup(name);
    return t->name ? NS_OK : ns_oom(r->err, "a tensor name");
}

static int read_list(const ns_arch_reader *r, const cJSON *item, const ns_field *f, void *base)
{
    const int64_t n = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : -1;
    if (n != *(const int64_t *)((const char *)base + f->count) / f->over)
        return ns_arch_read_fail(r, f->key,
                    f->over == 1 ? "must be a list with one number a head"
                                             : "must be a list of half as many numbers as rotary_dim");
    void *const list = ns_alloc_array((size_t)n, sizeof(int64_t));
    if (!list)
        return ns_oom(r->err, f->key);
    *(void **)((char *)base + f->offset) = list;
    int64_t i = 0;
    for (const cJSON *v = item->child; v; v = v->next, i++) {
        if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= NS_MAX_DIM) ||
            (f->kind == NS_FIELD_I64S && v->valuedouble != (double)(int64_t)v->valuedouble))
            return ns_arch_read_fail(r, f->key, "holds something that is not a number in range");
        if (f->kind == NS_FIELD_I64S)
            ((int64_t *)list)[i] = (int64_t)v->valuedouble;
        else
            ((double *)list)[i] = v->valuedouble;
    }
    return NS_OK;
}

static int read_number(const ns_arch_reader *r, const cJSON *object, const ns_field *f, void *p)
{
    double value;
    bool flag;
    int64_t whole = 0;
    int rc;
    switch (f->kind) {
    case NS_FIELD_I64:
        return read_whole(r, object, f->key, (int64_t)f->otherwise, 0, NS_MAX_DIM, p);
    case NS_FIELD_INT:
        if ((rc = read_whole(r, object, f->key, (int64_t)f->otherwise, -1, NS_MAX_ROPES, &whole)) != NS_OK)
            return rc;
        *(int *)p = (int)whole;
        return NS_OK;
    case NS_FIELD_BOOL:
        if ((rc = ns_json_bool(object, f->key, f->otherwise != 0, &flag, r->label, r->err)) != NS_OK)
            return ns_arch_read_at_place(r, rc);
        *(bool *)p = flag;
        return NS_OK;
    default:
        if ((rc = ns_json_f64(object, f->key, f->otherwise, &value, r->label, r->err)) != NS_OK)
            return ns_arch_read_at_place(r, rc);
        if (!(value >= -1e30 && value <= 1e30))
            return ns_arch_read_fail(r, f->key, "is out of range");
        if (f->kind == NS_FIELD_F32 && !ns_is_single(value))
            return ns_arch_read_fail(r, f->key, "is so near to 0 that no number of 32 bits is it");
        if (f->kind == NS_FIELD_F32)
            *(float *)p = (float)value;
        else
            *(double *)p = value;
        return NS_OK;
    }
}

int ns_arch_read_no_word(const ns_arch_reader *r, const char *key, const char *words)
{
    char text[160];
    snprintf(text, sizeof text, "has none of the known values (%s)", words);
    return ns_arch_read_fail(r, key, text);
}

void ns_arch_read_list_word(char *words, size_t room, const char *name)
{
    snprintf(words + strlen(words), room - strlen(words), "%s%s", words[0] ? ", " : "", name);
}

static int read_word(const ns_arch_reader *r, const cJSON *object, const ns_field *f, void *p)
{
    const char *name;
    int value = 0;
    const int rc = ns_json_str(object, f->key, &name, r->label, r->err);
    if (rc != NS_OK)
        return ns_arch_read_at_place(r, rc);
    if (name && !ns_word_find(f->words, name, &value)) {
        char words[128] = "";
        for (const ns_word *w = f->words; w->name; w++)
            ns_arch_read_list_word(words, sizeof words, w->name);
        return ns_arch_read_no_word(r, f->key, words);
    }
    if (!name || f->kind == NS_FIELD_FIXED)
        return NS_OK;
    if (*(int *)p && *(int *)p != value)
        return ns_arch_read_fail(r, f->key, "contradicts the word of a key above it");      /* NS_FIELD_IMPLIES */
    *(int *)p = value;       /* enums are ints here: -fshort-enums is not supported */
    return NS_OK;
}

static int not_a_key(const ns_arch_reader *r, const char *key, const ns_field *fields, const char *const *parts)
{
    enum { MOST = 128 };
    const char *words[MOST];
    char text[160];
    int64_t n = 0;
    for (; fields->key && n < MOST; fields++)
        words[n++] = fields->key;
    for (; parts && *parts && n < MOST; parts++)
        words[n++] = *parts;
    const char *const near = ns_nearest_word(key, words, n);
    snprintf(text, sizeof text, "is not a key that belongs here%s%.64s%s", near ? " (did you mean '" : "", near ? near : "",
             near ? "'?)" : "");
    return ns_arch_read_fail(r, key, text);
}

/* Every key of the object is one of the table's, or one of the parts that the caller reads itself. */
static int check_keys(const ns_arch_reader *r, const cJSON *object, const ns_field *fields, const char *const *parts)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        const bool known = ns_field_find(fields, item->string);
        const char *const *part = parts;
        while (!known && part && *part && strcmp(*part, item->string) != 0)
            part++;
        if (!known && !(part && *part))
            return not_a_key(r, item->string, fields, parts);
    }
    return NS_OK;
}

int ns_arch_read_fields(ns_arch_reader *r, const cJSON *object, const ns_field *fields, void *base, const char *const *parts)
{
    if (!cJSON_IsObject(object))
        return ns_fail(r->err, NS_E_FORMAT, "%s: %s must be an object", r->label, r->where);
    int rc = check_keys(r, object, fields, parts);
    for (const ns_field *f = fields; f->key && rc == NS_OK; f++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, f->key);
        void *const p = (char *)base + f->offset;
        if (!item || cJSON_IsNull(item)) {
            if (f->required)
                return ns_arch_read_fail(r, f->key, "is missing");
            item = NULL;
        }
        if (f->kind >= NS_FIELD_WORD && f->kind <= NS_FIELD_IMPLIES)
            rc = read_word(r, object, f, p);
        else if (f->kind < NS_FIELD_WORD)
            rc = read_number(r, object, f, p);
        else if (item && f->kind == NS_FIELD_TREF)
            rc = read_tref(r, item, f->key, p);
        else if (item && (f->kind == NS_FIELD_I64S || f->kind == NS_FIELD_F64S))
            rc = read_list(r, item, f, base);
        else if (item) {
            const size_t n = strlen(r->where);
            snprintf(r->where + n, sizeof r->where - n, "%s%s", n ? "." : "", f->key);
            rc = ns_arch_read_fields(r, item, ns_fields_norm, p, NULL);
            r->where[n] = 0;
        }
    }
    return rc;
}
