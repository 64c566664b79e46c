/* scan_work.c - one checkpoint of a scan: done or failed before? else claimed, opened, scored, written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan_shard.h"
#include "score.h"

static int64_t heads_of(const ns_arch *arch, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    return attn ? attn->n_heads : 0;
}

/* A run is one model over time: its shards are merged head by head. */
static int check_same_heads(const ns_arch *arch, const ns_arch *first, const char *label, ns_error *err)
{
    int64_t l = 0;
    const bool same = arch->n_layers == first->n_layers && strcmp(arch->family, first->family) == 0;
    while (same && l < arch->n_layers && heads_of(arch, l) == heads_of(first, l))
        l++;
    if (same && l == arch->n_layers)
        return NS_OK;
    return ns_fail(
        err, NS_E_FORMAT,
        "is a %s of %lld layers with up to %lld heads, while the run's '%s' is a %s of %lld layers with up to %lld: another model",
        arch->family, (long long)arch->n_layers, (long long)ns_arch_max_heads(arch), label, first->family, (long long)first->n_layers,
        (long long)ns_arch_max_heads(first));
}

/* As of the run's first one, whose tokenizer cannot be read: said, and no failure. */
static void say_unread(ns_scan_pass *s, const char *why)
{
    char line[NS_SCAN_WHY];
    snprintf(s->unread, sizeof s->unread, "%s", why);
    ns_utf8_whole(s->unread);
    ns_line(line, sizeof line, "%.120s step %lld: whether the cases are of its tokenizer cannot be checked: %s", s->run->name,
            (long long)s->item->step, why);
    if (s->p->open.warn)
        s->p->open.warn(s->p->open.user, line);
}

/* The run's cases were read by the tokenizer of its first checkpoint. One that makes other tokens of them measures other cases. */
static int check_same_tokenizer(ns_scan_pass *s, ns_opened *m, ns_error *err)
{
    ns_error why = {""};
    bool text;
    const char *const own = ns_checkpoint_tokenizer_path(m->checkpoint), *const first = ns_checkpoint_tokenizer_path(s->first->checkpoint);
    if (s->p->open.tokenizer || !own || (first && strcmp(own, first) == 0))
        return NS_OK;
    int rc = ns_cases_know_text(s->cases, &text, err);
    if (rc != NS_OK || !text)
        return rc;
    rc = ns_open_more(m, NS_OPEN_TOKENIZER, &why);
    if (rc == NS_E_UNSUPPORTED) {
        say_unread(s, why.message);
        return NS_OK;
    }
    rc = rc != NS_OK ? rc : ns_open_check_cases(m, s->cases, &why);
    return rc == NS_E_FORMAT ? ns_fail(err, rc, "its tokenizer is another than that of the run's '%s': %s", s->first_label, why.message)
         : rc != NS_OK       ? ns_fail(err, rc, "%s", why.message)
                             : NS_OK;
}

/* Scores of a file that was replaced meanwhile are of neither. */
static int check_unchanged(const ns_scan_pass *s, const ns_scan_place *at, ns_error *err)
{
    char now[65];
    const int rc = ns_checkpoint_stamp(s->item->path, s->item->revision, now, err);
    return rc == NS_OK && strcmp(now, at->stamp) ? ns_identity_fail(s->item->path, err) : rc;
}

static int score_into(ns_scan_pass *s, ns_opened *o, const ns_scan_place *at, const ns_fact_list *f, ns_error *err)
{
    ns_scores *scores = NULL;
    ns_score_params params = s->p->score;
    int rc = ns_open_more(o, NS_OPEN_WEIGHTS, err);
    if (rc == NS_OK)
        rc = ns_scan_load_reference(s, err);
    params.special = s->special;
    params.n_special = s->n_special;
    params.reference = s->reference ? s->reference->model : NULL;
    params.note = s->noted ? NULL : params.note;
    s->noted |= rc == NS_OK;
    if (rc == NS_OK)
        rc = ns_score_run(&scores, o->model, s->cases, &params, err);
    rc = rc != NS_OK ? rc : check_unchanged(s, at, err);
    s->writing = rc == NS_OK;
    if (rc == NS_OK)
        rc = ns_scores_write_as(scores, at->shard, f, s->p->by, err);
    ns_scores_free(scores);
    return rc;
}

/* The first of the whole run decides what its heads are, whichever checkpoints are done here and now. */
static int open_checkpoint(ns_scan_pass *s, ns_opened **m, ns_error *err)
{
    int rc = ns_scan_open_run(s);
    if (rc != NS_OK)
        return ns_fail(err, rc, "%s", s->err ? s->err->message : "");
    rc = ns_scan_open(m, s, s->item, err);
    if (rc == NS_OK && s->first)
        rc = check_same_heads((*m)->arch, s->first->arch, s->first_label, err);
    return rc == NS_OK && s->first ? check_same_tokenizer(s, *m, err) : rc;
}

/* The checkpoint as the run has it, what its shard is asked for, and whether that is there. *m and *f are the caller's to clear. */
int ns_scan_look(ns_scan_pass *s, const ns_scan_place *at, ns_opened **m, ns_fact_list *f, bool *done, ns_error *err)
{
    char scan_sha256[65];
    *done = false;
    s->unread[0] = '\0';
    int rc = open_checkpoint(s, m, err);
    rc = rc != NS_OK ? rc : ns_shard_facts(s, *m, at->stamp, f, scan_sha256, err);
    return rc == NS_OK && !s->p->force ? ns_scan_is_done(s, at, scan_sha256, *m, done, err) : rc;
}

