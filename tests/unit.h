/* unit.h - cmocka and what it lacks: a comparison that a NaN fails (its assert_float_equal lets one pass), and skipped tests that are
 * seen. */
#ifndef NS_TEST_UNIT_H
#define NS_TEST_UNIT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NS_SANITIZED
#endif

static inline bool ns_is_near(double got, double want, double bound)
{
    return got == want || fabs(got - want) <= bound;
}

#define assert_near(got, want, bound) \
    do { \
        const double got_ = (got), want_ = (want), bound_ = (bound); \
        if (!ns_is_near(got_, want_, bound_)) \
            fail_msg("%s is %.17g, not within %g of %.17g", #got, got_, bound_, want_); \
    } while (0)

/* Skips this test of the group. The whole program is a skipped test then, unless another test fails: what was not compared has not
 * passed. */
static int ns_skipped;
#define SKIP(why) \
    do { \
        print_message("SKIP: %s\n", why); \
        ns_skipped++; \
        skip(); \
    } while (0)

/* What main returns of cmocka_run_group_tests(). */
static inline int ns_exit_code(int failed)
{
    return failed ? 1 : ns_skipped ? 77 : 0;
}

#endif
