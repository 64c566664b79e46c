/* specials.c - which added tokens the files beside a tokenizer.json name, in the order in which transformers (4.57.6) adds them: those of
 * added_tokens_decoder by index (where there is none: of added_tokens.json and of tokenizer.json itself), then the special tokens that are
 * not among them. A token that is given again, with other flags, is added again: what that does to the first, added.c has. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/classes.h"

const char *const ns_tok_special_keys[N_SPECIAL] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
                                                    "mask_token"};

static const char *content_of(const cJSON *token)
{
    const char *const text = cJSON_IsObject(token) ? ns_tok_text_at(token, "content") : cJSON_GetStringValue(token);
    return text && *text ? text : NULL;
}

/* special_tokens_map.json counts only where tokenizer_config.json does not list the added tokens. */
static const cJSON *given(const ns_tok_neighbours *n, const char *key)
{
    const cJSON *const old = n->decoder ? NULL : cJSON_GetObjectItemCaseSensitive(n->map, key);
    return old ? old : cJSON_GetObjectItemCaseSensitive(n->config, key);
}

void ns_tok_find_specials(ns_tok_neighbours *n)
{
    const cJSON *const decoder = cJSON_GetObjectItemCaseSensitive(n->config, "added_tokens_decoder");
    n->decoder = cJSON_IsObject(decoder) ? decoder : NULL;
    for (int i = 0; i < N_SPECIAL; i++) {
        const cJSON *const item = given(n, ns_tok_special_keys[i]);
        n->special[i] = item ? content_of(item) : n->class_ ? n->class_->special[i] : NULL;
    }
}

/* ---- sets of texts ---- */

bool ns_tok_has(const ns_tok_vocab *set, const char *text)
{
    const size_t n = strlen(text);
    return n <= TOK_LONGEST && ns_tok_vocab_find(set, text, n) >= 0;      /* a longer one is refused as a token */
}

static int add(ns_tok_vocab *set, const char *text, int64_t id, ns_error *err)
{
    const size_t n = text ? strlen(text) : 0;
    return !n || n > TOK_LONGEST || ns_tok_vocab_find(set, text, n) >= 0 ? NS_OK
                                                                         : ns_tok_vocab_add(set, text, n, (int32_t)id, "added tokens", err);
}

static int64_t length_of(const cJSON *list)
{
    return list ? cJSON_GetArraySize(list) : 0;
}

static int fill(ns_tok_vocab *set, const cJSON *list, ns_error *err)
{
    int64_t id = 0;
    int rc = ns_tok_vocab_init(set, length_of(list), length_of(list), "added tokens", err);
    for (const cJSON *item = list ? list->child : NULL; item && rc == NS_OK; item = item->next, id++)
        rc = add(set, content_of(item), id, err);
    return rc;
}

/* A token with flags in tokenizer_config.json is not yet one when added_tokens.json is read; in special_tokens_map.json it is. */
static int add_given(ns_tok_vocab *set, const cJSON *item, bool flagged_too, int64_t *id, ns_error *err)
{
    return !cJSON_IsObject(item) || flagged_too ? add(set, content_of(item), (*id)++, err) : NS_OK;
}

int ns_tok_given(const ns_tok_neighbours *n, ns_tok_vocab *set, ns_error *err)
{
    const cJSON *const lists[] = {cJSON_GetObjectItemCaseSensitive(n->config, "additional_special_tokens"),
                                  cJSON_GetObjectItemCaseSensitive(n->map, "additional_special_tokens")};
    const int64_t most = N_SPECIAL + length_of(lists[0]) + length_of(lists[1]);
    int64_t id = 0;
    int rc = ns_tok_vocab_init(set, most, most, "added tokens", err);
    for (int i = 0; i < N_SPECIAL && rc == NS_OK; i++)
        rc = add_given(set, given(n, ns_tok_special_keys[i]), cJSON_GetObjectItemCaseSensitive(n->map, ns_tok_special_keys[i]), &id, err);
    for (int k = 0; k < 2; k++)
        for (const cJSON *item = lists[k] ? lists[k]->child : NULL; item && rc == NS_OK; item = item->next)
            rc = add_given(set, item, k == 1, &id, err);
    return rc;
}

