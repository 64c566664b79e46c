"""site.py PREFIX - the folder below the prefix where this Python's `import` looks: Debian's own is PREFIX/lib/python3.N/dist-packages in
/usr/local and /usr/lib/python3/dist-packages, which sysconfig's schemes do not say. Where it looks nowhere below the prefix: the usual
place there."""
import site
import sys
import sysconfig

prefix = sys.argv[1]
known = [path for path in site.getsitepackages() if path.startswith(prefix + "/lib")]
print(known[0] if known else sysconfig.get_path("purelib", "posix_prefix", {"base": prefix, "platbase": prefix}))
