/* merge_shards.c - the shards of a scan: read for what they are, checked against each other, put on the grid of runs and steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

#include "scan_shard.h"

enum { MOST_HEADS = 1 << 20 };               /* of a layer, and layers: beyond it a file lies */
static const int64_t most_tokens = (int64_t)1 << 53;

static int by_place(const void *a, const void *b)
{
    const ns_shard *const x = a, *const y = b;
    const int order = strcmp(x->run_name, y->run_name);
    if (order || x->step != y->step)
        return order ? order : x->step < y->step ? -1 : 1;
    return ns_scan_key_order(x->key, y->key) ? ns_scan_key_order(x->key, y->key) : x->failed - y->failed;
}

static char *fact_of(const ns_file *f, const char *name)
{
    const char *const value = ns_file_fact(f, name);
    return ns_strdup(value ? value : "");
}

/* What the run's coordinates are, as this shard says: they name the group that it is counted in. */
static char *coords_of(const ns_file *f)
{
    char *text = ns_strdup("");
    for (int64_t i = 0; text && i < ns_file_fact_count(f); i++) {
        const char *const name = ns_file_fact_name(f, i);
        char *const longer = ns_starts(name, "run.") ? ns_printf_alloc("%s\n%s=%s", text, name + 4, ns_file_fact(f, name)) : text;
        if (longer != text)
            free(text);
        text = longer;
    }
    return text;
}

static int hash_heads(ns_sha256 *sha, const ns_file *f, const ns_shard *s, const char *name, ns_error *err)
{
    int64_t *values = NULL;
    ns_expected w = {.size = sizeof w, .name = name, .type = NS_I64, .rank = 2, .shape = {s->L, s->H}, .range = ns_between(0, 0x1p53)};
    const int rc = ns_file_array(f, &w, &values, err);
    if (rc == NS_OK)
        ns_sha256_add(sha, values, (size_t)(s->L * s->H) * sizeof *values);
    free(values);
    return rc;
}

static int hash_layers(ns_shard *s, const ns_file *f, ns_error *err)
{
    char **kinds = NULL;
    ns_sha256 all, heads;
    ns_expected w = {.size = sizeof w, .name = "layer_kind", .rank = 1, .shape = {s->L}};
    ns_sha256_begin(&all);
    ns_sha256_begin(&heads);
    int rc = ns_file_texts(f, &w, &kinds, err);
    for (int64_t l = 0; rc == NS_OK && l < s->L; l++) {
        const char *const mixes = strcmp(kinds[l], "swa") ? kinds[l] : "full";
        ns_sha256_add(&all, kinds[l], strlen(kinds[l]) + 1);
        ns_sha256_add(&heads, mixes, strlen(mixes) + 1);
    }
    ns_free_strings(kinds, s->L);
    rc = rc != NS_OK ? rc : hash_heads(&all, f, s, "window", err);
    rc = rc != NS_OK ? rc : hash_heads(&all, f, s, "head_valid", err);
    rc = rc != NS_OK ? rc : hash_heads(&heads, f, s, "head_valid", err);
    ns_sha256_end(&all, s->layers);
    ns_sha256_end(&heads, s->heads);
    return rc;
}

static bool in_place(const ns_shard *s)
{
    return (!s->own_run[0] || strcmp(s->own_run, s->run_name) == 0) && (s->own.step < 0 || ns_scan_key_order(s->own, s->key) == 0);
}

/* Another checkpoint has come to its place (main, when the run goes on): unless a scan saw that it is the same under a new name, what was
 * measured is not what is there now. */
static bool supersede(ns_merge_job *m, ns_shard *s)
{
    if (m->gone_too || !s->expected || !s->label[0] || strcmp(s->label, s->expected) == 0)
        return false;
    s->missing = !ns_scan_seen_as(s->path, s->expected);
    m->superseded += s->missing;
    free(s->label);
    s->label = s->expected;
    s->expected = NULL;
    return s->missing;
}

