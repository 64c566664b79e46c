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
#include "cli/selftest.h"
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

/* OpenBLAS is a referee here; without it the product is compared with a plain sum in double precision. */
static void check_product(report *r, const sample *s)
{
    char text[160];
    const double worst = worst_against_blas(s);
    if (ns_blas_can_start())
        snprintf(text, sizeof text, "core %s; ours differs from its product by %.1e at most", ns_blas_core(), worst);
    else
        snprintf(text, sizeof text, "not loaded (not installed, or ulimit -v): ov_copying alone needs it; ours differs from a plain "
                 "sum by %.1e at most", worst);
    check(r, "OpenBLAS", worst < 1e-3, text);
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
    if (good)
        check_product(r, &s);
    else
        check(r, "kernels", false, "memory ran out");
    sample_free(&s);
}

/* ---- HDF5: a table written, read back and verified where TMPDIR is ---- */

static int write_and_read(const char *path, ns_error *err)
{
    float values[3] = {0.25f, -1, 1e30f}, *got = NULL;
    const int64_t n = 3;
    const ns_fact fact = {"kind", "doctor", false};
    const ns_view view = ns_view_of(values, NS_F32, 1, &n);
    ns_table_writer *writer = NULL;
    ns_file *file = NULL;
    int rc = ns_table_create(&writer, path, &fact, 1, err);
    if (rc == NS_OK)
        rc = ns_table_axis(writer, "x", &view, err);
    if (rc == NS_OK)
        rc = ns_table_array(writer, "y", "x", &view, NULL, err);
    rc = ns_table_end(writer, rc, err);
    if (rc == NS_OK)
        rc = ns_file_open(&file, path, err);
    if (rc == NS_OK)
        rc = ns_file_verify(file, err);
    ns_expected wanted = {sizeof wanted, "y", NS_F32, 1, {n}, ns_finite()};
    if (rc == NS_OK)
        rc = ns_file_array(file, &wanted, &got, err);
    if (rc == NS_OK && memcmp(got, values, sizeof values) != 0)
        rc = ns_fail(err, NS_E_IO, "%s: other numbers came back than were written", path);
    free(got);
    ns_file_close(file);
    return rc;
}

static void check_hdf5(report *r, const char *folder)
{
    ns_error err = {""};
    char version[32], text[96];
    char *const path = ns_path_join(folder, "table.h5");
    ns_hdf5_version(version, sizeof version);
    snprintf(text, sizeof text, "%s; a table was written, read back and verified", version);
    const int rc = path ? write_and_read(path, &err) : ns_oom(&err, "a name");
    check(r, "HDF5", rc == NS_OK, rc != NS_OK ? err.message : text);
    free(path);
}

/* ---- the whole way: plant, cases, score, figure, in a temporary folder ---- */

static const ns_head planted[2] = {{3, 1}, {4, 6}};

/* The lowest score of the planted heads, the highest of all others. */
static void separate(const ns_scores *scores, int score, float *lowest, float *highest)
{
    const float *const values = ns_scores_values(scores, score);
    const int64_t H = ns_scores_heads(scores), n = ns_scores_layers(scores) * H;
    *lowest = 1;
    *highest = 0;
    for (int64_t h = 0; h < n; h++) {
        bool ours = false;
        for (size_t i = 0; i < sizeof planted / sizeof *planted; i++)
            ours = ours || h == planted[i].layer * H + planted[i].head;
        if (ours)
            *lowest = fminf(*lowest, values[h]);
        else
            *highest = fmaxf(*highest, values[h]);
    }
}

