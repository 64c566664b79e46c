"""needlescope.py - needlescope in Python: one file over the C library, by ctypes and numpy; xarray where it is installed.

    import needlescope as ns
    m = ns.load("model")
    logits, cache = m.run(ids, at=["blocks.*.attn.hook_pattern"], rows=[-4, -1])
    find = m.score("cases.jsonl", "retrieval_find")
    with m.ablate(ns.top(find, 4), mode="mean_z"):
        m.score("cases.jsonl", "retrieval_find")

Models, cases and tokenizers own memory of the library: it is freed with the last reference, by close(), or at the end of a with block.
Every array that is returned is a copy. The library is NEEDLESCOPE_LIB, else the one beside this file or in its prefix, else the system's.

Axes: H heads, R rows (query positions), K keys, L layers, V vocabulary, d head dimension, D model width."""
import ctypes as c
import ctypes.util
import fnmatch
import glob as _glob
import html
import json
import math
import operator
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import warnings
import weakref
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, Optional

import numpy as np

try:
    import xarray
except ImportError:
    xarray = None

__version__ = "0.1.0"
__all__ = ["Accuracy", "ActivationCache", "Answer", "Array", "Arrays", "Cache", "Case", "Cases", "Config", "Emergence", "Error", "Event",
           "Figure", "Model", "Site", "Tokenizer", "Weights", "compare", "emergence", "export_csv", "export_latex", "export_notebook",
           "export_npz", "figure", "figure_ablation", "figure_agreement", "figure_compare", "figure_gradient", "figure_grid",
           "figure_growth", "figure_heads", "figure_map", "figure_probe", "figure_rank", "figure_scaling", "figure_study",
           "figure_tokens", "figure_trace", "lab", "load", "merge", "point_name", "probes", "profile", "program", "read", "read_cases",
           "scaling", "scan", "show", "top", "trace", "train"]


# ---- the library ----

def _library_path():
    """Where the library is: see the head of this file."""
    if os.environ.get("NEEDLESCOPE_LIB"):
        return os.environ["NEEDLESCOPE_LIB"]
    name = "libneedlescope.so.0"
    folder = os.path.dirname(os.path.realpath(__file__))
    # Debian's folder of this interpreter's machine, beside which those of others may stand; elsewhere lib or lib64, whichever is its own
    own = os.path.join("lib", sysconfig.get_config_var("MULTIARCH") or "*"), getattr(sys, "platlibdir", "lib")
    for _ in range(5):                          # PREFIX/lib/python3/dist-packages, or notebooks_export of a source tree
        for inside in ("", "needlescope.libs", *own, "lib*", "build"):       # needlescope.libs: of a wheel
            found = sorted(_glob.glob(os.path.join(_glob.escape(folder), inside, name)))
            if found:
                return found[0]
        folder = os.path.dirname(folder)
    found = ctypes.util.find_library("needlescope")
    if not found:
        raise ImportError(f"{name} is not beside {__file__}, not in its prefix and not known to the system: "
                          "set NEEDLESCOPE_LIB to its path")
    return found


def _program():
    """The program of the wheel that this file came with, whether or not its environment is activated; None: the library takes the one of
    the PATH."""
    folder = os.path.dirname(os.path.realpath(__file__))
    if not os.path.isdir(os.path.join(folder, "needlescope.libs")):
        return None
    # PREFIX/lib/pythonX/site-packages, of an environment or of ~/.local; pip install --target; what this Python itself says
    for scripts in (os.path.join(folder, *[os.pardir] * 3, "bin"), os.path.join(folder, "bin"), sysconfig.get_path("scripts")):
        program = os.path.normpath(os.path.join(scripts, "needlescope"))
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return None


class _Error(c.Structure):
    _fields_ = [("message", c.c_char * 1024)]


class _View(c.Structure):
    _fields_ = [("data", c.c_void_p), ("dtype", c.c_int), ("rank", c.c_int), ("shape", c.c_int64 * 8), ("stride", c.c_int64 * 8)]


class _Span(c.Structure):
    _fields_ = [("name", c.c_char_p), ("begin", c.c_int64), ("end", c.c_int64)]


class _Case(c.Structure):
    _fields_ = [("id", c.c_char_p), ("tokens", c.POINTER(c.c_int32)), ("n_tokens", c.c_int64), ("answer", c.POINTER(c.c_int32)),
                ("n_answer", c.c_int64), ("n_lead", c.c_int64), ("spans", c.POINTER(_Span)), ("n_spans", c.c_int), ("text", c.c_char_p),
                ("answer_text", c.c_char_p), ("twin_of", c.c_char_p), ("meta", c.c_char_p)]


class _Cases(c.Structure):
    _fields_ = [("list", c.POINTER(_Case)), ("n", c.c_int64), ("capacity", c.c_int64), ("files", c.POINTER(c.c_char_p)),
                ("n_files", c.c_int64)]


class _Encoding(c.Structure):
    _fields_ = [("ids", c.POINTER(c.c_int32)), ("begin", c.POINTER(c.c_int64)), ("end", c.POINTER(c.c_int64)), ("n", c.c_int64)]


_WARN = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p)
_CANCELLED = c.CFUNCTYPE(c.c_bool, c.c_void_p)


class _OpenParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("path", c.c_char_p), ("revision", c.c_char_p), ("arch", c.c_char_p), ("names", c.c_char_p),
                ("olmo3_rope", c.c_char_p), ("heads_of", c.c_char_p), ("constrain", c.POINTER(c.c_char_p)), ("n_constrain", c.c_int64),
                ("tokenizer", c.c_char_p), ("want", c.c_uint), ("no_hash", c.c_bool), ("memory", c.c_int64),
                ("threads", c.c_int), ("cpu", c.c_char_p), ("engine", c.c_void_p), ("warn", _WARN), ("user", c.c_void_p),
                ("cancelled", _CANCELLED)]


class _Opened(c.Structure):
    _fields_ = [("name", c.c_char_p), ("checkpoint", c.c_void_p), ("arch", c.c_void_p), ("tokenizer", c.c_void_p), ("engine", c.c_void_p),
                ("model", c.c_void_p)]


class _MachineParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("slurm_cpus_per_task", c.c_char_p), ("slurm_mem_per_node", c.c_char_p),
                ("slurm_mem_per_cpu", c.c_char_p),
                ("root", c.c_char_p), ("affinity", c.c_int)]


class _Machine(c.Structure):
    _fields_ = [("cpus", c.c_int), ("memory", c.c_int64), ("cpus_from", c.c_char * 256), ("memory_from", c.c_char * 256),
                ("ignored", c.c_char * 256)]


class _Fact(c.Structure):
    _fields_ = [("name", c.c_char_p), ("value", c.c_char_p), ("is_volatile", c.c_bool)]


class _FactList(c.Structure):
    _fields_ = [("list", c.POINTER(_Fact)), ("n", c.c_int64), ("capacity", c.c_int64), ("inputs", c.POINTER(c.c_char_p)),
                ("n_inputs", c.c_int64), ("inputs_capacity", c.c_int64), ("named", c.c_void_p), ("n_named", c.c_int64),
                ("named_capacity", c.c_int64)]


class _EngineParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("threads", c.c_int), ("cpu", c.c_char_p)]


class _SessionParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("final_length", c.c_int64), ("decode", c.c_bool)]


_PROGRESS = c.CFUNCTYPE(None, c.c_void_p, c.c_double)
_ACCEPTED = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int64, c.c_int32)


class _Seed(c.Structure):
    _fields_ = [("size", c.c_size_t), ("at", c.c_char_p), ("row0", c.c_int64), ("n_rows", c.c_int64), ("width", c.c_int64),
                ("values", c.POINTER(c.c_float))]


class _BackwardParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("cancelled", _CANCELLED), ("user", c.c_void_p), ("walker", c.c_void_p),
                ("stream", c.POINTER(c.c_float))]


class _ForwardParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("no_logits", c.c_bool), ("cancelled", _CANCELLED), ("progress", _PROGRESS), ("user", c.c_void_p)]


class _GenerateParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("stop", c.POINTER(c.c_int32)), ("n_stop", c.c_int), ("gold", c.POINTER(c.c_int32)),
                ("n_gold", c.c_int64),
                ("hooks", c.c_void_p), ("accepted", _ACCEPTED), ("user", c.c_void_p)]


class _ArchHead(c.Structure):                   # the first fields of ns_arch
    _fields_ = [("family", c.c_char * 32), ("n_layers", c.c_int64), ("d_model", c.c_int64), ("vocab", c.c_int64),
                ("max_positions", c.c_int64)]


class _AttnHead(c.Structure):                   # the first fields of ns_attn
    _fields_ = [("n_heads", c.c_int64), ("n_kv_heads", c.c_int64), ("head_dim", c.c_int64)]


class _Rows(c.Structure):
    _fields_ = [("kind", c.c_int), ("n", c.c_int64), ("positions", c.POINTER(c.c_int64)), ("span", c.c_char_p)]


class _Site(c.Structure):
    _fields_ = [("size", c.c_size_t), ("point", c.c_int), ("layer", c.c_int64), ("session", c.c_int64), ("case_index", c.c_int64),
                ("c", c.POINTER(_Case)), ("row0", c.c_int64), ("n_rows", c.c_int64), ("key0", c.c_int64), ("n_keys", c.c_int64),
                ("n_heads", c.c_int64), ("n_kv_heads", c.c_int64), ("kind", c.c_int), ("attn", c.POINTER(_AttnHead)),
                ("band", c.c_void_p)]


_ON_VIEW = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(_Site), c.POINTER(_View), c.POINTER(_Error))


class _Hook(c.Structure):
    _fields_ = [("size", c.c_size_t), ("at", c.c_char_p), ("rows", _Rows), ("read", _ON_VIEW), ("edit", _ON_VIEW), ("user", c.c_void_p)]


class _Edit(c.Structure):
    _fields_ = [("size", c.c_size_t), ("mode", c.c_int), ("scope", c.c_int), ("heads", c.POINTER(c.c_int64 * 2)), ("n_heads", c.c_int),
                ("mean", c.POINTER(c.c_float)), ("span", c.c_char_p), ("seed", c.c_uint64), ("hid", c.c_void_p)]


class _Score(c.Structure):
    _fields_ = [("name", c.c_char_p), ("of", c.c_char_p), ("over", c.c_char_p), ("summary", c.c_char_p), ("paper", c.c_char_p),
                ("chance_of", c.c_char_p), ("chance_over", c.c_char_p), ("group_max", c.c_bool), ("best", c.c_int), ("lo", c.c_double),
                ("hi", c.c_double), ("chance", c.c_double), ("minor", c.c_bool), ("distractor_of", c.c_char_p)]


class _LinearParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("at", c.c_char_p), ("rows", c.c_char_p), ("classes", c.c_char_p), ("c", c.c_double),
                ("folds", c.c_int), ("shuffles", c.c_int), ("seed", c.c_uint64), ("weights", c.c_bool)]


class _ScoreMeaning(c.Structure):
    _fields_ = [("best", c.c_int), ("lo", c.c_double), ("hi", c.c_double), ("chance", c.c_double), ("assumed", c.c_bool)]


class _BestCut(c.Structure):
    _fields_ = [("n", c.c_int64), ("left", c.c_int64), ("sharing", c.c_int64)]


class _ProbeHead(c.Structure):                  # the first fields of ns_probe
    _fields_ = [("name", c.c_char_p), ("summary", c.c_char_p), ("paper", c.c_char_p), ("at", c.c_char_p), ("rows", _Rows),
                ("also", c.c_void_p), ("n_also", c.c_int), ("accepts", c.c_uint),
                ("state_size", c.c_size_t), ("outputs", c.c_void_p), ("n_outputs", c.c_int), ("scores", c.POINTER(_Score)),
                ("n_scores", c.c_int)]


class _ScoreParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("probes", c.POINTER(c.c_char_p)), ("n_probes", c.c_int), ("reference", c.c_void_p),
                ("definitions", c.POINTER(c.c_void_p)), ("n_definitions", c.c_int), ("stop", c.POINTER(c.c_int32)), ("n_stop", c.c_int64),
                ("special", c.POINTER(c.c_int32)), ("n_special", c.c_int64), ("hooks", c.POINTER(_Hook)), ("n_hooks", c.c_int),
                ("no_sharing", c.c_bool), ("one_at_a_time", c.c_bool), ("progress", _PROGRESS), ("cancelled", _CANCELLED), ("note", _WARN),
                ("rows", c.c_void_p), ("user", c.c_void_p)]


class _RankingParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("resamples", c.c_int), ("seed", c.c_uint64)]


class _Array(c.Structure):
    _fields_ = [("name", c.c_char_p), ("axes", c.c_char_p), ("summary", c.c_char_p), ("view", _View), ("text", c.POINTER(c.c_char_p)),
                ("meaning", c.POINTER(_ScoreMeaning))]


class _Provenance(c.Structure):
    _fields_ = [("size", c.c_size_t), ("caller", c.c_char_p), ("job", c.c_char_p)]


class _RecorderParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("at", c.POINTER(c.c_char_p)), ("n_at", c.c_int), ("rows", _Rows), ("maps", c.c_int),
                ("dtype", c.c_int),
                ("top_k", c.c_int), ("pool_block", c.c_int64), ("max_bytes", c.c_int64), ("generated", c.c_int64)]


class _Path(c.Structure):
    _fields_ = [("from", c.c_int64 * 2), ("to", c.c_int64 * 2), ("into", c.c_int), ("logits", c.c_bool)]


class _PatchParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("heads", c.POINTER(c.c_int64 * 2)), ("n_heads", c.c_int), ("scores_sha256", c.c_char_p),
                ("scores_arch_sha256", c.c_char_p), ("site", c.c_int), ("no_map", c.c_bool),
                ("all_rows", c.c_bool), ("noising", c.c_bool), ("draws", c.c_int), ("resamples", c.c_int), ("seed", c.c_uint64),
                ("keep", c.c_int64),
                ("progress", _PROGRESS), ("cancelled", _CANCELLED), ("user", c.c_void_p), ("paths", c.POINTER(_Path)), ("n_paths", c.c_int)]


class _NllParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("context", c.c_int64), ("stride", c.c_int64), ("short_context", c.c_int64), ("keys", c.c_char_p),
                ("make_keys", c.c_char_p), ("tokenizer", c.c_void_p), ("progress", _PROGRESS), ("cancelled", _CANCELLED),
                ("user", c.c_void_p)]


class _GradientParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("target", c.c_int), ("last", c.c_int64), ("length", c.c_int64), ("window", c.c_int64),
                ("no_baseline", c.c_bool), ("resamples", c.c_int), ("seed", c.c_uint64), ("progress", _PROGRESS),
                ("cancelled", _CANCELLED), ("user", c.c_void_p)]


class _AttributeParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("site", c.c_int), ("all_rows", c.c_bool), ("noising", c.c_bool), ("recompute", c.c_bool),
                ("edges", c.c_int), ("against", c.c_char_p), ("resamples", c.c_int), ("seed", c.c_uint64), ("progress", _PROGRESS),
                ("cancelled", _CANCELLED), ("user", c.c_void_p), ("steps", c.c_int), ("gates", c.c_bool)]


class _AblateParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("heads", c.POINTER(c.c_int64 * 2)), ("n_heads", c.c_int), ("scores_sha256", c.c_char_p),
                ("scores_arch_sha256", c.c_char_p), ("modes", c.c_uint), ("scope", c.c_int), ("draws", c.c_int), ("seed", c.c_uint64),
                ("loss_cases", c.c_int), ("progress", _PROGRESS), ("cancelled", _CANCELLED), ("user", c.c_void_p)]


class _GeneratedParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("tokenizer", c.c_void_p), ("tokens", c.c_int64), ("progress", _PROGRESS),
                ("cancelled", _CANCELLED), ("user", c.c_void_p)]


class _CompareParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("scores", c.POINTER(c.c_char_p)), ("n_scores", c.c_int), ("k", c.c_int64),
                ("persistence", c.c_double), ("permutations", c.c_int64), ("seed", c.c_uint64), ("all_steps", c.c_bool)]


class _ProfileParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("run", c.c_char_p), ("k", c.c_int64)]


class _ScalingParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("longppl", c.c_bool), ("hold_largest", c.c_bool), ("resamples", c.c_int), ("seed", c.c_uint64)]


class _SeriesItem(c.Structure):
    _fields_ = [("path", c.c_char_p), ("revision", c.c_char_p), ("label", c.c_char_p), ("stage", c.c_int64),
                ("stage_step", c.c_int64), ("step", c.c_int64), ("branch", c.c_int64),
                ("tokens", c.c_int64), ("final", c.c_bool), ("inside", c.c_bool), ("other", c.c_bool), ("other_step", c.c_int64)]


class _SeriesLeft(c.Structure):
    _fields_ = [("name", c.c_char_p), ("why", c.c_char_p), ("no_checkpoint", c.c_bool)]


class _Series(c.Structure):
    _fields_ = [("list", c.POINTER(_SeriesItem)), ("n", c.c_int64), ("capacity", c.c_int64), ("left_out", c.POINTER(_SeriesLeft)),
                ("n_left_out", c.c_int64), ("left_capacity", c.c_int64)]


class _ScanRun(c.Structure):
    _fields_ = [("folder", c.c_char_p), ("name", c.c_char_p), ("coords", c.c_char_p), ("unread", c.c_char_p),
                ("tokens_per_step", c.c_int64), ("stamp", c.c_char * 65), ("series", _Series)]


_TOLD = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(_ScanRun), c.POINTER(_SeriesItem), c.c_int, c.c_char_p)


class _ScanParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("out", c.c_char_p), ("cases", c.POINTER(_Cases)), ("score", _ScoreParams), ("open", _OpenParams),
                ("shard", c.c_int64), ("n_shards", c.c_int64), ("steps", c.POINTER(c.c_int64)), ("force", c.c_bool),
                ("retry_failed", c.c_bool), ("by", c.POINTER(_Provenance)), ("told", _TOLD), ("user", c.c_void_p)]


class _ScanCounts(c.Structure):
    _fields_ = [(name, c.c_int64) for name in ("scored", "present", "failed", "replaced", "own", "found", "left_out", "empty_runs",
                                              "unsealed", "unread")]


class _MergeParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("mixed_kernels", c.c_bool), ("gone_too", c.c_bool), ("by", c.POINTER(_Provenance))]


class _StudyShape(c.Structure):
    _fields_ = [(name, c.c_int64) for name in "RPCLH"]


class _BirthParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("theta", c.c_double), ("persist", c.c_int)]


_SWEEP = 3


class _EmergenceParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("score", c.c_char_p), ("previous", c.c_char_p), ("birth", _BirthParams),
                ("sweep", c.c_double * _SWEEP),
                ("horizon", c.c_double), ("leave_short", c.c_bool), ("top", c.c_int64), ("resamples", c.c_int64), ("seed", c.c_uint64),
                ("axis", c.c_int), ("apart", c.c_bool)]


class _Event(c.Structure):
    _fields_ = [("after", c.c_double), ("at", c.c_double), ("step", c.c_int64), ("head", c.c_int64), ("gap", c.c_int64)]


class _Midpoint(c.Structure):
    _fields_ = [("tokens", c.c_double), ("width", c.c_double), ("low", c.c_double), ("high", c.c_double), ("rmse", c.c_double),
                ("flaw", c.c_char_p)]


class _MaxNull(c.Structure):
    _fields_ = [("observed", c.c_double), ("bound", c.c_double), ("p", c.c_double)]


class _RunEmergence(c.Structure):
    _fields_ = [("P", c.c_int64), ("measured", c.c_int64), ("any_kind", c.c_bool), ("best_score", c.POINTER(c.c_double)),
                ("previous_score", c.POINTER(c.c_double)), ("best_head", c.POINTER(c.c_int64)), ("previous_head", c.POINTER(c.c_int64)),
                ("best", _Event), ("second", _Event), ("previous", _Event), ("sweep", _Event * _SWEEP), ("midpoint", _Midpoint),
                ("chance", c.c_double),
                ("theta", c.c_double), ("previous_chance", c.c_double), ("previous_theta", c.c_double), ("null", _MaxNull),
                ("entropy", c.c_void_p), ("distance", c.c_void_p), ("flags", c.POINTER(c.c_uint)),
                ("twin", c.POINTER(c.c_int64))]


class _HeadLife(c.Structure):
    _fields_ = [("run", c.c_int64), ("layer", c.c_int64), ("head", c.c_int64), ("life", c.c_int64), ("born", _Event),
                ("died_after", c.c_double),
                ("died", c.c_double), ("died_step", c.c_int64)]


class _BirthInterval(c.Structure):
    _fields_ = [("median", c.c_double), ("low", c.c_double), ("high", c.c_double), ("R", c.c_int64), ("born", c.c_int64)]


class _SeedGroup(c.Structure):
    _fields_ = [("arm", c.c_char_p), ("pattern", c.c_char_p), ("window", c.c_double), ("nope", c.c_double), ("runs", c.POINTER(c.c_int64)),
                ("n", c.c_int64), ("interval", _BirthInterval), ("median_previous", c.c_double)]


class _Emergence(c.Structure):
    _fields_ = [("shape", _StudyShape), ("study", c.c_void_p), ("score", c.c_char_p), ("previous", c.c_char_p), ("birth", _BirthParams),
                ("sweep", c.c_double * _SWEEP), ("in_tokens", c.c_bool), ("axis", c.POINTER(c.c_double)), ("chance", c.POINTER(c.c_double)),
                ("previous_chance", c.POINTER(c.c_double)), ("null_control", c.c_char_p), ("horizon", c.c_double),
                ("shortest", c.c_int64), ("runs", c.POINTER(_RunEmergence)), ("lives", c.POINTER(_HeadLife)), ("n_lives", c.c_int64),
                ("groups", c.POINTER(_SeedGroup)), ("n_groups", c.c_int64), ("n_apart", c.c_int64)]


class _BirthGrid(c.Structure):
    _fields_ = [("S", c.c_int64), ("W", c.c_int64), ("time", c.POINTER(c.c_double)), ("limit", c.POINTER(c.c_double))]


class _GridTrend(c.Structure):
    _fields_ = [("page", c.c_double), ("logrank", c.c_double), ("least", c.c_double), ("n_seeds", c.c_int)]


class _Order(c.Structure):
    _fields_ = [("earlier", c.c_int), ("later", c.c_int), ("same", c.c_int), ("n", c.c_int), ("p", c.c_double)]


class _Laziness(c.Structure):
    _fields_ = [("births", c.POINTER(_Emergence)), ("group", c.POINTER(c.POINTER(_SeedGroup))), ("seed", c.POINTER(c.c_double)),
                ("W", c.c_int64),
                ("S", c.c_int64), ("best", _BirthGrid), ("previous", _BirthGrid), ("control", c.POINTER(c.c_bool)), ("trend", _GridTrend),
                ("previous_trend", _GridTrend), ("order", c.POINTER(_Order)), ("previous_order", c.POINTER(_Order))]


