"""Writes the seeds of the targets pieces, unigram, wordpiece and pair:  make_pieces.py CORPUS   (needs sentencepiece)

tokenizer.model files of a few pieces each, and a charsmap that maps A to a."""
import os
import struct
import sys

from sentencepiece import sentencepiece_model_pb2 as pb

CONTROL, USER, UNKNOWN, BYTE = 3, 4, 2, 6
PIECES = [("<unk>", 0, UNKNOWN), ("<s>", 0, CONTROL), ("</s>", 0, CONTROL), ("[x]", 0, USER), ("<0x41>", 0, BYTE), ("<0xC3>", 0, BYTE),
          ("\u2581", -1.5, 1), ("a", -1, 1), ("b", -2, 1), ("ab", -2.5, 1), ("\u2581a", -2, 1), ("\u2581ab", -4, 1), ("\u00e9", -3, 5)]


def charsmap():
    units = [0] * 0x100
    units[0], units[0x40] = 1 << 10, 1 << 10 | 1 << 8 | 0x41
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + b"a\0"


def model(kind, charsmap=b"", pieces=PIECES):
    m = pb.ModelProto()
    for text, score, type_ in pieces:
        m.pieces.add(piece=text, score=score, type=type_)
    m.trainer_spec.model_type = kind
    m.trainer_spec.byte_fallback = True
    m.trainer_spec.unk_id = 0
    if charsmap:
        m.normalizer_spec.precompiled_charsmap = charsmap
    return m.SerializeToString()


def write(folder, name, content):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(content)


def main():
    corpus = sys.argv[1]
    gemma = [("<pad>", 0, CONTROL), ("<eos>", 0, CONTROL), ("<bos>", 0, CONTROL), ("<unk>", 0, UNKNOWN), ("<0x09>", 0, BYTE)] + PIECES[4:]
    fair = [("<unk>", 0, UNKNOWN), ("<s>", 0, CONTROL), ("</s>", 0, CONTROL)] + PIECES[6:]
    for name, first, content in (("llama", 0, model(2)), ("llama-unigram", 1, model(1)), ("gemma", 2, model(2, pieces=gemma)),
                                 ("t5", 3, model(1, charsmap())), ("xglm", 4, model(1, pieces=fair)), ("words", 0, model(3))):
        write(f"{corpus}/pieces", name, bytes([first]) + content)
    vocab = (b'"unk_id":0,"byte_fallback":true,"vocab":[["?",0],["\xe2\x96\x81",-1.5],["a",-1],["b",-2],["ab",-2.5],["ba",-2.5],'
             b'["<0xC3>",0]]')
    write(f"{corpus}/unigram", "plain", vocab + b"\x1eabba \xc3\xa9ab")
    write(f"{corpus}/unigram", "charsmap", vocab + b"\x1eAbA\xcc\x81 \xc3\xa9\xc3\xa9ab\x1e" + charsmap())
    words = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nu\n\xc3\xa9\n##\n"
    write(f"{corpus}/wordpiece", "plain", words + b"\x1e\x1eunaffable Un\xc3\x9caff!")
    write(f"{corpus}/wordpiece", "cased", words.replace(b"\n", b"\r\n") +
          b'\x1e"do_lower_case":false,"strip_accents":true\x1e\xe4\xb8\xadun')
    pair = '{"a":0,"b":1,"ab":2,"\u0120":3,"\u0120a":4,"<|endoftext|>":5}'.encode() + b"\x1e#version: 0.2\na b\n\xc4\xa0 a\n\x1e"
    write(f"{corpus}/pair", "gpt2", b"\0" + pair + b'{"<x>":6}\x1eab a<x>')
    write(f"{corpus}/pair", "qwen2", b"\1" + pair + b"\x1eab a<|endoftext|>")


if __name__ == "__main__":
    main()
