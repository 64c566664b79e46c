#!/usr/bin/env python3
"""make_gguf.py FOLDER - the seeds of fuzz_gguf: small GGUF files written by hand, good ones of each architecture and kind of tokenizer,
and the mistakes of the known attacks (counts and lengths beyond the file, dimensions of 0 and of 2^63, wrong types of elements, doubled
names)."""
import os
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
PACK = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}
SIZE = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110),
        12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98),
        19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66),
        39: (32, 17), 40: (64, 36)}


def text(s):
    raw = s.encode() if isinstance(s, str) else s
    return struct.pack("<Q", len(raw)) + raw


def value(kind, x):
    if kind == STRING:
        return text(x)
    if kind == ARRAY:
        of, items = x
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, i) for i in items)
    return struct.pack("<" + PACK[kind], x)


def gguf(values, tensors, version=3, alignment=32, cut=None):
    """values: [(key, type, value)]; tensors: [(name, dimensions innermost first, type)]."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    head += b"".join(text(k) + struct.pack("<I", t) + value(t, v) for k, t, v in values)
    at, data = 0, b""
    for name, shape, kind in tensors:
        n, size = SIZE[kind]
        count = 1
        for d in shape:
            count *= d
        raw = bytes(i * 37 % 251 & 0x3F for i in range(count // n * size))
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in shape) + struct.pack("<IQ", kind, at)
        data += raw + b"\0" * (-len(raw) % alignment)
        at = len(data)
    out = head + b"\0" * (-len(head) % alignment) + data
    return out[:cut]


def sizes(arch, width=4, layers=1, heads=2, ff=4, positions=8, gpt2=False):
    eps = "layer_norm_epsilon" if gpt2 else "layer_norm_rms_epsilon"
    return [("general.architecture", STRING, arch), (f"{arch}.embedding_length", U32, width), (f"{arch}.block_count", U32, layers),
            (f"{arch}.attention.head_count", U32, heads), (f"{arch}.feed_forward_length", U32, ff),
            (f"{arch}.context_length", U32, positions), (f"{arch}.attention.{eps}", F32, 1e-5)]


def llama_tensors(kind=0, norm=0, v=4, w=4, ff=4, kv=4):
    layer = [("attn_norm", [w], norm), ("attn_q", [w, w], kind), ("attn_k", [w, kv], kind), ("attn_v", [w, kv], kind),
             ("attn_output", [w, w], kind), ("ffn_norm", [w], norm), ("ffn_gate", [w, ff], kind), ("ffn_up", [w, ff], kind),
             ("ffn_down", [ff, w], kind)]
    return ([("token_embd.weight", [w, v], kind), ("output_norm.weight", [w], norm)] +
            [(f"blk.0.{name}.weight", shape, t) for name, shape, t in layer])


def expert_tensors(arch, kind=0, n=3, w=4, ff=6):
    """llama's with experts for the MLP."""
    qkv = [(f"blk.0.attn_{x}.bias", [w], 0) for x in ("q", "k", "v")] if arch in ("gpt-oss", "qwen2moe") else []
    bias = [("blk.0.attn_output.bias", [w], 0), ("blk.0.ffn_gate_inp.bias", [n], 0),
            ("blk.0.ffn_gate_exps.bias", [ff, n], 0), ("blk.0.ffn_up_exps.bias", [ff, n], 0),
            ("blk.0.ffn_down_exps.bias", [w, n], 0), ("blk.0.attn_sinks.weight", [2], 0)] if arch == "gpt-oss" else []
    shared = [("blk.0.ffn_gate_inp_shexp.weight", [w], 0), ("blk.0.ffn_gate_shexp.weight", [w, ff], kind),
              ("blk.0.ffn_up_shexp.weight", [w, ff], kind), ("blk.0.ffn_down_shexp.weight", [ff, w], kind)] if arch == "qwen2moe" else []
    return ([(t[0].replace("ffn_norm", "post_attention_norm") if arch == "gpt-oss" else t[0], *t[1:])
             for t in llama_tensors(w=w, ff=ff, kv=w) if "ffn_gate" not in t[0] and "ffn_up" not in t[0] and "ffn_down" not in t[0]] +
            [("blk.0.ffn_gate_inp.weight", [w, n], 0), ("blk.0.ffn_gate_exps.weight", [w, ff, n], kind),
             ("blk.0.ffn_up_exps.weight", [w, ff, n], kind), ("blk.0.ffn_down_exps.weight", [ff, w, n], kind)] + qkv + bias + shared)


