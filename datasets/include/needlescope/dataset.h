/* dataset.h - cases that needlescope makes, and checkpoints whose heads are known. */
#ifndef NEEDLESCOPE_DATASET_H
#define NEEDLESCOPE_DATASET_H

#include <needlescope/case.h>
#include <needlescope/tokenizer.h>

NS_BEGIN

/* Needle in a haystack: lengths x depths x count, K keys (1 target, K - 1 distractors), all values in a prompt distinct.
 * With a tokenizer: RULER-like English (noise lines, 7-digit values). Without: synthetic tokens of the vocabulary,
 *     BOS filler .. [KEY v1 .. vm] .. filler QUERY KEY ANS -> v1 .. vm       (BOS, QUERY, ANS = first_id, first_id + 1, first_id + 2)
 * with filler from the lower half of the other ids and keys and values from the upper half.
 * A case depends on (seed, its cell, its index) and the haystack on the seed alone: adding a length changes no other case, and
 * cases of a seed begin alike up to their first needle. Spans: needle, needle_answer, distractor.0.., distractor_answer.0.., question, query. */
typedef struct ns_needle_params {
    size_t         size;
    const ns_tokenizer *tokenizer;       /* NULL = synthetic tokens */
    const int64_t *lengths;  int n_lengths;      /* prompt lengths in tokens, reached as nearly as the text allows (never over) */
    const double  *depths;   int n_depths;       /* 0 = start of the haystack, 1 = its end */
    int            count;                /* cases per cell; 0 = 1 */
    int            keys;                 /* 0 = 4 */
    uint64_t       seed;
    int64_t        vocab;                /* synthetic: ids are drawn from [first_id, vocab) */
    int64_t        first_id;
    int            answer_tokens;        /* synthetic: tokens per value; 0 = 3 */
    bool           add_special;          /* text: the tokenizer's BOS etc. */
    const char    *chat;                 /* NULL (plain), "chatml", "llama3" : prefix and suffix by name, never a template evaluated */
} ns_needle_params;
NS_API NS_MUST_CHECK int ns_needle_cases(ns_cases *, const ns_needle_params *, ns_error *);

/* Random tokens repeated (BOS r r), no answer: for induction, previous_token and duplicate_token. Spans: first, second. */
typedef struct ns_repeat_params {
    size_t   size;
    int64_t  length;           /* of the prompt: r has (length - 1) / 2 tokens, length / 2 without a BOS */
    int      count;            /* 0 = 1 */
    uint64_t seed;
    int64_t  vocab, first_id;  /* r is drawn from [first_id, vocab) */
    int32_t  bos;              /* -1 = none */
} ns_repeat_params;
NS_API NS_MUST_CHECK int ns_repeat_cases(ns_cases *, const ns_repeat_params *, ns_error *);

/* A checkpoint folder (config.json of smollm3, model.safetensors, planted.json) whose weights are constructed: a
 * previous-token head and retrieval heads at the (layer, head) named. Transformers loads it. Its cases are synthetic needles with
 * first_id = 0 (token 0 is the BOS that idle heads look at, token 2 the answer marker). The construction: datasets/planted.c. */
typedef struct ns_plant_params {
    size_t  size;
    int64_t n_layers, n_heads, n_kv_heads, vocab, max_positions;     /* 0 = 6, 8, 4, 512, 4096; vocab up to 32770, 2050 for a small model */
    int64_t previous_token[2];           /* layer, head of the previous-token head; {0, 0} */
    const int64_t (*retrieval)[2];  int n_retrieval;                 /* NULL = two defaults */
    int64_t window;                      /* SWA window of the layers below the retrieval heads; 0 = none */
    uint64_t seed;
} ns_plant_params;
NS_API NS_MUST_CHECK int ns_plant(const char *folder, const ns_plant_params *, ns_error *);

NS_END
#endif
