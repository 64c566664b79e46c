/* cmd_tokenize.c - text to ids with byte offsets and pieces, and back. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct tokenize_settings {
    const char *file, *revision;
    cli_ints    decode;
    bool        no_special, ids_only;
} tokenize_settings;

#define FIELD(name) offsetof(tokenize_settings, name)
static const cli_option options[] = {
    {"file", 'f', CLI_FILE, FIELD(file), "FILE", "read the text from a file (- or /dev/stdin: standard input)"},
    {"decode", 'd', CLI_INTS, FIELD(decode), "ID,ID,...", "turn ids into text instead (on a terminal control characters are escaped)",
     .again = true},
    {"no-special", 0, CLI_FLAG, FIELD(no_special), NULL, "add no special tokens (BOS ...); with --decode, leave them out of the text"},
    {"ids", 'i', CLI_FLAG, FIELD(ids_only), NULL, "print the ids alone, comma-separated"},
    {"revision", 0, CLI_TEXT, FIELD(revision), "REV", "revision of a Hugging Face cache folder (default main)"},
    {0},
};
#undef FIELD

static int print_decoded(cli *app, const ns_tokenizer *tokenizer, const tokenize_settings *s)
{
    const int64_t n = s->decode.n;
    int32_t *const ids = ns_alloc_array((size_t)n, sizeof *ids);
    char *text = NULL;
    int rc = ids ? NS_OK : ns_oom(&app->err, "ids");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        if (s->decode.list[i] < 0 || s->decode.list[i] > INT32_MAX)
            rc = ns_fail(&app->err, NS_E_ARG, "--decode %lld: not a token id", (long long)s->decode.list[i]);
        else if (!ns_token_text(tokenizer, (int32_t)s->decode.list[i]))
            rc = ns_fail(&app->err, NS_E_ARG, "--decode %lld: the tokenizer has no such token (it has %lld)", (long long)s->decode.list[i],
                         (long long)ns_tokenizer_size(tokenizer));
        else
            ids[i] = (int32_t)s->decode.list[i];
    }
    if (rc == NS_OK)
        rc = ns_decode(tokenizer, ids, n, s->no_special, &text, &app->err);
    if (rc == NS_OK) {
        cli_out o;
        cli_out_begin(&o, app, "needlescope.decode/1");
        cli_out_text(&o, "text", NULL, text);
        cli_out_verbatim(&o, text);
        rc = cli_out_end(&o, &app->err);
    }
    free(text);
    free(ids);
    return rc;
}

static void print_tokens(cli_out *o, const ns_tokenizer *tokenizer, const char *text, const ns_encoding *encoding)
{
    static const cli_column columns[] = {
        {"id", "id", CELL_INT}, {"begin", "begin", CELL_INT}, {"end", "end", CELL_INT}, {"piece", "piece", CELL_TEXT},
        {"text", "text", CELL_TEXT},
    };
    cli_out_table(o, "tokens", NULL, columns, 5);
    for (int64_t i = 0; i < encoding->n; i++) {
        const int64_t n = encoding->end[i] - encoding->begin[i];
        const char *const bytes = text + encoding->begin[i];
        cli_cell_int(o, encoding->ids[i]);
        cli_cell_int(o, encoding->begin[i]);
        cli_cell_int(o, encoding->end[i]);
        cli_cell_text(o, ns_token_text(tokenizer, encoding->ids[i]));
        if (ns_utf8_valid(bytes, (size_t)n, NULL)) {
            char *const part = ns_printf_alloc("%.*s", (int)n, bytes);
            cli_out_need(o, part);
            cli_cell_text(o, part);
            free(part);
        } else {
            cli_cell_text(o, NULL);   /* part of a character */
        }
    }
    cli_out_table_end(o);
}

