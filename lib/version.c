/* version.c - the version that meson.build states. */
#include <needlescope/api.h>

const char *ns_version(void)
{
    return NS_VERSION;
}
