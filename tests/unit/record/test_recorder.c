/* test_recorder.c - the recorder driven by a fake pass: every kind of map against its definition, any cut into bands, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hdf5.h>

#include "fake.h"
#include "record/recorder.h"

static char folder[64], path[100];
static ns_arch *arch;
static ns_cases cases;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ns-rec-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/r.h5", folder);
    arch = fake_arch();
    fake_cases(&cases, (const int64_t[]){300, 71}, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    ns_cases_clear(&cases);
    ns_arch_free(arch);
    return rmdir(folder);
}

static int files_in_folder(void)
{
    int n = 0;
    DIR *const d = opendir(folder);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Records with `threads` threads in bands of `band` rows; returns the file, opened and verified. */
static ns_file *record(ns_recorder_params params, int threads, int64_t band)
{
    ns_recorder *r;
    ns_error err = {""};
    ns_file *f;
    const ns_fact facts[] = {{"model_name", "fake", false}, {"threads", threads == 1 ? "1" : "many", true}};
    params.size = sizeof params;
    if (ns_recorder_new_for(&r, arch, threads, &cases, path, &params, facts, 2, &err) != NS_OK)
        fail_msg("%s", err.message);
    if (fake_pass(arch, &cases, ns_recorder_hooks(r), band, &err) != NS_OK)
        fail_msg("%s", err.message);
    if (ns_recorder_commit(r, &err) != NS_OK)
        fail_msg("%s", err.message);
    if (ns_file_open(&f, path, &err) != NS_OK || ns_file_verify(f, &err) != NS_OK)
        fail_msg("%s", err.message);
    return f;
}

static float *read_f32(const ns_file *f, const char *name, int rank, const int64_t *want, const char *want_axes)
{
    float *data;
    char *axes;
    ns_error err;
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_F32, .rank = rank, .range = ns_any_number()};
    memcpy(w.shape, want, (size_t)rank * sizeof *want);
    if (ns_file_array(f, &w, &data, &err) != NS_OK || ns_file_describe(f, name, NULL, NULL, NULL, &axes, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(axes, want_axes);
    free(axes);
    return data;
}

/* The row's sum is kept: neighbours are asked for in turn. */
static float cell(int64_t c, int64_t l, int64_t h, int64_t q, int64_t k)
{
    static struct {
        int64_t c, l, h, q;
        int sum;
    } last = {-1, 0, 0, 0, 0};
    const ns_attn *const attn = ns_arch_attn(arch, l);
    if (last.c != c || last.l != l || last.h != h || last.q != q) {
        last.c = c, last.l = l, last.h = h, last.q = q, last.sum = 0;
        for (int64_t i = 0; i <= q; i++)
            last.sum += fake_weight(attn, c, l, h, q, i);
    }
    return (float)fake_weight(attn, c, l, h, q, k) / (float)last.sum;
}

static const char *const pattern_glob[] = {"blocks.*.attn.hook_pattern"};

static void check_dense(const ns_file *f, float tolerance)
{
    for (int64_t c = 0; c < 2; c++) {
        const int64_t T = cases.list[c].n_tokens + 1;
        float *const map = read_f32(f, c ? "case0001/attn" : "case0000/attn", 4, (int64_t[]){4, 4, T, T}, "layer head query key");
        for (int64_t l = 0; l < 4; l++)
            for (int64_t h = 0; h < 4; h++)
                for (int64_t q = 0; q < T; q += 7) {
                    for (int64_t k = 0; k < T; k += 3)
                        if (!(fabsf(map[((l * 4 + h) * T + q) * T + k] - cell(c, l, h, q, k)) <= tolerance))
                            fail_msg("case %d layer %d head %d query %d key %d: %g, not %g", (int)c, (int)l, (int)h, (int)q, (int)k,
                                     (double)map[((l * 4 + h) * T + q) * T + k], (double)cell(c, l, h, q, k));
                }
        free(map);
    }
}

static void test_dense(void **state)
{
    (void)state;
    char *content = NULL;
    static const struct {
        int threads;
        int64_t band;
    } runs[] = {{1, 32}, {2, 32}, {2, 256}, {3, 96}, {2, 4096}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        ns_file *const f = record((ns_recorder_params){.at = pattern_glob, .n_at = 1, .maps = NS_MAPS_DENSE, .dtype = NS_F32},
                                  runs[i].threads, runs[i].band);
        check_dense(f, 0);
        if (content)
            assert_string_equal(content, ns_file_fact(f, "content_sha256"));
        else
            content = strdup(ns_file_fact(f, "content_sha256"));
        ns_file_close(f);
    }
    free(content);
    ns_file *const f = record((ns_recorder_params){.at = pattern_glob, .n_at = 1, .maps = NS_MAPS_DENSE, .dtype = NS_F16}, 2, 64);
    check_dense(f, 2.5e-4f);
    ns_file_close(f);
}

/* ---- long_name: what a dataset holds ---- */

static void assert_long_name(const char *dataset, const char *begin, const char *end)
{
    char text[1024] = "";
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), attribute = H5Aopen_by_name(file, dataset, "long_name", H5P_DEFAULT,
                                                                                              H5P_DEFAULT);
    const hid_t type = H5Aget_type(attribute);
    char *words = text;
    assert_true(H5Tis_variable_str(type) ? H5Aread(attribute, type, &words) >= 0
                                         : H5Tget_size(type) < sizeof text && H5Aread(attribute, type, text) >= 0);
    if (!ns_starts(words, begin) || !ns_ends(words, end))
        fail_msg("long_name of %s: '%s'", dataset, words);
    if (words != text)
        H5free_memory(words);
    H5Tclose(type);
    H5Aclose(attribute);
    H5Fclose(file);
}

