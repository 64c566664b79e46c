/* added.c - added tokens are cut out of the text first: those with normalized = false before the normalizer, the others after it, in
 * their normalized form. Among those that begin at the same place the longest wins; the first of the file where two are equal.
 *
 * All of them are found in one pass from the end of the text to its beginning, however long they are and however much alike
 * (Aho-Corasick). */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

enum { LONGEST = 4096 };   /* bytes of one added token */

/* ---- reading ---- */

/* A piece of tokenizer.model whose place another name has taken (from_pieces.c): it has the id that one without a place gets. */
static bool displaced(const cJSON *json)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "displaced"));
}

static int read_token(ns_tok_added_token *token, const cJSON *json, bool has_id, const char *path, ns_error *err)
{
    const char *content;
    int64_t id;
    int rc = cJSON_IsObject(json) ? ns_json_str(json, "content", &content, path, err) : NS_E_FORMAT;
    if (rc != NS_OK || !content || !*content)
        return ns_fail(err, NS_E_FORMAT, "%s: an added token must be an object with a non-empty string 'content'", path);
    token->n = strlen(content);
    if (token->n > LONGEST)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: an added token of %zu bytes, '%.40s...': at most %d are supported",
                       path, token->n, content, LONGEST);
    rc = ns_json_i64(json, "id", -1, &id, path, err);
    if (rc == NS_OK && has_id && (id < 0 || id > INT32_MAX - 1))
        rc = ns_fail(err, NS_E_FORMAT, "%s: the added token '%.100s' has the id %lld", path, content, (long long)id);
    token->id = has_id ? (int32_t)id : -1;
    token->displaced = displaced(json);
    const struct { const char *key; bool otherwise, *out; } flags[] = {
        {"special", false, &token->special}, {"single_word", false, &token->single_word}, {"lstrip", false, &token->lstrip},
        {"rstrip", false, &token->rstrip},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags && rc == NS_OK; i++)
        rc = ns_json_bool(json, flags[i].key, flags[i].otherwise, flags[i].out, path, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "normalized", !token->special, &token->normalized, path, err);
    if (rc != NS_OK)
        return rc;
    token->content = ns_strdup(content);
    return token->content ? NS_OK : ns_oom(err, path);
}

/* `tokenizers` gives an added token the id its text has in the vocabulary, or else the next free one, and only warns where the file
 * says otherwise. A model trained with the ids of the file would then be fed other tokens: an error here. */
static int check_id(const ns_tok_model *model, int64_t expected, const ns_tok_added_token *token, const char *path, ns_error *err)
{
    const int32_t known = ns_tok_vocab_find(&model->vocab, token->content, token->n);
    if (token->id != expected)
        return ns_fail(err, NS_E_FORMAT, "%s: the added token '%.100s' has the id %d, where its place in the list gives %lld", path,
                       token->content, token->id, (long long)expected);
    const char *const other = ns_tok_vocab_text(&model->vocab, token->id);
    if (known < 0 && other)
        return ns_fail(err, NS_E_FORMAT, "%s: the added token '%.100s' and the entry '%.100s' share the id %d%s", path, token->content,
                       other, token->id, token->displaced ? " (tokenizer_config.json gives a special token the name of a piece: "
                                                            "correct it)" : "");
    return NS_OK;
}

static bool equal(const ns_tok_added_token *a, const ns_tok_added_token *b)
{
    return a->special == b->special && a->single_word == b->single_word && a->lstrip == b->lstrip && a->rstrip == b->rstrip
        && a->normalized == b->normalized;
}

/* The next free id: after the vocabulary's count, or after the highest id added beyond it. */
static int64_t next_id(const ns_tok_model *model, int64_t highest)
{
    return highest >= model->vocab.count ? highest + 1 : model->vocab.count;
}

static int64_t id_of(const ns_tok_model *model, int64_t highest, const ns_tok_added_token *token)
{
    const int32_t known = ns_tok_vocab_find(&model->vocab, token->content, token->n);
    return known >= 0 ? known : next_id(model, highest);
}

static int name_token(ns_tok_added *added, const ns_tok_added_token *token, int64_t *highest, const char *path, ns_error *err)
{
    const int rc = ns_tok_vocab_add(&added->names, token->content, token->n, token->id, path, err);
    if (rc == NS_OK) {
        added->place[token->id] = (int32_t)(token - added->item);
        *highest = token->id > *highest ? token->id : *highest;
    }
    return rc;
}

/* Its place is the next one's, whose reading may fail before it has a text: nothing of the one that was there may be left to free. */
static int drop_last(ns_tok_added *added)
{
    ns_tok_added_token *const token = &added->item[--added->n];
    free(token->content);
    *token = (ns_tok_added_token){0};
    return NS_OK;
}

