/* Names that are hostile to every format, and a study made of them: quoting, empty cells, the last checkpoint, ties, and files that are
 * refused. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <needlescope/export.h>
#include <needlescope/kind.h>
#include <needlescope/record.h>

#include "core/core.h"
#include "notebooks_export/relative.h"
#include "notebooks_export/words.h"

typedef void (*write_fn)(FILE *, const char *);

static void expect_text(write_fn write, const char *text, const char *want)
{
    char *got = NULL;
    size_t n = 0;
    FILE *const f = open_memstream(&got, &n);
    write(f, text);
    fclose(f);
    assert_string_equal(got, want);
    free(got);
}

static void quotes_what_csv_must(void **state)
{
    (void)state;
    expect_text(ns_csv_field, "plain", "plain");
    expect_text(ns_csv_field, "", "");
    expect_text(ns_csv_field, "a,b", "\"a,b\"");
    expect_text(ns_csv_field, "say \"x\"", "\"say \"\"x\"\"\"");
    expect_text(ns_csv_field, "two\nlines", "\"two\nlines\"");
    expect_text(ns_csv_field, "cr\r", "\"cr\r\"");
    expect_text(ns_csv_field, " edge", "\" edge\"");
    expect_text(ns_csv_field, "%d_\xc3\xa9", "%d_\xc3\xa9");
}

static void escapes_latex(void **state)
{
    (void)state;
    expect_text(ns_words_latex, "a_b%c&d#e$f{g}", "a\\_b\\%c\\&d\\#e\\$f\\{g\\}");
    expect_text(ns_words_latex, "\\~^<>|", "\\textbackslash{}\\textasciitilde{}\\textasciicircum{}\\textless{}\\textgreater{}\\textbar{}");
    expect_text(ns_words_latex, "[x]*", "{[}x{]}{*}");
    expect_text(ns_words_latex, "a--b\nc", "a-{}-{}b c");
    expect_text(ns_words_latex, "\xc3\xa9", "\xc3\xa9");
}

static void escapes_html_and_markdown(void **state)
{
    (void)state;
    expect_text(ns_words_html, "<a href=\"x\">&'", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    expect_text(ns_words_markdown, "# *x* $y$ <b> |", "\\# \\*x\\* \\$y\\$ &lt;b&gt; \\|");
    expect_text(ns_words_markdown, "one\n\n# two", "one  \\# two");
}

static void makes_literals(void **state)
{
    (void)state;
    char *text = ns_words_python("a\"b\\c\n\xc3\xa9");
    assert_string_equal(text, "\"a\\\"b\\\\c\\n\xc3\xa9\"");
    free(text);
    static const char *const want[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};        /* RFC 4648, section 10 */
    for (size_t n = 0; n < sizeof want / sizeof *want; n++) {
        text = ns_base64("foobar", n);
        assert_string_equal(text, want[n]);
        free(text);
    }
}

static void finds_the_way(void **state)
{
    (void)state;
    static const char *const ways[][3] = {
        {"a.ipynb", "b.h5", "b.h5"}, {"a.ipynb", "one/b.h5", "one/b.h5"}, {"one/two/a.ipynb", "b.h5", "../../b.h5"},
        {"one/a.ipynb", "one/../two/b.h5", "../two/b.h5"},
    };
    char folder[] = "test_export_XXXXXX", back[4096];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(back, sizeof back));
    assert_int_equal(chdir(folder) | mkdir("one", 0777) | mkdir("two", 0777) | mkdir("one/two", 0777), 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char *const way = ns_relative_path(ways[i][0], ways[i][1]);
        assert_string_equal(way, ways[i][2]);
        free(way);
    }
    assert_null(ns_relative_path("three/a.ipynb", "b.h5"));
    assert_int_equal(rmdir("one/two") | rmdir("one") | rmdir("two") | chdir(back) | rmdir(folder), 0);
}

/* ---- a small study ---- */

enum { R = 2, P = 2, C = 2, L = 1, H = 2 };
static const char *const run_names[R] = {"a,\"b\"\n%", "[_\\$]"};