static void test_long_names(void **state)
{
    (void)state;
    static const char *const at[] = {"blocks.*.attn.hook_pattern", "blocks.*.attn.hook_attn_scores", "blocks.*.attn.hook_rot_q"};
    static const char softmax[] = "softmax of the scores over keys; 0 where masked";
    static const struct { ns_maps_kind maps; const char *dataset, *begin; } maps[] = {
        {NS_MAPS_DENSE, "case0001/attn", "softmax"},
        {NS_MAPS_STATS_TOPK, "case0001/topk_value", "the cells at topk_index; the row: "},
        {NS_MAPS_STATS, "stat_local_sq", "mean square of: mass on the 32 nearest"},
        {NS_MAPS_POOLED, "case0000/pool_max", "largest cell of each block"},
    };
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        ns_file_close(record((ns_recorder_params){.at = at, .n_at = 3, .maps = maps[i].maps, .dtype = NS_F32}, 2, 64));
        assert_long_name(maps[i].dataset, maps[i].begin, softmax);
        assert_long_name("case0000/attn.hook_attn_scores", "scale * rot_q . rot_k", "-inf where masked");
        assert_long_name("case0000/attn.hook_rot_q", "q after QK-norm and rope", "temperature");
    }
}

static const ns_plan_track *track_of(const ns_plan *p, ns_point point)
{
    for (int t = 0; t < p->n_tracks; t++)
        if (p->tracks[t].point == point)
            return &p->tracks[t];
    fail_msg("no track of %s", ns_point_name(point));
    return NULL;
}

