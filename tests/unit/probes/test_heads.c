/* test_heads.c - every probe on attention rows written by hand, through the public table: what is a hit, which rows count, windows whose
 * first key is not position 0, rows that come in pieces, ties and NaN. */
#include "../../unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

enum { L = 2, H = 2, T = 12, MAX_OUTPUTS = 32 };

/* Prompt 0 .. 11: needle 3 [4 5 6], the query (token 3) at T - 2; answer lead + 4 5 6 with n_lead 1. */
static int32_t prompt[T] = {9, 8, 3, 4, 5, 6, 8, 8, 7, 1, 3, 2};
static int32_t answer[4] = {10, 4, 5, 6};
static ns_span spans[] = {{(char *)"needle", 2, 6}, {(char *)"needle_answer", 3, 6}};
static const ns_case the_case =
    {.id = (char *)"c", .tokens = prompt, .n_tokens = T, .answer = answer, .n_answer = 4, .n_lead = 1, .spans = spans, .n_spans = 2};

typedef struct fixture {
    const ns_probe *probe;
    void  *state;
    float *outputs[MAX_OUTPUTS];
    float  pattern[H][T + 3][T + 3];
} fixture;

static void start(fixture *f, const char *name, const ns_case *c)
{
    memset(f, 0, sizeof *f);
    f->probe = ns_probe_find(name);
    assert_non_null(f->probe);
    f->state = calloc(1, f->probe->state_size);
    for (int o = 0; o < f->probe->n_outputs; o++) {
        f->outputs[o] = malloc(4 * L * H * sizeof(float));
        for (int i = 0; i < 4 * L * H; i++)
            f->outputs[o][i] = f->probe->outputs[o].dtype == NS_F32 ? NAN : 0;
    }
    const ns_probe_context ctx = {.c = c, .probe = f->probe, .n_layers = L, .n_heads = H};
    char reason[NS_REASON];
    assert_null(f->probe->rejects(&ctx, reason));
    assert_int_equal(f->probe->begin(f->state, &ctx, f->outputs, NULL), NS_OK);
}

/* Rows [row0, row0 + n) of a layer, keys from key0 up to the last row's own. */
static void show(fixture *f, int64_t layer, int64_t row0, int64_t n, int64_t key0, int64_t n_heads)
{
    const ns_site site = {.size = sizeof site, .point = NS_POINT_PATTERN, .layer = layer, .c = &the_case, .row0 = row0, .n_rows = n,
                          .key0 = key0,
                          .n_keys = row0 + n - key0, .n_heads = n_heads, .n_kv_heads = 1};
    const ns_view view = {.data = &f->pattern[0][row0][key0], .dtype = NS_F32, .rank = 3, .shape = {n_heads, n, site.n_keys},
                          .stride = {(T + 3) * (T + 3), T + 3, 1}};
    assert_int_equal(f->probe->see(f->state, &site, &view, NULL), NS_OK);
}

static float *output(const fixture *f, const char *name)
{
    for (int o = 0; o < f->probe->n_outputs; o++)
        if (strcmp(f->probe->outputs[o].name, name) == 0)
            return f->outputs[o];
    fail_msg("no output '%s'", name);
    return NULL;
}

static void finish(fixture *f)
{
    if (f->probe->end)
        assert_int_equal(f->probe->end(f->state, NULL), NS_OK);
}

static void clear(fixture *f)
{
    for (int o = 0; o < f->probe->n_outputs; o++)
        free(f->outputs[o]);
    free(f->state);
}

/* Head 0 copies; head 1 finds nothing, continues once, and looks once at another occurrence of the token. */
static void test_retrieval(void **state)
{
    (void)state;
    fixture f;
    start(&f, "retrieval_copy", &the_case);
    f.pattern[0][T - 1][0] = 1;                /* the lead token's row: no event */
    for (int j = 0; j < 3; j++) {
        f.pattern[0][T + j][3 + j] = 0.6f;
        f.pattern[0][T + j][8] = 0.4f;
    }
    f.pattern[1][T][2] = f.pattern[1][T][3] = 0.5f;            /* a tie goes to the lower index: a miss */
    f.pattern[1][T + 1][4] = 0.9f;
    f.pattern[1][T + 2][T + 2] = 1;                            /* position T + 2 holds answer token 2 (5), not 6 */
    show(&f, 1, T - 1, 2, 0, H);               /* in two pieces */
    show(&f, 1, T + 1, 2, 0, H);
    finish(&f);
    const int a = H, b = H + 1;
    assert_true(output(&f, "find_hits")[a] == 1 && output(&f, "find_events")[a] == 1);
    assert_true(output(&f, "continue_hits")[a] == 2 && output(&f, "continue_events")[a] == 2);
    assert_true(output(&f, "copy_hits")[a] == 3 && output(&f, "copy_events")[a] == 3);
    assert_near(output(&f, "find_margin")[a], 0.2f, 1e-6);
    assert_true(output(&f, "find_hits")[b] == 0 && output(&f, "find_events")[b] == 1);
    assert_true(output(&f, "continue_hits")[b] == 1 && output(&f, "copy_hits")[b] == 1 && output(&f, "any_hits")[b] == 1);
    assert_true(output(&f, "find_margin")[b] == 0);
    assert_true(output(&f, "find_events")[0] == 0);            /* layer 0 was never shown */
    clear(&f);
}

