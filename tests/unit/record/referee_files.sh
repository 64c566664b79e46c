#!/bin/sh
# referee_files.sh SAMPLE_FILES - every kind of file, written by us, read by h5py, xarray and netCDF4.
[ -n "$NS_PYTHON" ] || { echo "SKIP: NS_PYTHON is not set; run ./start test --referees"; exit 77; }
here=$(dirname "$0")
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
"$1" "$work" && "$NS_PYTHON" "$here/referee_files.py" "$work" "$here/../../../lib/record/schema.md"