static bool was_so(const ns_tok_version *v, const ns_tok_added_token *token)
{
    return v->special == token->special && v->single_word == token->single_word && v->lstrip == token->lstrip
        && v->rstrip == token->rstrip && v->normalized == token->normalized;
}

/* `tokenizers` passes over a token that it had with the same flags. */
static bool had(const ns_tok_added *added, const ns_tok_added_token *known, const ns_tok_added_token *token)
{
    int32_t i = known->version;
    while (i >= 0 && !was_so(&added->version[i], token))
        i = added->version[i].previous;
    return i >= 0;
}

/* of: the item whose next version is as `token`. The list of special tokens holds the first special one of each; that of others each that
 * comes before one. */
static void keep_version(ns_tok_added *added, ns_tok_added_token *of, const ns_tok_added_token *token, bool special_before)
{
    ns_tok_version *const v = &added->version[added->n_versions];
    *v = (ns_tok_version){(int32_t)(of - added->item), of->version, token->special, token->single_word, token->lstrip, token->rstrip,
                          token->normalized, special_before ? TOK_UNLISTED : token->special ? TOK_SPECIAL : TOK_ADDED};
    of->version = (int32_t)added->n_versions++;
}

/* As it was added first. */
static int begin_token(ns_tok_added *added, ns_tok_added_token *token, int64_t *highest, const char *path, ns_error *err)
{
    token->version = -1;
    keep_version(added, token, token, false);
    return name_token(added, token, highest, path, err);
}

static int add_token(ns_tok_added *added, const ns_tok_model *model, int64_t *highest, const cJSON *json, const char *path, ns_error *err)
{
    ns_tok_added_token *const token = &added->item[added->n++];   /* counted at once: freed with the list */
    int rc = read_token(token, json, !displaced(json), path, err);
    if (rc != NS_OK)
        return rc;
    token->id = token->displaced ? (int32_t)id_of(model, *highest, token) : token->id;
    const int32_t twin = ns_tok_vocab_find(&added->names, token->content, token->n);
    if (twin >= 0) {
        if (twin != token->id || !equal(&added->item[added->place[twin]], token))
            return ns_fail(err, NS_E_FORMAT, "%s: the added token '%.100s' appears twice, with different ids or flags",
                           path, token->content);
        return drop_last(added);
    }
    rc = check_id(model, id_of(model, *highest, token), token, path, err);
    return rc != NS_OK ? rc : begin_token(added, token, highest, path, err);
}

/* One that a neighbour names: it has the id of its text, or the next free one. A known one keeps its id, and its flags unless the
 * neighbour's replace them: then it is added again, and stays where it was matched before, too. */
static int join_token(ns_tok_added *added, const ns_tok_model *model, int64_t *highest, const cJSON *json, bool *changed, const char *path,
                      ns_error *err)
{
    ns_tok_added_token *const token = &added->item[added->n++];
    int rc = read_token(token, json, false, path, err);
    if (rc != NS_OK)
        return rc;
    const int32_t twin = ns_tok_vocab_find(&added->names, token->content, token->n);
    if (twin < 0) {
        token->id = (int32_t)id_of(model, *highest, token);
        *changed = true;
        return begin_token(added, token, highest, path, err);
    }
    ns_tok_added_token *const known = &added->item[added->place[twin]];
    const bool was_special = known->special;
    known->special |= token->special;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "replaces")) && !had(added, known, token)) {
        keep_version(added, known, token, was_special);
        token->special = known->special;
        *changed |= !equal(known, token);
        known->single_word = token->single_word;
        known->lstrip = token->lstrip;
        known->rstrip = token->rstrip;
        known->normalized = token->normalized;
    }
    return drop_last(added);
}

static int64_t length_of(const cJSON *list)
{
    int64_t n = 0;
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next)
        n++;
    return n;
}

int ns_tok_added_read(ns_tok_added *added, const cJSON *list, const cJSON *more, const ns_tok_model *model, bool *changed, const char *path,
                      ns_error *err)
{
    if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list))
        return ns_fail(err, NS_E_FORMAT, "%s: 'added_tokens' is not a list", path);
    const int64_t count = length_of(list) + length_of(more);
    const int64_t top = (model->vocab.ids > model->vocab.count ? model->vocab.ids : model->vocab.count) + count;
    added->item = ns_alloc_array((size_t)count, sizeof *added->item);
    added->version = ns_alloc_array((size_t)count, sizeof *added->version);
    added->place = ns_alloc_array((size_t)top, sizeof *added->place);
    int rc = added->item && added->version && added->place ? ns_tok_vocab_init(&added->names, count, top, path, err) : ns_oom(err, path);
    int64_t highest = -1;
    for (const cJSON *item = list ? list->child : NULL; item && rc == NS_OK; item = item->next)
        rc = add_token(added, model, &highest, item, path, err);
    for (const cJSON *item = more ? more->child : NULL; item && rc == NS_OK; item = item->next)
        rc = join_token(added, model, &highest, item, changed, path, err);
    return rc;
}

