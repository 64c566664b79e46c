/* test_needle.c - needle grids: where everything stands, lengths never over, values distinct, and a case that does
 * not depend on which others are made with it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../../datasets/needle_internal.h"

#define OK(call) assert_int_equal(call, NS_OK)

static const ns_tokenizer *const fake = (const ns_tokenizer *)"fake";

static ns_needle_params params(const int64_t *lengths, int n_lengths, const double *depths, int n_depths)
{
    return (ns_needle_params){.size = sizeof(ns_needle_params), .lengths = lengths, .n_lengths = n_lengths, .depths = depths,
                              .n_depths = n_depths,
                              .seed = 7, .vocab = 512};
}

static const ns_case *find(const ns_cases *cases, const char *id)
{
    for (int64_t i = 0; i < cases->n; i++)
        if (strcmp(cases->list[i].id, id) == 0)
            return &cases->list[i];
    return NULL;
}

static void assert_same_tokens(const ns_case *a, const ns_case *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->tokens, b->tokens, (size_t)a->n_tokens * sizeof *a->tokens);
    assert_int_equal(a->n_answer, b->n_answer);
    assert_memory_equal(a->answer, b->answer, (size_t)a->n_answer * sizeof *a->answer);
}

static int64_t count_of(const ns_case *c, int32_t token)
{
    int64_t n = 0;
    for (int64_t i = 0; i < c->n_tokens; i++)
        n += c->tokens[i] == token;
    return n;
}

/* As long as the answer, and in touch with no needle; only a prompt without haystack has none. */
static void check_placebo(const ns_case *c)
{
    const ns_span *const placebo = ns_case_span(c, "placebo"), *const answer = ns_case_span(c, "needle_answer");
    if (!placebo) {
        assert_true(c->n_tokens <= 22);
        return;
    }
    assert_true(!answer || placebo->end - placebo->begin == answer->end - answer->begin);
    for (int i = 0; i < c->n_spans; i++)
        assert_true(&c->spans[i] == placebo || c->spans[i].end <= placebo->begin || c->spans[i].begin >= placebo->end);
}

static void check_token_case(const ns_case *c)
{
    const int64_t T = c->n_tokens;
    const ns_span *const needle = ns_case_span(c, "needle"), *const value = ns_case_span(c, "needle_answer"),
                         *const query = ns_case_span(c, "query");
    assert_true(T == (int64_t)ns_case_meta_number(c, "length", -1));
    assert_int_equal(c->tokens[0], 0);
    assert_int_equal(c->tokens[T - 3], 1);
    assert_int_equal(c->tokens[T - 1], 2);
    assert_int_equal(query->begin, T - 2);
    assert_int_equal(c->tokens[T - 2], c->tokens[needle->begin]);
    assert_int_equal(count_of(c, c->tokens[needle->begin]), 2);
    assert_int_equal(value->begin, needle->begin + 1);
    assert_int_equal(value->end, needle->end);
    assert_int_equal(c->n_answer, 3);
    for (int64_t j = 0; j < c->n_answer; j++) {
        assert_int_equal(c->answer[j], c->tokens[ns_case_source(c, j)]);
        assert_int_equal(count_of(c, c->answer[j]), 1);
    }
    assert_non_null(ns_case_span(c, "distractor.2"));
    assert_non_null(ns_case_span(c, "distractor_answer.2"));
    assert_null(ns_case_span(c, "distractor.3"));
    check_placebo(c);
}

static void test_tokens(void **state)
{
    (void)state;
    const int64_t lengths[] = {64, 22, 300};
    const double depths[] = {0, 0.5, 1};
    ns_needle_params p = params(lengths, 3, depths, 3);
    p.count = 4;
    ns_cases cases = {0};
    ns_error err = {0};
    assert_int_equal(ns_needle_cases(&cases, &p, &err), NS_OK);
    assert_int_equal(cases.n, 36);
    for (int64_t i = 0; i < cases.n; i++)
        check_token_case(&cases.list[i]);
    for (int i = 0; i < 4; i++) {
        char id[64];
        snprintf(id, sizeof id, "needle-s7-300-0-%d", i);
        assert_int_equal(ns_case_span(find(&cases, id), "needle")->begin, 1);
        snprintf(id, sizeof id, "needle-s7-300-1-%d", i);
        assert_int_equal(ns_case_span(find(&cases, id), "needle")->end, 297);
    }
    ns_cases_clear(&cases);
}