static void test_copy_any(void **state)
{
    (void)state;
    static int32_t twice[T];
    ns_case c = the_case;
    fixture f;
    memcpy(twice, prompt, sizeof prompt);
    twice[8] = 4;                              /* a second place that holds the first content token */
    c.tokens = twice;
    start(&f, "copy_any", &c);
    f.pattern[0][T][8] = 1;
    show(&f, 0, T, 1, 0, H);
    finish(&f);
    assert_true(output(&f, "find_hits")[0] == 0 && output(&f, "any_hits")[0] == 1);
    clear(&f);
}

/* A window hides the needle: key column 0 is position 5. */
static void test_window(void **state)
{
    (void)state;
    fixture f;
    start(&f, "retrieval_find", &the_case);
    f.pattern[0][T][8] = 1;                    /* column 3 of the view must not pass for position 3 */
    f.pattern[1][T + 2][5] = 1;                /* the source of answer token 3, at the window's edge */
    show(&f, 0, T, 1, 5, H);
    show(&f, 0, T + 2, 1, 5, H);
    finish(&f);
    assert_true(output(&f, "find_hits")[0] == 0 && output(&f, "find_events")[0] == 1);
    assert_true(output(&f, "continue_hits")[1] == 1);
    clear(&f);

    start(&f, "retrieval_mass", &the_case);
    for (int k = 0; k < T; k++)
        f.pattern[0][T - 2][k] = 0.125f;
    show(&f, 0, T - 2, 1, 5, H);               /* of 3, 4, 5 only 5 is seen */
    show(&f, 1, T - 2, 1, 8, H);
    finish(&f);
    assert_near(output(&f, "case_mass")[0], 0.125, 0);
    assert_near(output(&f, "case_mass")[H], 0, 0);
    assert_true(isnan(output(&f, "case_mass_last")[0]));
    clear(&f);
}

static void test_nan_never_wins(void **state)
{
    (void)state;
    fixture f;
    start(&f, "retrieval", &the_case);
    f.pattern[0][T][0] = f.pattern[0][T][7] = NAN;
    f.pattern[0][T][3] = 0.1f;
    show(&f, 0, T, 1, 0, 1);
    finish(&f);
    assert_true(output(&f, "find_hits")[0] == 1);
    assert_true(output(&f, "find_events")[1] == 0);            /* the layer has one head */
    clear(&f);
}

static void test_mass(void **state)
{
    (void)state;
    fixture f;
    start(&f, "retrieval_mass", &the_case);
    for (int k = 3; k < 6; k++) {
        f.pattern[0][T - 2][k] = 0.25f;
        f.pattern[0][T - 1][k] = 0.125f;
        f.pattern[0][T][k] = 0.0625f;
        f.pattern[0][T + 1][k] = 1;            /* no row of the mass */
    }
    f.pattern[0][T - 2][2] = 0.25f;            /* the needle's key is not its answer */
    show(&f, 0, T - 2, 5, 0, H);
    finish(&f);
    assert_near(output(&f, "case_mass")[0], 0.75, 0);
    assert_near(output(&f, "case_mass_last")[0], 0.375, 0);
    assert_near(output(&f, "case_mass_first")[0], 0.1875, 0);
    assert_near(output(&f, "case_mass_lift")[0], 0.75 * (T - 1) / 3, 0);
    clear(&f);
}

