/* forward.c - the pass over a batch of sessions, layer by layer.
 *
 * plan (deepest wanted point, rows per hook) -> waves within --memory -> embed -> layers -> final norm and logits.
 * A weight is read once per wave for all its sessions; a finished layer's keys and values are dropped unless somebody decodes. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the plan ---- */

static void find_deepest(ns_pass *p)
{
    p->wants_final = ns_hooks_any(p->hooks, NS_POINT_LN_FINAL, -1) || ns_hooks_any(p->hooks, NS_POINT_LOGITS, -1) || p->logits;
    p->last_layer = p->wants_final ? p->arch->n_layers - 1 : -1;
    p->last_point = NS_POINT_RESID_POST;
    for (int64_t l = p->arch->n_layers - 1; l >= 0 && p->last_layer < 0; l--)
        for (int point = NS_POINT_RESID_POST; point >= 0 && p->last_layer < 0; point--)
            if (ns_hooks_any(p->hooks, point, l)) {
                p->last_layer = l;
                p->last_point = point;
            }
    for (int64_t i = 0; i < p->n_sessions; i++)
        if (p->sessions[i]->decode && p->last_layer < p->arch->n_layers - 1) {
            p->last_layer = p->arch->n_layers - 1;       /* whoever goes on needs the keys and values of every layer */
            p->last_point = NS_LAST_STATE_POINT;
        }
}

/* Rows of a recurrence are made of all positions before them: where the layer did not keep those, they run again, unseen. */
static void rewind_for_rows(ns_pass *p)
{
    for (int64_t l = 0; l < p->arch->n_layers; l++) {
        const bool rows = ns_pass_unrolls(p, l), values = ns_pass_changes_rows(p, l);
        if (!rows || !ns_layer_keeps(p->arch, l).rows_k)
            continue;
        for (int64_t i = 0; i < p->n_sessions; i++) {
            ns_session *const s = p->sessions[i];
            const int64_t seen = s->computed;
            if (s->parent || !seen || (s->states[l].rows >= seen && (!values || s->states[l].values >= seen)))
                continue;
            ns_session_rewind(s, 0);
            s->shown = s->shown > seen ? s->shown : seen;
        }
    }
}

static bool comes_before(const ns_pass *p, int64_t i, const ns_session *s)
{
    for (int64_t j = i - 1; j >= 0; j--)
        if (p->sessions[j] == s)
            return true;
    return false;
}

static int check_leader(const ns_pass *p, int64_t i)
{
    const ns_session *s = p->sessions[i], *leader = s->leader;
    if (s->parent && s->parent->leader)
        return ns_fail(p->err, NS_E_ARG, "session %lld: its parent follows another session and has no keys to share", (long long)i);
    if (!leader)
        return NS_OK;
    if (!comes_before(p, i, leader))
        return ns_fail(p->err, NS_E_ARG, "session %lld: the session it follows must come before it in the same call", (long long)i);
    if (s->n_tokens != leader->n_tokens || s->computed != leader->computed ||
        memcmp(s->tokens, leader->tokens, (size_t)s->n_tokens * sizeof *s->tokens) != 0)
        return ns_fail(p->err, NS_E_ARG, "session %lld: it holds other tokens than the session it follows", (long long)i);
    return NS_OK;
}

static int check_sessions(ns_pass *p)
{
    for (int64_t i = 0; i < p->n_sessions; i++) {
        ns_session *s = p->sessions[i];
        if (s->model != p->model || s->failed || (s->ran && !s->decode))
            return ns_fail(p->err, NS_E_ARG, "session %lld: %s", (long long)i,
                           s->model != p->model ? "belongs to another model"
                           : s->failed          ? "an earlier pass failed"
                                                : "has run and kept no keys");
        if (s->n_tokens == 0)
            return ns_fail(p->err, NS_E_ARG, "session %lld has no tokens", (long long)i);
        if (s->parent && !comes_before(p, i, s->parent))
            return ns_fail(p->err, NS_E_ARG, "session %lld: its parent must come before it in the same call", (long long)i);
        if (s->parent && ns_arch_rope_class(p->arch, s->n_tokens) != ns_arch_rope_class(p->arch, s->parent->n_tokens) && !s->final_length)
            return ns_fail(p->err, NS_E_ARG, "session %lld: rope frequencies differ from its parent's; set final_length or do not fork",
                           (long long)i);
        int rc = check_leader(p, i);
        if (rc != NS_OK)
            return rc;
    }
    return NS_OK;
}

/* ---- numbers that are none ---- */

