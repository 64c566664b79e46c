/* dataset.h - cases that needlescope makes, and checkpoints whose heads are known. */
#ifndef NEEDLESCOPE_DATASET_H
#define NEEDLESCOPE_DATASET_H

#include <needlescope/case.h>
#include <needlescope/head.h>
#include <needlescope/tokenizer.h>

NS_BEGIN

/* Needle in a haystack: lengths x depths (or distances) x count, K keys (1 target, K - 1 distractors), all values in a prompt distinct.
 * With a tokenizer: English, value types x templates. `noise` is RULER's wording and haystack, `essay` wording and prose of our own.
 * Without: synthetic tokens of the vocabulary,
 *     BOS filler .. [KEY v1 .. vm] .. filler QUERY KEY ANS -> v1 .. vm       (BOS, QUERY, ANS = first_id, first_id + 1, first_id + 2)
 * with filler from the lower half of the other ids and keys and values from the upper half.
 * A case depends on (seed, its cell, its index) and the haystack on the seed alone: adding a length or twins changes no other case, and
 * cases of a seed and template begin alike up to their first needle.
 * Spans: needle, needle_answer, distractor.0.., distractor_answer.0.., question, query (the key in it), placebo (a stretch of haystack as
 * long as needle_answer and nearest to it that touches no needle: the chance level; left out where the haystack has no room for it).
 * Twins (meta.twin, twin_of) have the same haystack and needles. `swap` asks for another key: needle and distractor.0 change places, and
 * meta.depth is where the needle is now. `absent` asks for a key that is nowhere: it has no needle span, the original's needle is
 * distractor.0, and the answer is still the original's: to say it is to ignore the key. `null` asks for nothing (N/A in the key's place,
 * the marker QUERY among synthetic tokens) and has no answer: the qr probe subtracts what the question's rows look at in it. `without`
 * asks the same, but its needle is left out (synthetic tokens: haystack stands there); the answer is still the original's, and under
 * n_values the distractors' values are drawn anew from all of them, so that nothing in the prompt tells it.
 * By distance every plain case's needle is exactly so far from the query (ns_case_distance); of a twin meta.distance is where its own
 * needle is, or, for absent and null, the original's. What stands behind the needle ends with a sentence cut where the distance is
 * reached.
 * meta holds the provenance of each line: seed, template, value_type, chat, keys, key, value, ids_sha256 (over its prompt and answer ids,
 * as ns_cases_hash), tokenizer_sha256. */
enum { NS_TWIN_SWAP = 1, NS_TWIN_ABSENT = 2, NS_TWIN_NULL = 4, NS_TWIN_WITHOUT = 8 };
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
    bool           add_special;          /* text: the tokenizer's BOS etc.; not where chat or prefix begins with the very token it would add
                                          * */
    const char    *chat;                 /* NULL (plain), "chatml", "llama3" : prefix and suffix by name, never a template evaluated */
    const char    *prefix, *suffix;      /* text: before the prompt, and between the question and the answer's beginning; or NULL */
    const char *const *value_types;  int n_value_types;     /* "numbers", "words", "uuids"; none = all */
    const char *const *templates;    int n_templates;       /* "noise", "essay"; none = all */
    unsigned       twins;                /* NS_TWIN_... */
    ns_case_drops *dropped; /* cases that cannot be made (no room for the needles or for their depth: of depths that would be one
                               place the nearest stays; the tokenizer merges the answer), by reason, are appended here, and only none left
                               is an error; NULL: one is an error */
    const int64_t *distances; int n_distances;   /* in place of depths: tokens from the query back to the needle (ns_case_distance) */
    int            n_values;             /* not 0: so many values in all, of each type, the same for a seed: the needle of case i of a cell
                                          * has value i mod n_values, the distractors others. At least one a key */
} ns_needle_params;
NS_API NS_MUST_CHECK int ns_needle_cases(ns_cases *, const ns_needle_params *, ns_error *);
/* *note: how the chat template in a GGUF, or beside a tokenizer.json or in its folder (chat_template.jinja, else tokenizer_config.json's),
 * differs from the format of that name: other markers that turns begin with, a system turn of its own, another end of turns or generation
 * prompt. The template is read as text, never evaluated, so a system turn that it writes under some condition only is told too. malloc'd;
 * NULL where nothing differs. */
