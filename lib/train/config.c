/* config.c - one table of the keys of a run: JSON -> ns_train_config -> checks -> JSON, and the hash that a resume is held against. */
#include "train/internal.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { TEXT, WHOLE, NUMBER, SWITCH, WORD } kind;

typedef struct field {
    const char *key;
    kind        kind;
    size_t      offset;
    double      low, high;
    const char *words[4];
    bool      (*applies)(const ns_train_config *);         /* NULL: always */
    const char *otherwise;     /* why it does not */
} field;

#define AT(member) offsetof(ns_train_config, member)
static const double BIG = 1e9, MOST = INT32_MAX;

/* ---- what a key is of ---- */

/* A window as long as a sequence is what full layers have. */
static bool has_window(const ns_train_config *c) { return ns_train_windowed(c->pattern) || c->window >= c->length; }
static bool has_full(const ns_train_config *c) { return strchr(c->pattern, 'F') && !c->nope_layers[0]; }
static bool has_attention(const ns_train_config *c) { return strpbrk(c->pattern, NS_TRAIN_ATTENTION); }
static bool has_own_head(const ns_train_config *c) { return !c->tied; }
static bool decays(const ns_train_config *c) { return c->schedule != NS_LR_CONSTANT; }
static bool has_muon(const ns_train_config *c) { return c->optimizer == NS_OPTIMIZER_MUON; }

static bool has_rope(const ns_train_config *c)
{
    bool rotates = false;
    for (int64_t i = 0; c->pattern[i]; i++)
        rotates |= ns_train_rotates(c, i);
    return rotates;
}

static const char NO_ATTENTION[] = "no layer of the pattern is attention (S, s, F, H)", CONSTANT[] = "the schedule is constant",
                  NO_MUON[] = "the optimizer is adamw";

