/* test_series.c - names of checkpoints: every pattern, its step and tokens; order; doubles; what is no checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <needlescope/series.h>

#include "core/core.h"

static void names(void **state)
{
    (void)state;
    static const struct { const char *name; int64_t stage, step, tokens; } known[] = {
        {"checkpoint-1000", 0, 1000, -1}, {"step1000", 0, 1000, -1}, {"step000120", 0, 120, -1}, {"step1000-tokens4B", 0, 1000, 4000000000},
        {"step1000-unsharded", 0, 1000, -1}, {"stage1-step1000-tokens5B", 1, 1000, 5000000000}, {"stage2-ingredient1-step7-tokens12M", 2, 7, 12000000},
        {"global_step1000", 0, 1000, -1}, {"iter_0001000", 0, 1000, -1}, {"epoch=0-step=1000", 0, 1000, -1}, {"epoch=3-step=12-val_loss=0.5", 0, 12, -1},
        {"step-1000", 0, 1000, -1}, {"step_1000", 0, 1000, -1}, {"ep0-ba1000", 0, 1000, -1},
    };
    ns_series_item item;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_true(ns_series_parse(known[i].name, &item));
        assert_int_equal(item.stage, known[i].stage);
        assert_int_equal(item.step, known[i].step);
        assert_int_equal(item.tokens, known[i].tokens);
        assert_false(item.final);
    }
    assert_true(ns_series_parse("main", &item) && item.final);
    static const char *const unknown[] = {"optimizer", "step", "stepX", "checkpoint-", "checkpoint-1-optimizer", "mystep10", "step99999999999999999999"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (ns_series_parse(unknown[i], &item))
            fail_msg("'%s' is taken for step %lld", unknown[i], (long long)item.step);
}

static void make(const char *root, const char *name)
{
    char *const folder = ns_path_join(root, name), *const file = ns_path_join(folder, "config.json");
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(ns_file_write(file, "{}", 2, NULL), 0);
    free(folder);
    free(file);
}

static void order(void **state)
{
    (void)state;
    char root[] = "/tmp/needlescope-series-XXXXXX";
    ns_error err;
    ns_series s;
    assert_non_null(mkdtemp(root));
    static const char *const folders[] = {"stage2-step5", "stage1-step1000", "stage1-step20", "main", "stage1-step3-tokens1B", "logs"};
    static const char *const want[] = {"stage1-step3-tokens1B", "stage1-step20", "stage1-step1000", "stage2-step5", "main"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make(root, folders[i]);
    assert_int_equal(ns_series_find(&s, root, &err), NS_OK);
    assert_int_equal(s.n, 5);
    for (int64_t i = 0; i < s.n; i++) {
        assert_string_equal(s.list[i].label, want[i]);
        assert_true(i == 0 || s.list[i].step > s.list[i - 1].step);
    }
    ns_series_clear(&s);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
