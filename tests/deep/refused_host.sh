#!/bin/bash
# refused_host.sh HOST PRELOAD STRIDE - refused_host.c, in a folder of its own.
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
FAIL_ALLOC=host FAIL_ALLOC_DIR=$dir LD_PRELOAD=$(realpath "$2") "$1" "$dir" "$3"
