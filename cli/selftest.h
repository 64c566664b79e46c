/* selftest.h - the zoo of doctor --self-test. */
#ifndef NS_CLI_SELFTEST_H
#define NS_CLI_SELFTEST_H

#include "cli/out.h"

/* Plants the zoo in a folder (config.json, model.safetensors, planted.json), writes its tables, and adds to *failed what is not as
 * planned. */
int cli_self_test(cli *, cli_out *, const char *folder, int *failed);

#endif