class _RunProgress(c.Structure):
    _fields_ = [("name", c.c_char_p), ("first", c.c_int64), ("step", c.c_int64), ("steps", c.c_int64), ("tokens_per_step", c.c_int64),
                ("loss", c.c_double)]


_STEPPED = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(_RunProgress))


class _RunParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("config", c.c_char_p), ("folder", c.c_char_p), ("resume", c.c_bool), ("own_seed", c.c_bool),
                ("seed", c.c_int64),
                ("steps", c.c_int64), ("threads", c.c_int), ("by", c.POINTER(_Provenance)), ("progress", _STEPPED),
                ("cancelled", _CANCELLED), ("user", c.c_void_p)]


class _RunResult(c.Structure):
    _fields_ = [("size", c.c_size_t), ("name", c.c_char * 256), ("newest", c.c_char * 4096), ("config_sha256", c.c_char * 65),
                ("first", c.c_int64),
                ("steps", c.c_int64), ("tokens", c.c_int64), ("loss", c.c_double), ("layout", c.c_char * 96),
                ("own_layout_because", c.c_char * 256)]


_SAY = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_char_p)
_STAGE = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p, c.c_double)


class _LaboratoryParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("folder", c.c_char_p), ("protocol", c.c_char_p), ("scale", c.c_char_p), ("seeds", c.c_int64),
                ("windows", c.POINTER(c.c_int64)), ("n_windows", c.c_int64), ("program", c.c_char_p), ("cores", c.c_int),
                ("by", c.POINTER(_Provenance)), ("say", _SAY),
                ("progress", _STAGE), ("cancelled", _CANCELLED), ("user", c.c_void_p), ("study", c.c_char_p)]


class _LaboratoryReport(c.Structure):
    _fields_ = [("size", c.c_size_t), ("text", c.c_void_p), ("json", c.c_void_p), ("runs", c.c_int64), ("measured", c.c_int64),
                ("failures", c.c_int64)]


class _PaperParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("folder", c.c_char_p), ("runs", c.POINTER(c.c_char_p)), ("n_runs", c.c_int64),
                ("scale", c.c_char_p), ("seeds", c.c_int64), ("dry_run", c.c_bool), ("program", c.c_char_p), ("cores", c.c_int),
                ("by", c.POINTER(_Provenance)), ("say", _SAY), ("progress", _STAGE), ("cancelled", _CANCELLED), ("user", c.c_void_p)]


class _PaperReport(c.Structure):
    _fields_ = [("size", c.c_size_t), ("text", c.c_void_p), ("json", c.c_void_p), ("runs", c.c_int64), ("failures", c.c_int64)]


class _FigureParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("title", c.c_char_p), ("colormap", c.c_char_p), ("vmin", c.c_double), ("vmax", c.c_double),
                ("width", c.c_double),
                ("dpi", c.c_int), ("comment", c.c_char_p), ("facts", c.c_void_p),
                ("n_facts", c.c_int), ("bytes", c.c_void_p), ("n_bytes", c.c_void_p), ("crowded", c.c_void_p),
                ("crowded_size", c.c_size_t), ("font_size", c.c_double), ("font", c.c_char_p),
                ("labels", c.POINTER(c.c_char_p)), ("n_labels", c.c_int), ("height", c.c_double), ("theme", c.c_char_p),
                ("dark", c.c_bool), ("transparent", c.c_bool), ("values", c.c_int), ("legend", c.c_int), ("x_axis", c.c_int),
                ("order", c.POINTER(c.c_char_p)), ("n_order", c.c_int), ("layers", c.c_char_p)]


class _Plotted(c.Structure):
    _fields_ = [("size", c.c_size_t), ("shows", c.c_char * 256), ("note", c.c_char * 512)]


_WORDS, _HEADS = c.POINTER(c.c_char_p), c.POINTER(c.c_int64 * 2)


class _StudyPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("figure", c.c_char_p), ("births", c.POINTER(_EmergenceParams)),
                ("run", c.c_char_p)]


class _MapPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("case_id", c.c_char_p), ("layer", c.c_int64), ("head", c.c_int64),
                ("log_scale", c.c_bool), ("no_spans", c.c_bool), ("rows", c.c_char_p), ("keys", c.c_char_p), ("tokens", c.c_bool),
                ("tokenizer", c.c_char_p)]


class _TokensPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("case_id", c.c_char_p), ("layer", c.c_int64), ("head", c.c_int64),
                ("row", c.c_int64), ("keys", c.c_char_p), ("tokenizer", c.c_char_p)]


class _ScalingPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("files", c.POINTER(c.c_char_p)), ("n_files", c.c_int), ("longppl", c.c_bool),
                ("hold_largest", c.c_bool)]


class _GrowthPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("run", c.c_char_p), ("score", c.c_char_p), ("steps", c.POINTER(c.c_int64)),
                ("n_steps", c.c_int), ("top", c.c_int64)]


class _ComparePlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("files", _WORDS), ("n_files", c.c_int), ("score", c.c_char_p), ("run", c.c_char_p),
                ("steps", c.POINTER(c.c_int64)), ("n_steps", c.c_int), ("top", c.c_int64)]


class _HeadsPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("files", _WORDS), ("n_files", c.c_int), ("scores", _WORDS), ("n_scores", c.c_int), ("marks", _HEADS),
                ("n_marks", c.c_int), ("top", c.c_int64), ("split", c.c_int64)]


class _RankPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("scores", _WORDS), ("n_scores", c.c_int), ("top", c.c_int64)]


class _GridPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("of", c.c_int), ("head", c.c_int64 * 2), ("by", c.c_int)]


class _ProbePlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("distances", c.POINTER(c.c_double)), ("n_distances", c.c_int),
                ("run", c.c_char_p)]


class _AgreementPlot(c.Structure):
    _fields_ = [("size", c.c_size_t), ("file", c.c_char_p), ("scores", _WORDS), ("n_scores", c.c_int), ("spearman", c.c_bool)]


class _ExportScore(c.Structure):
    _fields_ = [("name", c.c_char_p), ("of", c.c_char_p), ("over", c.c_char_p)]


class _ExportParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("scores", c.POINTER(_ExportScore)), ("n_scores", c.c_int), ("run", c.c_char_p), ("top", c.c_int64),
                ("standalone", c.c_bool), ("births", c.c_void_p), ("by", c.POINTER(_Provenance)), ("page", c.c_void_p)]


class _StudyNotebookParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("what", _ExportParams), ("birth", _BirthParams), ("no_births", c.c_bool), ("view", c.c_bool),
                ("beside", c.POINTER(c.c_char_p)), ("n_beside", c.c_int), ("tokenizer", c.c_char_p), ("limit", c.c_int64),
                ("page", c.c_void_p)]


class _Range(c.Structure):
    _fields_ = [("least", c.c_double), ("most", c.c_double), ("nan", c.c_bool)]


class _Expected(c.Structure):
    _fields_ = [("size", c.c_size_t), ("name", c.c_char_p), ("type", c.c_int), ("rank", c.c_int), ("shape", c.c_int64 * 8),
                ("range", _Range), ("axes", c.c_char_p)]


_ON_ARRAY = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(_Array), c.POINTER(_Error))

_TELL = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p)

_DTYPES = ("f4", "f8", "f2", None, "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?")     # by ns_dtype; numpy has no bf16
_CODES = {-1: "NS_E_ARG", -2: "NS_E_FORMAT", -3: "NS_E_MISSING", -4: "NS_E_CREATE", -5: "NS_E_IO", -6: "NS_E_MEMORY",
          -7: "NS_E_UNSUPPORTED",
          -8: "NS_E_NUMERIC", -9: "NS_E_INTERNAL"}
_STOP, _N_POINTS = 1, 30
_OPEN_ARCH, _OPEN_TOKENIZER = 1, 2
_ROWS_ALL, _ROWS_LIST, _ROWS_SPAN, _ROWS_ANSWER = 0, 2, 3, 4
_MODES = {"noop": 0, "zero_z": 1, "mean_z": 2, "uniform_attn": 3, "knockout": 4, "knockout_others": 5}
_SCOPES = {"all": 0, "prefill": 1, "decode": 2}
_TARGETS = {"logit_sum": 0, "logit_max": 1}
_SITES = {"z": 0, "q": 1, "k": 2, "v": 3}
_ROLES = {name: i for i, name in enumerate(
    "EMBED POSITIONS UNEMBED UNEMBED_BIAS Q K V O Q_BIAS K_BIAS V_BIAS O_BIAS GATE UP DOWN GATE_BIAS UP_BIAS DOWN_BIAS".split())}
_GRIDS = ("first", "answered", "find")
_GRID_PLACES = ("auto", "depth", "distance")
_MAPS = {"stats+topk": 0, "dense": 1, "rows": 2, "topk": 3, "pooled": 4, "stats": 5}

_EXITS = {2: "NS_E_ARG", 65: "NS_E_FORMAT", 66: "NS_E_MISSING", 70: "NS_E_INTERNAL", 73: "NS_E_CREATE", 74: "NS_E_IO",
          75: "NS_E_MEMORY"}
_INT_MAX = (1 << 31) - 1
_P, _I64, _I32, _INT, _S = c.c_void_p, c.c_int64, c.c_int32, c.c_int, c.c_char_p
_OUT, _ERR = c.POINTER(c.c_void_p), c.POINTER(_Error)
_FUNCTIONS = {                                  # name: result, arguments
    "ns_version": (_S, []), "ns_machine_find": (None, [c.POINTER(_Machine), c.POINTER(_MachineParams)]),
    "ns_engine_new": (_INT, [_OUT, c.POINTER(_EngineParams), _ERR]), "ns_engine_free": (None, [_P]),
    "ns_open_more": (_INT, [_P, c.c_uint, _ERR]),
    "ns_open": (_INT, [_OUT, c.POINTER(_OpenParams), _ERR]), "ns_close": (None, [_P]), "ns_engine_cpu": (_S, [_P]),
    "ns_engine_kernel_class": (_S, [_P]), "ns_engine_threads": (_INT, [_P]),
    "ns_checkpoint_tokenizer_path": (_S, [_P]),
    "ns_arch_attn": (c.POINTER(_AttnHead), [_P, _I64]), "ns_arch_layer_kind": (_INT, [_P, _I64]), "ns_layer_kind_name": (_S, [_INT]),
    "ns_arch_max_heads": (_I64, [_P]), "ns_arch_max_head_dim": (_I64, [_P]),
    "ns_session_new": (_INT, [_OUT, _P, c.POINTER(_SessionParams), _ERR]), "ns_session_free": (None, [_P]),
    "ns_session_append": (_INT, [_P, c.POINTER(_I32), _I64, _ERR]), "ns_session_add_case": (_INT, [_P, c.POINTER(_Case), _I64, _ERR]),
    "ns_session_logits": (c.POINTER(c.c_float), [_P]),
    "ns_arch_to_json": (_INT, [_P, _OUT, _ERR]), "ns_tokenizer_bos": (_I32, [_P]),
    "ns_model_weight_shape": (_INT, [_P, _I64, _INT, c.POINTER(_I64), _ERR]),
    "ns_model_weight": (_INT, [_P, _I64, _INT, c.POINTER(c.c_float), _ERR]),
    "ns_backward": (_INT, [_P, _P, c.POINTER(_Seed), _I64, _P, c.POINTER(_BackwardParams), _ERR]),
    "ns_forward": (_INT, [_P, c.POINTER(c.c_void_p), _I64, _P, c.POINTER(_ForwardParams), _ERR]),
    "ns_generate": (_INT, [_P, _P, _I64, c.POINTER(_GenerateParams), c.POINTER(_I32), c.POINTER(_I64), _ERR]),
    "ns_hooks_new": (_INT, [_OUT, _P, c.POINTER(_Hook), _INT, _ERR]), "ns_hooks_free": (None, [_P]),
    "ns_hooks_check_rows": (_INT, [c.POINTER(_Hook), _INT, c.POINTER(_Cases), c.POINTER(_I64), _ERR]),
    "ns_point_axes": (_S, [_INT]), "ns_point_exists": (c.c_bool, [_P, _INT, _I64]),
    "ns_point_width": (_I64, [_P, _INT, _I64]),
    "ns_point_format": (None, [_INT, _I64, _P, c.c_size_t]),
    "ns_edits_new": (_INT, [_OUT, _P, c.POINTER(_Edit), _INT, _P, _P, _ERR]), "ns_edits_free": (None, [_P]),
    "ns_edits_hooks": (c.POINTER(_Hook), [_P, c.POINTER(_INT)]),
    "ns_mean_z": (_INT, [_P, c.POINTER(_Cases), _INT, c.POINTER(c.c_float), _ERR]),
    "ns_cases_read": (_INT, [c.POINTER(_Cases), _S, _P, _ERR]), "ns_cases_clear": (None, [c.POINTER(_Cases)]),
    "ns_tokenizer_open": (_INT, [_OUT, _S, _ERR]), "ns_tokenizer_free": (None, [_P]),
    "ns_encode": (_INT, [_P, _S, c.c_size_t, c.c_bool, c.POINTER(_Encoding), _ERR]), "ns_encoding_clear": (None, [c.POINTER(_Encoding)]),
    "ns_decode": (_INT, [_P, c.POINTER(_I32), _I64, c.c_bool, _OUT, _ERR]),
    "ns_token_id": (_I32, [_P, _S]), "ns_token_text": (_S, [_P, _I32]), "ns_token_is_special": (c.c_bool, [_P, _I32]),
    "ns_tokenizer_size": (_I64, [_P]),
    "ns_probes": (c.POINTER(c.POINTER(_ProbeHead)), []), "ns_probe_find": (c.POINTER(_ProbeHead), [_S]),
    "ns_probe_from_json": (_INT, [_OUT, _S, c.c_size_t, _S, _ERR]), "ns_probe_free": (None, [_P]),
    "ns_linear_probe_new": (_INT, [_OUT, c.POINTER(_LinearParams), _ERR]), "ns_linear_probe_free": (None, [_P]),
    "ns_linear_write": (_INT, [_P, c.POINTER(_LinearParams), _S, c.POINTER(_Provenance), _ERR]),
    "ns_score_run": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_ScoreParams), _ERR]), "ns_scores_free": (None, [_P]),
    "ns_scores_rank": (_INT, [_P, c.POINTER(_RankingParams), _ERR]), "ns_scores_each": (_INT, [_P, _ON_ARRAY, _P, _ERR]),
    "ns_provenance_of_model": (_INT, [c.POINTER(_FactList), _P, _ERR]),
    "ns_provenance_of_cases": (_INT, [c.POINTER(_FactList), c.POINTER(_Cases), _ERR]),
    "ns_provenance_check_file": (_INT, [c.POINTER(_FactList), _S, _S, _ERR]),
    "ns_scores_facts": (_INT, [_P, c.POINTER(_FactList), _ERR]), "ns_fact_list_clear": (None, [c.POINTER(_FactList)]),
    "ns_scores_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_scores_cases": (_I64, [_P]), "ns_scores_answered": (_I64, [_P]), "ns_scores_token_accuracy": (c.c_double, [_P, c.c_bool]),
    "ns_best": (_BestCut, [c.POINTER(c.c_float), _I64, _I64, c.POINTER(_ScoreMeaning), c.POINTER(c.c_int64)]),
    "ns_nearest_word": (_S, [_S, c.POINTER(c.c_char_p), _I64]),
    "ns_best_note": (None, [c.POINTER(_BestCut), _I64, c.c_char_p, c.c_size_t]),
    "ns_file_open": (_INT, [_OUT, _S, _ERR]), "ns_file_close": (None, [_P]),
    "ns_file_is_unsealed": (c.c_bool, [_S]), "ns_file_is_uncut": (c.c_bool, [_S]),
    "ns_file_check_values": (_INT, [_P, _ERR]), "ns_file_fact": (_S, [_P, _S]),
    "ns_file_fact_count": (_I64, [_P]),
    "ns_file_fact_name": (_S, [_P, _I64]), "ns_file_list": (_INT, [_P, _OUT, c.POINTER(_I64), _ERR]),
    "ns_file_describe": (_INT, [_P, _S, c.POINTER(_INT), c.POINTER(_INT), c.POINTER(_I64), _OUT, _ERR]),
    "ns_file_array": (_INT, [_P, c.POINTER(_Expected), _OUT, _ERR]), "ns_file_texts": (_INT, [_P, c.POINTER(_Expected), _OUT, _ERR]),
    "ns_any_number": (_Range, []), "ns_file_meaning": (_INT, [_P, _S, c.POINTER(_ScoreMeaning), _ERR]),
    "ns_recorder_new": (_INT, [_OUT, _P, c.POINTER(_Cases), _S, c.POINTER(_RecorderParams), c.POINTER(_Provenance), _ERR]),
    "ns_recorder_hooks": (_P, [_P]), "ns_recorder_commit": (_INT, [_P, _ERR]), "ns_recorder_abort": (None, [_P]),
    "ns_run_cases": (_INT, [_P, c.POINTER(_Cases), _P, c.POINTER(_ScoreParams), _ERR]),
    "ns_path_parse": (_INT, [_S, c.POINTER(_Path), _ERR]),
    "ns_patch": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_PatchParams), _ERR]), "ns_patching_free": (None, [_P]),
    "ns_patching_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_answer_json": (_INT, [_TELL, _P, _S, _OUT, _ERR]),
    "ns_nll_run": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_NllParams), _ERR]), "ns_nll_free": (None, [_P]),
    "ns_nll_characters": (c.c_bool, [c.POINTER(_NllParams)]), "ns_nll_tell": (None, [_P, c.c_bool, _P]),
    "ns_nll_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_gradient_of": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_GradientParams), _ERR]), "ns_gradient_free": (None, [_P]),
    "ns_gradient_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_export_npz": (_INT, [_S, _S, c.c_bool, c.POINTER(_Provenance), _ERR]),
    "ns_attribute": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_AttributeParams), _ERR]), "ns_attribution_free": (None, [_P]),
    "ns_attribution_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_ablate": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_AblateParams), _ERR]), "ns_ablation_free": (None, [_P]),
    "ns_ablation_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_generated_run": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_GeneratedParams), _ERR]), "ns_generated_free": (None, [_P]),
    "ns_generated_tell": (None, [_P, c.c_bool, _P]),
    "ns_compare_run": (_INT, [_OUT, c.POINTER(c.c_char_p), _INT, c.POINTER(_CompareParams), _ERR]), "ns_comparison_free": (None, [_P]),
    "ns_comparison_note": (_S, [_P, _I64]), "ns_comparison_tell": (None, [_P, _P]),
    "ns_profile_tell": (_INT, [_P, c.POINTER(_ProfileParams), _P, _ERR]),
    "ns_scaling_of_files": (_INT, [_OUT, c.POINTER(c.c_char_p), _INT, c.POINTER(_ScalingParams), _ERR]),
    "ns_scaling_report_free": (None, [_P]), "ns_scaling_tell": (None, [_P, _P]),
    "ns_trace_write": (_INT, [_P, _I64, _S, c.POINTER(_Provenance), _ERR]),
    "ns_scan_run_open": (_INT, [c.POINTER(_ScanRun), _S, _S, _ERR]), "ns_scan_run_close": (None, [c.POINTER(_ScanRun)]),
    "ns_scan_open_first": (_INT, [_OUT, c.POINTER(_ScanRun), _I64, c.POINTER(_OpenParams), _ERR]),
    "ns_scan": (_INT, [c.POINTER(_ScanRun), _I64, c.POINTER(_ScanParams), c.POINTER(_ScanCounts), _ERR]),
    "ns_merge": (_INT, [_S, _S, c.POINTER(_MergeParams), _ERR]),
    "ns_study_open": (_INT, [_OUT, _S, _ERR]), "ns_study_close": (None, [_P]), "ns_study_size": (_StudyShape, [_P]),
    "ns_study_run_name": (_S, [_P, _I64]), "ns_study_steps": (c.POINTER(_I64), [_P]),
    "ns_study_find_run": (_INT, [_P, _S, c.POINTER(_I64), _ERR]),
    "ns_emergence_run": (_INT, [_OUT, _P, c.POINTER(_EmergenceParams), _ERR]), "ns_emergence_free": (None, [_P]),
    "ns_emergence_write_csv": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]), "ns_emergence_check": (_INT, [_P, _ERR]),
    "ns_event_text": (_S, [_Event, _P]), "ns_laziness_of": (_INT, [_OUT, _P, _S, _ERR]), "ns_laziness_free": (None, [_P]),
    "ns_order_verdict": (_S, [_Order, c.c_double, _P]),
    "ns_run_train": (_INT, [c.POINTER(_RunResult), c.POINTER(_RunParams), _ERR]),
    **{f"ns_plot_{name}": (_INT, [_S, c.POINTER(kind), c.POINTER(_FigureParams), c.POINTER(_Plotted), _ERR]) for name, kind in
       dict(study=_StudyPlot, map=_MapPlot, tokens=_TokensPlot, growth=_GrowthPlot, compare=_ComparePlot, heads=_HeadsPlot, rank=_RankPlot,
            grid=_GridPlot, agreement=_AgreementPlot, probe=_ProbePlot,
            scaling=_ScalingPlot).items()},
    **{f"ns_plot_{name}": (_INT, [_S, _WORDS, _INT, c.POINTER(_FigureParams), c.POINTER(_Plotted), _ERR])
       for name in ("ablation", "gradient")},
    "ns_plot_trace": (_INT, [_S, _S, c.POINTER(_FigureParams), c.POINTER(_Plotted), _ERR]),
    "ns_study_scores": (c.POINTER(c.c_char_p), [_P, c.POINTER(_I64)]), "ns_study_usual_score": (_S, [_P]),
    "ns_export_csv": (_INT, [_P, _S, c.POINTER(_ExportParams), c.POINTER(_I64), _ERR]),
    "ns_export_latex": (_INT, [_P, _S, c.POINTER(_ExportParams), _ERR]),
    "ns_study_notebook": (_INT, [_P, _S, c.POINTER(_StudyNotebookParams), _P, c.c_size_t, _ERR]),
    "ns_laboratory_run": (_INT, [c.POINTER(_LaboratoryReport), c.POINTER(_LaboratoryParams), _ERR]),
    "ns_laboratory_report_clear": (None, [c.POINTER(_LaboratoryReport)]),
    "ns_paper_run": (_INT, [c.POINTER(_PaperReport), c.POINTER(_PaperParams), _ERR]),
    "ns_paper_report_clear": (None, [c.POINTER(_PaperReport)]),
}


def _open_library():
    path = _library_path()
    try:
        lib = c.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as e:
        raise ImportError(f"{path}: {e}") from e
    version = lib.ns_version().decode()
    if version.split(".")[:2] != __version__.split(".")[:2]:       # struct layouts hold within a minor version
        raise ImportError(f"{path} is needlescope {version}, {__file__} is made for {__version__}")
    return lib


_lib = _open_library()
_libc = c.CDLL(None)
_libc.free.argtypes = [c.c_void_p]


