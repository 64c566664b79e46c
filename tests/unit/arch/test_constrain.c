/* test_constrain.c - constraints: words and what they are not, which layers they reach, which keys they leave. */
#include "arch_test.h"

static ns_error err;
static char told[256];
static int n_told;

static void tell(void *user, const char *line)
{
    (void)user;
    n_told++;
    snprintf(told, sizeof told, "%s", line);
}

/* What words, split at commas, come to. */
static int constrain(ns_arch *a, const char *text)
{
    char copy[128], *words[16];
    int64_t n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = strtok(copy, ","); at; at = strtok(NULL, ","))
        words[n++] = at;
    return ns_arch_constrain(a, (const char *const *)words, n, tell, NULL, &err);
}

static void comes_to(const char *config, const char *words, const char *want)
{
    ns_arch *const a = arch_of(small_config(config));
    char *text = NULL;
    if (constrain(a, words) != NS_OK || ns_arch_constraints(a, &text, &err) != NS_OK || strcmp(text, want))
        fail_msg("%s %s: '%s', not '%s' (%s)", config, words, text ? text : "", want, err.message);
    ns_arch *const again = arch_of(small_config(config));
    assert_int_equal(constrain(again, text), NS_OK);             /* what is said is read as what it says */
    for (int64_t l = 0; l < a->n_layers; l++) {
        const ns_attn *const x = ns_arch_attn(a, l), *const y = ns_arch_attn(again, l);
        assert_true(!x == !y && (!x || (x->cut == y->cut && x->kept == y->kept)));
        assert_int_equal(ns_arch_layer_kind(a, l), ns_arch_layer_kind(again, l));
    }
    free(text);
    ns_arch_free(again);
    ns_arch_free(a);
}

static void refused(const char *config, const char *words, const char *says)
{
    ns_arch *const a = arch_of(small_config(config));
    char *text = NULL;
    const int rc = constrain(a, words);
    assert_int_equal(ns_arch_constraints(a, &text, &err) == NS_OK ? text[0] : -1, 0);
    err.message[0] = '\0';
    if (rc != NS_E_ARG || constrain(a, words) != NS_E_ARG || !strstr(err.message, says) || strchr(err.message, '\n'))
        fail_msg("%s %s: %d '%s', not '%s'", config, words, rc, err.message, says);
    free(text);
    ns_arch_free(a);
}

static void test_words(void **unused)
{
    (void)unused;
    comes_to("llama", "", "");
    comes_to("llama", "full=5", "0,1=5");
    comes_to("gemma3_text", "full=5+2", "5=5+2");
    comes_to("gemma3_text", "swa=5+2,full=8", "0,1,2,3,4=5+2,5=8");
    comes_to("gemma3_text", "0,3-5=64,1=64", "0,1,3,4,5=64");
    comes_to("gemma3_text", "1=64,0,5=7+1", "0,5=7+1,1=64");
    comes_to("minimax", "recurrent=9", "0=9");
    assert_int_equal(n_told, 0);
    comes_to("falcon_h1", "full=9", "0,1=9");
    assert_true(n_told == 4 && strstr(told, "layer 1") && strstr(told, "the other mixer that stands beside them is not"));
}

static void test_refused(void **unused)
{
    (void)unused;
    refused("llama", "full", "it says no =W");
    refused("llama", "full=5,0", "constraint 0: it says no =W");
    static const char *const no_bounds[] = {"full=", "full=0", "full=-1", "full=5+", "full=5+-1", "full=5-1", "full=5+1+1", "full=x",
                                            "full= 5", "full=99999999999999999999"};
    for (size_t i = 0; i < sizeof no_bounds / sizeof *no_bounds; i++)
        refused("llama", no_bounds[i], "behind = it has W or W+S");
    refused("llama", "ful=5", "ful is no kind of layers");
    refused("llama", "=5", "is no kind of layers");
    refused("llama", "1-0=5", "1-0 is no kind");
    refused("llama", "2=5", "the model has layers 0 to 1");
    refused("llama", "swa=5", "no layer of the model is swa");
    refused("llama", "full=5,1=6", "layer 1 is constrained twice");
    refused("nemotron_h", "3=5", "layer 3 has no mask: nothing in it looks at other rows");
    refused("recurrent_gemma", "recurrent=5", "layer 0 has no mask: no rows of keys are made there");
}

/* By the definition, of each key. */
static bool sees(const ns_attn *a, int64_t window, int64_t row, int64_t key)
{
    const bool model = a->chunk ? key / a->chunk == row / a->chunk : !window || key > row - window;
    return key <= row && model && (!a->cut || key > row - a->cut || key < a->kept);
}

static void test_keys(void **unused)
{
    (void)unused;
    enum { N = 40 };
    int64_t head_window[] = {0, 7};
    int64_t gaps = 0;
    for (int64_t i = 0; i < 3 * 12 * 12; i++) {
        const ns_attn a = {.n_heads = 2, .head_window = i % 3 == 0 ? head_window : NULL, .window = i % 3 == 1 ? 9 : 0,
                           .chunk = i % 3 == 2 ? 11 : 0, .cut = i / 3 % 12, .kept = i / 36 % 12};
        for (int64_t h = 0; h < 2; h++)
            for (int64_t row = 0; row < N; row++) {
                const ns_seen_keys keys = ns_attn_seen_keys(&a, h, row);
                assert_int_equal(keys.first, ns_attn_first_key(&a, h, row));
                assert_true(keys.first <= keys.gap && keys.gap <= keys.after && keys.after <= row);
                gaps += keys.gap < keys.after;
                for (int64_t key = 0; key < N; key++)
                    assert_int_equal((key >= keys.first && key < keys.gap) || (key >= keys.after && key <= row),
                                     sees(&a, a.head_window ? head_window[h] : a.window, row, key));
            }
    }
    assert_true(gaps > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_refused), cmocka_unit_test(test_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
