/* test_dropped.c - names of strangers that are longer than their place are cut between characters: the first case that was dropped for a
 * reason, groups of runs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/core.h"
#include "dropped.h"
#include <needlescope/training.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `lead` bytes of one, then 100 characters of two. */
static const char *long_name(size_t lead, char out[256])
{
    memset(out, 'a', lead);
    out[lead] = '\0';
    for (int i = 0; i < 100; i++)
        strcat(out, "\xc3\xa9");
    return out;
}

/* As much of `name` as has room, none of it half a character. */
static void assert_cut(const char *text, const char *name, size_t room)
{
    const size_t n = strlen(text);
    assert_true(n < room && n + 2 >= room && n < strlen(name));
    assert_true(ns_utf8_valid(text, n, NULL));
    assert_memory_equal(text, name, n);
}

static void test_first(void **state)
{
    (void)state;
    for (size_t lead = 0; lead < 2; lead++) {
        char id[256];
        ns_drops d = {0};
        ns_error err;
        assert_int_equal(ns_drops_add(&d, "no answer", long_name(lead, id), &err), NS_OK);
        assert_int_equal(ns_drops_add(&d, "no answer", "another", &err), NS_OK);
        assert_int_equal(ns_drops_add(&d, "too long", "short", &err), NS_OK);
        assert_true(d.n == 2 && d.list[0].n == 2);
        assert_cut(d.list[0].first_id, id, sizeof d.list[0].first_id);
        assert_string_equal(d.list[1].first_id, "short");
        ns_drops_clear(&d);
    }
}

static void test_groups(void **state)
{
    (void)state;
    for (size_t lead = 0; lead < 2; lead++) {
        char name[256], out[NS_GROUP_TEXT];
        const ns_seed_group bare = {.window = (double)NAN, .nope = (double)NAN},
                            arm = {.arm = long_name(lead, name), .window = 4, .nope = (double)NAN};
        assert_cut(ns_group_text(&bare, name, out), name, sizeof out);
        assert_cut(ns_group_text(&arm, "run", out), name, sizeof out);
    }
    const ns_seed_group whole = {.arm = "full", .pattern = "SSFS", .window = 4, .nope = 1};
    char out[NS_GROUP_TEXT];
    assert_string_equal(ns_group_text(&whole, "run", out), "full SSFS W=4 NoPE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first), cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
