"""Compares needlescope's tokenizer with `tokenizers`, the library that defines tokenizer.json:  referee_text.py TOK_DUMP [name ...]
Ids, offsets and decodings of every line must be equal. `tokenizers` gives offsets in characters; they are turned into bytes."""
import itertools
import os
import struct
import subprocess
import sys
import tempfile

import hard_text
import referee_tokenizers
from compare import count
from tokenizers import Tokenizer

LINES = 2400


def byte_offsets(text):
    return list(itertools.accumulate((len(c.encode()) for c in text), initial=0))


def tokens(encoding, at):
    return [(i, at[b], at[e]) for i, (b, e) in zip(encoding.ids, encoding.offsets)]


def expected(tok, text):
    at = byte_offsets(text)
    with_special = tok.encode(text)
    decoded = [tok.decode(with_special.ids, skip_special_tokens=skip).replace("\0", "\ufffd") for skip in (False, True)]
    return tokens(with_special, at), tokens(tok.encode(text, add_special_tokens=False), at), *decoded


def parsed(line):
    fields = line.split("\t")
    lists = [[tuple(map(int, t.split(":"))) for t in f.split()] for f in fields[:2]]
    return *lists, *(bytes.fromhex(f).decode() for f in fields[2:])


def dump(program, path, lines):
    packed = b"".join(struct.pack("=I", len(t.encode())) + t.encode() for t in lines)
    run = subprocess.run([program, path], input=packed, stdout=subprocess.PIPE, check=False)
    return run.stdout.decode().splitlines()


def show(text, ours, theirs):
    what = next((n for n, a, b in zip(("tokens", "tokens without specials", "text", "text without specials"), ours, theirs) if a != b))
    a, b = next((a, b) for a, b in zip(ours, theirs) if a != b)
    i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    print(f"  {what} of {text[:200]!r} differ at {i}:\n    ours   {a[max(0, i - 2):i + 6]}\n    theirs {b[max(0, i - 2):i + 6]}")


def characters(program, folder):
    """Every character by itself between two letters: what is an accent, a control, punctuation, white or Chinese. Does a block differ?"""
    tok = referee_tokenizers.word_list({"?": 0, "a": 1, "b": 2, "ab": 3})
    blocks = [" ".join(f"a{chr(c)}b" for c in range(k, k + 256)) for k in range(0, 0x110000, 256) if not 0xd800 <= k < 0xe000]
    path = os.path.join(folder, "tokenizer.json")
    tok.save(path)
    answers = dump(program, path, blocks)
    differ = len(blocks) - len(answers) + sum(parsed(a)[0] != expected(tok, b)[0] for a, b in zip(answers, blocks))
    print(f"{'ok  ' if differ == 0 else 'FAIL'} every character: {len(blocks) - differ} of {len(blocks)} blocks equal", flush=True)
    count(len(answers), "blocks of characters")
    return differ > 0


def main():
    program, wanted = sys.argv[1], sys.argv[2:]
    lines = hard_text.lines(LINES)
    bad = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, tok in referee_tokenizers.all_tokenizers(lines, folder):
            if wanted and name not in wanted:
                continue
            path = os.path.join(folder, "tokenizer.json")
            tok.save(path)
            tok = Tokenizer.from_file(path)             # the numbers of the file, as they are read
            answers = dump(program, path, lines)
            differ = len(lines) - len(answers)
            for text, answer in zip(lines, answers):
                ours, theirs = parsed(answer), expected(tok, text)
                if ours != theirs:
                    differ += 1
                    if differ <= 3:
                        show(text, ours, theirs)
            print(f"{'ok  ' if differ == 0 else 'FAIL'} {name}: {len(lines) - differ} of {len(lines)} lines equal", flush=True)
            bad += differ > 0
            total += 1
            count(len(answers), name)
        bad += characters(program, folder) if not wanted else 0
    print(f"{total - bad} of {total} tokenizers equal on {len(lines)} lines each")
    return bad > 0 or total == 0


if __name__ == "__main__":
    sys.exit(main())
