#!/usr/bin/env bash
# deps.sh PREFIX MACHINE - what the wheel links statically, out of this Debian's source packages, by the compiler CC, CXX, AR, RANLIB for
# that machine (whose programs run here: foreign.sh): lean, as position-independent code. Each library is made once; PREFIX/licences has
# their texts and PREFIX/versions what they are.
set -euo pipefail
prefix=$(mkdir -p "$1" && realpath "$1") machine=$2-linux-gnu
sources=$prefix/sources
jobs=$(nproc)
flags="-O2 -fPIC -ffunction-sections -fdata-sections -fno-sanitize=undefined"
export CFLAGS=$flags CXXFLAGS=$flags CPPFLAGS="-I$prefix/include" LDFLAGS="-L$prefix/lib"
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig PKG_CONFIG_PATH=
mkdir -p "$sources" "$prefix"/{lib/pkgconfig,include,licences,apt/lists/partial}

say() { printf '%s\n' "$*" >&2; }

# The sources of the suites that this system has its packages from, in lists of our own: the system's are not touched.
apt=(-o "Dir::Etc::sourcelist=$prefix/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$prefix/apt/lists"
     -o APT::Sandbox::User=root)
list_sources() {
    [ ! -s "$prefix/apt/sources.list" ] || return 0
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(IDENTIFIER) $(ORIGIN)' | grep ' Packages Debian$' |
        awk '!seen[$1, $2, $3]++ {print "deb-src", $1, $2, $3}' >"$prefix/apt/sources.list"
    [ -s "$prefix/apt/sources.list" ] || { say "deps.sh: no Debian suite is known here: run apt-get update"; exit 1; }
    apt-get "${apt[@]}" update -qq >&2
}

# The newest version whose files are all there; else the release of its authors, without Debian's patches, which is said.
fetch() {
    local name=$1 version
    cd "$sources"
    for version in $(apt-cache "${apt[@]}" showsrc --only-source "$name" | sed -n 's/^Version: //p' | sort -Vr); do
        if apt-get "${apt[@]}" source -qq "$name=$version" >"$sources/$name.log" 2>&1; then
            echo "$name $version" >>"$prefix/versions"
            return
        fi
    done
    version=$(find . -maxdepth 1 -name "${name}_*.orig.tar.*" | head -n 1)
    [ -n "$version" ] || { cat "$sources/$name.log" >&2; say "deps.sh: no source of $name"; exit 1; }
    tar -xf "$version"
    echo "$name $(sed -E 's/.*_(.*)\.orig.*/\1/' <<<"$version") (without Debian's patches)" >>"$prefix/versions"
}

# library NAME LICENCE FUNCTION: unpacked, made and noted unless it was before.
library() {
    [ ! -e "$prefix/$1.made" ] || return 0
    say "making $1"
    fetch "$1"
    cd "$sources"
    cd "$(find . -maxdepth 1 -type d -name "$1-*" | head -n 1)"
    $3 >"$sources/$1.log" 2>&1 || { tail -n 30 "$sources/$1.log" >&2; say "deps.sh: $1 could not be made (see $sources/$1.log)"; exit 1; }
    # shellcheck disable=SC2086  # several files
    cat $2 >"$prefix/licences/$1.txt"
    touch "$prefix/$1.made"
}