static void say_whose(const ns_pass *p, int64_t session, char *out, size_t n)
{
    const ns_session *const s = session < p->n_sessions ? p->sessions[session] : NULL;
    const char *const id = s && s->n_served ? s->served[0].c->id : NULL;
    if (!id)
        ns_line(out, n, "session %lld", (long long)session);
    else if (s->n_served > 1)
        ns_line(out, n, "case '%.80s' and %lld more", id, (long long)s->n_served - 1);
    else
        ns_line(out, n, "case '%.80s'", id);
}

int ns_pass_broken(const ns_pass *p, int64_t session, const char *where, const char *what)
{
    const ns_checkpoint *const c = p->model->checkpoint;      /* NULL: the model is being trained */
    const char *const of = c ? ns_checkpoint_dir(c) : NULL;
    char whose[160];
    say_whose(p, session, whose, sizeof whose);
    return ns_fail(p->err, NS_E_NUMERIC, "%s%s%s of %s: %s: the checkpoint diverged or is damaged, or an edit broke it: take an earlier "
                   "checkpoint, or leave the edit out", of ? of : "", of ? ": " : "", where, whose, what);
}

/* ---- embedding ---- */

typedef struct embed_job { ns_pass *p; ns_session *s; const ns_tensor *tensor, *positions; float *pos; int64_t begin,
                          end; int *failed; } embed_job;

enum { EMBED_TASK = 32 };

static void embed_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const embed_job *j = user;
    const ns_arch *arch = j->p->arch;
    const int64_t D = arch->d_model;
    for (int64_t r = j->begin + task * EMBED_TASK; r < j->end && r < j->begin + (task + 1) * EMBED_TASK; r++) {
        float *x = j->s->x + (r - j->s->base) * D;
        int rc = ns_tensor_read_f32(j->tensor, (arch->embed.start + j->s->tokens[r]) * D, D, x, NULL);
        if (arch->embed_scale != 1.0f)
            j->p->math->scale(x, D, arch->embed_scale);
        if (rc == NS_OK && j->positions)
            rc = ns_tensor_read_f32(j->positions, (r + arch->position_offset) * D, D, j->pos + (r - j->begin) * D, NULL);
        if (rc != NS_OK)
            j->failed[0] = rc;
    }
}

static int deliver_embed(const embed_job *j, int64_t session, ns_point point, float *data)
{
    ns_view v = ns_view_of(data, NS_F32, 2, (int64_t[]) { j->end - j->begin, j->p->arch->d_model });
    return ns_deliver(j->p, session, point, -1, j->begin, &v, NULL, 0);
}

static int embed_band(embed_job *j, int64_t session)
{
    ns_pass *p = j->p;
    const int64_t D = p->arch->d_model, rows = j->end - j->begin;
    float *x = j->s->x + (j->begin - j->s->base) * D;
    ns_engine_run(p->engine, (rows + EMBED_TASK - 1) / EMBED_TASK, embed_task, j);
    if (j->failed[0])
        return ns_fail(p->err, j->failed[0], "%s: cannot read rows of '%s'", j->tensor->file, j->tensor->name);
    if (!p->math->all_finite(x, rows * D)) {
        char where[64];
        snprintf(where, sizeof where, "hook_embed, rows %lld..%lld", (long long)j->begin, (long long)j->end - 1);
        return ns_pass_broken(p, session, where, "a value is NaN or Inf");
    }
    int rc = deliver_embed(j, session, NS_POINT_EMBED, x);
    if (rc == NS_OK && j->positions) {
        rc = deliver_embed(j, session, NS_POINT_POS_EMBED, j->pos);
        p->math->add(x, x, j->pos, rows * D);
    }
    return rc;
}

static size_t residual_bytes(const ns_pass *p, const ns_session *s)
{
    return (size_t)((s->n_tokens - s->base) * p->arch->d_model) * sizeof(float);
}

static int need_residual(const ns_pass *p, ns_session *s)
{
    s->x = ns_alloc_aligned(residual_bytes(p, s) + 64);
    return s->x ? NS_OK : ns_oom(p->err, "the residual stream; lower the batch with --memory");
}

/* Sessions that begin at this layer take over what their leaders bring to it. */
static int take_over(const ns_pass *p, int64_t layer, int64_t first, int64_t last)
{
    int rc = NS_OK;
    for (int64_t i = first; i < last && rc == NS_OK; i++) {
        ns_session *s = p->sessions[i];
        if (!s->leader || s->first_layer != layer)
            continue;
        rc = need_residual(p, s);
        if (rc == NS_OK)
            memcpy(s->x, s->leader->x, residual_bytes(p, s));
    }
    return rc;
}

