# referee_verdict.py VERDICT_P - the p-values of verdicts against exact enumeration, and against scipy where it is installed.
import itertools, math, subprocess, sys

from compare import count
try:
    from scipy import stats
except ImportError:
    stats = None

def tail(yes, n):                                       # P(Binomial(n, 1/2) >= yes), by going through all outcomes
    p = sum(sum(o) >= yes for o in itertools.product((0, 1), repeat=n)) / 2 ** n
    if stats and n:
        assert same(p, stats.binomtest(yes, n, .5, alternative="greater").pvalue)
    return p

def rankdata(r):
    return [sum(y < x for y in r) + (sum(y == x for y in r) + 1) / 2 for x in r]

def same(a, b):
    return abs(a - b) <= 1e-12 + 1e-9 * abs(b)          # a NaN is not the same

def page(rows):                                         # all orders of every block's own ranks
    ranks = [rankdata(r) for r in rows]
    L = lambda block: sum((j + 1) * x for j, x in enumerate(block))
    dist = {0.0: 1.0}
    for r in ranks:
        orders = [L(o) for o in itertools.permutations(r)]
        new = {}
        for s, w in dist.items():
            for o in orders:
                new[s + o] = new.get(s + o, 0) + w / len(orders)
        dist = new
    seen = sum(L(r) for r in ranks)
    return sum(w for s, w in dist.items() if s >= seen - 1e-9)

n = {"sign": 0, "ranks": 0, "trend": 0, "scipy": 0}
for line in subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout.splitlines():
    kind, *f = line.split()
    n[kind] += 1
    if kind == "sign":
        yes, no, seeds = map(int, f[:3])
        p = tail(yes, yes + no)
        assert same(float(f[3]), p) and same(float(f[4]), .5 ** seeds), line
    elif kind == "ranks":
        rank, of = zip(*(map(int, x.split("/")) for x in f[0].split(",")))
        below = sum(sum(t) <= sum(rank) for t in itertools.product(*(range(1, m + 1) for m in of)))
        assert same(float(f[1]), below / math.prod(of)) and same(float(f[2]), 1 / math.prod(of)), line
    else:
        S, W = int(f[0]), int(f[1])
        t = [float(x) for x in f[2].split(",")]
        rows = [t[i * W:(i + 1) * W] for i in range(S)]
        assert same(float(f[3]), page(rows)), line
        assert same(float(f[4]), math.factorial(W) ** -S), line
        earlier, later = (sum(op(r[0], r[1]) for r in rows) for op in (lambda a, b: a < b, lambda a, b: a > b))
        assert same(float(f[5]), tail(earlier, earlier + later)), line
        if stats and W > 2 and S > 1 and all(len(set(r)) == W for r in rows):      # scipy's table: no ties
            assert same(float(f[3]), stats.page_trend_test([rankdata(r) for r in rows], ranked=True, method="exact").pvalue), line
            n["scipy"] += 1
for kind in ("sign", "ranks", "trend", *(["scipy"] if stats else [])):
    count(n[kind], kind)
print(n)
