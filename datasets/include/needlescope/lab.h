/* lab.h - the laboratory's language: a corpus in which Large-Window Laziness can be watched on two cores, its needle cases, and
 * plain token files as another corpus.
 *
 * Tokens: filler [0, 16), keys [16, 24), values [24, 56). Filler is a Markov chain (4 successors a token, probabilities .5 .25 .15 .1, the
 * same table everywhere). Over it are written mentions, two tokens "key value": of a new entity, or of one already mentioned, chosen so
 * that the distance to its last mention follows p(d) ~ 1/d on 3 .. 60. The value of a re-mention can be recalled; nothing else about it
 * can. */
#ifndef NEEDLESCOPE_LAB_H
#define NEEDLESCOPE_LAB_H

#include <needlescope/case.h>

NS_BEGIN

enum { NS_LAB_FILLERS = 16, NS_LAB_KEYS = 8, NS_LAB_VALUES = 32, NS_LAB_VOCAB = 56, NS_LAB_ENTITIES = 5 };

/* What predicting a token takes; a distance d > 0 means: the value of a re-mention whose last mention began d tokens before this one. A
 * layer of window W sees that value when d <= W. */
enum { NS_LAB_NEW = 0, NS_LAB_FILLER = -1 };     /* filler after filler; everything else that no context tells */

typedef struct ns_corpus ns_corpus;
typedef struct ns_corpus_params {
    size_t      size;
    const char *file;            /* token ids, little endian, nothing else; NULL = the laboratory's language */
    int         width;           /* bytes an id in the file: 2 or 4 */
    int64_t     vocab;           /* ids of the file are below it */
    uint64_t    seed;
    bool        validation;      /* a stream apart from the training stream of any seed; of a file: its last twentieth */
} ns_corpus_params;
/* A file shorter than one sequence of each part, or whose size is no multiple of the width, is NS_E_FORMAT. */
NS_API NS_MUST_CHECK int ns_corpus_open(ns_corpus **out, const ns_corpus_params *, ns_error *);
NS_API void ns_corpus_close(ns_corpus *);
NS_API int64_t ns_corpus_vocab(const ns_corpus *);
NS_API bool ns_corpus_has_distances(const ns_corpus *);
/* Batch `index`: tokens [B, T] and, for the laboratory's language, distance [B, T] (may be NULL; all NS_LAB_NEW for a file). Depends on
 * (seed, index, B, T) alone, so a resumed run needs no state. A file with fewer than B T tokens is NS_E_ARG. */
NS_API NS_MUST_CHECK int ns_corpus_batch(const ns_corpus *, int64_t index, int64_t B, int64_t T, int32_t *tokens, int32_t *distance,
                                         ns_error *);

/* Needle cases in the language: a sequence of the corpus cut off after a key whose entity was last mentioned length / 2 + 2 tokens ago or
 * more, the query's position uniform in [3 length / 4 - 2, length - 2]. All values in a prompt are distinct. In the even cases the needle
 * is a reserved entity mentioned once, at a uniform place ("template": "once"); in the odd ones ("often") an entity mentioned at least
 * twice and as often as another one, so "the value seen once" answers no more than the even half. Spans: needle and needle_answer (the last
 * mention), needle.N and needle_answer.N (earlier ones), distractor.N and distractor_answer.N (the other entities' last mentions), placebo
 * and placebo.N (a filler token near each mention), query. */
typedef struct ns_lab_cases_params {
    size_t   size;
    int64_t  length;             /* T; 0 = 64 */
    int      count;              /* 0 = 256 */
    uint64_t seed;
    bool     swap;               /* instead: the twin of each case, the same prompt asked for another entity (twin_of = the case's id) */
} ns_lab_cases_params;
NS_API NS_MUST_CHECK int ns_lab_cases(ns_cases *, const ns_lab_cases_params *, ns_error *);

NS_END
#endif