/* Fewer lengths, another order: the cases that remain are the same, bit for bit; another seed is another case. */
static void test_independent(void **state)
{
    (void)state;
    const int64_t many[] = {512, 64, 100}, one[] = {100};
    const double depths[] = {0.25, 0.75}, depth[] = {0.75};
    ns_needle_params p = params(many, 3, depths, 2), q = params(one, 1, depth, 1);
    p.count = 2;
    q.count = 2;
    ns_cases all = {0}, some = {0}, other = {0};
    assert_int_equal(ns_needle_cases(&all, &p, NULL), NS_OK);
    assert_int_equal(ns_needle_cases(&some, &q, NULL), NS_OK);
    q.seed = 8;
    assert_int_equal(ns_needle_cases(&other, &q, NULL), NS_OK);
    assert_int_equal(some.n, 2);
    for (int64_t i = 0; i < some.n; i++) {
        const ns_case *const twin = find(&all, some.list[i].id);
        assert_non_null(twin);
        assert_same_tokens(twin, &some.list[i]);
        assert_string_equal(twin->meta, some.list[i].meta);
        assert_true(memcmp(other.list[i].tokens, some.list[i].tokens, 400) != 0);
    }
    assert_true(memcmp(some.list[0].answer, some.list[1].answer, 3 * sizeof(int32_t)) != 0);
    /* The haystack is shared: two cases agree up to the first needle of either. */
    const ns_case *const a = find(&all, "needle-s7-512-0.75-0"), *const b = find(&all, "needle-s7-64-0.75-1");
    int64_t first = a->n_tokens;
    for (int s = 0; s < a->n_spans; s++)
        first = a->spans[s].begin < first ? a->spans[s].begin : first;
    for (int s = 0; s < b->n_spans; s++)
        first = b->spans[s].begin < first ? b->spans[s].begin : first;
    assert_true(first > 1);
    assert_memory_equal(a->tokens, b->tokens, (size_t)first * sizeof *a->tokens);
    ns_cases_clear(&all);
    ns_cases_clear(&some);
    ns_cases_clear(&other);
}

static void test_text(void **state)
{
    (void)state;
    const int64_t lengths[] = {251, 600};
    const double depths[] = {0, 0.3, 1};
    ns_needle_params p = params(lengths, 2, depths, 3);
    static const char *const types[] = {"numbers"}, *const templates[] = {"noise"};
    p.tokenizer = fake;
    p.add_special = true;
    p.count = 3;
    p.value_types = types;
    p.templates = templates;
    p.n_value_types = p.n_templates = 1;
    ns_cases cases = {0};
    ns_error err = {0};
    assert_int_equal(ns_needle_cases(&cases, &p, &err), NS_OK);
    assert_int_equal(cases.n, 18);
    for (int64_t i = 0; i < cases.n; i++) {
        const ns_case *const c = &cases.list[i];
        const int64_t wanted = (int64_t)ns_case_meta_number(c, "length", -1);
        assert_true(c->n_tokens <= wanted && c->n_tokens > wanted - 7);        /* a sentence is at most 6 tokens */
        assert_int_equal(c->tokens[0], 1);
        assert_int_equal(c->n_answer, 8);                                      /* the space and seven digits */
        assert_int_equal(c->n_lead, 1);
        const ns_span *const value = ns_case_span(c, "needle_answer"), *const needle = ns_case_span(c, "needle");
        assert_int_equal(value->end - value->begin, 7);
        assert_int_equal(needle->end, value->end + 1);
        assert_non_null(ns_case_span(c, "distractor_answer.2"));
        assert_non_null(ns_case_span(c, "question"));
        assert_non_null(ns_case_span(c, "query"));
        assert_non_null(strstr(c->text, c->answer_text));
        assert_true(ns_case_span(c, "question")->begin > needle->end);
    }
    /* The prompt in full, once. */
    const ns_case *const c = find(&cases, "needle-s7-numbers-noise-251-1-0");
    const char *const head = "A special magic number is hidden within the following text. Make sure to memorize it. I will quiz you about "
                             "the number afterwards.\n";
    assert_memory_equal(c->text, head, strlen(head));
    assert_non_null(strstr(c->text, "\nThe grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.\n"));
    char *const tail = ns_printf_alloc("is:%s.\nWhat is the special magic number for ", c->answer_text);
    assert_non_null(strstr(c->text, tail));
    assert_string_equal(c->text + strlen(c->text) - strlen(" mentioned in the provided text is"), " mentioned in the provided text is");
    free(tail);
    ns_cases_clear(&cases);
}

