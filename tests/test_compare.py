"""test_compare.py - the comparisons that the referees stand on can fail: at a NaN wherever it comes, another shape, nothing compared."""
import os
import subprocess
import sys
import tempfile

import numpy as np

from compare import Worst, close, count, same

HERE = os.path.dirname(os.path.abspath(__file__))
NAN, INF = np.nan, np.inf


def fails(function, *arguments, **named):
    try:
        function(*arguments, **named)
    except AssertionError:
        return
    raise SystemExit(f"{function.__name__}{arguments} passed")


def status(code, *flags):
    """What referee.py makes of a script."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "script.py")
        with open(path, "w") as f:
            f.write(code)
        command = [sys.executable, "-B", *flags, os.path.join(HERE, "referee.py"), path]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def ways():
    """A comparison of two lists, made at once and cell by cell."""
    def one_by_one(got, want, bound):
        worst = Worst()
        for a, b in zip(got, want, strict=True):
            worst.add(a, b)
        assert worst.within(bound, len(want)), worst
    return lambda got, want, bound: close(got, want, bound), one_by_one


for compare in ways():
    compare([1, 2, 3], [1, 2.1, 3], .2)
    compare([1, INF, 3], [1, INF, 3], .2)
    fails(compare, [1, 2, 3], [1, 2.3, 3], .2)
    for at in range(3):
        for value in (NAN, INF, -INF):
            planted = [1., 2., 3.]
            planted[at] = value
            fails(compare, planted, [1, 2, 3], .2)
            fails(compare, [1, 2, 3], planted, .2)
    fails(compare, [NAN], [NAN], .2)
    fails(compare, [], [], .2)
    fails(compare, [1], [1], NAN)
early = Worst()
early.add(NAN, 1)
early.add(1, 1)
fails(lambda: count(early.within(1)))                          # a NaN is not erased by what follows
fails(lambda: count(Worst().within(1)))
same([1, 2], [1, 2])
same(["a"], ["a"])
fails(same, [1, NAN], [1, NAN])
fails(same, [], [])
fails(same, [1, 2], [[1, 2]])
fails(same, [1, 2], [1])
fails(close, np.ones((2, 1)), np.ones((1, 2)), 1)              # no broadcasting
assert same([1, NAN], [1, NAN], nan=True) == 1 and same([NAN], [NAN], nan=True) == 0
fails(same, [1, NAN], [NAN, 1], nan=True)
fails(close, [1, NAN], [1, 2], 9, nan=True)
fails(close, [1, 2], [1, NAN], 9, nan=True)
fails(count, 0)
assert status("import compare; compare.same([1], [1])") == 0
assert status("print('nothing')") != 0, "a referee that compares nothing passes"
assert status("import sys; sys.exit(0)") != 0
assert status("import compare; compare.same([1], [1]); raise SystemExit(3)") == 3
assert status("import compare; compare.skip('no such thing')") == 77
assert status("import compare; compare.same([1], [1])", "-O") != 0
print("NaN, other shapes and nothing at all fail")