class Error(RuntimeError):
    """What the library says, in one line; code is the name of its class: "NS_E_FORMAT", ..."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = _CODES.get(code, str(code))


def _call(name, *arguments):
    """A function of the library that can fail; its last argument, the error, is ours."""
    err = _Error()
    raw = [x._as_parameter_ if isinstance(x, _Owner) else x for x in arguments]     # ctypes makes an ArgumentError of what it raises
    rc = getattr(_lib, name)(*raw, c.byref(err))
    if rc < 0:
        raise Error(rc, err.message.decode(errors="replace"))
    return rc


# ctypes takes whatever it is given: numbers are cut to the width of their field, texts at their first NUL, and any object is true. So what
# callers give passes one of these first; _params asks the one that fits the type of each field.

def _bytes(path_or_text):
    """Never None, which would be no pointer where the library reads one."""
    raw = os.fsencode(path_or_text)
    if b"\0" in raw:
        raise ValueError(f"{path_or_text!r} has a NUL character in it, where the library would end it")
    return raw


def _number(name, given, least=0, most=(1 << 63) - 1):
    """A whole number (numpy's too) as an int."""
    try:
        value = None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        value = None
    if value is None or not least <= value <= most:
        raise ValueError(f"{name} is {given!r}: it is a whole number of {least} to {most}")
    return value


def _real(name, given, least=-math.inf, most=math.inf):
    """A finite number as a float."""
    try:
        value = math.nan if isinstance(given, (bool, np.bool_, str, bytes)) else float(given)
    except (TypeError, OverflowError):
        value = math.nan
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"{name} is {given!r}: it is a finite number" + f" of {least:g} to {most:g}" * (least > -math.inf))
    return value


def _flag(name, given):
    if not isinstance(given, (bool, np.bool_)):
        raise ValueError(f"{name} is {given!r}: it is True or False")
    return bool(given)


def _fits(name, of, given):
    """The value of a field of type `of`."""
    if of is c.c_bool:
        return _flag(name, given)
    if of in (c.c_float, c.c_double):
        return _real(name, given)
    if of is c.c_char_p:
        return given if given is None else _bytes(given)
    if isinstance(of, type) and issubclass(of, c._SimpleCData) and of._type_ in "iIlLqQ":
        return _number(name, given, 0, (1 << 8 * c.sizeof(of) - (of(-1).value < 0)) - 1)
    return given


def _params(kind, **fields):
    types = dict(kind._fields_)
    return kind(size=c.sizeof(kind), **{name: _fits(name, types[name], value) for name, value in fields.items()})


def _whole(name, given, least=-1 << 63, most=(1 << 63) - 1, kind=np.int64):
    """A copy of the numbers, in C order."""
    array = np.asarray(given)
    if not isinstance(given, np.ndarray):                       # of [1, True] numpy makes whole numbers, of [1, 2**63] none
        array = np.asarray(given, object)
    if array.dtype.kind not in "iu":
        for wrong in (x for x in array.flat if not isinstance(x, (int, np.integer)) or isinstance(x, bool)):
            raise ValueError(f"{name}: {wrong!r} ... are no whole numbers")
    for wrong in (x for x in (array.min(), array.max()) if not least <= int(x) <= most) if array.size else ():
        raise ValueError(f"{name}: {wrong} is there; they are whole numbers of {least} to {most}")
    return np.array(array, kind, order="C")


def _int32(ids, name="token ids"):
    """A copy of token ids [n]."""
    out = _whole(name, ids, -1 << 31, (1 << 31) - 1, np.int32)
    if out.ndim != 1:
        raise ValueError(f"{name} are a list, and these have the shape {out.shape}")
    return out


def _reals(name, given):
    """The numbers as an array of whatever real type they have."""
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: values of {array.dtype}, and real numbers are needed")
    return array


def _seed_pairs(seed):
    """[(point, (rows, values))] of grad's seed."""
    wanted = "{point: (rows, values)} is wanted, as {'hook_logits': (-1, values)} for the last row"
    if not isinstance(seed, dict):
        raise TypeError(f"seed: a {type(seed).__name__}, and {wanted}")
    for point, pair in seed.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"seed {point!r}: no pair, and {wanted}")
    return seed.items()


def _f32(array):
    """In 32 bits, contiguous; numbers too large for them become infinite, which is refused where it matters, without numpy's warning."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32)


def _pointer(array, kind):
    return array.ctypes.data_as(c.POINTER(kind))


def _borrow(view):
    """The view as an array over the library's memory: valid while the library's call lasts."""
    shape, strides, dtype = tuple(view.shape[:view.rank]), view.stride[:view.rank], np.dtype(_DTYPES[view.dtype])
    if 0 in shape:
        return np.empty(shape, dtype)
    there = _Memory()
    there.__array_interface__ = dict(version=3, data=(view.data, False), typestr=dtype.str, shape=shape,
                                     strides=tuple(step * dtype.itemsize for step in strides))
    return np.asarray(there)


class _Memory:
    """What numpy takes an array over memory that is not its own from."""


class _Fixed:
    """What stands in _fixed says how memory of the library's is to be read: it is set once."""
    _fixed, _what = (), None

    def __setattr__(self, name, value):
        if name in self._fixed and name in self.__dict__:
            raise AttributeError(f"{name} of {self._what or 'a ' + type(self).__name__} is what it was made with: it cannot be set")
        super().__setattr__(name, value)


class _Owner(_Fixed):
    """Something of the library's, freed once: with the last reference, by close(), or at the end of a with block; not while a pass runs
    over it."""

    def _own(self, handle, free, *more):
        """more: (handle, free) of what the handle stands on, freed after it."""
        self._handle, self._passes = handle, []         # the thread of each pass that runs over it
        _owners.add(self)
        self._finalizer = weakref.finalize(self, _Owner._free_all, [(handle, free), *more])

    @staticmethod
    def _free_all(handles):
        for handle, free in handles:
            free(handle)

    @property
    def _as_parameter_(self):
        if not self._finalizer.alive:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._handle

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} is of the process that made it, and can be neither copied nor sent: make it again where "
                        "it is wanted, of what it was made of")

    def close(self):
        if self._passes:
            raise RuntimeError(f"a pass over this {type(self).__name__} is running: it cannot be closed")
        self._finalizer()

    def __enter__(self):
        self._as_parameter_                     # closed: an error
        return self

    def __exit__(self, *_):
        self.close()


_owners = weakref.WeakSet()


def _in_child():
    """After fork(): of the threads that were in a pass, only the one that forked is here."""
    for owner in _owners:
        owner._passes[:] = [x for x in owner._passes if x == threading.get_ident()]


os.register_at_fork(after_in_child=_in_child)


_UNSEALED = "made or changed by another program (h5repack, h5py): whether the values are those that were written is not known"


def _warn_unsealed(path, stacklevel):
    """Of a file that another program left without our seal (schema.md)."""
    if path and _lib.ns_file_is_unsealed(path):
        warnings.warn(f"{os.fsdecode(path)} has no seal: {_UNSEALED}", stacklevel=stacklevel)


class _Scratch:
    """Handles of one call, freed at the end of a with block, the last one first."""

    def __enter__(self):
        self._list = []
        return self

    def new(self, name, free, *arguments):
        handle = c.c_void_p()
        _call(name, c.byref(handle), *arguments)
        self._list.append((handle, getattr(_lib, free)))
        if name in ("ns_file_open", "ns_study_open"):
            _warn_unsealed(arguments[0], stacklevel=5)
        return handle

    def take(self):
        """The handles with what frees them, the last one first; they are the caller's now."""
        handles, self._list = self._list[::-1], []
        return handles

    def __exit__(self, *_):
        _Owner._free_all(self.take())


# ---- text ----

class Tokenizer(_Owner):
    """A Hugging Face tokenizer.json (tokenizer.model, vocab.json, vocab.txt), or a folder that holds one."""

    def __init__(self, path):
        handle = c.c_void_p()
        _call("ns_tokenizer_open", c.byref(handle), _bytes(path))
        self._own(handle, _lib.ns_tokenizer_free)

    def encode(self, text, special=True):
        """Token ids, int32. special: add what the tokenizer's template adds (BOS ...)."""
        return self._encode(text, special)[0]

    def offsets(self, text, special=True):
        """[n, 2]: where each token of encode(text) lies, in characters of text; equal for tokens that the template added."""
        _, spans = self._encode(text, special)
        begun = np.cumsum([0] + [(byte & 0xC0) != 0x80 for byte in text.encode()] + [True])        # characters begun before a byte
        return np.stack([begun[spans[:, 0] + 1] - 1, begun[spans[:, 1]]], -1)

    def tokenize(self, text, special=True):
        """The tokens as the vocabulary spells them."""
        return [_lib.ns_token_text(self._as_parameter_, i).decode(errors="replace") for i in self.encode(text, special).tolist()]

    @property
    def bos(self):
        """The id of the token that begins a text, or None."""
        found = _lib.ns_tokenizer_bos(self._as_parameter_)
        return None if found < 0 else found

    def _encode(self, text, special):
        raw, out = text.encode(), _Encoding()
        _call("ns_encode", self, raw, len(raw), _flag("special", special), c.byref(out))
        try:
            n = out.n
            ids = np.array(out.ids[:n], np.int32)
            return ids, np.stack([np.array(out.begin[:n], np.int64), np.array(out.end[:n], np.int64)], -1)
        finally:
            _lib.ns_encoding_clear(c.byref(out))

    def decode(self, ids, skip_special=False):
        """The text of token ids."""
        ids, out = _int32(ids), c.c_void_p()
        _call("ns_decode", self, _pointer(ids, _I32), ids.size, _flag("skip_special", skip_special), c.byref(out))
        try:
            return c.string_at(out).decode()
        finally:
            _libc.free(out)

    def id(self, token):
        """The id of a vocabulary entry, or None."""
        found = _lib.ns_token_id(self._as_parameter_, _bytes(token))
        return None if found < 0 else found

    @classmethod
    def _borrow(cls, handle):
        """The tokenizer behind a handle that somebody else frees; None for NULL."""
        self = cls.__new__(cls)
        self._own(c.c_void_p(handle), lambda _: None)
        return self if handle else None

    def special(self):
        """The ids of the special tokens, int32."""
        if not hasattr(self, "_special"):
            self._special = np.array([i for i in range(len(self)) if _lib.ns_token_is_special(self._as_parameter_, i)], np.int32)
        return self._special.copy()

    def __len__(self):
        return _lib.ns_tokenizer_size(self._as_parameter_)


# ---- cases ----

class Case(_Fixed):
    """One case of Cases, which it keeps alive: id, tokens, answer, lead, spans {name: (begin, end)}, text, answer_text, twin_of, meta: the
    keys of a line of JSONL (lib/include/needlescope/case.h). It cannot be changed (spans and meta are copies): read_cases takes dicts of
    the same keys."""

    _fixed = ("id", "tokens", "answer", "lead", "text", "answer_text", "twin_of")

    def __init__(self, cases, i):
        self._cases, self._struct = cases, cases._alive().list[i]
        s = self._struct
        text = lambda raw: raw.decode() if raw is not None else None
        self.id, self.text, self.answer_text, self.twin_of = text(s.id), text(s.text), text(s.answer_text), text(s.twin_of)
        self.tokens, self.answer = np.array(s.tokens[:s.n_tokens], np.int32), np.array(s.answer[:s.n_answer], np.int32)
        self.tokens.flags.writeable = self.answer.flags.writeable = False
        self.lead = s.n_lead
        self._spans, self._meta = {x.name.decode(): (x.begin, x.end) for x in s.spans[:s.n_spans]}, s.meta or b"{}"

    spans = property(lambda self: dict(self._spans))
    meta = property(lambda self: json.loads(self._meta))

    def __repr__(self):
        return f"Case({self.id!r}, {self.tokens.size} tokens, answer of {self.answer.size}, spans {', '.join(self.spans) or 'none'})"


class Cases(_Owner):
    """A list of cases: cases[i] is a Case, cases[a:b] are Cases. Made by read_cases and Model.cases."""

    def __init__(self, path, tokenizer=None):
        self._struct, self._owners, self._path = _Cases(), (), os.fspath(path)
        self._own(self._struct, lambda s: _lib.ns_cases_clear(c.byref(s)))
        _call("ns_cases_read", c.byref(self._struct), _bytes(path), tokenizer)

    @classmethod
    def _of(cls, structs, owners):
        """Cases whose structs are borrowed from the Cases `owners`. A call's own are closed at its end: what a signal's handler raises in a
        finalizer is lost."""
        for owner in owners:
            owner._alive()                      # else structs are read from memory that was freed
        self = cls.__new__(cls)
        self._structs, self._owners, self._path = structs, owners, " and ".join(dict.fromkeys(str(x._path) for x in owners))
        files = [path for x in owners for path in x._struct.files[:x._struct.n_files]]
        self._struct = _Cases((_Case * len(structs))(*structs), len(structs), 0, (c.c_char_p * len(files))(*files), len(files))
        self._own(self._struct, lambda s: None)
        return self

    def _all(self):
        """These and those that they are borrowed from."""
        return [self] + [x for owner in self._owners for x in owner._all()]

    def _alive(self):
        for one in self._all():
            one._as_parameter_                  # closed: an error
        return self._struct

    @property
    def _pointer(self):
        return c.byref(self._alive())

    def __len__(self):
        return self._alive().n

    def __getitem__(self, i):
        if isinstance(i, slice):
            return Cases._of([self._alive().list[k] for k in range(*i.indices(len(self)))], [self])
        k = i + len(self) if i < 0 else i
        if not 0 <= k < len(self):
            raise IndexError(f"case {i}: there are {len(self)}")
        return Case(self, k)


def read_cases(source, tokenizer=None):
    """Cases from a JSONL file, a list of dicts with the keys of its lines, or a list of Case. Those given as text need a tokenizer."""
    if isinstance(source, Cases):
        return source
    if isinstance(source, Case):
        source = [source]
    if isinstance(source, (str, os.PathLike)):
        return Cases(source, tokenizer)
    source = list(source)
    if source and all(isinstance(x, Case) for x in source):
        _check_unique(source)
        return Cases._of([x._struct for x in source], [x._cases for x in source])
    with _as_file("".join(json.dumps(x, default=_plain) + "\n" for x in source), "these cases", ".jsonl") as path:
        return Cases(path, tokenizer)


@contextmanager
def _as_file(text, what, suffix):
    """A file for the library's reader, the one for all; what it says of the file it says of `what`."""
    with tempfile.NamedTemporaryFile("w", suffix=suffix) as f:
        f.write(text)
        f.flush()
        try:
            yield f.name
        except Error as e:
            e.args = (str(e).replace(f.name, what),)
            raise


def _check_unique(cases):
    first = {}
    for i, x in enumerate(cases):
        other = cases[first.setdefault(x.id, i)]
        if first[x.id] != i:
            raise ValueError(f"the id {x.id!r} is there twice, in {other._cases._path} and in {x._cases._path}: "
                             "ids are unique over all cases of a call")


def _cases_of(source, tokenizer):
    """read_cases, with tokenizer() where they turn out to be text."""
    try:
        return read_cases(source)
    except Error as e:
        found = tokenizer() if e.code == "NS_E_ARG" else None
        if found is None:
            raise
    return read_cases(source, found)


def _plain(x):
    if isinstance(x, (np.ndarray, np.generic)):
        return x.tolist()
    raise TypeError(f"{type(x).__name__} has no place in JSON")


# ---- hooks ----

class Site(NamedTuple):
    """Where an array that a hook is given comes from."""
    point: str                      # "blocks.3.attn.hook_pattern"
    layer: int                      # -1 outside the blocks
    case: Optional[str]             # id of the case, or None
    rows: np.ndarray                # positions of the rows
    keys: Optional[np.ndarray]      # positions of the keys; None where the point has none
    n_heads: int
    n_kv_heads: int                 # KV head of head h: h // (n_heads // n_kv_heads)
    kind: str                       # "softmax", or "unrolled": a recurrent layer's signed rows


def _point_name(point, layer):
    out = c.create_string_buffer(96)
    _lib.ns_point_format(point, layer, out, len(out))
    return out.value.decode()


def _site(s):
    axes = _lib.ns_point_axes(s.point).split()
    return Site(_point_name(s.point, s.layer), s.layer, s.c.contents.id.decode() if s.c and s.c.contents.id else None,
                np.arange(s.row0, s.row0 + s.n_rows), np.arange(s.key0, s.key0 + s.n_keys) if b"key" in axes else None,
                s.n_heads, s.n_kv_heads, "unrolled" if s.kind else "softmax")


_SIGNALS = sorted(map(int, signal.valid_signals()))


def _bar(progress, what):
    """What a call tells how far it is: progress itself, or of True a bar (tqdm's where it is installed, else a line on stderr)."""
    if progress is None or progress is False or callable(progress):
        return progress or None
    _flag("progress", progress)
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Line(what)
    bar = tqdm(total=100, desc=what, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}")

    def move(fraction):
        bar.update(100 * fraction - bar.n)
        if fraction >= 1:
            bar.close()
    return move


class _Line:
    """A bar without tqdm: a line on stderr that is written over where that is a terminal."""

    def __init__(self, what):
        self.what, self.said = what, -1

    def __call__(self, fraction):
        percent = int(100 * fraction)
        if percent == self.said or not (sys.stderr.isatty() or percent == 100):
            return
        self.said = percent
        sys.stderr.write(f"\r{self.what}: {percent} %" + "\n" * (percent == 100))


class _Stoppable:
    """One call into the library that can be stopped by an exception: in a callback, or in a handler of a signal (Ctrl-C, a time limit).
    The call raises it."""

    def __init__(self, progress=None):
        self.raised, self._inside, self._active, self._keep = None, False, False, []
        self.cancelled = self.callback(_CANCELLED, lambda: None, False, True)
        progress = _bar(progress, "needlescope")
        self.progress = self.callback(_PROGRESS, progress) if progress else _PROGRESS()

    def __enter__(self):
        self.scratch = _Scratch().__enter__()
        return self

    def __exit__(self, *_):
        self.scratch.__exit__()
        self.raised, self._keep, self.cancelled, self.progress = None, [], None, None       # no cycle: memory is freed now

    def callback(self, kind, see, good=None, bad=None):
        """A C function that calls see with its arguments but the first, and gives back good, or bad once something was raised. All that the
        library calls are made here: of an exception that leaves a callback ctypes prints a line, and gives back anything."""
        def guarded(_, *arguments):
            try:
                self._inside = True
                if self.raised is None:
                    see(*arguments)
                self._inside = False
            except BaseException as e:
                self._inside, self.raised = False, e
            return good if self.raised is None else bad
        self._keep.append(kind(guarded))
        return self._keep[-1]

    def note(self, told):
        """Where the library says a line, for the list told."""
        return self.callback(_WARN, lambda line: told.append(line.decode(errors="replace")))

    def new(self, name, free, *arguments):
        """A handle that lives as long as the call, or until it is taken."""
        handle = c.c_void_p()
        self.scratch._list.append((handle, getattr(_lib, free)))
        self.call(name, c.byref(handle), *arguments)
        return handle

    def call(self, name, *arguments):
        with self.signals():
            rc = _call(name, *arguments)
        if rc == _STOP:
            raise RuntimeError(f"{name} was stopped, and the exception that stopped it is lost")
        return rc

    @contextmanager
    def signals(self):
        """Python cannot raise through C, and runs the handlers of signals wherever its code runs next: at the entry of a callback, too,
        before its first line. So what a handler raises outside of a callback's own lines is remembered, and raised by the call."""
        handlers = {}
        self._active = True
        try:
            if threading.current_thread() is threading.main_thread():
                for number, before in [(x, signal.getsignal(x)) for x in _SIGNALS]:
                    if callable(before):
                        handlers[number] = self._remembering(before)
                        signal.signal(number, handlers[number])
            try:
                yield
            except Error:
                if self.raised is None:
                    raise
        finally:
            try:
                for number, handler in handlers.items():
                    if signal.getsignal(number) is handler:
                        signal.signal(number, handler.before)
            finally:                            # one that was put back raised at once: those still there let pass what is raised
                self._active = False
        if self.raised is not None:
            raise self.raised

    def _remembering(self, before):
        def handle(number, frame):
            try:
                before(number, frame)
            except BaseException as e:
                first = self.raised is None
                if not self._active or (first and self._inside):
                    raise
                if first:
                    self.raised = e
        handle.before = before
        return handle


