/* check.h - the words in which a description is found unsound: they name the file, the place, the value, and what is possible. */
#ifndef NS_CHECK_H
#define NS_CHECK_H

#include <needlescope/arch.h>

typedef struct ns_checker {
    const ns_arch *a;
    const char    *label;      /* begins the message */
    ns_error      *err;
    char           where[64];  /* "layer 3: " */
} ns_checker;

/* Each NS_OK or NS_E_FORMAT. A NaN is below everything. */
int ns_check_range(const ns_checker *, const char *what, int64_t value, int64_t low, int64_t high);
int ns_check_at_least(const ns_checker *, const char *what, double value, double low);
int ns_check_norm(const ns_checker *, const char *what, const ns_norm *);
int ns_check_refuse(const ns_checker *, const char *why);

#endif
