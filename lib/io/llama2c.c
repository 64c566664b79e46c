/* llama2c.c - the reader of llama2.c's files (https://github.com/karpathy/llama2.c): a header of seven numbers, then f32 weights.
 *
 * Version 0 has no magic number, so every number must make sense and the file must have the very size that they give; version 1 begins with
 * "ak42". The rows of q and k lie as the pairs that rotate together. Version 2 (int8) is not read. Its tokenizer is a file beside it. */
#include "io/llama2c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLD_HEADER = 28, NEW_HEADER = 256, MOST = 1 << 20, MOST_LAYERS = 4096, NAME = 80 };
static const uint8_t magic[] = {0x32, 0x34, 0x6b, 0x61};

/* What the header says: D, F, L, H, G, V, T. */
typedef struct shape {
    int64_t d_model, d_ff, layers, heads, kv_heads, vocab, positions;
    int64_t version;
    bool    shared;                    /* the head is the embedding */
} shape;

/* ---- which weights, in which order ---- */

typedef enum part { EMBED, ATTN_NORM, Q, K, V, O, FFN_NORM, GATE, DOWN, UP, NORM, ANGLES, HEAD, N_PARTS } part;

/* Rows and columns by a letter of what they are: D, K (of all key heads), F, V (of the vocabulary); '1': a vector. */
static const struct { const char *name; char rows, cols; bool in_layer; } parts[N_PARTS] = {
    [EMBED] = {"model.embed_tokens", 'V', 'D', false},          [ATTN_NORM] = {"input_layernorm", 'D', '1', true},
    [Q] = {"self_attn.q_proj", 'D', 'D', true},                 [K] = {"self_attn.k_proj", 'K', 'D', true},
    [V] = {"self_attn.v_proj", 'K', 'D', true},                 [O] = {"self_attn.o_proj", 'D', 'D', true},
    [FFN_NORM] = {"post_attention_layernorm", 'D', '1', true},  [GATE] = {"mlp.gate_proj", 'F', 'D', true},
    [DOWN] = {"mlp.down_proj", 'D', 'F', true},                 [UP] = {"mlp.up_proj", 'F', 'D', true},
    [NORM] = {"model.norm", 'D', '1', false},                   [ANGLES] = {NULL, 'T', 'R', false},
    [HEAD] = {"lm_head", 'V', 'D', false},
};
static const part orders[2][N_PARTS] = {
    {EMBED, ATTN_NORM, Q, K, V, O, FFN_NORM, GATE, DOWN, UP, NORM, ANGLES, HEAD},
    {ATTN_NORM, FFN_NORM, NORM, EMBED, Q, K, V, O, GATE, DOWN, UP, HEAD, N_PARTS},
};

static int64_t size_of(const shape *s, char letter)
{
    switch (letter) {
    case 'D': return s->d_model;
    case 'K': return s->d_model / s->heads * s->kv_heads;
    case 'F': return s->d_ff;
    case 'V': return s->vocab;
    case 'T': return s->positions;
    case 'R': return s->d_model / s->heads;      /* cosines and sines of half a head */
    default: return 1;
    }
}

static bool has_part(const shape *s, part p)
{
    return p < N_PARTS && !(p == HEAD && s->shared);
}

static int64_t file_size(const shape *s)
{
    int64_t n = 0;
    for (int i = 0; i < N_PARTS; i++) {
        const part p = orders[s->version][i];
        if (has_part(s, p))
            n += size_of(s, parts[p].rows) * size_of(s, parts[p].cols) * (parts[p].in_layer ? s->layers : 1);
    }
    return 4 * n + (s->version ? NEW_HEADER : OLD_HEADER);
}

/* ---- the header ---- */

static bool is_new(const uint8_t *bytes, size_t n)
{
    return n >= NEW_HEADER && memcmp(bytes, magic, sizeof magic) == 0;
}

