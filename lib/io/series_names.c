/* series_names.c - a checkpoint's name -> stage, step, tokens, by a table of patterns. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/series.h>

#include "core/core.h"

/* The first pattern that knows the name decides; whose it is above it. Groups: stage, branch, long (a stage by its length), step, unit
 * (of the step), tokens, of (their unit). */
static const char *const patterns[] = {
    "^stage(?<stage>\\d{1,6})-(?:ingredient(?<branch>\\d{1,3}(?:\\+\\d{1,3})*)-)?step[-_]?(?<step>\\d{1,15})"
    /* OLMo 2, 3; SmolLM3 */
    "(?:-tokens(?<tokens>\\d{1,15})(?<of>[KMBT])?)?(?:-.*)?$",
    /* SmolLM3: longer contexts */
    "^lc-\\d{1,4}k-to-(?<long>\\d{1,4})k-step[-_]?(?<step>\\d{1,15})$",
    "^(?:.*-)?step-(?<step>\\d{1,9})(?<unit>[KkMm])-(?:tokens?-)?(?<tokens>\\d{1,9}(?:\\.\\d{1,6})?)(?<of>[bBtT])(?:-.*)?$", /* TinyLlama */
    /* Pythia, OLMo, DeepSpeed, torchtitan, accelerate, ours */
    "^(?:global_)?step[-_]?(?<step>\\d{1,15})(?:-tokens(?<tokens>\\d{1,15})(?<of>[KMBT])?)?(?:-.*)?$",
    "^(?:.*_)?phase(?<stage>\\d{1,6})_checkpoint_(?<step>\\d{1,15})$",                                                  /* Crystal */
    /* HF Trainer, Amber, K2, Megatron */
    "^(?:checkpoint|ckpt|chkpt|model|iteration|iter|update|batch|epoch|samples)[-_=]?(?<step>\\d{1,15})$",
    "^iter[-_](?<step>\\d{1,15})-.*$",
    "^epoch=\\d+-step=(?<step>\\d{1,15})(?:[-.].*)?$",
    "^ep\\d+-ba(?<step>\\d{1,15})(?:-rank0)?$",                                                                         /* composer */
    "^[A-Za-z0-9]{1,40}[-_](?:global[-_]|iter[-_])?(?:step|iter)[-_]?(?<step>\\d{1,15})$",                            /* model_step_1000 */
    "^(?<step>\\d{1,15})$",
};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns, LONG_STAGE = 1000, SOUP = 1000000 };

typedef struct found { const char *name; const pcre2_code *re; pcre2_match_data *m; } found;

/* The text of a group, or NULL where the pattern has no such group or it took no part. */
static const char *group(const found *f, const char *which, size_t *n)
{
    const int number = pcre2_substring_number_from_name(f->re, (PCRE2_SPTR)which);
    const PCRE2_SIZE *const at = pcre2_get_ovector_pointer(f->m);
    if (number <= 0 || (uint32_t)number >= pcre2_get_ovector_count(f->m) || at[2 * number] == PCRE2_UNSET)
        return NULL;
    *n = at[2 * number + 1] - at[2 * number];
    return f->name + at[2 * number];
}

static int64_t unit_of(const found *f, const char *which)
{
    size_t n;
    const char *const unit = group(f, which, &n);
    switch (unit ? *unit : ' ') {
    case 'k': case 'K': return 1000;
    case 'm': case 'M': return 1000000;
    case 'b': case 'B': return 1000000000;
    case 't': case 'T': return 1000000000000;
    default: return 1;
    }
}

static int64_t number(const found *f, const char *which, const char *unit, int64_t otherwise)
{
    size_t n;
    const char *const text = group(f, which, &n);
    const double value = text ? strtod(text, NULL) * (double)unit_of(f, unit) : -1;   /* digits and a point: exact below 2^53 */
    return value >= 0 && value < 9e15 ? (int64_t)llround(value) : otherwise;
}

/* Ingredients of a stage are trained side by side; a soup of them, 1+2, is none's successor. */
static int64_t branch_of(const found *f)
{
    size_t n;
    const char *const text = group(f, "branch", &n);
    return text && memchr(text, '+', n) ? SOUP : number(f, "branch", "", 0);
}

static void take(const found *f, ns_series_item *out)
{
    const int64_t longer = number(f, "long", "", 0);
    out->stage = longer ? LONG_STAGE + longer : number(f, "stage", "", 0);
    out->branch = branch_of(f);
    out->step = out->stage_step = number(f, "step", "unit", 0);
    out->tokens = number(f, "tokens", "of", -1);
}

static bool match(const char *pattern, const char *name, ns_series_item *out)
{
    int code;
    PCRE2_SIZE where;
    pcre2_code *const re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &where, NULL);
    pcre2_match_data *const m = re ? pcre2_match_data_create_from_pattern(re, NULL) : NULL;
    const bool known = m && pcre2_match(re, (PCRE2_SPTR)name, strlen(name), 0, 0, m, NULL) > 0;
    if (known)
        take(&(found){name, re, m}, out);
    pcre2_match_data_free(m);
    pcre2_code_free(re);
    return known;
}

static bool is_final(const char *name)
{
    static const char *const names[] = {"main", "master", "final", "last", "latest", "checkpoint-final", "checkpoint-last",
                                        "checkpoint-latest", "final_model",
                                        "latest-rank0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

int64_t ns_series_stage(const ns_series_item *item)
{
    return item->stage > 1 ? item->stage : 1;
}

bool ns_series_parse(const char *name, ns_series_item *out)
{
    out->stage = out->stage_step = out->step = out->branch = 0;
    out->tokens = -1;
    out->final = is_final(name);
    out->other = false;
    bool known = out->final;
    for (int i = 0; i < N_PATTERNS && !known; i++)
        known = match(patterns[i], name, out);
    return known;
}
