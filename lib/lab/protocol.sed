# protocol.json as the C array ns_laboratory_lines, a literal for each line.
s/\\/&&/g
s/"/\\"/g
s/.*/    "&",/
1i\
#include "lab/laboratory.h"\
const char *const ns_laboratory_lines[] = {
$a\
    NULL,\
};
