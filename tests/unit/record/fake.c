/* fake.c - a pass without a model. */
#include "fake.h"
#include "hook/hook.h"
#include "core/core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ns_arch *arch_of(const char *json)
{
    ns_arch *arch;
    ns_error err;
    if (ns_arch_from_config(&arch, json, strlen(json), "fake config", NULL, &err) == NS_OK)
        return arch;
    fprintf(stderr, "%s\n", err.message);
    abort();
}

ns_arch *fake_arch(void)
{
    return arch_of(
        "{\"model_type\":\"gemma3_text\",\"hidden_size\":24,\"num_hidden_layers\":4,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"head_dim\":8,\"intermediate_size\":40,\"vocab_size\":50,\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-6,"
        "\"sliding_window\":37,\"layer_types\":[\"sliding_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\"],"
        "\"hidden_activation\":\"gelu_pytorch_tanh\",\"query_pre_attn_scalar\":8}");
}

ns_arch *fake_arch_of(int layers, int heads)
{
    char json[600];
    snprintf(json, sizeof json,
             "{\"model_type\":\"llama\",\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
             "\"intermediate_size\":64,\"vocab_size\":50,\"max_position_embeddings\":65536,\"rms_norm_eps\":1e-6,\"hidden_act\":\"silu\"}",
             8 * heads, layers, heads, heads);
    return arch_of(json);
}

ns_arch *fake_hybrid(void)
{
    return arch_of(
        "{\"model_type\":\"qwen3_next\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
        "\"num_hidden_layers\":4,\"intermediate_size\":24,\"vocab_size\":32,\"num_experts\":0,\"linear_num_value_heads\":6,"
        "\"linear_num_key_heads\":2,\"linear_key_head_dim\":5,\"linear_value_head_dim\":4}");
}

void fake_cases(ns_cases *cases, const int64_t *lengths, int64_t n)
{
    *cases = (ns_cases){ns_alloc_array((size_t)n, sizeof *cases->list), n, n};
    for (int64_t i = 0; i < n; i++) {
        ns_case *const c = &cases->list[i];
        c->id = ns_printf_alloc("case \xce\xb1 %d", (int)i);
        c->n_tokens = lengths[i];
        c->tokens = ns_alloc_array((size_t)lengths[i], sizeof *c->tokens);
        for (int64_t t = 0; t < lengths[i]; t++)
            c->tokens[t] = (int32_t)((7 * t + i) % 13);
        c->n_answer = 2;
        c->answer = ns_alloc_array(2, sizeof *c->answer);
        c->answer[0] = 11;
        c->answer[1] = 12;
        ns_error err;
        if (ns_case_set_span(c, "needle", lengths[i] / 4, lengths[i] / 4 + 3, &err) < 0)
            abort();
    }
}

int fake_weight(const ns_attn *attn, int64_t c, int64_t layer, int64_t head, int64_t q, int64_t k)
{
    const int64_t window = ns_attn_window(attn, head);
    if (k > q || (window && k <= q - window))
        return 0;
    return (int)((q * 31 + k * (17 + head) + head * 7 + layer * 3 + c * 5) % 23) + (k == 0 ? 40 : 0);
}

float fake_value(int point, int64_t c, int64_t layer, int64_t row, int64_t i)
{
    return (float)(((int64_t)strlen(ns_point_name(point)) * 101 + c * 37 + layer * 13 + row * 7 + i * 3) % 97 - 48) / 8;
}

static void pattern(const ns_site *s, float *out, int64_t n_keys)
{
    for (int64_t h = 0; h < s->n_heads; h++)
        for (int64_t r = 0; r < s->n_rows; r++) {
            float *const row = out + (h * s->n_rows + r) * n_keys;
            int sum = 0;
            for (int64_t k = 0; k < n_keys; k++)
                sum += fake_weight(s->attn, s->case_index, s->layer, h, s->row0 + r, s->key0 + k);
            for (int64_t k = 0; k < n_keys; k++) {
                const int w = fake_weight(s->attn, s->case_index, s->layer, h, s->row0 + r, s->key0 + k);
                const bool masked =
                    s->key0 + k > s->row0 + r || (ns_attn_window(s->attn, h) && s->key0 + k <= s->row0 + r - ns_attn_window(s->attn, h));
                row[k] = s->point == NS_POINT_PATTERN ? (float)w / (float)sum : masked ? -INFINITY : (float)w / 4;
            }
        }
}

