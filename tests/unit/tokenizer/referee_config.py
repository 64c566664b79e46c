"""Compares the tokens of a folder (tokenizer.json, tokenizer_config.json, special_tokens_map.json, config.json) with AutoTokenizer of
transformers 4.57:

    referee_config.py TOK_DUMP

A grid of tokenizer classes, add_bos_token, add_eos_token and post-processors, then the ways to spell special tokens, added tokens and the
prefix space, then files that disagree at random (random_folders.py). Ids and offsets must be equal; where AutoTokenizer refuses, so must
we, but for a random folder, which is counted instead."""
import itertools
import json
import os
import subprocess
import sys
import tempfile
import warnings

import transformers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers as P, processors, decoders
import random_folders
from compare import count
from referee_text import dump, parsed, byte_offsets, tokens

TEXTS = ["The key is 7421.", " two  spaces", "", "<s>in a text</s> and <|endoftext|>", "a <mark> b <tail> c<unk>", "line\n<bos> end ",
         "<NEW>x ▁<PRE>y"]
NAMES = ["<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<|endoftext|>", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<UNK>"]
CLASSES = ["LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizerFast", "GemmaTokenizer", "CohereTokenizerFast", "GPTNeoXTokenizer",
           "GPT2Tokenizer",
           "CodeGenTokenizer", "Qwen2Tokenizer", "BloomTokenizerFast", "PreTrainedTokenizerFast", "PreTrainedTokenizer"]
ABSENT = object()
RANDOM = 400
POSTS = {
    "template": lambda t: processors.TemplateProcessing(single="<s> $A </s>", pair="$A $B",
                                                        special_tokens=[(s, t.token_to_id(s)) for s in ("<s>", "</s>")]),
    "bytes": lambda t: processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
    "none": None,
}


def byte_level(post, prefix=False, sequence=False, added=NAMES):
    """Bytes alone: what the classes change is not in the merges."""
    words = sorted(P.ByteLevel.alphabet()) + ["Ġa", "in", "<mark>", "<tail>"] + NAMES
    t = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=[("Ġ", "a"), ("i", "n")]))
    t.pre_tokenizer = P.ByteLevel(add_prefix_space=prefix)
    if sequence:
        t.pre_tokenizer = P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=prefix)])
    t.add_special_tokens(list(added))
    t.add_tokens([AddedToken("<mark>", special=False)])
    t.decoder = decoders.ByteLevel()
    if POSTS[post]:
        t.post_processor = POSTS[post](t)
    return t


def added(content, special=True, **flags):
    return dict(content=content, lstrip=False, rstrip=False, normalized=not special, single_word=False, special=special) | flags


def quoted(content, **flags):
    return {"__type": "AddedToken"} | added(content, **flags)


def grid():
    for cls, bos, eos, post in itertools.product(CLASSES, (True, False, ABSENT), (True, False, ABSENT), POSTS):
        config = {"tokenizer_class": cls, "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": bos, "add_eos_token": eos}
        yield f"{cls} bos {bos} eos {eos} {post}", byte_level(post), dict(config=config)