static bool same_meta(const ns_case *a, const ns_case *b, const char *key)
{
    char *const quoted = ns_printf_alloc("\"%s\": ", key);
    const char *const x = strstr(a->meta, quoted), *const y = strstr(b->meta, quoted);
    const bool same = x && y && strncmp(x, y, strcspn(x, ",}") + 1) == 0;
    free(quoted);
    return same;
}

static void check_twins(const ns_cases *cases, const ns_case *c)
{
    char id[160];
    snprintf(id, sizeof id, "%s-swap", c->id);
    const ns_case *const swap = find(cases, id);
    snprintf(id, sizeof id, "%s-absent", c->id);
    const ns_case *const absent = find(cases, id);
    assert_non_null(swap);
    assert_non_null(absent);
    assert_string_equal(swap->twin_of, c->id);
    assert_string_equal(absent->twin_of, c->id);
    assert_true(strstr(swap->meta, "\"twin\": \"swap\"") && strstr(absent->meta, "\"twin\": \"absent\"") && !strstr(c->meta, "\"twin\""));
    const ns_span *const question = ns_case_span(c, "question"), *const needle = ns_case_span(c, "needle"),
                         *const other = ns_case_span(c, "distractor.0");
    for (int64_t i = 0; i < question->begin; i++)
        assert_true(c->tokens[i] == swap->tokens[i] && c->tokens[i] == absent->tokens[i]);
    /* The needle and the first distractor change places; the answers follow. */
    assert_true(ns_case_span(swap, "needle")->begin == other->begin && ns_case_span(swap, "distractor.0")->begin == needle->begin);
    assert_int_equal(ns_case_source(swap, swap->n_lead), ns_case_span(c, "distractor_answer.0")->begin);
    assert_true(!same_meta(c, swap, "key") && !same_meta(c, swap, "value"));
    /* The absent key stands in the question alone. */
    assert_null(ns_case_span(absent, "needle"));
    assert_null(ns_case_span(absent, "needle_answer"));
    assert_int_equal(ns_case_span(absent, "distractor_answer.0")->begin, ns_case_span(c, "needle_answer")->begin);
    assert_non_null(ns_case_span(absent, "distractor.3"));
    assert_int_equal(ns_case_span(absent, "placebo")->begin, ns_case_span(c, "placebo")->begin);
    assert_true(!same_meta(c, absent, "key") && same_meta(c, absent, "value"));
    assert_memory_equal(c->answer, absent->answer, (size_t)c->n_answer * sizeof *c->answer);
    const ns_span *const query = ns_case_span(absent, "query");
    int64_t seen = 0;
    for (int64_t i = 0; i + query->end - query->begin <= query->begin; i++)
        seen += memcmp(absent->tokens + i, absent->tokens + query->begin, (size_t)(query->end - query->begin) * sizeof(int32_t)) == 0;
    assert_int_equal(seen, 0);
}

/* Nothing asked, nothing answered; the same tokens up to the question. */
static void check_null(const ns_cases *cases, const ns_case *c, bool text)
{
    char id[160];
    snprintf(id, sizeof id, "%s-null", c->id);
    const ns_case *const null = find(cases, id);
    assert_non_null(null);
    assert_string_equal(null->twin_of, c->id);
    assert_non_null(strstr(null->meta, "\"twin\": \"null\""));
    assert_int_equal(null->n_answer, 0);
    assert_null(ns_case_span(null, "needle_answer"));
    const ns_span *const question = ns_case_span(c, "question"), *const query = ns_case_span(null, "query");
    assert_int_equal(ns_case_span(null, "question")->begin, question->begin);
    assert_memory_equal(null->tokens, c->tokens, (size_t)question->begin * sizeof *c->tokens);
    if (text)
        assert_non_null(strstr(null->meta, "\"key\": \"N/A\""));
    else
        assert_int_equal(null->tokens[query->begin], 1);
}

