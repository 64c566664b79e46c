#!/usr/bin/env python3
"""Handlers of signals that raise (a time limit, SIGTERM as SystemExit, Ctrl-C) during calls: what they raise comes out of the call,
once and soon; the handlers and the model are as before.

    signals.py NEEDLESCOPE ROOT"""
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from compare import same

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

IDS, TRIES, PATIENCE = [int(x) for x in np.arange(300) % 60 + 3], 6, 20
TRAIN = {"name": "small", "train": {"d_model": 16, "heads": 2, "d_ff": 16, "batch": 4, "length": 32, "steps": 1000000}}


class Limit(BaseException):
    """Nobody else raises it."""


def handler(number, frame):
    raise Limit(number)


def alarm(after):
    signal.setitimer(signal.ITIMER_REAL, after)


def limited(name, call, after):
    """Calls until the alarm rings; then nothing but its exception comes."""
    alarm(after)
    begun = time.monotonic()
    try:
        while time.monotonic() - begun < PATIENCE:
            call()
    except Limit:
        assert time.monotonic() - begun < PATIENCE, f"{name}: it came late"
    else:
        raise SystemExit(f"FAILED: {name}: what the handler raised is lost")
    finally:
        alarm(0)
    assert signal.getsignal(signal.SIGALRM) is handler, f"{name}: another handler is there"


def calls(m):
    cases = m.cases("cases.jsonl")
    fresh = ("out%d" % i for i in itertools.count())
    return {"run": lambda: m.run(IDS),
            "run with a cache": lambda: m.run(IDS, at="blocks.*.attn.hook_z"),
            "generate": lambda: m.generate(IDS, 20),
            "grad": lambda: m.grad(IDS, {"hook_logits": (-1, 5)}, at="blocks.0.attn.hook_z"),
            "score": lambda: m.score(cases, ["retrieval_find", "induction"], resamples=10),
            "patch": lambda: m.patch(cases, [(2, 1)], draws=2),
            "record": lambda: m.record(cases, "rec.h5"),
            "load": lambda: ns.load("m/step000010", threads=1).close(),       # of what a finalizer raises Python says a line, no more
            "scan": lambda: ns.scan("m", "cases.jsonl", next(fresh), ["retrieval_find"], threads=1),
            "train": lambda: ns.train(TRAIN, next(fresh)),
            "lab": lambda: ns.lab(next(fresh), "quick", program=tool),
            "paper": lambda: ns.paper((), next(fresh), "quick", program=tool)}


def test_every_call(m):
    want = m.run(IDS)[0]
    for name, call in calls(m).items():
        for i in range(TRIES):
            limited(name, call, .01 + .023 * i)
        same(m.run(IDS)[0], want, f"a run after {name}")


def test_other_signals(m):
    """SIGTERM that ends the process, and Ctrl-C as Python has it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    for number, kind in ((signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)):
        timer = threading.Timer(.2, os.kill, (os.getpid(), number))
        timer.start()
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < PATIENCE:
                m.run(IDS)
            raise AssertionError(f"{kind.__name__} is lost")
        except kind:
            timer.join()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_quiet_handler(m):
    """One that raises nothing stops nothing."""
    rung, want = [], m.run(IDS)[0]
    signal.signal(signal.SIGALRM, lambda *_: rung.append(0))
    signal.setitimer(signal.ITIMER_REAL, .001, .001)
    for _ in range(20):
        same(m.run(IDS)[0], want, "a run with a clock")
    alarm(0)
    signal.signal(signal.SIGALRM, handler)
    assert rung


def test_in_a_hook(m):
    """Inside a hook's own lines it is raised there: a sleep ends; and a hook that handles it goes on."""
    handled = []

    def handles(*_):
        try:
            if not handled:
                alarm(.05)
                time.sleep(PATIENCE)
        except Limit as e:
            handled.append(e)

    want = m.run(IDS)[0]
    with m.hook("blocks.2.hook_resid_post", read=handles):
        same(m.run(IDS)[0], want, "a run whose hook has a limit of its own")
    assert len(handled) == 1
    with m.hook("blocks.2.hook_resid_post", read=lambda *_: time.sleep(PATIENCE)):
        limited("a hook that sleeps", lambda: m.run(IDS), .05)


def test_lost_reason(m):
    """A pass that was stopped is no result, whoever stopped it."""
    made = ns._Stoppable.callback
    stops = lambda p, kind, *how: kind(lambda *_: True) if kind in (ns._CANCELLED, ns._ACCEPTED) else made(p, kind, *how)
    for name in ("run", "generate", "grad", "score", "patch", "record", "scan"):
        call = calls(m)[name]
        ns._Stoppable.callback = stops
        try:
            call()
        except RuntimeError as e:
            assert "lost" in str(e), (name, e)
        else:
            raise SystemExit(f"FAILED: {name}: a stop is taken for a result")
        finally:
            ns._Stoppable.callback = made


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    subprocess.run([tool, "lab", "plant", "-o", "m", "--layers", "4", "--heads", "4", "--kv-heads", "2", "--vocab", "66", "--retrieval",
                    "2.1", "--previous-token", "0.1", "--series", "3", "--births", "20", "-q"], check=True)
    subprocess.run([tool, "cases", "needle", "--model", "m/step000010", "--lengths", "40,97", "--depths", "0,.6", "--count", "2", "--twins",
                    "swap", "-o", "cases.jsonl", "-q"], check=True)
    unraised = []
    sys.unraisablehook = lambda x: unraised.append(repr(x.exc_value))
    signal.signal(signal.SIGALRM, handler)
    with ns.load("m/step000010", threads=1) as model:
        for test in (test_every_call, test_other_signals, test_quiet_handler, test_in_a_hook, test_lost_reason):
            print(test.__name__[5:].replace("_", " "), flush=True)
            test(model)
    assert not unraised, unraised
    os.chdir(root)
