/* gguf_arch.h - inside the reader of GGUF files: an architecture of llama.cpp's as a model of transformers. */
#ifndef NS_GGUF_ARCH_H
#define NS_GGUF_ARCH_H

#include "io/gguf.h"

struct gguf_describer;

/* A tensor's name without its suffix (.weight, .bias) and layer, and how its numbers lie: paired only where the architecture is. BARE: as
 * they are, but transformers writes no .weight, and _bias. ONE_ROW: of a matrix, which may have lost its axis of 1. EACH_EXPERT: of all
 * experts, each of which transformers has by itself, its number in the place of {}. */
typedef struct gguf_name {
    const char *from, *to;
    enum { AS_IT_IS, PAIRED_Q, PAIRED_K, TURNED, BARE, ONE_ROW, EACH_EXPERT } how;
} gguf_name;

typedef struct gguf_arch {
    const char      *name, *type, *layers;         /* general.architecture, model_type; what stands before the number of a layer */
    const gguf_name *trunk, *layer;
    bool             paired, one_more, biases, gpt2;       /* one_more: norms are stored as 1 + w; biases: a key of the config says so */
    bool             untruncated;                  /* YaRN's corners are not rounded */
    int            (*more)(struct gguf_describer *);      /* keys of its own, or NULL */
} gguf_arch;

typedef struct gguf_describer {
    ns_checkpoint   *ck;
    const ns_gguf   *g;
    const gguf_arch *arch;
    cJSON           *config;
    bool            *used;                         /* [values] of the file that are in the config */
    int64_t          heads, kv_heads, head_dim, width, layers, first, n;
    bool             no_config;
} gguf_describer;

/* Fills config. NS_E_UNSUPPORTED: the model has what the config cannot say. */
int ns_gguf_config(gguf_describer *);
/* A number ARCH.key, under `name`; otherwise: where it is absent (NAN: then it is not put there). */
int ns_gguf_put(gguf_describer *, const char *key, const char *name, double otherwise);

/* Is there such a key or tensor? A flag of the config. */
const ns_gguf_value *ns_gguf_use(gguf_describer *, const char *key);
const ns_tensor *ns_gguf_weight(const gguf_describer *, const char *name);
int ns_gguf_flag(gguf_describer *, const char *name, bool value);
int ns_gguf_unsupported(const gguf_describer *, const char *what);

int ns_gguf_mixtral(gguf_describer *);
int ns_gguf_qwen2_moe(gguf_describer *);
int ns_gguf_qwen3_moe(gguf_describer *);
int ns_gguf_olmoe(gguf_describer *);
int ns_gguf_granite_moe(gguf_describer *);
int ns_gguf_gpt_oss(gguf_describer *);
int ns_gguf_granite(gguf_describer *);
int ns_gguf_gemma2(gguf_describer *);
int ns_gguf_gemma3(gguf_describer *);
int ns_gguf_phi3(gguf_describer *);

#endif