/* How long the axes are that its outputs lie on; the study's are as long as the longest. */
static int hear_extent(ns_merge_job *m, ns_shard *s, const ns_file *f, ns_error *err)
{
    int rc = ns_file_extent(f, &s->extent, err);
    s->extent.n[NS_AXIS_CASE] = m->C;                    /* of case_id and head_valid, which every shard has */
    s->extent.n[NS_AXIS_LAYER] = s->L;
    s->extent.n[NS_AXIS_HEAD] = s->H;
    for (ns_axis a = NS_AXIS_CASE; a < NS_N_AXES; a++)
        m->extent.n[a] = s->extent.n[a] > m->extent.n[a] ? s->extent.n[a] : m->extent.n[a];
    return rc;
}

/* Of a later stage a shard says the step within it, and not the tokens; one of an older version the step over all stages. */
static int read_place(ns_shard *s, const ns_file *f, ns_error *err)
{
    int64_t tokens = -1;
    int rc = ns_file_whole(f, "tokens", -1, most_tokens, -1, &tokens, err);
    rc = rc != NS_OK ? rc : ns_file_whole(f, "step", -1, INT64_MAX, -1, &s->own.step, err);
    rc = rc != NS_OK ? rc : ns_file_whole(f, "stage", 0, INT64_MAX, 0, &s->own.stage, err);
    if (s->own.stage < 1 || ns_file_fact(f, "tokens"))
        s->own.stage = 1;
    if (s->own.stage == 1)
        s->tokens = tokens;
    return rc;
}

/* Sizes and facts of one shard. */
static int look_at(ns_merge_job *m, ns_shard *s, ns_error *err)
{
    ns_file *f;
    ns_expected heads = {.size = sizeof heads, .name = "head_valid", .type = NS_I64, .rank = 2, .shape = {NS_ANY, NS_ANY}};
    ns_expected cases = {.size = sizeof cases, .name = "case_id", .type = NS_N_DTYPES, .rank = 1, .shape = {NS_ANY}};
    int rc = ns_file_open_own(&f, s->path, err);
    if (rc != NS_OK)
        return rc;
    s->file = f;
    rc = read_place(s, f, err);
    s->own_run = fact_of(f, "run");
    s->cases = fact_of(f, "scan_cases_sha256");
    s->probes = fact_of(f, "scan_probes");
    s->kernels = fact_of(f, "kernel_class");
    s->label = fact_of(f, "checkpoint");
    s->content = fact_of(f, "content_sha256");
    s->arch = fact_of(f, "arch_sha256");
    s->kinds = fact_of(f, "layer_kinds");
    s->config = fact_of(f, "model_config_sha256");
    s->tokenizer = fact_of(f, "tokenizer_sha256");
    s->constrain = fact_of(f, "constrain");
    s->reference = fact_of(f, "reference_weights_sha256");
    s->coords = coords_of(f);
    if (rc == NS_OK && !(s->coords && s->cases && s->probes && s->kernels && s->label && s->content && s->own_run && s->arch && s->kinds &&
                         s->config && s->reference && s->tokenizer && s->constrain))
        rc = ns_oom(err, s->path);
    if (rc == NS_OK && in_place(s) && supersede(m, s)) {
        ns_file_close(f);
        s->file = NULL;
        return NS_OK;
    }
    rc = rc != NS_OK ? rc : ns_merge_hear(m, f, s, err);
    rc = rc != NS_OK ? rc : ns_file_expect(f, &heads, err);
    rc = rc != NS_OK ? rc : ns_file_expect(f, &cases, err);
    if (rc == NS_OK && (heads.shape[0] < 1 || heads.shape[1] < 1 || heads.shape[0] > MOST_HEADS || heads.shape[1] > MOST_HEADS))
        rc = ns_fail(err, NS_E_FORMAT, "%s: dataset 'head_valid' is of %lld layers and %lld heads, where 1 to %d of each can be", s->path,
                     (long long)heads.shape[0], (long long)heads.shape[1], MOST_HEADS);
    if (rc == NS_OK) {
        s->L = heads.shape[0];
        s->H = heads.shape[1];
        m->C = cases.shape[0];
        m->L = s->L > m->L ? s->L : m->L;
        m->H = s->H > m->H ? s->H : m->H;
        rc = hash_layers(s, f, err);
    }
    rc = rc != NS_OK ? rc : hear_extent(m, s, f, err);
    ns_file_rest(f);
    return rc;
}