# What autotools made is newer than what it is made of, also where Debian's patches touch that.
configure() {
    find . -name aclocal.m4 -exec touch {} + && sleep 0.01
    find . \( -name configure -o -name '*.in' -o -name stamp-h.in -o -name '*.1' -o -name '*.3' \) -exec touch {} +
    ./configure --build="$machine" --host="$machine" --prefix="$prefix" --disable-shared --enable-static "$@"
}
# pc NAME VERSION LIBS REQUIRES: for what comes without one.
pc() {
    printf 'prefix=%s\nlibdir=${prefix}/lib\nName: %s\nDescription: %s\nVersion: %s\nCflags: -I%s\nLibs: -L%s %s\nRequires: %s\n' \
        "$prefix" "$1" "$1" "$2" \
        "$prefix/include${5:-}" "$prefix/lib" "$3" "${4:-}" >"$prefix/lib/pkgconfig/$1.pc"
}
# objects LIBRARY FLAG... -- FILE...: compiled as they are.
objects() {
    local out=$1 own=() f list=()
    shift
    while [ "$1" != -- ]; do own+=("$1"); shift; done
    shift
    for f in "$@"; do
        # shellcheck disable=SC2086
        case $f in *.cc) "$CXX" $CXXFLAGS "${own[@]}" -c "$f" -o "$f.o" ;; *) "$CC" $CFLAGS "${own[@]}" -c "$f" -o "$f.o" ;; esac || return
        list+=("$f.o")
    done
    "$AR" rcs "$prefix/lib/$out" "${list[@]}"
}

