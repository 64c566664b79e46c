/* fuzz_model.c - the input as a description (--arch) of a tiny llama's weights: what is accepted is loaded and run over six tokens. */
#include "fuzz.h"

#include "core/core.h"
#include <needlescope/model.h>

enum { D = 8, H = 2, V = 8, LAYERS = 2, ROOM = 1 << 16 };

typedef struct slot { const char *name; int rows, cols; } slot;
static const slot of_layer[] = {
    {"input_layernorm.weight", D, 0},      {"self_attn.q_proj.weight", D, D}, {"self_attn.k_proj.weight", D / H, D},
    {"self_attn.v_proj.weight", D / H, D}, {"self_attn.o_proj.weight", D, D}, {"post_attention_layernorm.weight", D, 0},
    {"mlp.gate_proj.weight", D, D},        {"mlp.up_proj.weight", D, D},      {"mlp.down_proj.weight", D, D},
};
static const slot of_model[] = {{"model.embed_tokens.weight", V, D}, {"model.norm.weight", D, 0}, {"lm_head.weight", V, D}};

typedef struct weights {
    char header[ROOM];
    float data[ROOM / 8];
    size_t n_header, n_data;
} weights;

static void add(weights *w, const char *prefix, const char *name, int rows, int cols)
{
    const size_t count = (size_t)rows * (size_t)(cols ? cols : 1), begin = w->n_data * sizeof *w->data;
    char shape[32];
    snprintf(shape, sizeof shape, cols ? "%d,%d" : "%d", rows, cols);
    w->n_header += (size_t)snprintf(w->header + w->n_header, ROOM - w->n_header,
                                    "%c\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", w->n_data ? ',' : '{',
                                    prefix, name, shape, begin, begin + count * sizeof *w->data);
    ns_rng rng = ns_rng_seed(1, begin);
    for (size_t i = 0; i < count; i++)
        w->data[w->n_data++] = cols ? 0.3f * (float)ns_rng_normal(&rng) : 1;
}

/* The whole file: length, header, data. */
static void put_checkpoint(const char *path)
{
    static weights w;
    static uint8_t file[sizeof w];
    for (size_t i = 0; i < sizeof of_model / sizeof *of_model; i++)
        add(&w, "", of_model[i].name, of_model[i].rows, of_model[i].cols);
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "model.layers.%d.", l);
            add(&w, prefix, of_layer[i].name, of_layer[i].rows, of_layer[i].cols);
        }
    w.header[w.n_header++] = '}';
    while (w.n_header % 8)
        w.header[w.n_header++] = ' ';
    const uint64_t length = w.n_header;
    memcpy(file, &length, 8);
    memcpy(file + 8, w.header, w.n_header);
    memcpy(file + 8 + w.n_header, w.data, w.n_data * sizeof *w.data);
    fuzz_put(path, file, 8 + w.n_header + w.n_data * sizeof *w.data);
}

static ns_checkpoint *checkpoint;
static ns_engine *engine;

static void make(void)
{
    const ns_engine_params params = {.size = sizeof params, .threads = 1};
    ns_error err = {""};
    put_checkpoint(FUZZ_ROOT "tiny.safetensors");
    fuzz_check(ns_checkpoint_open(&checkpoint, FUZZ_ROOT "tiny.safetensors", NULL, &err) == NS_OK, err.message);
    fuzz_check(ns_engine_new(&engine, &params, &err) == NS_OK, err.message);
}

static void run(const ns_model *m)
{
    static const int32_t tokens[] = {1, 2, 3, 1, 2, 3};
    ns_session *s = NULL;
    ns_error err = {""};
    int rc = ns_session_new(&s, m, NULL, &err);
    fuzz_check_outcome(rc, s, &err);
    rc = s ? ns_session_append(s, tokens, 6, &err) : rc;
    rc = rc == NS_OK ? ns_forward(m, &s, 1, NULL, NULL, &err) : rc;
    fuzz_check(rc <= 0 && rc != NS_E_INTERNAL && (rc == NS_OK || *err.message), "a pass ends with logits or with a reason");
    for (int64_t i = 0; rc == NS_OK && i < ns_model_arch(m)->vocab; i++)
        fuzz_check(ns_session_logits(s)[i] - ns_session_logits(s)[i] == 0, "logits are finite");
    ns_session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const ns_model_params params = {.size = sizeof params, .memory = 1 << 26};
    ns_arch *a = NULL;
    ns_model *m = NULL;
    ns_error err = {""};
    if (!engine)
        make();
    int rc = ns_arch_from_json(&a, (const char *)data, n, "a.json", NULL, &err);
    fuzz_check_outcome(rc, a, &err);
    if (a && a->n_layers <= 8) {
        rc = ns_model_load(&m, engine, checkpoint, a, &params, &err);
        fuzz_check_outcome(rc, m, &err);
    }
    if (m)
        run(m);
    ns_model_free(m);
    ns_arch_free(a);
    return 0;
}
