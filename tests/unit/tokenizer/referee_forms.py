"""Tokenizers in other forms than tokenizer.json against AutoTokenizer of transformers 4.57:  referee_forms.py TOK_DUMP [LINES]

Folders of tokenizer.model (SentencePiece, trained here: BPE and unigram), vocab.json with merges.txt, and vocab.txt, each with what
tokenizer_config.json and added_tokens.json can say of it. Ids, offsets and decodings must be equal on every line: the first folder of each
type on all of them, the variations of it on fewer."""
import base64
import io
import json
import os
import sys
import tempfile
import types
import warnings

import hard_text
import referee_text
import referee_tokenizers as R
import sentencepiece
import transformers
from compare import count
from sentencepiece import sentencepiece_model_pb2
from tokenizers import pre_tokenizers as P
from transformers.convert_slow_tokenizer import bytes_to_unicode

LINES, FEW = 10000, 1200


def pieces(lines, kind, **how):
    """A SentencePiece model; its alphabet is a part of the lines'."""
    out = io.BytesIO()
    some = [line for line in R.SP_LINES(lines) if all(ord(c) < 0x530 for c in line)]
    how = dict(vocab_size=1200, character_coverage=0.99, hard_vocab_limit=False, minloglevel=2, model_type=kind) | how
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(some), model_writer=out, **how)
    return out.getvalue()


def llama(lines, kind="bpe", **how):
    return pieces(lines, kind, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                  user_defined_symbols=["[INST]", "▁▁▁", "[long]"], control_symbols=["[LEFT]"], split_digits=True, **how)