class _Pass(_Stoppable):
    """The hooks of one call into the library. They live until its end; an exception in one ends the pass and is raised from it."""

    def __init__(self, model, cases, progress=None):
        super().__init__(progress)
        self.model, self.cases, self._hooks, self._told = model, cases, [], []
        self.held = [model, *cases._all()]      # none of these can be closed by a hook or another thread
        self.accepted = self.callback(_ACCEPTED, lambda *_: None, 0, _STOP)

    def __enter__(self):
        self.model._as_parameter_               # closed: an error
        if threading.get_ident() in self.model._passes:
            raise RuntimeError("a hook may not start another pass of its own model")
        super().__enter__()
        try:
            for watcher in self.model._watchers:
                watcher._install(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._hooks, self.accepted = [], None
        super().__exit__()
        for line in self._told:
            warnings.warn(line, stacklevel=3)

    @contextmanager
    def signals(self):
        with super().signals():                 # no handler raises in between: the thread is never left behind as one in a pass
            for one in self.held:
                one._passes.append(threading.get_ident())
            try:
                yield
            finally:
                for one in self.held:
                    one._passes.remove(threading.get_ident())

    def add(self, at, rows, see, edits=False):
        """see(struct site, struct view)."""
        callback = self.callback(_ON_VIEW, lambda site, view, _: see(site.contents, view.contents), 0, -1)
        self._keep.append(rows)
        self._hooks.append(_params(_Hook, at=at, rows=rows, **{"edit" if edits else "read": callback}))

    def add_edits(self, edit):
        edits, n = self.scratch.new("ns_edits_new", "ns_edits_free", self.model._arch, c.byref(edit), 1, None, None), c.c_int()
        self._hooks += _lib.ns_edits_hooks(edits, c.byref(n))[:n.value]

    @property
    def array(self):
        return (_Hook * len(self._hooks))(*self._hooks)

    @property
    def edits(self):
        """Whether one of the hooks edits; they read otherwise."""
        return any(hook.edit for hook in self._hooks)

    def resolved(self):
        """Hooks resolved against the model's arch, or None without any. Rows that the cases do not have: an error, or a warning where some
        have them."""
        if not self._hooks:
            return None
        lacking = _I64()
        _call("ns_hooks_check_rows", self.array, len(self._hooks), self.cases._pointer, c.byref(lacking))
        if lacking.value:
            self._told.append("the prompt lacks a row that a hook asks for: it sees those that are there")
        return self.scratch.new("ns_hooks_new", "ns_hooks_free", self.model._arch, self.array, len(self._hooks)).value


class _Watcher(_Fixed):
    """What m.hook and m.ablate give: at work, for this thread's passes of the model, inside a with block; in one at a time."""

    _fixed = ("heads", "rows")

    def __init__(self, model):
        self._model = model

    def __enter__(self):
        self._model._as_parameter_              # closed: an error
        if self in self._model._watchers:
            raise RuntimeError(f"{self._what} is at work already, and would be so once more: make another one for a second with block")
        self._model._watchers.append(self)
        return self._model

    def __exit__(self, *_):
        if self not in self._model._watchers:
            raise RuntimeError(f"{self._what} is not at work in this thread: its with block was left before, or was entered in another "
                               "thread")
        self._model._watchers.remove(self)


def _c_rows(rows):
    """The rows of a hook: None, "answer", the name of a span, or positions (negative ones from the end)."""
    if rows is None:
        return _Rows(kind=_ROWS_ALL)
    if isinstance(rows, str):
        return _Rows(kind=_ROWS_ANSWER) if rows == "answer" else _Rows(kind=_ROWS_SPAN, span=_bytes(rows))
    positions = _whole("rows", rows).reshape(-1)
    if not positions.size:
        raise ValueError("rows: an empty list (None means all)")
    out = _Rows(kind=_ROWS_LIST, n=positions.size, positions=_pointer(positions, _I64))
    out._keep = positions
    return out


def _meant(word, known):
    """" (did you mean ...?)", or "" where none of known is near."""
    words = [x.encode() for x in known if x is not None]
    near = _lib.ns_nearest_word(str(word).encode(), (c.c_char_p * len(words))(*words), len(words))
    return f" (did you mean {near.decode()}?)" if near else ""


def _check_word(name, value, known):
    if value not in known:
        raise ValueError(f"{name} {value!r} is none of {', '.join(map(str, known))}{_meant(value, known)}")


def _check_names(what, unknown, function):
    """No argument that the function does not have."""
    for name in unknown:
        known = function.__code__.co_varnames[:function.__code__.co_argcount]
        raise TypeError(f"{what}: there is no argument {name!r}{_meant(name, known)}")


def _check_of(name, given, what, applies):
    """An argument that would change nothing is an error."""
    if given and not applies:
        raise ValueError(f"{name} is of {what}")


def _two(name, given):
    """Two whole numbers, none of them below 0."""
    out = _whole(name, given, 0)
    if out.shape != (2,):
        raise ValueError(f"{name} is {given!r}: it is two whole numbers")
    return out.tolist()


def _heads(heads, name="heads"):
    """[n, 2]: layer, head."""
    if not len(heads):
        return np.zeros((0, 2), np.int64)
    out = _whole(name, heads, 0)
    if out.ndim != 2 or out.shape[1] != 2:
        raise ValueError(f"{name} is {heads!r}: it is a list of (layer, head)")
    return out


class _PythonHook(_Watcher):
    _what = "this hook"

    def __init__(self, model, at, rows, read, edit):
        super().__init__(model)
        if (read is None) == (edit is None):
            raise ValueError("a hook has exactly one of read and edit")
        model._check_glob(at)
        self.at, self.rows, self.fn, self.edits = at, _c_rows(rows), read or edit, edit is not None

    def _install(self, p):
        p.add(self.at, self.rows, self._edit if self.edits else self._read, self.edits)

    def _read(self, site, view):
        self.fn(_borrow(view).copy(), _site(site))

    def _edit(self, site, view):
        x, where = _borrow(view), _site(site)
        new = self.fn(x.copy(), where)
        if new is None:
            return
        new = _f32(_reals(f"{where.point}: the edit", new))
        if new.shape != x.shape:
            raise ValueError(f"{where.point}: the edit returned shape {new.shape}, it was given {x.shape}")
        x[...] = new


class _Ablation(_Watcher):
    _what = "this ablation"

    def __init__(self, model, heads, mode, scope, cases, span, seed):
        super().__init__(model)
        _check_word("mode", mode, _MODES), _check_word("scope", scope, _SCOPES)
        _check_of("span", span is not None, "the modes knockout and knockout_others", mode.startswith("knockout"))
        _check_of("seed", seed is not None, "the mode knockout_others", mode == "knockout_others")
        _check_of("cases", cases is not None, "the mode mean_z", mode == "mean_z")
        self.heads = _heads(heads)
        self.heads.flags.writeable = False
        if not len(self.heads):
            raise ValueError("no head is named: nothing would be silenced")
        twice = next((tuple(h) for i, h in enumerate(self.heads.tolist()) if h in self.heads.tolist()[:i]), None)
        if twice:
            raise ValueError("head %d.%d is named twice" % twice)
        self.mode, self.scope, self.span, self.seed = mode, scope, "needle" if span is None else span, 0 if seed is None else seed
        self.cases = None if cases is None else model.cases(cases)
        self._mean = None
        with _Scratch() as s:                   # a head that is not there is known now
            d = _lib.ns_arch_max_head_dim(model._arch)
            s.new("ns_edits_new", "ns_edits_free", model._arch, c.byref(self._struct(np.zeros((len(self.heads), d), np.float32))), 1, None,
                  None)

    def _struct(self, mean):
        edit = _params(_Edit, mode=_MODES[self.mode], scope=_SCOPES[self.scope], heads=_pointer(self.heads, _I64 * 2),
                       n_heads=len(self.heads),
                       mean=_pointer(mean, c.c_float), span=self.span, seed=self.seed)
        edit._keep = mean
        return edit

    def _install(self, p):
        if self.mode.startswith("knockout"):
            self._check_spans(p.cases)
        p.add_edits(self._struct(self._means(p.cases) if self.mode == "mean_z" else np.zeros((len(self.heads), 1), np.float32)))

    def _check_spans(self, cases):
        for case in cases._alive().list[:len(cases)]:
            if not any((x.name.decode() + ".").startswith(self.span + ".") for x in case.spans[:case.n_spans]):
                raise ValueError(f"{self.mode} hides the span {self.span!r}, and case {case.id.decode()!r} has none: "
                                 "run a Case, with its spans")

    def _means(self, cases):
        """[n_heads, d], over the cases given to ablate, else over those of this pass."""
        if self._mean is None or self.cases is None:
            m = self._model
            mean = np.zeros((m.n_layers, m.n_heads, _lib.ns_arch_max_head_dim(m._arch)), np.float32)
            _call("ns_mean_z", m, (cases if self.cases is None else self.cases)._pointer, _SCOPES[self.scope], _pointer(mean, c.c_float))
            self._mean = np.ascontiguousarray(mean[self.heads[:, 0], self.heads[:, 1]])
        return self._mean


_KEYED = ("attn.hook_pattern", "attn.hook_attn_scores")        # the points of rows and keys


_PLACES = {"attn": ("q", "k", "v", "z", "rot_q", "rot_k", "pattern", "attn_scores", "result"), "mlp": ("pre", "pre_linear", "post")}
_ALIASES = {"attn": "pattern", "attn_logits": "attn_scores", "mlp_pre": "pre", "mlp_post": "post"}


def point_name(name, layer=None, part=None):
    """TransformerLens's short names: ("pattern", 0) -> "blocks.0.attn.hook_pattern"; also ("normalized", 0, "ln1"), "embed", "logits"."""
    name, at = _ALIASES.get(name, name), "" if layer is None else f"blocks.{layer}."
    part = part or next((x for x, names in _PLACES.items() if name in names and at), None)
    if part == "ln_final":
        at = ""
    return name if "hook_" in name else f"{at}{part + '.' if part else ''}hook_{name}"


class _Named(dict):
    """Arrays by the names of their points, or by short ones: cache["pattern", 0], cache["resid_post", -1], cache["embed"]."""
    _n_layers = 0

    def _whole(self, key):
        if dict.__contains__(self, key):
            return key
        name, layer, part = ((*key, None, None) if isinstance(key, tuple) else (key, None, None))[:3]
        layer = layer + self._n_layers if isinstance(layer, (int, np.integer)) and layer < 0 else layer
        return point_name(name, layer, part) if isinstance(name, str) else key

    def __getitem__(self, key):
        whole = self._whole(key)
        if not dict.__contains__(self, whole):
            raise KeyError(f"{whole} is not in the cache{_meant(whole, self)}: it has what was asked for, {', '.join(list(self)[:3])} ...")
        return dict.__getitem__(self, whole)

    def __contains__(self, key):
        return dict.__contains__(self, self._whole(key))

    def get(self, key, default=None):
        return self[key] if key in self else default

    def stack_activation(self, name, layer=-1, part=None):
        """[L, ...]: an activation of all layers before `layer` (-1: of all), as TransformerLens stacks them."""
        last = self._n_layers if layer == -1 else layer
        return np.stack([self[name, i, part] for i in range(last)])


class Cache(_Named):
    """Arrays by the names of their points; rows: the positions of the axis R.
    Attention scores and patterns are [H, R, K], K all positions; q, k, v, z, result [R, H, ...]; the rest [R, ...]."""

    def __init__(self, rows, length, n_layers, masked=-np.inf):
        """masked: what scores are where they are masked"""
        super().__init__()
        self.rows, self._n_layers, self._masked = rows, n_layers, masked
        self._length, self._order = length, np.argsort(rows, kind="stable")

    def _take(self, site, view):
        name, x, axes = _point_name(site.point, site.layer), _borrow(view), _lib.ns_point_axes(site.point).split()
        keyed = b"key" in axes
        if name not in self:
            shape = (x.shape[0], self.rows.size, self._length) if keyed else (self.rows.size, *x.shape[1:])
            self[name] = np.full(shape, self._masked if name.endswith("attn_scores") else 0, np.float32)
        first, last = np.searchsorted(self.rows[self._order], [site.row0, site.row0 + site.n_rows])
        at = self._order[first:last]
        row = self.rows[at] - site.row0
        if keyed:
            self[name][:, at, site.key0:site.key0 + x.shape[2]] = x[:, row]
        else:
            self[name][at] = x[row]


class ActivationCache(_Named):
    """What run_with_cache gives: arrays with the axis of prompts B in front, [B, H, R, K] and [B, R, ...]; lengths [B]: tokens of each
    prompt, behind which there is NaN (in patterns at keys, too); rows: of each prompt the positions of R."""

    def __init__(self, caches, lengths, n_layers):
        super().__init__({name: _padded([dict.__getitem__(x, name) for x in caches]) for name in caches[0]})
        self.lengths, self.rows, self._n_layers = np.array(lengths), [x.rows for x in caches], n_layers

    def remove_batch_dim(self):
        """The same of a single prompt, without the axis B."""
        if len(self.lengths) != 1:
            raise ValueError(f"there are {len(self.lengths)} prompts: the axis of prompts stays")
        for name in self:
            self[name] = dict.__getitem__(self, name)[0]
        return self


def _padded(arrays):
    """[n, ...] of arrays that may differ in length: NaN where one has nothing."""
    out = np.full((len(arrays), *map(max, zip(*(x.shape for x in arrays)))), np.nan, np.float32)
    for place, x in zip(out, arrays):
        place[tuple(map(slice, x.shape))] = x
    return out


def _loss(logits, ids):
    """-log p of ids [n] by logits [n, V], f64."""
    x = logits.astype(np.float64) - logits.max(-1, keepdims=True, initial=-np.inf)
    return np.log(np.exp(x).sum(-1)) - x[np.arange(ids.size), ids]


# ---- weights and configuration ----

class Config(dict):
    """What a model is, by TransformerLens's names, as attributes or keys; arch: the whole description (needlescope inspect --arch-out).
    Of layers that differ (n_heads, d_head, d_mlp ...) the largest; None: no layer has it."""

    def __init__(self, model):
        arch = model._described_as()
        of_kind = lambda kind: [b[kind] for x in arch["layers"] for stage in x["stages"] for b in stage["branches"] if kind in b]
        heads = [_lib.ns_arch_attn(model._arch, i) for i in range(model.n_layers)]
        heads = [x.contents for x in heads if x]
        most = lambda values: max(values, default=None)
        mlps, ropes, bos = of_kind("ffn"), arch.get("ropes") or [], model.tokenizer.bos if model._tokenizer_path else None
        super().__init__(
            model_name=os.path.basename(os.path.normpath(model.path)), family=model.family, n_layers=model.n_layers, d_model=model.d_model,
            n_heads=model.n_heads, n_key_value_heads=most(x.n_kv_heads for x in heads), d_head=most(x.head_dim for x in heads),
            d_mlp=most(x["d_ff"] for x in mlps), d_vocab=model.vocab, n_ctx=model.max_positions or None,
            act_fn=mlps[0]["act"] if mlps else None, gated_mlp=bool(mlps and mlps[0].get("gate")),
            normalization_type={"rms": "RMS", "layer": "LN"}.get(arch["final_norm"]["type"], arch["final_norm"]["type"]),
            eps=arch["final_norm"].get("eps"),
            positional_embedding_type="rotary" if ropes else "standard" if arch.get("positions") else None,
            rotary_base=ropes[0]["theta"] if ropes else None, rotary_dim=ropes[0]["rotary_dim"] if ropes else None,
            window_size=most(x.get("window", 0) for x in of_kind("attn")) or None, layer_kinds=model.layer_kinds, bos_token_id=bos,
            arch=arch)

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(f"cfg has no {name!r}{_meant(name, self)}")
        return self[name]

    def __repr__(self):
        return "Config(" + ", ".join(f"{k}={v!r}" for k, v in self.items() if k != "arch") + ")"


class Weights:
    """A weight of every layer, [L, ...], read when it is indexed: W[l], W[l, h]; np.asarray(W) is all of it. As the checkpoint has it
    (no norm folded in, nothing centered), f32, in TransformerLens's shapes. K and V are of KV heads G: head h has those of KV head
    h // (n_heads // n_key_value_heads). A layer that has no such bias: zeros; no such matrix: an Error."""

    def __init__(self, model, name, role, turn):
        self._model, self._name, self._role, self._turn = model, name, role, turn

    def _layer(self, layer):
        m = self._model
        layer = m._layer_number(layer)
        return self._turn(m, layer, m._weight(self._role, layer))

    def __getitem__(self, key):
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, (int, np.integer)):
            return self._layer(first)[tuple(rest)]
        return np.asarray(self)[key]

    def __len__(self):
        return self._model.n_layers

    def __array__(self, dtype=None, copy=None):
        layers = [self._layer(i) for i in range(len(self))]
        if len({x.shape for x in layers}) > 1:
            raise ValueError(f"{self._name}: layers have other shapes, {sorted({x.shape for x in layers})}: take them one by one")
        return np.asarray(np.stack(layers), dtype)

    @property
    def shape(self):
        return len(self), *self._layer(0).shape

    def __repr__(self):
        return f"<{self._name} of {self._model.path}, a layer at a time>"


def _by_head(hook):
    """[n d, D] -> [n, D, d]; a recurrence's q and k have another width than its v."""
    def turned(m, layer, w):
        point = next(p for p in range(_N_POINTS) if _point_name(p, layer) == f"blocks.{layer}.attn.{hook}")
        return np.ascontiguousarray(w.reshape(-1, _lib.ns_point_width(m._arch, point, layer), w.shape[1]).swapaxes(1, 2))
    return turned


def _bias_by_head(hook):
    return lambda m, layer, b: _by_head(hook)(m, layer, b)[:, 0]


def _output_by_head(m, layer, w):
    """[D, H d] -> [H, d, D]"""
    return np.ascontiguousarray(w.T.reshape(_lib.ns_arch_attn(m._arch, layer).contents.n_heads, -1, w.shape[0]))


def _turned(m, layer, w):
    return np.ascontiguousarray(w.T)


def _flat(m, layer, b):
    return b.reshape(-1)


_WEIGHTS = {**{f"W_{x}": (x, _by_head("hook_" + x.lower())) for x in "QKV"}, "W_O": ("O", _output_by_head),
            **{f"b_{x}": (x + "_BIAS", _bias_by_head("hook_" + x.lower())) for x in "QKV"}, "b_O": ("O_BIAS", _flat),
            "W_gate": ("GATE", _turned), "W_in": ("UP", _turned), "W_out": ("DOWN", _turned), "b_in": ("UP_BIAS", _flat),
            "b_out": ("DOWN_BIAS", _flat)}
_TRUNK = {"W_E": ("EMBED", False), "W_pos": ("POSITIONS", False), "W_U": ("UNEMBED", True), "b_U": ("UNEMBED_BIAS", None)}
_BIASED = {"Q_BIAS": "Q", "K_BIAS": "K", "V_BIAS": "V", "O_BIAS": "O", "UP_BIAS": "UP", "DOWN_BIAS": "DOWN", "UNEMBED_BIAS": "UNEMBED"}


# ---- the model ----

def _allowed():
    """(CPUs, bytes) that this process may use: affinity, control groups, Slurm."""
    machine, names = _Machine(), ("SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU")
    slurm = {name.lower(): os.environb.get(name.encode()) for name in names}
    _lib.ns_machine_find(c.byref(machine), c.byref(_params(_MachineParams, **slurm)))
    if machine.ignored:
        warnings.warn(f"{machine.ignored.decode(errors='replace')}: no limit was taken from it", stacklevel=5)
    return machine.cpus, machine.memory


