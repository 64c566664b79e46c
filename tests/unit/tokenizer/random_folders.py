"""Folders whose files say different things of the same tokens, at random: flags and normalized in tokenizer.json, in added_tokens_decoder,
in special tokens as text or with flags of their own, in special_tokens_map.json and added_tokens.json; and texts full of them."""
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

NAMES = ["<s>", "</s>", "<unk>", "<pad>", "<a>", "<B>", "ab", "<t>x"]
CLASSES = ["LlamaTokenizerFast", "CodeLlamaTokenizerFast", "GemmaTokenizerFast", "CohereTokenizerFast", "GPTNeoXTokenizerFast",
           "GPT2TokenizerFast", "Qwen2TokenizerFast", "BloomTokenizerFast", "PreTrainedTokenizerFast"]
KEYS = ["bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token"]


def flagged(r, text):
    return dict(content=text, lstrip=r.random() < .4, rstrip=r.random() < .4, normalized=r.random() < .5, single_word=r.random() < .3,
                special=r.random() < .6)


def fewer_flags(r, token):
    return {k: v for k, v in token.items() if k not in ("special", "normalized") or r.random() > .2}


def tokenizer(r):
    words = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["Ġa", "in"] + [n for n in NAMES if r.random() < .8]
    t = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=[("Ġ", "a"), ("i", "n")]))
    t.normalizer = r.choice([None, normalizers.Lowercase(), normalizers.Replace("x", "y")])
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=r.random() < .3)
    t.decoder = decoders.ByteLevel()
    for name in NAMES:
        if r.random() < .8:
            t.add_tokens([AddedToken(**flagged(r, name))])
    t.post_processor = processors.ByteLevel(trim_offsets=r.random() < .5)
    return t


def named(r, quoted):
    """A special token: its text, or with flags, as tokenizer_config.json (quoted) or special_tokens_map.json writes them."""
    text = r.choice(NAMES)
    return text if r.random() < .5 else fewer_flags(r, flagged(r, text)) | ({"__type": "AddedToken"} if quoted else {})


def decoder(r, t):
    """Not always with the ids of tokenizer.json."""
    out = {}
    for name in NAMES:
        if r.random() < .6:
            known = t.token_to_id(name)
            at = 300 + r.randrange(10) if r.random() < .1 else 400 + len(out) if known is None else known
            out[str(at)] = fewer_flags(r, flagged(r, name))
    return out


def folder(r):
    t, config, beside, old = tokenizer(r), {"tokenizer_class": r.choice(CLASSES)}, None, None
    some = lambda quoted: [named(r, quoted) for _ in range(r.randrange(1, 4))]
    config |= {key: named(r, True) for key in KEYS if r.random() < .35}
    config |= {key: r.random() < .5 for key in ("add_bos_token", "add_eos_token") if r.random() < .3}
    if r.random() < .6:
        config["added_tokens_decoder"] = decoder(r, t)
    if r.random() < .4:
        config["additional_special_tokens"] = some(True)
    if r.random() < .4:
        config["extra_special_tokens"] = {f"x_{i}": token for i, token in enumerate(some(True))}
    if r.random() < .35:
        beside = {key: named(r, False) for key in KEYS if r.random() < .3}
        beside |= {"additional_special_tokens": some(False)} if r.random() < .3 else {}
    if r.random() < .2:
        old = {name: 300 + r.randrange(20) for name in r.sample(NAMES + ["<n>", "<N>b"], 3)}
    return t, dict(config=config, map=beside, old=old)


def texts(r):
    parts = NAMES + [n.upper() for n in NAMES] + [n.lower() for n in NAMES] + [" ", "  ", "a", "in", "x", "\n", "é"]
    return ["".join(r.choice(parts) for _ in range(r.randrange(1, 9))) for _ in range(12)]


def folders(n):
    for seed in range(n):
        r = random.Random(seed)
        yield f"random {seed}", *folder(r), texts(r)
