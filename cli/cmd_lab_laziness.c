/* cmd_lab_laziness.c - lab laziness: the whole story in one command. Options -> plan -> folder, lock -> the table of stages (lab_stages.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <needlescope/hooks.h>

#include "cli/commands.h"
#include "cli/lab.h"
#include "cli/out.h"

typedef struct laziness_settings {
    const char *out, *protocol;
    bool        quick, full, print_protocol;
    int64_t     seeds;
    cli_ints    windows;
} laziness_settings;

#define FIELD(name) offsetof(laziness_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "DIR", "the folder to work in (default laziness)"},
    {"quick", 0, CLI_FLAG, FIELD(quick), NULL, "one seed, windows and the all-full control"},
    {"full", 0, CLI_FLAG, FIELD(full), NULL, "five seeds, five windows, competition patterns and the recurrent mixer"},
    {"seeds", 0, CLI_INT, FIELD(seeds), "N", "how many seeds, instead of the size's", NULL, 1, 1000},
    {"windows", 'w', CLI_INTS, FIELD(windows), "W,W,...", "windows to compare, instead of the protocol's"},
    {"protocol", 0, CLI_FILE, FIELD(protocol), "FILE", "another protocol than the committed one"},
    {"print-protocol", 0, CLI_FLAG, FIELD(print_protocol), NULL, "print the committed protocol and stop"},
    {0},
};
#undef FIELD

/* ---- the folder ---- */

static int make_folders(const cli_lab *lab)
{
    static const char *const folders[] = {"", "cases", "configs", "runs", "scan", "lengths", "ablate", "figures", "log"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *const path = cli_lab_path(lab, "%s", folders[i]);
        const int failed = path && mkdir(path, 0777) != 0 && errno != EEXIST ? errno : 0;
        const int rc = !path ? ns_oom(&lab->app->err, lab->dir) : failed ? ns_fail(&lab->app->err, NS_E_CREATE, "%s: %s", path, strerror(failed))
            : NS_OK;
        free(path);
        if (rc < 0)
            return rc;
    }
    return NS_OK;
}

/* One call works in a folder; children of a killed one hold the lock until they are done, since two trainers must not share a run. */
static int take_lock(cli_lab *lab)
{
    char *const path = cli_lab_path(lab, "lock");
    lab->lock = path ? open(path, O_RDWR | O_CREAT, 0666) : -1;
    free(path);
    if (lab->lock < 0)
        return ns_fail(&lab->app->err, NS_E_CREATE, "%s/lock: %s", lab->dir, strerror(errno));
    if (flock(lab->lock, LOCK_EX | LOCK_NB) == 0)
        return NS_OK;
    cli_note(lab->app, "%s: another call, or children of one that was killed, are at work; waiting for them", lab->dir);
    while (flock(lab->lock, LOCK_EX | LOCK_NB) != 0) {
        if (cli_cancelled(NULL) || (errno != EWOULDBLOCK && errno != EINTR))
            return ns_fail(&lab->app->err, NS_E_IO, "%s/lock: %s", lab->dir, strerror(errno));
        usleep(100000);
    }
    return NS_OK;
}

/* A folder belongs to one protocol: what it says is kept beside the results. */
static int keep_protocol(const cli_lab *lab)
{
    char *const text = ns_json_print(lab->protocol, true), *const path = cli_lab_path(lab, "protocol.json"), *before = NULL;
    int rc = text && path ? NS_OK : ns_oom(&lab->app->err, "the protocol");
    if (rc == NS_OK && ns_path_exists(path)) {
        rc = ns_file_read(path, 1 << 20, &before, NULL, &lab->app->err);
        if (rc == NS_OK && strcmp(before, text) != 0)
            rc = ns_fail(&lab->app->err, NS_E_ARG, "%s holds the results of another protocol: name another folder (-o)", lab->dir);
    } else if (rc == NS_OK) {
        rc = ns_file_write(path, text, strlen(text), &lab->app->err);
    }
    free(before);
    free(path);
    free(text);
    return rc;
}

static int run_stages(cli_lab *lab)
{
    int rc = make_folders(lab);
    if (rc == NS_OK)
        rc = take_lock(lab);
    if (rc == NS_OK)
        rc = keep_protocol(lab);
    for (const cli_lab_stage *stage = cli_lab_stages; stage->name && rc == NS_OK; stage++) {
        cli_detail(lab->app, "stage %s", stage->name);
        rc = stage->run(lab);
    }
    if (lab->lock >= 0)
        close(lab->lock);
    return rc;
}

/* ---- the command ---- */

static int print_protocol(cli *app)
{
    char *const text = cli_lab_protocol_text();
    if (!text)
        return ns_oom(&app->err, "the protocol");
    fputs(text, stdout);
    free(text);
    return NS_OK;
}

static int laziness(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    const laziness_settings *const s = settings;
    if (s->print_protocol)
        return print_protocol(app);
    if (s->quick && s->full)
        return ns_fail(&app->err, NS_E_ARG, "--quick or --full, not both");
    cli_lab lab = {.app = app, .dir = s->out ? s->out : "laziness", .lock = -1, .cores = (int)app->globals.threads};
    const cli_lab_choice choice = {.protocol = s->protocol, .size = s->quick ? "quick" : s->full ? "full" : "default", .seeds = s->seeds,
                                   .windows = s->windows};
    if (lab.cores == 0)
        lab.cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int rc = cli_lab_plan(&lab, &choice, &app->err);
    if (rc == NS_OK) {
        cli_signals_hold(true);
        rc = run_stages(&lab);
    }
    cli_lab_clear(&lab);
    return rc == NS_OK && lab.failures ? NS_STOP : rc;
}

const cli_command cli_cmd_lab_laziness = {
    .name = "lab laziness", .section = "Laboratory", .summary = "Trains hybrids, finds when retrieval heads are born, and says which claims hold",
    .arguments = "", .min_args = 0, .max_args = 0, .groups = {{"Options", options, 0}}, .settings_size = sizeof(laziness_settings),
    .description = "Trains small hybrids with windows of several sizes and the controls that could refute the claim, a process on each core; "
                   "scans their checkpoints; finds when retrieval heads are born; and says which claims hold, with numbers. Seeds, horizon, "
                   "thresholds and recipe are fixed beforehand in a protocol (--print-protocol). A call that was stopped or killed goes on when "
                   "it is called again: what is done is not done twice.",
    .examples = "needlescope lab laziness --quick -o quick\n"
                "needlescope lab laziness --full -o full",
    .run = laziness,
};