make_zlib() { ./configure --prefix="$prefix" --static && make -j"$jobs" libz.a && make install; }
make_png() {
    configure && make -j"$jobs" libpng16.la &&
        make install-libLTLIBRARIES install-pkgincludeHEADERS install-nodist_pkgincludeHEADERS \
    install-pkgconfigDATA install-header-links install-library-links install-libpng-pc
}
make_deflate() {
    objects libdeflate.a -I. -- lib/*.c lib/{arm,x86}/cpu_features.c && cp libdeflate.h "$prefix/include" && pc libdeflate 1.14 -ldeflate
}
make_cjson() {
    objects libcjson.a -- cJSON.c && mkdir -p "$prefix/include/cjson" && cp cJSON.h "$prefix/include/cjson" &&
        pc libcjson 1.7.15 "-lcjson -lm" "" /cjson
}
make_pcre2() { configure --enable-jit --disable-pcre2grep-libz --disable-pcre2grep-libbz2 && make -j"$jobs" libpcre2-8.la &&
    make install-libLTLIBRARIES install-includeHEADERS install-nodist_includeHEADERS install-pkgconfigDATA; }
make_utf8proc() {
    objects libutf8proc.a -DUTF8PROC_STATIC -- utf8proc.c && cp utf8proc.h "$prefix/include" && pc libutf8proc 2.8.0 -lutf8proc
}
# Hashes alone: no public keys, so no GMP. Fat: SHA instructions where the CPU has them.
make_nettle() {
    configure --disable-public-key --disable-documentation --disable-openssl --enable-fat --libdir="$prefix/lib" &&
        make -j"$jobs" libnettle.a &&
    make install-static install-headers install-pkgconfig
}
# As Debian's: for threads, with the high-level library. One of its functions has lost its type to a patch.
make_hdf5() {
    CFLAGS="$flags -Wno-implicit-int -w" configure \
        --enable-threadsafe --enable-unsupported --enable-build-mode=production --disable-fortran --disable-cxx --disable-java \
        --with-zlib="$prefix" --without-szlib --with-default-api-version=v110 --disable-tests --disable-tools &&
        make -j"$jobs" -C src install && make -j"$jobs" -C hl/src install && pc hdf5 1.10.8 "-lhdf5 -lz -ldl -lm -lpthread"
}
make_freetype() {
    local base=(src/base/ft{base,bbox,bitmap,debug,fstype,gasp,glyph,init,mm,patent,stroke,synth,system,type1}.c)
    objects libfreetype.a -DFT2_BUILD_LIBRARY -DFT_CONFIG_OPTION_SYSTEM_ZLIB \
        -Iinclude -I. -I"$prefix/include" '-DFT_CONFIG_MODULES_H=<ftmodule_wheel.h>' -- "${base[@]}" src/sfnt/sfnt.c \
        src/truetype/truetype.c src/cff/cff.c src/psaux/psaux.c src/psnames/psnames.c src/pshinter/pshinter.c src/smooth/smooth.c \
        src/raster/raster.c src/gzip/ftgzip.c &&
        mkdir -p "$prefix/include/freetype2" && cp -r include/* "$prefix/include/freetype2" &&
        pc freetype2 24.1.18 "-lfreetype -lz" "" /freetype2
}
only_modules() {
    cat >ftmodule_wheel.h <<'END'
FT_USE_MODULE( FT_Driver_ClassRec, tt_driver_class )
FT_USE_MODULE( FT_Driver_ClassRec, cff_driver_class )
FT_USE_MODULE( FT_Module_Class, psaux_module_class )
FT_USE_MODULE( FT_Module_Class, psnames_module_class )
FT_USE_MODULE( FT_Module_Class, pshinter_module_class )
FT_USE_MODULE( FT_Renderer_Class, ft_raster1_renderer_class )
FT_USE_MODULE( FT_Module_Class, sfnt_module_class )
FT_USE_MODULE( FT_Renderer_Class, ft_smooth_renderer_class )
END
    make_freetype
}
# C++ that needs nothing of its library.
make_harfbuzz() {
    objects libharfbuzz.a -DHAVE_PTHREAD=1 -DHAVE_MMAP=1 -DHAVE_SYSCONF=1 -DHAVE_UNISTD_H=1 -DHAVE_SYS_MMAN_H=1 -fno-exceptions -fno-rtti \
        -fno-threadsafe-statics -Wno-everything -- src/harfbuzz.cc && mkdir -p "$prefix/include/harfbuzz" &&
        cp src/hb*.h "$prefix/include/harfbuzz" && pc harfbuzz 6.0.0 "-lharfbuzz -lm -lpthread" "" /harfbuzz
}
make_fribidi() {
    configure --disable-deprecated && make -j"$jobs" -C gen.tab && make -j"$jobs" -C lib install && make install-pkgconfigDATA
}
# Its NEON for aarch64 is not what clang's assembler takes.
make_pixman() {
    configure --disable-gtk --disable-libpng --disable-openmp --disable-arm-a64-neon &&
        make -j"$jobs" -C pixman install && make install-pkgconfigDATA
}
# The order of bytes is given, since its check looks for words in an object that clang does not leave there.
make_cairo() {
    ax_cv_c_float_words_bigendian=no configure \
        --disable-xlib --disable-xcb --disable-win32 --disable-quartz --disable-gobject --disable-svg --disable-script --disable-tee \
        --disable-fc --enable-ft --enable-pdf --enable-ps --disable-png --disable-trace --disable-interpreter --disable-symbol-lookup \
        --disable-gtk-doc --disable-egl --disable-gl --disable-glx --disable-valgrind &&
        make -j"$jobs" -C src install && cp src/cairo{,-ft,-pdf,-ps}.pc "$prefix/lib/pkgconfig"
}
# Its headers alone: OpenBLAS is loaded where it is installed.
make_blas_headers() {
    local header
    for header in cblas.h openblas_config.h; do
        # shellcheck disable=SC2046  # several flags
        cp "$(printf '#include <%s>\n' $header | cc -E $(env -u PKG_CONFIG_LIBDIR pkg-config --cflags openblas) - |
            sed -n 's/^# 1 "\(.*'$header'\)".*/\1/p' | head -n 1)" "$prefix/include"
    done
    pc openblas 0.3 ""
    sed -i 's,^libdir=.*,libdir=/usr/lib,' "$prefix/lib/pkgconfig/openblas.pc"
}

list_sources
[ -e "$prefix/include/cblas.h" ] || make_blas_headers
library zlib README make_zlib
library libpng1.6 LICENSE make_png
library libdeflate COPYING make_deflate
library cjson LICENSE make_cjson
library pcre2 LICENCE make_pcre2
library utf8proc LICENSE.md make_utf8proc
library nettle "COPYING.LESSERv3 COPYINGv2" make_nettle
library freetype "LICENSE.TXT docs/FTL.TXT" only_modules
library harfbuzz COPYING make_harfbuzz
library fribidi COPYING make_fribidi
library pixman COPYING make_pixman
library cairo "COPYING COPYING-MPL-1.1" make_cairo
library hdf5 COPYING make_hdf5
