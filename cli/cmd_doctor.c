/* cmd_doctor.c - is this machine fit? Kernels against their definition, threads, memory, OpenBLAS, the files and figures we can write. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/case.h>
#include <needlescope/dataset.h>
#include <needlescope/figure.h>
#include <needlescope/probe.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"
#include "math/math.h"

typedef struct report { cli_out out; int failed; } report;

static void check(report *r, const char *what, bool good, const char *detail)
{
    cli_cell_text(&r->out, what);
    cli_cell_text(&r->out, good ? "ok" : "FAILED");
    cli_cell_text(&r->out, detail);
    r->failed += !good;
}

/* ---- kernels: every version of this CPU equals the scalar definition on a product and a softmax row ---- */

enum { M = 13, N = 70, K = 400, ROW = 512 };

typedef struct sample { float *A, *W, *packed, *C, *row; } sample;

static bool sample_new(sample *s)
{
    ns_rng rng = ns_rng_seed(1, 1);
    float **const parts[] = {&s->A, &s->W, &s->packed, &s->C, &s->row};
    const int64_t sizes[] = {M * K, N * K, ns_packed_floats(N, K), M * N, ROW};
    bool good = true;
    for (int i = 0; i < 5; i++) {
        *parts[i] = ns_alloc_aligned((size_t)sizes[i] * sizeof(float));
        good = good && *parts[i];
    }
    for (int64_t i = 0; i < M * K && good; i++)
        s->A[i] = (float)ns_rng_normal(&rng);
    for (int64_t i = 0; i < N * K && good; i++)
        s->W[i] = (float)ns_rng_normal(&rng);
    if (good)
        ns_pack_rows(s->packed, s->W, N, K, K);
    return good;
}

static void sample_free(sample *s)
{
    float *const parts[] = {s->A, s->W, s->packed, s->C, s->row};
    for (int i = 0; i < 5; i++)
        free(parts[i]);
}

static void run_kernels(const ns_math *math, const sample *s, char hex[65])
{
    math->gemm(M, N, K, s->A, K, s->packed, K * NS_PANEL, s->C, N, NS_GEMM_KB, false);
    memcpy(s->row, s->A, ROW * sizeof *s->row);
    const double sum = math->exp_sum(s->row, ROW, 0, math->max(s->row, ROW));
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    ns_sha256_add(&sha, s->C, M * N * sizeof *s->C);
    ns_sha256_add(&sha, s->row, ROW * sizeof *s->row);
    ns_sha256_add(&sha, &sum, sizeof sum);
    ns_sha256_end(&sha, hex);
}

static double worst_against_blas(const sample *s)
{
    double worst = 0;
    float *const blas = ns_alloc_array(M * N, sizeof *blas);
    if (!blas)
        return INFINITY;
    ns_blas_gemm_nt(M, N, K, s->A, K, s->W, K, blas, N);
    for (int i = 0; i < M * N; i++)
        worst = fmax(worst, fabs((double)s->C[i] - blas[i]));
    free(blas);
    return worst;
}

static void check_kernels(report *r)
{
    const ns_math *list[NS_MATH_MAX];
    const int n = ns_math_available(list);
    sample s = {0};
    char want[65], got[65], text[96];
    const bool good = sample_new(&s);
    for (int v = 0; v < n && good; v++) {
        run_kernels(list[v], &s, v ? got : want);
        snprintf(text, sizeof text, v ? "same bits as scalar" : "the definition");
        char name[32];
        snprintf(name, sizeof name, "kernels %s", list[v]->name);
        check(r, name, v == 0 || strcmp(want, got) == 0, text);
    }
    if (good && ns_blas_can_start()) {
        const double worst = worst_against_blas(&s);
        snprintf(text, sizeof text, "core %s, a product differs by %.1e", ns_blas_core(), worst);
        check(r, "OpenBLAS", worst < 1e-3, text);
    }
    sample_free(&s);
}

/* ---- the whole way: plant, cases, score, figure, in a temporary folder ---- */