/* false: these seven numbers are of no model, or the magic number is said to be of version 0, which has none. A vocabulary below 0 says in
 * version 0 that the head is a matrix of its own. */
static bool read_shape(const uint8_t *bytes, size_t n, shape *out)
{
    int32_t v[7], version = 0;
    const bool new = is_new(bytes, n);
    if (n < OLD_HEADER)
        return false;
    memcpy(v, bytes + (new ? 8 : 0), sizeof v);
    if (new)
        memcpy(&version, bytes + 4, sizeof version);
    const bool shared = new ? bytes[36] != 0 : v[5] > 0;
    v[5] = v[5] < 0 && v[5] >= -MOST && !new ? -v[5] : v[5];
    for (int i = 0; i < 7; i++)
        if (v[i] < 1 || v[i] > (i == 2 ? MOST_LAYERS : MOST))
            return false;
    *out = (shape){v[0], v[1], v[2], v[3], v[4], v[5], v[6], version, shared};
    return (version || !new) && v[0] % (2 * v[3]) == 0 && v[3] % v[4] == 0;
}

static bool probe(const ns_lead *lead)
{
    shape s;
    return is_new(lead->bytes, lead->n) ||
           (read_shape(lead->bytes, lead->n, &s) && lead->size / 4 / (size_t)s.d_model >= (size_t)s.vocab);
}

static int check(const shape *s, const ns_weight_file *file, ns_error *err)
{
    const int64_t want = s->version == 0 || s->version == 1 ? file_size(s) : 0;
    if (!want)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: a llama2.c file of version %lld%s (export it with --version 0 or 1)", file->path,
                       (long long)s->version, s->version == 2 ? ", whose weights are int8" : "");
    if (want == file->in.size)
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT, "%s: has %lld bytes, where a llama2.c file of %lld layers, %lld dimensions and %lld tokens, as its "
                   "first bytes say, has %lld (copy it again, or it is no such file)", file->path, (long long)file->in.size,
                   (long long)s->layers, (long long)s->d_model, (long long)s->vocab, (long long)want);
}

/* ---- tensors ---- */

typedef struct laying { const shape *s; ns_checkpoint *ck; ns_weight_file *file; char *names; int64_t at; } laying;

static void add_tensor(laying *l, part p, int64_t layer)
{
    const int64_t sizes[2] = {size_of(l->s, parts[p].rows), size_of(l->s, parts[p].cols)};
    const int rank = parts[p].cols == '1' ? 1 : 2;
    ns_tensor *const t = &l->ck->tensors[l->ck->n_tensors++];
    if (parts[p].in_layer)
        snprintf(l->names, NAME, "model.layers.%lld.%s.weight", (long long)layer, parts[p].name);
    else
        snprintf(l->names, NAME, "%s.weight", parts[p].name);
    *t = (ns_tensor){.name = l->names, .file = l->file->path, .n_bytes = 4 * sizes[0] * sizes[1], .from = l->file, .at = l->at,
                     .view = ns_view_of(NULL, NS_F32, rank, sizes),
                     .coded = p == Q ? &l->file->coded[0] : p == K ? &l->file->coded[1] : NULL};
    l->names += strlen(l->names) + 1;
    l->at += t->n_bytes;
}

static int add_tensors(ns_checkpoint *ck, ns_weight_file *file, const shape *s, ns_error *err)
{
    const int64_t most = N_PARTS * s->layers;
    file->names = ns_alloc_array((size_t)most, NAME);
    file->coded = ns_alloc_array(2, sizeof *file->coded);
    if (!file->names || !file->coded)
        return ns_oom(err, file->path);
    file->coded[0] = (ns_coded){.block = ns_block_of_type(0), .heads = s->heads};
    file->coded[1] = (ns_coded){.block = ns_block_of_type(0), .heads = s->kv_heads};
    const int rc = ns_checkpoint_reserve(ck, most, err);
    laying l = {s, ck, file, file->names, (int64_t)file->header_bytes};
    for (int i = 0; i < N_PARTS && rc == NS_OK; i++) {
        const part p = orders[s->version][i];
        for (int64_t layer = 0; has_part(s, p) && parts[p].name && layer < (parts[p].in_layer ? s->layers : 1); layer++)
            add_tensor(&l, p, layer);
        if (has_part(s, p) && !parts[p].name)
            l.at += 4 * size_of(s, parts[p].rows) * size_of(s, parts[p].cols);
    }
    return rc;
}

