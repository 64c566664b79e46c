/* class_table.c - the tokenizer classes of transformers, a row each. */
#include <string.h>

#include "io/tokenizer/classes.h"

static const ns_tok_pieces_rule llama = {.own_head = true, .byte_fallback = true, .unknown = 0, .cut = CUT_LLAMA};
static const ns_tok_pieces_rule gemma = {.named_head = true, .byte_fallback = true, .unknown = 3, .cut = CUT_GEMMA};
static const ns_tok_pieces_rule t5 = {.extra_ids = true, .unknown = -1, .after = "</s>", .cut = CUT_PLAIN};
#define MADE_UP "<madeupword0>", "<madeupword1>", "<madeupword2>", "<madeupword3>", "<madeupword4>", "<madeupword5>", "<madeupword6>"
static const ns_tok_pieces_rule xglm = {.head = {"<s>", "<pad>", "</s>", "<unk>"}, .tail = {MADE_UP}, .unknown = 3, .before = "</s>",
                                        .cut = CUT_PLAIN};

#define BERT {[UNK] = "[UNK]", [SEP] = "[SEP]", [PAD] = "[PAD]", [CLS] = "[CLS]", [MASK] = "[MASK]"}
#define ENDOFTEXT {[BOS] = "<|endoftext|>", [EOS] = "<|endoftext|>", [UNK] = "<|endoftext|>"}
static const ns_tok_class classes[] = {
    {.name = "PreTrainedTokenizer", .ranks = true},
    { .name = "LlamaTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>"},
      .writes_template = true, .add_bos = true, .rebuilds = true, .prefix = PREFIX_KEPT, .pieces = &llama },
    { .name = "CodeLlamaTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>"},
      .more = {"▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"}, .writes_template = true, .add_bos = true, .pieces = &llama },
    { .name = "GemmaTokenizer", .special = {[BOS] = "<bos>", [EOS] = "<eos>", [UNK] = "<unk>", [PAD] = "<pad>"},
      .writes_template = true, .add_bos = true, .pieces = &gemma },
    { .name = "CohereTokenizer", .special = {[BOS] = "<BOS_TOKEN>", [EOS] = "<|END_OF_TURN_TOKEN|>", [UNK] = "<UNK>"},
      .writes_template = true, .add_bos = true, .prefix = PREFIX_EVERYWHERE },
    {.name = "GPTNeoXTokenizer", .special = ENDOFTEXT, .writes_template = true},
    {.name = "GPT2Tokenizer", .special = ENDOFTEXT, .pair = PAIR_GPT2},
    {.name = "CodeGenTokenizer", .special = ENDOFTEXT, .refuses_bos = true, .pair = PAIR_GPT2},
    { .name = "Qwen2Tokenizer", .special = {[EOS] = "<|endoftext|>", [UNK] = "<|endoftext|>", [PAD] = "<|endoftext|>"},
      .plain_special = true, .pair = PAIR_QWEN2 },
    { .name = "T5Tokenizer", .special = {[EOS] = "</s>", [UNK] = "<unk>", [PAD] = "<pad>"}, .rebuilds = true, .prefix = PREFIX_KEPT,
      .pieces = &t5 },
    { .name = "XGLMTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>", [SEP] = "</s>", [PAD] = "<pad>", [CLS] = "<s>"},
      .more = {MADE_UP}, .pieces = &xglm },
    {.name = "BertTokenizer", .special = BERT, .sets_bert = true, .word_list = true},
    {.name = "DistilBertTokenizer", .special = BERT, .sets_bert = true, .word_list = true},
    {.name = "ElectraTokenizer", .special = BERT, .sets_bert = true, .word_list = true},
    { .name = "BloomTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>", [PAD] = "<pad>"},
      .prefix = PREFIX_EVERYWHERE },
};

/* The class of a tokenizer_config.json that names none: by config.json's model_type. */
static const struct { const char *type, *name; } by_model[] = {
    {"llama", "LlamaTokenizer"}, {"mistral", "LlamaTokenizer"}, {"phi3", "LlamaTokenizer"}, {"mistral3", "LlamaTokenizer"},
    {"llava", "LlamaTokenizer"}, {"idefics3", "LlamaTokenizer"}, {"qwen2", "Qwen2Tokenizer"}, {"qwen3", "Qwen2Tokenizer"},
    {"qwen2_vl", "Qwen2Tokenizer"}, {"qwen2_5_vl", "Qwen2Tokenizer"}, {"qwen3_vl", "Qwen2Tokenizer"}, {"internvl", "Qwen2Tokenizer"},
    {"gpt_neox", "GPTNeoXTokenizer"}, {"olmo", "GPTNeoXTokenizer"}, {"olmo2", "GPTNeoXTokenizer"}, {"gemma2", "GemmaTokenizer"},
    {"gemma3_text", "GemmaTokenizer"}, {"gemma3", "GemmaTokenizer"}, {"cohere2", "CohereTokenizer"}, {"smollm3", "PreTrainedTokenizer"},
    {"olmo3", "GPT2Tokenizer"}, {"exaone4", "GPT2Tokenizer"}, {"gpt2", "GPT2Tokenizer"}, {"minimax", "GPT2Tokenizer"},
    {"opt", "GPT2Tokenizer"}, {"t5", "T5Tokenizer"}, {"xglm", "XGLMTokenizer"}, {"bert", "BertTokenizer"},
};

const ns_tok_class *ns_tok_class_named(const char *name)
{
    const size_t n = strlen(name), bare = ns_ends(name, "Fast") ? n - strlen("Fast") : n;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == bare && strncmp(classes[i].name, name, bare) == 0)
            return &classes[i];
    return NULL;
}

const char *ns_tok_class_of_model(const char *model_type)
{
    for (size_t i = 0; i < sizeof by_model / sizeof *by_model; i++)
        if (strcmp(by_model[i].type, model_type) == 0)
            return by_model[i].name;
    return NULL;
}
