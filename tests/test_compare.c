/* test_compare.c - the comparison that the tests stand on can fail: at a NaN wherever it comes, and at no comparison at all. */
#include "compare.h"
#include "unit.h"

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
    expect("near: itself, within the bound, infinity", ns_is_near(1, 1, 0) && ns_is_near(1, 1.09, .1) && ns_is_near(INFINITY, INFINITY, 0),
           true);
    expect("not near: beyond the bound, a NaN on either side, both, a NaN as the bound, the other infinity",
           ns_is_near(1, 1.11, .1) || ns_is_near(NAN, 1, .1) || ns_is_near(1, NAN, .1) || ns_is_near(NAN, NAN, .1) ||
               ns_is_near(1, 2, NAN) || ns_is_near(INFINITY, -INFINITY, 1e300),
           false);
    expect("the exit code of a failed, a passed and a skipped group", ns_exit_code(3) == 1 && ns_exit_code(0) == 0, true);
    ns_skipped = 1;
    expect("skipped is not passed, failed is not skipped", ns_exit_code(0) == 77 && ns_exit_code(1) == 1, true);
    return failures != 0;
}
