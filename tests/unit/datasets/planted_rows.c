/* planted_rows.c - our side of the planted referee:  planted_rows FOLDER WINDOW
 * plants a checkpoint in FOLDER and writes cases.jsonl, and rows.bin with every attention row and the answers' logits, as the pass
 * gives them: per hook call 7 int64 (case, layer or -1 for logits, first row, rows, first key, keys or vocabulary, heads), then f32. */
#include <stdio.h>
#include <stdlib.h>

#include <needlescope/dataset.h>
#include <needlescope/probe.h>

static int write_rows(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    FILE *const f = user;
    const bool logits = site->point == NS_POINT_LOGITS;
    const int64_t heads = logits ? 1 : v->shape[0], columns = v->shape[v->rank - 1];
    const int64_t head[7] =
        {site->case_index, logits ? -1 : site->layer, site->row0, site->n_rows, logits ? 0 : site->key0, columns, heads};
    size_t n = fwrite(head, sizeof head, 1, f), wanted = 1;
    for (int64_t h = 0; h < heads; h++) {
        for (int64_t r = 0; r < site->n_rows; r++, wanted += (size_t)columns)
            n += fwrite(logits ? ns_at(v, r, 0, 0) : ns_at(v, h, r, 0), sizeof(float), (size_t)columns, f);
    }
    return n == wanted ? NS_OK : ns_fail(err, NS_E_IO, "rows.bin: writing failed");
}

static int run(const char *folder, int64_t window, FILE *rows, const char *cases_path, ns_error *err)
{
    static const ns_head heads[] = {{3, 1}, {3, 0}, {5, 7}};
    static const int64_t lengths[] = {40, 300};
    static const double depths[] = {0.1, 0.8};
    const ns_plant_params plant =
        {.size = sizeof plant, .retrieval = heads, .n_retrieval = 3, .previous_token = {1, 2}, .window = window, .seed = 17};
    const ns_needle_params needle =
        {.size = sizeof needle, .lengths = lengths, .n_lengths = 2, .depths = depths, .n_depths = 2, .seed = 4, .vocab = 512};
    const ns_hook list[] =
        {{.size = sizeof *list, .at = "blocks.*.attn.hook_pattern", .read = write_rows, .user = rows},
         {.size = sizeof *list, .at = "hook_logits", .rows = {.kind = NS_ROWS_ANSWER}, .read = write_rows, .user = rows}};
    ns_engine *engine = NULL;
    ns_checkpoint *checkpoint = NULL;
    ns_arch *arch = NULL;
    ns_model *model = NULL;
    ns_hooks *hooks = NULL;
    ns_cases cases = {0};
    int rc = ns_plant(folder, &plant, err);
    if (rc == NS_OK)
        rc = ns_needle_cases(&cases, &needle, err);
    if (rc == NS_OK)
        rc = ns_cases_write(&cases, cases_path, err);
    if (rc == NS_OK)
        rc = ns_engine_new(&engine, NULL, err);
    if (rc == NS_OK)
        rc = ns_checkpoint_open(&checkpoint, folder, NULL, err);
    if (rc == NS_OK)
        rc = ns_arch_from_checkpoint(&arch, checkpoint, NULL, err);
    if (rc == NS_OK)
        rc = ns_model_load(&model, engine, checkpoint, arch, NULL, err);
    if (rc == NS_OK)
        rc = ns_hooks_new(&hooks, arch, list, 2, err);
    if (rc == NS_OK)
        rc = ns_run_cases(model, &cases, hooks, NULL, err);
    ns_hooks_free(hooks);
    ns_model_free(model);
    ns_arch_free(arch);
    ns_checkpoint_free(checkpoint);
    ns_engine_free(engine);
    ns_cases_clear(&cases);
    return rc;
}

int main(int argc, char **argv)
{
    char rows_path[512], cases_path[512];
    ns_error err = {0};
    if (argc != 3)
        return 2;
    snprintf(rows_path, sizeof rows_path, "%s/rows.bin", argv[1]);
    snprintf(cases_path, sizeof cases_path, "%s/cases.jsonl", argv[1]);
    FILE *const rows = fopen(rows_path, "wb");
    const int rc = rows ? run(argv[1], atoll(argv[2]), rows, cases_path, &err) : NS_E_CREATE;
    if (rc != NS_OK)
        fprintf(stderr, "planted_rows: %s\n", err.message);
    return rows && fclose(rows) == 0 && rc == NS_OK ? 0 : 1;
}