def _opening(path, warn, threads=0, memory=0, cpu=None, revision=None, arch=None, names=None, tokenizer=None, olmo3_rope=None, hash=True,
             constrain=(), heads_of=None, **unknown):
    """What ns_open is asked for; warn is told a line at a time."""
    _check_names("load", unknown, _opening)
    threads, memory = _number("threads", threads, 0, _INT_MAX), _number("memory", memory)
    if memory and memory < 1 << 20:
        raise ValueError(f"memory {memory}: it is in bytes, and no model runs in less than a MiB")
    cpus, allowed = _allowed() if not (threads and memory) else (0, 0)
    words = [x for text in ([constrain] if isinstance(constrain, str) else constrain) for x in _bytes(text).split(b",")]
    return _params(_OpenParams, path=path, revision=revision, arch=arch, names=names, olmo3_rope=olmo3_rope, heads_of=heads_of,
                   constrain=(c.c_char_p * len(words))(*words), n_constrain=len(words), tokenizer=tokenizer,
                   no_hash=not _flag("hash", hash), memory=memory or allowed // 2, threads=threads or cpus, cpu=cpu, warn=warn)


class Accuracy(NamedTuple):
    """Shares of first content tokens, of all content tokens, and of whole answers that are right; of so many cases."""
    first: float
    tokens: float
    answered: float
    cases: int


class _Said(Exception):
    """A text that ends a continuation was said."""


class Model(_Owner):
    """A checkpoint, ready to run. Its attributes: family, n_layers, n_heads (the most of any layer), d_model, vocab, max_positions (0: no
    limit), layer_kinds, threads, cpu, kernel_class."""

    _fixed = ("path", "family", "n_layers", "n_heads", "d_model", "vocab", "max_positions", "layer_kinds", "threads", "cpu", "kernel_class")

    def __init__(self, path, **options):
        told = []
        with _Stoppable() as p:
            how = _opening(path, p.note(told), **options)
            how.cancelled = p.cancelled
            opened = p.new("ns_open", "ns_close", c.byref(how))
            seen = _Opened.from_address(opened.value)
            self._own(c.c_void_p(seen.model), lambda _: None, *p.scratch.take())    # the model is freed with what it was opened with
        for line in told:
            warnings.warn(line, stacklevel=3)
        self.path, self._arch_handle, self._tokenizer, self._cfg = os.fspath(path), c.c_void_p(seen.arch), None, None
        self._local = threading.local()         # this thread's hooks
        self._tokenizer_path = how.tokenizer or _lib.ns_checkpoint_tokenizer_path(seen.checkpoint)
        self._describe(seen.engine)

    @property
    def _arch(self):
        self._as_parameter_                     # closed: an error
        return self._arch_handle

    def _describe(self, engine):
        head = _ArchHead.from_address(self._arch.value)
        self.family, self.n_layers, self.d_model = head.family.decode(), head.n_layers, head.d_model
        self.vocab, self.max_positions = head.vocab, head.max_positions
        self.n_heads = _lib.ns_arch_max_heads(self._arch)
        self.layer_kinds = tuple(_lib.ns_layer_kind_name(_lib.ns_arch_layer_kind(self._arch, i)).decode() for i in range(self.n_layers))
        self.threads, self.cpu = _lib.ns_engine_threads(engine), _lib.ns_engine_cpu(engine).decode()
        self.kernel_class = _lib.ns_engine_kernel_class(engine).decode()

    def __repr__(self):
        return f"Model({self.path!r}: {self.family}, {self.n_layers} layers, {self.n_heads} heads)"

    @property
    def _watchers(self):
        return self._local.__dict__.setdefault("watchers", [])

    # text and cases

    @property
    def tokenizer(self):
        """The checkpoint's Tokenizer, or None where it has none."""
        if self._tokenizer is None and self._tokenizer_path:
            self._tokenizer = Tokenizer(os.fsdecode(self._tokenizer_path))
        return self._tokenizer

    def _need_tokenizer(self):
        if self.tokenizer is None:
            raise ValueError(f"{self.path} has no tokenizer: give token ids, or load(..., tokenizer=PATH)")
        return self.tokenizer

    def encode(self, text, special=True):
        """Token ids of a text, int32: see Tokenizer.encode."""
        return self._need_tokenizer().encode(text, special)

    def decode(self, ids, skip_special=False):
        """The text of token ids."""
        return self._need_tokenizer().decode(ids, skip_special)

    def tokenize(self, text, special=True):
        """The tokens of a text, as the vocabulary spells them."""
        return self._need_tokenizer().tokenize(text, special)

    def cases(self, source):
        """read_cases, with the tokenizer of the checkpoint where the cases are text."""
        return _cases_of(source, lambda: self.tokenizer)

    def to_tokens(self, text, prepend_bos=None):
        """[1, T] token ids of a text, [B, T] of several; a list of arrays where these are not of one length.

        prepend_bos   None: as the tokenizer's template has it (AutoTokenizer's ids); True, False: with BOS in front, or without"""
        texts = [text] if isinstance(text, str) else list(text)
        out = [self._with_bos(x, prepend_bos) for x in texts]
        return np.stack(out) if len({x.size for x in out}) == 1 else out

    def _with_bos(self, text, prepend_bos):
        tokenizer = self._need_tokenizer()
        if prepend_bos is None:
            return tokenizer.encode(text)
        ids = tokenizer.encode(text, special=False)
        if not _flag("prepend_bos", prepend_bos):
            return ids
        if tokenizer.bos is None:
            raise ValueError("prepend_bos: the tokenizer has no BOS")
        return np.concatenate([np.array([tokenizer.bos], np.int32), ids])

    def to_str_tokens(self, prompt, prepend_bos=None):
        """The text of each token of a text or of ids: a list; of a batch a list of lists."""
        out = [[self.decode([i]) for i in ids.tolist()] for ids in self._ids(prompt, prepend_bos)]
        return out if self._is_batch(prompt) else out[0]

    def to_string(self, tokens):
        """The text of ids; of a batch a list of texts."""
        out = [self.decode(ids) for ids in self._ids(tokens)]
        return out if self._is_batch(tokens) else out[0]

    def to_single_token(self, text):
        """The id of a text that is one token."""
        ids = self.encode(text, special=False)
        if ids.size != 1:
            raise ValueError(f"{text!r} is {ids.size} tokens, {self.to_str_tokens(ids)}")
        return int(ids[0])

    @staticmethod
    def _is_batch(prompt):
        """Several prompts, not one: a list of texts, of Case or of lists of ids, Cases, or an array [B, T]."""
        if isinstance(prompt, (str, Case)):
            return False
        if isinstance(prompt, Cases):
            return True
        try:
            return bool(len(prompt)) and (isinstance(prompt[0], (str, Case)) or np.ndim(prompt[0]) > 0)
        except (TypeError, KeyError):
            raise TypeError(f"{prompt!r} is no prompt: text, token ids, a Case, or a list of such") from None

    def _ids(self, prompt, prepend_bos=None):
        """Token ids of each prompt."""
        each = list(prompt) if self._is_batch(prompt) else [prompt]
        return [self._with_bos(x, prepend_bos) if isinstance(x, str) else x.tokens if isinstance(x, Case) else _int32(np.asarray(x))
                for x in each]

    # weights and configuration

    def _described_as(self):
        out = c.c_void_p()
        _call("ns_arch_to_json", self._arch, c.byref(out))
        try:
            return json.loads(c.string_at(out).decode())
        finally:
            _libc.free(out)

    @property
    def cfg(self):
        """Config: n_layers, n_heads, n_key_value_heads, d_model, d_head, d_mlp, d_vocab, n_ctx ..."""
        if self._cfg is None:
            self._cfg = Config(self)
        return self._cfg

    def _layer_number(self, layer):
        layer = operator.index(layer)
        if not -self.n_layers <= layer < self.n_layers:
            raise IndexError(f"layer {layer}: the model has layers 0 to {self.n_layers - 1}")
        return layer % self.n_layers

    def _weight(self, role, layer=0):
        """[n_out, n_in] f32. A bias that is not there: zeros."""
        shape = (c.c_int64 * 2)()
        _call("ns_model_weight_shape", self, layer, _ROLES[role], shape)
        if not shape[0] and role in _BIASED:
            return np.zeros((self._weight_shape(_BIASED[role], layer)[0], 1), np.float32)
        out = np.zeros(tuple(shape), np.float32)
        _call("ns_model_weight", self, layer, _ROLES[role], _pointer(out, c.c_float))
        return out

    def _weight_shape(self, role, layer):
        shape = (c.c_int64 * 2)()
        _call("ns_model_weight_shape", self, layer, _ROLES[role], shape)
        if not shape[0]:
            raise Error(-1, f"layer {layer} has no {role}")
        return tuple(shape)

    def __getattr__(self, name):
        """W_Q [L, H, D, d], W_K and W_V [L, G, D, d], W_O [L, H, d, D], b_Q, b_K, b_V alike, b_O [L, D]; W_in, W_gate [L, D, F], W_out
        [L, F, D], b_in, b_out; W_E [V, D], W_U [D, V], b_U [V], W_pos [n, D]"""
        if name in _WEIGHTS:
            return Weights(self, name, *_WEIGHTS[name])
        if name in _TRUNK:
            role, turned = _TRUNK[name]
            found = self._weight(role)
            return found.reshape(-1) if turned is None else np.ascontiguousarray(found.T) if turned else found
        raise AttributeError(f"a Model has no {name!r}{_meant(name, [x for x in dir(type(self)) if x[0] != '_'] + [*_WEIGHTS, *_TRUNK])}")

    # passes

    def points(self, pattern="*"):
        """The names of the hook points that match a glob: those outside the blocks, then layer by layer."""
        names = [_point_name(point, layer) for layer in range(-1, self.n_layers) for point in range(_N_POINTS)
                 if _lib.ns_point_exists(self._arch, point, layer)]
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            self._check_glob(pattern)           # says that it names none, and the nearest
        return found

    def _check_glob(self, at):
        with _Scratch() as s:
            hook = _params(_Hook, at=at, rows=_Rows(), read=_ON_VIEW(lambda *_: 0))
            s.new("ns_hooks_new", "ns_hooks_free", self._arch, c.byref(hook), 1)

    def _one_case(self, prompt, n_answer=None):
        """A struct of its own for ids, a text or a Case; n_answer: with an answer of so many tokens that nobody reads, for rows of
        generation."""
        if isinstance(prompt, Case):
            prompt._cases._alive()
            out = _Case.from_buffer_copy(prompt._struct)
            out._keep = prompt
        else:
            ids = _int32(self.encode(prompt) if isinstance(prompt, str) else prompt)
            if not ids.size:
                raise ValueError("no token: a prompt has at least one")
            out = _Case(id=b"prompt", tokens=_pointer(ids, _I32), n_tokens=ids.size)
            out._keep = ids
        if n_answer is not None:
            blank = np.zeros(n_answer, np.int32)
            out.answer, out.n_answer, out.n_lead = _pointer(blank, _I32), n_answer, 0
            out._keep = (out._keep, blank)
        return out

    def run(self, prompt, at=(), rows=None):
        """One pass over token ids, a text, or a Case (its prompt and its answer but for the last token).
        -> logits [V] of the last row, and a Cache of the points that the globs `at` name.
        rows: which positions the cache has: None for all, a list (negative: from the end), "answer" (of a Case: the rows that predict the
        answer), or the name of a span. Logits of more rows than the last: at="hook_logits"."""
        _check_of("rows", rows is not None, "the points that `at` names, and it names none", len(at))
        case = self._one_case(prompt)
        length = case.n_tokens + max(case.n_answer - 1, 0)
        cache = Cache(_positions(rows, case, length), length, self.n_layers)
        logits = np.zeros(self.vocab, np.float32)
        self._forward([case], [cache], [at] if isinstance(at, str) else at, cache.rows, logits)
        return logits, cache

    def _forward(self, cases, caches, globs, rows, logits=None, see=()):
        """A pass over cases, a cache for each; logits: gets those of the last row; see: [(point, rows, callback(struct site, view))]."""
        with Cases._of(cases, []) as held, _Pass(self, held) as p:
            for pattern in globs:
                p.add(pattern, _c_rows(rows), lambda site, view: caches[site.case_index]._take(site, view))
            for point, at, callback in see:
                p.add(point, _c_rows(at), callback)
            hooks = p.resolved()
            lengths = [x.n_tokens + max(x.n_answer - 1, 0) for x in cases]
            sessions = [self._session(p, x, i, final_length=n) for i, (x, n) in enumerate(zip(cases, lengths))]
            p.call("ns_forward", self, (c.c_void_p * len(sessions))(*sessions), len(sessions), hooks,
                   c.byref(_params(_ForwardParams, no_logits=logits is None, cancelled=p.cancelled)))
            if logits is not None:
                logits[:] = _lib.ns_session_logits(sessions[0])[:self.vocab]

    def run_with_cache(self, prompt, names_filter=None, return_type="logits", remove_batch_dim=False, rows=None, max_bytes=1 << 32):
        """One pass over a text, token ids, a Case, or a batch of them, as TransformerLens has it.
        -> logits [B, T, V] of all positions (return_type "loss": see loss; "both": (logits, loss); None: None), and an ActivationCache

        names_filter   which points the cache has: a glob, a list of them, or a function of their names; None: all that there are
        rows           which positions the cache has, as in run; None: all
        max_bytes      refuse what would be larger (4 GiB)
        Prompts of a batch may differ in length; nothing is padded in the pass, and behind a prompt's end there is NaN."""
        _check_word("return_type", return_type, ("logits", "loss", "both", None))
        globs = self._globs(names_filter)
        cases = self._some_cases(prompt)
        lengths = [x.n_tokens + max(x.n_answer - 1, 0) for x in cases]
        caches = [Cache(_positions(rows, x, n), n, self.n_layers) for x, n in zip(cases, lengths)]
        self._check_bytes(globs, caches, max_bytes)
        told, see = self._told_of_logits(cases, lengths, return_type)
        self._forward(cases, caches, globs, rows, see=see)
        cache = ActivationCache(caches, lengths, self.n_layers)
        return told(remove_batch_dim), cache.remove_batch_dim() if _flag("remove_batch_dim", remove_batch_dim) else cache

    def __call__(self, prompt, return_type="logits", loss_per_token=False):
        """Logits [B, T, V] of all positions of a text, ids, a Case or a batch; "loss": see loss; "both": the two."""
        _check_word("return_type", return_type, ("logits", "loss", "both", None))
        cases = self._some_cases(prompt)
        lengths = [x.n_tokens + max(x.n_answer - 1, 0) for x in cases]
        told, see = self._told_of_logits(cases, lengths, return_type, loss_per_token)
        self._forward(cases, [], [], None, see=see)
        return told(False)

    def run_with_hooks(self, prompt, fwd_hooks=(), return_type="logits"):
        """What the model itself gives for a prompt, with fwd_hooks [(glob of points, edit)] at work: edit(array, site) as of `hook`, which
        is given blocks of rows and gives back the new array, or None to leave it."""
        with ExitStack() as stack:
            for at, edit in fwd_hooks:
                stack.enter_context(self.hook(at, edit=edit))
            return self(prompt, return_type)

    def loss(self, prompt, per_token=False):
        """The mean of -log p of the next token over all tokens of a text, ids, a Case or a batch, in nats; per_token: [B, T - 1], NaN
        behind a prompt's end. `nll` says more of texts."""
        return self(prompt, "loss", per_token)

    def _some_cases(self, prompt):
        cases = [self._one_case(x) for x in (list(prompt) if self._is_batch(prompt) else [prompt])]
        if not cases:
            raise ValueError("no prompt: a batch has at least one")
        return cases

    def _globs(self, names_filter):
        if callable(names_filter):
            found = [x for x in self.points() if names_filter(x)]
            if not found:
                raise ValueError("names_filter takes no point of this model: m.points() lists them")
            return found
        return ["*"] if names_filter is None else [names_filter] if isinstance(names_filter, str) else list(names_filter)

    def _check_bytes(self, globs, caches, max_bytes):
        """What a cache would take is known from the axes before the pass."""
        cells, most = 0, _number("max_bytes", max_bytes)
        for name in {x for glob in globs for x in self.points(glob)}:
            heads = self.n_heads
            wide = (heads if name.endswith(_KEYED) else self.vocab if name == "hook_logits" else
                    heads * self.d_model if name.endswith("hook_result") else self.d_model)
            cells += sum(wide * x.rows.size * (x._length if name.endswith(_KEYED) else 1) for x in caches)
        if 4 * cells > most:
            raise ValueError(f"this cache would take about {4 * cells >> 20} MiB, more than max_bytes ({most >> 20} MiB): narrow "
                             "names_filter or rows")

    def _told_of_logits(self, cases, lengths, return_type, per_token=False):
        """(what gives the answer behind the pass, the hooks that take it): logits whole, or of each row what its next token loses."""
        B, T, wants = len(cases), max(lengths), (return_type in ("logits", "both"), return_type in ("loss", "both"))
        if wants[1] and T < 2:
            raise ValueError("loss: one token has no next one")
        logits = np.full((B, T, self.vocab) if wants[0] else 0, np.nan, np.float32)
        losses = np.full((B, T - 1) if wants[1] else 0, np.nan)
        ids = [np.array(x.tokens[:x.n_tokens] + x.answer[:max(x.n_answer - 1, 0)]) for x in cases]

        def see(site, view):
            i, rows, block = site.case_index, slice(site.row0, site.row0 + site.n_rows), _borrow(view)
            if wants[0]:
                logits[i, rows] = block
            if wants[1]:
                following = ids[i][site.row0 + 1:site.row0 + site.n_rows + 1]
                losses[i, site.row0:site.row0 + following.size] = _loss(block[:following.size], following)

        def told(single):
            loss = losses if per_token else float(np.nanmean(losses)) if wants[1] else None
            out = logits[0] if single and wants[0] else logits
            return (out, loss) if all(wants) else out if wants[0] else loss

        return told, [("hook_logits", None, see)] if any(wants) else []

    def _session(self, p, case, number=0, **options):
        """A session of the pass with the case's tokens, those of its answer but for the last, too."""
        session = p.scratch.new("ns_session_new", "ns_session_free", self, c.byref(_params(_SessionParams, **options)))
        _call("ns_session_append", session, case.tokens, case.n_tokens)
        if case.n_answer > 1:
            _call("ns_session_append", session, case.answer, case.n_answer - 1)
        _call("ns_session_add_case", session, c.byref(case), number)
        return session

    def _seed_values(self, point, places, values):
        """[places, numbers] f32; token ids of hook_logits as rows of one 1."""
        if point == "hook_logits" and values.ndim <= 1 and np.issubdtype(values.dtype, np.integer):
            for token in values[(values < 0) | (values >= self.vocab)].reshape(-1).tolist():
                raise IndexError(f"seed {point!r}: token {token}, outside the vocabulary of {self.vocab}")
            values = np.arange(self.vocab) == values.reshape(-1, 1)
        if values.ndim < 2 and len(places) == 1:
            values = values.reshape(1, -1)
        if point.endswith(_KEYED) and values.ndim == 2 and len(places) == 1:
            values = values[:, None]
        if point.endswith(_KEYED) and values.ndim == 3:
            values = values.swapaxes(0, 1)
        if values.shape[:1] != (len(places),):
            raise ValueError(f"seed {point!r}: values of shape {values.shape} for {len(places)} rows: the first axis is the rows")
        out = _f32(values).reshape(len(places), -1)
        if not np.isfinite(out).all():
            raise ValueError(f"seed {point!r}: a value is not finite in 32 bits")
        return out

    def grad(self, prompt, seed, at, rows=None):
        """Gradients by activations, as torch.autograd.grad gives them: of J, the sum of seed times activation, by the points that the globs
        `at` name. -> a Cache of them, by points and `rows` as m.run has it

        prompt  token ids, a text, or a Case (its prompt and its answer but for the last token)
        seed    {point: (rows, values)}: rows a position or a list of them (negative: from the end), values [rows, ...] of the point's
                shape, of patterns and attention scores [H, rows, K] (keys that are masked count for nothing); of "hook_logits" token ids
                will do, one a row. {"hook_logits": (-1, 42)}: of logit 42 of the last row
        A seed depends on no point behind it in the pass: a glob that names none but such is an error; of others they are left out, with a
        warning."""
        case, globs = self._one_case(prompt), [at] if isinstance(at, str) else list(at)
        if not globs:
            raise ValueError("at names no point: there is nothing to give")
        length = case.n_tokens + max(case.n_answer - 1, 0)
        cache = Cache(_positions(rows, case, length), length, self.n_layers, masked=0)
        seeds, keep = [], []
        for point, (places, values) in _seed_pairs(seed):
            places = _positions(np.atleast_1d(np.asarray(places, object)), case, length)
            if not len(places):
                raise ValueError(f"seed {point!r}: no row is named")
            values = self._seed_values(point, places, _reals(f"seed {point!r}", values))
            keep.append(values)
            seeds += [_params(_Seed, at=point, row0=place, n_rows=1, width=v.size, values=_pointer(v, c.c_float))
                      for place, v in zip(places.tolist(), values)]
        with Cases._of([case], []) as cases, _Pass(self, cases) as p:
            for pattern in globs:
                p.add(pattern, _c_rows(cache.rows), cache._take)
            hooks, session = p.resolved(), self._session(p, case, final_length=length)
            p.call("ns_backward", self, session, (_Seed * len(seeds))(*seeds), len(seeds), hooks,
                   c.byref(_params(_BackwardParams, cancelled=p.cancelled)))
        for glob in globs:
            behind = [name for name in self.points(glob) if name not in cache]
            if behind:
                warnings.warn(f"{len(behind)} points of {glob} lie behind the seed, which does not depend on them: {behind[0]} ... are "
                              "left out", stacklevel=2)
        return cache

    def generate(self, prompt, max_new_tokens=None, stop=(), return_type="ids", progress=None, n=None):
        """Greedy continuation of a text, token ids, or a Case's prompt: up to max_new_tokens ids, int32, without the prompt; of a batch a
        list of them.

        stop          a text, token ids, or a list of either: the first that is said ends it, and is its last
        return_type   "ids", or "str": the text of the continuation"""
        n = _number("max_new_tokens", n if max_new_tokens is None else max_new_tokens, 1, _INT_MAX)
        _check_word("return_type", return_type, ("ids", "str"))
        if self._is_batch(prompt):
            return [self.generate(x, n, stop, return_type) for x in prompt]
        words, stop_ids = self._stops(stop)
        case, said = self._one_case(prompt, n), []

        def accepted(_, token):
            said.append(token)
            if words and any(word in self.decode(said) for word in words):
                raise _Said

        out, n_out = np.zeros(n, np.int32), c.c_int64()
        with Cases._of([case], []) as cases, _Pass(self, cases) as p:
            how = _params(_GenerateParams, stop=_pointer(stop_ids, _I32), n_stop=stop_ids.size, hooks=p.resolved(),
                          accepted=p.callback(_ACCEPTED, accepted, 0, _STOP))
            params = _params(_SessionParams, decode=True)
            session = p.scratch.new("ns_session_new", "ns_session_free", self, c.byref(params))
            _call("ns_session_append", session, case.tokens, case.n_tokens)
            _call("ns_session_add_case", session, c.byref(case), 0)
            try:
                p.call("ns_generate", self, session, n, c.byref(how), _pointer(out, _I32), c.byref(n_out))
                said = out[:n_out.value].tolist()
            except _Said:
                pass
        ids = np.array(said, np.int32)
        return ids if return_type == "ids" else self.decode(ids, skip_special=True)

    def _stops(self, stop):
        """(texts, token ids)"""
        each = [stop] if isinstance(stop, str) else list(stop)
        words, ids = [x for x in each if isinstance(x, str)], _int32([x for x in each if not isinstance(x, str)], "stop")
        if "" in words:
            raise ValueError("stop: an empty text is said before the first token")
        if words and self.tokenizer is None:
            raise ValueError(f"stop: {words[0]!r} is a text, and {self.path} has no tokenizer: give token ids, or "
                             "load(..., tokenizer=PATH)")
        for token in ids.tolist():
            if not 0 <= token < self.vocab:
                raise ValueError(f"stop: {token} is outside the vocabulary of {self.vocab}: it would stop nothing")
        return words, ids

    def hook(self, at, read=None, edit=None, rows=None):
        """A context manager: inside it, every pass of this model on this thread calls a function of yours at the points that the glob `at`
        names.

        read(array, site) looks at a copy; edit(array, site) returns a new array of the same shape, or None to leave it. Arrays come in
        blocks of rows (site.rows says which; views: lib/include/needlescope/hooks.h), so an edit decides by the row, never by the block."""
        return _PythonHook(self, at, rows, read, edit)

    def ablate(self, heads, mode="zero_z", scope="all", cases=None, span=None, seed=None):
        """A context manager: inside it, every pass of this model on this thread runs with the heads [(layer, head), ...] silenced.

        mode   zero_z, mean_z, uniform_attn, knockout (the answer's rows cannot see the span), knockout_others (its control), noop
        scope  rows: all, prefill (before the row that says the first answer token), decode (from it on). Knockouts are always decode.
        cases  mean_z: the mean is over them; None: over the cases of the very pass
        span   of the knockouts: what is hidden; None: the needle           seed   of knockout_others; None: 0"""
        return _Ablation(self, heads, mode, scope, cases, span, seed)

    def score(self, cases, probes, resamples=0, seed=0, reference=None, output=None, progress=None):
        """Scores of every head over cases: a JSONL file, Cases, or a list of Case or of dicts.

        probes     the name of a score -> its DataArray (layer, head). A list of names of scores or probes, or definitions as dicts
                   (docs/measures.md) -> a Dataset with all that `needlescope score -o` writes, under the same names: per-case hits too.
        resamples  of the cases, behind the intervals score_low, score_high ... (a Dataset); 0: none
        reference  the Model that qk_distance compares with
        output     a file to write, as `needlescope score -o` does; its provenance names the script that calls
        Without xarray: an Array, or Arrays (a dict of them), which have values, dims and attrs as those do."""
        single = probes if isinstance(probes, str) and _is_score(probes) else None
        names = [probes] if isinstance(probes, (str, dict)) else list(probes)
        _check_of("seed", seed, "the resampling, and resamples=0 does without", resamples)
        if not isinstance(reference, (Model, type(None))):
            raise TypeError(f"reference is a Model, not {type(reference).__name__}: load({reference!r})")
        resamples, seed, cases = _number("resamples", resamples, 0, _INT_MAX), _number("seed", seed, 0, (1 << 64) - 1), self.cases(cases)
        _check_output(output, None, (self, reference), cases)
        with _Pass(self, cases, progress) as p:
            if output is not None and p.edits:
                raise RuntimeError("a score file is of the untouched model: score without output, or leave the with block of hook or "
                                   "ablate")
            scores = self._score(p, cases, names, reference)
            if resamples and _lib.ns_scores_cases(scores):
                _call("ns_scores_rank", scores, c.byref(_params(_RankingParams, resamples=resamples, seed=seed)))
            if output is not None:
                _call("ns_scores_write", scores, _bytes(output), c.byref(_caller()))
            arrays = _arrays(scores)
            facts = _score_facts(scores, self)
        out = _dataset(arrays, facts, single)
        if output is not None and xarray is not None:
            out.encoding["source"] = os.path.abspath(output)
        return out

    def accuracy(self, cases):
        """What the model answers of cases, with the hooks and ablations that are at work: Accuracy, shares of 1."""
        every = {"name": "answer_mass", "rows": "answer", "keys": [0], "stat": "mass"}
        said = self.score(cases, [every]).attrs
        n = said["cases_scored"]
        return Accuracy(said["first_token_accuracy"], said["token_accuracy"], said["cases_answered"] / n if n else math.nan, n)

    def _score(self, p, cases, names, reference):
        tokenizer = self._known_tokenizer()
        p.held += [x for x in (tokenizer, reference) if x is not None]
        newline = tokenizer and tokenizer.id("<0x0A>")          # ends a decoded answer, as `needlescope score` has it
        params = _score_params(p, names, tokenizer, note=p.note(p._told),
                               reference=reference and reference._as_parameter_.value, hooks=p.array, n_hooks=len(p.array),
                               stop=_pointer(_int32([] if newline is None else [newline]), _I32), n_stop=int(newline is not None))
        return p.new("ns_score_run", "ns_scores_free", self, cases._pointer, c.byref(params))

    def _known_tokenizer(self):
        """The tokenizer, or None where there is none or it cannot be read (then a warning says so)."""
        try:
            return self.tokenizer
        except Error as e:
            if e.code != "NS_E_UNSUPPORTED":
                raise
            warnings.warn(f"the special tokens are not known: {e}", stacklevel=5)
            return None

    def probe(self, cases, at="blocks.*.hook_resid_post", rows="answer", classes=None, C=.1, folds=5, shuffles=5, seed=0, weights=False,
              output=None, progress=None):
        """At which layers a linear reader tells the answer: a Dataset with what `needlescope probe -o` writes, probe_accuracy (layer) and
        what is told of each case among it.

        at         a glob over points, one of each layer      rows   "answer", "last", or a span (its last token's row)
        classes    what is to be told: a key of the cases' meta; None: their answer
        C          inverse strength of the penalty, as scikit-learn's
        shuffles   draws of shuffled labels; 0: none          weights   also what reads, learned from all cases
        output     a file to write, as `needlescope probe -o` does"""
        if not C > 0:
            raise ValueError(f"C={C}: the inverse strength of a penalty is above 0")
        shuffles, cases = _number("shuffles", shuffles, 0, _INT_MAX), self.cases(cases)
        params = _params(_LinearParams, at=at, rows=rows, classes=classes, c=C, folds=_number("folds", folds, 2, _INT_MAX),
                         shuffles=shuffles or -1, seed=_number("seed", seed, 0, (1 << 64) - 1), weights=_flag("weights", weights))
        _check_output(output, None, (self,), cases)
        with _Pass(self, cases, progress) as p:
            if output is not None and p.edits:
                raise RuntimeError("a score file is of the untouched model: probe without output, or leave the with block of hook or "
                                   "ablate")
            linear = p.scratch.new("ns_linear_probe_new", "ns_linear_probe_free", c.byref(params))
            run = _params(_ScoreParams, definitions=(c.c_void_p * 1)(linear.value), n_definitions=1, progress=p.progress,
                          cancelled=p.cancelled, note=p.note(p._told), hooks=p.array, n_hooks=len(p.array))
            scores = p.new("ns_score_run", "ns_scores_free", self, cases._pointer, c.byref(run))
            if output is not None:
                _call("ns_linear_write", scores, c.byref(params), _bytes(output), c.byref(_caller()))
            arrays = _arrays(scores)
            facts = _score_facts(scores, self)
        return _dataset(arrays, facts, None)

    # interventions and recordings

    def patch(self, cases, heads=(), site="z", rows="answer", direction="denoising", map=True, draws=None, resamples=1000, seed=0,
              output=None, progress=None, paths=()):
        """What of an answer comes along when z (or q, k, v) of heads is carried from a case into the pass over its twin: a Dataset with
        what `needlescope patch -o` writes, condition by condition.

        heads      [(layer, head), ...]: a set that is patched together, beside draws of controls; map: every head by itself
        rows       "answer", or "all" (twins of equal length)          direction   "denoising" or "noising"
        paths      ["19.1:23.2.q", "19.1:logits"]: edges in place of heads and map
        output     write the file; progress(fraction) is called as it goes"""
        _check_word("site", site, _SITES), _check_word("rows", rows, ("answer", "all"))
        _check_word("direction", direction, ("denoising", "noising"))
        cases, heads, edges = self.cases(cases), _heads(heads), (_Path * len(paths))()
        for edge, text in zip(edges, paths):
            _call("ns_path_parse", _bytes(text), c.byref(edge))
        _check_output(output, b"patching", (self,), cases)
        with _Pass(self, cases, progress) as p:
            if p.array:
                raise RuntimeError("a patching is of the untouched model: leave the with block of hook or ablate")
            how = _params(_PatchParams, heads=_pointer(heads, _I64 * 2), n_heads=len(heads), site=_SITES[site],
                          no_map=not _flag("map", map), all_rows=rows == "all", noising=direction == "noising",
                          draws=0 if draws is None else _number("draws", draws, 1, _INT_MAX),
                          resamples=_number("resamples", resamples, 1, _INT_MAX), seed=seed, progress=p.progress, cancelled=p.cancelled,
                          paths=edges, n_paths=len(edges))
            patching = p.new("ns_patch", "ns_patching_free", self, cases._pointer, c.byref(how))
            return _written(output, lambda path: _call("ns_patching_write", patching, path, c.byref(_caller())))

    def attribute(self, cases, site="z", rows="answer", direction="denoising", recompute=False, edges=0, against=None, resamples=1000,
                  seed=0, output=None, progress=None, steps=0, gates=False):
        """What every head's patch would bring along, to first order, out of one pass back: a Dataset with what `needlescope attribute -o`
        writes.

        recompute   of q and k: the pattern is computed anew (AtP*)          edges     the strongest so many, head -> q, k, v of a later one
        against     a file of patch, to be compared with                      gates     also what silencing each head would do
        steps       integrated gradients: so many passes between both prompts' embeddings (twins of equal length); 0: at the destination
        others      as in patch"""
        _check_word("site", site, _SITES), _check_word("rows", rows, ("answer", "all"))
        _check_word("direction", direction, ("denoising", "noising"))
        return self._analysis("ns_attribute", "ns_attribution_free", "ns_attribution_write", _AttributeParams, b"attribution", cases,
                              output, progress, site=_SITES[site], all_rows=rows == "all", noising=direction == "noising",
                              recompute=recompute, edges=edges, against=against, resamples=_number("resamples", resamples, 1, _INT_MAX),
                              seed=seed, steps=_number("steps", steps, 0, 10000), gates=_flag("gates", gates))

    def gradient(self, texts, target="logit_sum", last=0, length=0, window=None, baseline=True, resamples=1000, seed=0, output=None,
                 progress=None):
        """How strongly the end of each text hangs on the tokens before it, by distance: a Dataset with what `needlescope gradient -o`
        writes (export_npz makes the paper's NPZ of that file).

        last       rows whose logits are averaged (0: 20)      length    at which a text is cut (0: 8192)
        window     norms are relative to the mean beyond it; None: the widest sliding window, 0: leave the relative norms out
        baseline   the same of shuffled texts, beside"""
        _check_word("target", target, _TARGETS)
        window = 0 if window is None else -1 if window == 0 else _number("window", window, 1)
        how = dict(target=_TARGETS[target], last=last, length=length, no_baseline=not _flag("baseline", baseline),
                   resamples=_number("resamples", resamples, 1, _INT_MAX), seed=seed)
        return self._analysis("ns_gradient_of", "ns_gradient_free", "ns_gradient_write", _GradientParams, b"gradient", texts, output,
                              progress, then={"window": window}, **how)

    def ablation(self, cases, heads, modes=("mean_z",), scope="all", draws=20, seed=0, loss_cases=16, output=None, progress=None):
        """Do these heads matter? The cases untouched, with the heads silenced (zero_z, mean_z, uniform_attn) or blinded (knockout), and
        under `draws` controls each: a Dataset with what `needlescope ablate -o` writes. loss_cases=0: without the short-context loss."""
        modes, heads, bits = [modes] if isinstance(modes, str) else list(modes), _heads(heads), 0
        for mode in modes:
            _check_word("mode", mode, [x for x in _MODES if x not in ("noop", "knockout_others")])
            bits |= 1 << _MODES[mode]
        _check_word("scope", scope, _SCOPES)
        loss_cases = _number("loss_cases", loss_cases, 0, _INT_MAX) or -1
        return self._analysis("ns_ablate", "ns_ablation_free", "ns_ablation_write", _AblateParams, b"ablation", cases, output, progress,
                              then={"loss_cases": loss_cases}, heads=_pointer(heads, _I64 * 2), n_heads=len(heads), modes=bits,
                              scope=_SCOPES[scope], draws=_number("draws", draws, 1, _INT_MAX), seed=seed)

    def nll(self, texts, keys=None, make_keys=None, context=0, short=0, stride=0, per_token=False, output=None, progress=None):
        """What the model loses on texts, over all, by text, position, distance and span: what `needlescope nll --json` prints, a dict.

        keys        LongPPL's key tokens, a file       make_keys   find them with this model, write them
        context     windows in which a token sees so many at least (0: all)
        short       a second pass in so short a context            stride    from window to window (0: 1024)"""
        how = dict(context=context, short_context=short, stride=stride, keys=keys, make_keys=make_keys)
        return self._analysis("ns_nll_run", "ns_nll_free", "ns_nll_write", _NllParams, None, texts, output, progress,
                              tell=lambda x, answer: _lib.ns_nll_tell(x, _flag("per_token", per_token), answer),
                              schema="needlescope.nll/1", tokenizer=_lib.ns_nll_characters, **how)

    def answers(self, cases, tokens=0, progress=None):
        """What the model says of its own accord behind each prompt, and how much of what it should name is in it (RULER's string match):
        what `needlescope generate --json` prints, a dict. tokens: said at most; 0: the case's meta.max_new_tokens, else 50"""
        return self._analysis("ns_generated_run", "ns_generated_free", None, _GeneratedParams, None, cases, None, progress,
                              tell=lambda x, answer: _lib.ns_generated_tell(x, True, answer), schema="needlescope.generate/1",
                              tokenizer=lambda _: True, tokens=tokens)

    def _analysis(self, run, free, write, kind, file_kind, cases, output, progress, tell=None, schema=None, tokenizer=None, then=None,
                  **how):
        """A call of the library over cases of the untouched model -> the file that it writes as a Dataset, or with tell what it says.

        tokenizer   asked with the parameters whether one is needed        then      fields that may be below 0"""
        cases = self.cases(cases)
        _check_output(output, file_kind, (self,), cases)
        with _Pass(self, cases, progress) as p:
            if p.array:
                raise RuntimeError(f"{run[3:]} is of the untouched model: leave the with block of hook or ablate")
            params = _params(kind, progress=p.progress, cancelled=p.cancelled, **how)
            for name, value in (then or {}).items():
                setattr(params, name, value)
            if tokenizer and tokenizer(c.byref(params)):
                params.tokenizer = self._need_tokenizer()._as_parameter_.value
            found = p.new(run, free, self, cases._pointer, c.byref(params))
            writing = lambda path: _call(write, found, path, c.byref(_caller()))
            if tell is None:
                return _written(output, writing)
            if output is not None:
                writing(_bytes(output))
            return _told(lambda answer: tell(found, answer), schema)

    def record(self, cases, out, at="blocks.*.attn.hook_pattern", rows=None, maps="stats+topk", dtype="f16", top_k=0, pool_block=0,
               max_bytes=0, progress=None):
        """Writes the file of `needlescope record`: maps, rows and activations of the points that the globs `at` name. -> its facts, a dict.

        rows   as in run; of stats+topk None means the answer's rows     maps   dense, rows, topk, pooled, stats or stats+topk (the default)
        dtype  "f16" or "f32", on disk                                   max_bytes   refuse what would be larger (4 GiB)"""
        _check_word("maps", maps, _MAPS), _check_word("dtype", dtype, ("f16", "f32"))
        cases, globs = self.cases(cases), [_bytes(x) for x in ([at] if isinstance(at, str) else at)]
        how = _params(_RecorderParams, at=(c.c_char_p * len(globs))(*globs), n_at=len(globs), rows=_c_rows(rows), maps=_MAPS[maps],
                      dtype=_DTYPES.index(dtype.replace("f32", "f4").replace("f16", "f2")), top_k=top_k, pool_block=pool_block,
                      max_bytes=max_bytes)
        with _Pass(self, cases, progress) as p:
            if p.array:
                raise RuntimeError("a recording is of the untouched model: leave the with block of hook or ablate")
            recorder, whole = c.c_void_p(), maps == "dense" or (maps == "rows" and rows is None)
            _call("ns_recorder_new", c.byref(recorder), self, cases._pointer, _bytes(out), c.byref(how), c.byref(_caller()))
            try:                                 # a shared row of a whole map would be kept once for each case: no sharing
                params = _params(_ScoreParams, no_sharing=whole, progress=p.progress, cancelled=p.cancelled, note=p.note(p._told))
                p.call("ns_run_cases", self, cases._pointer, _lib.ns_recorder_hooks(recorder), c.byref(params))
            except BaseException:
                _lib.ns_recorder_abort(recorder)
                raise
            _call("ns_recorder_commit", recorder)
        with _Scratch() as s:
            return _file_facts(s.new("ns_file_open", "ns_file_close", _bytes(out)))


def load(path, **options):
    """The Model of a checkpoint: a folder of weights (safetensors, pytorch_model.bin) with its config.json, one such file, a GGUF file,
    or a folder of the Hugging Face cache.

    threads     0: one per CPU that this process may use (affinity, control group, SLURM_CPUS_PER_TASK)
    memory      bytes for weights and activations; 0: half of what this process may use (RAM, control group, Slurm). Less: the weights
                stream through
    cpu         "scalar", "avx2", "avx512": cap the kernels (the bits stay the same)
    revision    of a Hugging Face cache folder       tokenizer   path of a tokenizer.json, where the folder has none
    arch        a description as JSON (needlescope inspect --arch-out) in place of config.json
    names       JSON file {"tensor name or glob of the description": "name in the file"}
    olmo3_rope  "full-layers" or "all-layers"
    heads_of    "attention" (as a rule) or "recurrence": whose heads are looked at in layers of two mixers side by side (falcon_h1)
    constrain   "full=512+4", or several in a list: rows see their last 512 keys and the first 4 positions, in layers of the kind full, swa
                or recurrent or in those that are named ("0=512", "4-7=64"). An edit of the masks; the weights and what is said of the
                model stay, and files say what was constrained
    hash        False: leave the SHA-256 of the weights out; then no file can say which weights it is of """
    return Model(path, **options)


def _positions(rows, case, length):
    """The positions that `rows` names, in its order."""
    if rows is None:
        return np.arange(length)
    if isinstance(rows, str):
        spans = {x.name.decode(): (x.begin, x.end) for x in case.spans[:case.n_spans]}
        if rows == "answer":
            return np.arange(case.n_tokens - 1, length)
        if rows not in spans:
            raise KeyError(f"no span {rows!r}; there are: answer, {', '.join(spans)}")
        return np.arange(*spans[rows])
    given = _whole("rows", rows).reshape(-1)
    out = np.where(given < 0, given + length, given)
    for at in given[(out < 0) | (out >= length)].tolist():
        raise IndexError(f"row {at}: the pass has {length} rows")
    return out


# ---- scores ----

def _is_score(name):
    probe = _lib.ns_probe_find(_bytes(name))
    return bool(probe) and any(s.name.decode() == name for s in probe.contents.scores[:probe.contents.n_scores])


def _score_params(p, names, tokenizer, **more):
    """names: of scores or probes, or definitions as dicts. The special tokens are those that the _nosink scores leave out."""
    own = [p.scratch.new("ns_probe_from_json", "ns_probe_free", text, len(text), _bytes(x.get("name", "definition"))).value
           for x in names if isinstance(x, dict) for text in [json.dumps(x, default=_plain).encode()]]
    named = [_bytes(x) for x in names if not isinstance(x, dict)]
    twice = next((x for i, x in enumerate(named) if x in named[:i]), None)
    if twice:
        raise ValueError(f"probes: {twice.decode()} is named twice")
    special = tokenizer.special() if tokenizer else np.zeros(0, np.int32)
    return _params(_ScoreParams, probes=(c.c_char_p * len(named))(*named), n_probes=len(named), definitions=(c.c_void_p * len(own))(*own),
                   n_definitions=len(own), special=_pointer(special, _I32), n_special=special.size, progress=p.progress,
                   cancelled=p.cancelled, **more)


def probes():
    """All scores: a list of dicts with probe, score, summary, paper."""
    out = []
    for probe in _probe_table():
        out += [dict(probe=probe.name.decode(), score=s.name.decode(), summary=s.summary.decode(), paper=s.paper.decode())
                for s in probe.scores[:probe.n_scores]]
    return out


_BEST = ("largest", "smallest", "none")


def top(scores, k=10, best=None):
    """The k best heads of scores [L, H]: [(layer, head), ...], ties by (layer, head). A head that scores nothing (0) is never among them.

    best  "largest" or "smallest"; None: what the scores themselves say (.attrs, of m.score or of a file), else the largest.
    Warns when the list is short, or cut through a tie."""
    k = _number("k", k, 1, _INT_MAX)
    attrs = getattr(scores, "attrs", {})
    end = best or attrs.get("best", "largest")
    if end not in _BEST[:2]:
        raise ValueError(f"{getattr(scores, 'name', None) or 'these scores'}: best is {end!r}: it describes heads "
                         "and ranks none (largest, smallest: say best=)")
    axes = tuple(getattr(scores, "dims", ("layer", "head") if np.ndim(scores) == 2 else np.shape(scores)))
    if axes != ("layer", "head"):
        raise ValueError(f"{getattr(scores, 'name', None) or 'these scores'}: a list of heads is of scores over (layer, head), "
                         f"not over {axes}")
    low, high = attrs.get("range", (0, 0))
    values = _f32(_reals("scores", scores))
    for layer, head in np.argwhere(values == (np.inf if end == "largest" else -np.inf)):
        raise ValueError(f"scores: that of head {layer}.{head} is infinite, and would be the best of all")
    places, note = np.zeros(max(k, 1), np.int64), c.create_string_buffer(120)
    cut = _lib.ns_best(_pointer(values, c.c_float), values.size, k, c.byref(_ScoreMeaning(_BEST.index(end), low, high, np.nan)),
                       _pointer(places, _I64))
    _lib.ns_best_note(c.byref(cut), min(k, values.size), note, len(note))
    if note.value:
        warnings.warn(note.value.decode(), stacklevel=2)
    return [divmod(int(i), values.shape[1]) for i in places[:cut.n]]


def _attributes(array):
    """As a file has them."""
    out = {"long_name": array.summary.decode()} if array.summary else {}
    return {**out, **_meaning(array.meaning.contents)} if array.meaning else out


def _meaning(m):
    out = {"best": _BEST[m.best], "range": (m.lo, m.hi)}
    return out if np.isnan(m.chance) else {**out, "chance": m.chance}


def _arrays(scores):
    """name -> (axes, array, attributes)"""
    out = {}

    def see(array, _):
        a = array.contents
        value = np.array([s.decode() for s in a.text[:a.view.shape[0]]], object) if a.text else _borrow(a.view).copy()
        out[a.name.decode()] = (a.axes.decode().split(), value, _attributes(a))

    with _Stoppable() as p:
        p.call("ns_scores_each", scores, p.callback(_ON_ARRAY, see, 0, -1), None)
    return out


def _score_facts(scores, model):
    """What the file would say (hashes of weights, arch, tokenizer and cases, ...), and counts."""
    facts = _FactList()
    try:
        _call("ns_scores_facts", scores, c.byref(facts))
        said = {x.name.decode(): x.value.decode(errors="replace") for x in facts.list[:facts.n]}
    finally:
        _lib.ns_fact_list_clear(c.byref(facts))
    return {"model": os.path.basename(os.path.normpath(model.path)), "cases_scored": _lib.ns_scores_cases(scores),
            "cases_answered": _lib.ns_scores_answered(scores), "token_accuracy": _lib.ns_scores_token_accuracy(scores, False),
            "first_token_accuracy": _lib.ns_scores_token_accuracy(scores, True), "dropped": "", **said}


# What is known of a case, layer, head, run, step or text, beside what was measured there: coordinates, by which xarray groups and selects.
_COORDINATES = set("""case_id value_type template twin_of length n_tokens n_answer query_token n_mentions n_distractors depth distance
                      prompt answered layer_kind rope_theta rope_scaling window head_valid tokens run_name checkpoint text_id text_tokens
                      score_name group_name""".split())


def _is_coordinate(name, axes, about):
    """Those, the axes' own values, and what a study says of its runs."""
    return axes == [name] or name in _COORDINATES or (axes == ["run"] and "best" not in about)


def _dataset(arrays, facts, single):
    if xarray is None:
        labelled = {name: Array(value, axes, about, name) for name, (axes, value, about) in arrays.items()}
        return labelled[single].assign_attrs(facts) if single else Arrays(labelled, facts)
    coords = {name: x for name, x in arrays.items() if _is_coordinate(name, x[0], x[2])}
    out = xarray.Dataset({name: x for name, x in arrays.items() if name not in coords}, coords, facts)
    return out[single].assign_attrs(facts) if single else out


class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """What stands for a DataArray where xarray is not installed: values with the names of their axes (dims) and what they say of themselves
    (attrs: which end is best, range, chance ...). numpy takes it for its values, all methods are theirs, and arithmetic gives bare arrays:
    which end of those is best is the caller's to say."""

    def __init__(self, values, dims, attrs, name):
        self.values, self.dims, self.attrs, self.name = values, tuple(dims), dict(attrs), name

    def assign_attrs(self, more):
        return Array(self.values, self.dims, {**self.attrs, **more}, self.name)

    def __getitem__(self, key):
        """By whole numbers, slices and lists an Array, indexed axis by axis as a DataArray is; by anything else bare values."""
        keys = key if isinstance(key, tuple) else (key,)
        number = [isinstance(k, (int, np.integer)) for k in keys]
        if len(keys) > len(self.dims) or not all(n or isinstance(k, slice) or np.ndim(k) == 1 for n, k in zip(number, keys)):
            return self.values[key]
        values = self.values
        for axis in reversed(range(len(keys))):
            values = values[(slice(None),) * axis + (keys[axis],)]
        number += [False] * (len(self.dims) - len(keys))
        return Array(values, [d for d, gone in zip(self.dims, number) if not gone], self.attrs, self.name) if np.ndim(values) else values

    def where_axis(self, axis, chosen):
        """Those places of an axis that `chosen` (booleans) keeps; itself where it does not lie on it."""
        if axis not in self.dims:
            return self
        return Array(np.compress(chosen, self.values, self.dims.index(axis)), self.dims, self.attrs, self.name)

    def _repr_html_(self):
        return show(self)._repr_html_() if self.dims == ("layer", "head") else f"<pre>{html.escape(repr(self))}</pre>"

    def __getattr__(self, name):
        if name.startswith("__"):                   # copy and pickle ask before there are values
            raise AttributeError(name)
        return getattr(self.values, name)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype) if copy else np.asarray(self.values, dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **how):
        return getattr(ufunc, method)(*(x.values if isinstance(x, Array) else x for x in inputs), **how)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return f"<Array {self.name} {self.dims} {self.attrs}>\n{self.values!r}"


