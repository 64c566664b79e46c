# Not tried: neither PyPI nor Debian has Spack, nor its repository of packages.
# url is the path of a release's archive, which the site gives.
from spack.package import *


class Needlescope(MesonPackage):
    """Finds the retrieval heads of transformer and hybrid checkpoints, and shows when they were born."""

    license("MIT")
    version("0.1.0")

    variant("figures", default=True, description="PNG, PDF, EPS and SVG figures")

    depends_on("c", type="build")
    depends_on("pkgconfig", type="build")
    for library in ("hdf5~mpi+hl", "openblas", "libpng", "cjson", "libdeflate", "pcre2", "utf8proc", "nettle"):
        depends_on(library)
    for library in ("cairo+ft+pdf", "freetype", "harfbuzz", "fribidi", "fontconfig"):
        depends_on(library, when="+figures")

    def meson_args(self):
        return ["-Dtests=false", "-Dcairo=" + ("enabled" if "+figures" in self.spec else "disabled")]
