#!/bin/sh
# cells.sh FILE... - the code of cells as C arrays, a literal for each line: cells/top.py becomes ns_cell_top.
printf '#include <stddef.h>\n#include "cells.h"\n'
for file in "$@"; do
    echo "const char *const ns_cell_$(basename "$file" .py)[] = {"
    sed -e 's/\\/&&/g' -e 's/"/\\"/g' -e 's/.*/    "&",/' "$file"
    printf '    NULL,\n};\n'
done