static void put(ns_table_writer *w, const char *name, const char *axes, void *data, ns_dtype dtype, int rank, const int64_t *shape)
{
    ns_error err;
    const ns_view view = ns_view_of(data, dtype, rank, shape);
    if (ns_table_array(w, name, axes, &view, NULL, &err))
        fail_msg("%s", err.message);
}

/* Run 0 reached both steps, run 1 the first; its second head is not there. */
static void write_study(const char *path)
{
    static const ns_fact facts[] = {{"kind", "study", false}};
    static const char *const axes[] = {"run", "step", "case", "layer", "head"};
    const int64_t lengths[] = {R, P, C, L, H}, grid[] = {R, P}, heads[] = {R, L, H}, full[] = {R, P, L, H}, counts[] = {R, P, C, L, H},
                  runs[] = {R};
    int64_t index[] = {0, 10}, places[] = {0, 1}, tokens[R * P] = {0, 640, -1, -1}, windows[R * L * H] = {0};
    uint8_t status[R * P] = {1, 1, 1, 2}, valid[R * L * H] = {1, 1, 1, 0}, events[R * P * C * L * H];
    double seed[R] = {123456789, NAN};
    float find[R * P * L * H] = {0.1f, NAN, FLT_TRUE_MIN, 1.f / 3, .25f, NAN, NAN, NAN};
    for (size_t i = 0; i < sizeof events; i++)
        events[i] = (uint8_t)(i + 1);
    events[1] = events[H + 1] = 0;                   /* what has no number was not counted */
    ns_table_writer *w;
    assert_int_equal(ns_table_create(&w, path, facts, 1, NULL), NS_OK);
    for (int i = 0; i < 5; i++) {
        const ns_view view = ns_view_of(i < 3 ? index : places, NS_I64, 1, &lengths[i]);       /* layers and heads count */
        assert_int_equal(ns_table_axis(w, axes[i], &view, NULL), NS_OK);
    }
    assert_int_equal(ns_table_strings(w, "run_name", "run", run_names, R, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "layer_kind", "run layer", (const char *const[]){"full", "swa"}, R * L, NULL), NS_OK);
    put(w, "tokens", "run step", tokens, NS_I64, 2, grid);
    put(w, "status", "run step", status, NS_U8, 2, grid);
    put(w, "head_window", "run layer head", windows, NS_I64, 3, heads);
    put(w, "head_valid", "run layer head", valid, NS_U8, 3, heads);
    put(w, "seed", "run", seed, NS_F64, 1, runs);
    put(w, "find", "run step layer head", find, NS_F32, 4, full);
    put(w, "find_events", "run step case layer head", events, NS_U8, 5, counts);
    assert_int_equal(ns_table_commit(w, NULL), NS_OK);
}

static const ns_export_score find_score = {.name = "find", .of = "find_hits", .over = "find_events"};
static const char study_path[] = "test_export_study.h5", out_path[] = "test_export_out", beside_path[] = "test_export_out-metadata.json";

static ns_study *open_study(void)
{
    ns_study *x;
    ns_error err;
    write_study(study_path);
    if (ns_study_open(&x, study_path, &err))
        fail_msg("%s", err.message);
    return x;
}

static void expect_file(const char *want)
{
    char *got;
    assert_int_equal(ns_file_read(out_path, 1 << 20, &got, NULL, NULL), NS_OK);
    assert_string_equal(got, want);
    free(got);
    unlink(out_path);
    unlink(study_path);
}