def expert_sizes(arch, n=3, width=4, ff=6):
    rope = [("gpt-oss.rope.scaling.type", STRING, "yarn"), ("gpt-oss.rope.scaling.factor", F32, 4.0),
            ("gpt-oss.rope.scaling.original_context_length", U32, 4), ("gpt-oss.attention.sliding_window", U32, 2)]
    shared = [("qwen2moe.expert_shared_feed_forward_length", U32, 6)]
    counts = [(f"{arch}.expert_count", U32, n), (f"{arch}.expert_used_count", U32, 2), (f"{arch}.expert_feed_forward_length", U32, 6)]
    return (sizes(arch, width, ff=ff) + counts[:2 if arch in ("llama", "granitemoe") else 3] +
            (rope if arch == "gpt-oss" else shared if arch == "qwen2moe" else []))


GPT2_TENSORS = [("token_embd.weight", [4, 4], 0), ("position_embd.weight", [4, 8], 0), ("output_norm.weight", [4], 0),
                ("output_norm.bias", [4], 0)] + [
    (f"blk.0.{n}.{s}", shape if s == "weight" else shape[-1:], 0) for n, shape in
    (("attn_norm", [4]), ("attn_qkv", [4, 12]), ("attn_output", [4, 4]), ("ffn_norm", [4]), ("ffn_up", [4, 4]), ("ffn_down", [4, 4]))
    for s in ("weight", "bias")]
