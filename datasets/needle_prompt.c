/* needle_prompt.c - the table of templates, and a prompt written from one:
 *     before | head / haystack sentences with needles between them / question | between | answer prefix -> " VALUE"
 * noise: RULER's niah_multikey wording and noise lines (Apache-2.0). essay: our own wording in our own prose, needles between its
 * sentences. */
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

enum { NOISE = 5 };            /* sentences of a noise line */
static const char *noise_sentence(int64_t i)
{
    static const char *const line[NOISE] = {"The grass is green.", "The sky is blue.", "The sun is yellow.", "Here we go.",
                                            "There and back again.\n"};
    return line[i % NOISE];
}

/* In the patterns, %t is what a value is called, %k the key, %v the value. */
struct ns_template {
    const char *name, *head, *needle, *question, *between, *prefix;
    const char *before_question;               /* ends the haystack */
    const char *(*sentence)(int64_t i);        /* one that ends a line or paragraph has a newline at its end */
    bool        lines;         /* needles stand between lines, as lines of their own; else between sentences */
};

static const ns_template templates[] = {
    {"noise",
     "A special magic %t is hidden within the following text. Make sure to memorize it. I will quiz you about the %t afterwards.\n",
     "One of the special magic %ts for %k is: %v.", "What is the special magic %t for %k mentioned in the provided text?", " ",
     "The special magic %t for %k mentioned in the provided text is", "\n", noise_sentence, true},
    {"essay",
     "Read the text below with care. Some remarks about accounts have been put into it, and a question about one of them follows.\n\n",
     "The %t of the %k account is %v.", "Question: What is the %t of the %k account?", "\nAnswer: ", "The %t of the %k account is", "\n\n",
     ns_essay_sentence, false},
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates };

const ns_template *ns_template_find(const char *name)
{
    for (int i = 0; i < N_TEMPLATES; i++)
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    return NULL;
}

const char *ns_template_name(const ns_template *t)
{
    return t->name;
}

const char *ns_needle_template(int i)
{
    return i >= 0 && i < N_TEMPLATES ? templates[i].name : NULL;
}

/* The pattern's text; its key or value becomes a span where a name is given. */
static void put_pattern(ns_draft *d, const char *pattern, const char *noun, const ns_needle_key *k, const char *key_span,
                        const char *value_span)
{
    for (const char *p = pattern; *p;) {
        const size_t plain = strcspn(p, "%");
        ns_draft_put_bytes(d, p, plain);
        p += plain;
        if (!*p)
            break;
        const int64_t begin = d->n;
        ns_draft_put(d, p[1] == 't' ? noun : p[1] == 'k' ? k->key : k->value);
        const char *const span = p[1] == 'k' ? key_span : p[1] == 'v' ? value_span : NULL;
        if (span)
            ns_draft_mark(d, span, begin);
        p += 2;
    }
}

static const char *noun_of(const ns_prompt *p)
{
    return p->template_->lines ? p->type->noise_noun : p->type->essay_noun;
}

static void end_line(ns_draft *d, const char *end)
{
    while (d->n > 0 && (d->text[d->n - 1] == ' ' || d->text[d->n - 1] == '\n'))
        d->n--;
    ns_draft_put(d, end);
}

static void put_needle(ns_draft *d, const ns_prompt *p, const ns_needle_key *k)
{
    if (p->template_->lines)
        end_line(d, "\n");
    const int64_t begin = d->n;
    put_pattern(d, p->template_->needle, noun_of(p), k, NULL, k->answer_label);
    ns_draft_mark(d, k->label, begin);
    ns_draft_put(d, p->template_->lines ? "\n" : " ");
}

const char *ns_template_unit(const ns_template *t)
{
    return t->lines ? "lines" : "sentences";
}

int64_t ns_template_slots(const ns_template *t, int64_t n_sentences)
{
    return t->lines ? (n_sentences + NOISE - 1) / NOISE : n_sentences;
}

int64_t ns_template_sentences(const ns_template *t, int64_t slots)
{
    return t->lines ? slots * NOISE : slots;
}

const char *ns_template_behind(const ns_prompt *p, int64_t s)
{
    return p->template_->sentence((p->template_->lines ? 0 : p->start + ns_essay_count() / 2) + s);
}

/* The essay begins at another sentence for every seed. */
int64_t ns_template_start(const ns_template *t, uint64_t seed)
{
    ns_rng rng = ns_rng_seed(seed, 0);
    return t->lines ? 0 : ns_rng_below(&rng, ns_essay_count());
}

static const char *sentence_at(const ns_prompt *p, int64_t s, int64_t n_sentences)
{
    const int64_t before = n_sentences - p->behind;
    return s < before ? p->template_->sentence(p->start + s) : ns_template_behind(p, s - before);
}

static void put_question(ns_draft *d, const ns_prompt *p)
{
    const ns_template *const t = p->template_;
    const int64_t begin = d->n;
    put_pattern(d, t->question, noun_of(p), &p->keys[p->asked], "query", NULL);
    ns_draft_mark(d, "question", begin);
    ns_draft_put(d, p->between ? p->between : t->between);
    put_pattern(d, t->prefix, noun_of(p), &p->keys[p->asked], NULL, NULL);
}

void ns_prompt_write(ns_draft *d, const ns_prompt *p, int64_t n_sentences, const ns_needle_place *places)
{
    const ns_template *const t = p->template_;
    const int64_t slots = ns_template_slots(t, n_sentences), per_slot = t->lines ? NOISE : 1;
    int next = 0;
    d->n = 0;
    d->n_spans = 0;
    ns_draft_put(d, p->before ? p->before : "");
    put_pattern(d, t->head, noun_of(p), &p->keys[0], NULL, NULL);
    const int64_t begin = d->n;
    for (int64_t slot = 0; slot <= slots; slot++) {
        for (; next < p->n_keys && places[next].slot == slot; next++)
            if (places[next].needle != p->left_out)
                put_needle(d, p, &p->keys[places[next].needle]);
        for (int64_t s = slot * per_slot; s < n_sentences && s < (slot + 1) * per_slot; s++) {
            const char *const sentence = sentence_at(p, s, n_sentences);
            ns_draft_put(d, sentence);
            ns_draft_put(d, ns_ends(sentence, "\n") ? "" : " ");
        }
    }
    ns_draft_put(d, p->rest ? p->rest : "");
    end_line(d, "");
    ns_draft_mark(d, "haystack", begin);
    ns_draft_put(d, t->before_question);
    put_question(d, p);
}
