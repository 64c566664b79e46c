/* check.h - cmocka with its headers in the order it needs. */
#ifndef TEST_CLI_CHECK_H
#define TEST_CLI_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/cli.h"

#endif