static const field fields[] = {
    {"pattern", TEXT, AT(pattern), 0, 0, {NULL}},
    {"window", WHOLE, AT(window), 1, MOST, {NULL}, has_window, "no layer of the pattern is S or H"},
    {"nope", SWITCH, AT(nope), 0, 0, {NULL}, has_full, "no layer of the pattern is F, or nope_layers says which ones do not rotate"},
    {"nope_layers", TEXT, AT(nope_layers), 0, 0, {NULL}, has_attention, NO_ATTENTION},
    {"d_model", WHOLE, AT(d_model), 1, 65536, {NULL}},
    {"heads", WHOLE, AT(heads), 1, 65536, {NULL}},
    {"kv_heads", WHOLE, AT(kv_heads), 0, 65536, {NULL}, has_attention, NO_ATTENTION},
    {"head_dim", WHOLE, AT(head_dim), 0, 65536, {NULL}},
    {"d_ff", WHOLE, AT(d_ff), 1, MOST, {NULL}},
    {"mlp", WORD, AT(mlp), 0, 0, {"relu", "swiglu", NULL}},
    {"tied", SWITCH, AT(tied), 0, 0, {NULL}},
    {"rope_theta", NUMBER, AT(rope_theta), 1.0001, 1e30, {NULL}, has_rope, "no layer rotates"},
    {"rms_eps", NUMBER, AT(rms_eps), 0, 1, {NULL}},
    {"vocab", WHOLE, AT(vocab), 1, MOST, {NULL}},
    {"max_positions", WHOLE, AT(max_positions), 1, MOST, {NULL}},
    {"init_embed", NUMBER, AT(init_embed), 0, BIG, {NULL}},
    {"init_head", NUMBER, AT(init_head), 0, BIG, {NULL}, has_own_head, "the head is the embedding (tied)"},
    {"init_in", NUMBER, AT(init_in), 0, BIG, {NULL}},
    {"init_out", NUMBER, AT(init_out), 0, BIG, {NULL}},
    {"batch", WHOLE, AT(batch), 1, MOST, {NULL}},
    {"length", WHOLE, AT(length), 2, MOST, {NULL}},
    {"steps", WHOLE, AT(steps), 1, 1e12, {NULL}},
    {"warmup", WHOLE, AT(warmup), 0, 1e12, {NULL}},
    {"schedule", WORD, AT(schedule), 0, 0, {"constant", "cosine", "linear", NULL}},
    {"decay_steps", WHOLE, AT(decay_steps), 0, 1e12, {NULL}, decays, CONSTANT},
    {"lr_end", NUMBER, AT(lr_end), 0, 1, {NULL}, decays, CONSTANT},
    {"clip", NUMBER, AT(clip), 0, BIG, {NULL}},
    {"optimizer", WORD, AT(optimizer), 0, 0, {"muon", "adamw", NULL}},
    {"lr", NUMBER, AT(lr), 0, BIG, {NULL}},
    {"beta1", NUMBER, AT(beta1), 0, 0.99999999, {NULL}},
    {"beta2", NUMBER, AT(beta2), 0, 0.99999999, {NULL}},
    {"adam_eps", NUMBER, AT(adam_eps), 0, 1, {NULL}},
    {"weight_decay", NUMBER, AT(weight_decay), 0, BIG, {NULL}},
    {"muon_lr", NUMBER, AT(muon_lr), 0, BIG, {NULL}, has_muon, NO_MUON},
    {"muon_momentum", NUMBER, AT(muon_momentum), 0, 0.99999999, {NULL}, has_muon, NO_MUON},
    {"seed", WHOLE, AT(seed), 0, 0x1p53 - 1, {NULL}},        /* what is above would be another one in JSON */
    {"model", TEXT, AT(model), 0, 0, {NULL}},
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

/* ---- a field of a config, whatever its type ---- */

static void *place(ns_train_config *c, const field *f)
{
    return (char *)c + f->offset;
}

static double number_of(const ns_train_config *c, const field *f)
{
    const void *const at = (const char *)c + f->offset;
    switch (f->kind) {
    case WHOLE: return (double)*(const int64_t *)at;
    case NUMBER: return *(const double *)at;
    case SWITCH: return *(const bool *)at;
    case WORD: return *(const int *)at;
    case TEXT: break;
    }
    return 0;
}

static const char *text_of(const ns_train_config *c, const field *f)
{
    return f->kind == WORD ? f->words[*(const int *)((const char *)c + f->offset)] : (const char *)c + f->offset;
}

static bool equal(const ns_train_config *a, const ns_train_config *b, const field *f)
{
    return f->kind == TEXT ? strcmp(text_of(a, f), text_of(b, f)) == 0 : number_of(a, f) == number_of(b, f);
}

/* Rows of the table before "vocab": the shape of a pattern, which a given model has in its place. */
static bool is_shape(const field *f)
{
    return f->offset < AT(vocab);
}

/* Letters, or a given model. */
static bool says(const ns_train_config *c, const field *f)
{
    return f->offset == AT(model) ? c->model[0] != '\0' : !(c->model[0] && is_shape(f));
}

/* Under a constant rate the planned end decides nothing: a run may be prolonged. */
static bool decides(const ns_train_config *c, const field *f)
{
    return f->offset != AT(steps) || decays(c);
}

bool ns_train_windowed(const char *pattern)
{
    return strpbrk(pattern, "SH") != NULL;
}

void ns_train_config_default(ns_train_config *c)
{
    *c = (ns_train_config){.size = sizeof *c, .pattern = "SSFS", .window = 4, .d_model = 64, .heads = 4, .d_ff = 128, .mlp = NS_MLP_RELU,
                           .rope_theta = 1e4, .rms_eps = 1e-5, .vocab = 56, .max_positions = 256, .init_embed = 0.3, .init_head = 0.02,
                           .batch = 32, .length = 64, .steps = 600, .warmup = 50, .schedule = NS_LR_CONSTANT, .clip = 1,
                           .optimizer = NS_OPTIMIZER_MUON, .lr = 3e-3, .beta1 = 0.9, .beta2 = 0.98, .adam_eps = 1e-9, .weight_decay = 0.1,
                           .muon_lr = 0.02, .muon_momentum = 0.95};
}

/* ---- reading ---- */

static int read_text(const cJSON *object, const field *f, char *at, const char *label, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(object, f->key, &text, label, err);
    if (rc != NS_OK || !text)
        return rc;
    if (f->offset == AT(model) && !*text)
        return ns_fail(err, NS_E_ARG, "%s: model is empty (leave it out for letters)", label);
    if (strlen(text) > NS_TRAIN_MAX_LAYERS)
        return ns_fail(err, NS_E_ARG, "%s: %s has %zu letters; at most %d layers", label, f->key, strlen(text), NS_TRAIN_MAX_LAYERS);
    strcpy(at, text);
    return NS_OK;
}

static int read_word(const cJSON *object, const field *f, int *at, const char *label, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(object, f->key, &text, label, err);
    if (rc != NS_OK || !text)
        return rc;
    int n = 0;
    for (; f->words[n]; n++)
        if (strcmp(f->words[n], text) == 0) {
            *at = n;
            return NS_OK;
        }
    const char *const near = ns_nearest_word(text, f->words, n);
    return ns_fail(err, NS_E_ARG, "%s: %s '%.40s' is not known (%s, %s%s%s)%s%s%s", label, f->key, text, f->words[0], f->words[1],
                   n > 2 ? ", " : "", n > 2 ? f->words[2] : "", near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int read_field(ns_train_config *c, const cJSON *object, const field *f, const char *label, ns_error *err)
{
    void *const at = place(c, f);
    switch (f->kind) {
    case WHOLE: return ns_json_i64(object, f->key, *(int64_t *)at, at, label, err);
    case NUMBER: return ns_json_f64(object, f->key, *(double *)at, at, label, err);
    case SWITCH: return ns_json_bool(object, f->key, *(bool *)at, at, label, err);
    case TEXT: return read_text(object, f, at, label, err);
    case WORD: return read_word(object, f, at, label, err);
    }
    return NS_OK;
}

/* What would be ignored. The default may stand there all the same: a whole config, as one is written, is a config. */
static int check_applies(const ns_train_config *c, const char *label, ns_error *err)
{
    ns_train_config usual;
    ns_train_config_default(&usual);
    for (int i = 0; i < N_FIELDS; i++)
        if (fields[i].applies && !fields[i].applies(c) && !equal(c, &usual, &fields[i]))
            return ns_fail(err, NS_E_ARG, "%s: %s changes nothing: %s (leave it out)", label, fields[i].key, fields[i].otherwise);
    return NS_OK;
}

static int read_object(ns_train_config *c, const cJSON *object, const char *label, ns_error *err)
{
    if (!cJSON_IsObject(object))
        return ns_fail(err, NS_E_FORMAT, "%s: the config of a run is an object {\"pattern\": \"SSFS\", ...}", label);
    const char *known[N_FIELDS];
    for (int i = 0; i < N_FIELDS; i++)
        known[i] = fields[i].key;
    int rc = ns_json_keys(object, known, N_FIELDS, NS_E_ARG, "the keys of \"train\" are pattern, window, d_model, heads, ...", label, err);
    rc = rc != NS_OK ? rc : ns_json_no_null(object, label, err);
    for (int i = 0; i < N_FIELDS && rc == NS_OK; i++)
        rc = read_field(c, object, &fields[i], label, err);
    if (c->model[0] && !cJSON_HasObjectItem(object, "pattern"))
        c->pattern[0] = '\0';
    return rc != NS_OK ? rc : ns_train_config_check(c, label, err);
}

int ns_train_config_read(ns_train_config *out, const char *json, size_t n, const char *label, ns_error *err)
{
    cJSON *object;
    ns_train_config_default(out);
    int rc = ns_json_parse(&object, json, n, 4, label, err);
    if (rc != NS_OK)
        return rc;
    rc = read_object(out, object, label, err);
    cJSON_Delete(object);
    return rc;
}

int ns_train_config_from_json(ns_train_config *out, const char *json, size_t n, const char *label, ns_error *err)
{
    const int rc = ns_train_config_read(out, json, n, label, err);
    if (rc == NS_OK && out->model[0])
        return ns_fail(err, NS_E_ARG, "%s: model is not a key of \"train\": a run names it beside", label);
    return rc != NS_OK ? rc : check_applies(out, label, err);
}

/* ---- checks ---- */

static int check_ranges(const ns_train_config *c, const char *label, ns_error *err)
{
    for (int i = 0; i < N_FIELDS; i++) {
        const field *const f = &fields[i];
        const double x = number_of(c, f);
        if ((f->kind == WHOLE || f->kind == NUMBER) && !(x >= f->low && x <= f->high))
            return ns_fail(err, NS_E_ARG, "%s: %s is %.15g, outside %.15g to %.15g", label, f->key, x, f->low, f->high);
        if (f->kind == NUMBER && !ns_is_single(x))
            return ns_fail(err, NS_E_ARG, "%s: %s is %g: so near to 0, no number of 32 bits is it (take 0, or a larger one)", label,
                           f->key, x);
    }
    return NS_OK;
}

static int check_layers(const ns_train_config *c, const char *label, ns_error *err)
{
    const size_t L = strlen(c->pattern);
    if (c->model[0])
        return L == 0 ? NS_OK : ns_fail(err, NS_E_ARG, "%s: a pattern '%s' beside a given model", label, c->pattern);
    size_t known = 0;
    while (known < L && (strchr(NS_TRAIN_ATTENTION, c->pattern[known]) || ns_train_recurrent(c->pattern[known])))
        known++;
    if (L == 0 || known < L)
        return ns_fail(err, NS_E_ARG, "%s: pattern '%s' must be letters S (window), s (window 4), F (full), H (half of the heads full), "
                       "%s, one a layer", label, c->pattern, ns_train_recurrent_letters);
    if (c->nope_layers[0] && (strlen(c->nope_layers) != L || strspn(c->nope_layers, "01") != L))
        return ns_fail(err, NS_E_ARG, "%s: nope_layers '%s' must be %zu digits 0 or 1, one for each layer of '%s'", label, c->nope_layers,
                       L, c->pattern);
    return NS_OK;
}

static int check_heads(const ns_train_config *c, const char *label, ns_error *err)
{
    const long long D = c->d_model, H = c->heads, G = ns_train_kv_heads(c), d = ns_train_head_dim(c);
    if (!c->head_dim && D % H)
        return ns_fail(err, NS_E_ARG, "%s: d_model %lld does not divide into %lld heads (choose another number, or give head_dim)", label,
                       D, H);
    if (H % G)
        return ns_fail(err, NS_E_ARG, "%s: %lld heads do not divide over %lld kv_heads", label, H, G);
    if (d % 2)
        return ns_fail(err, NS_E_ARG, "%s: head_dim %lld is odd: rope rotates pairs", label, d);
    return NS_OK;
}

int ns_train_config_check(const ns_train_config *c, const char *label, ns_error *err)
{
    if (c->size != sizeof *c)
        return ns_fail(err, NS_E_ARG, "%s: its size is %zu, not %zu: begin with ns_train_config_default", label, c->size, sizeof *c);
    int rc = check_ranges(c, label, err);
    rc = rc != NS_OK ? rc : check_layers(c, label, err);
    rc = rc != NS_OK || c->model[0] ? rc : check_heads(c, label, err);
    if (rc == NS_OK && c->length > c->max_positions)
        return ns_fail(err, NS_E_ARG, "%s: length %lld is longer than max_positions %lld", label, (long long)c->length,
                       (long long)c->max_positions);
    if (rc == NS_OK && c->schedule != NS_LR_CONSTANT && c->decay_steps > c->steps)
        return ns_fail(err, NS_E_ARG, "%s: decay_steps %lld are more than the %lld steps", label, (long long)c->decay_steps,
                       (long long)c->steps);
    return rc;
}

/* ---- a given model ---- */

int ns_train_config_give(ns_train_config *c, const ns_train_model *m, const char *label, ns_error *err)
{
    ns_train_config usual;
    const int64_t positions = ns_train_model_positions(m);
    ns_train_config_default(&usual);
    for (int i = 0; i < N_FIELDS; i++) {
        const field *const f = &fields[i];
        const bool begins = strncmp(f->key, "init_", 5) == 0 && m->of.checkpoint;
        const bool agrees = f->offset == AT(max_positions) && c->max_positions == positions;
        if ((is_shape(f) || f->offset == AT(vocab) || f->offset == AT(max_positions) || begins) && !agrees && !equal(c, &usual, f))
            return ns_fail(err, NS_E_ARG, "%s: %s changes nothing: %s says what the model is (leave it out)", label, f->key, m->of.path);
    }
    c->pattern[0] = '\0';
    memcpy(c->model, m->of.sha256, sizeof c->model);
    c->vocab = m->of.arch->vocab;
    c->max_positions = positions;
    return ns_train_config_check(c, label, err);
}

/* ---- writing ---- */

static bool add_field(cJSON *object, const ns_train_config *c, const field *f)
{
    if (f->kind == TEXT || f->kind == WORD)
        return cJSON_AddStringToObject(object, f->key, text_of(c, f)) != NULL;
    if (f->kind == SWITCH)
        return cJSON_AddBoolToObject(object, f->key, number_of(c, f) != 0) != NULL;
    return cJSON_AddNumberToObject(object, f->key, number_of(c, f)) != NULL;
}

static int print(const ns_train_config *c, bool deciding, bool pretty, char **out, ns_error *err)
{
    cJSON *const object = cJSON_CreateObject();
    bool ok = object != NULL;
    for (int i = 0; i < N_FIELDS && ok; i++)
        if (says(c, &fields[i]) && (!deciding || decides(c, &fields[i])))
            ok = add_field(object, c, &fields[i]);
    *out = ok ? ns_json_print(object, pretty) : NULL;
    cJSON_Delete(object);
    return *out ? NS_OK : ns_oom(err, "the config of a run");
}

int ns_train_config_to_json(const ns_train_config *c, char **out, ns_error *err)
{
    return print(c, false, true, out, err);
}

int ns_train_config_sha256(const ns_train_config *c, char hex[65], ns_error *err)
{
    char *text;
    const int rc = print(c, true, false, &text, err);
    if (rc != NS_OK)
        return rc;
    ns_sha256_of(text, strlen(text), hex);
    free(text);
    return NS_OK;
}

int ns_train_config_same(const ns_train_config *saved, const ns_train_config *wanted, const char *label, ns_error *err)
{
    for (int i = 0; i < N_FIELDS; i++) {
        const field *const f = &fields[i];
        if (!decides(wanted, f) || equal(saved, wanted, f) || (f->offset != AT(model) && !says(wanted, f)))
            continue;
        if (f->kind == TEXT || f->kind == WORD)
            return ns_fail(err, NS_E_ARG,
                           "%s: trained with %s '%s', the config now says '%s': resume with the saved config, or start a new folder", label,
                           f->key, text_of(saved, f), text_of(wanted, f));
        return ns_fail(err, NS_E_ARG,
                       "%s: trained with %s %.15g, the config now says %.15g: resume with the saved config, or start a new folder", label,
                       f->key, number_of(saved, f), number_of(wanted, f));
    }
    return NS_OK;
}