static int score_planted(const char *folder, float *find, float *other, ns_error *err)
{
    ns_checkpoint *c = NULL;
    ns_arch *arch = NULL;
    ns_engine *engine = NULL;
    ns_model *m = NULL;
    ns_scores *scores = NULL;
    ns_cases cases = {0};
    const int64_t length = 64;
    const double depth = .5;
    const char *const probe = "retrieval_find";
    const ns_score_params how = {.size = sizeof how, .probes = &probe, .n_probes = 1};
    int rc = ns_checkpoint_open(&c, folder, NULL, err);
    if (rc == NS_OK)
        rc = ns_arch_from_checkpoint(&arch, c, NULL, err);
    if (rc == NS_OK)
        rc = ns_needle_cases(&cases, &(ns_needle_params){.size = sizeof(ns_needle_params), .lengths = &length, .n_lengths = 1, .depths = &depth, .n_depths = 1,
                                                         .count = 4, .vocab = arch->vocab}, err);
    if (rc == NS_OK)
        rc = ns_engine_new(&engine, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = 1}, err);
    if (rc == NS_OK)
        rc = ns_model_load(&m, engine, c, arch, NULL, err);
    if (rc == NS_OK)
        rc = ns_score_run(&scores, m, &cases, &how, err);
    for (int i = 0; rc == NS_OK && i < ns_scores_count(scores); i++) {
        if (strcmp(ns_scores_def(scores, i)->name, probe) != 0)
            continue;
        const float *const values = ns_scores_values(scores, i);
        const int64_t H = ns_scores_heads(scores);
        *find = fminf(values[3 * H + 1], values[4 * H + 6]);
        for (int64_t h = 0; h < ns_scores_layers(scores) * H; h++)
            if (h != 3 * H + 1 && h != 4 * H + 6)
                *other = fmaxf(*other, values[h]);
    }
    ns_scores_free(scores);
    ns_model_free(m);
    ns_engine_free(engine);
    ns_cases_clear(&cases);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
    return rc;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"config.json", "model.safetensors", "planted.json", "figure.pdf", "figure.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const path = ns_path_join(folder, names[i]);
        if (path)
            unlink(path);
        free(path);
    }
    rmdir(folder);
}

static void check_figures(report *r, const char *folder)
{
    static const char *const names[] = {"figure.pdf", "figure.png"};
    const float score[4] = {0, .5f, 1, .25f};
    const ns_heads_figure figure = {.size = sizeof figure, .score = score, .n_layers = 2, .n_heads = 2, .score_name = "test", .chance = NAN};
    for (int i = 0; i < 2; i++) {
        ns_error err = {""};
        char *const path = ns_path_join(folder, names[i]);
        const int rc = path ? ns_draw_heads(path, &figure, NULL, &err) : NS_E_MEMORY;
        check(r, i ? "figures, PNG" : "figures, PDF", rc == NS_OK, rc ? err.message : "drawn");
        free(path);
    }
}

static void check_whole_way(report *r)
{
    const char *const tmp = getenv("TMPDIR");
    char *const folder = ns_printf_alloc("%s/needlescope-doctor-XXXXXX", tmp && *tmp ? tmp : "/tmp"), text[160];
    ns_error err = {""};
    float find = NAN, other = 0;
    if (!folder || !mkdtemp(folder)) {
        check(r, "temporary folder", false, "cannot be made: set TMPDIR to a folder that can be written");
        free(folder);
        return;
    }
    int rc = ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params)}, &err);
    if (rc == NS_OK)
        rc = score_planted(folder, &find, &other, &err);
    snprintf(text, sizeof text, "retrieval_find: planted heads %.3f, every other head below %.3f", (double)find, (double)other + .001);
    check(r, "planted heads", rc == NS_OK && find >= .99f && other < .5f, rc ? err.message : text);
    check_figures(r, folder);
    remove_folder(folder);
    free(folder);
}

static int doctor(cli *app, const void *settings, char **args, int n_args)
{
    static const cli_column columns[] = {{"check", "check", CELL_TEXT}, {"result", "result", CELL_TEXT}, {"detail", "", CELL_TEXT}};
    (void)settings;
    (void)args;
    (void)n_args;
    report r = {.failed = 0};
    char text[96];
    ns_engine *engine = NULL;
    int rc = cli_open_engine(app, &engine, NULL);
    if (rc < 0)
        return rc;
    cli_out_begin(&r.out, app, "needlescope.doctor/1");
    cli_out_text(&r.out, "version", "needlescope", ns_version());
    cli_out_text(&r.out, "kernels", "kernels", ns_engine_cpu(engine));
    cli_out_text(&r.out, "kernel_class", "kernel class", ns_engine_kernel_class(engine));
    cli_out_int(&r.out, "threads", "threads", ns_engine_threads(engine));
    snprintf(text, sizeof text, "%.1f GiB", (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (double)(1 << 30));
    cli_out_text(&r.out, "memory", "memory", text);
    cli_out_table(&r.out, "checks", "Checks", columns, 3);
    check_kernels(&r);
    check_whole_way(&r);
    cli_out_table_end(&r.out);
    cli_out_int(&r.out, "failed", NULL, r.failed);
    cli_out_say(&r.out, r.failed ? "%d checks failed.\n" : "All is well.\n", r.failed);
    rc = cli_out_end(&r.out, &app->err);
    ns_engine_free(engine);
    return rc == NS_OK && r.failed ? NS_STOP : rc;
}

const cli_command cli_cmd_doctor = {
    .name = "doctor", .section = "Other", .summary = "Checks this machine: kernels, OpenBLAS, a planted model, figures",
    .arguments = "", .min_args = 0, .max_args = 0,
    .description = "Every version of the kernels that this CPU can run is compared with its scalar definition, a planted checkpoint is scored, and figures are drawn in a temporary folder. "
                   "Exits 1 when a check fails.",
    .examples = "needlescope doctor\nNEEDLESCOPE_CPU=avx2 needlescope doctor --json",
    .run = doctor,
};
