#!/usr/bin/env python3
"""Children of fork() use a model that their parent has used: multiprocessing and a DataLoader's workers, with a pass under way, and in a
hook.

    fork.py NEEDLESCOPE ROOT"""
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import warnings

import numpy as np

from compare import same

tool, root = map(os.path.abspath, sys.argv[1:3])
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

warnings.filterwarnings("ignore", ".*use of fork.*", DeprecationWarning)        # Python 3.12 warns of every fork beside threads
IDS, PATIENCE = [11, 42, 7, 99, 42], 60


def logits(i):
    return models[i].run(IDS)[0]


class Passes:
    """What torch.utils.data.DataLoader asks of a data set."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return logits(i % len(models))


def beside_a_pass():
    """A thread is in a pass at the fork; the child closes the model, too: no pass runs there."""
    inside, forked, m = threading.Event(), threading.Event(), models[1]

    def watched():
        with m.hook("blocks.2.hook_resid_post", read=lambda *_: (inside.set(), forked.wait(PATIENCE))):
            m.run(IDS)

    def child(queue):
        # one may have the ident of the thread that is gone
        threads = [threading.Thread(target=lambda: queue.put(m.run(IDS)[0])) for _ in range(3)]
        for x in threads:
            x.start()
            x.join()
        m.close()

    thread = threading.Thread(target=watched)
    thread.start()
    inside.wait(PATIENCE)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    got = [queue.get(timeout=PATIENCE) for _ in range(3)]
    process.join(PATIENCE)
    forked.set()
    thread.join()
    assert process.exitcode == 0, process.exitcode
    return got


def in_a_hook():
    """The child of a hook may not start another pass either: it says so."""
    def fork(*_):
        if not pids:
            pids.append(os.fork())
            if pids[0] == 0:
                try:
                    models[1].run(IDS)
                except RuntimeError as e:
                    os._exit(0 if "another pass" in str(e) else 1)
                os._exit(2)

    pids = []
    with models[1].hook("blocks.2.hook_resid_post", read=fork):
        models[1].run(IDS)
    assert os.waitpid(pids[0], 0)[1] == 0


with tempfile.TemporaryDirectory() as work:
    subprocess.run([tool, "lab", "plant", os.path.join(work, "m"), "-q"], check=True)
    models = [ns.load(os.path.join(work, "m"), threads=n) for n in (1, 2)]
    with multiprocessing.get_context("fork").Pool(2) as pool:                    # before the first pass
        cold = pool.map_async(logits, [0, 1, 1]).get(PATIENCE)
    want = logits(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        warm = pool.map_async(logits, [0, 1, 1]).get(PATIENCE)
    import torch.utils.data
    loaded = [np.asarray(x[0]) for x in torch.utils.data.DataLoader(Passes(), num_workers=2, multiprocessing_context="fork",
                                                                    timeout=PATIENCE)]
    beside = beside_a_pass()
    for got in (*cold, *warm, *loaded, *beside, logits(1)):
        same(got, want)
    in_a_hook()
    print(f"{len(cold) + len(warm) + len(loaded) + len(beside)} passes of children have their parent's bits")
