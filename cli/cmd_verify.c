/* cmd_verify.c - is a file what it says? Its content hash, recomputed from every dataset. */
#include <needlescope/inputs.h>
#include <needlescope/provenance.h>
#include <needlescope/record.h>

#include "cli/commands.h"
#include "cli/out.h"

/* Of a file whose other bytes nothing vouches for. */
static const char uncovered[] =
    "of a file without a seal, 'ok' is of its datasets and of the facts that --content lists: other attributes, as the range and the "
    "chance of a score, are not in content_sha256";

typedef struct verify_settings { bool content, facts, inputs; } verify_settings;
static const cli_option options[] = {
    {"content", 0, CLI_FLAG, offsetof(verify_settings, content), NULL,
     "print the hash of every dataset and attribute: what two files share, by diff"},
    {"facts", 0, CLI_FLAG, offsetof(verify_settings, facts), NULL,
     "print what a file says of itself (HDF5, figures, notebooks, tables): made by what, when, with which weights, tokenizer and cases"},
    {"inputs", 0, CLI_FLAG, offsetof(verify_settings, inputs), NULL,
     "hash what the file was made from again (models, cases, tokenizers, shards): which of it is gone, changed, the same"},
    {0},
};

static int print_inputs(cli *app, const char *path)
{
    ns_engine *engine;
    ns_inputs_count n = {0};
    cli_out o;
    /* one thread: the disk is the limit */
    int rc = ns_engine_new(&engine, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = 1}, &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out_begin(&o, app, "needlescope.inputs/1");
    const ns_answer answer = cli_out_answer(&o);
    rc = ns_inputs_verify(path, engine, &answer, &n, &app->err);
    ns_engine_free(engine);
    if (rc != NS_OK) {
        cli_out_drop(&o);
        return rc;
    }
    rc = cli_out_end(&o, &app->err);
    const int worst = n.changed ? NS_E_FORMAT : n.unread ? NS_E_IO : n.gone ? NS_E_MISSING : NS_OK;
    return rc != NS_OK || worst == NS_OK
               ? rc
               : ns_fail(&app->err, worst, "%s: of its inputs %lld changed, %lld cannot be read, %lld are gone, %lld are the same", path,
                         (long long)n.changed, (long long)n.unread, (long long)n.gone, (long long)n.same);
}

static int print_content(cli *app, const char *path)
{
    ns_file *f = NULL;
    char **lines = NULL;
    int64_t n = 0;
    int rc = ns_file_open(&f, path, &app->err);
    if (rc == NS_OK)
        rc = ns_file_content(f, &lines, &n, &app->err);
    for (int64_t i = 0; i < n; i++)
        cli_print_clean(stdout, lines[i]), fputc('\n', stdout);
    ns_free_strings(lines, n);
    ns_file_close(f);
    return rc;
}

static int print_facts(cli *app, const char *path)
{
    ns_fact_list facts = {0};
    cli_out o;
    int rc = ns_provenance_read(&facts, path, &app->err);
    if (rc == NS_OK) {
        cli_out_begin(&o, app, "needlescope.facts/1");
        for (int64_t i = 0; i < facts.n; i++)
            if (!ns_ends(facts.list[i].name, "_json"))
                cli_out_text(&o, facts.list[i].name, facts.list[i].name, facts.list[i].value);
        rc = cli_out_end(&o, &app->err);
    }
    ns_fact_list_clear(&facts);
    return rc;
}

/* What could not be read to its end (a disk that is gone, a process that somebody killed) is not known to be broken. */
static const char *state_of(int rc)
{
    return rc == NS_OK ? "ok" : rc == NS_E_IO ? "unread" : "BROKEN";
}

/* A file for which memory ran out is neither whole nor broken: that ends the command. */
static int verify_one(cli *app, cli_out *o, const char *path, int *worst, bool *bare)
{
    ns_file *f = NULL;
    ns_error why = {""};
    int rc = ns_file_open(&f, path, &why);
    rc = rc != NS_OK ? rc : ns_file_verify(f, &why);
    if (rc != NS_E_MEMORY) {
        cli_cell_text(o, path);
        cli_cell_text(o, state_of(rc));
        cli_cell_text(o, rc == NS_OK ? ns_file_fact(f, "content_sha256") : why.message);
        *worst = *worst ? *worst : rc;
        *bare |= rc == NS_OK && ns_file_is_unsealed(path);
    }
    ns_file_close(f);
    return rc == NS_E_MEMORY ? ns_fail(&app->err, rc, "%s: not verified: %s", path, why.message) : NS_OK;
}

static int verify(cli *app, const void *settings, char **args, int n_args)
{
    static const cli_column columns[] = {{"file", "file", CELL_TEXT},
                                         {"state", "state", CELL_TEXT},
                                         {"content_sha256", "content", CELL_TEXT}};
    const verify_settings *const s = settings;
    int rc = NS_OK, worst = NS_OK;
    bool bare = false;
    if (s->content + s->facts + s->inputs > 1)
        return ns_fail(&app->err, NS_E_ARG, "--content, --facts or --inputs: one of them");
    if ((s->content || s->facts || s->inputs) && n_args > 1)
        return ns_fail(&app->err, NS_E_ARG, "--%s is of one file", s->content ? "content" : s->facts ? "facts" : "inputs");
    if (s->content && app->globals.json)
        return ns_fail(&app->err, NS_E_ARG, "--content prints lines of text; leave --json out");
    if (s->inputs)
        return print_inputs(app, args[0]);
    if (s->facts)
        return print_facts(app, args[0]);
    if (s->content)
        return print_content(app, args[0]);
    cli_out o;
    cli_out_begin(&o, app, "needlescope.verify/1");
    cli_out_table(&o, "files", NULL, columns, 3);
    for (int i = 0; i < n_args && rc == NS_OK; i++)
        rc = verify_one(app, &o, args[i], &worst, &bare);
    if (rc != NS_OK) {
        cli_out_drop(&o);
        return rc;
    }
    cli_out_table_end(&o);
    if (bare)
        cli_note(app, "%s", uncovered);
    rc = cli_out_end(&o, &app->err);
    return rc != NS_OK ? rc : worst ? ns_fail(&app->err, worst, "not all files are what they say") : NS_OK;
}

const cli_command cli_cmd_verify = {
    .name = "verify",
    .section = "Follow training",
    .summary = "Recomputes the content hash of files that needlescope wrote",
    .arguments = "FILE...",
    .min_args = 1,
    .max_args = 100000,
    .groups = {{"Options", options, 0}},
    .settings_size = sizeof(verify_settings),
    .description =
        "Reads every dataset and compares content_sha256. Equal hashes mean equal results, whatever the machine, the threads and the "
        "date.\n\n"
        "--inputs hashes again what the file was made from, and names each shard that is another, gone or new: it ends with 65 where an "
        "input is another than it was, with 66 where one is gone.",
    .examples = "needlescope verify scores.h5 study.h5\n"
                "needlescope verify --content scores.h5\n"
                "needlescope verify --facts scores.h5\n"
                "needlescope verify --inputs scores.h5\n"
                "needlescope verify --facts heads.pdf",
    .run = verify,
};
