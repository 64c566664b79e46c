/* postprocess.c - after the model: ByteLevel takes white space off the ends of offsets, templates put special tokens around. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

/* ---- trim_offsets ---- */

static bool is_white(uint32_t code)
{
    return ns_tok_is_space(code) || ns_tok_char_byte(code) == ' ';
}

void ns_tok_count_white(const char *s, int64_t n, int32_t *lead, int32_t *trail)
{
    uint32_t code;
    *lead = *trail = 0;
    for (int64_t at = 0; at < n; ++*lead) {
        const int size = ns_tok_next(s + at, &code);
        if (!is_white(code))
            break;
        at += size;
    }
    for (int64_t end = n; end > 0; ++*trail) {
        const int size = ns_tok_char_before(s, end, &code);
        if (!is_white(code))
            break;
        end -= size;
    }
}

static uint32_t characters_on(const char *s, uint32_t at, uint32_t end, int32_t count)
{
    uint32_t code;
    for (; count > 0 && at < end; count--)
        at += (uint32_t)ns_tok_next(s + at, &code);
    return at;
}

/* count characters back from end, not past begin; where the text has fewer than count before end, end itself. */
static uint32_t characters_back(const char *s, uint32_t begin, uint32_t end, int32_t count)
{
    uint32_t at = end;
    uint32_t code;
    for (; count > 0 && at > 0; count--)
        at -= (uint32_t)ns_tok_char_before(s, at, &code);
    if (count > 0)
        return end;
    return at > begin ? at : begin;
}

static void trim(const ns_tok_work *w, const ns_tok_step *step, int64_t i)
{
    ns_tok_token *const token = &w->tokens[i];
    const ns_tok_vocab *const vocab = &w->tok->model.vocab;
    int32_t lead = token->lead, trail = token->trail;
    if (lead < 0)
        ns_tok_count_white(ns_tok_vocab_text(vocab, token->id), vocab->length[token->id], &lead, &trail);
    if (lead == 1 && step->prefix_space && (i == 0 || token->begin == 0))
        lead = 0;   /* the one space at the beginning is the one that was added */
    token->begin = characters_on(w->original, token->begin, token->end, lead);
    token->end = characters_back(w->original, token->begin, token->end, trail);
}

static int run_trim(ns_tok_work *w, const ns_tok_step *step)
{
    for (int64_t i = 0; step->split && i < w->n; i++)
        trim(w, step, i);
    return NS_OK;
}

static int read_trim(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_json_bool(json, "add_prefix_space", true, &step->prefix_space, label, err);
    return rc != NS_OK ? rc : ns_json_bool(json, "trim_offsets", true, &step->split, label, err);
}

/* ---- templates ---- */

enum { MOST_IDS = 4096 };       /* around a text: 'single' may name one special token again and again, and that one have many ids */

static int add_ids(int32_t **list, int64_t *n, const cJSON *ids, const char *label, ns_error *err)
{
    for (const cJSON *item = ids ? ids->child : NULL; item; item = item->next) {
        const double id = item->valuedouble;
        if (!cJSON_IsNumber(item) || id < 0 || id > INT32_MAX - 1 || id != (double)(int32_t)id)
            return ns_fail(err, NS_E_FORMAT, "%s: TemplateProcessing: an id is not a whole number from 0 to 2^31 - 2", label);
        if (*n == MOST_IDS)
            return ns_fail(err, NS_E_FORMAT, "%s: post_processor: 'single' puts more than %d ids at one side of a text", label, MOST_IDS);
        int32_t *const grown = realloc(*list, (size_t)(*n + 1) * sizeof **list);
        if (!grown)
            return ns_oom(err, label);
        *list = grown;
        (*list)[(*n)++] = (int32_t)id;
    }
    return NS_OK;
}

static int read_special(ns_tok_step *step, const cJSON *piece, const cJSON *specials, bool after, const char *label, ns_error *err)
{
    const cJSON *const name = cJSON_GetObjectItemCaseSensitive(piece, "id");
    const cJSON *const entry = cJSON_IsString(name) ? cJSON_GetObjectItemCaseSensitive(specials, name->valuestring) : NULL;
    const cJSON *const ids = cJSON_GetObjectItemCaseSensitive(entry, "ids");
    if (!cJSON_IsArray(ids))
        return ns_fail(err, NS_E_FORMAT, "%s: TemplateProcessing: special_tokens has no ids of '%.100s'", label,
                       cJSON_IsString(name) ? name->valuestring : "");
    return after ? add_ids(&step->after, &step->n_after, ids, label, err) : add_ids(&step->before, &step->n_before, ids, label, err);
}

