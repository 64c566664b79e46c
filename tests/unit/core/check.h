/* check.h - cmocka with its headers in the order it needs. */
#ifndef TEST_CORE_CHECK_H
#define TEST_CORE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/core.h"

/* A folder for a test's files, and its end. */
static inline int check_make_folder(char folder[64])
{
    strcpy(folder, "/tmp/ns-core-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int check_remove_folder(const char *folder)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#endif
