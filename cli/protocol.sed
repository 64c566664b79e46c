# protocol.json as the C array cli_lab_protocol, a literal for each line.
s/\\/&&/g
s/"/\\"/g
s/.*/    "&",/
1i\
#include "cli/lab.h"\
const char *const cli_lab_protocol[] = {
$a\
    NULL,\
};
