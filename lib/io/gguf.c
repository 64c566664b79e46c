/* gguf.c - the GGUF reader: one file, or NAME-00001-of-0000N.gguf with the others beside it (the first has the metadata).
 *
 * Numbers keep their place in the file and are decoded when they are read; what the model's family wants differently from what llama.cpp
 * stores is described for each tensor by an ns_coded (gguf_arch.c). */
#include "io/gguf.h"

#include <stdlib.h>
#include <string.h>

static bool probe(const ns_lead *lead)
{
    return lead->n >= 8 && memcmp(lead->bytes, "GGUF", 4) == 0;
}

static int publish(ns_checkpoint *ck, ns_weight_file *file, const ns_gguf *g)
{
    size_t names = 0;
    for (int64_t i = 0; i < g->n_tensors; i++)
        names += g->tensors[i].name_n + 1;
    file->names = malloc(names + 1);
    file->coded = ns_alloc_array((size_t)g->n_tensors, sizeof *file->coded);
    if (!file->names || !file->coded)
        return ns_oom(g->err, file->path);
    const int rc = ns_checkpoint_reserve(ck, g->n_tensors, g->err);
    char *name = file->names;
    for (int64_t i = 0; i < g->n_tensors && rc == NS_OK; i++) {
        const ns_gguf_tensor *const t = &g->tensors[i];
        memcpy(name, g->bytes + t->name, t->name_n);
        name[t->name_n] = '\0';
        file->coded[i].block = t->block;
        ck->tensors[ck->n_tensors++] = (ns_tensor){
            .name = name, .file = file->path, .n_bytes = (int64_t)t->bytes, .view = ns_view_of(NULL, t->block->dtype, t->rank, t->shape),
            .from = file, .at = (int64_t)t->at, .coded = t->block->decode ? &file->coded[i] : NULL,
        };
        name += t->name_n + 1;
    }
    return rc;
}

static int open_file(ns_checkpoint *ck, ns_weight_file *file, ns_error *err)
{
    ns_gguf g;
    int rc = ns_gguf_read(&g, &file->in, file->path, err);
    rc = rc != NS_OK ? rc : publish(ck, file, &g);
    if (rc == NS_OK) {
        file->header = g.bytes;
        file->header_bytes = g.at;
        g.bytes = NULL;
    }
    ns_gguf_close(&g);
    return rc;
}

/* That this is part `no` of as many as there are files. */
static int check_part(const ns_gguf *g, int64_t no, int64_t n_files, int64_t n_tensors)
{
    double number, count, tensors;
    int rc = ns_gguf_number(g, "split.no", 0, &number);
    rc = rc != NS_OK ? rc : ns_gguf_number(g, "split.count", 1, &count);
    rc = rc != NS_OK ? rc : ns_gguf_number(g, "split.tensors.count", (double)n_tensors, &tensors);
    if (rc != NS_OK)
        return rc;
    count = count == 0 ? 1 : count;
    if (count != (double)n_files || number != (double)no)
        return ns_fail(g->err, NS_E_MISSING, "%s: is part %.0f of %.0f, where part %lld of %lld was looked for: parts go by their names, "
                       "NAME-00001-of-0000N.gguf, in one folder", g->path, number + 1, count, (long long)no + 1, (long long)n_files);
    return tensors == (double)n_tensors ? NS_OK : ns_fail(g->err, NS_E_FORMAT, "%s: split.tensors.count is %.0f, and all parts have %lld "
                                                          "tensors", g->path, tensors, (long long)n_tensors);
}

static int finish(ns_checkpoint *ck, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = ck->n_files - 1; i >= 0 && rc == NS_OK; i--) {
        ns_gguf g;
        rc = ns_gguf_read(&g, &ck->files[i].in, ck->files[i].path, err);
        rc = rc != NS_OK ? rc : check_part(&g, i, ck->n_files, ck->n_tensors);
        if (rc == NS_OK && i == 0)
            rc = ns_gguf_describe(ck, &g, err);
        ns_gguf_close(&g);
    }
    return rc;
}

static const char *const globs[] = {"*.gguf", NULL};
const ns_reader ns_gguf_reader = {
    .name = "gguf", .globs = globs, .probe = probe, .open = open_file, .finish = finish, .tokenize = ns_gguf_tokenize,
    .chat_template = ns_gguf_chat_template,
};
