#!/bin/bash
# start.sh START - what ./start says and asks for on machines that lack something: its PATH holds only stand-ins for id, dpkg-query, sudo
# and apt-get.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$1" "$work/start"
bin=$work/bin
mkdir "$bin"
for tool in bash dirname grep cat env; do ln -s "$(command -v $tool)" "$bin/$tool"; done
stand_in() { printf '#!%s\n%s\n' "$(command -v bash)" "$2" >"$bin/$1"; chmod +x "$bin/$1"; }

faults=0
# expect STATUS STREAM PATTERN ABSENT WORD...: ./start WORD... ends so; the last line of its stdout or stderr has PATTERN; nothing has
# ABSENT.
expect() {
    local status=$1 stream=$2 pattern=$3 absent=$4 got=0
    shift 4
    PATH=$bin "$bin/bash" "$work/start" "$@" >"$work/out" 2>"$work/err" || got=$?
    [ $got = "$status" ] && tail -n 1 "$work/$stream" | grep -qE -- "$pattern" && ! grep -qE -- "$absent" "$work/out" "$work/err" && return
    echo "FAILED: ./start $*: status $got, wanted $status, /$pattern/ in the last line and no /$absent/ in:"
    cat "$work/out" "$work/err"
    faults=$((faults + 1))
}

expect 0 out 'nettle; for the tests cmocka' 'no command'
expect 2 err "^start: no command 'dmo'; did you mean demo\?$" meson dmo
expect 2 err "^start: no command 'tset'; did you mean test\?$" meson tset
expect 2 err "^start: no command 'frobnicate' \(./start explains\)$" 'did you mean' frobnicate
expect 2 err "^start: demo takes no '--fast'$" meson demo --fast
expect 2 err "^start: no command 'fuz'; did you mean fuzz\?$" meson fuz
expect 2 err "^start: fuzz: '--fast' is no number of seconds$" meson fuzz --fast
expect 2 err "^start: fuzz: '0' is no number of seconds$" meson fuzz 0
stand_in dpkg-query 'exit 1'
stand_in id 'echo 1000'
expect 1 err '^start: .*there is no sudo. As root: apt-get install --no-install-recommends build-essential .*libhdf5-dev' cmocka demo
expect 1 out '^0 passed, 1 failed$' 'unbound' test
grep -q 'As root: apt-get install .*libcmocka-dev' "$work/err" ||
    { echo "FAILED: ./start test asks for no cmocka"; faults=$((faults + 1)); }
expect 1 err '^start: .*there is no sudo. As root: apt-get install --no-install-recommends build-essential ' 'clang' fuzz 1
stand_in id 'echo 0'
expect 1 err '^start: packages are missing, and there is no apt-get: build-essential ' cmocka build
stand_in apt-get '[ "$1" = update ] || { echo "E: Unable to locate package"; exit 100; }'
expect 1 err '^start: apt-get failed \(see above: no network\?\)\. When it works, as root: apt-get install ' cmocka demo
stand_in id 'echo 1000'
stand_in sudo 'echo "sudo $*"; exec "$@"'
expect 1 err '^start: apt-get failed' cmocka demo
grep -q '^sudo env DEBIAN_FRONTEND=noninteractive apt-get install' "$work/err" ||
    { echo "FAILED: sudo was not asked"; faults=$((faults + 1)); }
stand_in dpkg-query 'for word; do :; done; case $word in *clang*) exit 1 ;; *) echo installed ;; esac'
mkdir -p "$work/tests/fuzz"
printf '#!%s\nexit 1\n' "$(command -v bash)" >"$work/tests/fuzz/run.sh"
chmod +x "$work/tests/fuzz/run.sh"
expect 1 err '^start: apt-get failed .* as root: apt-get install --no-install-recommends clang libclang-rt-dev$' cmocka fuzz 1
printf '#!%s\n[ "$1" = --clang ] || echo "run $*"\n' "$(command -v bash)" >"$work/tests/fuzz/run.sh"
expect 0 out '^run \. build-fuzz 7 glob json$' 'apt-get' fuzz 7 glob json
expect 0 out '^run \. build-fuzz 60 ?$' 'apt-get' fuzz
[ $faults = 0 ] && echo "./start says what is missing"