class Arrays(dict):
    """What stands for a Dataset where xarray is not installed: name -> Array, and the facts of them all as attrs."""

    def __init__(self, arrays, attrs):
        super().__init__(arrays)
        self.attrs, self.encoding = dict(attrs), {}

    def groupby(self, name):
        """[(value, Arrays)]: the cases (or whatever axis the array `name` [n] lies on) that have the same value, as xarray groups."""
        by = self[name]
        if len(by.dims) != 1:
            raise ValueError(f"{name} lies on {by.dims}: groups are along one axis")
        axis = by.dims[0]
        known = by.values[by.values == by.values]              # no NaN: such belong to no group
        return [(value, Arrays({key: x.where_axis(axis, by.values == value) for key, x in self.items()}, self.attrs))
                for value in sorted(set(known.tolist()))]

    def _repr_html_(self):
        return _html_of({name: f"{x.dims} {x.dtype}" for name, x in self.items()})


# ---- in a notebook ----

_CIVIDIS = ((0, 34, 78), (33, 60, 110), (77, 87, 108), (105, 112, 113), (135, 138, 120), (167, 166, 117), (200, 195, 103), (253, 231, 55))


def _colour(share):
    """Of 0 to 1, as CSS, and that of a text on it."""
    at = min(max(share, 0), 1) * (len(_CIVIDIS) - 1)
    low = min(int(at), len(_CIVIDIS) - 2)
    r, g, b = (round(a + (at - low) * (z - a)) for a, z in zip(_CIVIDIS[low], _CIVIDIS[low + 1]))
    return f"rgb({r},{g},{b})", "#000" if .3 * r + .59 * g + .11 * b > 120 else "#fff"


