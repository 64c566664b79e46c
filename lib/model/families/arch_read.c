/* arch_read.c - an arch from JSON, as strict as with any untrusted file: unknown keys, wrong types, numbers out of range and
 * missing weights are errors that name the place. fields.c has the keys; ns_arch_validate has the last word. */
#include "model/families/arch_read.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A class by all its words. */
static void add_mixers(char *words, size_t n, const ns_branch_class *c)
{
    for (const ns_word *w = c->mixers; w && w->name; w++)
        ns_arch_read_list_word(words, n, w->name);
    if (!c->mixers && c->mixer)
        ns_arch_read_list_word(words, n, c->mixer);
}

/* The class that a branch's kind and its part's mixer name. */
static int find_class(const ns_arch_reader *r, const cJSON *part, const char *kind, const ns_branch_class **out)
{
    const char *mixer;
    const int rc = ns_json_str(part, "mixer", &mixer, r->label, r->err);
    if (rc != NS_OK)
        return ns_arch_read_at_place(r, rc);
    *out = ns_branch_class_find(kind, mixer);
    char words[128] = "";
    for (int i = 0; !*out && ns_branch_classes[i]; i++)
        if (strcmp(ns_branch_classes[i]->part, kind) == 0)
            add_mixers(words, sizeof words, ns_branch_classes[i]);
    return *out ? NS_OK : ns_arch_read_no_word(r, "mixer", words);
}

/* The branch's kind, and that of its parts it has this one alone. */
static int find_part(const ns_arch_reader *r, const cJSON *object, const char *const *parts, const char **kind, const cJSON **part)
{
    char words[128] = "";
    int i = 0;
    const int rc = ns_json_str(object, "kind", kind, r->label, r->err);
    if (rc != NS_OK)
        return ns_arch_read_at_place(r, rc);
    if (!*kind)
        return ns_arch_read_fail(r, "kind", "is missing");
    for (; parts[i] && strcmp(parts[i], "kind") != 0; i++)
        ns_arch_read_list_word(words, sizeof words, parts[i]);
    if (!ns_branch_class_find(*kind, NULL))
        return ns_arch_read_no_word(r, "kind", words);
    *part = cJSON_GetObjectItemCaseSensitive(object, *kind);
    for (i = 0; parts[i] && *part; i++)
        if (strcmp(parts[i], "kind") != 0 && strcmp(parts[i], *kind) != 0 && cJSON_GetObjectItemCaseSensitive(object, parts[i]))
            *part = NULL;
    return *part ? NS_OK : ns_arch_read_fail(r, *kind, "must be the branch's one part");
}

/* What a branch has beside its fields: the parts of all classes, and "kind" behind them. */
enum { MAX_PARTS = NS_N_BRANCH_CLASSES + 1 };
static void branch_parts(const char *parts[MAX_PARTS + 1])
{
    int n = 0;
    for (int i = 0; ns_branch_classes[i]; i++)
        if (ns_branch_class_find(ns_branch_classes[i]->part, NULL) == ns_branch_classes[i])
            parts[n++] = ns_branch_classes[i]->part;
    parts[n++] = "kind";
    parts[n] = NULL;
}

static int read_branch(ns_arch_reader *r, const cJSON *object, ns_branch *b)
{
    const char *parts[MAX_PARTS + 1], *kind;
    const ns_branch_class *class_;
    const cJSON *part;
    branch_parts(parts);
    int rc = ns_arch_read_fields(r, object, ns_fields_branch, b, parts);
    rc = rc != NS_OK ? rc : find_part(r, object, parts, &kind, &part);
    if (rc != NS_OK)
        return rc;
    const size_t n = strlen(r->where);
    snprintf(r->where + n, sizeof r->where - n, ".%s", kind);
    if (!cJSON_IsObject(part))
        return ns_fail(r->err, NS_E_FORMAT, "%s: %s must be an object", r->label, r->where);
    if ((rc = find_class(r, part, kind, &class_)) != NS_OK)
        return rc;
    return ns_branch_begin(b, class_) ? ns_arch_read_fields(r, part, class_->fields, b->params, NULL) : ns_oom(r->err, "a branch");
}

/* object[key] as a list of low to high items. */
static int list_of(const ns_arch_reader *r, const cJSON *object, const char *key, int low, int high, const cJSON **out, int *n)
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(object, key);
    *n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
    *out = list;
    if (*n >= low && *n <= high)
        return NS_OK;
    return ns_fail(r->err, NS_E_FORMAT, "%s: %s%s'%s' must be a list of %d to %d items", r->label, r->where, r->where[0] ? ": " : "", key,
                   low, high);
}

static int read_layer(ns_arch_reader *r, const cJSON *object, int64_t index, ns_layer *layer)
{
    static const ns_field none[] = {{0}};
    static const char *const layer_parts[] = {"stages", NULL}, *const stage_parts[] = {"branches", NULL};
    const cJSON *stages, *branches;
    int n_stages, n_branches, rc;
    snprintf(r->where, sizeof r->where, "layers[%lld]", (long long)index);
    if ((rc = ns_arch_read_fields(r, object, none, layer, layer_parts)) != NS_OK ||
        (rc = list_of(r, object, "stages", 1, 2, &stages, &n_stages)) != NS_OK)
        return rc;
    for (const cJSON *s = stages->child; s; s = s->next) {
        ns_stage *const stage = &layer->stages[layer->n_stages++];
        snprintf(r->where, sizeof r->where, "layers[%lld].stages[%d]", (long long)index, layer->n_stages - 1);
        if ((rc = ns_arch_read_fields(r, s, ns_fields_stage, stage, stage_parts)) != NS_OK ||
            (rc = list_of(r, s, "branches", 1, 2, &branches, &n_branches)) != NS_OK)
            return rc;
        for (const cJSON *b = branches->child; b; b = b->next) {
            snprintf(r->where, sizeof r->where, "layers[%lld].stages[%d].branches[%d]", (long long)index, layer->n_stages - 1,
                     stage->n_branches);
            if ((rc = read_branch(r, b, &stage->branches[stage->n_branches++])) != NS_OK)
                return rc;
        }
    }
    return NS_OK;
}

