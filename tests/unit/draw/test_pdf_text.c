/* test_pdf_text.c - the words of a figure are words in its PDF, as pdftotext reads them. */
#include "../../unit.h"

#include "draw/heads.h"
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_pdf_text(void **state)
{
    (void)state;
    if (system("command -v pdftotext >/dev/null 2>&1") != 0)
        SKIP("pdftotext (poppler-utils) is not installed");
    static float score[6] = {0, .1f, .2f, .3f, .4f, .5f};
    static const int kind[3] = {0, 1, 2};
    static const int64_t window[3] = {64, 64, 64};
    const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = 3, .n_heads = 2, .kind = kind, .window = window,
                               .score_name = "find <a> & b",
                               .model_name = "tiny model", .chance = 0.05};
    char *path = scratch("text.pdf"), command[512], text[1 << 14];
    assert_int_equal(ns_draw_heads(path, &f, NULL, NULL), NS_OK);
    snprintf(command, sizeof command, "pdftotext '%s' -", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[fread(text, 1, sizeof text - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    static const char *const wanted[] = {"find <a> & b", "tiny model", "head", "layer", "SWA (64)", "recurrent", "chance"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(text, wanted[i]))
            fail_msg("no '%s' in the PDF's text: %s", wanted[i], text);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pdf_text)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
