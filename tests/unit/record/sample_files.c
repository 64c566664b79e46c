/* sample_files.c - writes one file of every kind into a folder, for the Python readers: sample_files DIR */
#include <stdio.h>
#include <string.h>

#include "fake.h"
#include "record/recorder.h"

static int recording(const ns_arch *arch, const ns_cases *cases, const char *folder, const char *name, ns_recorder_params params,
                     ns_error *err)
{
    char path[500];
    ns_recorder *r;
    const ns_fact facts[] = {{"model_name", "f\xc3\xa4ke", false}, {"command_line", "sample_files", true}};
    snprintf(path, sizeof path, "%s/%s.h5", folder, name);
    params.size = sizeof params;
    int rc = ns_recorder_new_for(&r, arch, 2, cases, path, &params, facts, 2, err);
    if (rc != NS_OK)
        return rc;
    rc = fake_pass(arch, cases, ns_recorder_hooks(r), 64, err);
    if (rc == NS_OK)
        return ns_recorder_commit(r, err);
    ns_recorder_abort(r);
    return rc;
}

static int recordings(const char *folder, ns_error *err)
{
    static const char *const pattern[] = {"blocks.*.attn.hook_pattern"}, *const mixed[] = {"blocks.*.attn.hook_pattern",
                                                                                           "blocks.*.hook_resid_post", "blocks.2.attn.*",
                                                                                           "hook_logits"};
    static const struct {
        const char *name;
        const char *const *at;
        int n_at;
        ns_maps_kind maps;
        ns_dtype dtype;
        ns_rows rows;
    } kinds[] = {
        {"dense_f16", pattern, 1, NS_MAPS_DENSE, NS_F16, {0}},
        {"dense_f32", mixed, 4, NS_MAPS_DENSE, NS_F32, {0}},
        {"rows_f16", mixed, 4, NS_MAPS_ROWS, NS_F16, {.kind = NS_ROWS_LAST, .n = 5}},
        {"topk_f32", pattern, 1, NS_MAPS_TOPK, NS_F32, {.kind = NS_ROWS_SPAN, .span = "needle"}},
        {"pooled_f16", pattern, 1, NS_MAPS_POOLED, NS_F16, {0}},
        {"default", pattern, 1, NS_MAPS_STATS_TOPK, NS_F16, {0}},
    };
    ns_arch *const arch = fake_arch();
    ns_cases cases;
    int rc = NS_OK;
    fake_cases(&cases, (const int64_t[]){300, 71, 257}, 3);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == NS_OK; i++)
        rc = recording(arch, &cases, folder, kinds[i].name,
                       (ns_recorder_params){.at = kinds[i].at, .n_at = kinds[i].n_at, .maps = kinds[i].maps, .dtype = kinds[i].dtype,
                                            .rows = kinds[i].rows,
                                            .top_k = kinds[i].maps == NS_MAPS_TOPK || kinds[i].maps == NS_MAPS_STATS_TOPK ? 8 : 0},
                       err);
    ns_cases_clear(&cases);
    ns_arch_free(arch);
    return rc;
}

/* Every type of a table; many arrays on one axis (its list of references grows), a scalar, an array large enough to be chunked. */
static int table(const char *folder, ns_error *err)
{
    char path[500], name[16];
    ns_table_writer *t;
    static int64_t step[40];
    static double depth[60];
    static float big[40 * 60 * 8];
    int32_t layer[8];
    for (int i = 0; i < 40; i++)
        step[i] = 1000 * i;
    for (int i = 0; i < 60; i++)
        depth[i] = (double)i / 59;
    for (int i = 0; i < 8; i++)
        layer[i] = i;
    for (int i = 0; i < 40 * 60 * 8; i++)
        big[i] = fake_value(0, 0, 0, 0, i);
    snprintf(path, sizeof path, "%s/table.h5", folder);
    int rc = ns_table_create(&t, path, (const ns_fact[]){{"seed", "7", false}, {"host", "h", true}}, 2, err);
    if (rc != NS_OK)
        return rc;
    const struct {
        const char *name;
        ns_view v;
    } axes[] = {
        {"step", ns_view_of(step, NS_I64, 1, (int64_t[]){40})},
        {"depth", ns_view_of(depth, NS_F64, 1, (int64_t[]){60})},
        {"layer", ns_view_of(layer, NS_I32, 1, (int64_t[]){8})},
    };
    for (int i = 0; i < 3 && rc == NS_OK; i++)
        rc = ns_table_axis(t, axes[i].name, &axes[i].v, err);
    const ns_view b = ns_view_of(big, NS_F32, 3, (int64_t[]){40, 60, 8}), s = ns_view_of(big + 1, NS_F32, 0, NULL);
    rc = rc == NS_OK ? ns_table_array(t, "big", "step depth layer", &b, "chunked", err) : rc;
    rc = rc == NS_OK ? ns_table_array(t, "scalar", "", &s, NULL, err) : rc;
    const char *names[8] = {"a", "\xce\xb2", "", "full", "swa", "x", "y", "z"};
    rc = rc == NS_OK ? ns_table_strings(t, "layer_kind", "layer", names, 8, err) : rc;
    for (int i = 0; i < 50 && rc == NS_OK; i++) {
        const ns_view v = ns_view_of(big + i, i % 2 ? NS_F32 : NS_U8, 1, (int64_t[]){8});
        snprintf(name, sizeof name, "score%02d", i);
        rc = ns_table_array(t, name, "layer", &v, "one of many", err);
    }
    if (rc == NS_OK)
        return ns_table_commit(t, err);
    ns_table_abort(t);
    return rc;
}

int main(int argc, char **argv)
{
    ns_error err = {""};
    const int rc = argc != 2 ? NS_E_ARG : recordings(argv[1], &err);
    if (rc != NS_OK || table(argv[1], &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
