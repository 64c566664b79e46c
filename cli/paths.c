/* paths.c - the files of a command, off its option tables: what it writes can be written, and is nothing that it reads. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <needlescope/record.h>

#include "cli/cli.h"

typedef struct paths { const char **inputs; int64_t n, capacity; } paths;

static bool add_input(paths *p, const char *path)
{
    if (!ns_grow(&p->inputs, &p->capacity, p->n + 1, sizeof *p->inputs))
        return false;
    p->inputs[p->n++] = path;
    return true;
}

static bool is_output_folder(const cli_option *option)
{
    return option->kind == CLI_FOLDER && strcmp(option->name, "output") == 0;
}

static bool add_option(paths *p, const cli_option *option, const void *field)
{
    if (is_output_folder(option))
        return true;
    if (option->kind == CLI_FILE || option->kind == CLI_FOLDER)
        return !*(const char *const *)field || add_input(p, *(const char *const *)field);
    const cli_words *const files = option->kind == CLI_FILES ? field : NULL;
    for (int64_t i = 0; files && i < files->n; i++)
        if (!add_input(p, files->list[i]))
            return false;
    return true;
}

/* A folder to write to. */
static int check_folder(cli *app, const cli_option *option, const char *path)
{
    if (!is_output_folder(option) || !path || strcmp(path, "-") != 0)
        return NS_OK;
    return ns_fail(&app->err, NS_E_ARG, "--output -: standard output is no folder (./- is one of that name)");
}

void cli_watch_output(cli *app, const char *path)
{
    struct stat st;
    if (app->n_standing < CLI_MAX_OUTPUTS && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        app->standing[app->n_standing++] = (cli_standing){path, st.st_dev, st.st_ino};
}

void cli_tell_replaced(cli *app)
{
    struct stat st;
    for (int i = 0; i < app->n_standing; i++) {
        const cli_standing *const before = &app->standing[i];
        if (stat(before->path, &st) == 0 && (st.st_dev != before->device || st.st_ino != before->inode))
            cli_note(app, "replaced %s", before->path);
    }
    app->n_standing = 0;
}

void cli_watch_seal(cli *app, const char *path)
{
    if (!ns_file_is_unsealed(path))
        return;
    const size_t used = strlen(app->unsealed);
    snprintf(app->unsealed + used, sizeof app->unsealed - used, "%s%s", app->n_unsealed++ ? ", " : "", path);
}

void cli_tell_unsealed(cli *app)
{
    if (app->n_unsealed == 1)
        cli_note(app, "%s has no seal: " NS_UNSEALED, app->unsealed);
    else if (app->n_unsealed)
        cli_note(app, "%lld files have no seal, " NS_UNSEALED " (%s)", (long long)app->n_unsealed, app->unsealed);
    app->n_unsealed = 0;
}

/* What the library's writers refuse is refused here before the work, not after it. The output counts as an input of the next one: two
 * outputs of one name are a slip as well. */
static int check_output(cli *app, paths *p, const cli_option *option, const char *path)
{
    ns_error why = {""};
    int rc = NS_OK;
    if (option->kind == CLI_OUTPUT && strcmp(path, "-") == 0)
        return ns_fail(&app->err, NS_E_ARG, "--%s -: standard output cannot hold this kind of file (name a file)", option->name);
    if (option->kind == CLI_STREAM && ns_path_is_stdout(path)) {
        if (app->globals.json || app->answer_aside)
            return ns_fail(&app->err, NS_E_ARG, "--%s -: %s goes to standard output too (name a file)", option->name,
                           app->globals.json ? "--json" : "another output");
        app->answer_aside = true;
        rc = ns_check_not_input(path, p->inputs, p->n, &why);
        return rc != NS_OK ? ns_fail(&app->err, rc, "--%s: %s", option->name, why.message) : NS_OK;
    }
    for (int64_t i = 0; rc == NS_OK && i < p->n; i++)
        if (!ns_path_exists(path) && ns_path_is_same(p->inputs[i], path))
            rc = strcmp(p->inputs[i], path) == 0
                     ? ns_fail(&why, NS_E_ARG, "%s is given twice (name another file)", path)
                     : ns_fail(&why, NS_E_ARG, "%s and %s are one file (name another file)", path, p->inputs[i]);
    rc = rc != NS_OK ? rc : ns_check_not_input(path, p->inputs, p->n, &why);
    rc = rc != NS_OK ? rc : ns_output_check(path, option->makes, option->kind == CLI_STREAM, &why);
    if (rc != NS_OK)
        return ns_fail(&app->err, rc, rc == NS_E_ARG ? "--%s: %s" : "%.0s%s", option->name, why.message);
    cli_watch_output(app, path);
    return add_input(p, path) ? NS_OK : ns_oom(&app->err, path);
}

/* Answers and messages must not be written over what is read: cmd FILE 1<>FILE. */
static int check_answer(cli *app, const paths *p)
{
    static const char *const streams[] = {"/dev/stdout", "/dev/stderr"};
    int rc = NS_OK;
    for (int64_t i = 0; i < 2 * p->n && rc == NS_OK; i++)
        if (!ns_path_is_dir(p->inputs[i / 2]))
            rc = ns_check_not_input(streams[i % 2], &p->inputs[i / 2], 1, &app->err);
    return rc;
}

int cli_check_paths(cli *app, const cli_target *targets, int n_targets, char *const *args, int n_args)
{
    paths p = {0};
    bool room = true;
    int rc = NS_OK;
    for (int i = 0; i < n_args && room; i++)
        room = add_input(&p, args[i]);
    for (int t = 0; t < n_targets; t++)
        for (const cli_option *option = targets[t].options; option->name && room; option++)
            room = add_option(&p, option, (const char *)targets[t].settings + option->offset);
    for (int64_t i = 0; i < p.n; i++)
        cli_watch_seal(app, p.inputs[i]);
    rc = room ? check_answer(app, &p) : ns_oom(&app->err, "the command's files");
    for (int t = 0; t < n_targets; t++)
        for (const cli_option *option = targets[t].options; option->name && rc == NS_OK; option++) {
            const bool writes = option->kind == CLI_OUTPUT || option->kind == CLI_STREAM;
            const char *const path = writes || option->kind == CLI_FOLDER
                                         ? *(const char *const *)((const char *)targets[t].settings + option->offset) : NULL;
            rc = path && writes ? check_output(app, &p, option, path) : check_folder(app, option, path);
        }
    free(p.inputs);
    return rc;
}
