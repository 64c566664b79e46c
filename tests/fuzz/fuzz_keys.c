/* fuzz_keys.c - the input as key intervals of two texts, of which one has characters of several bytes; what is read marks their tokens. */
#include "fuzz.h"
#include "../../probes/nll.h"

enum { TOKENS = 6, TEXTS = 2 };

typedef struct two_texts {
    ns_case cases[TEXTS];
    ns_nll_text list[TEXTS];
    int32_t tokens[TOKENS];
    int64_t begin[TOKENS], end[TOKENS];
    ns_nll nll;
} two_texts;

/* Twelve characters each, two a token. */
static void set_up(two_texts *t)
{
    static char texts[TEXTS][20] = {"abcdefghijkl", "\xc3\xa4" "bcdef\xe2\x82\xac" "hijkl"};
    for (int i = 0; i < TOKENS; i++) {
        t->begin[i] = 2 * i;
        t->end[i] = 2 * i + 2;
    }
    for (int k = 0; k < TEXTS; k++) {
        t->cases[k].text = texts[k];
        t->cases[k].id = "a";
        t->list[k] = (ns_nll_text){.c = &t->cases[k], .tokens = t->tokens, .n = TOKENS, .begin = t->begin, .end = t->end};
    }
    t->nll = (ns_nll){.list = t->list, .n = TEXTS};
}

static void clear_keys(two_texts *t)
{
    for (int k = 0; k < TEXTS; k++) {
        free(t->list[k].key);
        t->list[k].key = NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    two_texts t = {0};
    ns_error err = {""};
    set_up(&t);
    fuzz_put(FUZZ_FILE, data, n);
    const int rc = ns_nll_read_keys(&t.nll, FUZZ_FILE, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &t : NULL, &err);
    for (int k = 0; k < TEXTS && rc == NS_OK; k++) {
        fuzz_check(t.list[k].key != NULL, "each text has its marks");
        for (int i = 0; i < TOKENS; i++)
            fuzz_check(t.list[k].key[i] <= 1, "a token is key or is not");
    }
    clear_keys(&t);
    return 0;
}
