/* generated.h - what a model says of its own accord behind each prompt, and how much of what it should name is in it: RULER's string
 * match. */
#ifndef NEEDLESCOPE_GENERATED_H
#define NEEDLESCOPE_GENERATED_H

#include <needlescope/answer.h>
#include <needlescope/case.h>
#include <needlescope/model.h>
#include <needlescope/provenance.h>
#include <needlescope/tokenizer.h>

NS_BEGIN

typedef struct ns_generated_params {
    size_t      size;
    const ns_tokenizer *tokenizer;
    int64_t     tokens;           /* said at most; 0 = the case's meta.max_new_tokens, else 50 */
    void      (*progress)(void *user, double fraction);
    bool      (*cancelled)(void *user);
    void       *user;
} ns_generated_params;

typedef struct ns_generated_case {
    const ns_case *c;             /* borrowed: the cases must outlive this */
    char    *task;                /* meta.task; "" = none */
    char    *said;                /* greedy, up to the first special token */
    int64_t  n_tokens;
    char   **outputs;  int64_t n_outputs;        /* meta.outputs, else the answer's text without the space around it */
    int64_t  n_found;             /* outputs that are in `said`, upper and lower case (of ASCII) alike */
} ns_generated_case;

typedef struct ns_generated { ns_generated_case *list; int64_t n; char cases_sha256[65]; ns_fact_list made_with; } ns_generated;
/* NS_E_ARG: a case without anything to name, or that leaves the model no position to say it at. NS_STOP when cancelled. */
NS_API NS_MUST_CHECK int ns_generated_run(ns_generated **out, const ns_model *, const ns_cases *, const ns_generated_params *, ns_error *);
NS_API void ns_generated_free(ns_generated *);
/* In place of each case's answer what the model says there, greedily, at most `tokens` (1 and above) and up to the first special token of
 * the tokenizer (NULL: of none): for who records the attention of generated tokens. A teacher-forced pass over it has the bits of the
 * decoding. *silent: cases in which nothing is said, whose answers are empty. NS_STOP when cancelled. */
NS_API NS_MUST_CHECK int ns_generated_answers(ns_cases *, const ns_model *, const ns_generated_params *, int64_t *silent, ns_error *);
/* By task: string_match_all, 100 x the mean share of outputs that are found, as RULER counts, and string_match_part, 100 x the share of
 * cases with one of them at least. each: and every case. */
NS_API void ns_generated_tell(const ns_generated *, bool each, const ns_answer *);

NS_END
#endif
