/* config_rope.c - one rope set out of a config of either generation.
 *
 * transformers 5: rope_parameters, flat or one object per layer type; 4.x: rope_scaling beside rope_theta. A value is looked for in
 * rope_parameters, then rope_scaling, then the config itself, then the family's defaults. */
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rope_reader {
    ns_config   *c;
    const cJSON *object;      /* the scaling object in force, or NULL */
    const char  *label;       /* "config.json: rope_scaling" */
    char         label_text[512];
    bool         v5;
} rope_reader;

static const char *const common_keys[] = {"rope_type", "type", "rope_theta", "partial_rotary_factor"};

/* Keys of each scaling, beside the common ones. */
static const struct { ns_rope_scaling scaling; const char *keys[8];
} scaling_keys[] = {
    {NS_ROPE_DEFAULT, {"mrope_section", "mrope_interleaved", NULL}},
    {NS_ROPE_LINEAR, {"factor", "original_max_position_embeddings", NULL}},
    {NS_ROPE_DYNAMIC, {"factor", "original_max_position_embeddings", NULL}},
    {NS_ROPE_LLAMA3, {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", NULL}},
    {NS_ROPE_YARN,
     {"factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate", "original_max_position_embeddings"}},
    {NS_ROPE_LONGROPE, {"factor", "attention_factor", "short_factor", "long_factor", "original_max_position_embeddings", NULL}},
};

/* transformers takes rope_scaling where both are set, and only its version 5 reads the other. */
static int check_both(const rope_reader *r, const cJSON *scaling, const cJSON *parameters, ns_error *err)
{
    const cJSON *said;
    cJSON_ArrayForEach(said, scaling)
    {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(parameters, said->string);
        if (!other && strcmp(said->string, "type") == 0)
            other = cJSON_GetObjectItemCaseSensitive(parameters, "rope_type");
        if (!cJSON_Compare(said, other, true))
            return ns_fail(err, NS_E_UNSUPPORTED,
                           "%s: rope_scaling and rope_parameters are both set, and do not agree on '%.40s': take one of them out",
                           r->c->label, said->string);
    }
    return NS_OK;
}

static int select_object(rope_reader *r, const ns_rope_source *source, bool *unscaled, ns_error *err)
{
    cJSON *const all = ns_config_get(r->c, "rope_parameters"), *const scaling = ns_config_get(r->c, "rope_scaling");
    *unscaled = source->unscaled;
    const char *key = "rope_scaling";
    const cJSON *found = scaling;
    if (all && !cJSON_IsNull(all)) {
        key = "rope_parameters";
        found = all;
        r->v5 = true;
        const cJSON *const full = cJSON_GetObjectItemCaseSensitive(all, "full_attention"), *const sliding =
                                                                                               cJSON_GetObjectItemCaseSensitive(
                                                                                                   all, "sliding_attention");
        if (full || sliding) {
            found = cJSON_GetObjectItemCaseSensitive(all, source->type);
            *unscaled = false;           /* the file says what each layer type has */
            if (!cJSON_IsObject(found))
                return ns_fail(err, NS_E_FORMAT, "%s: rope_parameters has no object '%s'", r->c->label, source->type);
        }
        const int rc = cJSON_IsObject(scaling) && !full && !sliding ? check_both(r, scaling, all, err) : NS_OK;
        if (rc != NS_OK)
            return rc;
    }
    if (found && !cJSON_IsNull(found) && !cJSON_IsObject(found))
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be an object or null", r->c->label, key);
    r->object = cJSON_IsObject(found) ? found : NULL;
    ns_line(r->label_text, sizeof r->label_text, "%s: %s", r->c->label, key);
    r->label = r->label_text;
    return NS_OK;
}

static int number(const rope_reader *r, const char *key, double otherwise, double low, double high, double *out, ns_error *err)
{
    const int rc = ns_json_f64(r->object, key, otherwise, out, r->label, err);
    if (rc != NS_OK)
        return rc;
    if (!(*out >= low && *out <= high))
        return ns_fail(err, NS_E_FORMAT, "%s: %s is %s%g, outside %g to %g", r->label, key,
                       cJSON_GetObjectItemCaseSensitive(r->object, key) ? "" : "missing, so ", *out, low, high);
    return NS_OK;
}

static int read_type(const rope_reader *r, const ns_family *row, ns_rope_scaling *out, ns_error *err)
{
    const char *name = NULL, *old = NULL;
    int value;
    int rc;
    *out = NS_ROPE_DEFAULT;
    if ((rc = ns_json_str(r->object, "rope_type", &name, r->label, err)) != NS_OK ||
        (rc = ns_json_str(r->object, "type", &old, r->label, err)) != NS_OK)
        return rc;
    if (!name)
        name = old;
    if (!name && r->v5)
        return NS_OK;
    if (!name)
        return ns_fail(err, NS_E_FORMAT, "%s: no rope_type (default, linear, dynamic, llama3, yarn or longrope)", r->label);
    if (strcmp(name, "su") == 0 || (strcmp(name, "yarn") == 0 && cJSON_GetObjectItemCaseSensitive(r->object, "short_factor")))
        name = "longrope";               /* older spellings of phi3 */
    if (row->mrope && strcmp(name, "mrope") == 0)
        name = "default";                /* the three positions of a text token are equal */
    if (!ns_word_find(ns_words_scaling, name, &value))
        return ns_fail(err, NS_E_UNSUPPORTED,
                       "%s: rope_type '%.40s' is not supported (default, linear, dynamic, llama3, yarn and longrope are)", r->label, name);
    *out = (ns_rope_scaling)value;
    return NS_OK;
}

static int read_factors(const rope_reader *r, const char *key, int64_t n, double **out, ns_error *err)
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(r->object, key);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != n)
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be a list of %lld numbers (half of the rotated dimensions)", r->label, key,
                       (long long)n);
    double *const v = ns_alloc_array((size_t)n, sizeof *v);
    if (!v)
        return ns_oom(err, "the longrope factors");
    *out = v;
    int64_t i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble < 1e9))
            return ns_fail(err, NS_E_FORMAT, "%s: %s[%lld] must be a number above 0", r->label, key, (long long)i);
        v[i] = item->valuedouble;
    }
    return NS_OK;
}