static int read_ignored(ns_arch_reader *r, const cJSON *root, ns_arch *a)
{
    const cJSON *list;
    int n, rc;
    if (!cJSON_GetObjectItemCaseSensitive(root, "ignored"))
        return NS_OK;
    if ((rc = list_of(r, root, "ignored", 0, 65536, &list, &n)) != NS_OK)
        return rc;
    a->ignored = ns_alloc_array((size_t)n, sizeof *a->ignored);
    if (!a->ignored)
        return ns_oom(r->err, "the ignored tensors");
    for (const cJSON *v = list->child; v; v = v->next) {
        if (!cJSON_IsString(v))
            return ns_arch_read_fail(r, "ignored", "must be a list of tensor-name globs");
        if (!(a->ignored[a->n_ignored] = ns_strdup(v->valuestring)))
            return ns_oom(r->err, "the ignored tensors");
        a->n_ignored++;
    }
    return NS_OK;
}

static int read_parts(ns_arch_reader *r, const cJSON *root, ns_arch *a)
{
    const cJSON *ropes, *layers;
    int n_ropes, n_layers, rc;
    if ((rc = read_ignored(r, root, a)) != NS_OK || (rc = list_of(r, root, "ropes", 0, NS_MAX_ROPES, &ropes, &n_ropes)) != NS_OK ||
        (rc = list_of(r, root, "layers", 1, NS_MAX_LAYERS, &layers, &n_layers)) != NS_OK)
        return rc;
    a->ropes = ns_alloc_array((size_t)n_ropes, sizeof *a->ropes);
    a->layers = ns_alloc_array((size_t)n_layers, sizeof *a->layers);
    if (!a->ropes || !a->layers)
        return ns_oom(r->err, "the layers");
    for (const cJSON *v = ropes->child; v; v = v->next) {
        snprintf(r->where, sizeof r->where, "ropes[%d]", a->n_ropes);
        if ((rc = ns_arch_read_fields(r, v, ns_fields_rope, &a->ropes[a->n_ropes++], NULL)) != NS_OK)
            return rc;
    }
    for (const cJSON *v = layers->child; v; v = v->next) {
        a->n_layers++;
        if ((rc = read_layer(r, v, a->n_layers - 1, &a->layers[a->n_layers - 1])) != NS_OK)
            return rc;
    }
    r->where[0] = 0;
    return NS_OK;
}

/* A weight's shape follows from the sizes; group and stride where they were not given. */
static int fill_shape(void *user, const ns_visit *slot, ns_error *err)
{
    ns_tref *const t = slot->tref;
    (void)user;
    (void)err;
    if (!t->name)
        return NS_OK;
    t->n_out = slot->n_out;
    t->n_in = slot->n_in;
    t->group = t->group ? t->group : t->n_out;
    t->stride = t->stride ? t->stride : t->group;
    return NS_OK;
}

static int read_root(ns_arch_reader *r, const cJSON *root, ns_arch *a)
{
    static const char *const parts[] = {"needlescope_arch", "family", "ignored", "ropes", "layers", NULL};
    const char *family;
    int64_t version;
    int rc;
    if (!cJSON_IsObject(root))
        return ns_fail(r->err, NS_E_FORMAT, "%s: not a JSON object", r->label);
    if ((rc = ns_json_i64(root, "needlescope_arch", 0, &version, r->label, r->err)) != NS_OK ||
        (rc = ns_json_str(root, "family", &family, r->label, r->err)) != NS_OK)
        return rc;
    if (version != NS_ARCH_JSON_VERSION)
        return ns_fail(r->err, NS_E_FORMAT,
                       "%s: needlescope_arch is %lld: this is not a description of version %d (inspect MODEL --arch-out writes one)",
                       r->label, (long long)version, NS_ARCH_JSON_VERSION);
    if (!family || !family[0] || strlen(family) >= sizeof a->family)
        return ns_arch_read_fail(r, "family", "must be a name of 1 to 31 bytes");
    snprintf(a->family, sizeof a->family, "%s", family);
    if ((rc = ns_arch_read_fields(r, root, ns_fields_arch, a, parts)) != NS_OK || (rc = read_parts(r, root, a)) != NS_OK)
        return rc;
    return ns_arch_each(a, fill_shape, NULL, r->err);
}

int ns_arch_from_json(ns_arch **out, const char *json, size_t n, const char *label, const ns_arch_params *params, ns_error *err)
{
    ns_arch_reader r = {.label = label, .err = err};
    cJSON *root = NULL;
    *out = NULL;
    int rc = ns_json_parse(&root, json, n, NS_MAX_JSON_DEPTH, label, err);
    if (rc != NS_OK)
        return rc;
    ns_arch *a = ns_alloc_array(1, sizeof *a);
    if (!a)
        rc = ns_oom(err, "the description of the model");
    if (rc == NS_OK && (rc = read_root(&r, root, a)) == NS_OK && (rc = ns_arch_validate(a, label, err)) == NS_OK && params &&
        params->names_path)
        rc = ns_arch_apply_names(a, params->names_path, err);
    cJSON_Delete(root);
    if (rc == NS_OK && !(a->described = ns_strdup(label)))
        rc = ns_oom(err, label);
    if (rc != NS_OK) {
        ns_arch_free(a);
        return rc;
    }
    *out = a;
    return NS_OK;
}