int ns_pass_embed(ns_pass *p, int64_t session)
{
    ns_session *s = p->sessions[session];
    int failed = 0;
    embed_job j = {.p = p, .s = s, .failed = &failed};
    s->base = s->computed;
    s->layers = 0;
    if (s->leader)
        return NS_OK;
    if (need_residual(p, s))
        return NS_E_MEMORY;
    j.tensor = ns_checkpoint_find(p->model->checkpoint, p->arch->embed.name);
    j.positions = p->arch->positions.name ? ns_checkpoint_find(p->model->checkpoint, p->arch->positions.name) : NULL;
    if (j.positions && !(j.pos = ns_buffer_need(&p->scratch->positions, NS_BAND_ROWS * p->arch->d_model, p->err)))
        return NS_E_MEMORY;
    int rc = NS_OK;
    for (j.begin = s->base; j.begin < s->n_tokens && rc == NS_OK; j.begin = j.end) {
        j.end = j.begin + NS_BAND_ROWS < s->n_tokens ? j.begin + NS_BAND_ROWS : s->n_tokens;
        rc = embed_band(&j, session);
    }
    return rc;
}

/* ---- waves ---- */

static int64_t session_bytes(const ns_pass *p, const ns_session *s)
{
    const int64_t n = s->n_tokens - s->computed, pages = n / NS_PAGE + 1;
    int64_t most = 0;
    for (int64_t l = 0; l < p->arch->n_layers; l++) {
        const ns_keeps keeps = ns_layer_keeps(p->arch, l);
        const int64_t floats = pages * ns_kv_page_floats(&keeps) + ns_state_floats(&keeps);
        most = floats > most ? floats : most;
    }
    return (n * p->arch->d_model + most) * (int64_t)sizeof(float);
}

/* May a wave end before session `at`? Not between a pending parent and its child, or a leader and who follows it. */
static bool may_cut(const ns_pass *p, int64_t first, int64_t at)
{
    for (int64_t i = at; i < p->n_sessions; i++) {
        const ns_session *s = p->sessions[i];
        for (int64_t j = first; j < at && (s->parent || s->leader); j++)
            if (p->sessions[j] == s->parent || p->sessions[j] == s->leader)
                return false;
    }
    return true;
}

int64_t ns_model_wave_rows(const ns_model *m)
{
    int64_t most = 0;
    for (int64_t l = 0; l < m->arch->n_layers; l++) {
        const ns_keeps keeps = ns_layer_keeps(m->arch, l);
        const int64_t floats = ns_kv_page_floats(&keeps) / NS_PAGE;
        most = floats > most ? floats : most;
    }
    return m->room / ((m->arch->d_model + most) * (int64_t)sizeof(float));
}

static int64_t wave_end(const ns_pass *p, int64_t first)
{
    const int64_t room = p->model->room;
    int64_t used = 0, at = first;
    for (; at < p->n_sessions; at++) {
        used += session_bytes(p, p->sessions[at]);
        if (used > room && at > first && may_cut(p, first, at))
            return at;
    }
    return at;
}

static void count_children(ns_pass *p, int64_t layer, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        p->sessions[i]->children_left = 0;
    for (int64_t i = first; i < last; i++)
        if (p->sessions[i]->parent && ns_session_runs(p->sessions[i], layer))
            p->sessions[i]->parent->children_left++;
}

static int run_layer(ns_pass *p, int64_t layer, int64_t first, int64_t last)
{
    const ns_model *m = p->model;
    ns_layer_weights streamed = {0}, *w = &m->layers[layer];
    int rc = NS_OK;
    if (m->streamed) {
        ns_advise_soon(m, layer + 1);
        rc = ns_weights_layer(m, layer, &streamed, p->err);
        w = &streamed;
    }
    count_children(p, layer, first, last);
    if (rc == NS_OK)
        rc = take_over(p, layer, first, last);
    if (rc == NS_OK)
        rc = ns_layer_run(p, first, last, layer, w);
    if (m->streamed)
        ns_weights_layer_free(&streamed);
    ns_advise_done(m, layer);
    return rc;
}

static int run_head(ns_pass *p, int64_t first, int64_t last)
{
    ns_model *m = (ns_model *)p->model;        /* a streamed head is packed for this wave only, under the model's lock */
    int rc = m->streamed ? ns_weights_head(m, &m->head, p->err) : NS_OK;
    if (rc == NS_OK)
        rc = ns_final_run(p, first, last);
    if (m->streamed)
        ns_weight_free(&m->head);
    ns_advise_done(m, p->arch->n_layers);
    return rc;
}