static int score_planted(cli *app, const char *folder, float *lowest, float *highest, ns_error *err)
{
    ns_opened *m = NULL;
    ns_scores *scores = NULL;
    ns_cases cases = {0};
    const int64_t length = 64;
    const double depth = .5;
    const char *const probe = "retrieval_find";
    const ns_score_params how = {.size = sizeof how, .probes = &probe, .n_probes = 1};
    int rc = cli_open(app, &m, folder, &(cli_model_settings){.no_hash = true}, NS_OPEN_WEIGHTS, err);
    if (rc == NS_OK)
        rc = ns_needle_cases(&cases, &(ns_needle_params){.size = sizeof(ns_needle_params), .lengths = &length, .n_lengths = 1,
                                                         .depths = &depth, .n_depths = 1,
                                                         .count = 4, .vocab = m->arch->vocab}, err);
    if (rc == NS_OK)
        rc = ns_score_run(&scores, m->model, &cases, &how, err);
    for (int i = 0; rc == NS_OK && i < ns_scores_count(scores); i++)
        if (strcmp(ns_scores_def(scores, i)->name, probe) == 0)
            separate(scores, i, lowest, highest);
    ns_scores_free(scores);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"config.json", "model.safetensors", "planted.json", "figure.pdf", "figure.png", "table.h5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const path = ns_path_join(folder, names[i]);
        if (path)
            unlink(path);
        free(path);
    }
    rmdir(folder);
}

/* The name of the first font that the PDF embeds: "DejaVuSans" out of "/FontName /ABCDEF+DejaVuSans". */
static bool embedded_font(const char *path, char *out, size_t n)
{
    static const char key[] = "/FontName /";
    enum { LARGEST = 16 << 20 };
    char *bytes = NULL;
    size_t size = 0;
    if (ns_file_read(path, LARGEST, &bytes, &size, NULL) < 0)
        return false;
    const char *const at = memmem(bytes, size, key, sizeof key - 1);
    if (at) {
        const char *const name = at + sizeof key - 1, *const plus = memchr(name, '+', 8);
        const char *const start = plus ? plus + 1 : name;
        snprintf(out, n, "%.*s", (int)strcspn(start, " \r\n/>"), start);
    }
    free(bytes);
    return at != NULL;
}

static void check_figures(report *r, const char *folder)
{
    static const char *const names[] = {"figure.pdf", "figure.png"};
    const float score[4] = {0, .5f, 1, .25f};
    const ns_heads_figure figure = {.size = sizeof figure, .score = score, .n_layers = 2, .n_heads = 2, .score_name = "test",
                                    .chance = NAN};
    for (int i = 0; i < 2; i++) {
        ns_error err = {""};
        char font[64] = "", text[128] = "drawn";
        char *const path = ns_path_join(folder, names[i]);
        const int rc = path ? ns_draw_heads(path, &figure, NULL, &err) : ns_oom(&err, "a name");
        const bool good = rc == NS_OK && (i > 0 || embedded_font(path, font, sizeof font));
        if (*font)
            snprintf(text, sizeof text, "drawn, with the font %s embedded", font);
        if (!good)
            snprintf(text, sizeof text, "no font was embedded");
        check(r, i ? "figures, PNG" : "figures, PDF", good, rc != NS_OK ? err.message : text);
        free(path);
    }
}

static void check_planted(cli *app, report *r, const char *folder)
{
    ns_error err = {""};
    char text[128];
    float lowest = 0, highest = 1;
    const ns_plant_params params = {.size = sizeof params, .retrieval = planted, .n_retrieval = sizeof planted / sizeof *planted};
    int rc = ns_plant(folder, &params, &err);
    if (rc == NS_OK)
        rc = score_planted(app, folder, &lowest, &highest, &err);
    snprintf(text, sizeof text, "retrieval_find is %.3f or more at the planted heads, %.3f or less elsewhere", (double)lowest,
             (double)highest);
    check(r, "planted heads", rc == NS_OK && lowest >= .99f && highest <= .5f, rc != NS_OK ? err.message : text);
}