static void test_twins(void **state)
{
    (void)state;
    const int64_t lengths[] = {400};
    const double depths[] = {0.2, 0.9};
    for (int text = 0; text < 2; text++) {
        ns_needle_params p = params(lengths, 1, depths, 2);
        p.tokenizer = text ? fake : NULL;
        p.twins = NS_TWIN_SWAP | NS_TWIN_ABSENT | NS_TWIN_NULL;
        ns_cases cases = {0}, alone = {0};
        OK(ns_needle_cases(&cases, &p, NULL));
        assert_int_equal(cases.n, text ? 2 * 4 * 3 * 2 : 2 * 4);
        p.twins = 0;
        OK(ns_needle_cases(&alone, &p, NULL));
        for (int64_t i = 0; i < alone.n; i++) {
            assert_same_tokens(&alone.list[i], find(&cases, alone.list[i].id));
            check_twins(&cases, find(&cases, alone.list[i].id));
            check_null(&cases, find(&cases, alone.list[i].id), text);
        }
        ns_cases_clear(&cases);
        ns_cases_clear(&alone);
    }
}

static bool holds(const ns_case *c, const int32_t *tokens, int64_t n)
{
    for (int64_t i = 0; i + n <= c->n_tokens; i++)
        if (memcmp(c->tokens + i, tokens, (size_t)n * sizeof *tokens) == 0)
            return true;
    return false;
}

/* A few values in all, each the answer of as many cases; a twin without needle asks the same, has the same keys beside it and other values,
 * and over many of them the answer stands in it as often as any other. */
static void test_values(void **state)
{
    (void)state;
    enum { N = 4, COUNT = 40 };
    const int64_t lengths[] = {400};
    const double depths[] = {.4};
    static const char *const templates[] = {"essay"}, *const types[] = {"numbers", "words"};
    for (int kind = 0; kind < 3; kind++) {
        ns_needle_params p = params(lengths, 1, depths, 1);
        ns_cases cases = {0}, alone = {0};
        int32_t value[N][16];
        int64_t length[N], told = 0;
        p.tokenizer = kind ? fake : NULL;
        p.value_types = kind ? &types[kind - 1] : NULL;
        p.n_value_types = p.n_templates = kind > 0;
        p.templates = kind ? templates : NULL;
        p.count = COUNT;
        p.keys = 3;
        p.n_values = N;
        p.twins = NS_TWIN_SWAP | NS_TWIN_WITHOUT;
        OK(ns_needle_cases(&cases, &p, NULL));
        p.twins = 0;
        OK(ns_needle_cases(&alone, &p, NULL));
        assert_true(cases.n == 3 * COUNT && alone.n == COUNT);
        for (int64_t i = 0; i < N; i++) {
            const ns_case *const c = &alone.list[i];
            length[i] = c->n_answer - c->n_lead;
            assert_true(length[i] > 0 && length[i] <= 16);
            memcpy(value[i], c->answer + c->n_lead, (size_t)length[i] * sizeof(int32_t));
            for (int64_t k = 0; k < i; k++)
                assert_true(value[k][0] != value[i][0]);
        }
        for (int64_t i = 0; i < COUNT; i++) {
            const ns_case *const c = &cases.list[3 * i], *const swap = c + 1, *const without = c + 2;
            const int64_t n = c->n_answer - c->n_lead;
            assert_same_tokens(c, &alone.list[i]);
            assert_int_equal(n, length[i % N]);
            assert_memory_equal(c->answer + c->n_lead, value[i % N], (size_t)n * sizeof(int32_t));
            int64_t of = -1, there = 0;
            for (int64_t k = 0; k < N; k++) {
                of = swap->n_answer - swap->n_lead == length[k] &&
                     !memcmp(swap->answer + swap->n_lead, value[k], (size_t)length[k] * sizeof(int32_t)) ? k : of;
                there += holds(c, value[k], length[k]);
            }
            assert_true(of >= 0 && of != i % N && there == 3);
            assert_string_equal(without->twin_of, c->id);
            assert_true(strstr(without->meta, "\"twin\": \"without\"") && same_meta(c, without, "key") && same_meta(c, without, "value"));
            assert_true(!ns_case_span(without, "needle") && !ns_case_span(without, "needle_answer") && !ns_case_span(without, "placebo"));
            assert_true(ns_case_span(without, "distractor.1") && !ns_case_span(without, "distractor.2"));
            assert_int_equal(without->n_answer, c->n_answer);
            assert_memory_equal(without->answer, c->answer, (size_t)c->n_answer * sizeof *c->answer);
            const ns_span *const q = ns_case_span(c, "question"), *const again = ns_case_span(without, "question");
            assert_true(c->n_tokens - q->begin == without->n_tokens - again->begin &&
                        !memcmp(c->tokens + q->begin, without->tokens + again->begin, (size_t)(c->n_tokens - q->begin) * sizeof(int32_t)));
            told += holds(without, value[i % N], length[i % N]);
        }
        assert_true(told >= 10 && told <= 30);           /* two of four values in a prompt: half of them */
        ns_cases_clear(&cases);
        ns_cases_clear(&alone);
    }
}