static bool of_other_tokenizer(const ns_shard *a, const ns_shard *b)
{
    return a->tokenizer[0] && b->tokenizer[0] && strcmp(a->run_name, b->run_name) && strcmp(a->tokenizer, b->tokenizer);
}

static int compare(const ns_merge_job *m, const ns_shard *a, const ns_shard *b, ns_error *err)
{
    if (strcmp(a->cases, b->cases) && of_other_tokenizer(a, b))
        return ns_fail(err, NS_E_FORMAT, "%s: run '%s' has another tokenizer than '%s', so the cases are other tokens there: a study is of "
                       "one (scan each tokenizer's runs into a folder of their own)", b->path, b->run_name, a->run_name);
    const char *const what = strcmp(a->cases, b->cases)                          ? "other cases"
                             : strcmp(a->probes, b->probes)                      ? "other probes"
                             : strcmp(a->run_name, b->run_name) == 0 && strcmp(a->constrain, b->constrain)
                                 ? "another --constrain"
                             : !m->mixed_kernels && strcmp(a->kernels, b->kernels) ? "another kernel class (--mixed-kernels allows it)"
                                                                                 : NULL;
    return what ? ns_fail(err, NS_E_FORMAT, "%s was scored with %s than %s: scan again what is out of date", b->path, what, a->path)
                : NS_OK;
}

static int other_architecture(const ns_shard *a, const ns_shard *b, const char *of_a, const char *of_b, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT,
                   "%s is of a model of %lld layer%s and %lld head%s%s%s, and %s of one of %lld and %lld%s%s: not one run (scan again what "
                   "is out of date, or give each architecture a run of its own)",
                   b->path, (long long)b->L, ns_plural(b->L), (long long)b->H, ns_plural(b->H), of_b[0] ? ", " : "", of_b, a->path,
                   (long long)a->L, (long long)a->H, of_a[0] ? ", " : "", of_a);
}

/* The first line in which they differ: facts are text of one line each. */
static int other_coordinates(const ns_shard *a, const ns_shard *b, ns_error *err)
{
    const char *of_a = a->coords, *of_b = b->coords;
    for (size_t n; of_a[0] && of_b[0]; of_a += n, of_b += n) {
        n = 1 + strcspn(of_a + 1, "\n");
        if (strncmp(of_a, of_b, n) != 0 || (of_b[n] && of_b[n] != '\n'))
            break;
    }
    const size_t n_a = of_a[0] ? strcspn(of_a + 1, "\n") : 0, n_b = of_b[0] ? strcspn(of_b + 1, "\n") : 0;
    return ns_fail(err, NS_E_FORMAT,
                   "%s says of run '%s' %.*s, and %s %.*s: coordinates are of a whole run (scan again what is out of date)", b->path,
                   b->run_name, n_b ? (int)n_b : 7, n_b ? of_b + 1 : "nothing", a->path, n_a ? (int)n_a : 7,
                   n_a ? of_a + 1 : "nothing");
}

/* A run is one model over time: coordinates, layers and heads are the same. What else its arch says may change with its config (the base of
 * RoPE with the length of the texts, windows with the stage), and is said; not windows alone, under a config that stayed: that is another
 * --arch. */