def spellings():
    for cls in CLASSES:
        name = f"{cls}: "
        yield name + "no keys", byte_level("template"), dict(config={"tokenizer_class": cls})
        for what, token in {"null": None, "added token": quoted("<bos>"), "unknown": "<NEW>", "flagged": quoted("<bos>", lstrip=True),
                            "empty map": "<eos>"}.items():
            config = {"tokenizer_class": cls, "bos_token": token, "add_bos_token": True, "eos_token": "</s>"}
            yield name + f"bos {what}", byte_level("bytes"), dict(config=config)
            yield name + f"bos {what}, few added", byte_level("none", added=["<s>"]), dict(config=config)
        config = {"tokenizer_class": cls, "bos_token": "<s>", "eos_token": "</s>"}
        maps = {"bos_token": added("<bos>"), "eos_token": "<eos>", "additional_special_tokens": ["<tail>", added("<mark>", lstrip=True)]}
        yield name + "map", byte_level("template"), dict(config=config, map=maps)
        decoder = {"300": added("<NEW>", False), "256": added("<mark>", False, lstrip=True, rstrip=True),
                   "257": added("<tail>", rstrip=True), "258": added("<s>", lstrip=True)}
        decoded = config | {"added_tokens_decoder": decoder}
        yield name + "map without a say", byte_level("template"), dict(config=decoded, map=maps)
        yield name + "decoder", byte_level("bytes"), dict(config=decoded | {"additional_special_tokens": ["<tail>"]})
        old = {"<NEW>": 300, "<PRE>": 900, "<tail>": 258, "The": 301}
        yield name + "added_tokens.json", byte_level("bytes"), dict(config=config, old=old)
        yield name + "added_tokens.json, one named, few added", byte_level("bytes", added=["<s>"]), dict(
            config=config | {"pad_token": "<PRE>", "additional_special_tokens": ["<NEW>"]}, old=old)
        yield name + "added_tokens.json, and a decoder", byte_level("bytes"), dict(config=decoded, old=old | {"key": 310})
        flagged = quoted("</s>", lstrip=True, rstrip=True)
        yield name + "decoder and flags", byte_level("bytes"), dict(config=decoded | {"eos_token": flagged})
        for prefix, sequence in itertools.product((True, False), (True, False)):
            for key in (True, False, None, ABSENT):
                if key in (True, False) and cls.startswith("LlamaT"):
                    continue                       # rebuilt from tokenizer.model: noted
                keys = config | {"add_prefix_space": key}
                yield name + f"prefix {prefix} in sequence {sequence} key {key}", byte_level("none", prefix, sequence), dict(config=keys)
    for model in ("llama", "mistral", "qwen2", "qwen3", "gpt_neox", "gemma2", "gemma3_text", "cohere2", "olmo", "olmo2", "olmo3", "phi3",
                  "gpt2", "smollm3", "exaone4"):
        for config in ({}, {"bos_token": "<s>", "eos_token": "</s>", "add_eos_token": True}):
            yield f"config.json {model} {len(config)}", byte_level("template"), dict(config=config, model={"model_type": model})
    yield "map alone", byte_level("template"), dict(map={"bos_token": "<bos>"}, model={"model_type": "llama"})
    yield "class in config.json", byte_level("template"), dict(config={"bos_token": "<bos>"},
                                                               model={"model_type": "llama", "tokenizer_class": "GPT2Tokenizer"})


def write(folder, tok, config=None, map=None, model=None, old=None):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    tok.save(os.path.join(folder, "tokenizer.json"))
    for name, content in ("tokenizer_config.json", config), ("special_tokens_map.json", map), ("config.json", model), (
            "added_tokens.json", old):
        if content is not None:
            with open(os.path.join(folder, name), "w") as f:
                json.dump({k: v for k, v in content.items() if v is not ABSENT}, f)


def theirs(folder, texts):
    try:
        tok = transformers.AutoTokenizer.from_pretrained(folder)
    except Exception as e:                          # whatever it is: it refuses
        return f"refused: {type(e).__name__} {e}"[:150]
    out = []
    for text in texts:
        at = byte_offsets(text)
        both = [tok(text, add_special_tokens=special, return_offsets_mapping=True) for special in (True, False)]
        out.append([[(i, at[b], at[e]) for i, (b, e) in zip(x["input_ids"], x["offset_mapping"])] for x in both])
    return out


def main():
    program, bad, total, refused = sys.argv[1], 0, 0, 0
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        told = ((*one, TEXTS) for one in itertools.chain(grid(), spellings()))
        for name, tok, files, texts in itertools.chain(told, random_folders.folders(RANDOM)):
            write(folder, tok, **files)
            want = theirs(folder, texts)
            if name.startswith("random") and isinstance(want, str):
                refused += 1
                continue
            lines = dump(program, folder, texts)
            got = [list(parsed(line)[:2]) for line in lines] if lines else "refused"
            equal = want == got or (isinstance(want, str) and got == "refused")
            total += 1
            count(len(got) if got != "refused" else 1)
            bad += not equal
            if not equal and bad <= 20:
                print(f"FAIL {name}:", flush=True)
                if isinstance(want, str) or isinstance(got, str):
                    print(f"  theirs {str(want)[:150]}\n  ours   {str(got)[:150]}")
                    continue
                i, k = next((i, k) for i in range(len(texts)) for k in (0, 1) if want[i][k] != got[i][k])
                print(f"  {texts[i]!r} {'with' if k == 0 else 'without'} specials\n    theirs {want[i][k][:9]}\n    ours   {got[i][k][:9]}")
    print(f"{total - bad} of {total} folders equal; {refused} of the random ones they refuse")
    return bad > 0 or total < 300 + RANDOM * 9 // 10


if __name__ == "__main__":
    sys.exit(main())