/* All types in all templates: the haystack holds no word of a key or value, and no two values of a prompt begin alike. */
static void test_types(void **state)
{
    (void)state;
    const int64_t lengths[] = {700};
    const double depths[] = {0.5};
    ns_needle_params p = params(lengths, 1, depths, 1);
    p.tokenizer = fake;
    p.count = 20;
    ns_cases cases = {0};
    OK(ns_needle_cases(&cases, &p, NULL));
    assert_int_equal(cases.n, 120);
    for (int64_t i = 0; i < cases.n; i++) {
        const ns_case *const c = &cases.list[i];
        check_placebo(c);
        const int32_t first = c->answer[c->n_lead];
        for (int k = 0; k < 3; k++) {
            char name[40];
            snprintf(name, sizeof name, "distractor_answer.%d", k);
            assert_int_not_equal(c->tokens[ns_case_span(c, name)->begin], first);
        }
        const bool words = strstr(c->meta, "\"words\"") != NULL;
        assert_true(!words || count_of(c, first) == 1);
    }
    ns_cases_clear(&cases);
}

static bool has_word(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = text; *p; p++)
        if (strncasecmp(p, word, n) == 0 && (p == text || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[n]))
            return true;
    return false;
}

static void test_essay_words(void **state)
{
    (void)state;
    for (int64_t i = 0; i < ns_essay_count(); i++) {
        const char *const sentence = ns_essay_sentence(i);
        assert_true(strcspn(sentence, "0123456789%") == strlen(sentence));
        for (int64_t w = 0; w < 64; w++) {
            char name[40];
            ns_words_name(w * 65, name);       /* every adjective and every noun once */
            char *const noun = strchr(name, '-');
            *noun = 0;
            if (has_word(sentence, name) || has_word(sentence, noun + 1))
                fail_msg("'%s' has the word %s or %s", sentence, name, noun + 1);
        }
    }
}

/* A case without room for its needles is dropped with its reason, and the others are made. */
static void test_dropped(void **state)
{
    (void)state;
    const int64_t lengths[] = {64, 19}, none[] = {19};
    const double depths[] = {0.5};
    ns_case_drops dropped = {0};
    ns_cases cases = {0};
    ns_error err = {0};
    ns_needle_params p = params(lengths, 2, depths, 1);
    p.dropped = &dropped;
    OK(ns_needle_cases(&cases, &p, &err));
    assert_int_equal(cases.n, 1);
    assert_int_equal(dropped.n, 1);
    assert_string_equal(dropped.list[0].id, "needle-s7-19-0.5-0");
    assert_non_null(strstr(dropped.list[0].reason, "length 19 is shorter than the needle text"));
    p.lengths = none;
    p.n_lengths = 1;
    assert_int_equal(ns_needle_cases(&cases, &p, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "no case can be made: all 1 were dropped, the first because: needle: length 19"));
    assert_int_equal(cases.n, 1);
    ns_case_drops_clear(&dropped);
    ns_cases_clear(&cases);
}

static int64_t place_of(const ns_cases *cases, const char *length, const char *depth)
{
    char id[96];
    snprintf(id, sizeof id, "needle-s7%s-%s-0", length, depth);
    const ns_case *const c = find(cases, id);
    return c ? ns_case_span(c, "needle")->begin : -1;
}

