/* test_compare.c - the comparison that the tests stand on can fail: at a NaN wherever it comes, and at no comparison at all. */
#include "compare.h"

#include <stdio.h>

static int failures;

static void expect(const char *what, bool seen, bool wanted)
{
    failures += seen != wanted;
    if (seen != wanted)
        printf("FAILED: %s\n", what);
}

int main(void)
{
    static const double lists[][3] = {{.1, -.2, .05}, {NAN, .1, .1}, {.1, NAN, .1}, {.1, .1, NAN}, {.1, INFINITY, .1}, {.1, -.4, .1}};
    for (int i = 0; i < 6; i++) {
        ns_worst w = {0};
        for (int k = 0; k < 3; k++)
            ns_worst_add(&w, lists[i][k]);
        expect("within the bound: only the first list is", ns_worst_within(&w, .3, 3), i == 0);
        expect("a cell that was not compared fails", ns_worst_within(&w, .3, 4), false);
    }
    const ns_worst never = {0};
    expect("nothing compared fails", ns_worst_within(&never, 1, 0), false);
    return failures != 0;
}