/* The outcome of one checkpoint, which is ours to do; NS_STOP when cancelled. */
static int do_checkpoint(ns_scan_pass *s, const ns_scan_place *at, ns_scan_outcome *outcome, ns_error *err)
{
    ns_opened *m = NULL;
    ns_fact_list f = {0};
    bool done;
    *outcome = NS_SCAN_FAILED_NOW;
    s->writing = false;
    int rc = ns_scan_look(s, at, &m, &f, &done, err);
    if (rc == NS_OK && done) {
        *outcome = NS_SCAN_PRESENT;
        s->counts->unsealed += ns_file_is_unsealed(at->shard);
    } else if (rc == NS_OK) {
        const bool before = ns_path_exists(at->shard);
        (void)unlink(at->failed);   /* first: a kill leaves a shard to be made, never one beside a failure that it outlived */
        rc = score_into(s, m, at, &f, err);
        s->counts->replaced += rc == NS_OK && before;
        s->counts->unread += rc == NS_OK && s->unread[0];
        *outcome = rc == NS_OK ? NS_SCAN_SCORED : NS_SCAN_FAILED_NOW;
    }
    ns_fact_list_clear(&f);
    ns_close(m);
    return rc;
}

/* It has an outcome, and is not looked at again in this call. */
static void settle(ns_scan_pass *s, ns_scan_outcome outcome, const char *message)
{
    s->settled[s->number] = true;
    s->counts->scored += outcome == NS_SCAN_SCORED;
    s->counts->present += outcome == NS_SCAN_PRESENT;
    s->counts->failed += outcome == NS_SCAN_FAILED_NOW || outcome == NS_SCAN_FAILED_BEFORE;
    if (s->p->told)
        s->p->told(s->p->user, s->run, s->item, outcome, message);
}

/* The machine's fault, not the checkpoint's: the others would fare alike. What cannot be read of a checkpoint is its own failure. */
static bool is_the_machines(const ns_scan_pass *s, int rc)
{
    return rc == NS_STOP || rc == NS_E_MEMORY || (s->writing && (rc == NS_E_CREATE || rc == NS_E_IO));
}

static int do_and_settle(ns_scan_pass *s, const ns_scan_place *at)
{
    ns_error why = {""};
    ns_scan_outcome outcome;
    int rc = do_checkpoint(s, at, &outcome, &why);
    if (is_the_machines(s, rc))
        return rc == NS_STOP ? rc : ns_fail(s->err, rc, "%s: %s", s->item->path, why.message);
    const bool failed = rc != NS_OK;
    if (!failed) {
        (void)unlink(at->failed);
        ns_scan_see(s, at);
    } else {
        rc = ns_scan_note_failure(at, why.message, s->err);
    }
    if (rc == NS_OK)
        settle(s, outcome, failed ? why.message : NULL);
    return rc;
}

/* Without opening anything: done, or failed on these very files. */
static bool is_settled(ns_scan_pass *s, const ns_scan_place *at)
{
    char why[NS_SCAN_WHY], message[NS_SCAN_WHY + 80];
    if (!s->p->force && ns_scan_seen(s, at)) {
        (void)unlink(at->failed);                        /* of other files, which lay there for a while */
        settle(s, NS_SCAN_PRESENT, NULL);
        return true;
    }
    if (s->p->force || s->p->retry_failed || !ns_scan_failed(at, why))
        return false;
    snprintf(message, sizeof message, "failed before (--retry-failed tries again): %s", why);
    settle(s, NS_SCAN_FAILED_BEFORE, message);
    return true;
}

/* A claim whose work is done is left by a process that was killed between the two. */
static void sweep_claim(const ns_scan_place *at)
{
    char holder[NS_CLAIM_HOLDER];
    ns_claim *stale = NULL;
    if (ns_path_exists(at->claim) && ns_claim_take(&stale, at->claim, holder, NULL) == NS_OK)
        ns_claim_release(stale);                         /* NULL where it is live after all */
}

/* Where no claim can be made, a checkpoint may be done all the same, though its memory is gone: a finished folder, copied to a disk that
 * cannot be written. Else that is the error. */
static int look_unclaimed(ns_scan_pass *s, const ns_scan_place *at, int rc, const ns_error *why)
{
    ns_opened *m = NULL;
    ns_fact_list f = {0};
    bool done = false;
    if (rc == NS_E_CREATE)
        (void)ns_scan_look(s, at, &m, &f, &done, NULL);
    ns_fact_list_clear(&f);
    ns_close(m);
    if (!done)
        return ns_fail(s->err, rc, "%s", why->message);
    s->counts->unsealed += ns_file_is_unsealed(at->shard);
    settle(s, NS_SCAN_PRESENT, NULL);
    return NS_OK;
}

static int claim_and_do(ns_scan_pass *s, const ns_scan_place *at)
{
    ns_claim *claim;
    ns_error why = {""};
    int rc = ns_claim_take(&claim, at->claim, s->holder, &why);
    if (rc != NS_OK)
        return look_unclaimed(s, at, rc, &why);
    if (rc == NS_OK && !claim) {                         /* another scan has it in hand */
        s->waiting++;
        return NS_OK;
    }
    if (rc == NS_OK && !is_settled(s, at))               /* it may have been done since we looked */
        rc = do_and_settle(s, at);
    ns_claim_release(claim);
    return rc;
}

int ns_scan_checkpoint(ns_scan_pass *s, const char *folder)
{
    ns_scan_place at;
    int rc = ns_scan_place_of(s, folder, &at, s->err);
    if (rc == NS_OK && is_settled(s, &at))
        sweep_claim(&at);
    else if (rc == NS_OK)
        rc = claim_and_do(s, &at);
    ns_scan_place_clear(&at);
    return rc;
}