static int read_template(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const cJSON *const single = cJSON_GetObjectItemCaseSensitive(json, "single");
    const cJSON *const specials = cJSON_GetObjectItemCaseSensitive(json, "special_tokens");
    if (!cJSON_IsArray(single))
        return ns_fail(err, NS_E_FORMAT, "%s: TemplateProcessing has no list 'single'", label);
    int sequences = 0;
    int rc = NS_OK;
    for (const cJSON *item = single->child; item && rc == NS_OK; item = item->next) {
        const cJSON *const special = cJSON_GetObjectItemCaseSensitive(item, "SpecialToken");
        const cJSON *const sequence = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(item, "Sequence"), "id");
        if (special)
            rc = read_special(step, special, specials, sequences > 0, label, err);
        else if (cJSON_IsString(sequence) && strcmp(sequence->valuestring, "A") == 0)
            sequences++;
        else
            rc = ns_fail(err, NS_E_FORMAT, "%s: TemplateProcessing: 'single' holds something other than SpecialToken and Sequence A",
                         label);
    }
    if (rc == NS_OK && sequences != 1)
        rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: TemplateProcessing: 'single' has the sequence %d times, not once", label, sequences);
    return rc;
}

/* "cls": ["<s>", 0] */
static int read_pair(const cJSON *json, const char *key, int32_t **list, int64_t *n, const char *label, ns_error *err)
{
    const cJSON *const pair = cJSON_GetObjectItemCaseSensitive(json, key);
    const cJSON *const id = cJSON_IsArray(pair) && pair->child ? pair->child->next : NULL;
    if (!id || id->next || !cJSON_IsNumber(id))
        return ns_fail(err, NS_E_FORMAT, "%s: the post-processor's '%s' is not [text, id]", label, key);
    const cJSON ids = {.child = (cJSON *)id};
    return add_ids(list, n, &ids, label, err);
}

static int read_bert(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = read_pair(json, "cls", &step->before, &step->n_before, label, err);
    return rc != NS_OK ? rc : read_pair(json, "sep", &step->after, &step->n_after, label, err);
}

static int read_roberta(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = read_trim(step, json, label, err);
    return rc != NS_OK ? rc : read_bert(step, json, label, err);
}

/* The ids of a template are put around by ns_encode, which knows whether they are wanted. */
static int run_nothing(ns_tok_work *w, const ns_tok_step *step)
{
    (void)w;
    (void)step;
    return NS_OK;
}

static const ns_tok_kind kinds[] = {
    {"ByteLevel", read_trim, run_trim},
    {"TemplateProcessing", read_template, run_nothing},
    {"RobertaProcessing", read_roberta, run_trim},
    {"BertProcessing", read_bert, run_nothing},
    {0},
};
static bool ids_equal(const int32_t *a, int64_t n, int32_t id)
{
    return id < 0 ? n == 0 : n == 1 && a[0] == id;
}

static int one_id(int32_t **list, int64_t *n, int32_t id, ns_error *err)
{
    if (id < 0)
        return NS_OK;
    *list = ns_alloc_array(1, sizeof **list);
    if (!*list)
        return ns_oom(err, "a template");
    (*list)[(*n)++] = id;
    return NS_OK;
}

int ns_tok_set_template(ns_tok_steps *steps, int32_t before, int32_t after, bool *changed, ns_error *err)
{
    bool same = before < 0 && after < 0;
    for (int64_t i = 0; i < steps->n; i++)
        if (steps->item[i].n_before + steps->item[i].n_after > 0)
            same = ids_equal(steps->item[i].before, steps->item[i].n_before, before) &&
                   ids_equal(steps->item[i].after, steps->item[i].n_after, after);
    for (int64_t i = 0; i < steps->n; i++)
        same &= !steps->item[i].split;               /* ByteLevel that trims offsets */
    *changed = !same;
    ns_tok_steps_free(steps);
    *steps = (ns_tok_steps){0};
    if (!ns_grow(&steps->item, &steps->capacity, 1, sizeof *steps->item))
        return ns_oom(err, "a template");
    ns_tok_step *const step = &steps->item[steps->n++];
    *step = (ns_tok_step){.kind = &kinds[1]};
    const int rc = one_id(&step->before, &step->n_before, before, err);
    return rc != NS_OK ? rc : one_id(&step->after, &step->n_after, after, err);
}

const ns_tok_stage ns_tok_postprocessors = {"post_processor", "processors", kinds};