static int64_t axis(const ns_arch *a, const ns_attn *attn, int64_t layer, const char *name, size_t n)
{
    const struct {
        const char *name;
        int64_t length;
    } axes[] = {
        {"head", attn ? attn->n_heads : 0},
        {"kv_head", attn ? attn->n_kv_heads : 0},
        {"d_head", attn ? attn->head_dim : 0},
        {"d_model", a->d_model},
        {"d_ff", layer >= 0 ? ns_arch_ffn(a, layer)->d_ff : 0},
        {"d_vocab", a->vocab},
    };
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        if (strlen(axes[i].name) == n && !strncmp(axes[i].name, name, n))
            return axes[i].length;
    return 0;
}

static ns_view make_view(const ns_arch *a, ns_site *s)
{
    int64_t shape[NS_MAX_RANK] = {s->n_rows}, n = s->n_rows;
    int rank = 1;
    if (s->point == NS_POINT_PATTERN || s->point == NS_POINT_SCORES) {
        const int64_t window = ns_attn_window(s->attn, 0), first = window ? s->row0 - window + 1 : 0;
        s->key0 = first > 0 ? first / 32 * 32 : 0;
        s->n_keys = (s->row0 + s->n_rows + 31) / 32 * 32 - s->key0; /* padded, as the real pass may */
        const int64_t map[3] = {s->n_heads, s->n_rows, s->n_keys};
        float *const data = ns_alloc_array((size_t)(map[0] * map[1] * map[2]), sizeof *data);
        pattern(s, data, s->n_keys);
        return ns_view_of(data, NS_F32, 3, map);
    }
    for (const char *x = ns_point_axes(s->point) + 3; *x;) {
        x += strspn(x, " ");
        const size_t length = strcspn(x, " ");
        shape[rank] = axis(a, s->attn, s->layer, x, length);
        n *= shape[rank++];
        x += length;
    }
    float *const data = ns_alloc_array((size_t)n, sizeof *data);
    for (int64_t i = 0; i < n; i++)
        data[i] = fake_value(s->point, s->case_index, s->layer, s->row0 + i / (n / s->n_rows), i % (n / s->n_rows));
    return ns_view_of(data, NS_F32, rank, shape);
}

static int serve(const ns_arch *a, const ns_hook *hook, ns_site site, int64_t total, int64_t band, ns_error *err)
{
    ns_runs runs;
    int rc = ns_rows_resolve(&hook->rows, site.c, total, &runs) ? NS_OK : NS_E_MEMORY;
    for (int64_t i = 0; i < runs.n && rc == NS_OK; i++)
        for (int64_t row = runs.list[i].begin; row < runs.list[i].end && rc == NS_OK; row += site.n_rows) {
            const int64_t end = (row / band + 1) * band;
            site.row0 = row;
            site.n_rows = (end < runs.list[i].end ? end : runs.list[i].end) - row;
            ns_view view = make_view(a, &site);
            rc = hook->read(hook->user, &site, &view, err);
            free(view.data);
        }
    free(runs.list);
    return rc;
}

int fake_pass(const ns_arch *a, const ns_cases *cases, const ns_hooks *hooks, int64_t band, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t step = 0; step < a->n_layers + 2 && rc == NS_OK; step++)
        for (int64_t c = 0; c < cases->n; c++)
            for (int p = 0; p < NS_N_POINTS && rc == NS_OK; p++) {
                /* embed points first, then the layers, then the final points */
                const int64_t layer = step == 0 || step == a->n_layers + 1 ? -1 : step - 1;
                if (layer < 0 && (p >= NS_POINT_LN_FINAL) != (step > 0))
                    continue;
                int n;
                const int *const at = ns_hooks_at(hooks, p, layer, &n);
                const ns_attn *const attn = layer >= 0 ? ns_arch_attn(a, layer) : NULL;
                const ns_site site = {.size = sizeof site,
                                      .point = p,
                                      .layer = layer,
                                      .case_index = c,
                                      .c = &cases->list[c],
                                      .attn = attn,
                                      .n_heads = attn ? attn->n_heads : 0,
                                      .n_kv_heads = attn ? attn->n_kv_heads : 0};
                for (int i = 0; i < n && rc == NS_OK; i++)
                    rc = serve(a, &hooks->list[at[i]], site, cases->list[c].n_tokens + cases->list[c].n_answer - 1, band, err);
            }
    return rc;
}