def with_ties(model):
    """The same with a hundred pieces at each score."""
    m = sentencepiece_model_pb2.ModelProto.FromString(model)
    for p in m.pieces:
        p.score = -(int(-p.score) // 100)
    return m.SerializeToString()


def gemma(lines):
    return pieces(lines, "bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                  add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>",
                  control_symbols=["<mask>"], user_defined_symbols=["<start_of_turn>", "\n", "▁▁"])


def bytes_files(lines, version="#version: 0.2\n", twice=False):
    d = json.loads(R.byte_level(lines, P.ByteLevel(add_prefix_space=False), added=[]).to_str())["model"]
    merges = [" ".join(m) if isinstance(m, list) else m for m in d["merges"]]
    merges += [merges[5], merges[5]] if twice else []
    return {"vocab.json": json.dumps(d["vocab"]), "merges.txt": version + "\n".join(merges) + "\n"}


def word_list(lines, ends="\n"):
    words = sorted(R.wordpiece(lines, P.BertPreTokenizer(), added=[]).get_vocab().items(), key=lambda x: x[1])
    return ends.join([w for w, _ in words if "\0" not in w] + ["##e", "the"]) + ends


def config(cls, **keys):
    return {"tokenizer_config.json": json.dumps({"tokenizer_class": cls} | keys)}


def token(text, **flags):
    return dict(content=text, lstrip=False, rstrip=False, normalized=False, single_word=False, special=True) | flags


def sentencepiece_bpe(lines):
    model = {"tokenizer.model": llama(lines)}
    yield "llama", model | config("LlamaTokenizer")
    for legacy in (True, False, None):
        for prefix in (True, False, None):
            keys = dict(legacy=legacy, add_prefix_space=prefix, add_eos_token=True, eos_token="</s>", bos_token="<s>", unk_token="<unk>")
            yield f"llama legacy {legacy} prefix {prefix}", model | config("LlamaTokenizer", **keys)
    decoder = {"0": token("<unk>"), "1": token("<s>"), "2": token("</s>", rstrip=True), "1500": token("<|im_end|>"),
               "1501": token("[NEW]", special=False, normalized=True, lstrip=True)}
    yield "llama added_tokens_decoder", model | config("LlamaTokenizerFast", added_tokens_decoder=decoder, add_bos_token=False)
    yield "llama, another BOS", model | config("LlamaTokenizer", bos_token="<S>", added_tokens_decoder={"1": token("<S>")})
    yield "llama added_tokens.json", model | config("LlamaTokenizer", pad_token="<pad>") | {
        "added_tokens.json": json.dumps({"<pad>": 1300, "[RIGHT]": 1301}),
        "special_tokens_map.json": json.dumps({"pad_token": "<pad>", "additional_special_tokens": ["[WORD]"]})}
    yield "llama by config.json", model | {"config.json": json.dumps({"model_type": "llama"})}
    yield "llama, equal scores", {"tokenizer.model": with_ties(model["tokenizer.model"])} | config("LlamaTokenizer", legacy=False)
    yield "code llama", model | config("CodeLlamaTokenizer")
    tokenizer_json = {"tokenizer.json": R.byte_level(lines, P.ByteLevel()).to_str()}
    yield "llama, rebuilt", model | tokenizer_json | config("LlamaTokenizer", add_prefix_space=True, legacy=False)
    yield "llama, not rebuilt", model | tokenizer_json | config("LlamaTokenizer", add_prefix_space=None, bos_token="<|endoftext|>",
                                                                eos_token="<|endoftext|>", unk_token="<|endoftext|>")
    model = {"tokenizer.model": gemma(lines)}
    yield "gemma", model | config("GemmaTokenizer")
    yield "gemma, another BOS", model | config("GemmaTokenizer", bos_token="<s>", add_eos_token=True, eos_token="</s>")
    yield "gemma, BOS and EOS swapped", model | config("GemmaTokenizer", bos_token="<eos>", eos_token="<bos>")
    yield "gemma by config.json", model | {"config.json": json.dumps({"model_type": "gemma2"})}


def unigram(lines):
    model = {"spiece.model": pieces(lines, "unigram", user_defined_symbols=["[INST]", "[long]"], pad_id=0, eos_id=1, unk_id=2, bos_id=-1)}
    yield "t5", model | config("T5Tokenizer")
    yield "t5 fewer extra ids", model | config("T5Tokenizer", extra_ids=7, legacy=False)
    yield "t5 named extra ids", model | config("T5TokenizerFast", extra_ids=3, add_prefix_space=False, additional_special_tokens=[
        f"<extra_id_{i}>" for i in range(3)])
    yield "t5 identity", {"spiece.model": pieces(lines, "unigram", normalization_rule_name="identity", pad_id=0, eos_id=1, unk_id=2,
                                                 bos_id=-1)} | config("T5Tokenizer", additional_special_tokens=["[WORD]"])
    yield "t5 case folded", {"spiece.model": pieces(lines, "unigram", normalization_rule_name="nmt_nfkc_cf", pad_id=0, eos_id=1, unk_id=2,
                                                    bos_id=-1)} | {"config.json": json.dumps({"model_type": "t5"})}
    yield "xglm", {"sentencepiece.bpe.model": pieces(lines, "unigram")} | config("XGLMTokenizer")
    for legacy in (True, False):
        yield f"llama of a unigram model, legacy {legacy}", {"tokenizer.model": llama(lines, "unigram")} | config("LlamaTokenizer",
                                                                                                              legacy=legacy)


def byte_level(lines):
    files = bytes_files(lines)
    yield "gpt2", files | config("GPT2Tokenizer")
    yield "gpt2 BOS and prefix", files | config("GPT2Tokenizer", add_bos_token=True, add_prefix_space=True, bos_token="<|endoftext|>")
    yield "gpt2 added", files | config("GPT2Tokenizer", added_tokens_decoder={"1500": token("[WORD]", single_word=True)})
    yield "gpt2 merges twice, no version", bytes_files(lines, version="", twice=True) | {"config.json": json.dumps({"model_type": "gpt2"})}
    yield "qwen2", files | config("Qwen2Tokenizer")
    yield "qwen2 no version", bytes_files(lines, version="") | config("Qwen2Tokenizer", additional_special_tokens=["<|im_start|>"])
    yield "codegen", files | config("CodeGenTokenizer")
    yield "opt", files | config("GPT2Tokenizer", add_bos_token=True, bos_token="</s>", unk_token="</s>", eos_token="</s>") | {
        "added_tokens.json": json.dumps({"</s>": 1200})}


def wordpiece(lines):
    words = {"vocab.txt": word_list(lines)}
    yield "bert", words | config("BertTokenizer")
    for lower in (True, False):
        for accents in (True, False, None):
            yield f"bert {lower} {accents}", words | config("BertTokenizer", do_lower_case=lower, strip_accents=accents)
    yield "bert chinese", {"vocab.txt": word_list(lines, "\r\n")} | config("BertTokenizerFast", tokenize_chinese_chars=False)
    yield "electra", words | config("ElectraTokenizer", do_lower_case=False, mask_token="[WORD]")
    t = R.wordpiece(lines, P.BertPreTokenizer(), R.N.BertNormalizer(lowercase=False), post=R.bert_post, added=[])
    for lower in (True, False):
        yield f"bert, tokenizer.json, lower {lower}", {"tokenizer.json": t.to_str()} | config("BertTokenizer", do_lower_case=lower)


def of_ranks(lines, hole=False):
    """A tiktoken vocabulary: the bytes, then what a BPE learned, a rank each."""
    cut = P.Sequence([P.Split(R.Regex(R.LLAMA3), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])
    d = json.loads(R.byte_level(lines, cut, added=[]).to_str())
    letters = {c: b for b, c in bytes_to_unicode().items()}
    learned = [bytes(letters[c] for c in t) for t in sorted(d["model"]["vocab"], key=d["model"]["vocab"].get)]
    tokens = [bytes([b]) for b in range(256)] + [t for t in learned if len(t) > 1]
    ranks = [i + (7 if hole and i > 300 else 0) for i in range(len(tokens))]
    return "".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in zip(tokens, ranks))


def tiktoken(lines):
    special = dict(additional_special_tokens=["<|begin_of_text|>", "[WORD]", "<|im_end|>"])
    model = {"tokenizer.model": of_ranks(lines)}
    yield "tiktoken", model | config("PreTrainedTokenizerFast", **special)
    yield "tiktoken, BOS and EOS", model | config("PreTrainedTokenizerFast", **special, bos_token="<|begin_of_text|>", eos_token="<|eot|>")
    decoder = {"1400": token("<|end|>"), "1401": token("[NEW]", special=False, normalized=True, lstrip=True)}
    yield "tiktoken, two in the decoder", model | config("PreTrainedTokenizerFast", **special, added_tokens_decoder={
        str(1300 + i): token(t) for i, t in enumerate(special["additional_special_tokens"])}, pad_token="<pad>", unk_token="<unk>")
    yield "tiktoken, special_tokens_map.json", model | config("PreTrainedTokenizerFast") | {"special_tokens_map.json": json.dumps(
        dict(special, bos_token="<s>", eos_token="ab"))}
    yield "tiktoken, added_tokens_decoder", model | config("PreTrainedTokenizerFast", added_tokens_decoder=decoder)
    yield "tiktoken, ranks left out", {"tokenizer.model": of_ranks(lines, hole=True).replace("\n", "\r\n")} | config(
        "PreTrainedTokenizerFast")


def load_ranks(path):
    """tiktoken.load.load_tiktoken_bpe, which the converter of transformers asks for: no more is needed of that package."""
    with open(path, "rb") as f:
        return {base64.b64decode(t): int(rank) for t, rank in (line.split() for line in f.read().splitlines() if line)}


sys.modules["tiktoken"] = types.ModuleType("tiktoken")
sys.modules["tiktoken.load"] = types.ModuleType("tiktoken.load")
sys.modules["tiktoken.load"].load_tiktoken_bpe = load_ranks

TYPES = {"SentencePiece BPE": sentencepiece_bpe, "Unigram": unigram, "byte-level BPE": byte_level, "WordPiece": wordpiece,
         "tiktoken": tiktoken}


def write(folder, files):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())


