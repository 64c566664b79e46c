/* cmd_view.c - files as one page to look at in a browser. */
#include <needlescope/page.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct view_settings { const char *out, *tokenizer; cli_words cases; cli_heads heads; int64_t limit; } view_settings;

#define FIELD(name) offsetof(view_settings, name)
static const cli_option options[] = {
    {"tokenizer", 0, CLI_FILE, FIELD(tokenizer), "PATH", "for the texts of a recording's tokens (default: the one it was made with)"},
    {"case", 'c', CLI_WORDS, FIELD(cases), "ID,...", "the cases whose attention is shown (default all)"},
    {"heads", 'n', CLI_HEADS, FIELD(heads), "L.H,...", "the heads whose attention is shown (default all, the best first)"},
    {"limit", 0, CLI_BYTES, FIELD(limit), "SIZE", "the page is no larger: attention that finds no room is left out, counted (default 32M)"},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the HTML file to write", .makes = NS_KINDS(NS_KIND_PAGE)},
    {0},
};
#undef FIELD

static int answer(cli *app, const view_settings *s, const ns_page_said *said)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.view/1");
    cli_out_text(&o, "file", "wrote", s->out);
    cli_out_int(&o, "bytes", "bytes", said->bytes);
    cli_out_int(&o, "maps", "maps of a head on a case", said->maps);
    cli_out_int(&o, "maps_left_out", "left out", said->maps_left);
    if (*said->note)
        cli_note(app, "%s", said->note);
    return cli_out_end(&o, &app->err);
}

static int view(cli *app, const void *settings, char **args, int n_args)
{
    const view_settings *const s = settings;
    const ns_page_params params = {
        .size = sizeof params, .files = (const char *const *)args, .n_files = n_args, .tokenizer = s->tokenizer,
        .cases = s->cases.list, .n_cases = s->cases.n, .heads = s->heads.list, .n_heads = s->heads.n, .limit = s->limit, .by = &app->by,
    };
    ns_page_said said = {.size = sizeof said};
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    const int rc = ns_page_write(s->out, &params, &said, &app->err);
    return rc != NS_OK ? rc : answer(app, s, &said);
}

const cli_command cli_cmd_view = {
    .name = "view", .section = "Figures", .summary = "Writes a page to look at heads, their attention and studies in a browser",
    .arguments = "FILE...", .min_args = 1, .max_args = 32, .groups = {{"Options", options, 0}}, .settings_size = sizeof(view_settings),
    .description = "One HTML file that needs neither network nor server. FILE is a score file, a recording, an ablation, a patching, an "
                   "attribution or a study; several stand beside each other, and two can be compared. Heads are a map that is clicked; "
                   "where a recording is among the files, a head opens its attention: token by token, as a map, and as the rows of the "
                   "answer. A study has a slider over its steps. The numbers are those of the files, to the bit.\n\n"
                   "Attention comes in until the limit is reached, that of the best heads first; what is left out is counted.",
    .examples = "needlescope view scores.h5 rec.h5 -o page.html\n"
                "needlescope view study.h5 -o study.html",
    .run = view,
};
