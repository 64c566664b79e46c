/* names.c - names of tensors without what wrappers of modules put into them. torch.compile, FSDP and checkpointed activations name the
 * module that they wrap: such a part is taken out wherever it stands. DataParallel, Lightning and distillation put the whole model under a
 * name: that is taken off only if every tensor has it. */
#include "io/reader.h"

#include <stdlib.h>
#include <string.h>

static const char *const parts[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module.", NULL};

/* A prefix of all names; with: one name at least must begin so (no model of its own has it twice), or NULL. */
static const struct prefix { const char *text; const char *const with[5]; } prefixes[] = {
    {"module.", {NULL}}, {"student.", {NULL}},
    {"model.", {"model.model.", "model.lm_head.", "model.transformer.h.", "model.gpt_neox.", NULL}},
};

/* The part of the name after `from` where one of these begins a component; NULL: none. */
static char *find_part(char *name, size_t *length)
{
    for (int i = 0; parts[i]; i++) {
        char *at = name;
        while ((at = strstr(at, parts[i])) && at != name && at[-1] != '.')
            at++;
        *length = strlen(parts[i]);
        if (at)
            return at;
    }
    return NULL;
}

/* The names are the files' own bytes, each apart. */
static char *own_name(const ns_tensor *t)
{
    return (char *)(uintptr_t)t->name;
}

static int64_t cut_parts(ns_checkpoint *ck)
{
    int64_t changed = 0;
    for (int64_t i = 0; i < ck->n_tensors; i++) {
        size_t n;
        char *at = find_part(own_name(&ck->tensors[i]), &n);
        changed += at != NULL;
        for (; at; at = find_part(own_name(&ck->tensors[i]), &n))
            memmove(at, at + n, strlen(at + n) + 1);
    }
    return changed;
}

static bool is_whole_prefix(const ns_checkpoint *ck, const struct prefix *p)
{
    bool sure = !p->with[0];
    for (int64_t i = 0; i < ck->n_tensors; i++) {
        if (!ns_starts(ck->tensors[i].name, p->text) || !ck->tensors[i].name[strlen(p->text)])
            return false;
        for (int k = 0; p->with[k] && !sure; k++)
            sure = ns_starts(ck->tensors[i].name, p->with[k]);
    }
    return sure;
}

static int cut_prefixes(ns_checkpoint *ck, bool *changed, ns_error *err)
{
    int rc = NS_OK;
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes && rc == NS_OK; p++) {
        if (!is_whole_prefix(ck, &prefixes[p]))
            continue;
        for (int64_t i = 0; i < ck->n_tensors; i++)
            ck->tensors[i].name += strlen(prefixes[p].text);
        *changed = true;
        rc = ns_checkpoint_add_note(ck, err, "%s: '%s' is taken off the names of all %lld tensors", ck->files[0].path, prefixes[p].text,
                                    (long long)ck->n_tensors);
    }
    return rc;
}

int ns_checkpoint_plain_names(ns_checkpoint *ck, bool *changed, ns_error *err)
{
    const int64_t n = cut_parts(ck);
    int rc = NS_OK;
    *changed = n > 0;
    if (n)
        rc = ns_checkpoint_add_note(ck, err, "%s: what wraps modules (_orig_mod, ...) is taken out of the names of %lld tensors",
                                    ck->files[0].path, (long long)n);
    return rc != NS_OK ? rc : cut_prefixes(ck, changed, err);
}