void ns_tok_added_free(ns_tok_added *added)
{
    for (int64_t i = 0; i < added->n; i++)
        free(added->item[i].content);
    free(added->item);
    free(added->version);
    free(added->place);
    free(added->raw.node);
    free(added->normalized.node);
    ns_tok_vocab_free(&added->names);
}

/* ---- the tries ---- */

static int trie_node(ns_tok_trie *trie, uint8_t byte, ns_error *err)
{
    if (trie->n == INT32_MAX || !ns_grow(&trie->node, &trie->capacity, trie->n + 1, sizeof *trie->node))
        return ns_oom(err, "the added tokens");
    trie->node[trie->n++] = (ns_tok_node){-1, -1, 0, -1, byte};
    return NS_OK;
}

static int32_t trie_child(const ns_tok_trie *trie, int32_t node, uint8_t byte)
{
    if (node == 0)
        return trie->first[byte] ? trie->first[byte] : -1;
    int32_t child = trie->node[node].child;
    while (child >= 0 && trie->node[child].byte != byte)
        child = trie->node[child].sibling;
    return child;
}

static int trie_add(ns_tok_trie *trie, const char *text, int64_t n, int32_t token, ns_error *err)
{
    int rc = trie->n ? NS_OK : trie_node(trie, 0, err);
    int32_t node = 0;
    for (int64_t i = n - 1; i >= 0 && rc == NS_OK; i--) {
        const uint8_t byte = (uint8_t)text[i];
        int32_t child = trie_child(trie, node, byte);
        if (child < 0) {
            rc = trie_node(trie, byte, err);
            if (rc != NS_OK)
                break;
            child = (int32_t)trie->n - 1;
            trie->node[child].sibling = trie->node[node].child;
            trie->node[node].child = child;
            if (node == 0)
                trie->first[byte] = child;
        }
        node = child;
    }
    if (rc == NS_OK && trie->node[node].token < 0)
        trie->node[node].token = token;
    return rc;
}

/* Where a text goes on from a node: down, or down from the longest of its endings that can. */
static int32_t trie_step(const ns_tok_trie *trie, int32_t node, uint8_t byte)
{
    int32_t child = trie_child(trie, node, byte);
    while (child < 0 && node) {
        node = trie->node[node].fail;
        child = trie_child(trie, node, byte);
    }
    return child < 0 ? 0 : child;
}

/* Level by level, so that a shorter path is done when a longer one looks at it. */
static int trie_link(ns_tok_trie *trie, ns_error *err)
{
    int32_t *const queue = ns_alloc_array((size_t)trie->n, sizeof *queue);
    if (!queue)
        return ns_oom(err, "the added tokens");
    for (int64_t i = 0, end = 1; trie->n && i < end; i++) {
        const int32_t parent = queue[i];
        for (int32_t child = trie->node[parent].child; child >= 0; child = trie->node[child].sibling) {
            ns_tok_node *const node = &trie->node[child];
            node->fail = parent ? trie_step(trie, trie->node[parent].fail, node->byte) : 0;
            if (node->token < 0)
                node->token = trie->node[node->fail].token;
            queue[end++] = child;
        }
    }
    free(queue);
    return NS_OK;
}

static int index_version(ns_tok_work *w, ns_tok_added *added, const ns_tok_version *v)
{
    const int32_t i = v->item;
    const ns_tok_added_token *const token = &added->item[i];
    if (!v->normalized)
        return trie_add(&added->raw, token->content, (int64_t)token->n, i, w->err);
    w->part.n = 0;
    int rc = ns_tok_text_put(w, &w->part, token->content, (int64_t)token->n, (ns_tok_span){0, (uint32_t)token->n});
    if (rc == NS_OK)
        rc = ns_tok_normalize_part(w);
    if (rc == NS_OK && w->part.n == 0)
        return ns_fail(w->err, NS_E_UNSUPPORTED, "%s: the normalizer leaves nothing of the added token '%.100s'",
                       w->tok->path, token->content);
    added->item[i].normalized_n = (size_t)w->part.n;
    return rc != NS_OK ? rc : trie_add(&added->normalized, w->part.s, w->part.n, i, w->err);
}