static void writes_csv(void **state)
{
    (void)state;
    ns_study *const x = open_study();
    const ns_export_params params = {.size = sizeof params, .scores = &find_score, .n_scores = 1};
    int64_t rows;
    assert_int_equal(ns_export_csv(x, out_path, &params, &rows, NULL), NS_OK);
    assert_int_equal(rows, 5);
    ns_study_close(x);
    expect_file("run,seed,step,tokens,layer,head,layer_kind,score,value,n\n"
                "\"a,\"\"b\"\"\n%\",123456789,0,0,0,0,full,find,0.100000001,4\n"
                "\"a,\"\"b\"\"\n%\",123456789,0,0,0,1,full,find,,0\n"
                "\"a,\"\"b\"\"\n%\",123456789,10,640,0,0,full,find,1.40129846e-45,12\n"
                "\"a,\"\"b\"\"\n%\",123456789,10,640,0,1,full,find,0.333333343,14\n"
                "[_\\$],,0,,0,0,swa,find,0.25,20\n");
    assert_int_equal(ns_kind_of(beside_path), NS_KIND_JSON);
    assert_int_equal(unlink(beside_path), 0);
}

/* What stands beside a table replaces no file of another kind either, and nothing is written then. */
static void keeps_what_is_beside(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_study *const x = open_study();
    const ns_export_params params = {.size = sizeof params, .scores = &find_score, .n_scores = 1};
    int64_t rows;
    assert_int_equal(ns_file_write(beside_path, "mine\n", 5, NULL), NS_OK);
    assert_int_equal(ns_export_csv(x, out_path, &params, &rows, &err), NS_E_CREATE);
    assert_non_null(strstr(err.message, "test_export_out-metadata.json: is a text, and another kind of file would replace it"));
    assert_false(ns_path_exists(out_path));
    ns_study_close(x);
    unlink(beside_path);
    unlink(study_path);
}

static void writes_latex(void **state)
{
    (void)state;
    ns_study *const x = open_study();
    const ns_export_params params = {.size = sizeof params, .scores = &find_score, .n_scores = 1, .top = 1};
    assert_int_equal(ns_export_latex(x, out_path, &params, NULL), NS_OK);
    ns_study_close(x);
    char *got;
    assert_int_equal(ns_file_read(out_path, 1 << 20, &got, NULL, NULL), NS_OK);
    assert_non_null(strstr(got, "\\midrule\na,{}\"b\" \\% & find & 0.1 & 10 & full & 0.333 \\\\\n"
                                "\\midrule\n{[}\\_\\textbackslash{}\\${]} & find & 0.0 & 0 & swa & 0.250 \\\\\n"));
    assert_null(strstr(got, "interval"));           /* a study has none */
    free(got);
    unlink(out_path);
    unlink(study_path);
}

/* A file of before says nothing of its scores: the largest are taken for the best, and it is known that this is a guess. */
static void reads_what_is_not_said(void **state)
{
    (void)state;
    ns_study *const x = open_study();
    ns_score_meaning meaning;
    const ns_file *const file = ns_study_file(x);
    assert_int_equal(ns_study_meaning(x, "find", &meaning, NULL), NS_OK);
    assert_true(meaning.assumed && meaning.best == NS_BEST_LARGEST && isnan(meaning.chance));
    assert_false(ns_study_is_one(x));
    assert_string_equal(ns_study_usual_score(x), "find");
    assert_int_equal(ns_study_last(x, 1), 0);
    assert_true(ns_study_run_number(x, 0, "seed", -1) == 123456789 && ns_study_run_number(x, 1, "seed", -1) == -1);
    assert_int_equal(ns_study_meaning(x, "find_events", &meaning, NULL), NS_E_ARG);
    assert_int_equal(ns_study_meaning(x, "seed", &meaning, NULL), NS_E_ARG);
    assert_string_equal(ns_file_fact(file, "kind"), "study");
    ns_study_close(x);
    unlink(study_path);
}