static int run_wave(ns_pass *p, int64_t first, int64_t last, const ns_forward_params *params)
{
    int rc = NS_OK;
    for (int64_t i = first; i < last && rc == NS_OK; i++)
        rc = ns_pass_embed(p, i);
    for (int64_t l = 0; l <= p->last_layer && rc == NS_OK; l++) {
        if (params && params->cancelled && params->cancelled(params->user))
            return NS_STOP;
        rc = run_layer(p, l, first, last);
        if (params && params->progress)
            params->progress(params->user, ((double)first + (double)(last - first) * (double)(l + 1) / (double)(p->last_layer + 1)) /
                                               (double)p->n_sessions);
    }
    if (rc == NS_OK && p->wants_final)
        rc = run_head(p, first, last);
    for (int64_t i = first; i < last; i++) {
        free(p->sessions[i]->x);
        p->sessions[i]->x = NULL;
    }
    return rc;
}

/* ---- the pass ---- */

void ns_pass_finish(ns_pass *p, int rc)
{
    int n_hooks = p->hooks ? p->hooks->n : 0;
    for (int64_t i = 0; i < p->n_sessions; i++) {
        ns_session *s = p->sessions[i];
        int64_t lists = (int64_t)n_hooks * (s->n_served > 0 ? s->n_served : 1);
        for (int64_t r = 0; s->rows && r < lists; r++)
            free(s->rows[r].list);
        free(s->rows);
        free(s->x);
        s->rows = NULL;
        s->x = NULL;
        s->shown = 0;
        s->parent = s->leader = NULL;
        s->first_layer = 0;
        s->ran = true;
        s->failed = rc != NS_OK;
        s->rows_run += s->n_tokens - s->computed;
        s->computed = s->n_tokens;
    }
}

void ns_scratch_free(ns_scratch *s)
{
    ns_buffer *all[] = {&s->positions, &s->result, &s->final, &s->logits, &s->group, &s->writes, &s->staged, &s->tables, &s->carried,
                        &s->prepared.buffer};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->data);
    for (int i = 0; i < s->n_sheets; i++) {
        free(s->sheets[i]->buffer.data);
        free(s->sheets[i]);
    }
    free(s->sheets);
    for (int w = 0; s->worker && w < s->n_workers; w++)
        free(s->worker[w].data);
    free(s->worker);
}

void ns_pass_free(ns_pass *p)
{
    if (p->scratch)
        ns_scratch_free(p->scratch);
    ns_pass_free_ropes(p);
}

static int run_pass(ns_pass *p, const ns_forward_params *params)
{
    ns_scratch scratch = {.n_workers = ns_pool_size(p->engine->pool)};
    p->scratch = &scratch;
    scratch.worker = ns_alloc_array((size_t)scratch.n_workers, sizeof *scratch.worker);
    int rc = scratch.worker ? ns_pass_rows(p) : ns_oom(p->err, "scratch");
    for (int64_t first = 0, last; first < p->n_sessions && rc == NS_OK; first = last) {
        last = wave_end(p, first);
        rc = run_wave(p, first, last, params);
    }
    ns_pass_free(p);
    return rc;
}

int ns_forward(const ns_model *m, ns_session *const *sessions, int64_t n, const ns_hooks *hooks, const ns_forward_params *params,
               ns_error *err)
{
    ns_error own;
    ns_pass p = {.model = m, .arch = m->arch, .hooks = hooks, .engine = m->engine, .math = m->engine->math, .sessions = sessions,
                  .n_sessions = n, .logits = !(params && params->no_logits), .err = err ? err : &own };
    p.err->message[0] = 0;
    if (hooks && hooks->n_layers != m->arch->n_layers)
        return ns_fail(p.err, NS_E_ARG, "hooks were made for %lld layers, this model has %lld", (long long)hooks->n_layers,
                       (long long)m->arch->n_layers);
    find_deepest(&p);
    int rc = check_sessions(&p);
    if (rc != NS_OK)
        return rc;
    rewind_for_rows(&p);
    if (m->streamed)
        pthread_mutex_lock((pthread_mutex_t *)&m->lock);
    rc = run_pass(&p, params);
    if (m->streamed)
        pthread_mutex_unlock((pthread_mutex_t *)&m->lock);
    ns_pass_finish(&p, rc);
    return rc;
}
