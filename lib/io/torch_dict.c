/* torch_dict.c - the state dict in a file: the whole of it, or a member of what a trainer saved; its entries in order, each by its name. */
#include "io/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 1 << 20, MAX_NAME = 4096, MAX_DEPTH = 4, SOME = 4, SHOWN = 60 };

/* A few names for a note, and how many there are. */
typedef struct names_list { char text[SOME * (SHOWN + 4)]; int64_t n; } names_list;

static void list_name(names_list *l, const char *name, size_t n)
{
    const size_t used = strlen(l->text);
    if (l->n++ < SOME)
        snprintf(l->text + used, sizeof l->text - used, "%s'%.*s'", used ? ", " : "", (int)(n < SHOWN - 10 ? n : SHOWN - 10), name);
}

/* ---- which dict ---- */

static bool holds_tensors(const ns_pickle *p, ns_ref dict)
{
    if (!ns_pickle_is(p, dict, NS_PICKLE_DICT))
        return false;
    for (uint32_t c = p->nodes[dict].first; c; c = p->cells[c].next)
        if (ns_pickle_is(p, p->cells[c].key, NS_PICKLE_TEXT) && ns_torch_is_tensor(p, p->cells[c].value))
            return true;
    return false;
}

static const char *const members[] = {"state_dict", "model_state_dict", "model", "module", "app", "state"};
enum { N_MEMBERS = sizeof members / sizeof *members };

static bool has_member_with_tensors(const ns_pickle *p, ns_ref dict)
{
    for (int i = 0; i < N_MEMBERS; i++)
        if (holds_tensors(p, ns_pickle_get(p, dict, members[i])))
            return true;
    return false;
}

/* The member of a dict that trainers put the model's state into: itself a state dict, or {"app": {"model": ...}}, {"state": {"model": ...}}
 * (Composer). None: there is none. */
static ns_ref member_of(const ns_pickle *p, ns_ref dict, const char **name)
{
    for (int i = 0; i < 2 * N_MEMBERS; i++) {
        const ns_ref value = ns_pickle_get(p, dict, members[i % N_MEMBERS]);
        *name = members[i % N_MEMBERS];
        if (i < N_MEMBERS ? holds_tensors(p, value) : has_member_with_tensors(p, value))
            return value;
    }
    return 0;
}

/* What stands beside the member that was taken. */
static int note_member(ns_torch *t, ns_ref dict, const char *taken, ns_error *err)
{
    const ns_pickle *const p = &t->pickle;
    names_list beside = {""};
    for (uint32_t c = p->nodes[dict].first; c; c = p->cells[c].next) {
        const ns_pickle_node *const key = ns_pickle_at(p, p->cells[c].key);
        const bool read = ns_pickle_text_is(p, p->cells[c].key, taken) ||
                          (t->ck->config_text && ns_pickle_text_is(p, p->cells[c].key, "model_args"));
        if (key->kind == NS_PICKLE_TEXT && !read)
            list_name(&beside, key->text, key->n);
    }
    if (beside.n == 0)
        return ns_checkpoint_add_note(t->ck, err, "%s: the weights are its '%s'", t->file->path, taken);
    return ns_checkpoint_add_note(t->ck, err, "%s: the weights are its '%s'; left out: %s%s", t->file->path, taken, beside.text,
                                  beside.n > SOME ? ", ..." : "");
}

/* A module or another object in the place of a state dict, or a dict of something else. */
static int no_state_dict(const ns_torch *t)
{
    const ns_pickle *const p = &t->pickle;
    char name[256];
    names_list keys = {""};
    if (ns_pickle_is(p, p->root, NS_PICKLE_OBJECT) || ns_pickle_is(p, p->root, NS_PICKLE_GLOBAL)) {
        ns_pickle_name(p, p->root, name, sizeof name);
        return ns_torch_fail(t, NS_E_UNSUPPORTED, "holds %s and no state dict; nothing that a pickle names is executed, so it stays closed "
                       "(save model.state_dict())", name);
    }
    if (!ns_pickle_is(p, p->root, NS_PICKLE_DICT))
        return ns_torch_fail(t, NS_E_FORMAT, "holds no dict of tensors (save model.state_dict())");
    for (uint32_t c = p->nodes[p->root].first; c; c = p->cells[c].next)
        if (ns_pickle_is(p, p->cells[c].key, NS_PICKLE_TEXT))
            list_name(&keys, p->nodes[p->cells[c].key].text, p->nodes[p->cells[c].key].n);
    return ns_torch_fail(t, NS_E_UNSUPPORTED, "no tensors in it, nor in a member 'state_dict', 'model_state_dict', 'model', 'module', "
                   "'app' or 'state'; it has %lld: %s%s (save model.state_dict())", (long long)keys.n, keys.n ? keys.text : "none",
                   keys.n > SOME ? ", ..." : "");
}

static int find_state_dict(ns_torch *t, ns_ref *out)
{
    const ns_pickle *const p = &t->pickle;
    *out = p->root;
    int rc = NS_OK;
    for (int depth = 0; depth < MAX_DEPTH && rc == NS_OK; depth++) {
        const char *name;
        const ns_ref member = member_of(p, *out, &name);
        if (!member)
            break;
        rc = note_member(t, *out, name, t->err);
        *out = member;
    }
    return rc != NS_OK || holds_tensors(p, *out) ? rc : no_state_dict(t);
}