static int64_t dropped_for(const ns_case_drops *dropped, const char *reason)
{
    int64_t n = 0;
    for (int64_t i = 0; i < dropped->n; i++)
        n += strstr(dropped->list[i].reason, reason) ? dropped->list[i].n : 0;
    return n;
}

/* Haystacks of 0, 1, 2 and 4 tokens under five depths: as many cases as places, each at its own, whatever the order of the depths. */
static void test_room(void **state)
{
    (void)state;
    const int64_t lengths[] = {20, 21, 22, 24};
    const double depths[] = {0, 0.25, 0.5, 0.75, 1}, backwards[] = {1, 0.75, 0.5, 0.25, 0};
    for (int k = 0; k < 2; k++) {
        ns_needle_params p = params(lengths, 4, k ? backwards : depths, 5);
        ns_case_drops dropped = {0};
        ns_cases cases = {0};
        p.dropped = &dropped;
        p.twins = NS_TWIN_NULL;
        OK(ns_needle_cases(&cases, &p, NULL));
        assert_int_equal(cases.n, 2 * (0 + 2 + 3 + 5));
        assert_true(place_of(&cases, "-21", "0") == 1 && place_of(&cases, "-21", "1") > 1 && place_of(&cases, "-21", "0.5") < 0);
        assert_true(place_of(&cases, "-22", "0.5") >= 2 && place_of(&cases, "-22", "0.25") < 0 && place_of(&cases, "-22", "0.75") < 0);
        int64_t last = 0;
        for (int d = 0; d < 5; d++) {
            char depth[16];
            snprintf(depth, sizeof depth, "%g", depths[d]);
            const int64_t at = place_of(&cases, "-24", depth);
            assert_true(at > last);
            last = at;
        }
        /* the same reason once, with its number */
        assert_int_equal(dropped.n, 1 + 1 + 1);
        assert_int_equal(dropped_for(&dropped, "length 20 has no room for a haystack"), 10);
        assert_int_equal(dropped_for(&dropped, k ? "length 21 has no room for every depth (for 0.75: its nearest place among 1 tokens of "
                                                   "haystack is 1, which is depth 1's;"
                                                 : "length 21 has no room for every depth (for 0.25: its nearest place among 1 tokens of "
                                                   "haystack is 0, which is depth 0's;"), 6);
        assert_int_equal(dropped_for(&dropped, "length 22 has no room for every depth"), 4);
        ns_case_drops_clear(&dropped);
        ns_cases_clear(&cases);
    }
}

/* In text too: no two depths of an essay stand at one place, and what is made has a haystack. */
static void test_essay_room(void **state)
{
    (void)state;
    const double depths[] = {0, 0.5, 1};
    static const char *const types[] = {"words"}, *const templates[] = {"essay"};
    int64_t none = 0, some = 0, all = 0;
    for (int64_t length = 120; length < 220; length += 2) {
        ns_case_drops dropped = {0};
        ns_cases cases = {0};
        ns_needle_params p = params(&length, 1, depths, 3);
        p.tokenizer = fake;
        p.value_types = types;
        p.templates = templates;
        p.n_value_types = p.n_templates = 1;
        p.dropped = &dropped;
        const int rc = ns_needle_cases(&cases, &p, NULL);
        assert_true(rc == NS_OK || (rc == NS_E_ARG && cases.n == 0));
        char grid[40];
        snprintf(grid, sizeof grid, "-words-essay-%lld", (long long)length);
        const int64_t at[] = {place_of(&cases, grid, "0"), place_of(&cases, grid, "0.5"), place_of(&cases, grid, "1")};
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < i; j++)
                assert_true(at[i] < 0 || at[j] < 0 || at[j] < at[i]);
        none += dropped_for(&dropped, "no room for a haystack") > 0;
        some += dropped_for(&dropped, "sentences of haystack is") > 0;
        all += cases.n == 3;
        ns_case_drops_clear(&dropped);
        ns_cases_clear(&cases);
    }
    assert_true(none > 0 && some > 0 && all > 0);
}