static int compare_archs(ns_merge_job *m, const ns_shard *a, const ns_shard *b, ns_error *err)
{
    if (strcmp(a->run_name, b->run_name))
        return NS_OK;
    if (strcmp(a->coords, b->coords))
        return other_coordinates(a, b, err);
    if (a->reference[0] && b->reference[0] && strcmp(a->reference, b->reference))
        return ns_fail(err, NS_E_FORMAT, "%s was measured against another checkpoint than %s: scan again what is out of date", b->path,
                       a->path);
    if (a->L != b->L || a->H != b->H)
        return other_architecture(a, b, "", "", err);
    const bool same_config = !a->config[0] || !b->config[0] || strcmp(a->config, b->config) == 0;
    if (strcmp(a->heads, b->heads) || (same_config && strcmp(a->layers, b->layers)))
        return other_architecture(a, b, a->kinds, b->kinds, err);
    if (!a->arch[0] || !b->arch[0] || strcmp(a->arch, b->arch) == 0)
        return NS_OK;
    const char *const before = m->arch_changes ? m->arch_changes : "";
    char *const longer = ns_printf_alloc("%s%s%s step %lld", before, before[0] ? "; " : "", b->run_name, (long long)b->step);
    free(m->arch_changes);
    m->arch_changes = longer;
    return longer ? NS_OK : ns_oom(err, b->path);
}

/* A copy under another name would be measured twice, and what belongs there not at all. */
static int check_place(const ns_shard *s, ns_error *err)
{
    if (in_place(s))
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT,
                   "%s holds step %lld of run '%s', not what its name says (put it back in its place, or remove it and scan again)",
                   s->path, (long long)s->own.step, s->own_run);
}

/* A model that goes on has not seen less: `steps` or `tokens` of one of the two is wrong. */
static int check_tokens(const ns_merge_job *m, ns_error *err)
{
    const ns_shard *most = NULL;
    for (int64_t i = 0; i < m->n_shards; i++) {
        const ns_shard *const s = &m->shards[i];
        if (most && strcmp(most->run_name, s->run_name))
            most = NULL;
        if (most && s->tokens >= 0 && s->tokens < most->tokens)
            return ns_fail(err, NS_E_FORMAT, "%s: step %lld of run '%s' has seen %lld tokens, and step %lld %lld: they never become fewer "
                           "(scan again with the tokens of each step put right)", s->path ? s->path : s->run_name, (long long)s->step,
                           s->run_name, (long long)s->tokens, (long long)most->step, (long long)most->tokens);
        most = s->tokens >= 0 ? s : most;
    }
    return NS_OK;
}

/* Of a later stage that is gone nobody counts the steps on any more. */
static int check_steps(const ns_merge_job *m, ns_error *err)
{
    for (int64_t i = 1; i < m->n_shards; i++) {
        const ns_shard *const a = &m->shards[i - 1], *const b = &m->shards[i];
        if (a->step == b->step && strcmp(a->run_name, b->run_name) == 0)
            return ns_fail(err, NS_E_FORMAT, "%s and %s are both step %lld of run '%s': leave out what is gone (merge without --gone)",
                           a->path ? a->path : a->label, b->path ? b->path : b->label, (long long)b->step, b->run_name);
    }
    return NS_OK;
}

/* Runs in order of their names, steps ascending: the same grid whatever the order of the folders. */
static int make_grid(ns_merge_job *m, ns_error *err)
{
    m->steps = ns_alloc_array((size_t)m->n_shards, sizeof *m->steps);
    m->runs = ns_alloc_array((size_t)m->n_shards, sizeof *m->runs);
    if (!m->steps || !m->runs)
        return ns_oom(err, "a study");
    for (int64_t i = 0; i < m->n_shards; i++) {
        if (i == 0 || strcmp(m->shards[i].run_name, m->shards[i - 1].run_name))
            m->runs[m->R++] = m->shards[i].run_name;
        m->shards[i].run = m->R - 1;
        int64_t at = 0;
        while (at < m->P && m->steps[at] < m->shards[i].step)
            at++;
        if (at == m->P || m->steps[at] != m->shards[i].step) {
            memmove(m->steps + at + 1, m->steps + at, (size_t)(m->P - at) * sizeof *m->steps);
            m->steps[at] = m->shards[i].step;
            m->P++;
        }
    }
    for (int64_t i = 0; i < m->n_shards; i++)
        while (m->steps[m->shards[i].place] < m->shards[i].step)
            m->shards[i].place++;
    return NS_OK;
}

/* A step with both files was scored, and failed since: another checkpoint lies there now, and the scores are not its own. (Scoring removes
 * the failure before it writes.) */
