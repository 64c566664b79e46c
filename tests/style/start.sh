#!/bin/bash
# start.sh START - what ./start says and asks for on machines that lack something: its PATH holds only stand-ins for id, dpkg-query, sudo,
# apt-get and meson; and that a deep run that was stopped is gone on with.
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
expect 2 err "^start: docs takes no '--fast'$" meson docs --fast
expect 2 err "^start: no command 'fuz'; did you mean fuzz\?$" meson fuz
expect 2 err "^start: fuzz: '--fast' is no number of seconds$" meson fuzz --fast
expect 2 err "^start: wheel takes no '--fast'$" meson wheel --fast
expect 2 err "^start: deb takes no '--fast'$" meson deb --fast
expect 2 err "^start: no command 'whel'; did you mean wheel\?$" meson whel
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

# A deep run that was stopped is gone on with: the stand-in for meson lists three tests, runs those that it is given, and is stopped after
# the first; $work/asked says what it was given.
for tool in find sort xargs sha256sum sed head wc rm mkdir cp; do ln -s "$(command -v $tool)" "$bin/$tool"; done
stand_in ninja ':'
mkdir -p "$work/build/meson-logs"
: >"$work/build/build.ninja"
stand_in meson 'cd "'"$work"'" || exit
tests=("needlescope:unit / one" "needlescope:deep / two, of all" "needlescope:deep / three+")
case "$*" in
configure*) exit ;;
*--list*) printf "%s\n" "${tests[@]}"; exit ;;
esac
echo "$*" >build/asked
n=0
for test in "${tests[@]}"; do
    case "$* " in
    *"${test#* / }"* | *"no-suite referee ") printf "{\"name\": \"%s\", \"result\": \"OK\"}\n" "$test"; n=$((n + 1)) ;;
    esac
    [ ! -e build/stop ] || [ $n = 0 ] || exit 1
done >build/meson-logs/testlog-deep.json'
: >"$work/build/stop"
expect 1 out '^1 passed, 1 failed$' unbound test --deep
expect 1 out '^2 passed, 1 failed$' unbound test --deep --resume
grep -q 'no-suite referee two, of all three+$' "$work/build/asked" || { echo "FAILED: $(cat "$work/build/asked")"; faults=$((faults + 1)); }
rm "$work/build/stop"
expect 0 out '^3 passed, 0 failed$' unbound test --deep --resume
grep -q 'no-suite referee three+$' "$work/build/asked" || { echo "FAILED: $(cat "$work/build/asked")"; faults=$((faults + 1)); }
expect 0 out '^3 passed, 0 failed$' unbound test --deep --resume
echo changed >"$work/code"
expect 0 out '^3 passed, 0 failed$' unbound test --deep --resume
grep -q 'no-suite referee one two, of all three+$' "$work/build/asked" || { echo "FAILED: other code"; faults=$((faults + 1)); }
expect 2 err '^start: --resume is of --deep, and of all its tests$' unbound test --resume
expect 2 err '^start: --resume is of --deep, and of all its tests$' unbound test --deep --resume one
[ $faults = 0 ] && echo "./start says what is missing, and goes on with a deep run"
