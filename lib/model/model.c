/* model.c - an immutable model: arch + packed weights, kept whole or streamed layer by layer when --memory is smaller. */
#include <needlescope/machine.h>

#include "model/internal.h"

#include <stdlib.h>

static int64_t half_of_memory(void)
{
    ns_machine machine;
    ns_machine_find(&machine, NULL);
    return machine.memory / 2;
}

static int64_t all_weight_bytes(const ns_arch *arch, const ns_checkpoint *c)
{
    int64_t bytes = ns_weights_head_size(arch, c).bytes;
    for (int64_t l = 0; l < arch->n_layers; l++)
        bytes += ns_weights_layer_size(arch, c, l).bytes;
    return bytes;
}

/* What is packed at a time of a model that is streamed. */
static int64_t largest_part(const ns_arch *arch, const ns_checkpoint *c)
{
    int64_t largest = ns_weights_head_size(arch, c).bytes;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const int64_t bytes = ns_weights_layer_size(arch, c, l).bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

/* What the weights leave of the memory; a quarter of it where they leave less. */
static int64_t room_beside(int64_t memory, int64_t weights)
{
    return memory - weights > memory / 4 ? memory - weights : memory / 4;
}

static int load_kept(ns_model *m, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t l = 0; l < m->arch->n_layers && rc == NS_OK; l++)
        rc = m->cancelled && m->cancelled(m->user) ? NS_STOP : ns_weights_layer(m, l, &m->layers[l], err);
    rc = rc == NS_OK && m->cancelled && m->cancelled(m->user) ? NS_STOP : rc;
    return rc != NS_OK ? rc : ns_weights_head(m, &m->head, err);
}

static int load(ns_model *m, const ns_model_params *params, ns_error *err)
{
    const ns_arch *arch = m->arch;
    const char *const tokenizer = params && params->tokenizer ? params->tokenizer : ns_checkpoint_tokenizer_path(m->checkpoint);
    int rc = ns_arch_check(arch, m->checkpoint, err);
    if (rc != NS_OK)
        return rc;
    m->name = ns_strdup(params && params->name ? params->name : ns_path_base(ns_checkpoint_dir(m->checkpoint)));
    if (!m->name || !ns_copy_text(&m->tokenizer, tokenizer) || !ns_copy_text(&m->arch_path, params ? params->arch_path : NULL) ||
        !ns_copy_text(&m->names_path, params ? params->names_path : NULL))
        return ns_oom(err, "model");
    m->weight_bytes = all_weight_bytes(arch, m->checkpoint);
    m->memory = params && params->memory > 0 ? params->memory : half_of_memory();
    m->streamed = m->weight_bytes > m->memory;
    const int64_t largest = largest_part(arch, m->checkpoint);
    m->room = m->streamed ? room_beside(m->memory, largest) : m->memory - m->weight_bytes;
    ns_advise_plan(m, largest);
    m->layers = ns_alloc_array((size_t)arch->n_layers, sizeof *m->layers);
    if (!m->layers)
        return ns_oom(err, "layers");
    if (params && params->hash)
        rc = ns_weights_hash(m, m->sha256, err);
    if (rc == NS_OK)
        rc = ns_weights_vector(m, &arch->final_norm.weight, &m->final.gain, err);
    if (rc == NS_OK)
        rc = ns_weights_vector(m, &arch->final_norm.bias, &m->final.bias, err);
    if (rc == NS_OK && !m->streamed)
        rc = load_kept(m, err);
    return rc;
}

/* Of the kind that says so, and does no harm, when a hook that forked comes back in the child to a pass whose lock was made anew. */
static void init_lock(void *user)
{
    ns_model *const m = user;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m->lock, &kind);
    pthread_mutexattr_destroy(&kind);
}

int ns_model_load(ns_model **out, ns_engine *e, const ns_checkpoint *c, const ns_arch *arch, const ns_model_params *params, ns_error *err)
{
    *out = NULL;
    ns_model *m = ns_alloc_array(1, sizeof *m);
    if (!m)
        return ns_oom(err, "model");
    m->engine = e;
    m->checkpoint = c;
    m->arch = arch;
    m->cancelled = params ? params->cancelled : NULL;
    m->user = params ? params->user : NULL;
    init_lock(m);
    m->at_fork = (ns_at_fork){.in_child = init_lock, .user = m};
    ns_at_fork_add(&m->at_fork);
    int rc = load(m, params, err);
    m->cancelled = NULL;                 /* it was asked for the loading alone */
    if (rc != NS_OK)
        ns_model_free(m);
    else
        *out = m;
    return rc;
}