static void drop_stale_scores(ns_merge_job *m)
{
    int64_t n = 0;
    for (int64_t i = 0; i < m->n_shards; i++) {
        const ns_shard *const s = &m->shards[i];
        if (n && s->failed && ns_scan_key_order(s->key, m->shards[n - 1].key) == 0 && strcmp(s->run_name, m->shards[n - 1].run_name) == 0)
            ns_shard_clear(&m->shards[--n]);
        m->shards[n++] = *s;
    }
    m->n_shards = n;
}

/* What a study of these shards holds at the most, [R, P, C, L, H], must be a number: sizes come from files. */
static int check_sizes(const ns_merge_job *m, const char *out, ns_error *err)
{
    int64_t n;
    const bool fits = ns_mul_i64(m->R, m->P, &n) && ns_mul_i64(n, m->L * m->H, &n) && ns_mul_i64(n, m->C > 0 ? m->C : 1, &n) &&
                      n <= INT64_MAX / 8;
    return fits ? NS_OK
                : ns_fail(err, NS_E_FORMAT, "%s: a study of %lld runs, %lld steps, %lld cases, %lld layers and %lld heads is too large",
                          out, (long long)m->R, (long long)m->P, (long long)m->C, (long long)m->L, (long long)m->H);
}

static int count_unsealed(ns_merge_job *m, const char *out, ns_error *err)
{
    for (int64_t i = 0; i < m->n_shards; i++)
        m->unsealed += ns_shard_is_done(&m->shards[i]) && ns_file_is_unsealed(m->shards[i].path);
    for (int64_t r = 0; r < m->R; r++) {
        char *const metrics = ns_merge_metrics_path(out, m->runs[r]);
        if (!metrics)
            return ns_oom(err, out);
        m->unsealed += ns_file_is_unsealed(metrics);
        free(metrics);
    }
    return NS_OK;
}

int ns_merge_find(ns_merge_job *m, const char *out, ns_error *err)
{
    char *const shards = ns_path_join(out, "shards");
    const ns_shard *first = NULL, *before = NULL;
    int rc = shards ? ns_merge_list(m, out, shards, err) : ns_oom(err, out);
    if (rc == NS_OK && m->n_shards)
        qsort(m->shards, (size_t)m->n_shards, sizeof *m->shards, by_place);
    if (rc == NS_OK)
        drop_stale_scores(m);
    for (int64_t i = 0; rc == NS_OK && i < m->n_shards; i++) {
        if (!ns_shard_is_done(&m->shards[i]))
            continue;
        rc = look_at(m, &m->shards[i], err);
        if (rc == NS_OK && !ns_shard_is_done(&m->shards[i]))
            continue;
        if (rc == NS_OK && first)
            rc = compare(m, first, &m->shards[i], err);
        if (rc == NS_OK && before)
            rc = compare_archs(m, before, &m->shards[i], err);
        if (rc == NS_OK)
            rc = check_place(&m->shards[i], err);
        before = &m->shards[i];
        first = first ? first : &m->shards[i];
    }
    m->first = first ? first - m->shards : -1;
    rc = rc != NS_OK ? rc : check_steps(m, err);
    rc = rc != NS_OK ? rc : check_tokens(m, err);
    if (rc == NS_OK && !first)
        rc = ns_fail(err, NS_E_MISSING, "%s: no finished shard in it (needlescope scan makes them)", out);
    if (rc == NS_OK)
        rc = make_grid(m, err);
    m->extent.n[NS_AXIS_RUN] = m->R;
    m->extent.n[NS_AXIS_STEP] = m->P;
    if (rc == NS_OK)
        rc = check_sizes(m, out, err);
    if (rc == NS_OK)
        rc = count_unsealed(m, out, err);
    free(shards);
    return rc;
}

void ns_shard_clear(ns_shard *s)
{
    char *const texts[] = {s->run_name, s->path, s->cases, s->probes, s->kernels, s->label, s->content, s->own_run, s->arch,
                           s->kinds, s->config, s->coords, s->expected, s->weights, s->reference, s->tokenizer, s->constrain};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    ns_file_close(s->file);
    *s = (ns_shard){0};
}
