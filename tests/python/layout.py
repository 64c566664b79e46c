#!/usr/bin/env python3
"""needlescope.py against the compiler and the headers: every mirrored struct, enumerator and prototype.

    layout.py LAYOUT ROOT            LAYOUT: layout.c, compiled"""
import ctypes as c
import glob
import os
import re
import subprocess
import sys

from compare import count

layout, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "notebooks_export"))
import needlescope as ns

UNLIKE = {"_ArchHead": "ns_arch", "_AttnHead": "ns_attn", "_ProbeHead": "ns_probe"}
FLOATS, WHOLES = (c.c_float, c.c_double), (c.c_bool, c.c_int, c.c_uint, c.c_int64, c.c_uint64, c.c_size_t, c.c_int32)


def c_name(name):
    return UNLIKE.get(name) or "ns" + re.sub("([A-Z])", lambda m: "_" + m[1].lower(), name[1:])


def check_structs(lines):
    sizes = {x[1]: int(x[2]) for x in lines if x[0] == "struct"}
    fields = {x[1]: (int(x[2]), int(x[3]), x[4]) for x in lines if x[0] == "field"}
    mirrors = {name: kind for name, kind in vars(ns).items() if isinstance(kind, type) and issubclass(kind, c.Structure)}
    seen = set()
    for name, kind in mirrors.items():
        struct = c_name(name)
        assert name in UNLIKE or sizes[struct] == c.sizeof(kind), (struct, sizes[struct], c.sizeof(kind))
        for field, of in kind._fields_:
            at, full = getattr(kind, field), f"{struct}.{field}"
            letter = "f" if of in FLOATS else "i" if of in WHOLES else "o"
            assert fields[full] == (at.offset, at.size, letter), (full, fields[full], (at.offset, at.size, letter))
            seen.add(full)
    assert seen == set(fields), seen ^ set(fields)
    return count(len(mirrors)), count(len(fields))


def check_values(lines):
    value = {x[1]: int(x[2]) for x in lines if x[0] == "value"}
    mine = {name: code for code, name in ns._CODES.items()}
    mine |= {"NS_STOP": ns._STOP, "NS_N_POINTS": ns._N_POINTS, "NS_MAX_RANK": len(ns._View().shape), "NS_ROW_UNROLLED": 1,
             "NS_EDIT_N_MODES": len(ns._MODES), "NS_N_DTYPES": len(ns._DTYPES)}
    mine |= {f"NS_ROWS_{name}": getattr(ns, f"_ROWS_{name}") for name in ("ALL", "LIST", "SPAN", "ANSWER")}
    mine |= {f"NS_EDIT_{name.upper()}": code for name, code in ns._MODES.items()}
    mine |= {f"NS_SCOPE_{name.upper()}": code for name, code in ns._SCOPES.items()}
    mine |= {"NS_SWEEP": ns._SWEEP, "NS_OPEN_ARCH": ns._OPEN_ARCH, "NS_OPEN_TOKENIZER": ns._OPEN_TOKENIZER,
             "NS_PATCH_SITES": len(ns._SITES)}
    mine |= {f"NS_PATCH_{name.upper()}": code for name, code in ns._SITES.items()}
    mine |= {f"NS_MAPS_{name.upper().replace('+', '_')}": code for name, code in ns._MAPS.items()}
    mine |= {f"NS_GRID_{name.upper()}": code for code, name in enumerate(ns._GRIDS)}
    mine |= {f"NS_WEIGHT_{name}": code for name, code in ns._ROLES.items()} | {"NS_WEIGHT_N_ROLES": len(ns._ROLES)}
    mine |= {f"NS_TARGET_{name.upper()}": code for name, code in ns._TARGETS.items()}
    names = {"f": "F", "i": "I", "u": "U"}
    for code, dtype in enumerate(ns._DTYPES):
        mine["NS_BF16" if dtype is None else "NS_BOOL" if dtype == "?" else f"NS_{names[dtype[0]]}{8 * int(dtype[1:])}"] = code
    assert mine == value, set(mine.items()) ^ set(value.items())
    return count(len(value))


def prototypes(root):
    headers = [path for folder in ("lib", "probes",
                                   "notebooks_export") for path in sorted(glob.glob(os.path.join(root, folder, "include/needlescope/*.h")))]
    text = "".join(open(path).read() for path in headers)
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    for result, name, arguments in re.findall(r"NS_API\s+(?:NS_MUST_CHECK\s+)?([\w\s\*]+?)\b(ns_\w+)\(((?:[^()]|\([^()]*\))*)\)", text):
        depth, parts = 0, [""]
        for letter in re.sub(r"\s+", " ", arguments):
            depth += (letter == "(") - (letter == ")")
            parts = parts + [""] if letter == "," and not depth else parts[:-1] + [parts[-1] + letter]
        yield name, letter_of(result), [letter_of(p) for p in parts if p.strip() not in ("", "void")]


def python_name(struct):
    return "_" + "".join(word.capitalize() for word in struct.split("_")[1:])


def letter_of(text):
    """p: a pointer; else the C type without its name."""
    if "*" in text or "_fn" in text or "[" in text:
        return "p"
    words = [w for w in text.replace("const", " ").split() if w]
    known = [w for w in words if w in ("int64_t", "int32_t", "int", "bool", "double", "size_t", "void")]
    if words and hasattr(ns, python_name(words[0])):          # a struct by value
        return words[0]
    return known[0] if known else "int" if words[0].startswith("ns_") else words[0]       # our enums are ints


def check_prototypes(root):
    letters = {c.c_int64: ("int64_t",), c.c_int32: ("int32_t", "int"), c.c_bool: ("bool",), c.c_double: ("double",),
               c.c_size_t: ("size_t",), c.c_uint: ("unsigned",)}
    letters[None] = ("void",)
    letters[c.c_int64] += ("size_t",) if c.c_int64 is c.c_size_t else ()
    mine = lambda kind: (c_name(kind.__name__),) if isinstance(kind, type) and issubclass(kind, c.Structure) else letters.get(kind, ("p",))
    there = {name: (result, arguments) for name, result, arguments in prototypes(root)}
    for name, (result, arguments) in ns._FUNCTIONS.items():
        want = there[name]
        assert want[0] in mine(result), (name, want[0], result)
        assert len(want[1]) == len(arguments) and all(w in mine(a) for w, a in zip(want[1], arguments)), (name, want[1], arguments)
    return count(len(ns._FUNCTIONS))


lines = [line.split() for line in subprocess.run([layout], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()]
version = re.search(r"version: '([^']+)'", open(os.path.join(root, "meson.build")).read())[1]
assert ns.__version__ == version == ns._lib.ns_version().decode(), (ns.__version__, version)
n_structs, n_fields = check_structs(lines)
print(f"{n_structs} structs, {n_fields} fields, {check_values(lines)} values, {check_prototypes(root)} prototypes as the compiler has them")