/* What is said comes back: ends, range, chance; what has no meaning beside what has one is no score. */
static void reads_what_is_said(void **state)
{
    (void)state;
    static const ns_score_meaning given[] = {{NS_BEST_SMALLEST, 1, INFINITY, NAN, false}, {NS_BEST_NONE, 0, 1, .25, false}};
    static const char *const names[] = {"place", "entropy"};
    ns_table_writer *w;
    int64_t one = 1, shape[2] = {1, 2}, index[2] = {0, 1}, windows[2] = {0, 0}, two = 2;
    float values[2] = {3, 1};
    const ns_fact facts[] = {{"kind", "scores", false}, {"model_name", "m", false}};
    const ns_view axis = ns_view_of(index, NS_I64, 1, &one), heads = ns_view_of(index, NS_I64, 1, &two);
    assert_int_equal(ns_table_create(&w, study_path, facts, 2, NULL), NS_OK);
    assert_int_equal(ns_table_axis(w, "case", &axis, NULL) | ns_table_axis(w, "layer", &axis, NULL) |
                         ns_table_axis(w, "head", &heads, NULL),
                     NS_OK);
    assert_int_equal(ns_table_strings(w, "layer_kind", "layer", (const char *const[]){"full"}, 1, NULL), NS_OK);
    put(w, "window", "layer head", windows, NS_I64, 2, shape);
    put(w, "norm", "layer head", values, NS_F32, 2, shape);
    for (int i = 0; i < 2; i++) {
        put(w, names[i], "layer head", values, NS_F32, 2, shape);
        assert_int_equal(ns_table_meaning(w, names[i], &given[i], NULL), NS_OK);
    }
    assert_int_equal(ns_table_commit(w, NULL), NS_OK);
    ns_study *x;
    ns_error err;
    ns_score_meaning got;
    int64_t n;
    assert_int_equal(ns_study_open(&x, study_path, &err), NS_OK);
    const char *const *const found = ns_study_scores(x, &n);
    assert_true(n == 2 && strcmp(found[0], "entropy") == 0 && strcmp(found[1], "place") == 0);
    assert_int_equal(ns_study_ranks(x, "place", &got, &err), NS_OK);
    assert_true(got.best == NS_BEST_SMALLEST && got.lo == 1 && isinf(got.hi) && isnan(got.chance) && !got.assumed);
    assert_int_equal(ns_study_meaning(x, "entropy", &got, &err), NS_OK);
    assert_true(got.best == NS_BEST_NONE && got.hi == 1 && got.chance == .25);
    assert_int_equal(ns_study_ranks(x, "entropy", &got, &err), NS_E_ARG);
    assert_int_equal(ns_study_check_steps(x, &err), NS_E_ARG);
    assert_true(ns_study_is_one(x) && ns_study_size(x).R == 1 && strcmp(ns_study_run_name(x, 0), "m") == 0 &&
                ns_study_head_valid(x, 0, 0, 1));
    const ns_export_score entropy = {.name = "entropy"};
    const ns_export_params params = {.size = sizeof params, .scores = &entropy, .n_scores = 1};
    assert_int_equal(ns_export_latex(x, out_path, &params, &err), NS_E_ARG);
    ns_study_close(x);
    unlink(study_path);
}

static void refuses(void **state)
{
    (void)state;
    ns_study *const x = open_study();
    ns_error err;
    const ns_export_score other = {.name = "fnid"};
    ns_export_params params = {.size = sizeof params, .scores = &other, .n_scores = 1};
    assert_int_equal(ns_export_csv(x, out_path, &params, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "no score 'fnid' (did you mean find?); it has find"));
    params.scores = &find_score;
    params.run = "c";
    assert_int_equal(ns_export_latex(x, out_path, &params, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "no run 'c'"));
    params.run = NULL;
    assert_int_equal(ns_export_csv(x, "no/such/folder/x.csv", &params, NULL, &err), NS_E_CREATE);
    assert_false(ns_path_exists(out_path));
    ns_study_close(x);
    unlink(study_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_what_csv_must), cmocka_unit_test(escapes_latex), cmocka_unit_test(escapes_html_and_markdown),
        cmocka_unit_test(makes_literals), cmocka_unit_test(finds_the_way),
        cmocka_unit_test(writes_csv), cmocka_unit_test(keeps_what_is_beside), cmocka_unit_test(writes_latex),
        cmocka_unit_test(reads_what_is_not_said),
        cmocka_unit_test(reads_what_is_said), cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
