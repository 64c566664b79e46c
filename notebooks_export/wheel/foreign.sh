#!/usr/bin/env bash
# foreign.sh MACHINE COMMAND... - where the programs of that machine run too, by qemu (qemu-user-static, with the C library of
# libc6-arm64-cross). On this machine itself the command alone. The kernel learns of it in namespaces of this command's own
# (Linux 6.7); on an older one binfmt-support has to have told it.
set -euo pipefail
machine=$1
shift
[ "$machine" != "$(uname -m)" ] || exec "$@"
case $machine in
aarch64) head='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' cross=/usr/aarch64-linux-gnu ;;
*) echo "foreign.sh: $machine: only aarch64 is known" >&2 && exit 2 ;;
esac
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
export QEMU_LD_PREFIX=$cross TAR_OPTIONS=--no-same-owner        # the namespace knows one user
[ ! -e "/proc/sys/fs/binfmt_misc/qemu-$machine" ] || exec "$@"
exec unshare --map-root-user --mount sh -euc '
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    printf %s "$0" >/proc/sys/fs/binfmt_misc/register
    exec "$@"' ":qemu-$machine:M::$head:$mask:$(command -v "qemu-$machine-static"):F" "$@"