class show:
    """Scores over (layer, head) as a coloured table in a notebook; values on hovering."""

    def __init__(self, scores, title=None):
        if tuple(getattr(scores, "dims", ("layer", "head"))) != ("layer", "head") or np.ndim(scores) != 2:
            raise ValueError("show: scores over (layer, head) are needed")
        self.values, self.title = np.asarray(scores, float), title or getattr(scores, "name", None) or "scores"

    def _repr_html_(self):
        values = self.values
        known = values[np.isfinite(values)]
        low, high = (known.min(), known.max()) if known.size else (0, 0)
        share = lambda x: (x - low) / (high - low) if high > low else 0

        def cell(layer, head, x):
            back, front = _colour(share(x)) if math.isfinite(x) else ("#ddd", "#000")
            style = f"background:{back};color:{front};padding:2px 4px;font-size:9px"
            return f'<td title="{layer}.{head}: {x:.4g}" style="{style}">{f"{x:.2g}" if math.isfinite(x) else ""}</td>'

        rows = "".join(f'<tr><th style="font-size:9px">{i}</th>{"".join(cell(i, j, x) for j, x in enumerate(row))}</tr>'
                       for i, row in enumerate(values.tolist()))
        heads = "".join(f'<th style="font-size:9px">{j}</th>' for j in range(values.shape[1]))
        return f'<table><caption>{html.escape(str(self.title))}: layer \u00d7 head</caption><tr><th></th>{heads}</tr>{rows}</table>'


def _html_of(answer):
    """Facts as a table, lists of objects as one each."""
    plain = {k: v for k, v in answer.items() if not (isinstance(v, list) and v and isinstance(v[0], dict))}
    line = lambda tag, cells: "<tr>" + "".join(f"<{tag}>{html.escape(_short(x))}</{tag}>" for x in cells) + "</tr>"
    out = "<table>" + "".join(line("td", pair) for pair in plain.items()) + "</table>"
    for name, rows in answer.items():
        if name not in plain:
            columns = list(dict.fromkeys(k for row in rows for k in row))
            body = "".join(line("td", (row.get(k) for k in columns)) for row in rows[:200])
            left = f"<p>and {len(rows) - 200} rows more</p>" * (len(rows) > 200)
            out += f"<p>{html.escape(name)}</p><table>{line('th', columns)}{body}</table>{left}"
    return out


def _short(x):
    return f"{x:.5g}" if isinstance(x, float) else "" if x is None else str(x)[:300]


# ---- files ----

def read(path):
    """A file that the library wrote (scores, a study, interventions, a recording) as a Dataset, with the facts of its provenance as
    attributes, and of each score which end is best; without xarray Arrays, which have these too. What lies in a group is called GROUP/NAME,
    its axes too. A value that cannot be (an interval that is upside down, tokens that become fewer, a share above 1) is an Error, as it is
    for the commands."""
    with _Scratch() as s:
        f = s.new("ns_file_open", "ns_file_close", _bytes(path))
        _call("ns_file_check_values", f)
        arrays, facts = {}, _file_facts(f)
        for whole in _listed("ns_file_list", f):
            name, value, axes = _file_array(f, whole)
            group = name.rpartition("/")[0]
            arrays[name] = ([f"{group}/{axis}" if group else axis for axis in axes], value, _file_meaning(f, whole))
    out = _dataset(arrays, facts, None)
    out.encoding["source"] = os.path.abspath(os.fsdecode(path))
    return out


def _file_meaning(f, whole):
    """best, range and chance of a score; nothing of other arrays, and of files of older versions."""
    meaning = _ScoreMeaning()
    _call("ns_file_meaning", f, whole.encode(), c.byref(meaning))
    return {} if meaning.assumed else _meaning(meaning)


def _file_facts(f):
    names = [_lib.ns_file_fact_name(f, i) for i in range(_lib.ns_file_fact_count(f))]
    return {name.decode(): _lib.ns_file_fact(f, name).decode(errors="replace") for name in names}


def _listed(function, *arguments):
    """What a function gives that ends with (char ***out, int64_t *n), as a list of str."""
    out, n = c.c_void_p(), _I64()
    _call(function, *arguments, c.byref(out), c.byref(n))
    return _taken(out, n.value)


def _taken(out, n):
    """A malloc'd list of n malloc'd texts, as a list of str."""
    pointers = (c.c_void_p * n).from_address(out.value) if n else ()
    found = [c.string_at(x).decode(errors="replace") for x in pointers]
    for x in (*pointers, out):
        _libc.free(x)
    return found


def _file_array(f, whole):
    """name, array, names of its axes"""
    path, name, dtype, rank, shape, axes = whole.encode(), whole.lstrip("/"), _INT(), _INT(), (_I64 * 8)(), c.c_void_p()
    _call("ns_file_describe", f, path, c.byref(dtype), c.byref(rank), shape, c.byref(axes))
    words = c.string_at(axes).decode().split() if axes else []
    _libc.free(axes)
    size = tuple(shape[:rank.value])
    if len(words) != len(size):
        words = [f"{name}_{i}" for i in range(len(size))]
    wanted, out = _Expected(size=c.sizeof(_Expected), name=path, rank=rank.value, shape=shape, range=_lib.ns_any_number()), c.c_void_p()
    if dtype.value == len(_DTYPES):
        _call("ns_file_texts", f, c.byref(wanted), c.byref(out))
        return name, np.array(_taken(out, math.prod(size)), object).reshape(size), words
    kind = np.dtype(_DTYPES[dtype.value])
    read_as = "i8" if kind.kind != "f" else "f8" if kind.itemsize == 8 else "f4"
    wanted.type = _DTYPES.index(read_as)
    _call("ns_file_array", f, c.byref(wanted), c.byref(out))
    value = _borrow(_view(out.value, read_as, size)).astype(kind)
    _libc.free(out)
    return name, value, words


def _view(address, dtype, shape):
    """A whole array in C order as a struct view."""
    view = _View(data=address, dtype=_DTYPES.index(dtype), rank=len(shape))
    step = 1
    for axis in reversed(range(len(shape))):
        view.shape[axis], view.stride[axis] = shape[axis], step
        step *= shape[axis]
    return view


def _caller():
    """Who makes a file: the script that runs."""
    return _params(_Provenance, caller=os.fsencode(sys.argv[0] or "python"))


def _check_output(path, kind, models, cases):
    """What a writer of HDF5 would refuse after the work is refused before it. kind: the fact of its files; path and models may be None."""
    if path is None:
        return
    made_from = _FactList()
    try:
        for model in filter(None, models):
            _call("ns_provenance_of_model", c.byref(made_from), model)
        _call("ns_provenance_of_cases", c.byref(made_from), cases._pointer)
        _call("ns_provenance_check_file", c.byref(made_from), kind, _bytes(path))
    finally:
        _lib.ns_fact_list_clear(c.byref(made_from))


def _written(out, write):
    """What write(path) writes, read back; out None: into a temporary file."""
    if out is not None:
        write(_bytes(out))
        return read(out)
    with tempfile.TemporaryDirectory(prefix="needlescope-") as folder:
        path = os.path.join(folder, "out.h5")
        write(_bytes(path))
        return read(path)


class Answer(dict):
    """What a command says with --json; in a notebook its tables."""

    def _repr_html_(self):
        return _html_of(self)


def _told(tell, schema):
    """What tell(struct ns_answer) says, as the object that --json prints."""
    out = c.c_void_p()
    with _Stoppable() as p:
        p.call("ns_answer_json", p.callback(_TELL, tell), None, schema.encode(), c.byref(out))
    try:
        return Answer(json.loads(c.string_at(out).decode()))
    finally:
        _libc.free(out)


def compare(*files, scores=None, k=10, persistence=.9, permutations=1000, seed=0, all_steps=False):
    """Do score files, studies and lists of heads rank the heads alike? Every pair, beside chance: what `needlescope compare --json`
    prints, a dict."""
    (paths, n), (names, m) = _words(files), _words(scores)
    how = _params(_CompareParams, scores=names, n_scores=m, k=_number("k", k, 1, _INT_MAX), persistence=persistence,
                  permutations=_number("permutations", permutations, 1), seed=seed, all_steps=all_steps)
    with _Stoppable() as p:
        found = p.new("ns_compare_run", "ns_comparison_free", paths, n, c.byref(how))
        for line in iter(lambda i=iter(range(1 << 30)): _lib.ns_comparison_note(found, next(i)), None):
            warnings.warn(line.decode(errors="replace"), stacklevel=2)
        return _told(lambda answer: _lib.ns_comparison_tell(found, answer), "needlescope.compare/1")


def profile(file, run=None, k=10):
    """What a score file says of its heads as a whole: classes, sparsity, dynamics. What `needlescope profile --json` prints, a dict."""
    how = _params(_ProfileParams, run=run, k=_number("k", k, 1, _INT_MAX))
    with _Scratch() as s:
        study = s.new("ns_study_open", "ns_study_close", _bytes(file))
        return _told(lambda answer: _call("ns_profile_tell", study, c.byref(how), answer), "needlescope.profile/1")


def scaling(*tables, longppl=False, validate=False, resamples=1000, seed=0):
    """The scaling law of tables of losses by size and tokens, and whether their curves cross: what `needlescope scaling --json` prints, a
    dict."""
    paths, n = _words(tables)
    how = _params(_ScalingParams, longppl=longppl, hold_largest=validate, resamples=_number("resamples", resamples, 1, _INT_MAX), seed=seed)
    with _Stoppable() as p:
        found = p.new("ns_scaling_of_files", "ns_scaling_report_free", paths, n, c.byref(how))
        return _told(lambda answer: _lib.ns_scaling_tell(found, answer), "needlescope.scaling/1")


def program(*arguments, program=None, **options):
    """A command of the program, for what has no function here: program("cases", "needle", model="demo/model", lengths=[64],
    output="c.jsonl") -> the object that --json prints, a dict. Options are those of the command line, _ for -; True: a
    flag; lists are joined with commas.

    program   its path; None: beside the library, else the one of the PATH. What it refuses is an Error with its line."""
    words = [_program_path() if program is None else os.fspath(program), *map(os.fspath, arguments), "--json"]
    for name, value in options.items():
        given = [",".join(map(str, value))] if isinstance(value, (list, tuple)) else [] if value is True else [str(value)]
        words += [f"--{name.replace('_', '-')}", *given] if value is not False else []
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    lines = [re.sub(r"^(needlescope[^:]*: )?(error: )?", "", x) for x in done.stderr.decode(errors="replace").splitlines() if x]
    if done.returncode and not (done.returncode == 1 and done.stdout):          # 1: it finished, and says what failed
        raise Error(_EXITS.get(done.returncode, f"exit {done.returncode}"), lines[-1] if lines else "the program said nothing")
    for line in lines:
        warnings.warn(line, stacklevel=2)
    return Answer(json.loads(done.stdout.decode() or "{}"))


def _program_path():
    folder = os.path.dirname(os.path.realpath(_library_path()))
    beside = (os.path.join(folder, inside, "needlescope") for inside in ("../bin", "../../bin", "cli", "bin", "."))
    found = _program() or next((x for x in beside if os.path.isfile(x) and os.access(x, os.X_OK)), None) or shutil.which("needlescope")
    if found is None:
        raise FileNotFoundError("the program needlescope is neither beside the library nor in the PATH: program=PATH")
    return found


# ---- training runs ----

class Scanned(NamedTuple):
    """How many checkpoints were scored now, were done before, failed; of those that failed (run, step, message)."""
    scored: int
    present: int
    failed: int
    failures: list


def scan(runs, cases, out, probes=("retrieval_find", "previous_token"), shard=None, steps=None, manifest=None, force=False,
         retry_failed=False, progress=None,
         **options):
    """Scores every checkpoint of every run into a shard of its own below the folder `out`; what is done is not done again. -> Scanned

    runs     a folder of checkpoints, or a list of them          probes   as in Model.score
    shard    (i, n): those checkpoints whose number % n == i     steps    (first, last)
    progress(run, step, what) is called after each checkpoint: "scored", "present", "failed"; options are those of load"""
    shard = None if shard is None else _two("shard", shard)
    steps = None if steps is None else _two("steps", steps)
    folders, told, failures = [runs] if isinstance(runs, (str, os.PathLike)) else list(runs), [], []
    opened, counts, names = (_ScanRun * len(folders))(), _ScanCounts(), [probes] if isinstance(probes, (str, dict)) else list(probes)

    done, bar = [0], _bar(progress, "scan") if progress is True else None

    def see(run, item, outcome, message):
        done[0] += 1
        if bar:
            bar(min(1, done[0] / max(1, n_own)))
        if message is not None:
            failures.append((run.contents.name.decode(), item.contents.step, message.decode(errors="replace")))
        if progress and not bar:
            progress(run.contents.name.decode(), item.contents.step, ("scored", "present", "failed", "failed")[outcome])

    with _Stoppable() as p:
        try:
            for run, folder in zip(opened, folders):
                _call("ns_scan_run_open", c.byref(run), _bytes(folder), None if manifest is None else _bytes(manifest))
                left = [x for x in run.series.left_out[:run.series.n_left_out] if not x.no_checkpoint]
                if left:
                    told.append(f"{run.name.decode()}: {len(left)} left out of {run.series.n + len(left)}: " +
                                "; ".join(f"{os.fsdecode(x.name)}: {x.why.decode(errors='replace')}" for x in left[:3]) +
                                "; ..." * (len(left) > 3))
                other = [x for x in run.series.list[:run.series.n] if x.other]
                if other:
                    told.append(f"{run.name.decode()}: {os.fsdecode(other[0].label)} is taken as step {other[0].stage_step}, as it is "
                                f"called, and its trainer_state.json says {other[0].other_step}" + "; others too" * (len(other) > 1))
            n_own = sum(x.series.n for x in opened) // (shard[1] if shard else 1)
            how = _opening(None, p.note(told), **options)
            tokenizer = _tokenizer_of(p, opened, options) if folders else None
            asked = _cases_of(cases, lambda: tokenizer)
            how.engine = p.scratch.new("ns_engine_new", "ns_engine_free",
                                       c.byref(_params(_EngineParams, threads=how.threads, cpu=how.cpu))).value
            params = _params(_ScanParams, out=os.fspath(out), cases=c.pointer(asked._alive()), open=how, force=force,
                             retry_failed=retry_failed, score=_score_params(p, names, tokenizer),
                             shard=shard[0] if shard else 0, n_shards=shard[1] if shard else 0,
                             steps=(_I64 * 2)(*steps) if steps else None, by=c.pointer(_caller()),
                             told=p.callback(_TOLD, see))
            p.call("ns_scan", opened, len(folders), c.byref(params), c.byref(counts))
        finally:
            for run in opened:
                _lib.ns_scan_run_close(c.byref(run))
    if counts.empty_runs:
        has = "has" if counts.empty_runs == 1 else "have"
        told.append(f"{counts.empty_runs} of {len(folders)} runs {has} no checkpoint of the steps {steps[0]} to {steps[1]}")
    if shard and not counts.own:
        told.append(f"shard {shard[0]}/{shard[1]} has no checkpoint of its own: there are only {counts.found - counts.left_out}")
    if counts.unsealed:
        told.append(f"{counts.unsealed} of the shards that were there without a seal: {_UNSEALED}")
    if counts.unread:
        told.append(f"{counts.unread} of those scored now have a tokenizer that cannot be read: nobody knows whether the cases are of it")
    if counts.replaced:
        told.append(f"{counts.replaced} shards were replaced: the checkpoint, the kernel class or the request had changed")
    for line in dict.fromkeys(told):
        warnings.warn(line, stacklevel=2)
    return Scanned(counts.scored, counts.present, counts.failed, failures)


def _tokenizer_of(p, runs, options):
    """The tokenizer of the first checkpoint of runs that opens, which lives as long as p; None where it has none, or one that cannot be
    read (a warning says so)."""
    how = _opening(None, p.note([]), **options)
    how.want = _OPEN_ARCH
    opened = p.scratch.new("ns_scan_open_first", "ns_close", runs, len(runs), c.byref(how))
    try:
        _call("ns_open_more", opened, _OPEN_TOKENIZER)
    except Error as e:
        if e.code != "NS_E_UNSUPPORTED":
            raise
        warnings.warn(f"the special tokens are not known: {e}", stacklevel=3)
    return Tokenizer._borrow(_Opened.from_address(opened.value).tokenizer)


def merge(folder, study=None, mixed_kernels=False):
    """One study of all shards of a scan (default: FOLDER/study.h5). -> its path; read(path) is the Dataset."""
    path = os.path.join(os.fspath(folder), "study.h5") if study is None else os.fspath(study)
    _call("ns_merge", _bytes(folder), _bytes(path), c.byref(_params(_MergeParams, mixed_kernels=mixed_kernels, by=c.pointer(_caller()))))
    return path


class Event(NamedTuple):
    """A birth lies in (after, at] on the study's axis; at = inf: not born up to `after`; nan: never measured. str() is how the program
    prints it."""
    after: float
    at: float
    step: int
    head: Optional[tuple]           # (layer, head) that is best there
    gap: int                        # checkpoints in the interval that were not measured
    text: str

    def __str__(self):
        return self.text


class Life(NamedTuple):
    """One life of one head."""
    run: str
    layer: int
    head: int
    life: int
    born: Event
    died_after: float
    died: float


class RunBirths(NamedTuple):
    """Of one run: births of the best head, the second best, the best previous-token head, the best head by other thresholds; a logistic
    midpoint; what a maximum over heads reaches by chance; the series of scores and of who is best [P]."""
    measured: int
    best: Event
    second: Event
    previous: Event
    sweep: dict
    midpoint: dict
    null: dict
    best_score: np.ndarray
    best_head: list
    chance: float                   # of the best head at its birth, and the score at which it is alive
    theta: float


class SeedGroup(NamedTuple):
    """Runs that differ in their seed alone, and the median birth of their best heads with its interval (nan below five seeds)."""
    runs: list
    born: int
    median: float
    low: float
    high: float
    median_previous: float


class Pair(NamedTuple):
    """Is the smaller window earlier? In how many seeds earlier, later, undecided; the exact p of a one-sided sign test; what may be
    said."""
    smaller: float
    larger: float
    earlier: int
    later: int
    same: int
    p: float
    verdict: str


class Laziness(NamedTuple):
    """Births by seed and window [S, W] (inf: censored, nan: no such run), adjacent pairs of windows, and p of Page's L and of the log-rank
    test for trend."""
    windows: list
    seeds: list
    births: np.ndarray
    pairs: list
    page_p: float
    logrank_p: float
    page_seeds: int


def emergence(study, **rule):
    """When heads are born and die over the checkpoints of a study: what `needlescope emergence` says. -> Emergence

    rule   score, previous (the score of previous-token heads), theta (.5), persist (3), horizon, leave_short, top (4), resamples (0: 1000
           of seeds, 999 permutations), seed"""
    return Emergence(study, _birth_rule(**rule))


def trace(study, output=None, score=None, top=4, **rule):
    """Entropy and distance of the best heads over training: a Dataset with what `needlescope trace -o` writes. rule: as in emergence, what
    of it a trace has (horizon, leave_short, theta, persist)."""
    how = _birth_rule(score=score, previous="", resamples=1, top=top, **rule)
    with _Stoppable() as p:
        study = p.scratch.new("ns_study_open", "ns_study_close", _bytes(study))
        found = p.new("ns_emergence_run", "ns_emergence_free", study, c.byref(how))
        return _written(output, lambda path: _call("ns_trace_write", found, top, path, c.byref(_caller())))


def _theta(given):
    theta = _real("theta", given, 0, 1)
    if theta == 0:
        raise ValueError("theta is 0: at 0 every head is born")
    return theta


def _birth_rule(score=None, previous=None, theta=.5, persist=3, horizon=0, leave_short=False, top=4, resamples=0, seed=0,
                **unknown):
    _check_names("births", unknown, _birth_rule)
    _check_of("leave_short", leave_short, "a horizon: without one no run is short of it", horizon)
    return _params(_EmergenceParams, score=score, previous=previous,
                   birth=_params(_BirthParams, theta=_theta(theta), persist=_number("persist", persist, 1, _INT_MAX)),
                   horizon=_real("horizon", horizon, 0), leave_short=leave_short, top=_number("top", top, 1),
                   resamples=resamples, seed=seed)


class Emergence(_Owner):
    """Made by emergence(). runs {name: RunBirths}, lives [Life], groups [SeedGroup], steps [P]; score, previous, theta, persist, horizon;
    axis: "tokens" or "steps", what births are told in."""

    def __init__(self, path, how):
        with _Stoppable() as p:
            study = p.scratch.new("ns_study_open", "ns_study_close", _bytes(path))
            out = p.new("ns_emergence_run", "ns_emergence_free", study, c.byref(how))
            (_, free), *more = p.scratch.take()
            self._own(out, free, *more)
        _call("ns_emergence_check", self)
        self.path, self._study, e = os.fspath(path), study, _Emergence.from_address(out.value)
        self.score, self.previous = e.score.decode(), e.previous and e.previous.decode()
        self.theta, self.persist = e.birth.theta, e.birth.persist
        self.axis, self.horizon = "tokens" if e.in_tokens else "steps", e.horizon
        self.steps = np.array(_lib.ns_study_steps(study)[:e.shape.P])
        self._names, self._H = [_lib.ns_study_run_name(study, i).decode() for i in range(e.shape.R)], e.shape.H
        self.runs = {name: self._run(e.runs[i], e.sweep) for i, name in enumerate(self._names)}
        self.lives = [Life(self._names[x.run], x.layer, x.head, x.life, self._event(x.born), x.died_after,
                           x.died) for x in e.lives[:e.n_lives]]
        self.groups = [SeedGroup([self._names[i] for i in g.runs[:g.n]], g.interval.born, g.interval.median, g.interval.low,
                                 g.interval.high,
                                 g.median_previous) for g in e.groups[:e.n_groups]]

    def _head(self, at):
        return divmod(at, self._H) if at >= 0 else None

    def _event(self, e):
        text = c.create_string_buffer(64)
        return Event(e.after, e.at, e.step, self._head(e.head), e.gap, _lib.ns_event_text(e, text).decode())

    def _run(self, r, sweep):
        plain = lambda struct: {name: getattr(struct, name) for name, _ in struct._fields_}
        midpoint = {**plain(r.midpoint), "flaw": r.midpoint.flaw and r.midpoint.flaw.decode()}
        return RunBirths(r.measured, *map(self._event, (r.best, r.second, r.previous)),
                         {theta: self._event(x) for theta, x in zip(sweep, r.sweep)},
                         midpoint, plain(r.null), np.array(r.best_score[:r.P]), [self._head(x) for x in r.best_head[:r.P]], r.chance,
                         r.theta)

    def write_csv(self, path):
        """Every life of every head, as `needlescope emergence -o`."""
        self._as_parameter_                     # closed: an error
        _call("ns_emergence_write_csv", self, _bytes(path), c.byref(_caller()))

    def laziness(self, arm=None, of="best"):
        """Are heads born later the larger the window? What `needlescope laziness` says of the best head, or of="previous". -> Laziness"""
        self._as_parameter_                     # closed: an error
        _check_word("of", of, ("best", "previous"))
        with _Scratch() as s:
            found = _Laziness.from_address(s.new("ns_laziness_of", "ns_laziness_free", self, None if arm is None else _bytes(arm)).value)
            grid, W, S = getattr(found, of), found.W, found.S
            trend, orders = (found.trend, found.order) if of == "best" else (found.previous_trend, found.previous_order)
            windows = [g.contents.window for g in found.group[:W]]
            births = np.array(grid.time[:S * W]).reshape(S, W)
            pairs = [Pair(a, b, o.earlier, o.later, o.same, o.p, _lib.ns_order_verdict(o, 0, c.create_string_buffer(128)).decode())
                     for a, b, o in zip(windows, windows[1:], orders[:W - 1])]
            return Laziness(windows, found.seed[:S], births, pairs, trend.page, trend.logrank, trend.n_seeds)


