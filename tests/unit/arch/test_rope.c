/* test_rope.c - inverse frequencies against transformers (rope_values.h), through config.json: within one f32 ulp, since torch's powf is
 * not correctly rounded and ours is nearly so. */
#include "arch_test.h"
#include "rope_values.h"

static int64_t ulps(float a, float b)
{
    int32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return llabs((int64_t)x - y);
}

static void as_transformers(void **state)
{
    (void)state;
    int64_t equal = 0, total = 0;
    for (size_t i = 0; i < sizeof rope_cases / sizeof *rope_cases; i++) {
        const struct rope_case *const c = &rope_cases[i];
        ns_arch *const a = arch_of(c->config);
        float f[128], m;
        ns_error err = {""};
        assert_int_equal(a->ropes[0].rotary_dim, 2 * c->half);
        if (ns_rope_frequencies(&a->ropes[0], a->max_positions, c->n, f, &m, &err))
            fail_msg("%s", err.message);
        for (int64_t k = 0; k < c->half; k++, total++) {
            equal += f[k] == c->inv_freq[k];
            if (ulps(f[k], c->inv_freq[k]) > 2)
                fail_msg("%s at %lld: f[%lld] = %a, transformers %a", c->config, (long long)c->n, (long long)k, (double)f[k],
                         (double)c->inv_freq[k]);
        }
        if (ulps(m, (float)c->attention_factor) > 1)
            fail_msg("%s: attention factor %.9g, transformers %.9g", c->config, (double)m, c->attention_factor);
        ns_arch_free(a);
    }
    print_message("%lld of %lld frequencies have the same bits\n", (long long)equal, (long long)total);
    assert_true(equal * 10 >= total * 9);
}

static void nonsense(void **state)
{
    (void)state;
    float f[8], m;
    ns_error err = {""};
    const ns_rope odd = {.theta = 1e4, .rotary_dim = 3}, flat = {.theta = 1, .rotary_dim = 4},
                  homeless = {.theta = 1e4, .rotary_dim = 4, .scaling = NS_ROPE_YARN, .factor = 2},
                  empty = {.theta = 1e4, .rotary_dim = 4, .scaling = NS_ROPE_LONGROPE, .factor = 2, .original_max_positions = 8};
    const ns_rope *const all[] = {&odd, &flat, &homeless, &empty};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_int_equal(ns_rope_frequencies(all[i], 0, 10, f, &m, &err), NS_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_transformers), cmocka_unit_test(nonsense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