/* ---- the special tokens that are named ---- */

enum { ADDITIONAL = N_SPECIAL };

/* group: its key, and those of one list share one: of a text that has several only the first group's count. */
typedef struct named { const char *text; const cJSON *item; int64_t group; bool plain; } named;
typedef struct naming {
    ns_tok_neighbours *n;
    const cJSON *file;                 /* the added tokens of tokenizer.json */
    named       *item;
    int64_t      count, capacity;
    ns_tok_vocab first, in_file, in_decoder;        /* texts: of item (its place), of file, of added_tokens_decoder */
    ns_error    *err;
} naming;

static int name_one(naming *g, const char *text, const cJSON *item, int64_t group, bool plain)
{
    if (!text)
        return NS_OK;
    if (!ns_grow(&g->item, &g->capacity, g->count + 1, sizeof *g->item))
        return ns_oom(g->err, "the added tokens");
    g->item[g->count++] = (named){text, item, group, plain};
    return NS_OK;
}

static int name_list(naming *g, const cJSON *list, int64_t group, bool each)
{
    int rc = NS_OK;
    for (const cJSON *item = list ? list->child : NULL; item && rc == NS_OK; item = item->next, group += each)
        rc = name_one(g, content_of(item), item, group, false);
    return rc;
}

/* Without added_tokens_decoder special_tokens_map.json's join those of tokenizer_config.json. */
static int name_additional(naming *g)
{
    static const char key[] = "additional_special_tokens";
    const int rc = name_list(g, cJSON_GetObjectItemCaseSensitive(g->n->config, key), ADDITIONAL, false);
    return rc == NS_OK && !g->n->decoder ? name_list(g, cJSON_GetObjectItemCaseSensitive(g->n->map, key), ADDITIONAL, false) : rc;
}

static int name_all(naming *g)
{
    const ns_tok_class *const c = g->n->class_;
    const bool ahead = g->n->converted && c->ranks;              /* the converter of tiktoken adds them, before all others */
    const cJSON *const extra = cJSON_GetObjectItemCaseSensitive(g->n->config, "extra_special_tokens");
    int rc = ahead ? name_additional(g) : NS_OK;
    for (int i = 0; i < N_SPECIAL && rc == NS_OK; i++)
        rc = name_one(g, g->n->special[i], given(g->n, ns_tok_special_keys[i]), i,
                      c->plain_special && (i == BOS || i == EOS || i == UNK || i == PAD));
    rc = rc != NS_OK || ahead ? rc : name_additional(g);
    for (int i = 0; i < 8 && c->more[i] && rc == NS_OK; i++)
        rc = name_one(g, c->more[i], NULL, ADDITIONAL, false);
    rc = rc != NS_OK ? rc : name_list(g, extra, ADDITIONAL + 1, true);
    rc = rc != NS_OK ? rc : ns_tok_vocab_init(&g->first, g->count, g->count, "added tokens", g->err);
    for (int64_t i = 0; i < g->count && rc == NS_OK; i++)
        rc = add(&g->first, g->item[i].text, i, g->err);
    return rc;
}

/* ---- put down ---- */

/* A copy of `flags` (or a special token without any) joins the tokens to add; "replaces": also where tokenizer.json has it already. */
static bool put(cJSON *more, const char *text, const cJSON *flags, bool special, bool replaces)
{
    cJSON *const token = flags ? cJSON_Duplicate(flags, true) : cJSON_CreateObject();
    if (!token || !cJSON_AddItemToArray(more, token))
        return false;
    cJSON_DeleteItemFromObjectCaseSensitive(token, "id");
    cJSON_DeleteItemFromObjectCaseSensitive(token, "__type");
    if (!flags && !cJSON_AddStringToObject(token, "content", text))
        return false;
    if (special) {
        const cJSON *const normalized = cJSON_GetObjectItemCaseSensitive(token, "normalized");
        cJSON_DeleteItemFromObjectCaseSensitive(token, "special");
        if (!cJSON_AddBoolToObject(token, "special", true) || (!normalized && !cJSON_AddBoolToObject(token, "normalized", false)))
            return false;
    }
    return cJSON_AddBoolToObject(token, "replaces", replaces);
}

