/* cmd_status.c - how far a scan's folder is: counts, and what is not done, one by one. */
#include <needlescope/scan.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct status_settings { bool all; } status_settings;

static const cli_option options[] = {
    {"all", 0, CLI_FLAG, offsetof(status_settings, all), NULL, "list what is done, too"},
    {0},
};

static const struct { const char *key, *label, *word; } states[NS_SCAN_N_STATES] = {
    [NS_SCAN_DONE] = {"done", "done", "done"},
    [NS_SCAN_FAILED] = {"failed", "failed", "failed"},
    [NS_SCAN_IN_HAND] = {"in_hand", "in hand", "in hand"},
    [NS_SCAN_WAITS] = {"waiting", "waiting", "waits"},
    [NS_SCAN_NOT_TAKEN] = {"not_taken", "not taken", "not taken (--steps)"},
    [NS_SCAN_GONE] = {"gone", "gone", "gone"},
    [NS_SCAN_LEFT_OUT] = {"left_out", "left out", "left out"},
    [NS_SCAN_NO_CHECKPOINT] = {"no_checkpoint", "no checkpoints", "no checkpoint"},
};

static void list_all(cli_out *o, const ns_scan_status *s, bool done_too)
{
    static const cli_column columns[] = {{"run", "run", CELL_TEXT}, {"step", "step", CELL_INT}, {"label", "checkpoint", CELL_TEXT},
                                         {"state", "state", CELL_TEXT}, {"why", "why", CELL_TEXT}};
    cli_out_table(o, "checkpoints", NULL, columns, 5);
    for (int64_t i = 0; i < s->n; i++) {
        const ns_scan_one *const one = &s->list[i];
        if (one->state == NS_SCAN_DONE && !one->why && !done_too)
            continue;
        cli_cell_text(o, one->run);
        cli_cell_int(o, one->step);
        cli_cell_text(o, one->label);
        cli_cell_text(o, states[one->state].word);
        cli_cell_text(o, one->why ? one->why : "");
    }
    cli_out_table_end(o);
}

static int status(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const status_settings *const asked = settings;
    ns_scan_status s;
    cli_out o;
    int rc = ns_scan_status_read(&s, args[0], &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out_begin(&o, app, "needlescope.status/1");
    cli_out_int(&o, "runs", "runs", s.n_runs);
    for (int i = 0; i < NS_SCAN_N_STATES; i++)
        cli_out_int(&o, states[i].key, s.count[i] || i <= NS_SCAN_WAITS ? states[i].label : NULL, s.count[i]);
    cli_out_int(&o, "tokenizer_unread", s.unread ? "tokenizer unread" : NULL, s.unread);
    list_all(&o, &s, asked->all);
    rc = cli_out_end(&o, &app->err);
    const bool whole = s.count[NS_SCAN_FAILED] + s.count[NS_SCAN_IN_HAND] + s.count[NS_SCAN_WAITS] == 0;
    ns_scan_status_clear(&s);
    return rc == NS_OK && !whole ? NS_STOP : rc;
}

const cli_command cli_cmd_status = {
    .name = "status", .section = "Follow training", .summary = "Says how far a scan is",
    .arguments = "FOLDER", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(status_settings),
    .description = "Counts the checkpoints that scans into the folder found, by what became of them, and lists those that are not done: "
                   "failed, with the reason; in hand, with the process and its node; waiting for a scan; not taken (scan --steps); gone "
                   "since (merge leaves their shards out); and the names that were left out, with the reason, or are no "
                   "checkpoints, as a folder of logs. Those that are done though their tokenizer could not be read are "
                   "counted and listed too. It reads the index, what lies beside the shards and their first bytes alone, so it "
                   "may be asked at any time, from any machine that sees the folder. The exit code is 1 as long as "
                   "checkpoints wait, are in hand or failed.",
    .examples = "needlescope status scan\n"
                "needlescope status scan --json",
    .run = status,
};
