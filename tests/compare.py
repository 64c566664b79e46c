"""compare.py - what the Python referees compare with: a NaN fails, so does another shape, and so does a comparison of nothing.

Every function counts the cells that it compared; referee.py, which runs the scripts, fails one that compared nothing at all."""
import numpy as np

_cells = 0


def compared():
    return _cells


def count(n, what="cells"):
    """So many comparisons were made by other means (a loop of equalities, another program); none is a failure."""
    global _cells
    assert n > 0, f"{what}: nothing was compared"
    _cells += int(n)
    return n


def skip(why):
    print(f"SKIP: {why}")
    raise SystemExit(77)


def _array(x):
    return x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)


def _pair(got, want, what, nan):
    """The cells of both. nan: those that are NaN in one are NaN in the other, and are left out."""
    got, want = _array(got), _array(want)
    assert got.shape == want.shape, (what, got.shape, want.shape)
    if nan:
        known = ~np.isnan(want)
        assert np.array_equal(np.isnan(got), ~known), (what, "NaN at other places", np.argwhere(np.isnan(got) == known)[:4])
        got, want = got[known], want[known]
    else:
        count(got.size, what)
    return got, want


def same(got, want, what="", nan=False):
    """Equal in every cell. How many were numbers: with nan it may be none."""
    global _cells
    got, want = _pair(got, want, what, nan)
    wrong = ~(got == want)
    assert not wrong.any(), (what, int(wrong.sum()), "cells differ", np.argwhere(wrong)[:4], got[wrong][:4], want[wrong][:4])
    _cells += got.size if nan else 0
    return got.size


class Worst:
    """The largest difference of many, in units of `scale`: a NaN stays, and is within no bound."""

    def __init__(self):
        self.most, self.cells = 0.0, 0

    def add(self, got, want, what="", scale=1, nan=False):
        global _cells
        got, want = (x.astype(np.float64) for x in _pair(got, want, what, nan))
        with np.errstate(invalid="ignore"):
            apart = np.where(got == want, 0, np.abs(got - want)) / scale
        self.cells += got.size
        _cells += got.size if nan else 0
        return self._take(apart)

    def _take(self, apart):
        here = float(np.max(apart, initial=0))              # of numpy: a NaN among them is the largest
        self.most = here if np.isnan(here) or here > self.most else self.most
        return here

    def within(self, bound, least=1):
        return self.most <= bound and self.cells >= max(least, 1)

    def __repr__(self):
        return f"{self.most:.1e} of {self.cells}"


def close(got, want, bound, what="", scale=1, nan=False):
    """|got - want| <= bound * scale in every cell. The largest, in units of scale."""
    worst = Worst()
    worst.add(got, want, what, scale, nan)
    assert worst.most <= bound, (what, worst, "is not within", bound)
    return worst.most