BYTES = [("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "llama-bpe"),
         ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab", "Ġ", "Ċ", "Ġa", "<s>", "[N]"])),
         ("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1, 1, 1, 1, 1, 3, 4])),
         ("tokenizer.ggml.merges", ARRAY, (STRING, ["a b", "Ġ a"])), ("tokenizer.ggml.bos_token_id", U32, 6),
         ("tokenizer.ggml.add_bos_token", BOOL, True)]
PIECES = ["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "b", "▁a", "ab", "▁ab", "bb", "[N]"]
SENTENCES = [("tokenizer.ggml.model", STRING, "llama"), ("tokenizer.ggml.tokens", ARRAY, (STRING, PIECES)),
             ("tokenizer.ggml.scores", ARRAY, (F32, [0, 0, 0, 0, -9, -8, -8, -1, -2, -3, -2, -1000])),
             ("tokenizer.ggml.token_type", ARRAY, (I32, [2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1, 4])),
             ("tokenizer.ggml.add_eos_token", BOOL, True)]
FOURS = sizes("qwen3", 32, ff=32) + [("qwen3.attention.key_length", U32, 16)]


def seeds():
    yield "llama", gguf(sizes("llama") + [("llama.attention.head_count_kv", ARRAY, (U32, [2]))], llama_tensors())
    yield "bytes", gguf(BYTES, [("w", [8], 0)])
    yield "sentences", gguf(SENTENCES, [("w", [8], 0)])
    yield "llama_half", gguf(sizes("llama") + [("llama.rope.freq_base", F32, 500.0), ("llama.rope.dimension_count", U32, 2)],
                             llama_tensors(1) + [("output.weight", [4, 4], 30), ("rope_freqs.weight", [1], 0)])
    yield "gemma3", gguf(sizes("gemma3") + [("gemma3.attention.sliding_window", U32, 4)], llama_tensors() + [
        (f"blk.0.{n}.weight", [2 if "_q" in n or "_k" in n else 4], 0) for n in
        ("attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm")])
    yield "gpt2", gguf(sizes("gpt2", gpt2=True) + [("general.alignment", U8, 8)], GPT2_TENSORS, alignment=8)
    for kind in (2, 3, 6, 7, 8, 39):
        yield f"type{kind}", gguf(FOURS, llama_tensors(kind, w=32, ff=32, kv=32)[:2])
    for kind in (10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 29, 34, 35, 40):
        yield f"type{kind}", gguf(sizes("none"), [("w", [256, 2], kind)])
    for arch in ("llama", "qwen2moe", "granitemoe", "gpt-oss"):
        yield f"experts_{arch}", gguf(expert_sizes(arch) + [("general.alignment", U8, 8)], expert_tensors(arch, 1), alignment=8)
    yield "experts_type8", gguf(expert_sizes("llama", width=32, ff=32), expert_tensors("llama", 8, w=32, ff=32))
    yield "experts_flat", gguf(expert_sizes("llama"), [(n, s if "gate_exps" not in n else [4, 18], k) for n, s, k in
                                                       expert_tensors("llama")])
    good = sizes("llama")
    yield "version2", gguf(good, llama_tensors(), version=2)
    yield "version1", gguf(good, llama_tensors(), version=1)
    yield "big_endian", b"GGUF" + struct.pack(">IQQ", 3, 1, 1)
    yield "aligned", gguf(good + [("general.alignment", U32, 64)], llama_tensors(), alignment=64)
    yield "alignment0", gguf([("general.alignment", U32, 0)], [("w", [8], 0)])
    yield "alignment_odd", gguf([("general.alignment", U32, 48)], [("w", [8], 0)])
    yield "alignment_huge", gguf([("general.alignment", U32, 1 << 31)], [("w", [8], 0)])
    # each size fits and their sum does not, once padded; the second lies where the first would end
    yield "sum", b"GGUF" + struct.pack("<IQQ", 3, 2, 0) + b"".join(
        text(name) + struct.pack("<IQIQ", 1, n, 0, at) for name, n, at in (("v", (1 << 61) - 8, 0), ("w", (1 << 61) - 8, (1 << 63) - 32)))
    yield "longer_token", (gguf(good + SENTENCES[:1] + [("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b"]))], [])
                           .replace(text("a") + text("b"), text("a") + struct.pack("<Q", (1 << 64) - 1) + b"b"))
    yield "byte_signed", gguf(good + [(k, t, (v[0], [p.replace("<0x41>", "<0x-1>") if isinstance(p, str) else p for p in v[1]]) if
                                       k == "tokenizer.ggml.tokens" else v) for k, t, v in SENTENCES], llama_tensors())
    yield "template", gguf(good + SENTENCES + [("tokenizer.chat_template", STRING, "{{ ''.__class__.__mro__[1].__subclasses__() }}")],
                           llama_tensors())
    yield "template_u32", gguf(BYTES + [("tokenizer.chat_template", U32, 7)], [("w", [8], 0)])
    for kind in ("bert", "t5", "rwkv"):
        yield f"tokenizer_{kind}", gguf([("tokenizer.ggml.model", STRING, kind)] + SENTENCES[1:], [("w", [8], 0)])
    yield "part", gguf(good + [("split.no", U16, 0), ("split.count", U16, 2)], llama_tensors())
    yield "q8_k", gguf(good, [("w", [256], 15)])
    yield "zero", gguf(good, [("w", [8, 0], 0)])
    yield "counts", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)
    yield "string", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, (1 << 64) - 8)
    yield "array", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", ARRAY, F64, 1 << 61)
    yield "nested", gguf([("k", ARRAY, (ARRAY, [(U8, [1])]))], [])
    yield "overflow", (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("w") + struct.pack("<IQQIQ", 2, 1 << 62, 1 << 62, 0, 0))
    yield "rank", b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("w") + struct.pack("<I", 5) + b"\1" * 64
    yield "twice", gguf(good + good[:1], llama_tensors())
    yield "two_names", gguf(sizes("none"), [("w", [8], 0), ("w", [8], 0)])
    yield "scores_u8", gguf(good + SENTENCES[:2] + [("tokenizer.ggml.scores", ARRAY, (U8, [0] * len(PIECES)))], llama_tensors())
    yield "bos_beyond", gguf(good + BYTES[:5] + [("tokenizer.ggml.bos_token_id", U32, 8)], llama_tensors())
    yield "odd_pairs", gguf(sizes("llama", heads=3) + [("llama.attention.key_length", U32, 2)], llama_tensors())
    yield "short", gguf(good, llama_tensors(), cut=-40)


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, raw in seeds():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(raw)


if __name__ == "__main__":
    main()
