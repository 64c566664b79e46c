# roots.sh - what is sourced by tests in bare roots: CACHE (cache) has the roots, each made once by debootstrap, and ROOT (root) is the
# source tree. As root.
say() { printf '%s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "bare roots: chroot needs root"; exit 2; }
tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
mkdir -p "$cache/roots"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | sed -n 's/ Debian Debian$//p' | head -n 1)

# What the run needs, and no more.
goods() {
    local to=$1
    rm -rf "$to" && mkdir -p "$to/tests" "$to/docs"
    cp "$tools"/bare_run.sh "$tools"/bare_blocks.py "$tools"/bare_hash.py "$root/start" "$to"
    cp "$root/docs/python.md" "$to/docs"
}
# bare_root RELEASE: made once; python3 and venv are all that is added.
bare_root() {
    [ ! -e "$cache/roots/$1.made" ] || return 0
    say "making a bare $1"
    rm -rf "$cache/roots/$1"
    debootstrap --variant=minbase --include=python3,python3-venv "$1" "$cache/roots/$1" ${mirror:+"$mirror"} \
        >"$cache/roots/$1.log" 2>&1 || return
    touch "$cache/roots/$1.made"
}
# inside ROOT COMMAND...: with its own mounts and no network.
inside() {
    local in=$1
    shift
    unshare -m -n sh -c 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$@"' "$in" "$in" \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}
# expect BUILD: CACHE/expected.txt, what the build of the sources gives.
expect() {
    goods "$cache/goods"
    rm -rf "$cache/out"
    sh "$cache/goods/bare_run.sh" "$cache/out" "$1/cli/needlescope" >&2
    cp "$cache/out/said.txt" "$cache/expected.txt"
    [ "$(wc -l <"$cache/expected.txt")" -gt 10 ] || { say "nothing to compare with"; exit 1; }
}
