/* cases.c - what commands that make cases say of them. */
#include "cli/cases.h"

void cli_describe_cases(cli_out *o, const ns_cases *cases, const char *path)
{
    int64_t shortest = INT64_MAX, longest = 0, with_needle = 0, total = 0;
    for (int64_t i = 0; i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];
        shortest = c->n_tokens < shortest ? c->n_tokens : shortest;
        longest = c->n_tokens > longest ? c->n_tokens : longest;
        total += c->n_tokens + c->n_answer;
        with_needle += ns_case_span(c, "needle_answer") != NULL;
    }
    char hash[65];
    ns_cases_hash(cases, hash);
    cli_out_text(o, "file", path ? "file" : NULL, path);
    cli_out_int(o, "n_cases", "cases", cases->n);
    cli_out_int(o, "n_tokens", "tokens", total);
    cli_out_int(o, "shortest", "shortest prompt", cases->n ? shortest : 0);
    cli_out_int(o, "longest", "longest prompt", longest);
    cli_out_int(o, "n_with_needle", "with a needle", with_needle);
    cli_out_text(o, "cases_sha256", "hash", hash);
}

static void describe_drops(cli *app, cli_out *o, const ns_case_drops *dropped)
{
    static const cli_column columns[] = {{"n", "cases", CELL_INT}, {"reason", "reason", CELL_TEXT}, {"first_id", "first", CELL_TEXT}};
    int64_t all = 0;
    for (int64_t i = 0; i < dropped->n; i++)
        all += dropped->list[i].n;
    if (all)
        cli_note(app, "%lld %s dropped, for %lld reason%s", (long long)all, all == 1 ? "case was" : "cases were", (long long)dropped->n,
                 ns_plural(dropped->n));
    cli_out_int(o, "n_dropped", all ? "dropped" : NULL, all);
    cli_out_table(o, "dropped", all ? "Dropped" : NULL, columns, 3);
    for (int64_t i = 0; i < dropped->n; i++) {
        cli_cell_int(o, dropped->list[i].n);
        cli_cell_text(o, dropped->list[i].reason);
        cli_cell_text(o, dropped->list[i].id);
    }
    cli_out_table_end(o);
}

int cli_write_cases(cli *app, const ns_cases *cases, const ns_case_drops *dropped, const char *path)
{
    if (path) {
        const int rc = ns_cases_write(cases, path, &app->err);
        if (rc != NS_OK)
            return rc;
    }
    cli_out o;
    cli_out_begin(&o, app, "needlescope.cases/1");
    cli_describe_cases(&o, cases, path);
    if (dropped)
        describe_drops(app, &o, dropped);
    return cli_out_end(&o, &app->err);
}