/* Layers of several mixers: each says its own. */
static void test_formulas_of_a_hybrid(void **state)
{
    (void)state;
    static const char *const every[] = {"*"}, *const some[] = {"blocks.1.attn.hook_pattern", "blocks.2.attn.hook_pattern"};
    static const struct { ns_point point; const char *words; } wanted[] = {
        {NS_POINT_PATTERN, "layers 0-2: W[t, s] of the unrolled recurrence, z_t = sum over s <= t of W[t, s] v_s: signed, not normalised; "
                           "layer 3: softmax of the scores over keys; 0 where masked"},
        {NS_POINT_ROT_K, "layers 0-2: k after activation, norm and rope: what v is written at; "
                         "layer 3: k after QK-norm and rope, times its multiplier"},
        {NS_POINT_V, "layers 0-2: hook_v_pre_conv after the convolution and the activation; layer 3: W_V x + b_V"},
        {NS_POINT_Z, "pattern . v"},
        {NS_POINT_RECURRENCE_OUT, "z: goes to norm and gate"},
        {NS_POINT_LOGITS, "W_U x * logit_scale, soft-capped"},
    };
    ns_arch *const hybrid = fake_hybrid();
    ns_error err;
    ns_plan plan;
    ns_recorder_params params = {.size = sizeof params, .at = every, .n_at = 1, .maps = NS_MAPS_DENSE, .dtype = NS_F32,
                                 .rows = {.kind = NS_ROWS_ALL}};
    assert_int_equal(ns_plan_make(&plan, hybrid, &cases, &params, &err), NS_OK);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *const words = ns_track_formula(&plan, track_of(&plan, wanted[i].point));
        assert_string_equal(words, wanted[i].words);
        free(words);
    }
    ns_plan_clear(&plan);
    params.at = some;
    params.n_at = 2;
    assert_int_equal(ns_plan_make(&plan, hybrid, &cases, &params, &err), NS_OK);
    char *const words = ns_track_formula(&plan, track_of(&plan, NS_POINT_PATTERN));
    assert_true(ns_starts(words, "W[t, s]"));
    free(words);
    ns_plan_clear(&plan);
    ns_arch_free(hybrid);
}

/* Two globs that overlap store a point once; scores, points outside the blocks and points of some layers only. */
static void test_activations(void **state)
{
    (void)state;
    static const char *const at[] = {"blocks.*.hook_resid_post", "blocks.2.*", "hook_logits", "hook_embed"};
    static const int64_t positions[] = {-1, 5, 64, 65, 66, 5};
    ns_file *const f = record(
        (ns_recorder_params){
            .at = at, .n_at = 4, .maps = NS_MAPS_ROWS, .dtype = NS_F32, .rows = {.kind = NS_ROWS_LIST, .n = 6, .positions = positions}},
        2, 32);
    int64_t *rows;
    ns_expected w = {sizeof w, "case0001/row", NS_I64, 1, {5}, ns_between(0, 71)};
    assert_int_equal(ns_file_array(f, &w, &rows, NULL), NS_OK);
    assert_memory_equal(rows, ((int64_t[]){5, 64, 65, 66, 71}), 5 * sizeof *rows);
    float *x = read_f32(f, "case0001/hook_resid_post", 3, (int64_t[]){4, 5, 24}, "layer row d_model");
    for (int64_t l = 0; l < 4; l++)
        for (int64_t r = 0; r < 5; r++)
            for (int64_t i = 0; i < 24; i++)
                assert_true(x[(l * 5 + r) * 24 + i] == fake_value(NS_POINT_RESID_POST, 1, l, rows[r], i));
    free(x);
    x = read_f32(f, "case0001/attn.hook_q", 4, (int64_t[]){1, 5, 4, 8}, "layer_attn_hook_q row head d_head");
    assert_true(x[(2 * 4 + 3) * 8 + 1] == fake_value(NS_POINT_Q, 1, 2, 65, 3 * 8 + 1));
    free(x);
    x = read_f32(f, "case0001/hook_logits", 2, (int64_t[]){5, 50}, "row d_vocab");
    assert_true(x[3 * 50 + 49] == fake_value(NS_POINT_LOGITS, 1, -1, 66, 49));
    free(x);
    x = read_f32(f, "case0001/rows_attn", 4, (int64_t[]){1, 4, 5, 72}, "layer_rows_attn head row key");
    for (int64_t h = 0; h < 4; h++)
        for (int64_t r = 0; r < 5; r++)
            for (int64_t k = 0; k < 72; k++)
                assert_true(x[(h * 5 + r) * 72 + k] == cell(1, 2, h, rows[r], k));
    free(x);
    x = read_f32(f, "case0001/attn.hook_attn_scores", 4, (int64_t[]){1, 4, 5, 72}, "layer_attn_hook_attn_scores head row key");
    assert_true(x[6] == -INFINITY && x[5] == (float)fake_weight(ns_arch_attn(arch, 2), 1, 2, 0, 5, 5) / 4);
    free(x);
    free(rows);
    ns_file_close(f);
}