/* As text it is added where nobody has it yet; with flags of its own where no list of tokens speaks for it, or it stands in a list. */
static bool put_named(const naming *g, const named *of)
{
    const ns_tok_neighbours *const n = g->n;
    const bool flagged = cJSON_IsObject(of->item), alone = of->group < ADDITIONAL, listed = ns_tok_has(&g->in_decoder, of->text);
    const int32_t first = strlen(of->text) <= TOK_LONGEST ? ns_tok_vocab_find(&g->first, of->text, strlen(of->text)) : -1;
    const bool in_file = !n->converted && ns_tok_has(&g->in_file, of->text), spoken_for = listed || (in_file && !n->decoder);
    if ((first >= 0 && g->item[first].group < of->group) || (alone && spoken_for) || (!flagged && !of->plain && (listed || in_file)))
        return true;
    const bool replaces = !n->converted || (alone ? n->decoder && (flagged || of->plain) : flagged);
    return put(n->more, of->text, flagged ? of->item : NULL, true, replaces);
}

typedef struct indexed { const cJSON *token; long long index; int64_t place; } indexed;

static int by_index(const void *a, const void *b)
{
    const indexed *const x = a, *const y = b;
    return x->index != y->index ? (x->index > y->index) - (x->index < y->index) : (x->place > y->place) - (x->place < y->place);
}

/* By index; of those of one index the last, as in a dict. */
static bool put_decoder(const naming *g)
{
    const cJSON *const list = g->n->decoder ? g->n->decoder : g->n->old_tokens;
    const cJSON *const file = g->n->decoder || g->n->converted ? NULL : g->file;
    indexed *const item = ns_alloc_array((size_t)(length_of(list) + length_of(file)) + 1, sizeof *item);
    bool good = item != NULL;
    int64_t k = 0;
    for (const cJSON *token = list && good ? list->child : NULL; token; token = token->next, k++)
        item[k] = (indexed){token, strtoll(token->string, NULL, 10), k};
    for (const cJSON *token = file && good ? file->child : NULL; token; token = token->next) {
        const cJSON *const id = cJSON_GetObjectItemCaseSensitive(token, "id");
        if (cJSON_IsNumber(id) && id->valuedouble >= 0 && id->valuedouble <= INT32_MAX) {       /* others are refused with the file */
            item[k] = (indexed){token, (long long)id->valuedouble, k};
            k++;
        }
    }
    if (k)
        qsort(item, (size_t)k, sizeof *item, by_index);
    for (int64_t i = 0; i < k && good; i++) {
        const char *const text = i + 1 < k && item[i + 1].index == item[i].index ? NULL : content_of(item[i].token);
        good = !text || put(g->n->more, text, item[i].token, ns_tok_has(&g->first, text), true);
    }
    free(item);
    return good;
}

static bool put_all(const naming *g)
{
    const bool ahead = g->n->converted && g->n->class_->ranks;
    g->n->more = cJSON_CreateArray();
    bool good = g->n->more;
    for (int64_t i = 0; i < g->count && good && ahead; i++)
        good = g->item[i].group != ADDITIONAL || put_named(g, &g->item[i]);
    good = good && put_decoder(g);
    for (int64_t i = 0; i < g->count && good; i++)
        good = (ahead && g->item[i].group == ADDITIONAL) || put_named(g, &g->item[i]);
    return good;
}

int ns_tok_neighbours_tokens(ns_tok_neighbours *n, const cJSON *file, ns_error *err)
{
    if (!n->class_)
        return NS_OK;
    naming g = {.n = n, .file = cJSON_IsArray(file) ? file : NULL, .err = err};
    int rc = fill(&g.in_file, g.file, err);
    rc = rc != NS_OK ? rc : fill(&g.in_decoder, n->decoder, err);
    rc = rc != NS_OK ? rc : name_all(&g);
    if (rc == NS_OK && !put_all(&g))
        rc = ns_oom(err, "the added tokens");
    ns_tok_vocab_free(&g.in_file);
    ns_tok_vocab_free(&g.in_decoder);
    ns_tok_vocab_free(&g.first);
    free(g.item);
    return rc;
}