/* Rows with an earlier copy: 6 (8 at 1), 7 (8 at 1 and 6), 10 (3 at 2). Keys after the copies: {2}, {2, 7}, {3}. */
static void test_induction(void **state)
{
    (void)state;
    fixture f;
    start(&f, "induction", &the_case);
    f.pattern[0][6][2] = 0.5f;
    f.pattern[0][7][2] = 0.25f;
    f.pattern[0][7][7] = 0.5f;
    f.pattern[0][10][3] = 1;
    f.pattern[0][8][2] = f.pattern[0][11][3] = f.pattern[0][T + 1][5] = 1;     /* rows without a copy, and an answer row */
    show(&f, 0, 0, 5, 0, H);
    show(&f, 0, 5, T - 3, 0, H);
    show(&f, 1, 6, 2, 4, H);                   /* a window: of row 7 only key 7 is seen, of row 6 none */
    finish(&f);
    assert_near(output(&f, "case_induction")[0], (0.5 + 0.75 + 1) / 3, 1e-7);
    assert_near(output(&f, "case_induction")[1], 0, 0);
    assert_near(output(&f, "case_induction")[H], 0.25, 1e-7);
    clear(&f);
}

static void test_previous_token(void **state)
{
    (void)state;
    fixture f;
    start(&f, "previous_token", &the_case);
    f.pattern[0][0][0] = 1;                    /* row 0 has no previous token */
    for (int i = 1; i < T + 3; i++)
        f.pattern[0][i][i - 1] = i < T ? 0.5f : 1;
    show(&f, 0, 0, T + 3, 0, H);
    finish(&f);
    assert_near(output(&f, "case_previous_token")[0], 0.5, 0);
    assert_near(output(&f, "case_previous_token")[1], 0, 0);
    assert_true(isnan(output(&f, "case_previous_token")[H]));
    clear(&f);
}

static const char *reason_of(const char *name, const ns_case *c)
{
    static char reason[NS_REASON];
    const ns_probe *const probe = ns_probe_find(name);
    return probe->rejects(&(ns_probe_context){.c = c, .probe = probe}, reason);
}

static void test_rejects(void **state)
{
    (void)state;
    int32_t distinct[4] = {1, 2, 3, 4};
    const ns_case plain = {.id = (char *)"p", .tokens = distinct, .n_tokens = 4},
                  single = {.id = (char *)"s", .tokens = distinct, .n_tokens = 1};
    const ns_case unmarked = {.id = (char *)"u", .tokens = distinct, .n_tokens = 4, .answer = distinct, .n_answer = 1};
    assert_string_equal(reason_of("retrieval_find", &plain), "no answer");
    assert_string_equal(reason_of("retrieval_find", &unmarked), "no needle_answer span");
    assert_string_equal(reason_of("retrieval_mass", &plain), "no needle_answer span");
    assert_string_equal(reason_of("needle_mass", &unmarked), "no needle span");
    assert_string_equal(reason_of("induction", &plain), "no token occurs twice");
    assert_string_equal(reason_of("previous_token", &single), "a prompt of one token");
    assert_null(reason_of("previous_token", &plain));
}

/* Every score is made of outputs that exist; names are unique; the run's fixed limits hold. */
static void test_table(void **state)
{
    (void)state;
    int n_probes = 0, n_scores = 0;
    for (const ns_probe *const *p = ns_probes(); *p; p++, n_probes++) {
        assert_ptr_equal(ns_probe_find((*p)->name), *p);
        if (!(*p)->at) {
            assert_true((*p)->weigh && (*p)->n_outputs == 0 && (*p)->n_scores > 0);
            continue;
        }
        assert_in_range((*p)->n_outputs, 1, 32);
        for (int i = 0; i < (*p)->n_scores; i++, n_scores++) {
            const ns_score *const score = &(*p)->scores[i];
            assert_ptr_equal(ns_probe_find(score->name), *p);
            bool of = false, over = !score->over;
            for (int o = 0; o < (*p)->n_outputs; o++) {
                of |= strcmp((*p)->outputs[o].name, score->of) == 0;
                over |= score->over && strcmp((*p)->outputs[o].name, score->over) == 0;
            }
            assert_true(of && over);
        }
    }
    assert_in_range(n_probes, 4, 64);
    assert_in_range(n_scores, 10, 256);
    assert_null(ns_probe_find("retrieval_fin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retrieval),      cmocka_unit_test(test_copy_any), cmocka_unit_test(test_window),
        cmocka_unit_test(test_nan_never_wins), cmocka_unit_test(test_mass),     cmocka_unit_test(test_induction),
        cmocka_unit_test(test_previous_token), cmocka_unit_test(test_rejects),  cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