static void test_topk(void **state)
{
    (void)state;
    ns_file *const f = record(
        (ns_recorder_params){.at = pattern_glob, .n_at = 1, .top_k = 6, .rows = {.kind = NS_ROWS_PROBE}, .maps = NS_MAPS_TOPK}, 2, 32);
    float *const value = read_f32(f, "case0000/topk_value", 4, (int64_t[]){4, 4, 3, 6}, "layer head row k");
    float *const rest = read_f32(f, "case0000/topk_rest", 3, (int64_t[]){4, 4, 3}, "layer head row");
    int64_t *index;
    ns_expected w = {sizeof w, "case0000/topk_index", NS_I64, 4, {4, 4, 3, 6}, ns_between(-1, 300)};
    assert_int_equal(ns_file_array(f, &w, &index, NULL), NS_OK);
    for (int64_t l = 0; l < 4; l++)
        for (int64_t h = 0; h < 4; h++)
            for (int64_t r = 0; r < 3; r++) {
                const int64_t q = 298 + r, at = ((l * 4 + h) * 3 + r) * 6;
                bool taken[301] = {false};
                double left = 0;
                for (int64_t i = 0; i < 6; i++) { /* selection by search: the largest not yet taken, lowest key first */
                    int64_t best = -1;
                    for (int64_t k = 0; k <= q; k++)
                        if (!taken[k] && cell(0, l, h, q, k) > 0 && (best < 0 || cell(0, l, h, q, k) > cell(0, l, h, q, best)))
                            best = k;
                    taken[best] = true;
                    assert_int_equal(index[at + i], best);
                    assert_true(value[at + i] == cell(0, l, h, q, best));
                }
                for (int64_t k = 0; k <= q; k++)
                    left += taken[k] ? 0 : (double)cell(0, l, h, q, k);
                assert_true(fabs(left - (double)rest[(l * 4 + h) * 3 + r]) < 1e-6);
            }
    free(value), free(rest), free(index);
    ns_file_close(f);
}

static void test_pooled(void **state)
{
    (void)state;
    ns_file *const f = record((ns_recorder_params){.at = pattern_glob, .n_at = 1, .maps = NS_MAPS_POOLED, .pool_block = 20}, 2, 32);
    float *const max = read_f32(f, "case0000/pool_max", 4, (int64_t[]){4, 4, 16, 16}, "layer head qb kb");
    float *const mean = read_f32(f, "case0000/pool_mean", 4, (int64_t[]){4, 4, 16, 16}, "layer head qb kb");
    for (int64_t l = 1; l < 3; l++)
        for (int64_t b = 0; b < 256; b++) {
            const int64_t h = 3, qb = b / 16, kb = b % 16, window = ns_attn_window(ns_arch_attn(arch, l), h);
            double sum = 0, most = -1;
            int n = 0;
            for (int64_t q = qb * 20; q < qb * 20 + 20 && q < 301; q++)
                for (int64_t k = kb * 20; k < kb * 20 + 20 && k <= q; k++)
                    if (!window || k > q - window) {
                        const double p = (double)cell(0, l, h, q, k);
                        sum += p;
                        n++;
                        most = p > most ? p : most;
                    }
            const int64_t at = (l * 4 + h) * 256 + b;
            if (n == 0)
                assert_true(isnan(max[at]) && isnan(mean[at]));
            else
                assert_true((double)max[at] == most && fabs((double)mean[at] - sum / n) < 1e-7);
        }
    free(max), free(mean);
    ns_file_close(f);
}

