/* decode.c - cases that the model answers by itself: a session a case, the prompt in one pass, then a token a pass. What hooks see of the
 * last row comes before its token is settled; a case ends when its listener says NS_STOP, after DECODE_STEPS tokens, or at the model's
 * last position. */
#include "score.h"

enum { DECODE_STEPS = 50 };

typedef struct listener { const ns_decoding *how; int64_t index; } listener;

static int accepted(void *user, int64_t position, int32_t token)
{
    const listener *const l = user;
    return l->how->token(l->how->user, l->index, position, token);
}

static int decode_case(const ns_model *model, const ns_case *c, const ns_decoding *how, int64_t index, ns_error *err)
{
    const int64_t most = ns_model_arch(model)->max_positions, left = most > 0 ? most - c->n_tokens : DECODE_STEPS;
    const int64_t steps = left < DECODE_STEPS ? left : DECODE_STEPS;
    const ns_session_params params = {.size = sizeof params, .decode = true};
    listener l = {how, index};
    const ns_generate_params generate = {.size = sizeof generate, .hooks = how->hooks, .accepted = accepted, .user = &l};
    int32_t said[DECODE_STEPS];
    int64_t n_said;
    ns_session *s = NULL;
    int rc = ns_session_new(&s, model, &params, err);
    if (rc == NS_OK)
        rc = ns_session_append(s, c->tokens, c->n_tokens, err);
    if (rc == NS_OK)
        rc = ns_session_add_case(s, c, index, err);
    if (rc == NS_OK && steps > 0)
        rc = ns_generate(model, s, steps, &generate, said, &n_said, err);
    ns_session_free(s);
    if (rc < 0)
        return ns_fail(err, rc, "case '%.100s': %s", c->id, err ? err->message : "");
    return NS_OK;
}

int ns_decode_list(const ns_model *model, const ns_case *const *cases, int64_t n, const ns_decoding *how, const ns_score_params *params,
                   ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        if (params->cancelled && params->cancelled(params->user))
            return NS_STOP;
        rc = decode_case(model, cases[i], how, i, err);
        if (params->progress)
            params->progress(params->user, (double)(i + 1) / (double)n);
    }
    return rc;
}
