/* fuzz_definition.c - the input as a probe's definition; what is accepted is run over a small case, and its values must be possible. */
#include "fuzz.h"

#include <math.h>
#include <needlescope/probe.h>

enum { T = 9, N_ANSWER = 3, ROWS = T + N_ANSWER - 1, HEADS = 2 };

static int32_t prompt[T] = {9, 4, 3, 4, 5, 6, 8, 3, 2}, answer[N_ANSWER] = {4, 5, 6};
static ns_span spans[] = {{(char *)"needle", 2, 6}, {(char *)"needle_answer", 3, 6}, {(char *)"empty", 4, 4}};
static const ns_case the_case =
    {.id = (char *)"c", .tokens = prompt, .n_tokens = T, .answer = answer, .n_answer = N_ANSWER, .spans = spans, .n_spans = 3};

static float pattern[HEADS][ROWS][ROWS];

/* Head 0 is uniform, head 1 looks at its own position alone. */
static void show(const ns_probe *probe, void *state, int64_t row0, int64_t n, int64_t key0)
{
    const ns_site site = {.size = sizeof site, .point = NS_POINT_PATTERN, .c = &the_case, .row0 = row0, .n_rows = n, .key0 = key0,
                          .n_keys = row0 + n - key0,
                          .n_heads = HEADS, .n_kv_heads = 1};
    const ns_view view = {.data = &pattern[0][row0][key0], .dtype = NS_F32, .rank = 3, .shape = {HEADS, n, site.n_keys},
                          .stride = {ROWS * ROWS, ROWS, 1}};
    fuzz_check(probe->see(state, &site, &view, NULL) == NS_OK, "a row is judged");
}

static void run(const ns_probe *probe)
{
    static const int32_t special[] = {8};
    char reason[NS_REASON];
    float first[HEADS] = {NAN, NAN}, second[HEADS] = {0}, *out[2] = {first, second};
    const ns_probe_context ctx = {.c = &the_case, .probe = probe, .n_layers = 1, .n_heads = HEADS, .special = special, .n_special = 1};
    const char *const why = probe->rejects(&ctx, reason);
    if (why) {
        fuzz_check(*why && strlen(why) < NS_REASON, "a reason is a short text");
        return;
    }
    for (int h = 0; h < HEADS && probe->n_outputs == 2; h++)
        first[h] = 0;
    void *const state = calloc(1, probe->state_size);
    fuzz_check(state != NULL, "calloc");
    const int rc = probe->begin(state, &ctx, out, NULL);
    for (int64_t row = 0; row < ROWS && rc == NS_OK; row += 3)
        show(probe, state, row, row + 3 < ROWS ? 3 : ROWS - row, row / 2);
    probe->end(state, NULL);
    free(state);
    fuzz_check(rc == NS_OK, "what was parsed once begins");
    for (int h = 0; h < HEADS && probe->n_outputs == 2; h++)
        fuzz_check(first[h] >= 0 && first[h] <= second[h] && second[h] <= ROWS, "hits are no more than events");
    for (int h = 0; h < HEADS && probe->n_outputs == 1; h++)
        fuzz_check(isnan(first[h]) || (first[h] >= -1e-6f && first[h] <= ROWS + 1), "a mean is possible");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_probe *probe;
    ns_error err = {""};
    for (int64_t q = 0; q < ROWS; q++)
        for (int64_t k = 0; k <= q; k++) {
            pattern[0][q][k] = 1.0f / (float)(q + 1);
            pattern[1][q][k] = k == q;
        }
    const int rc = ns_probe_from_json(&probe, (const char *)data, n, "input", &err);
    fuzz_check_outcome(rc, probe, &err);
    if (rc == NS_OK) {
        fuzz_check(probe->n_scores == 1 && probe->n_outputs >= 1 && probe->n_outputs <= 2 && *probe->name, "a whole probe");
        run(probe);
    }
    ns_probe_free(probe);
    return 0;
}
