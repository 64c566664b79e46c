/* sources.c - the table of forms, in the order in which a folder is searched for them: a new one is its file and a row here. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/sources.h"

static bool takes_pieces(const ns_tok_class *c) { return c->pieces != NULL; }
static bool takes_pair(const ns_tok_class *c)   { return c->pair != PAIR_NONE; }
static bool takes_ranks(const ns_tok_class *c)  { return c->ranks; }
static bool takes_words(const ns_tok_class *c)  { return c->word_list; }

static const ns_tok_source sources[] = {
    {"tokenizer.json", NULL, NULL},
    {"tokenizer.model", ns_tok_from_pieces, takes_pieces},
    {"spiece.model", ns_tok_from_pieces, takes_pieces},
    {"sentencepiece.bpe.model", ns_tok_from_pieces, takes_pieces},
    {"vocab.json", ns_tok_from_pair, takes_pair},
    {"vocab.txt", ns_tok_from_words, takes_words},
    {"tiktoken.model", ns_tok_from_ranks, takes_ranks},
    {"qwen.tiktoken", ns_tok_from_ranks, takes_ranks},
};
enum { N_SOURCES = sizeof sources / sizeof *sources };

/* Of several names, and of one that a SentencePiece model has too. */
static const ns_tok_source ranks = {"tokenizer.model", ns_tok_from_ranks, takes_ranks};

const ns_tok_source *ns_tok_source_of(const char *path)
{
    if ((ns_ends(path, ".model") || ns_ends(path, ".tiktoken")) && ns_tok_is_ranks(path))
        return &ranks;
    for (int i = 0; i < N_SOURCES; i++)
        if (strcmp(ns_path_base(path), sources[i].file) == 0)
            return &sources[i];
    return ns_ends(path, ".model") ? &sources[1] : &sources[0];
}

const char *ns_tok_source_name(int i)
{
    return i < N_SOURCES ? sources[i].file : NULL;
}

bool ns_tok_is_source(const char *path)
{
    return strcmp(ns_tok_source_of(path)->file, "tokenizer.json") != 0 || strcmp(ns_path_base(path), "tokenizer.json") == 0;
}

/* The first of those in the table from `first` on, below `end`, that the folder has. */
static int first_in(char **out, const char *folder, int first, int end, ns_error *err)
{
    *out = NULL;
    for (int i = first; i < end; i++) {
        *out = ns_path_join(folder, sources[i].file);
        if (!*out)
            return ns_oom(err, folder);
        if (ns_path_exists(*out))
            return NS_OK;
        free(*out);
        *out = NULL;
    }
    return NS_OK;
}

int ns_tokenizer_in(char **out, const char *folder, ns_error *err)
{
    return first_in(out, folder, 0, N_SOURCES, err);
}

int ns_tok_pieces_beside(char **out, const char *path, ns_error *err)
{
    char *const folder = ns_printf_alloc("%.*s.", (int)(ns_path_base(path) - path), path);
    const int rc = folder ? first_in(out, folder, 1, 4, err) : ns_oom(err, path);
    free(folder);
    return rc;
}