/* ---- its entries ---- */

/* What was made to stand in a tensor's place by a call that we do not know is no entry to leave out in silence. */
static bool is_unknown_tensor(const ns_pickle *p, ns_ref value)
{
    char name[256];
    if (!ns_pickle_is(p, value, NS_PICKLE_OBJECT))
        return false;
    ns_pickle_name(p, value, name, sizeof name);
    return ns_starts(name, "torch._") || ns_starts(name, "torch.distributed.") || ns_starts(name, "torchao.") || ns_starts(name, "numpy.");
}

static int check_name(const ns_torch *t, const ns_pickle_node *key)
{
    size_t bad_at;
    if (key->n > MAX_NAME)
        return ns_torch_fail(t, NS_E_FORMAT, "a name of %u bytes (at most %d)", key->n, MAX_NAME);
    bool plain = ns_utf8_valid(key->text, key->n, &bad_at);
    for (uint32_t i = 0; i < key->n && plain; i++)
        plain = (uint8_t)key->text[i] >= 0x20 && key->text[i] != 0x7f;
    return plain ? NS_OK : ns_torch_fail(t, NS_E_FORMAT, "the name '%.*s' is no plain text",
                                   (int)(key->n < SHOWN ? key->n : SHOWN), key->text);
}

/* Room for the names and tensors of the dict; what is none is counted. */
static int make_room(ns_torch *t, ns_ref dict, names_list *left)
{
    const ns_pickle *const p = &t->pickle;
    int64_t n = 0;
    size_t bytes = 1;
    for (uint32_t c = p->nodes[dict].first; c; c = p->cells[c].next) {
        const ns_pickle_node *const key = ns_pickle_at(p, p->cells[c].key);
        if (key->kind != NS_PICKLE_TEXT || !ns_torch_is_tensor(p, p->cells[c].value)) {
            list_name(left, key->kind == NS_PICKLE_TEXT ? key->text : "?", key->kind == NS_PICKLE_TEXT ? key->n : 1);
            continue;
        }
        bytes += key->n + 1;
        n++;
    }
    if (n > MAX_TENSORS)
        return ns_torch_fail(t, NS_E_FORMAT, "%lld tensors (at most %d)", (long long)n, MAX_TENSORS);
    t->file->names = malloc(bytes);
    return t->file->names ? ns_checkpoint_reserve(t->ck, n, t->err) : ns_oom(t->err, t->file->path);
}

static int take_entry(ns_torch *t, const ns_pickle_node *key, ns_ref value, char **names)
{
    if (key->kind != NS_PICKLE_TEXT)
        return NS_OK;
    int rc = check_name(t, key);
    if (rc == NS_OK && is_unknown_tensor(&t->pickle, value) && !ns_torch_is_tensor(&t->pickle, value)) {
        char made[256];
        ns_pickle_name(&t->pickle, value, made, sizeof made);
        return ns_torch_fail(t, NS_E_UNSUPPORTED, "'%.*s' is made by %s, which is not known, and nothing that a pickle names is executed "
                       "(save it as a plain tensor)", (int)(key->n < 200 ? key->n : 200), key->text, made);
    }
    if (rc != NS_OK || !ns_torch_is_tensor(&t->pickle, value))
        return rc;
    memcpy(*names, key->text, key->n);
    (*names)[key->n] = '\0';
    rc = ns_torch_tensor(t, *names, value, &t->ck->tensors[t->ck->n_tensors]);
    *names += key->n + 1;
    t->ck->n_tensors += rc == NS_OK;
    return rc;
}

/* ---- what it names beside tensors ---- */

static int note_globals(ns_torch *t)
{
    const ns_pickle *const p = &t->pickle;
    names_list found = {""};
    char name[256], quoted[258];
    for (int64_t i = 0; i < p->n_nodes; i++) {
        if (p->nodes[i].kind != NS_PICKLE_GLOBAL || ns_torch_is_own(p, (ns_ref)i))
            continue;
        ns_pickle_name(p, (ns_ref)i, name, SHOWN - 10);
        snprintf(quoted, sizeof quoted, "'%s'", name);
        if (!strstr(found.text, quoted))
            list_name(&found, name, strlen(name));
    }
    if (found.n == 0)
        return NS_OK;
    return ns_checkpoint_add_note(t->ck, t->err, "%s: its pickle names %s%s: what they would make was left out, and none of it was "
                                  "executed", t->file->path, found.text, found.n > SOME ? ", ..." : "");
}

int ns_torch_take(ns_torch *t)
{
    const ns_pickle *const p = &t->pickle;
    names_list left = {""};
    ns_ref dict = 0;
    int rc = find_state_dict(t, &dict);
    if (rc == NS_OK)
        rc = make_room(t, dict, &left);
    char *names = t->file->names;
    for (uint32_t c = rc == NS_OK ? p->nodes[dict].first : 0; c && rc == NS_OK; c = p->cells[c].next)
        rc = take_entry(t, ns_pickle_at(p, p->cells[c].key), p->cells[c].value, &names);
    if (rc == NS_OK && left.n)
        rc = ns_checkpoint_add_note(t->ck, t->err, "%s: %lld of its entries are no tensors, and were left out: %s%s", t->file->path,
                                    (long long)left.n, left.text, left.n > SOME ? ", ..." : "");
    return rc != NS_OK ? rc : note_globals(t);
}
