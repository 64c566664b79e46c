/* fuzz_cases.c - the input as a JSONL file of cases; what is accepted must be sound. */
#include "fuzz.h"

#include <needlescope/case.h>

static void use(const ns_cases *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        const ns_case *const c = &list->list[i];
        fuzz_check(c->id && c->n_tokens >= 0 && c->n_answer >= 0 && c->n_lead >= 0 && c->n_lead <= c->n_answer, "counts are sound");
        for (int k = 0; k < c->n_spans; k++)
            fuzz_check(c->spans[k].begin >= 0 && c->spans[k].begin <= c->spans[k].end && c->spans[k].end <= c->n_tokens,
                       "spans lie in the prompt");
        for (int64_t j = 0; j < c->n_answer; j++) {
            const int64_t at = ns_case_source(c, j);
            fuzz_check(at < c->n_tokens && (at < 0 || c->tokens[at] == c->answer[j]), "a source holds its token");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_cases list = {0};
    ns_error err = {""};
    fuzz_put(FUZZ_FILE, data, n);
    const int rc = ns_cases_read(&list, FUZZ_FILE, NULL, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &list : NULL, &err);
    fuzz_check(rc == NS_OK || list.n == 0, "a refused file leaves the list alone");
    use(&list);
    ns_cases_clear(&list);
    return 0;
}
