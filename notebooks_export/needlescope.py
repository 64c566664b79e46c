"""needlescope.py - needlescope in Python: one file over the C library, by ctypes and numpy; xarray where it is installed.

    import needlescope as ns
    m = ns.load("model")
    logits, cache = m.run(ids, at=["blocks.*.attn.hook_pattern"], rows=[-4, -1])
    find = m.score("cases.jsonl", "retrieval_find")
    with m.ablate(ns.top(find, 4), mode="mean_z"):
        m.score("cases.jsonl", "retrieval_find")

Models, cases and tokenizers own memory of the library: it is freed with the last reference, by close(), or at the end of a with block. Every
array that is returned is a copy. The library is NEEDLESCOPE_LIB, else the one beside this file or in its prefix, else the system's.

Axes: H heads, R rows (query positions), K keys, L layers, V vocabulary, d head dimension, D model width."""
import ctypes as c
import ctypes.util
import fnmatch
import glob as _glob
import json
import os
import signal
import sys
import tempfile
import threading
import warnings
import weakref
from contextlib import contextmanager
from typing import NamedTuple, Optional

import numpy as np

try:
    import xarray
except ImportError:
    xarray = None

__version__ = "0.1.0"
__all__ = ["Cases", "Case", "Cache", "Error", "Model", "Site", "Tokenizer", "load", "probes", "read_cases", "top"]


# ---- the library ----

def _library_path():
    """Where the library is: see the head of this file."""
    if os.environ.get("NEEDLESCOPE_LIB"):
        return os.environ["NEEDLESCOPE_LIB"]
    name = "libneedlescope.0.dylib" if sys.platform == "darwin" else "libneedlescope.so.0"
    folder = os.path.dirname(os.path.realpath(__file__))
    for _ in range(5):                          # PREFIX/lib/python3/dist-packages, or notebooks_export of a source tree
        for inside in ("", "lib*", os.path.join("lib", "*"), "build"):
            found = sorted(_glob.glob(os.path.join(_glob.escape(folder), inside, name)))
            if found:
                return found[0]
        folder = os.path.dirname(folder)
    found = ctypes.util.find_library("needlescope")
    if not found:
        raise ImportError(f"{name} is not beside {__file__}, not in its prefix and not known to the system: set NEEDLESCOPE_LIB to its path")
    return found


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
    _fields_ = [("list", c.POINTER(_Case)), ("n", c.c_int64), ("capacity", c.c_int64)]


class _Encoding(c.Structure):
    _fields_ = [("ids", c.POINTER(c.c_int32)), ("begin", c.POINTER(c.c_int64)), ("end", c.POINTER(c.c_int64)), ("n", c.c_int64)]


_WARN = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p)


class _OpenParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("path", c.c_char_p), ("revision", c.c_char_p), ("arch", c.c_char_p), ("names", c.c_char_p),
                ("olmo3_rope", c.c_char_p), ("tokenizer", c.c_char_p), ("want", c.c_uint), ("no_hash", c.c_bool), ("memory", c.c_int64),
                ("threads", c.c_int), ("cpu", c.c_char_p), ("engine", c.c_void_p), ("warn", _WARN), ("user", c.c_void_p)]


class _Provenance(c.Structure):
    _fields_ = [("size", c.c_size_t), ("caller", c.c_char_p), ("job", c.c_char_p)]


class _Opened(c.Structure):
    _fields_ = [("name", c.c_char_p), ("checkpoint", c.c_void_p), ("arch", c.c_void_p), ("tokenizer", c.c_void_p), ("engine", c.c_void_p),
                ("model", c.c_void_p)]


class _MachineParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("slurm_cpus_per_task", c.c_char_p), ("slurm_mem_per_node", c.c_char_p), ("slurm_mem_per_cpu", c.c_char_p),
                ("root", c.c_char_p), ("affinity", c.c_int)]


class _Machine(c.Structure):
    _fields_ = [("cpus", c.c_int), ("memory", c.c_int64), ("cpus_from", c.c_char * 256), ("memory_from", c.c_char * 256), ("ignored", c.c_char * 256)]


class _SessionParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("final_length", c.c_int64), ("decode", c.c_bool)]


_CANCELLED = c.CFUNCTYPE(c.c_bool, c.c_void_p)
_PROGRESS = c.CFUNCTYPE(None, c.c_void_p, c.c_double)
_ACCEPTED = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int64, c.c_int32)


class _ForwardParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("no_logits", c.c_bool), ("cancelled", _CANCELLED), ("progress", _PROGRESS), ("user", c.c_void_p)]


class _GenerateParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("stop", c.POINTER(c.c_int32)), ("n_stop", c.c_int), ("gold", c.POINTER(c.c_int32)), ("n_gold", c.c_int64),
                ("hooks", c.c_void_p), ("accepted", _ACCEPTED), ("user", c.c_void_p)]


class _ArchHead(c.Structure):                   # the first fields of ns_arch
    _fields_ = [("family", c.c_char * 32), ("n_layers", c.c_int64), ("d_model", c.c_int64), ("vocab", c.c_int64), ("max_positions", c.c_int64)]


class _AttnHead(c.Structure):                   # the first fields of ns_attn
    _fields_ = [("n_heads", c.c_int64), ("n_kv_heads", c.c_int64), ("head_dim", c.c_int64)]


