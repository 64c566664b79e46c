/* read.c - from the path of a tokenizer to its tables.
 *
 * A tokenizer_config.json and a special_tokens_map.json beside it count as they do in transformers (classes.c). Members of the file that
 * would cut or pad an encoding ("truncation", "padding") are ignored: a case is never shortened silently. */
#include <stdlib.h>
#include <string.h>

#include "io/reader.h"
#include "io/tokenizer/sources.h"

enum { DEPTH = 32 };

/* A second template would see the special tokens of the first as sequences of their own. */
static int check_templates(const ns_tokenizer *tok, ns_error *err)
{
    int64_t templates = 0;
    for (int64_t i = 0; i < tok->postprocessor.n; i++) {
        const ns_tok_step *const step = &tok->postprocessor.item[i];
        templates += step->n_before + step->n_after > 0;
        for (int64_t k = 0; k < step->n_before + step->n_after; k++) {
            const int32_t id = k < step->n_before ? step->before[k] : step->after[k - step->n_before];
            if (!ns_token_text(tok, id))
                return ns_fail(err, NS_E_FORMAT, "%s: the post-processor adds the token %d, which is not in the vocabulary", tok->path, id);
        }
    }
    if (templates > 1)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: the post-processor adds special tokens more than once", tok->path);
    return NS_OK;
}

static int read_all(ns_tokenizer *tok, ns_tok_neighbours *beside, const cJSON *json, ns_error *err)
{
    if (!cJSON_IsObject(json))
        return ns_fail(err, NS_E_FORMAT, "%s: not a JSON object", tok->path);
    const struct { ns_tok_steps *steps; const ns_tok_stage *stage; } stages[] = {
        {&tok->normalizer, &ns_tok_normalizers}, {&tok->pretokenizer, &ns_tok_pretokenizers}, {&tok->postprocessor, &ns_tok_postprocessors},
        {&tok->decoder, &ns_tok_decoders},
    };
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof stages / sizeof *stages && rc == NS_OK; i++)
        rc = ns_tok_steps_read(stages[i].steps, stages[i].stage, cJSON_GetObjectItemCaseSensitive(json, stages[i].stage->key), tok->path,
                               err);
    if (rc == NS_OK)
        rc = ns_tok_model_read(&tok->model, cJSON_GetObjectItemCaseSensitive(json, "model"), tok->path, err);
    if (rc == NS_OK)
        rc = ns_tok_added_read(&tok->added, cJSON_GetObjectItemCaseSensitive(json, "added_tokens"), beside->more, &tok->model,
                               &beside->changed_tokens, tok->path, err);
    if (rc == NS_OK)
        rc = ns_tok_neighbours_apply(tok, beside, json, err);
    if (rc == NS_OK)
        rc = ns_tok_added_index(tok, err);
    return rc != NS_OK ? rc : check_templates(tok, err);
}

/* A file of weights that holds its own tokenizer: nothing beside it counts. */
static int read_weights(ns_tokenizer *tok, const ns_reader *reader, ns_error *err)
{
    cJSON *json = NULL;
    ns_tok_neighbours alone = {0};
    int rc = reader->tokenize(tok->path, &json, tok->sha256, err);
    rc = rc != NS_OK ? rc : read_all(tok, &alone, json, err);
    ns_tok_neighbours_free(&alone);
    cJSON_Delete(json);
    return rc;
}

void ns_tok_hash_text(const char *text, size_t n, char out[65])
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    ns_sha256_add(&sha, text, n);
    ns_sha256_end(&sha, out);
}

static int read_json(ns_tokenizer *tok, cJSON **json, ns_error *err)
{
    char *text;
    size_t n;
    int rc = ns_file_read(tok->path, TOK_FILE_LIMIT, &text, &n, err);
    if (rc != NS_OK)
        return rc;
    ns_tok_hash_text(text, n, tok->sha256);
    rc = ns_json_parse(json, text, n, DEPTH, tok->path, err);
    free(text);
    return rc;
}

/* Another form: its hash is that of the tokenizer.json that says the same. */
static int read_source(ns_tokenizer *tok, const ns_tok_neighbours *beside, const ns_tok_source *source, cJSON **json, ns_error *err)
{
    if (source->read == ns_tok_from_ranks && !(beside->class_ && beside->class_->ranks))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: a tiktoken vocabulary, and how a text is cut is in the code of its class (of "
                       "PreTrainedTokenizerFast it is known): take the tokenizer.json of the model's Hugging Face repository, or "
                       "write one: transformers.integrations.tiktoken.convert_tiktoken_to_fast(ENCODING, FOLDER), ENCODING the model's "
                       "tiktoken.Encoding", tok->path);
    if (!beside->class_ || !source->takes(beside->class_))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: what it means %s (load the folder in transformers and save_pretrained it: that writes "
                       "tokenizer.json)", tok->path, beside->class_ ? "to its tokenizer_class is not known"
                       : "is said by a class, and neither tokenizer_config.json nor config.json beside it names one that is known");
    int rc = source->read(beside, tok->path, json, err);
    char *const text = rc == NS_OK ? cJSON_PrintUnformatted(*json) : NULL;
    rc = rc != NS_OK || text ? rc : ns_oom(err, tok->path);
    if (rc == NS_OK)
        ns_tok_hash_text(text, strlen(text), tok->sha256);
    cJSON_free(text);
    return rc;
}

/* transformers takes a key add_prefix_space of some classes as a reason to go back to the model that tokenizer.json was made of. */
static int rebuild(ns_tokenizer *tok, ns_tok_neighbours *beside, ns_error *err)
{
    const cJSON *const key = cJSON_GetObjectItemCaseSensitive(beside->config, "add_prefix_space");
    const bool wanted = beside->class_ && beside->class_->rebuilds && !beside->converted && key && !cJSON_IsNull(key);
    char *path = NULL;
    const int rc = wanted ? ns_tok_pieces_beside(&path, tok->path, err) : NS_OK;
    if (!path)
        return rc;
    free(tok->path);
    tok->path = path;
    ns_tok_neighbours_free(beside);
    return ns_tok_neighbours_read(beside, path, err);
}

int ns_tok_read_file(ns_tokenizer *tok, ns_error *err)
{
    const ns_reader *const reader = ns_reader_with_tokenizer(tok->path);
    if (reader)
        return read_weights(tok, reader, err);
    cJSON *json = NULL;
    ns_tok_neighbours beside;
    int rc = ns_tok_neighbours_read(&beside, tok->path, err);
    if (rc == NS_OK)
        rc = rebuild(tok, &beside, err);
    const ns_tok_source *const source = ns_tok_source_of(tok->path);
    if (rc == NS_OK)
        rc = source->read ? read_source(tok, &beside, source, &json, err) : read_json(tok, &json, err);
    if (rc == NS_OK)
        rc = ns_tok_neighbours_tokens(&beside, cJSON_GetObjectItemCaseSensitive(json, "added_tokens"), err);
    if (rc == NS_OK)
        rc = read_all(tok, &beside, json, err);
    tok->notes = beside.notes;
    ns_tok_neighbours_free(&beside);
    cJSON_Delete(json);
    return rc;
}