int ns_tok_added_index(ns_tokenizer *tok, ns_error *err)
{
    ns_tok_work w;
    ns_tok_work_begin(&w, tok, "", LONGEST, err);
    int rc = NS_OK;
    /* Where two tokens are the same after normalization, special ones come first. */
    for (int list = TOK_SPECIAL; list <= TOK_ADDED; list++)
        for (int64_t i = 0; i < tok->added.n_versions && rc == NS_OK; i++)
            if ((int)tok->added.version[i].list == list)
                rc = index_version(&w, &tok->added, &tok->added.version[i]);
    ns_tok_work_free(&w);
    rc = rc != NS_OK ? rc : trie_link(&tok->added.raw, err);
    return rc != NS_OK ? rc : trie_link(&tok->added.normalized, err);
}

/* w->longest: for every byte of s the longest token that begins there. *first: the first such byte, n where there is none: most texts hold
 * none, and most bytes end none. */
static int find_tokens(ns_tok_work *w, const ns_tok_trie *trie, const char *s, int64_t n, int64_t *first)
{
    *first = n;
    if (!ns_grow(&w->longest, &w->longest_capacity, n, sizeof *w->longest))
        return ns_oom(w->err, "the added tokens of a text");
    int32_t node = 0;
    for (int64_t i = n - 1; i >= 0; i--) {
        w->longest[i] = -1;
        if (!node && !trie->first[(uint8_t)s[i]])
            continue;
        node = trie_step(trie, node, (uint8_t)s[i]);
        w->longest[i] = trie->node[node].token;
        *first = w->longest[i] >= 0 ? i : *first;
    }
    return NS_OK;
}

/* ---- cutting ---- */

static bool word_before(const char *s, int64_t end)
{
    uint32_t code;
    return end > 0 && (ns_tok_char_before(s, end, &code), ns_tok_is_word(code));
}

static bool word_at(const char *s, int64_t begin, int64_t n)
{
    uint32_t code;
    return begin < n && (ns_tok_next(s + begin, &code), ns_tok_is_word(code));
}

static int64_t spaces_before(const char *s, int64_t floor, int64_t end)
{
    while (end > floor) {
        uint32_t code;
        const int n = ns_tok_char_before(s, end, &code);
        if (!ns_tok_is_space(code))
            break;
        end -= n;
    }
    return end;
}

static int64_t spaces_after(const char *s, int64_t begin, int64_t n)
{
    while (begin < n) {
        uint32_t code;
        const int size = ns_tok_next(s + begin, &code);
        if (!ns_tok_is_space(code))
            break;
        begin += size;
    }
    return begin;
}

/* Spaces taken by rstrip can be taken again by a token of spaces, and then both keep them: `tokenizers` does it so. A file that makes
 * many of such pieces of a text pays for them. */
static int put_token(ns_tok_work *w, ns_tok_piece piece, int64_t done, int64_t begin, int64_t end, int32_t id)
{
    w->steps -= begin < done ? end - begin : 0;
    if (w->steps < 0)
        return ns_fail(w->err, NS_E_UNSUPPORTED,
                       "%s: its added tokens take the same spaces again and again (tokenize this text elsewhere and give ids)",
                       w->tok->path);
    const int rc = done < begin ? ns_tok_piece_put(w, piece.begin + done, piece.begin + begin, -1) : NS_OK;
    return rc != NS_OK ? rc : ns_tok_piece_put(w, piece.begin + begin, piece.begin + end, id);
}

/* How long the token is in the text that is searched: before the normalizer or after it. */
static int64_t length_in(const ns_tok_trie *trie, const ns_tok_added *added, int32_t index)
{
    return trie == &added->raw ? (int64_t)added->item[index].n : (int64_t)added->item[index].normalized_n;
}

/* The piece is cut within w->text. A token refused by single_word is passed over whole. */
int ns_tok_added_split(ns_tok_work *w, const ns_tok_trie *trie, ns_tok_piece piece)
{
    if (trie->n == 0)
        return ns_tok_piece_put(w, piece.begin, piece.end, piece.id);
    const ns_tok_added *const added = &w->tok->added;
    const char *const s = w->text.s + piece.begin;
    const int64_t n = (int64_t)piece.end - piece.begin;
    int64_t done = 0, white = 0, at;     /* white: where the spaces end that were looked at last */
    int rc = find_tokens(w, trie, s, n, &at);
    while (at < n && rc == NS_OK) {
        const int32_t index = w->longest[at];
        if (index < 0) {
            at++;
            continue;
        }
        const ns_tok_added_token *const token = &added->item[index];
        int64_t begin = at, end = at + length_in(trie, added, index);
        at = end;
        if (token->single_word && (word_before(s, begin) || word_at(s, end, n)))
            continue;
        if (token->lstrip)
            begin = begin > done ? spaces_before(s, done, begin) : done;
        if (token->rstrip)
            end = end < white ? white : (white = spaces_after(s, end, n));
        rc = put_token(w, piece, done, begin, end, token->id);
        done = end;
    }
    return rc == NS_OK && done < n ? ns_tok_piece_put(w, piece.begin + done, piece.end, -1) : rc;
}