class _Rows(c.Structure):
    _fields_ = [("kind", c.c_int), ("n", c.c_int64), ("positions", c.POINTER(c.c_int64)), ("span", c.c_char_p)]


class _Site(c.Structure):
    _fields_ = [("size", c.c_size_t), ("point", c.c_int), ("layer", c.c_int64), ("session", c.c_int64), ("case_index", c.c_int64),
                ("c", c.POINTER(_Case)), ("row0", c.c_int64), ("n_rows", c.c_int64), ("key0", c.c_int64), ("n_keys", c.c_int64),
                ("n_heads", c.c_int64), ("n_kv_heads", c.c_int64), ("kind", c.c_int), ("attn", c.POINTER(_AttnHead))]


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


class _ScoreMeaning(c.Structure):
    _fields_ = [("best", c.c_int), ("lo", c.c_double), ("hi", c.c_double), ("chance", c.c_double), ("assumed", c.c_bool)]


class _BestCut(c.Structure):
    _fields_ = [("n", c.c_int64), ("left", c.c_int64), ("sharing", c.c_int64)]


class _ProbeHead(c.Structure):                  # the first fields of ns_probe
    _fields_ = [("name", c.c_char_p), ("summary", c.c_char_p), ("paper", c.c_char_p), ("at", c.c_char_p), ("rows", _Rows), ("accepts", c.c_uint),
                ("state_size", c.c_size_t), ("outputs", c.c_void_p), ("n_outputs", c.c_int), ("scores", c.POINTER(_Score)), ("n_scores", c.c_int)]


class _Dropped(c.Structure):
    _fields_ = [("reason", c.c_char_p), ("n", c.c_int64), ("first_id", c.c_char * 64)]


class _ScoreParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("probes", c.POINTER(c.c_char_p)), ("n_probes", c.c_int), ("reference", c.c_void_p),
                ("definitions", c.POINTER(c.c_void_p)), ("n_definitions", c.c_int), ("stop", c.POINTER(c.c_int32)), ("n_stop", c.c_int64),
                ("special", c.POINTER(c.c_int32)), ("n_special", c.c_int64), ("hooks", c.POINTER(_Hook)), ("n_hooks", c.c_int),
                ("no_sharing", c.c_bool), ("one_at_a_time", c.c_bool), ("progress", _PROGRESS), ("cancelled", _CANCELLED), ("user", c.c_void_p)]


class _RankingParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("resamples", c.c_int), ("seed", c.c_uint64)]


class _Array(c.Structure):
    _fields_ = [("name", c.c_char_p), ("axes", c.c_char_p), ("summary", c.c_char_p), ("view", _View), ("text", c.POINTER(c.c_char_p)),
                ("meaning", c.POINTER(_ScoreMeaning))]


_ON_ARRAY = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(_Array), c.POINTER(_Error))

_DTYPES = ("f4", "f8", "f2", None, "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?")     # by ns_dtype; numpy has no bf16
_CODES = {-1: "NS_E_ARG", -2: "NS_E_FORMAT", -3: "NS_E_MISSING", -4: "NS_E_CREATE", -5: "NS_E_IO", -6: "NS_E_MEMORY", -7: "NS_E_UNSUPPORTED",
          -8: "NS_E_NUMERIC", -9: "NS_E_INTERNAL"}
_STOP, _N_POINTS = 1, 21
_ROWS_ALL, _ROWS_LIST, _ROWS_SPAN, _ROWS_ANSWER = 0, 2, 3, 4
_MODES = {"noop": 0, "zero_z": 1, "mean_z": 2, "uniform_attn": 3, "knockout": 4, "knockout_others": 5}
_SCOPES = {"all": 0, "prefill": 1, "decode": 2}