static void expected_stats(int64_t c, int64_t l, int64_t h, int64_t q, double out[NS_N_STATS])
{
    const ns_case *const k = &cases.list[c];
    double entropy = 0, local = 0, needle = 0, needle_max = 0, same = 0, induction = 0;
    int64_t best = 0;
    for (int64_t i = 0; i <= q; i++) {
        const double p = (double)cell(c, l, h, q, i);
        const int32_t mine = q < k->n_tokens ? k->tokens[q] : k->answer[q - k->n_tokens];
        entropy -= p > 0 ? p * log(p) : 0;
        local += q - i < 32 ? p : 0;
        const bool first = i >= k->n_tokens / 4 && i < k->n_tokens / 4 + 3, again = c == 1 && (i == 40 || i == 41);
        if (first || again) {
            needle += p;
            needle_max = p > needle_max ? p : needle_max;
        }
        same += i < q && k->tokens[i] == mine ? p : 0;
        induction += i > 0 && k->tokens[i - 1] == mine ? p : 0;
        best = p > (double)cell(c, l, h, q, best) ? i : best;
    }
    const double all[NS_N_STATS] = {(double)cell(c, l, h, q, 0),
                                    local,
                                    needle,
                                    needle_max,
                                    entropy,
                                    (double)cell(c, l, h, q, best),
                                    (double)(q - best),
                                    q ? (double)cell(c, l, h, q, q - 1) : 0,
                                    same,
                                    induction};
    memcpy(out, all, sizeof all);
}

/* Every stat of every bin against its definition; the default kind also has the topk of the answer rows. */
static void test_stats(void **state)
{
    (void)state;
    ns_error err = {0};
    static const char *const names[NS_N_STATS] = {"sink",      "local",       "needle",     "needle_max", "entropy",
                                                  "top1_mass", "argmax_dist", "prev_token", "same_token", "induction"};
    /* the needle of the second case is mentioned again */
    assert_int_equal(ns_case_set_span(&cases.list[1], "needle.0", 40, 42, &err), NS_OK);
    ns_file *const f = record((ns_recorder_params){.at = pattern_glob, .n_at = 1, .dtype = NS_F16}, 2, 32);
    free(read_f32(f, "case0000/topk_value", 4, (int64_t[]){4, 4, 2, 32}, "layer head row k"));
    int64_t *count;
    ns_expected w = {sizeof w, "stat_count", NS_I64, 2, {2, 64}, ns_between(0, 300)};
    assert_int_equal(ns_file_array(f, &w, &count, NULL), NS_OK);
    assert_int_equal(count[0], 5);
    assert_int_equal(count[60], 1);
    assert_int_equal(count[64 + 14], 2);
    for (int s = 0; s < NS_N_STATS; s++) {
        char name[40];
        snprintf(name, sizeof name, "stat_%s", names[s]);
        float *const mean = read_f32(f, name, 4, (int64_t[]){2, 4, 4, 64}, "case layer head qbin");
        snprintf(name, sizeof name, "stat_%s_sq", names[s]);
        float *const square = read_f32(f, name, 4, (int64_t[]){2, 4, 4, 64}, "case layer head qbin");
        for (int64_t at = 0; at < 2 * 4 * 4 * 64; at += 3) {
            const int64_t c = at / 1024, l = at / 256 % 4, h = at / 64 % 4, b = at % 64, T = cases.list[c].n_tokens + 1;
            double sum = 0, sum2 = 0, n = 0, v[NS_N_STATS];
            for (int64_t q = b * 5; q < b * 5 + 5 && q < T; q++, n++) {
                expected_stats(c, l, h, q, v);
                sum += v[s];
                sum2 += v[s] * v[s];
            }
            if (n == 0)
                assert_true(isnan(mean[at]) && isnan(square[at]));
            else if (!(fabs((double)mean[at] - sum / n) <= 1e-6 * (1 + sum / n)) ||
                     !(fabs((double)square[at] - sum2 / n) <= 1e-6 * (1 + sum2 / n)))
                fail_msg("%s at %d: %g, not %g", names[s], (int)at, (double)mean[at], sum / n);
        }
        free(mean), free(square);
    }
    free(count);
    ns_file_close(f);
}

