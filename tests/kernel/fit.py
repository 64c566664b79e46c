"""The polynomials of lib/math/elementary_tmpl.h: weighted minimax fits (Lawson's reweighting), coefficients rounded to f32 one after
the other, lowest first, the rest fitted again after each. Needs numpy and mpmath; prints the coefficients as hex floats."""
import math

import numpy as np
from mpmath import erfc, exp, log, mp, mpf, sqrt

mp.dps = 40


def lawson(f, weight, a, b, degree, fixed, n, rounds):
    """Coefficients above the fixed ones that minimise max |weight (f - polynomial)| on [a, b], and that maximum."""
    x = (a + b) / 2 + (b - a) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    w = np.array([weight(t) for t in x])
    y = np.array([float(f(mpf(float(t)))) for t in x]) - sum(c * x**k for k, c in enumerate(fixed))
    y = y * w
    if len(fixed) > degree:
        return [], np.abs(y).max()
    basis = np.stack([x**k for k in range(len(fixed), degree + 1)], 1) * w[:, None]
    size = np.abs(basis).max(0)
    basis = basis / size
    best, lawson_weight = (None, np.inf), np.ones(n)
    for _ in range(rounds):
        s = np.sqrt(lawson_weight)
        c = np.linalg.lstsq(basis * s[:, None], y * s, rcond=None)[0]
        error = np.abs(basis @ c - y)
        if error.max() < best[1]:
            best = (c / size, error.max())
        lawson_weight = lawson_weight * (error / error.max() + 1e-3)
        lawson_weight /= lawson_weight.sum()
    return best


def fit(name, f, weight, a, b, degree, n):
    fixed = []
    for k in range(degree + 1):
        c, _ = lawson(f, weight, a, b, degree, fixed, n, 300 if k == 0 else 120)
        fixed.append(float(np.float32(c[0])))
    error = lawson(f, weight, a, b, degree, fixed, n, 0)[1]
    print(f"{name}: degree {degree}, weighted error {error:.3g}\n   ", " ".join(float.hex(c) for c in fixed))


# exp(r) = 1 + r + r^2 q(r): the error relative to exp(r)
fit("exp", lambda r: (exp(r) - 1 - r) / r**2, lambda r: r * r / math.exp(r), -0.3466, 0.3466, 4, 3000)


# Phi(-u) = exp(-u P(u)) / 2: the error of x Phi(x) in units of 1e-8, and of the exponent in units of 1e-3 where Phi is small
def gelu_weight(u):
    phi = 0.5 * math.erfc(u / math.sqrt(2))
    return u / min(1e-8 / (u * phi + 1e-300), 1e-3)


fit("gelu", lambda u: -log(erfc(u / sqrt(2))) / u, gelu_weight, 0.0005, 13.5, 9, 1500)