/* The length the model was trained at. longrope of 4.x takes the config's own key first: phi3 keeps it there. */
static int read_original(const rope_reader *r, ns_rope *rope, int64_t otherwise, int64_t positions, ns_error *err)
{
    int64_t inner, outer;
    int rc;
    if ((rc = ns_json_i64(r->object, "original_max_position_embeddings", 0, &inner, r->label, err)) != NS_OK ||
        (rc = ns_config_i64(r->c, "original_max_position_embeddings", otherwise, 0, NS_MAX_DIM, &outer, err)) != NS_OK)
        return rc;
    if (inner < 0 || inner > NS_MAX_DIM)
        return ns_fail(err, NS_E_FORMAT, "%s: original_max_position_embeddings is %lld, outside 1 to %lld", r->label, (long long)inner,
                       (long long)NS_MAX_DIM);
    const bool outer_first = rope->scaling == NS_ROPE_LONGROPE && !r->v5;
    const int64_t first = outer_first ? outer : inner, second = outer_first ? inner : outer;
    const int64_t given = first ? first : rope->scaling == NS_ROPE_LONGROPE || r->v5 ? second : 0;
    if (rope->scaling == NS_ROPE_LONGROPE && given)
        rope->factor = (double)positions / (double)given;   /* phi3: the ratio of the lengths, whatever `factor` says */
    if (rope->scaling == NS_ROPE_LLAMA3 && !given)
        return ns_fail(err, NS_E_FORMAT, "%s: llama3 needs original_max_position_embeddings", r->label);
    rope->original_max_positions = given ? given : positions;
    return NS_OK;
}

/* positions = the length the model was trained at, times the factor; never less than the config states. */
static int stretch(int64_t *positions, double original, double factor)
{
    *positions = (int64_t)fmin(fmax((double)*positions, floor(original * factor)), (double)NS_MAX_DIM);
    return NS_OK;
}

