#!/bin/sh
# embed.sh HEADER PREFIX FILE... - texts as C arrays, a literal for each line: cells/top.py becomes PREFIX_top.
header=$1 prefix=$2
shift 2
printf '#include <stddef.h>\n#include "%s"\n' "$header"
for file in "$@"; do
    name=$(basename "$file")
    echo "const char *const ${prefix}_${name%.*}[] = {"
    sed -e 's/\\/&&/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/.*/    "&",/' "$file"
    printf '    NULL,\n};\n'
done