_P, _I64, _I32, _INT, _S = c.c_void_p, c.c_int64, c.c_int32, c.c_int, c.c_char_p
_OUT, _ERR = c.POINTER(c.c_void_p), c.POINTER(_Error)
_FUNCTIONS = {                                  # name: result, arguments
    "ns_version": (_S, []), "ns_machine_find": (None, [c.POINTER(_Machine), c.POINTER(_MachineParams)]),
    "ns_open": (_INT, [_OUT, c.POINTER(_OpenParams), _ERR]), "ns_close": (None, [_P]), "ns_engine_cpu": (_S, [_P]),
    "ns_engine_kernel_class": (_S, [_P]), "ns_engine_threads": (_INT, [_P]),
    "ns_checkpoint_tokenizer_path": (_S, [_P]),
    "ns_arch_attn": (c.POINTER(_AttnHead), [_P, _I64]), "ns_arch_layer_kind": (_INT, [_P, _I64]), "ns_layer_kind_name": (_S, [_INT]),
    "ns_arch_max_heads": (_I64, [_P]), "ns_arch_max_head_dim": (_I64, [_P]),
    "ns_session_new": (_INT, [_OUT, _P, c.POINTER(_SessionParams), _ERR]), "ns_session_free": (None, [_P]),
    "ns_session_append": (_INT, [_P, c.POINTER(_I32), _I64, _ERR]), "ns_session_add_case": (_INT, [_P, c.POINTER(_Case), _I64, _ERR]),
    "ns_session_logits": (c.POINTER(c.c_float), [_P]),
    "ns_forward": (_INT, [_P, c.POINTER(c.c_void_p), _I64, _P, c.POINTER(_ForwardParams), _ERR]),
    "ns_generate": (_INT, [_P, _P, _I64, c.POINTER(_GenerateParams), c.POINTER(_I32), c.POINTER(_I64), _ERR]),
    "ns_hooks_new": (_INT, [_OUT, _P, c.POINTER(_Hook), _INT, _ERR]), "ns_hooks_free": (None, [_P]),
    "ns_point_axes": (_S, [_INT]), "ns_point_exists": (c.c_bool, [_P, _INT, _I64]),
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
    "ns_score_run": (_INT, [_OUT, _P, c.POINTER(_Cases), c.POINTER(_ScoreParams), _ERR]), "ns_scores_free": (None, [_P]),
    "ns_scores_rank": (_INT, [_P, c.POINTER(_RankingParams), _ERR]), "ns_scores_each": (_INT, [_P, _ON_ARRAY, _P, _ERR]),
    "ns_scores_write": (_INT, [_P, _S, c.POINTER(_Provenance), _ERR]),
    "ns_scores_cases": (_I64, [_P]), "ns_scores_answered": (_I64, [_P]), "ns_scores_token_accuracy": (c.c_double, [_P, c.c_bool]),
    "ns_best": (_BestCut, [c.POINTER(c.c_float), _I64, _I64, c.POINTER(_ScoreMeaning), c.POINTER(c.c_int64)]),
    "ns_best_note": (None, [c.POINTER(_BestCut), _I64, c.c_char_p, c.c_size_t]),
    "ns_scores_dropped": (_INT, [_P, c.POINTER(c.POINTER(_Dropped))]),
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
    rc = getattr(_lib, name)(*arguments, c.byref(err))
    if rc < 0:
        raise Error(rc, err.message.decode(errors="replace"))
    return rc


def _bytes(path_or_text):
    return None if path_or_text is None else os.fsencode(path_or_text)


def _params(kind, **fields):
    return kind(size=c.sizeof(kind), **fields)


def _int32(ids):
    """A C-contiguous copy of token ids [n]; what is no whole number of 32 bits is an error."""
    given = np.asarray(ids)
    out = np.ascontiguousarray(given, np.int32) if given.size == 0 else np.array(given, np.int32, order="C")
    if given.ndim != 1 or (given.size and (given.dtype.kind not in "iu" or not np.array_equal(out, given))):
        raise ValueError(f"token ids are a list of whole numbers of 32 bits, not {given.dtype} of shape {given.shape}")
    return out


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


class _Owner:
    """Something of the library's, freed once: with the last reference, by close(), or at the end of a with block."""

    def _own(self, handle, free, *more):
        """more: (handle, free) of what the handle stands on, freed after it."""
        self._handle = handle
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

    def close(self):
        self._finalizer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Scratch:
    """Handles of one call, freed at the end of a with block, the last one first."""

    def __enter__(self):
        self._list = []
        return self

    def new(self, name, free, *arguments):
        handle = c.c_void_p()
        _call(name, c.byref(handle), *arguments)
        self._list.append((handle, getattr(_lib, free)))
        return handle

    def take(self):
        """The handles with what frees them, the last one first; they are the caller's now."""
        handles, self._list = self._list[::-1], []
        return handles

    def __exit__(self, *_):
        _Owner._free_all(self.take())


# ---- text ----

class Tokenizer(_Owner):
    """A Hugging Face tokenizer.json, or a folder that holds one."""

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
        return [_lib.ns_token_text(self, i).decode(errors="replace") for i in self.encode(text, special).tolist()]

    def _encode(self, text, special):
        raw, out = text.encode(), _Encoding()
        _call("ns_encode", self, raw, len(raw), special, c.byref(out))
        try:
            n = out.n
            ids = np.array(out.ids[:n], np.int32)
            return ids, np.stack([np.array(out.begin[:n], np.int64), np.array(out.end[:n], np.int64)], -1)
        finally:
            _lib.ns_encoding_clear(c.byref(out))

    def decode(self, ids, skip_special=False):
        """The text of token ids."""
        ids, out = _int32(ids), c.c_void_p()
        _call("ns_decode", self, _pointer(ids, _I32), ids.size, skip_special, c.byref(out))
        try:
            return c.string_at(out).decode()
        finally:
            _libc.free(out)

    def id(self, token):
        """The id of a vocabulary entry, or None."""
        found = _lib.ns_token_id(self, token.encode())
        return None if found < 0 else found

    def special(self):
        """The ids of the special tokens, int32."""
        if not hasattr(self, "_special"):
            self._special = np.array([i for i in range(len(self)) if _lib.ns_token_is_special(self, i)], np.int32)
        return self._special.copy()

    def __len__(self):
        return _lib.ns_tokenizer_size(self)


# ---- cases ----

class Case:
    """One case of Cases, which it keeps alive: id, tokens, answer, lead, spans {name: (begin, end)}, text, answer_text, twin_of, meta: the
    keys of a line of JSONL (lib/include/needlescope/case.h)."""

    def __init__(self, cases, i):
        self._cases, self._struct = cases, cases._alive().list[i]
        s = self._struct
        text = lambda raw: raw.decode() if raw is not None else None
        self.id, self.text, self.answer_text, self.twin_of = text(s.id), text(s.text), text(s.answer_text), text(s.twin_of)
        self.tokens, self.answer = np.array(s.tokens[:s.n_tokens], np.int32), np.array(s.answer[:s.n_answer], np.int32)
        self.lead = s.n_lead
        self.spans = {x.name.decode(): (x.begin, x.end) for x in s.spans[:s.n_spans]}
        self.meta = json.loads(s.meta) if s.meta else {}

    def __repr__(self):
        return f"Case({self.id!r}, {self.tokens.size} tokens, answer of {self.answer.size}, spans {', '.join(self.spans) or 'none'})"


class Cases(_Owner):
    """A list of cases: cases[i] is a Case, cases[a:b] are Cases. Made by read_cases and Model.cases."""

    def __init__(self, path, tokenizer=None):
        self._struct, self._owners = _Cases(), ()
        self._own(self._struct, lambda s: _lib.ns_cases_clear(c.byref(s)))
        _call("ns_cases_read", c.byref(self._struct), _bytes(path), tokenizer)

    @classmethod
    def _of(cls, structs, owners):
        """Cases whose structs are borrowed from the Cases `owners`."""
        self = cls.__new__(cls)
        self._structs, self._owners = structs, owners
        self._struct = _Cases((_Case * len(structs))(*structs), len(structs))
        self._own(self._struct, lambda s: None)
        return self

    def _alive(self):
        self._as_parameter_                     # closed: an error
        for owner in self._owners:
            owner._alive()
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
        return Cases._of([x._struct for x in source], [x._cases for x in source])
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", prefix="cases-") as f:      # one reader for all: the library's
        f.writelines(json.dumps(x, default=_plain) + "\n" for x in source)
        f.flush()
        return Cases(f.name, tokenizer)


def _plain(x):
    if isinstance(x, (np.ndarray, np.generic)):
        return x.tolist()
    raise TypeError(f"{type(x).__name__} has no place in a case")


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


class _Pass:
    """The hooks of one call into the library. They live until its end; an exception in one ends the pass and is raised from it."""

    def __init__(self, model, cases):
        self.model, self.cases, self.raised, self.interrupted = model, cases, None, False
        self._hooks, self._keep = [], []
        self.cancelled = _CANCELLED(lambda _: self.raised is not None or self.interrupted)
        self.accepted = _ACCEPTED(lambda *_: _STOP if self.raised is not None or self.interrupted else 0)

    def __enter__(self):
        self.model._as_parameter_               # closed: an error
        if threading.get_ident() in self.model._running:
            raise RuntimeError("a hook may not start another pass of its own model")
        self.scratch = _Scratch().__enter__()
        try:
            for watcher in self.model._watchers:
                watcher._install(self)
        except BaseException:
            self.__exit__()
            raise
        self.model._running.add(threading.get_ident())
        return self

    def __exit__(self, *_):
        self.model._running.discard(threading.get_ident())
        self.scratch.__exit__()
        self._hooks, self._keep, self.cancelled, self.accepted = [], [], None, None      # no cycle: memory is freed now

    def add(self, at, rows, see, edits=False):
        """see(struct site, struct view)."""
        def guarded(_, site, view, __):
            try:
                if self.raised is None:
                    see(site.contents, view.contents)
                return 0 if self.raised is None else -1
            except BaseException as e:
                self.raised = e
                return -1
        callback = _ON_VIEW(guarded)
        self._keep += [callback, rows]
        self._hooks.append(_params(_Hook, at=at.encode(), rows=rows, **{"edit" if edits else "read": callback}))

    def add_edits(self, edit):
        edits, n = self.scratch.new("ns_edits_new", "ns_edits_free", self.model._arch, c.byref(edit), 1, None, None), c.c_int()
        self._hooks += _lib.ns_edits_hooks(edits, c.byref(n))[:n.value]

    @property
    def array(self):
        return (_Hook * len(self._hooks))(*self._hooks)

    def resolved(self):
        """Hooks resolved against the model's arch, or None without any."""
        if not self._hooks:
            return None
        return self.scratch.new("ns_hooks_new", "ns_hooks_free", self.model._arch, self.array, len(self._hooks)).value

    def call(self, name, *arguments):
        err = _Error()
        with self._interruptible():
            rc = getattr(_lib, name)(*arguments, c.byref(err))
        if self.raised is not None:
            raise self.raised
        if self.interrupted:
            raise KeyboardInterrupt
        if rc < 0:
            raise Error(rc, err.message.decode(errors="replace"))

    @contextmanager
    def _interruptible(self):
        """Ctrl-C stops the pass between layers, since Python cannot raise through C."""
        mine = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if mine:
            signal.signal(signal.SIGINT, lambda *_: setattr(self, "interrupted", True))
        try:
            yield
        finally:
            if mine:
                signal.signal(signal.SIGINT, signal.default_int_handler)


class _Watcher:
    """What m.hook and m.ablate give: at work, for this thread's passes of the model, inside a with block."""

    def __init__(self, model):
        self._model = model

    def __enter__(self):
        self._model._watchers.append(self)
        return self._model

    def __exit__(self, *_):
        self._model._watchers.remove(self)


def _c_rows(rows):
    """The rows of a hook: None, "answer", the name of a span, or positions (negative ones from the end)."""
    if rows is None:
        return _Rows(kind=_ROWS_ALL)
    if isinstance(rows, str):
        return _Rows(kind=_ROWS_ANSWER) if rows == "answer" else _Rows(kind=_ROWS_SPAN, span=rows.encode())
    positions = np.array(rows, np.int64).reshape(-1)
    if not positions.size:
        raise ValueError("rows: an empty list (None means all)")
    out = _Rows(kind=_ROWS_LIST, n=positions.size, positions=_pointer(positions, _I64))
    out._keep = positions
    return out


class _PythonHook(_Watcher):
    def __init__(self, model, at, rows, read, edit):
        super().__init__(model)
        if (read is None) == (edit is None):
            raise ValueError("a hook has exactly one of read and edit")
        model._check_glob(at)
        self.at, self.rows, self.fn, self.edits = at, rows, read or edit, edit is not None

    def _install(self, p):
        p.add(self.at, _c_rows(self.rows), self._edit if self.edits else self._read, self.edits)

    def _read(self, site, view):
        self.fn(_borrow(view).copy(), _site(site))

    def _edit(self, site, view):
        x, where = _borrow(view), _site(site)
        new = self.fn(x.copy(), where)
        if new is None:
            return
        new = np.asarray(new, np.float32)
        if new.shape != x.shape:
            raise ValueError(f"{where.point}: the edit returned shape {new.shape}, it was given {x.shape}")
        x[...] = new


class _Ablation(_Watcher):
    def __init__(self, model, heads, mode, scope, cases, span, seed):
        super().__init__(model)
        for name, value, known in (("mode", mode, _MODES), ("scope", scope, _SCOPES)):
            if value not in known:
                raise ValueError(f"{name} {value!r} is none of {', '.join(known)}")
        self.heads = np.array(heads, np.int64).reshape(-1, 2) if len(heads) else np.zeros((0, 2), np.int64)
        self.mode, self.scope, self.span, self.seed = mode, scope, span, seed
        self.cases = None if cases is None else model.cases(cases)
        self._mean = None
        with _Scratch() as s:                   # a head that is not there is known now
            d = _lib.ns_arch_max_head_dim(model._arch)
            s.new("ns_edits_new", "ns_edits_free", model._arch, c.byref(self._struct(np.zeros((len(self.heads), d), np.float32))), 1, None, None)

    def _struct(self, mean):
        edit = _params(_Edit, mode=_MODES[self.mode], scope=_SCOPES[self.scope], heads=_pointer(self.heads, _I64 * 2), n_heads=len(self.heads),
                       mean=_pointer(mean, c.c_float), span=self.span.encode(), seed=self.seed)
        edit._keep = mean
        return edit

    def _install(self, p):
        if self.mode.startswith("knockout"):
            self._check_spans(p.cases)
        p.add_edits(self._struct(self._means(p.cases) if self.mode == "mean_z" else np.zeros((len(self.heads), 1), np.float32)))

    def _check_spans(self, cases):
        for case in cases._alive().list[:len(cases)]:
            if not any((x.name.decode() + ".").startswith(self.span + ".") for x in case.spans[:case.n_spans]):
                raise ValueError(f"{self.mode} hides the span {self.span!r}, and case {case.id.decode()!r} has none: run a Case, with its spans")

    def _means(self, cases):
        """[n_heads, d], over the cases given to ablate, else over those of this pass."""
        if self._mean is None or self.cases is None:
            m = self._model
            mean = np.zeros((m.n_layers, m.n_heads, _lib.ns_arch_max_head_dim(m._arch)), np.float32)
            _call("ns_mean_z", m, (cases if self.cases is None else self.cases)._pointer, _SCOPES[self.scope], _pointer(mean, c.c_float))
            self._mean = np.ascontiguousarray(mean[self.heads[:, 0], self.heads[:, 1]])
        return self._mean


class Cache(dict):
    """Arrays by the names of their points; rows: the positions of the axis R.
    Attention scores and patterns are [H, R, K], K all positions; q, k, v, z, result [R, H, ...]; the rest [R, ...]."""

    def __init__(self, rows, length):
        super().__init__()
        self.rows = rows
        self._length, self._order = length, np.argsort(rows, kind="stable")

    def _take(self, site, view):
        name, x, axes = _point_name(site.point, site.layer), _borrow(view), _lib.ns_point_axes(site.point).split()
        keyed = b"key" in axes
        if name not in self:
            shape = (x.shape[0], self.rows.size, self._length) if keyed else (self.rows.size, *x.shape[1:])
            self[name] = np.full(shape, -np.inf if name.endswith("attn_scores") else 0, np.float32)
        first, last = np.searchsorted(self.rows[self._order], [site.row0, site.row0 + site.n_rows])
        at = self._order[first:last]
        row = self.rows[at] - site.row0
        if keyed:
            self[name][:, at, site.key0:site.key0 + x.shape[2]] = x[:, row]
        else:
            self[name][at] = x[row]


# ---- the model ----

def _allowed():
    """(CPUs, bytes) that this process may use: affinity, control groups, Slurm."""
    machine, names = _Machine(), ("SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU")
    slurm = {name.lower(): os.environb.get(name.encode()) for name in names}
    _lib.ns_machine_find(c.byref(machine), c.byref(_params(_MachineParams, **slurm)))
    if machine.ignored:
        warnings.warn(f"{machine.ignored.decode(errors='replace')}: no limit was taken from it", stacklevel=4)
    return machine.cpus, machine.memory


_models = weakref.WeakSet()


def _in_child():
    """After fork(): of the threads that were in a pass, only the one that forked is here."""
    for model in _models:
        model._running &= {threading.get_ident()}


os.register_at_fork(after_in_child=_in_child)


class Model(_Owner):
    """A checkpoint, ready to run. Its attributes: family, n_layers, n_heads (the most of any layer), d_model, vocab, max_positions (0: no limit),
    layer_kinds, threads, cpu, kernel_class."""

    def __init__(self, path, threads=0, memory=0, cpu=None, revision=None, arch=None, names=None, tokenizer=None, olmo3_rope=None, hash=True):
        told = []
        warn = _WARN(lambda _, line: told.append(line.decode()))
        cpus, allowed = _allowed() if not (threads and memory) else (0, 0)
        how = _params(_OpenParams, path=_bytes(path), revision=_bytes(revision), arch=_bytes(arch), names=_bytes(names), olmo3_rope=_bytes(olmo3_rope),
                      no_hash=not hash, memory=memory or allowed // 2, threads=threads or cpus, cpu=_bytes(cpu), warn=warn)
        with _Scratch() as s:
            opened = s.new("ns_open", "ns_close", c.byref(how))
            seen = _Opened.from_address(opened.value)
            self._own(c.c_void_p(seen.model), lambda _: None, *s.take())    # the model is freed with what it was opened with
        for line in told:
            warnings.warn(line, stacklevel=3)
        self.path, self._arch_handle, self._tokenizer = os.fspath(path), c.c_void_p(seen.arch), None
        self._local, self._running = threading.local(), set()       # this thread's hooks; the threads that are in a pass
        _models.add(self)
        self._tokenizer_path = _bytes(tokenizer) or _lib.ns_checkpoint_tokenizer_path(seen.checkpoint)
        self._describe(seen.engine)

    @property
    def _arch(self):
        self._as_parameter_                     # closed: an error
        return self._arch_handle

    def _describe(self, engine):
        head = _ArchHead.from_address(self._arch.value)
        self.family, self.n_layers, self.d_model, self.vocab, self.max_positions = (head.family.decode(), head.n_layers, head.d_model, head.vocab,
                                                                                    head.max_positions)
        self.n_heads = _lib.ns_arch_max_heads(self._arch)
        self.layer_kinds = [_lib.ns_layer_kind_name(_lib.ns_arch_layer_kind(self._arch, i)).decode() for i in range(self.n_layers)]
        self.threads, self.cpu = _lib.ns_engine_threads(engine), _lib.ns_engine_cpu(engine).decode()
        self.kernel_class = _lib.ns_engine_kernel_class(engine).decode()

    def __repr__(self):
        return f"Model({self.path!r}: {self.family}, {self.n_layers} layers, {self.n_heads} heads)"

    def close(self):
        if self._running:
            raise RuntimeError("a pass of this model is running: it cannot be closed")
        super().close()

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
            raise ValueError(f"{self.path} has no tokenizer.json: give token ids, or load(..., tokenizer=PATH)")
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
        try:
            return read_cases(source)
        except Error as e:
            if e.code != "NS_E_ARG" or self.tokenizer is None:
                raise
        return read_cases(source, self.tokenizer)

    # passes

    def points(self, pattern="*"):
        """The names of the hook points that match a glob: those outside the blocks, then layer by layer."""
        names = [_point_name(point, layer) for layer in range(-1, self.n_layers) for point in range(_N_POINTS)
                 if _lib.ns_point_exists(self._arch, point, layer)]
        return [name for name in names if fnmatch.fnmatchcase(name, pattern)]

    def _check_glob(self, at):
        with _Scratch() as s:
            hook = _params(_Hook, at=at.encode(), rows=_Rows(), read=_ON_VIEW(lambda *_: 0))
            s.new("ns_hooks_new", "ns_hooks_free", self._arch, c.byref(hook), 1)

    def _one_case(self, prompt, n_answer=None):
        """A struct of its own for ids, a text or a Case; n_answer: with an answer of so many tokens that nobody reads, for rows of generation."""
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
        rows: which positions the cache has: None for all, a list (negative: from the end), "answer" (of a Case: the rows that predict the answer), or
        the name of a span. Logits of more rows than the last: at="hook_logits"."""
        case = self._one_case(prompt)
        length = case.n_tokens + max(case.n_answer - 1, 0)
        cache = Cache(_positions(rows, case, length), length)
        with _Pass(self, Cases._of([case], [])) as p:
            for pattern in [at] if isinstance(at, str) else at:
                p.add(pattern, _c_rows(cache.rows), cache._take)
            hooks = p.resolved()
            session = p.scratch.new("ns_session_new", "ns_session_free", self, c.byref(_params(_SessionParams, final_length=length)))
            _call("ns_session_append", session, case.tokens, case.n_tokens)
            if case.n_answer > 1:
                _call("ns_session_append", session, case.answer, case.n_answer - 1)
            _call("ns_session_add_case", session, c.byref(case), 0)
            p.call("ns_forward", self, c.byref(session), 1, hooks, c.byref(_params(_ForwardParams, cancelled=p.cancelled)))
            return np.array(_lib.ns_session_logits(session)[:self.vocab], np.float32), cache

    def generate(self, prompt, n, stop=()):
        """Greedy continuation of token ids, a text, or a Case's prompt: up to n token ids, int32; a token of stop ends it (and is its last)."""
        if n < 1:
            raise ValueError(f"n is {n}: at least one token")
        case, stop, out, n_out = self._one_case(prompt, n), _int32(stop), np.zeros(n, np.int32), c.c_int64()
        with _Pass(self, Cases._of([case], [])) as p:
            how = _params(_GenerateParams, stop=_pointer(stop, _I32), n_stop=stop.size, hooks=p.resolved(), accepted=p.accepted)
            params = _params(_SessionParams, decode=True)
            session = p.scratch.new("ns_session_new", "ns_session_free", self, c.byref(params))
            _call("ns_session_append", session, case.tokens, case.n_tokens)
            _call("ns_session_add_case", session, c.byref(case), 0)
            p.call("ns_generate", self, session, n, c.byref(how), _pointer(out, _I32), c.byref(n_out))
        return out[:n_out.value]

    def hook(self, at, read=None, edit=None, rows=None):
        """A context manager: inside it, every pass of this model on this thread calls a function of yours at the points that the glob `at` names.

        read(array, site) looks at a copy; edit(array, site) returns a new array of the same shape, or None to leave it. Arrays come in blocks of rows
        (site.rows says which; views: lib/include/needlescope/hooks.h), so an edit decides by the row, never by the block."""
        return _PythonHook(self, at, rows, read, edit)

    def ablate(self, heads, mode="zero_z", scope="all", cases=None, span="needle", seed=0):
        """A context manager: inside it, every pass of this model on this thread runs with the heads [(layer, head), ...] silenced.

        mode   zero_z, mean_z, uniform_attn, knockout (the answer's rows cannot see the span), knockout_others (its control), noop
        scope  rows: all, prefill (before the row that says the first answer token), decode (from it on). Knockouts are always decode.
        cases  mean_z: the mean is over them; None: over the cases of the very pass"""
        return _Ablation(self, heads, mode, scope, cases, span, seed)

    def score(self, cases, probes, resamples=0, seed=0, reference=None, output=None):
        """Scores of every head over cases: a JSONL file, Cases, or a list of Case or of dicts.

        probes     the name of a score -> its DataArray (layer, head). A list of names of scores or probes, or definitions as dicts (docs/measures.md)
                   -> a Dataset with all that `needlescope score -o` writes, under the same names: per-case hits too.
        resamples  of the cases, behind the intervals score_low, score_high ... (a Dataset); 0: none
        reference  the Model that qk_distance compares with
        output     a file to write, as `needlescope score -o` does; its provenance names the script that calls
        Without xarray: a numpy array, or a dict of them."""
        single = probes if isinstance(probes, str) and _is_score(probes) else None
        names = [probes] if isinstance(probes, (str, dict)) else list(probes)
        cases = self.cases(cases)
        with _Pass(self, cases) as p:
            scores = self._score(p, cases, names, reference)
            if resamples and _lib.ns_scores_cases(scores):
                _call("ns_scores_rank", scores, c.byref(_params(_RankingParams, resamples=resamples, seed=seed)))
            if output is not None:
                caller = os.fsencode(sys.argv[0] or "python")
                _call("ns_scores_write", scores, _bytes(output), c.byref(_params(_Provenance, caller=caller)))
            arrays = _arrays(scores)
            facts = _facts(scores, self)
        return _dataset(arrays, facts, single)

    def _special_tokens(self):
        """Ids that the _nosink scores leave out, and those that end a decoded answer: as `needlescope score` has them."""
        none = np.zeros(0, np.int32)
        try:
            t = self.tokenizer
        except Error as e:
            if e.code != "NS_E_UNSUPPORTED":
                raise
            warnings.warn(f"the special tokens are not known: {e}", stacklevel=4)
            return none, none
        newline = t and t.id("<0x0A>")
        return (t.special() if t else none), (none if newline is None else np.array([newline], np.int32))

    def _score(self, p, cases, names, reference):
        own = [p.scratch.new("ns_probe_from_json", "ns_probe_free", text, len(text), x.get("name", "definition").encode()).value
               for x in names if isinstance(x, dict) for text in [json.dumps(x).encode()]]
        named = [x.encode() for x in names if not isinstance(x, dict)]
        special, stop, hooks = *self._special_tokens(), p.array
        params = _params(_ScoreParams, probes=(c.c_char_p * len(named))(*named), n_probes=len(named),
                         reference=reference and reference._as_parameter_.value,
                         definitions=(c.c_void_p * len(own))(*own), n_definitions=len(own), special=_pointer(special, _I32), n_special=special.size,
                         stop=_pointer(stop, _I32), n_stop=stop.size, hooks=hooks, n_hooks=len(hooks), cancelled=p.cancelled)
        out = c.c_void_p()
        p.call("ns_score_run", c.byref(out), self, cases._pointer, c.byref(params))
        p.scratch._list.append((out, _lib.ns_scores_free))
        return out


def load(path, **options):
    """The Model of a checkpoint: a folder of safetensors with its config.json, one *.safetensors file, or a folder of the Hugging Face cache.

    threads     0: one per CPU that this process may use (affinity, control group, SLURM_CPUS_PER_TASK)
    memory      bytes for weights and activations; 0: half of what this process may use (RAM, control group, Slurm). Less: the weights stream through
    cpu         "scalar", "avx2", "avx512": cap the kernels (the bits stay the same)
    revision    of a Hugging Face cache folder       tokenizer   path of a tokenizer.json, where the folder has none
    arch        a description as JSON (needlescope inspect --arch-out) in place of config.json
    names       JSON file {"tensor name or glob of the description": "name in the file"}
    olmo3_rope  "full-layers" or "all-layers"
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
    given = np.array(rows, np.int64).reshape(-1)
    out = np.where(given < 0, given + length, given)
    for at in given[(out < 0) | (out >= length)].tolist():
        raise IndexError(f"row {at}: the pass has {length} rows")
    return out


# ---- scores ----

def _is_score(name):
    probe = _lib.ns_probe_find(name.encode())
    return bool(probe) and any(s.name.decode() == name for s in probe.contents.scores[:probe.contents.n_scores])


def probes():
    """All scores: a list of dicts with probe, score, summary, paper."""
    out, i = [], 0
    table = _lib.ns_probes()
    while table[i]:
        probe, i = table[i].contents, i + 1
        out += [dict(probe=probe.name.decode(), score=s.name.decode(), summary=s.summary.decode(), paper=s.paper.decode())
                for s in probe.scores[:probe.n_scores]]
    return out


_BEST = ("largest", "smallest", "none")


def top(scores, k=10, best=None):
    """The k best heads of scores [L, H]: [(layer, head), ...], ties by (layer, head). A head that scores nothing (0) is never among them.

    best  "largest" or "smallest"; None: what the scores themselves say (.attrs of a DataArray: of m.score, or of a file), else the largest.
    Warns when the list is short, or cut through a tie."""
    attrs = getattr(scores, "attrs", {})
    end = best or attrs.get("best", "largest")
    if end not in _BEST[:2]:
        raise ValueError(f"{getattr(scores, 'name', None) or 'these scores'}: best is {end!r}: it describes heads and ranks none (largest, smallest: say best=)")
    low, high = attrs.get("range", (0, 0))
    values = np.ascontiguousarray(scores, np.float32)
    places, note = np.zeros(max(k, 1), np.int64), c.create_string_buffer(120)
    cut = _lib.ns_best(_pointer(values, c.c_float), values.size, k, c.byref(_ScoreMeaning(_BEST.index(end), low, high, np.nan)), _pointer(places, _I64))
    _lib.ns_best_note(c.byref(cut), min(k, values.size), note, len(note))
    if note.value:
        warnings.warn(note.value.decode(), stacklevel=2)
    return [divmod(int(i), values.shape[1]) for i in places[:cut.n]]


def _attributes(array):
    """As a file has them."""
    out = {"long_name": array.summary.decode()} if array.summary else {}
    if array.meaning:
        m = array.meaning.contents
        out.update(best=_BEST[m.best], range=(m.lo, m.hi))
        if not np.isnan(m.chance):
            out["chance"] = m.chance
    return out


def _arrays(scores):
    """name -> (axes, array, attributes)"""
    out, raised = {}, []

    def see(_, array, __):
        try:
            a = array.contents
            value = np.array([s.decode() for s in a.text[:a.view.shape[0]]], object) if a.text else _borrow(a.view).copy()
            out[a.name.decode()] = (a.axes.decode().split(), value, _attributes(a))
            return 0
        except BaseException as e:
            raised.append(e)
            return -1

    callback = _ON_ARRAY(see)
    try:
        _call("ns_scores_each", scores, callback, None)
    except Error:
        raise raised[0] if raised else sys.exc_info()[1]
    return out


def _facts(scores, model):
    dropped = c.POINTER(_Dropped)()
    n = _lib.ns_scores_dropped(scores, c.byref(dropped))
    return {"model": os.path.basename(os.path.normpath(model.path)), "kernel_class": model.kernel_class, "cases_scored": _lib.ns_scores_cases(scores),
            "cases_answered": _lib.ns_scores_answered(scores), "token_accuracy": _lib.ns_scores_token_accuracy(scores, False),
            "first_token_accuracy": _lib.ns_scores_token_accuracy(scores, True),
            "dropped": "; ".join(f"{d.n} {d.reason.decode()} (first: {d.first_id.decode(errors='replace')})" for d in dropped[:n])}


def _dataset(arrays, facts, single):
    if xarray is None:
        return arrays[single][1] if single else {name: value for name, (_, value, _) in arrays.items()}
    coords = {name: x for name, x in arrays.items() if x[0] == [name]}
    out = xarray.Dataset({name: x for name, x in arrays.items() if name not in coords}, coords, facts)
    return out[single].assign_attrs(facts) if single else out