class Trained(NamedTuple):
    """A run: its name, the folder of its newest checkpoint, steps done when the call began and now, tokens, the loss on the validation
    batch in nats, the layout of its checkpoints ("gated_deltanet (flash-linear-attention)"), and why that is needlescope's own, or None."""
    name: str
    newest: str
    config_sha256: str
    first: int
    steps: int
    tokens: int
    loss: float
    layout: str
    own_layout_because: Optional[str]


def _at_home(config):
    """The same with files from the working folder on: a dict has no folder of its own that they could be beside."""
    out = dict(config)
    if isinstance(out.get("model"), (str, os.PathLike)):
        out["model"] = os.path.abspath(out["model"])
    if isinstance(out.get("corpus"), dict) and isinstance(out["corpus"].get("file"), (str, os.PathLike)):
        out["corpus"] = dict(out["corpus"], file=os.path.abspath(out["corpus"]["file"]))
    return out


def train(config, folder, resume=False, seed=None, steps=0, progress=None):
    """One training run from its config (a JSON file, or a dict with its keys: docs/training.md) into a folder. -> Trained

    resume   go on from the newest checkpoint, to the bits of an uninterrupted run; Ctrl-C leaves a run that can be resumed
    Files that a dict names (model, corpus) are looked for from the working folder on; those of a config file beside it.
    seed, steps   in place of the config's          progress(step, steps, loss) is called after every step"""
    if isinstance(config, dict):
        with _as_file(json.dumps(_at_home(config), default=_plain), "the config", ".json") as path:
            return train(path, folder, resume, seed, steps, progress)
    bar = _bar(progress, "train") if progress is True else None
    told = (lambda step, steps, loss: bar(step / steps)) if bar else progress or None
    see = lambda x: told(x.contents.step, x.contents.steps, x.contents.loss)
    out = _params(_RunResult)
    with _Stoppable() as p:
        p.call("ns_run_train", c.byref(out), c.byref(_params(
            _RunParams, config=os.fspath(config), folder=os.fspath(folder), resume=resume, own_seed=seed is not None,
            seed=0 if seed is None else seed, steps=steps, by=c.pointer(_caller()),
            progress=p.callback(_STEPPED, see) if told else _STEPPED(), cancelled=p.cancelled)))
    return Trained(os.fsdecode(out.name), os.fsdecode(out.newest), out.config_sha256.decode(), out.first, out.steps, out.tokens, out.loss,
                   out.layout.decode(), out.own_layout_because.decode() or None)


def _job(name, report, params, say, progress, folder, seeds, program, cores, **more):
    """A call that trains and scores for long, by processes of its own: ns_NAME_run -> its report, a dict."""
    report = _params(report)
    with _Stoppable() as p:
        told = lambda kind, line: say(line.decode(errors="replace")) if kind else None
        how = _params(params, folder=os.fspath(folder), seeds=_number("seeds", seeds), program=program or _program(),
                      cores=_number("cores", cores, 0, _INT_MAX) or _allowed()[0], by=c.pointer(_caller()),
                      say=p.callback(_SAY, told) if say else _SAY(), cancelled=p.cancelled,
                      progress=p.callback(_STAGE, lambda stage, x: progress(stage.decode(), x)) if progress else _STAGE(), **more)
        try:
            with p.signals():                   # NS_STOP here: jobs failed, and the report says which
                _call(f"ns_{name}_run", c.byref(report), c.byref(how))
            return json.loads(c.string_at(report.json).decode())
        finally:
            getattr(_lib, f"ns_{name}_report_clear")(c.byref(report))


def lab(folder, scale="default", protocol=None, seeds=0, windows=(), program=None, cores=0, say=None, progress=None, study="laziness"):
    """The laboratory in one call (docs/laboratory.md): trains, scans, silences, and says which claims hold. -> the summary, a
    dict. A call that was stopped goes on when it is made again.

    study    "laziness" or "mixers"
    scale    "quick", "default" or "full"           program  the needlescope program, which does the jobs (default: the wheel's, or the
                                                             one of the PATH)
    say(line) is told what is noted; progress(stage, fraction) how far it is"""
    chosen = _whole("windows", windows, 1).reshape(-1)
    return _job("laboratory", _LaboratoryReport, _LaboratoryParams, say, progress, folder=folder, protocol=protocol, scale=scale,
                seeds=seeds, windows=_pointer(chosen, _I64), n_windows=chosen.size, program=program, cores=cores, study=study)


def paper(runs, folder, scale=None, seeds=0, dry_run=False, program=None, cores=0, say=None, progress=None):
    """The experiments of arXiv 2606.15378 on training runs, into a folder: its claims beside our numbers, with verdicts, in paper.md, with
    figures (docs/paper.md). -> what paper.json holds, a dict; of dry_run what there is to do. A call that was stopped goes on when it is
    made again.

    runs     folders of runs, or folders of such; (): the paper's seven architectures are trained first
    scale    of runs that are trained: "quick", "default" or "full"         seeds    the first so many
    program, cores, say, progress   as in lab"""
    given, n = _words(runs)
    return _job("paper", _PaperReport, _PaperParams, say, progress, folder=folder, runs=given, n_runs=n, scale=scale,
                seeds=seeds, dry_run=dry_run, program=program, cores=cores)


# ---- figures ----

class Plotted(NamedTuple):
    """What was drawn, what was left out or pooled ("": nothing), and which texts lie on each other or leave the page ("": none)."""
    shows: str
    note: str
    crowded: str = ""


class Figure:
    """A figure in memory: a notebook shows it; save(path) writes it (.png, .pdf, .eps, .svg). shows, note, crowded: as of Plotted."""

    def __init__(self, draw):
        self._draw, self._made = draw, {}
        self.shows, self.note, self.crowded = self._plotted("png")[0]

    def _plotted(self, ending):
        if ending not in self._made:
            with tempfile.TemporaryDirectory(prefix="needlescope-") as folder:
                path = os.path.join(folder, f"figure.{ending}")
                told = self._draw(path)
                with open(path, "rb") as f:
                    self._made[ending] = told, f.read()
        return self._made[ending]

    def _repr_png_(self):
        return self._plotted("png")[1]

    def _repr_svg_(self):
        return self._plotted("svg")[1].decode()

    def save(self, path):
        """-> Plotted"""
        return self._draw(path)

    def __repr__(self):
        return f"<Figure: {self.shows}>"


def figure(kind, source, out=None, **how):
    """A figure by its name, as `needlescope figure` has it: "heads", "map", "rank", "trace", and of a study "laziness", "births" ...;
    how: the arguments of figure_KIND (of studies: figure_study).

    source   a file, several, or what read() gave or a call wrote with output=
    out      a path: it is written, and what was drawn is given back (Plotted). None: a Figure, which a notebook shows"""
    files = [_source(x) for x in source] if isinstance(source, (list, tuple)) else _source(source)
    draw = globals().get(f"figure_{kind}")
    if draw is None and kind not in _STUDY_PLOTS:
        known = [x[7:] for x in globals() if x.startswith("figure_") and x != "figure_study"] + list(_STUDY_PLOTS)
        _check_word("figure", kind, known)
    if draw is None:
        call = lambda path: figure_study(kind, files, path, **how)
    else:
        call = lambda path: draw(files, path, **how)
    return Figure(call) if out is None else call(out)


def _source(given):
    """The file behind what read() gave."""
    if isinstance(given, (str, os.PathLike)):
        return given
    path = getattr(given, "encoding", {}).get("source")
    if path is None:
        raise ValueError("a figure is drawn from a file: give its path, or score(..., output=PATH)")
    return path


_HORIZON = {"horizon", "leave_short"}
_BIRTH = _HORIZON | {"score", "theta", "persist"}
_STUDY_PLOTS = {"laziness": _BIRTH | {"previous"}, "births": _BIRTH, "pairs": _BIRTH | {"previous"}, "curves": _BIRTH - {"persist"},
                "loss": _HORIZON, "strip": _BIRTH | {"previous"}}           # what of the rule of births each of them shows
_PLAIN = ("rank", "ablation", "births", "pairs", "curves", "loss", "trace", "gradient", "scaling")     # whose colours tell lines apart


_VALUES, _LEGENDS, _X_AXES = ("auto", "on", "off", "nonzero"), ("bottom", "top", "off"), ("auto", "steps", "tokens")


def _plot(name, out, what, title=None, colormap=None, vmin=None, vmax=None, width=0, dpi=0, font_size=0, font=None, labels=None, height=0,
          theme=None, dark=False, transparent=False, values="auto", legend="bottom", x="auto", order=None, layers=None, **unknown):
    """what: the arguments between path and look."""
    _check_names("a figure", unknown, _plot)
    for what_of, word, known in (("values", values, _VALUES), ("legend", legend, _LEGENDS), ("x", x, _X_AXES)):
        _check_word(what_of, word, known)
    names, n_names = _words(order)
    crowded, (words, n_words) = c.create_string_buffer(256), _words([f"{old}={new}" for old, new in (labels or {}).items()])
    fixed = vmin is not None or vmax is not None        # one end alone: the other one is the natural one
    _check_of("a colormap, vmin or vmax", fixed or colormap, "figures whose colours are a scale", name not in _PLAIN)
    look = _params(_FigureParams, title=title, colormap=colormap, vmin=vmin or 0, vmax=vmax or 0, width=_real("width", width, 0), dpi=dpi,
                   comment=_caller().caller, crowded=c.addressof(crowded), crowded_size=len(crowded),
                   font_size=_real("font_size", font_size, 0), font=font, labels=words, n_labels=n_words,
                   height=_real("height", height, 0), theme=theme, dark=_flag("dark", dark), transparent=_flag("transparent", transparent),
                   values=_VALUES.index(values), legend=_LEGENDS.index(legend), x_axis=_X_AXES.index(x), order=names, n_order=n_names,
                   layers=layers)
    if fixed:
        look.vmin, look.vmax = -np.inf if vmin is None else look.vmin, np.inf if vmax is None else look.vmax
    said = _params(_Plotted)
    _call(f"ns_plot_{'study' if name in _STUDY_PLOTS else name}", _bytes(out), *what, c.byref(look), c.byref(said))
    return Plotted(said.shows.decode(errors="replace"), said.note.decode(errors="replace"), crowded.value.decode(errors="replace"))


def _words(given):
    """(char *const *, n) of one word, several, or none."""
    words = [_bytes(x) for x in ([given] if isinstance(given, (str, os.PathLike)) else given or ())]
    return (c.c_char_p * len(words))(*words), len(words)


def figure_heads(files, out, scores=None, marks=(), top=0, split=0, **look):
    """Layer x head maps of scores of a score file, or of several, side by side. -> Plotted, as all figures.

    The ending of out (.png, .pdf, .eps, .svg) says what is written.       marks, top   heads, and so many of the best, to outline
    split: each score, a rate of hits, twice: over needles nearer to the query than so many tokens, and over the others.
    look   title, colormap, vmin, vmax, width, height (inches), dpi, font_size (points), font, labels ({"retrieval_find": "find"}), dark,
           transparent, theme (a JSON file), legend ("bottom", "top", "off"); as far as the figure has a use for them: values ("auto", "on",
           "off", "nonzero"), x ("auto", "steps", "tokens"), order (names that stand first), layers ("0-3,7")"""
    (names, n), (paths, m), heads = _words(scores), _words(files), _heads(marks, "marks")
    for path in paths:
        _warn_unsealed(path, stacklevel=3)
    return _plot("heads", out, [c.byref(_params(_HeadsPlot, files=paths, n_files=m, scores=names, n_scores=n,
                                                marks=_pointer(heads, _I64 * 2),
                                                n_marks=len(heads), top=top, split=_number("split", split, 0)))], **look)


def figure_rank(file, out, scores=None, top=20, **look):
    """The best heads of scores by rank, with their intervals."""
    names, n = _words(scores)
    _warn_unsealed(_bytes(file), stacklevel=3)
    what = _params(_RankPlot, file=file, scores=names, n_scores=n, top=_number("top", top, 1))
    return _plot("rank", out, [c.byref(what)], **look)


def figure_agreement(file, out, scores=None, spearman=False, **look):
    """How far scores mean the same heads: overlap of the ten best, or rank correlation."""
    names, n = _words(scores)
    _warn_unsealed(_bytes(file), stacklevel=3)
    return _plot("agreement", out, [c.byref(_params(_AgreementPlot, file=file, scores=names, n_scores=n, spearman=spearman))],
                 **look)


def figure_grid(file, out, of="first", head=None, by="auto", **look):
    """The needle grid, lengths x places of the needle. of: "first" (the first answer token is right), "answered" (the whole answer is),
    "find" (of head=(layer, head)). by: "depth", "distance" (tokens from the query), "auto" (depths where the cases have them)."""
    _check_word("of", of, _GRIDS)
    _check_word("by", by, _GRID_PLACES)
    if (of == "find") != (head is not None):
        raise ValueError('head=(layer, head) goes with of="find"')
    _warn_unsealed(_bytes(file), stacklevel=3)
    what = _params(_GridPlot, file=file, of=_GRIDS.index(of), by=_GRID_PLACES.index(by),
                   head=(_I64 * 2)(*_heads([head or (0, 0)], "head")[0].tolist()))
    return _plot("grid", out, [c.byref(what)], **look)


def figure_probe(file, out, distances=(), run=None, **look):
    """At which layers the answer can be read, of a file of probe, a panel a distance; of a study (scan with the probe linear_probe) layer x
    step of one run, at one distance or over all cases."""
    _warn_unsealed(_bytes(file), stacklevel=3)
    places = (c.c_double * len(distances))(*distances)
    return _plot("probe", out, [c.byref(_params(_ProbePlot, file=file, distances=places, n_distances=len(distances), run=run))], **look)


def _steps(steps):
    """(int64 *, n)"""
    given = [_number("steps", x, 0) for x in steps or ()]
    return (_I64 * max(len(given), 1))(*given), len(given)


def figure_growth(study, out, score=None, run=None, steps=None, top=0, **look):
    """Every head of one run at chosen steps (default: the first, the last, and four between), with one scale. top: so many of the
    best at the last of them are outlined in all."""
    _warn_unsealed(_bytes(study), stacklevel=3)
    at, n = _steps(steps)
    return _plot("growth", out, [c.byref(_params(_GrowthPlot, file=study, run=run, score=score, steps=at, n_steps=n,
                                                 top=_number("top", top, 0)))], **look)


def figure_compare(files, out, score=None, run=None, steps=None, top=0, **look):
    """Every head of two score files, or of a study's run at two steps, side by side, and their difference. top: so many that differ
    most are outlined."""
    (paths, m), (at, n) = _words(files), _steps(steps)
    for path in paths:
        _warn_unsealed(path, stacklevel=3)
    return _plot("compare", out, [c.byref(_params(_ComparePlot, files=paths, n_files=m, score=score, run=run, steps=at, n_steps=n,
                                                  top=_number("top", top, 0)))], **look)


def figure_tokens(recording, out, layer, head, case=None, row=None, keys=None, tokenizer=None, **look):
    """One row of attention over the text itself (row: the query's position; default the first that predicts the answer, else the last).
    keys: "A:B" or "span:NAME". out may be a .tex: LaTeX, without a look of ours."""
    _warn_unsealed(_bytes(recording), stacklevel=3)
    what = _params(_TokensPlot, file=recording, case_id=None if case is None else str(case), layer=layer, head=head,
                   row=0 if row is None else row, keys=keys, tokenizer=tokenizer)
    if row is None:
        what.row = -1
    return _plot("tokens", out, [c.byref(what)], **look)


def figure_map(recording, out, layer, head, case=None, log_scale=False, spans=True, rows=None, keys=None, tokens=False, tokenizer=None,
               **look):
    """Where one head looks on one case (its id or number) of a recording with maps dense or rows. rows: "answer", "last:N", "span:NAME" or
    "A:B"; keys: "A:B" or "span:NAME"; tokens: their texts in place of positions."""
    _warn_unsealed(_bytes(recording), stacklevel=3)
    what = _params(_MapPlot, file=recording, case_id=None if case is None else str(case), layer=layer, head=head,
                   log_scale=log_scale, no_spans=not _flag("spans", spans), rows=rows, keys=keys, tokens=_flag("tokens", tokens),
                   tokenizer=tokenizer)
    return _plot("map", out, [c.byref(what)], **look)


def figure_ablation(files, out, **look):
    """Interventions (ablate, or patch with a set) beside each other: every control a dot."""
    words = _words(files)
    for path in words[0]:
        _warn_unsealed(path, stacklevel=3)
    return _plot("ablation", out, words, **look)


def figure_gradient(files, out, **look):
    """Influence by distance (what gradient wrote), that of shuffled texts, and windows."""
    words = _words(files)
    for path in words[0]:
        _warn_unsealed(path, stacklevel=3)
    return _plot("gradient", out, words, **look)


def figure_scaling(tables, out, longppl=False, validate=False, **look):
    """Scaling laws of tables of losses, a panel a table, and their residuals. validate: the largest size is held out and foretold."""
    words, n = _words(tables)
    return _plot("scaling", out, [c.byref(_params(_ScalingPlot, files=words, n_files=n, longppl=longppl, hold_largest=validate))], **look)


def figure_trace(file, out, **look):
    """Entropy and distance of the best heads over training (what trace wrote), a thin line a run."""
    _warn_unsealed(_bytes(file), stacklevel=3)
    return _plot("trace", out, [_bytes(file)], **look)


def figure_study(kind, study, out, run=None, rule=None, **look):
    """A figure of births: laziness, births, pairs, curves, loss, or strip (of one run). rule: a dict, as in emergence, of what the figure
    shows: horizon and leave_short, and of all but loss score and theta, of all but curves and loss persist, of laziness, pairs and strip
    previous."""
    _check_word("kind", kind, _STUDY_PLOTS)
    _check_of("run", run is not None, "the figure strip, of one run", kind == "strip")
    _warn_unsealed(_bytes(study), stacklevel=3)
    what = _params(_StudyPlot, file=study, figure=kind, run=run)
    if rule:
        what.births = c.pointer(_birth_rule(**rule))
    for name in rule or ():
        shown_by = [x for x, names in _STUDY_PLOTS.items() if name in names]
        _check_of(f"rule: {name}", True, f"the figures {', '.join(shown_by)}" if shown_by else "emergence(), and of no figure",
                  kind in shown_by)
    return _plot(kind, out, [c.byref(what)], **look)


# ---- exports ----

def export_npz(gradient, output, shuffled=False):
    """The influence by distance of a file of gradient as the paper's NPZ: distance, mean_grad_norm, sum_grad_norm, sample_count,
    model_name, context_len, target, target_last_n_tokens. shuffled: of the shuffled texts"""
    _call("ns_export_npz", _bytes(gradient), _bytes(output), _flag("shuffled", shuffled), c.byref(_caller()))


def export_csv(study, output, scores=None, run=None):
    """The scores (default: all) of a study or a score file as one tidy table. -> how many rows"""
    rows = _I64()
    with _Scratch() as s:
        x = s.new("ns_study_open", "ns_study_close", _bytes(study))
        _call("ns_export_csv", x, _bytes(output), c.byref(_export_params(x, scores or _all_scores(x), run=run)), c.byref(rows))
    return rows.value


def export_latex(study, output, scores=None, run=None, top=10, standalone=False):
    """The best heads at the last checkpoint of each run as a booktabs tabular. scores: default retrieval_find, else the first of the
    file."""
    _number("top", top, 1)
    with _Scratch() as s:
        x = s.new("ns_study_open", "ns_study_close", _bytes(study))
        _call("ns_export_latex", x, _bytes(output), c.byref(_export_params(x, scores, run=run, top=top, standalone=standalone)))


def export_notebook(study, output, scores=None, run=None, top=10, theta=None, persist=None, births=True, view=False, beside=(),
                    tokenizer=None, limit=0):
    """A Jupyter notebook that shows a study and computes it again. -> what was left out and why ("": nothing)

    theta, persist   the rule of births (.5 and 3); births=False leaves them out
    view             with the page of `needlescope view` in a frame; beside: files that it shows beside the study (recordings); tokenizer:
                     for the texts of their tokens; limit: its bytes (32 MiB)"""
    note = c.create_string_buffer(1024)
    files = [os.fsencode(beside)] if isinstance(beside, (str, os.PathLike)) else [os.fsencode(f) for f in beside]
    rule = dict(theta=0 if theta is None else _theta(theta), persist=0 if persist is None else _number("persist", persist, 1, _INT_MAX))
    with _Scratch() as s:
        x = s.new("ns_study_open", "ns_study_close", _bytes(study))
        how = _params(_StudyNotebookParams, what=_export_params(x, scores, run=run, top=_number("top", top, 1)),
                      birth=_params(_BirthParams, **rule), no_births=not _flag("births", births), view=_flag("view", view),
                      beside=(c.c_char_p * len(files))(*files), n_beside=len(files),
                      tokenizer=None if tokenizer is None else os.fsencode(tokenizer), limit=_number("limit", limit))
        _call("ns_study_notebook", x, _bytes(output), c.byref(how), note, len(note))
    return note.value.decode(errors="replace")


def _all_scores(study):
    n = _I64()
    known = _lib.ns_study_scores(study, c.byref(n))
    return [x.decode() for x in known[:n.value]]


def _export_params(study, scores, **more):
    """With what each score is a quotient of, as far as the probes say."""
    usual = _lib.ns_study_usual_score(study)
    names = [scores] if isinstance(scores, str) else scores or ([usual.decode()] if usual else [])
    table = {s.name: s for probe in _probe_table() for s in probe.scores[:probe.n_scores]}
    known = [_ExportScore(name, *((table[name].of, table[name].over) if name in table else (None, None))) for name in map(_bytes, names)]
    return _params(_ExportParams, scores=(_ExportScore * len(known))(*known), n_scores=len(known), by=c.pointer(_caller()), **more)


def _probe_table():
    table, i = _lib.ns_probes(), 0
    while table[i]:
        yield table[i].contents
        i += 1