static int read_scaling(const rope_reader *r, const ns_family *row, ns_rope *rope, int64_t *positions, ns_error *err)
{
    int rc;
    if (rope->scaling == NS_ROPE_DEFAULT)
        return NS_OK;
    if ((rc = number(r, "factor", rope->scaling == NS_ROPE_LONGROPE ? 1 : 0, 1e-3, 1e6, &rope->factor, err)) != NS_OK)
        return rc;
    if (rope->scaling == NS_ROPE_DYNAMIC) {       /* always by max_position_embeddings, as in transformers */
        rope->original_max_positions = *positions;
        return stretch(positions, (double)*positions, rope->factor);
    }
    if (rope->scaling == NS_ROPE_LINEAR) {        /* vicuna-16k: 4096 and a factor of 4; transformers has no limit at all */
        double original;
        rc = number(r, "original_max_position_embeddings", (double)*positions, 1, NS_MAX_DIM, &original, err);
        return rc != NS_OK ? rc : stretch(positions, original, rope->factor);
    }
    if ((rc = read_original(r, rope, row->defaults.original, *positions, err)) != NS_OK)
        return rc;
    if (rope->scaling == NS_ROPE_LLAMA3) {
        if ((rc = number(r, "low_freq_factor", 0, 1e-6, 1e6, &rope->low_freq_factor, err)) != NS_OK ||
            (rc = number(r, "high_freq_factor", 0, 1e-6, 1e6, &rope->high_freq_factor, err)) != NS_OK)
            return rc;
        if (rope->high_freq_factor <= rope->low_freq_factor)
            return ns_fail(err, NS_E_FORMAT, "%s: high_freq_factor %g must be above low_freq_factor %g", r->label, rope->high_freq_factor,
                           rope->low_freq_factor);
        return NS_OK;
    }
    if ((rc = number(r, "attention_factor", 0, 0, 1e6, &rope->attention_factor, err)) != NS_OK)
        return rc;
    if (rope->scaling == NS_ROPE_LONGROPE)
        return (rc = read_factors(r, "short_factor", rope->rotary_dim / 2, &rope->short_factor, err))
                   ? rc : read_factors(r, "long_factor", rope->rotary_dim / 2, &rope->long_factor, err);
    stretch(positions, (double)rope->original_max_positions, rope->factor);
    if ((rc = number(r, "beta_fast", 32, 0, 1e6, &rope->beta_fast, err)) != NS_OK ||
        (rc = number(r, "beta_slow", 1, 0, 1e6, &rope->beta_slow, err)) != NS_OK ||
        (rc = number(r, "mscale", 0, 0, 1e6, &rope->mscale, err)) != NS_OK ||
        (rc = number(r, "mscale_all_dim", 0, 0, 1e6, &rope->mscale_all_dim, err)) != NS_OK)
        return rc;
    rope->beta_fast = rope->beta_fast ? rope->beta_fast : 32;
    rope->beta_slow = rope->beta_slow ? rope->beta_slow : 1;
    return ns_json_bool(r->object, "truncate", true, &rope->truncate, r->label, err);
}

static int check_keys(const rope_reader *r, ns_rope_scaling scaling, ns_error *err)
{
    const char *known[16] = {0};
    size_t n = 0;
    for (; n < sizeof common_keys / sizeof *common_keys; n++)
        known[n] = common_keys[n];
    for (int i = 0; i < 8 && scaling_keys[scaling].keys[i]; i++)
        known[n++] = scaling_keys[scaling].keys[i];
    return ns_rope_unread(r->c, r->object, ns_word_name(ns_words_scaling, (int)scaling), known, err);
}

int ns_config_rope(ns_rope *out, ns_config *c, const ns_family *row, const ns_rope_source *source, int64_t head_dim, int64_t *positions,
                   ns_error *err)
{
    rope_reader r = {.c = c};
    ns_rope rope = {.theta = source->theta, .layout = row->layout, .truncate = true};
    double partial = source->partial;
    bool unscaled;
    int rc = select_object(&r, source, &unscaled, err);
    if (rc != NS_OK)
        return rc;
    if (r.object) {
        double theta, part;
        if ((rc = number(&r, "rope_theta", rope.theta, 1, 1e30, &theta, err)) != NS_OK ||
            (rc = number(&r, "partial_rotary_factor", partial, 0, 1, &part, err)) != NS_OK)
            return rc;
        if (!(unscaled && source->own_theta))
            rope.theta = theta;
        if (part != 1 && !row->keys.partial)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: partial_rotary_factor %g is not supported for %s", r.label, part, row->type);
        partial = part;
    }
    if (!(rope.theta > 1))
        return ns_fail(err, NS_E_FORMAT, "%s: rope_theta is %g: it must be above 1", c->label, rope.theta);
    rope.rotary_dim = (int64_t)((double)head_dim * partial);
    if (rope.rotary_dim < 2 || rope.rotary_dim % 2)
        return ns_fail(err, NS_E_FORMAT, "%s: %lld of the %lld dimensions of a head would rotate: an even number above 0 is needed",
                       c->label, (long long)rope.rotary_dim, (long long)head_dim);
    if (r.object && !unscaled)
        if ((rc = read_type(&r, row, &rope.scaling, err)) != NS_OK || (rc = read_scaling(&r, row, &rope, positions, err)) != NS_OK ||
            (rc = check_keys(&r, rope.scaling, err)) != NS_OK) {
            ns_rope_clear(&rope);
            return rc;
        }
    *out = rope;
    return NS_OK;
}