static int open_file(ns_checkpoint *ck, ns_weight_file *file, ns_error *err)
{
    shape s;
    const size_t n = file->in.size < NEW_HEADER ? (size_t)file->in.size : NEW_HEADER;
    file->header = malloc(n + 1);
    int rc = file->header ? ns_input_read(&file->in, 0, file->header, n, file->path, err) : ns_oom(err, file->path);
    if (rc == NS_OK && !read_shape(file->header, n, &s))
        rc = ns_fail(err, NS_E_FORMAT, "%s: its first bytes are no header of a llama2.c file", file->path);
    file->header_bytes = rc == NS_OK && is_new(file->header, n) ? NEW_HEADER : OLD_HEADER;
    rc = rc != NS_OK ? rc : check(&s, file, err);
    return rc != NS_OK ? rc : add_tensors(ck, file, &s, err);
}

/* ---- what else is known ---- */

/* tokV.bin of a vocabulary of its own, else tokenizer.bin; a tokenizer.json stands before them. */
static int find_tokenizer(ns_checkpoint *ck, const char *dir, int64_t vocab, ns_error *err)
{
    char own[32];
    snprintf(own, sizeof own, "tok%lld.bin", (long long)vocab);
    const char *const names[] = {"tokenizer.json", own, "tokenizer.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const path = ns_path_join(dir, names[i]);
        if (!path)
            return ns_oom(err, dir);
        const bool there = ns_path_exists(path);
        if (there && i > 0)
            ck->tokenizer = path;
        else
            free(path);
        if (there)
            return NS_OK;
    }
    return NS_OK;
}

static int finish(ns_checkpoint *ck, ns_error *err)
{
    shape s;
    const char *const path = ck->files[0].path;
    const char *const base = ns_path_base(path);
    if (ck->n_files > 1)
        return ns_fail(err, NS_E_FORMAT, "%s: a llama2.c file is a model by itself", ck->files[1].path);
    (void)read_shape(ck->files[0].header, ck->files[0].header_bytes, &s);
    ck->config = ns_strdup(path);
    ck->config_text = ns_printf_alloc(
        "{\"model_type\": \"llama\", \"hidden_size\": %lld, \"intermediate_size\": %lld, \"num_hidden_layers\": %lld, "
        "\"num_attention_heads\": %lld, \"num_key_value_heads\": %lld, \"vocab_size\": %lld, \"max_position_embeddings\": %lld, "
        "\"tie_word_embeddings\": %s, \"rms_norm_eps\": 1e-05, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", \"bos_token_id\": 1, "
        "\"eos_token_id\": 2}",
        (long long)s.d_model, (long long)s.d_ff, (long long)s.layers, (long long)s.heads, (long long)s.kv_heads, (long long)s.vocab,
        (long long)s.positions, s.shared ? "true" : "false");
    char *const dir = ns_printf_alloc("%.*s", base > path ? (int)(base - path) : 1, base > path ? path : ".");
    const int rc = ck->config && ck->config_text && dir ? find_tokenizer(ck, dir, s.vocab, err) : ns_oom(err, path);
    free(dir);
    return rc;
}

/* No name is its own: *.bin is torch.save's, and the bytes decide. */
static const char *const globs[] = {NULL};
const ns_reader ns_llama2c_reader = {
    .name = "llama2c", .globs = globs, .probe = probe, .open = open_file, .finish = finish,
    .probe_tokenizer = ns_llama2c_is_tokenizer, .tokenize = ns_llama2c_tokenize,
};