def theirs(folder, lines):
    tok = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
    both = [tok.encode_batch(lines, add_special_tokens=special) for special in (True, False)]
    texts = [tok.decode_batch([e.ids for e in both[0]], skip_special_tokens=skip) for skip in (False, True)]
    for i, line in enumerate(lines):
        at = referee_text.byte_offsets(line)
        yield tuple(referee_text.tokens(b[i], at) for b in both) + tuple(t[i].replace("\0", "\ufffd") for t in texts)


def differing(program, folder, lines):
    try:
        wanted = list(theirs(folder, lines))
    except Exception as e:                          # whatever it is: it refuses
        print(f"  they refuse: {type(e).__name__} {e}"[:300])
        return len(lines) if referee_text.dump(program, folder, lines) else 0
    answers = referee_text.dump(program, folder, lines)
    differ = len(lines) - len(answers)
    for line, answer, want in zip(lines, answers, wanted):
        ours = referee_text.parsed(answer)
        differ += ours != want
        if ours != want and differ <= 3:
            referee_text.show(line, ours, want)
    return differ


def main():
    program, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else LINES
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    lines, bad = hard_text.lines(n), 0
    with tempfile.TemporaryDirectory() as folder:
        for kind, folders in TYPES.items():
            for i, (name, files) in enumerate(folders(lines[:2400])):
                write(folder, files)
                some = lines if i == 0 else lines[:FEW]
                differ = differing(program, folder, some)
                print(f"{'ok  ' if differ == 0 else 'FAIL'} {kind}, {name}: {len(some) - differ} of {len(some)} lines equal", flush=True)
                bad += differ > 0
                count(len(some), name)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
