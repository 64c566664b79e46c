/* coordinates.c - what is known of a case, layer, head, run, step or text beside what was measured there: netCDF's auxiliary coordinates.
 * An array names in its attribute `coordinates` those that lie on its axes (CF conventions, 5), so that xarray groups and selects by
 * them. */
#include "record/out.h"

#include <stdlib.h>
#include <string.h>

static const char *const known[] = {
    "case_id", "value_type", "template", "twin_of", "length", "n_tokens", "n_answer", "query_token", "n_mentions", "n_distractors",
    "depth", "distance", "prompt", "answered", "layer_kind", "rope_theta", "rope_scaling", "window", "head_valid", "tokens", "run_name",
    "checkpoint", "text_id", "text_tokens", "score_name", "group_name"};

static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *p = words + strspn(words, " "); *p; p += strspn(p, " ")) {
        const size_t length = strcspn(p, " ");
        if (length == n && strncmp(p, word, n) == 0)
            return true;
        p += length;
    }
    return false;
}

static bool lies_on(const char *axes, const char *of)
{
    for (const char *p = axes + strspn(axes, " "); *p; p += strspn(p, " ")) {
        const size_t length = strcspn(p, " ");
        if (!has_word(of, p, length))
            return false;
        p += length;
    }
    return true;
}

/* Those, and what a study says of its runs that is no score. */
static bool is_coordinate(const ns_out *o, const out_array *a)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(a->name, known[i]) == 0)
            return true;
    return strcmp(a->axes, "run") == 0 && H5Aexists_by_name(o->id, a->name, "best", H5P_DEFAULT) == 0;
}

int ns_out_add_array(ns_out *o, const ns_out_spec *s, ns_error *err)
{
    if (s->group[0])
        return NS_OK;
    if (!ns_grow(&o->arrays, &o->arrays_capacity, o->n_arrays + 1, sizeof *o->arrays))
        return ns_oom(err, o->label);
    out_array *const a = &o->arrays[o->n_arrays++];
    *a = (out_array){.name = ns_strdup(s->name), .axes = ns_strdup(s->axes ? s->axes : "")};
    return a->name && a->axes ? NS_OK : ns_oom(err, o->label);
}

static int name_coordinates(ns_out *o, const out_array *a, ns_error *err)
{
    char *text = ns_strdup("");
    for (int64_t i = 0; i < o->n_arrays && text; i++) {
        const out_array *const c = &o->arrays[i];
        if (!c->is_coordinate || !*c->axes || !lies_on(c->axes, a->axes))
            continue;
        char *const longer = ns_printf_alloc("%s%s%s", text, *text ? " " : "", c->name);
        free(text);
        text = longer;
    }
    int rc = text ? NS_OK : ns_oom(err, o->label);
    if (rc == NS_OK && *text) {
        const hid_t dataset = H5Dopen2(o->id, a->name, H5P_DEFAULT);
        rc = ns_out_check(o, dataset < 0 ? -1 : ns_out_text_attribute(dataset, "coordinates", text), a->name, err);
        if (dataset >= 0)
            H5Dclose(dataset);
    }
    free(text);
    return rc;
}

int ns_out_end_coordinates(ns_out *o, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < o->n_arrays; i++)
        o->arrays[i].is_coordinate = is_coordinate(o, &o->arrays[i]);
    for (int64_t i = 0; i < o->n_arrays && rc == NS_OK; i++)
        if (!o->arrays[i].is_coordinate)
            rc = name_coordinates(o, &o->arrays[i], err);
    return rc;
}

void ns_out_free_coordinates(ns_out *o)
{
    for (int64_t i = 0; i < o->n_arrays; i++) {
        free(o->arrays[i].name);
        free(o->arrays[i].axes);
    }
    free(o->arrays);
}