/* The estimate counts exactly the chunks that dense maps may write. */
static void test_estimate(void **state)
{
    (void)state;
    ns_error err = {""};
    int64_t bytes;
    ns_recorder_params params = {.size = sizeof params, .at = pattern_glob, .n_at = 1, .maps = NS_MAPS_DENSE, .dtype = NS_F16};
    assert_int_equal(ns_recorder_estimate(arch, &cases, &params, &bytes, &err), NS_OK);
    /* T 301: at each layer rows 0-255 take keys 0-255, rows 256-300 all keys (the window of row 256 reaches back to key 220). */
    assert_int_equal(bytes, 16 * (256 * 256 + 45 * 301 + 72 * 72) * 2 + (301 + 301 + 72 + 72) * 8);
    params.max_bytes = 1000;
    ns_recorder *r;
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_E_ARG);
    assert_null(r);
    assert_non_null(strstr(err.message, "MiB"));
    assert_non_null(strstr(err.message, "--max-bytes"));
    params.max_bytes = bytes;
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_OK);
    ns_recorder_abort(r);
}

static void test_refusals(void **state)
{
    (void)state;
    unlink(path);
    ns_error err = {""};
    ns_recorder *r;
    ns_recorder_params params = {.size = sizeof params, .at = (const char *const[]){"blocks.*.attn.hook_patern"}, .n_at = 1};
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "hook_pattern"));
    params.at = pattern_glob;
    params.dtype = NS_BF16;
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_E_ARG);
    params.dtype = NS_F16;
    /* no pass at all, a pass over too few cases, a session without a case */
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_OK);
    assert_int_equal(ns_recorder_commit(r, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "case \xce\xb1 0"));
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_OK);
    const ns_cases fewer = {cases.list, 1, 1};
    assert_int_equal(fake_pass(arch, &fewer, ns_recorder_hooks(r), 32, &err), NS_OK);
    assert_int_equal(ns_recorder_commit(r, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "case \xce\xb1 1"));
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_OK);
    float x = 0;
    const ns_view v = ns_view_of(&x, NS_F32, 3, (int64_t[]){1, 1, 1});
    assert_int_equal(ns_recorder_see(r, &(ns_site){.size = sizeof(ns_site), .point = NS_POINT_PATTERN, .case_index = -1}, &v, &err),
                     NS_E_ARG);
    assert_int_equal(ns_recorder_commit(r, &err), NS_E_IO);
    ns_recorder_abort(NULL);
    snprintf(path, sizeof path, "%s/none/r.h5", folder);
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, &err), NS_E_CREATE);
    snprintf(path, sizeof path, "%s/r.h5", folder);
    assert_int_equal(files_in_folder(), 0);
}

/* Row 0 of `point` in layer 0 of the second case, zeros but for one cell; map: four heads of 32 keys, else 24 features. */
static int see_cell(ns_recorder_params params, int point, ns_row_kind kind, int64_t cell, float value, ns_error *err)
{
    const bool map = point == NS_POINT_PATTERN || point == NS_POINT_SCORES;
    ns_recorder *r;
    float x[4 * 32] = {0};
    x[cell] = value;
    const ns_view v = map ? ns_view_of(x, NS_F32, 3, (int64_t[]){4, 1, 32}) : ns_view_of(x, NS_F32, 2, (int64_t[]){1, 24});
    const ns_site site = {.size = sizeof site, .point = point, .case_index = 1, .c = &cases.list[1], .n_heads = 4, .n_kv_heads = 2,
                          .layer = 0, .n_rows = 1, .n_keys = 32, .kind = kind, .attn = ns_arch_attn(arch, 0)};
    params.size = sizeof params;
    params.n_at = 1;
    assert_int_equal(ns_recorder_new_for(&r, arch, 1, &cases, path, &params, NULL, 0, err), NS_OK);
    const int rc = ns_recorder_see(r, &site, &v, err);
    ns_recorder_abort(r);
    return rc;
}

