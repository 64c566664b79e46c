#!/bin/sh
# ldconfig.sh LIBDIR - after an installation into the running system: the loader learns of the library, or one line says what a program
# needs to find it.
PATH=$PATH:/usr/sbin:/sbin
command -v ldconfig >/dev/null || exit 0            # musl and others: the library's own path is in the program
[ "$(id -u)" != 0 ] || ldconfig || exit 1
ldconfig -p | grep -qF "$1/libneedlescope.so.0" ||
    echo "programs that link libneedlescope need -Wl,-rpath,$1 (or, as root: echo $1 >/etc/ld.so.conf.d/needlescope.conf; ldconfig)"
