/* check.c - ranges and refusals of a description. */
#include "model/branch/check.h"

#include <math.h>
#include <stdio.h>

int ns_check_range(const ns_checker *c, const char *what, int64_t value, int64_t low, int64_t high)
{
    if (value >= low && value <= high)
        return NS_OK;
    return ns_fail(c->err, NS_E_FORMAT, "%s: %s%s is %lld, outside %lld to %lld", c->label, c->where, what, (long long)value,
                   (long long)low, (long long)high);
}

int ns_check_at_least(const ns_checker *c, const char *what, double value, double low)
{
    if (isfinite(value) && value >= low)
        return NS_OK;
    return ns_fail(c->err, NS_E_FORMAT, "%s: %s%s is %g: a finite number of at least %g is needed", c->label, c->where, what, value, low);
}

int ns_check_refuse(const ns_checker *c, const char *why)
{
    return ns_fail(c->err, NS_E_FORMAT, "%s: %s%s", c->label, c->where, why);
}

int ns_check_norm(const ns_checker *c, const char *what, const ns_norm *n)
{
    if (n->type == NS_NORM_NONE)
        return n->weight.name || n->bias.name ? ns_check_refuse(c, "a norm of type none has weights") : NS_OK;
    if (n->type == NS_NORM_L2 && (n->weight.name || n->bias.name))
        return ns_check_refuse(c, "a norm of type l2 has no weights");
    if (n->offset != 0 && !n->weight.name)
        return ns_check_refuse(c, "a norm without a weight has an offset, which is added to that");
    char key[32];
    snprintf(key, sizeof key, "%s: eps", what);
    const int rc = ns_check_at_least(c, key, (double)n->eps, 0);
    snprintf(key, sizeof key, "%s: offset", what);
    return rc != NS_OK ? rc : ns_check_at_least(c, key, (double)n->offset, -1e6);
}
