# referee_dealt.py DEALT_P - odds by chance: heads against the hypergeometric tail in whole numbers (and scipy's, where it is installed),
# layers against counting every choice of them.
import fractions, itertools, math, subprocess, sys

from compare import close, count

try:
    from scipy.stats import hypergeom
except ImportError:
    hypergeom = None


def heads(*fields):
    all_heads, chosen, strong, least = map(int, fields[:4])
    ways = sum(math.comb(strong, k) * math.comb(all_heads - strong, chosen - k) for k in range(least, min(strong, chosen) + 1))
    exact = float(fractions.Fraction(ways, math.comb(all_heads, chosen)))
    assert abs(float(fields[4]) - exact) <= 1e-12 * exact, fields
    if hypergeom:
        close(float(fields[4]), hypergeom.sf(least - 1, all_heads, strong, chosen), 1e-12, fields)


def layers(weights, chosen, least, p):
    sums = [sum(c) for c in itertools.combinations([int(w) for w in weights.split(",")], int(chosen))]
    close(float(p), sum(s >= int(least) for s in sums) / len(sums), 1e-12, (weights, chosen, least))


kinds = {"heads": heads, "layers": layers}
seen = dict.fromkeys(kinds, 0)
for line in subprocess.run(sys.argv[1], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
    kind, *fields = line.split()
    kinds[kind](*fields)
    seen[kind] += count(1)
assert seen["heads"] > 50 and seen["layers"] == 60, seen
print("ok", seen, "with scipy" if hypergeom else "without scipy")