NS_API NS_MUST_CHECK int ns_chat_compare(char **note, const char *chat, const char *tokenizer, ns_error *);
NS_API const char *ns_needle_value_type(int i);            /* their names; NULL beyond the last */
NS_API const char *ns_needle_template(int i);

/* RULER's synthetic tasks (Hsieh et al. 2024) in its own words: 8 kinds of needles, chains of variables (vt), common and frequent words
 * (cwe, fwe). The prompt is its `input` and its `answer_prefix`; length is its max_seq_length, the prompt and what the task lets a model
 * say, and the haystack the largest that fits. meta has outputs, all of which a right answer names, and max_new_tokens. The essay and the
 * words are our own. A case depends on its task, length, index and the seed alone.
 * Needles have spans: needle and needle_answer of the first output, which is the answer, also.0 and also_answer.0 ... of further ones,
 * distractor.0 ... of keys that nobody asks for (not of the haystack of multikey_2 and 3), question, query. Other tasks have no answer to
 * be given beforehand: they are for free generation.
 * qa_1 and qa_2 ask the questions of a file, in its order, about documents of it; `needle` is the one with the answer (SQuAD).
 * Beside RULER's, in the same form (Jelassi et al. 2024): phonebook, whose answer is a number of ten digits; copy and copy_shuffled, a
 * text said twice and then its first word, whose answer is the next 8 words (needle_answer in the later text, needle_answer.0 before). */
typedef struct ns_ruler_params {
    size_t         size;
    const ns_tokenizer *tokenizer;
    const char *const *tasks;    int n_tasks;        /* none = all of RULER's */
    const int64_t *lengths;      int n_lengths;
    int            count;                /* cases of a task and length; 0 = 1 */
    uint64_t       seed;
    bool           add_special;          /* the tokenizer's BOS etc. */
    ns_case_drops *dropped;              /* as of needles */
    const char    *qa;                   /* of qa_1 and qa_2: SQuAD's or HotpotQA's JSON; NULL = none */
} ns_ruler_params;
NS_API NS_MUST_CHECK int ns_ruler_cases(ns_cases *, const ns_ruler_params *, ns_error *);
NS_API const char *ns_ruler_task_name(int i);              /* NULL beyond the last */

/* Multi-query associative recall (Arora et al. 2023): k1 v1 k2 v2 ..., then each key again with its value behind it, at twice a place that
 * is drawn with a probability like place^-.99, random tokens between them. A case a pair: the sequence up to its query, the answer its
 * value; spans needle, needle_answer, query, distractor.0 ... Keys are distinct, from the lower half of the ids, values from the upper. */
typedef struct ns_recall_params {
    size_t   size;
    int64_t  pairs;            /* 0 = 4 */
    int64_t  length;           /* of the sequence: 4 tokens a pair at least */
    int      count;            /* sequences; 0 = 1 */
    uint64_t seed;
    int64_t  vocab, first_id;
    int32_t  bos;              /* -1 = none */
} ns_recall_params;
NS_API NS_MUST_CHECK int ns_recall_cases(ns_cases *, const ns_recall_params *, ns_error *);