void ns_model_free(ns_model *m)
{
    if (!m)
        return;
    ns_at_fork_remove(&m->at_fork);
    for (int64_t l = 0; m->layers && l < m->arch->n_layers; l++)
        ns_weights_layer_free(&m->layers[l]);
    free(m->layers);
    ns_weight_free(&m->head);
    free(m->name);
    free(m->tokenizer);
    free(m->arch_path);
    free(m->names_path);
    free(m->final.gain);
    free(m->final.bias);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

const ns_checkpoint *ns_model_checkpoint(const ns_model *m)
{
    return m->checkpoint;
}

const char *ns_model_name(const ns_model *m)
{
    return m->name;
}

const char *ns_model_tokenizer_path(const ns_model *m)
{
    return m->tokenizer;
}

const char *ns_model_arch_path(const ns_model *m)
{
    return m->arch_path;
}

const char *ns_model_names_path(const ns_model *m)
{
    return m->names_path;
}

const ns_arch *ns_model_arch(const ns_model *m)
{
    return m->arch;
}

ns_engine *ns_model_engine(const ns_model *m)
{
    return m->engine;
}

const char *ns_model_weights_sha256(const ns_model *m)
{
    return m->sha256[0] ? m->sha256 : NULL;
}

int64_t ns_arch_rope_class(const ns_arch *arch, int64_t n)
{
    int64_t class_ = 0;
    for (int i = 0; i < arch->n_ropes; i++) {
        const ns_rope *r = &arch->ropes[i];
        if (r->scaling == NS_ROPE_LONGROPE)
            class_ = n > r->original_max_positions ? 1 : class_;
        else if (r->scaling == NS_ROPE_DYNAMIC)
            class_ = n > r->original_max_positions ? n : class_;
    }
    return class_;
}

/* ---- the plan ---- */

static double layer_macs(const ns_layer *l, int64_t T)
{
    double macs = 0;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            const ns_branch *const br = &l->stages[s].branches[b];
            macs += br->class_->macs ? br->class_->macs(br->params, T) : 0;
        }
    return macs;
}

static int64_t kv_bytes(const ns_arch *arch, int64_t T)
{
    int64_t most = 0, pages = (T + NS_PAGE - 1) / NS_PAGE;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const ns_keeps keeps = ns_layer_keeps(arch, l);
        const int64_t paged = keeps.kind & NS_STATE_PAGES ? pages * ns_kv_page_floats(&keeps) : 0;
        const int64_t bytes = (paged + ns_state_floats(&keeps)) * (int64_t)sizeof(float);
        most = bytes > most ? bytes : most;
    }
    return most;
}

int ns_model_cost(const ns_arch *arch, const ns_checkpoint *c, int64_t memory, const int64_t *lengths, int64_t n, ns_cost *out,
                  ns_error *err)
{
    *out = (ns_cost) { .weight_bytes = all_weight_bytes(arch, c), .waves = 1 };
    memory = memory > 0 ? memory : half_of_memory();
    out->streamed = out->weight_bytes > memory;
    int64_t room = out->streamed ? room_beside(memory, largest_part(arch, c)) : memory - out->weight_bytes, used = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t T = lengths[i], x_bytes = T * arch->d_model * (int64_t)sizeof(float), kv = kv_bytes(arch, T);
        if (T < 1 || (arch->max_positions && T > arch->max_positions))
            return ns_fail(err, NS_E_ARG, "length %lld is outside this model's 1..%lld positions", (long long)T,
                           (long long)arch->max_positions);
        if (used && used + x_bytes + kv > room) {
            out->waves++;
            used = 0;
        }
        used += x_bytes;
        out->activation_bytes = used > out->activation_bytes ? used : out->activation_bytes;
        out->kv_bytes = kv > out->kv_bytes ? kv : out->kv_bytes;
        for (int64_t l = 0; l < arch->n_layers; l++)
            out->flops += 2 * ((double)T * (double)ns_weights_layer_size(arch, c, l).numbers + layer_macs(&arch->layers[l], T));
        out->flops += 2.0 * (double)arch->vocab * (double)arch->d_model;
    }
    return NS_OK;
}
