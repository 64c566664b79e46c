/* probing.c - probes by name and by definition: what score and scan share. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/probing.h"

int cli_read_definitions(cli *app, cli_probing *p, const cli_words *paths)
{
    int rc = NS_OK;
    p->definitions = ns_alloc_array((size_t)paths->n, sizeof *p->definitions);
    if (!p->definitions)
        return ns_oom(&app->err, "probe definitions");
    for (int64_t i = 0; i < paths->n && rc == NS_OK; i++) {
        char *text;
        size_t n;
        rc = ns_file_read(paths->list[i], 1 << 20, &text, &n, &app->err);
        if (rc == NS_OK)
            rc = ns_probe_from_json(&p->definitions[p->n_definitions], text, n, paths->list[i], &app->err);
        p->n_definitions += rc == NS_OK;
        free(text);
        rc = ns_json_fail(&app->err, rc, paths->list[i], NS_KIND_DEFINITION);
    }
    return rc;
}

int cli_find_special(cli *app, cli_probing *p, ns_opened *m)
{
    const int rc = ns_open_special(m, &p->special, &p->n_special, &app->err);
    if (rc == NS_E_UNSUPPORTED)
        cli_note(app, "the special tokens are not known: %s", app->err.message);
    return rc == NS_E_UNSUPPORTED ? NS_OK : rc;
}

int cli_check_probes(cli *app, const cli_words *asked)
{
    int rc = NS_OK;
    ns_error inner;
    for (int64_t i = 0; i < asked->n && rc == NS_OK; i++)
        if (ns_probe_check(asked->list[i], &inner) < 0)
            rc = ns_fail(&app->err, NS_E_ARG, "--probe %s", inner.message);
    return rc;
}

void cli_say_dropped(cli_out *o, const ns_dropped *list, int n)
{
    static const cli_column columns[] = {{"n", "cases", CELL_INT}, {"reason", "reason", CELL_TEXT}, {"first_id", "first", CELL_TEXT}};
    int64_t all = 0;
    for (int i = 0; i < n; i++)
        all += list[i].n;
    cli_out_int(o, "n_dropped", NULL, all);
    cli_out_table(o, "dropped", n ? "Dropped" : NULL, columns, 3);
    for (int i = 0; i < n; i++) {
        cli_cell_int(o, list[i].n);
        cli_cell_text(o, list[i].reason);
        cli_cell_text(o, list[i].first_id);
    }
    cli_out_table_end(o);
}

void cli_probing_clear(cli_probing *p)
{
    for (int i = 0; i < p->n_definitions; i++)
        ns_probe_free(p->definitions[i]);
    free(p->definitions);
    free(p->special);
    *p = (cli_probing){0};
}

ns_export_score cli_export_score(const char *name)
{
    const ns_probe *const probe = ns_probe_find(name);
    for (int i = 0; probe && i < probe->n_scores; i++)
        if (strcmp(probe->scores[i].name, name) == 0 && (!probe->scores[i].over || isfinite(probe->scores[i].hi)))    /* else no rate */
            return (ns_export_score){name, probe->scores[i].of, probe->scores[i].over};
    return (ns_export_score){.name = name};
}

void cli_say_rows(cli_out *o, const ns_row_count *rows)
{
    if (!rows->of_cases)
        return;
    cli_out_int(o, "n_rows", NULL, rows->of_cases);
    cli_out_int(o, "n_rows_computed", NULL, rows->run);
    cli_out_say(o, "%-18s %lld in all cases; %lld computed (%.2f)\n", "rows", (long long)rows->of_cases, (long long)rows->run,
                (double)rows->run / (double)rows->of_cases);
}