/* Random tokens without an answer, for induction, previous_token and duplicate_token; BOS in front where there is one. */
typedef enum ns_repeat_kind {
    NS_REPEAT,           /* r r. Spans first, second */
    NS_REPEAT_SHUFFLED,  /* r, then r in another order: no token keeps its place or its successor. The same r as NS_REPEAT of the same seed,
                            length and index. Attention at a fixed distance finds nothing, and nobody can say what comes next */
    NS_REPEAT_PREVIOUS,  /* tokens all distinct: nothing to match, only places */
    NS_REPEAT_DUPLICATE, /* distinct tokens, each twice in random places 3 or more apart: the copy, the token after it and the token
                            before the row are three places */
    NS_REPEAT_PAIR,      /* filler, A, B, filler, A (arXiv 2606.02378): A is nowhere else, and stands in the second quarter first. Spans a,
                          * b */
    NS_REPEAT_KINDS
} ns_repeat_kind;
typedef struct ns_repeat_params {
    size_t   size;
    int64_t  length;           /* of the prompt: r has (length - 1) / 2 tokens, length / 2 without a BOS; 4 or more when shuffled, 8 for
                                * duplicates */
    int      count;            /* 0 = 1 */
    uint64_t seed;
    int64_t  vocab, first_id;  /* r is drawn from [first_id, vocab) */
    int32_t  bos;              /* -1 = none */
    ns_repeat_kind kind;
} ns_repeat_params;
NS_API const char *ns_repeat_kind_name(int i);                /* "repeat", "shuffled", ...; NULL beyond the last */
NS_API NS_MUST_CHECK int ns_repeat_cases(ns_cases *, const ns_repeat_params *, ns_error *);

/* A checkpoint folder (config.json of smollm3, model.safetensors, planted.json) whose weights are constructed: a
 * previous-token head and retrieval heads at the (layer, head) named. Transformers loads it. Its cases are synthetic needles with
 * first_id = 0 (token 0 is the BOS that idle heads look at, token 2 the answer marker). The construction: datasets/planted.c. */
typedef struct ns_plant_params {
    size_t  size;
    int64_t n_layers, n_heads, n_kv_heads, vocab, max_positions;     /* 0 = 6, 8, 4, 512, 4096; vocab up to 32770, 2050 for a small model */
    ns_head previous_token;         /* layer, head of the previous-token head; {0, 0} */
    const ns_head *retrieval;  int n_retrieval;                 /* NULL = two defaults */
    const double *strength; /* [n_retrieval], NULL = all 1: the share of the tokens that a head serves, so the expectation of its
                               find, continue, mass and induction scores. The tokens served at X are served above X too. */
    int64_t window;                      /* SWA window of the layers below the retrieval heads; 0 = none */
    uint64_t seed;
} ns_plant_params;
NS_API NS_MUST_CHECK int ns_plant(const char *folder, const ns_plant_params *, ns_error *);

/* A checkpoint of decoys and true heads (smollm3, 6 layers of 8 heads): planted.json has the least and the most that each score may be at
 * each of them, over synthetic needle cases (vocab 512, 4 keys, 3 answer tokens) and over repeats. The construction: datasets/zoo.c. */
NS_API NS_MUST_CHECK int ns_plant_zoo(const char *folder, uint64_t seed, ns_error *);

/* A run folder of planted checkpoints, stepNNNNNN/ with run.json, whose retrieval heads live as told; planted.json has the truth: births,
 * deaths and the strength of every head at every checkpoint. */
typedef struct ns_plant_life { const int64_t *turns; int n_turns; } ns_plant_life;     /* steps: birth, death, birth again ...; none = never
                                                                                        * */
typedef struct ns_plant_series_params {
    size_t          size;
    ns_plant_params plant;               /* strength is not looked at; no retrieval heads named: 3 layers x 4 heads with four of them */
    int64_t         n_checkpoints;       /* 0 = 20 */
    int64_t         every;               /* steps between checkpoints, from step 0; 0 = 10 */
    int64_t         tokens_per_step;     /* 0 = 2048 */
    const ns_plant_life *lives; int n_lives;     /* one a head; NULL with no heads named: early, late, dying again, never */
    int64_t         rise;                /* checkpoints from strength 0 to 1 around a turn; 0 = 1 */
    double          jitter;              /* standard deviation added to each strength, then cut to [0, 1] */
    double          dips;                /* chance that a checkpoint within a life has strength 0.2, alone */
} ns_plant_series_params;
NS_API NS_MUST_CHECK int ns_plant_series(const char *folder, const ns_plant_series_params *, ns_error *);

NS_END
#endif