static int print_encoded(cli *app, const ns_tokenizer *tokenizer, const tokenize_settings *s, const char *text, size_t n)
{
    ns_encoding encoding = {0};
    int rc = ns_encode(tokenizer, text, n, !s->no_special, &encoding, &app->err);
    if (rc == NS_OK) {
        cli_out o;
        cli_out_begin(&o, app, "needlescope.tokenize/1");
        cli_out_int(&o, "n_tokens", NULL, encoding.n);
        cli_out_text(&o, "tokenizer_sha256", NULL, ns_tokenizer_sha256(tokenizer));
        if (s->ids_only && o.text)
            for (int64_t i = 0; i < encoding.n; i++)         /* millions: too many for cli_out_say */
                fprintf(o.text, "%s%d", i ? "," : "", encoding.ids[i]);
        if (s->ids_only)
            cli_out_say(&o, "\n");
        if (app->globals.json || !s->ids_only)
            print_tokens(&o, tokenizer, text, &encoding);
        rc = cli_out_end(&o, &app->err);
    }
    ns_encoding_clear(&encoding);
    return rc;
}

static int check_text(cli *app, const char *path, int rc, const char *text, size_t n)
{
    static const ns_kinds fine = NS_KINDS(NS_KIND_TEXT) | NS_KINDS_JSON | NS_KINDS(NS_KIND_CASES) | NS_KINDS(NS_KIND_SVG) |
                                 NS_KINDS(NS_KIND_EMPTY);
    size_t bad;
    if (rc == NS_OK && !ns_utf8_valid(text, n, &bad))
        rc = ns_fail(&app->err, NS_E_FORMAT, "%s: byte %zu is not UTF-8", path, bad);
    return ns_kind_fail(&app->err, rc, path, fine, "text");
}

static int tokenize(cli *app, const void *settings, char **args, int n_args)
{
    enum { LARGEST = 1 << 30 };
    const tokenize_settings *const s = settings;
    const ns_open_params how =
        {.size = sizeof how, .path = args[0], .revision = s->revision, .want = NS_OPEN_TOKENIZER, .warn = cli_warn, .user = app};
    ns_opened *m = NULL;
    char *text = NULL;
    size_t n = 0;
    int rc = NS_OK;
    if ((n_args > 1) + (s->file != NULL) + (s->decode.n > 0) != 1)
        return ns_fail(&app->err, NS_E_ARG, "give one of TEXT, --file FILE and --decode IDS");
    if (app->globals.json && s->ids_only)
        return ns_fail(&app->err, NS_E_ARG, "--ids prints the ids alone; --json has them among all else (give one of the two)");
    if (s->decode.n && s->ids_only)
        return ns_fail(&app->err, NS_E_ARG, "--ids prints the ids of a text; --decode makes text of ids (give one of the two)");
    if (s->file)
        rc = ns_file_read(strcmp(s->file, "-") ? s->file : "/dev/stdin", LARGEST, &text, &n, &app->err);
    if (s->file)
        rc = check_text(app, s->file, rc, text, n);
    if (rc == NS_OK)
        rc = ns_open(&m, &how, &app->err);
    if (rc == NS_OK && !m->tokenizer)
        rc = ns_fail(&app->err, NS_E_MISSING, "%s: has no tokenizer (tokenizer.json, tokenizer.model, vocab.json, vocab.txt)",
                     args[0]);
    if (rc == NS_OK)
        rc = s->decode.n ? print_decoded(app, m->tokenizer, s)
                         : print_encoded(app, m->tokenizer, s, text ? text : args[1], text ? n : strlen(args[1]));
    ns_close(m);
    free(text);
    return rc;
}

const cli_command cli_cmd_tokenize = {
    .name = "tokenize", .section = "Look", .summary = "Turns text into token ids with offsets and pieces, and back",
    .arguments = "MODEL [TEXT]", .min_args = 1, .max_args = 2,
    .groups = {{"Options", options, 0}},
    .settings_size = sizeof(tokenize_settings),
    .description = "MODEL is a tokenizer.json (tokenizer.model, vocab.json, vocab.txt), a folder that holds one, or a checkpoint. "
                   "Offsets count bytes of the text; a token that is part of a character has no text of its own.",
    .examples = "needlescope tokenize SmolLM2-135M 'The key is 7421.'\n"
                "needlescope tokenize SmolLM2-135M --decode 504,2256",
    .run = tokenize,
};