/* What a half cannot hold is never an infinity in the file: the error says where and what to do. */
static void test_overflow(void **state)
{
    (void)state;
    ns_error err = {""};
    const char *const resid[] = {"blocks.*.hook_resid_post"}, *const scores[] = {"blocks.*.attn.hook_attn_scores"};
    static const ns_maps_kind kinds[] = {NS_MAPS_DENSE, NS_MAPS_TOPK, NS_MAPS_POOLED};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const ns_recorder_params half = {.at = pattern_glob, .maps = kinds[i], .dtype = NS_F16};
        assert_int_equal(see_cell(half, NS_POINT_PATTERN, NS_ROW_UNROLLED, 2 * 32, 65519, &err), NS_OK);
        assert_int_equal(see_cell(half, NS_POINT_PATTERN, NS_ROW_UNROLLED, 2 * 32, -70000, &err), NS_E_NUMERIC);
        assert_string_equal(err.message, "recording: case 'case \xce\xb1 1': blocks.0.attn.hook_pattern head 2 row 0 holds -70000, which "
                                         "float16 (up to 65504) cannot: record float32 (--dtype f32)");
    }
    const ns_recorder_params full = {.at = pattern_glob, .maps = NS_MAPS_DENSE, .dtype = NS_F32},
                             stats = {.at = pattern_glob, .maps = NS_MAPS_STATS, .dtype = NS_F16},
                             score = {.at = scores, .maps = NS_MAPS_DENSE, .dtype = NS_F16},
                             value = {.at = resid, .maps = NS_MAPS_DENSE, .dtype = NS_F16};
    assert_int_equal(see_cell(full, NS_POINT_PATTERN, NS_ROW_UNROLLED, 2 * 32, 70000, &err), NS_OK);
    assert_int_equal(see_cell(stats, NS_POINT_PATTERN, NS_ROW_UNROLLED, 2 * 32, 70000, &err), NS_OK);
    assert_int_equal(see_cell(score, NS_POINT_SCORES, NS_ROW_SOFTMAX, 1, -INFINITY, &err), NS_OK);
    assert_int_equal(see_cell(score, NS_POINT_SCORES, NS_ROW_SOFTMAX, 1, 65520, &err), NS_E_NUMERIC);
    assert_int_equal(see_cell(value, NS_POINT_RESID_POST, NS_ROW_SOFTMAX, 23, 1e9f, &err), NS_E_NUMERIC);
    assert_non_null(strstr(err.message, "blocks.0.hook_resid_post row 0 holds 1e+09"));
    assert_int_equal(files_in_folder(), 0);
}

/* In a child whose files may not grow beyond `limit`: NS_E_IO from a callback or from the commit, no file, not a word printed. */
static int record_limited(rlim_t limit)
{
    const struct rlimit r = {limit, limit};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &r);
    ns_recorder *rec;
    ns_error err = {""};
    const ns_recorder_params params = {.size = sizeof params, .at = pattern_glob, .n_at = 1, .maps = NS_MAPS_DENSE};
    int rc = ns_recorder_new_for(&rec, arch, 2, &cases, path, &params, NULL, 0, &err);
    if (rc != NS_OK)
        return rc;
    rc = fake_pass(arch, &cases, ns_recorder_hooks(rec), 32, &err);
    if (rc == NS_OK)
        return ns_recorder_commit(rec, &err);
    ns_recorder_abort(rec);
    return rc;
}

static void test_full_disk(void **state)
{
    (void)state;
    unlink(path);
    static const rlim_t limits[] = {1000, 20000, 60000, 200000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        int ends[2], status;
        char printed[4096];
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], 2);
            close(ends[0]), close(ends[1]);
            exit(record_limited(limits[i]) == NS_E_IO ? 0 : 1);
        }
        close(ends[1]);
        const ssize_t n = read(ends[0], printed, sizeof printed);
        close(ends[0]);
        waitpid(child, &status, 0);
        if (n != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("limit %ld: status %d, printed %.*s", (long)limits[i], status, (int)n, printed);
        assert_int_equal(files_in_folder(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense), cmocka_unit_test(test_activations), cmocka_unit_test(test_topk),     cmocka_unit_test(test_pooled),
        cmocka_unit_test(test_stats), cmocka_unit_test(test_estimate),    cmocka_unit_test(test_refusals), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_overflow), cmocka_unit_test(test_long_names), cmocka_unit_test(test_formulas_of_a_hybrid),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
