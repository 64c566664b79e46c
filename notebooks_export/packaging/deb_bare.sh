#!/usr/bin/env bash
# deb_bare.sh CACHE DIST BUILD - installs DIST/*.deb into a bare root of the release that they were built on by its apt, cuts the network
# off, and runs there what the wheel's test runs: self-test, demo, a page of Python; scores and figures are those of BUILD, byte by byte.
# Then the library as a stranger meets it: the program of docs/c-api.md by pkg-config, shared. As root.
set -euo pipefail
here=$(dirname "$(realpath "$0")") root=$(realpath "$(dirname "$0")/../..")
cache=$(realpath "$1") dist=$(realpath "$2") build=$(realpath "$3")
. "$here/../wheel/roots.sh"
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
in=$cache/roots/$release-deb

# The release's own sources of packages, and the names of machines, from here.
copy_root() {
    bare_root "$release" && rm -rf "$in" && cp -a "$cache/roots/$release" "$in" && rm -rf "$in"/{venv,out,wheels} || return
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(IDENTIFIER) $(ORIGIN)' | grep ' Packages Debian$' |
        awk '!seen[$1, $2, $3]++ {print "deb", $1, $2, $3}' >"$in/etc/apt/sources.list"
    cp /etc/resolv.conf "$in/etc"
    mkdir "$in/debs" && cp "$dist"/*needlescope*.deb "$in/debs" && goods "$in/goods"
    cp "$root/tests/consumer/stranger.c" "$in/goods"
}
with_network() { chroot "$in" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@" >>"$in.log" 2>&1; }
install_debs() {
    with_network apt-get update -qq && with_network sh -c 'apt-get install -y -qq --no-install-recommends python3-xarray \
        python3-h5netcdf /debs/needlescope_*.deb /debs/libneedlescope0_*.deb /debs/python3-needlescope_*.deb'
}
pages() {
    local page
    for page in '' -score -figure -figure-heads -lab-laziness; do
        [ -s "$in/usr/share/man/man1/needlescope$page.1.gz" ] || { say "no man page needlescope$page"; return 1; }
    done
    inside "$in" bash -euc '. /usr/share/bash-completion/completions/needlescope.bash && complete -p needlescope' >&2
}
stranger() {
    with_network sh -c 'apt-get install -y -qq --no-install-recommends gcc libc6-dev pkg-config /debs/libneedlescope-dev_*.deb' || return
    inside "$in" sh -euc 'cc -Wall -Werror -std=c11 /goods/stranger.c $(pkg-config --cflags --libs needlescope) -o /stranger &&
        /stranger /out/demo/model /out/demo/cases.jsonl' >&2
}

rm -f "$in.log"
copy_root && install_debs || { tail -n 20 "$in.log" >&2; say "$release: not installed (see $in.log)"; echo "0 passed, 1 failed"; exit 1; }
expect "$build"
inside "$in" sh /goods/bare_run.sh /out needlescope >&2
inside "$in" sh -euc 'cd /out && python3 /goods/bare_blocks.py /goods /usr/lib/' >&2
diff "$cache/expected.txt" "$in/out/said.txt" >&2 || { say "$release: not what the source build gives"; echo "0 passed, 1 failed"; exit 1; }
pages
stranger
say "$release: installed, ran, and gave the $(wc -l <"$cache/expected.txt") hashes of the source build; a stranger's program was compiled"
rm -rf "$in"
echo "1 passed, 0 failed"
