/* families.c - the table of families: those of the build file's list, a row each, defined in the files beside this one. */
#include <needlescope/family.h>
#include "model/families/family.h"
#include <string.h>

const ns_family *const ns_families[] = {
#define ENTRY(name) &ns_family_##name,
#include "model/families/family_list.h"
#undef ENTRY
    NULL,
};

const ns_family *ns_family_find(const char *type)
{
    for (int i = 0; ns_families[i]; i++)
        if (strcmp(ns_families[i]->type, type) == 0)
            return ns_families[i];
    return NULL;
}

const char *ns_family_type(int64_t i)
{
    const int64_t n = (int64_t)(sizeof ns_families / sizeof *ns_families);
    return i >= 0 && i < n - 1 ? ns_families[i]->type : NULL;
}
