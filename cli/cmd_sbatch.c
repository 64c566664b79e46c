/* cmd_sbatch.c - the script that runs a scan on a Slurm cluster. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <needlescope/scan.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct sbatch_settings {
    const char *out, *memory, *time, *partition, *account, *program;
    int64_t     tasks, at_once, cpus;
} sbatch_settings;

#define FIELD(name) offsetof(sbatch_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "FOLDER", "where the shards go, as of scan"},
    {"tasks", 'n', CLI_INT, FIELD(tasks), "N", "tasks of the array; each does every N-th checkpoint (default 16)", .min = 1, .max = 100000},
    {"at-once", 0, CLI_INT, FIELD(at_once), "M", "at most so many tasks at once (default all)", .min = 1, .max = 100000},
    {"cpus", 0, CLI_INT, FIELD(cpus), "N", "CPUs of a task, which are its threads (default 4)", .min = 1, .max = 4096},
    {"mem", 0, CLI_TEXT, FIELD(memory), "SIZE", "memory of a task, as sbatch takes it; weights use half of it (default: the cluster's)"},
    {"time", 0, CLI_TEXT, FIELD(time), "TIME", "limit of a task, as sbatch takes it (default: the partition's)"},
    {"partition", 0, CLI_TEXT, FIELD(partition), "NAME", "partition"},
    {"account", 0, CLI_TEXT, FIELD(account), "NAME", "account"},
    {"program", 0, CLI_TEXT, FIELD(program), "PATH", "the program on the nodes (default: this one)"},
    {0},
};
#undef FIELD
static const sbatch_settings defaults = {.tasks = 16, .cpus = 4};

static void tell_missing(const cli *app, char *const *runs, int n)
{
    for (int i = 0; i < n; i++)
        if (!ns_path_is_dir(runs[i]))
            cli_note(app, "%s: no such folder here: where the nodes have none either, every task will fail", runs[i]);
}

/* The words as scan itself will read them: what it would refuse is refused now, and not by each task. */
static int check_words(cli *app, char **words, int n)
{
    const cli_command *const scan = cli_command_find("scan");
    cli_globals globals = {0};
    cli_resources resources = {0};
    cli_target targets[CLI_MAX_TABLES] = {{cli_global_options, &globals}, {cli_resource_options, &resources}};
    char **const argv = ns_alloc_array((size_t)n + 2, sizeof *argv), **runs = NULL;
    void *const own = ns_alloc_array(1, scan->settings_size);
    int n_targets = 2, n_runs = 0, rc = argv && own ? NS_OK : ns_oom(&app->err, "the words of the scan");
    for (int g = 0; rc == NS_OK && g < CLI_MAX_GROUPS && scan->groups[g].options; g++)
        targets[n_targets++] = (cli_target){scan->groups[g].options, (char *)own + scan->groups[g].base};
    for (int i = 0; rc == NS_OK && i <= n; i++)
        argv[i] = i ? words[i - 1] : (char *)(uintptr_t)scan->name;
    rc = rc != NS_OK ? rc : cli_parse(targets, n_targets, n + 1, argv, false, NULL, &runs, &n_runs, &app->err);
    if (rc == NS_OK)
        tell_missing(app, runs, n_runs);
    for (int t = 2; t < n_targets; t++)
        cli_settings_clear(targets[t].options, targets[t].settings);
    free(own);
    free(argv);
    return rc;
}

static int sbatch(cli *app, const void *settings, char **args, int n_args)
{
    const sbatch_settings *const s = settings;
    char self[PATH_MAX], *script;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    const ns_sbatch_params p = {.size = sizeof p, .program = s->program ? s->program : n > 0 ? self : "needlescope", .out = s->out,
                                .words = (const char *const *)args, .n_words = n_args, .tasks = s->tasks, .at_once = s->at_once,
                                .cpus = s->cpus, .memory = s->memory, .time = s->time, .partition = s->partition, .account = s->account};
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o FOLDER is missing");
    int rc = check_words(app, args, n_args);
    rc = rc != NS_OK ? rc : ns_sbatch_script(&script, &p, &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out o;
    cli_out_begin(&o, app, "needlescope.sbatch/1");
    cli_out_text(&o, "script", NULL, script);
    cli_out_verbatim(&o, script);
    free(script);
    return cli_out_end(&o, &app->err);
}

const cli_command cli_cmd_sbatch = {
    .name = "sbatch", .section = "Follow training", .summary = "Prints a script that scans on a Slurm cluster",
    .arguments = "-- SCAN_WORDS...", .min_args = 1, .max_args = 100000, .groups = {{"Options", options, 0}},
    .settings_size = sizeof(sbatch_settings), .defaults = &defaults,
    .description = "Behind -- stand the words of the scan, without -o and --shard: needlescope sbatch -o scan -n 64 -- runs/* --cases "
                   "cases.jsonl. `bash SCRIPT` submits an array of N tasks and, behind it, the merge. Task I does the checkpoints of "
                   "--shard I/N, N standing in the script, so that a part of the array (NS_TASKS=3,7 bash SCRIPT) does what is its own and "
                   "nothing else. A minute before its time is over a task gets SIGTERM, says 75 and is put into the queue again. The merge "
                   "runs whatever became of the tasks, and says what is missing. Threads and memory are those of the allocation. Logs go "
                   "to the folder logs. docs/cluster.md has the whole story.",
    .examples = "needlescope sbatch -o scan --tasks 64 --at-once 16 --mem 8G --time 2:00:00 -- runs/* --cases cases.jsonl >scan.sh\n"
                "bash scan.sh",
    .run = sbatch,
};