static char *make_folder(void)
{
    const char *const tmp = getenv("TMPDIR");
    char *const folder = ns_printf_alloc("%s/needlescope-doctor-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (folder && mkdtemp(folder))
        return folder;
    free(folder);
    return NULL;
}

static void check_files(cli *app, report *r, const char *folder)
{
    if (folder) {
        check_planted(app, r, folder);
        check_hdf5(r, folder);
        check_figures(r, folder);
    } else {
        check(r, "temporary folder", false, "cannot be made: set TMPDIR to a folder that can be written");
    }
}

static void describe_machine(cli_out *o, const cli *app, const ns_engine *engine)
{
    char text[320];
    const ns_machine *const m = &app->machine;
    cli_out_text(o, "version", "needlescope", ns_version());
    cli_out_text(o, "kernels", "kernels", ns_engine_cpu(engine));
    cli_out_text(o, "kernel_class", "kernel class", ns_engine_kernel_class(engine));
    cli_out_int(o, "threads", "threads", ns_engine_threads(engine));
    snprintf(text, sizeof text, "%d (%s)", m->cpus, m->cpus_from);
    cli_out_text(o, "cpus", "CPUs", text);
    snprintf(text, sizeof text, "%.1f GiB (%s), of them %.3g for weights and activations", (double)m->memory / 0x1p30, m->memory_from,
             (double)app->resources.memory / 0x1p30);
    cli_out_text(o, "memory", "memory", text);
}

typedef struct doctor_settings { bool self_test; } doctor_settings;
static const cli_option options[] = {
    {"self-test", 0, CLI_FLAG, offsetof(doctor_settings, self_test), NULL,
     "score a zoo of known heads too, and compare every score with what it must be"},
    {0},
};

static int doctor(cli *app, const void *settings, char **args, int n_args)
{
    static const cli_column columns[] = {{"check", "check", CELL_TEXT}, {"result", "result", CELL_TEXT}, {"detail", "", CELL_TEXT}};
    const doctor_settings *const s = settings;
    (void)args;
    (void)n_args;
    report r = {.failed = 0};
    ns_engine *engine = NULL;
    int rc = cli_open_engine(app, &engine);
    if (rc != NS_OK)
        return rc;
    cli_signals_hold(true);   /* the temporary folder is emptied whatever happens */
    cli_out_begin(&r.out, app, "needlescope.doctor/1");
    describe_machine(&r.out, app, engine);
    cli_out_table(&r.out, "checks", "Checks", columns, 3);
    check_kernels(&r);
    char *const folder = make_folder();
    check_files(app, &r, folder);
    cli_out_table_end(&r.out);
    if (s->self_test && folder)
        rc = cli_self_test(app, &r.out, folder, &r.failed);
    if (folder)
        remove_folder(folder);
    free(folder);
    ns_engine_free(engine);
    if (rc < 0) {
        cli_out_drop(&r.out);
        return rc;
    }
    cli_out_int(&r.out, "failed", NULL, r.failed);
    if (r.failed)
        cli_out_say(&r.out, "\n%d of the checks failed.\n", r.failed);
    rc = cli_out_end(&r.out, &app->err);
    return rc == NS_OK && r.failed ? NS_STOP : rc;
}

const cli_command cli_cmd_doctor = {
    .name = "doctor", .section = "Other", .summary = "Checks this machine: kernels, OpenBLAS, a planted model, HDF5, figures",
    .arguments = "", .min_args = 0, .max_args = 0, .groups = {{"Options", options, 0}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(doctor_settings),
    .description = "Every version of the kernels that this CPU can run is compared with its scalar definition, a planted checkpoint is "
                   "scored, and an HDF5 file and figures are written to a temporary folder (in TMPDIR). Exits 1 when a check fails.\n\n"
                   "--self-test plants a zoo of heads whose job is known (lab plant --zoo): true retrieval heads beside decoys that an "
                   "attention score may take for them. It prints what each score may be at each head and what it was, and which sets of "
                   "heads the answer needs.",
    .examples = "needlescope doctor\n"
                "needlescope doctor --self-test\n"
                "NEEDLESCOPE_CPU=avx2 needlescope doctor --json",
    .run = doctor,
};