/* One BOS, be it the tokenizer's or the text's; without either, none. */
static void test_one_bos(void **state)
{
    (void)state;
    static const struct { const char *prefix; bool add_special; int n; } rows[] = {
        {NULL, true, 1}, {"user: ", true, 1}, {"\2user: ", true, 1}, {"\2", true, 1}, {"\2user: ", false, 1}, {"user: ", false, 0},
    };
    static const char *const types[] = {"words"};
    const int64_t lengths[] = {400};
    const double depths[] = {0.5};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_cases cases = {0};
        ns_needle_params p = params(lengths, 1, depths, 1);
        p.tokenizer = fake;
        p.prefix = rows[i].prefix;
        p.add_special = rows[i].add_special;
        p.value_types = types;
        p.n_value_types = 1;
        p.twins = NS_TWIN_SWAP | NS_TWIN_NULL;
        OK(ns_needle_cases(&cases, &p, NULL));
        assert_int_equal(cases.n, 6);
        for (int64_t k = 0; k < cases.n; k++) {
            assert_int_equal(count_of(&cases.list[k], 1), rows[i].n);
            assert_true((cases.list[k].tokens[0] == 1) == (rows[i].n == 1));
        }
        ns_cases_clear(&cases);
    }
}

static void expect(ns_needle_params p, int code, const char *message)
{
    ns_cases cases = {0};
    ns_error err = {0};
    const int rc = ns_needle_cases(&cases, &p, &err);
    if (rc != code || !strstr(err.message, message))
        fail_msg("gave %d: %s, not %d: ...%s...", rc, err.message, code, message);
    assert_int_equal(cases.n, 0);
    ns_cases_clear(&cases);
}

static void test_errors(void **state)
{
    (void)state;
    const int64_t lengths[] = {64, 19}, twice[] = {64, 64};
    const double depths[] = {0.5}, outside[] = {1.5}, same[] = {0.5, 0.5};
    ns_needle_params p = params(lengths, 2, depths, 1);
    expect(p, NS_E_ARG, "length 19 is shorter than the needle text");
    p.tokenizer = fake;
    expect(p, NS_E_ARG, "length 64 is shorter than the needle text");
    p.chat = "alpaca";
    expect(p, NS_E_ARG, "unknown chat template 'alpaca'");
    p.chat = "chatml";
    expect(p, NS_E_ARG, "which this tokenizer lacks");
    ns_needle_params few = params(lengths, 1, depths, 1);
    few.n_values = 3;
    expect(few, NS_E_ARG, "3 values in all for 4 keys");
    expect(params(lengths, 1, outside, 1), NS_E_ARG, "depth 1.5");
    expect(params(lengths, 1, same, 2), NS_E_ARG, "given twice");
    expect(params(twice, 2, depths, 1), NS_E_ARG, "given twice");
    expect(params(lengths, 0, depths, 1), NS_E_ARG, "at least one length");
    p = params(lengths, 1, depths, 1);
    p.vocab = 20;
    expect(p, NS_E_ARG, "16 keys and values, but only");
    p.vocab = 4;
    expect(p, NS_E_ARG, "no room for markers");
    static const char *const wrong[] = {"letters"}, *const same_type[] = {"words", "words"};
    p = params(lengths, 1, depths, 1);
    p.value_types = wrong;
    p.n_value_types = 1;
    expect(p, NS_E_ARG, "need a tokenizer");
    p.tokenizer = fake;
    expect(p, NS_E_ARG, "unknown value type 'letters' (numbers, words, uuids)");
    p.value_types = same_type;
    p.n_value_types = 2;
    expect(p, NS_E_ARG, "value type 'words' is given twice");
    p.templates = wrong;
    p.n_value_types = 0;
    p.n_templates = 1;
    expect(p, NS_E_ARG, "unknown template 'letters' (noise, essay)");
    p = params(lengths, 1, depths, 1);
    p.keys = 1;
    p.twins = NS_TWIN_SWAP;
    expect(p, NS_E_ARG, "which has one (give 2 keys or more)");
    p = params(lengths, 1, depths, 1);
    p.keys = 2000;
    expect(p, NS_E_ARG, "2000 keys");
    p.size = 1;
    expect(p, NS_E_ARG, "size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_independent), cmocka_unit_test(test_text), cmocka_unit_test(test_twins),
        cmocka_unit_test(test_values), cmocka_unit_test(test_types), cmocka_unit_test(test_essay_words),
        cmocka_unit_test(test_dropped), cmocka_unit_test(test_room),
        cmocka_unit_test(test_essay_room), cmocka_unit_test(test_one_bos), cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
