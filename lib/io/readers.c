/* readers.c - the table of checkpoint formats, and the ones that are known by sight but not read. */
#include "io/reader.h"
#include <needlescope/tokenizer.h>

#include <stdlib.h>
#include <string.h>

static const ns_reader *const readers[] = {
#define ENTRY(name) &ns_##name##_reader,
#include "io/reader_list.h"
#undef ENTRY
    NULL,
};

/* magic at byte `at` of the file; n bytes of it, since some hold NULs; n = 0: the end of the file's name. */
static const struct foreign {
    size_t      at, n;
    const char *magic;
    int         code;
    const char *what, *remedy;
} foreign[] = {
    {0, 0, ".npz", NS_E_UNSUPPORTED, "NumPy arrays (MLX, EasyLM)", "save them again with safetensors.numpy.save_file"},
    {0, 0, ".msgpack", NS_E_UNSUPPORTED, "a Flax checkpoint", "load it in transformers 4 with from_flax=True and save it as safetensors"},
    {0, 0, ".onnx", NS_E_UNSUPPORTED, "an ONNX export", "take the checkpoint that it was exported from"},
    {0, 0, ".distcp", NS_E_UNSUPPORTED, "one file of a PyTorch distributed checkpoint (DCP)", "name its folder"},
    {0, 1, "\x80", NS_E_UNSUPPORTED, "a pickle that torch.save did not write", "save its arrays with safetensors.numpy.save_file"},
    {0, 8, "\x89HDF\r\n\x1a\n", NS_E_UNSUPPORTED, "an HDF5 file (Keras weights, or a needlescope recording)",
     "name a safetensors checkpoint"},
    {257, 5, "ustar", NS_E_UNSUPPORTED, "a tar archive (NeMo?)", "unpack it and convert it to a Hugging Face folder"},
    {0, 23, "version https://git-lfs", NS_E_FORMAT, "a git-lfs pointer, not the data", "run git lfs pull"},
};

const ns_reader *ns_reader_at(int i)
{
    return readers[i];
}

const ns_reader *ns_reader_named(const char *name)
{
    for (int i = 0; readers[i]; i++) {
        if (!strcmp(readers[i]->name, name))
            return readers[i];
    }
    return NULL;
}

bool ns_reader_takes(const ns_reader *reader, const char *file)
{
    for (int i = 0; reader->globs[i]; i++)
        if (ns_glob(reader->globs[i], file))
            return true;
    return false;
}

bool ns_reader_gives(const char *file)
{
    bool gives = false;
    for (int i = 0; readers[i]; i++)
        gives |= (readers[i]->whole && !strcmp(readers[i]->whole, file)) || (readers[i]->index && !strcmp(readers[i]->index, file));
    return gives;
}

const ns_reader *ns_reader_of_name(const char *file)
{
    for (int i = 0; readers[i]; i++) {
        if (ns_reader_takes(readers[i], file))
            return readers[i];
    }
    return NULL;
}

const ns_reader *ns_reader_with_tokenizer(const char *path)
{
    ns_lead lead = {0};
    ns_input in = {0};
    bool good = ns_input_open(&in, path, NULL) == NS_OK;
    if (good) {
        lead.size = (size_t)in.size;
        lead.n = lead.size < NS_LEAD_BYTES ? lead.size : NS_LEAD_BYTES;
        good = ns_input_read(&in, 0, lead.bytes, lead.n, path, NULL) == NS_OK;
    }
    ns_input_close(&in);
    for (int i = 0; good && readers[i]; i++)
        if (readers[i]->tokenize && (readers[i]->probe_tokenizer ? readers[i]->probe_tokenizer : readers[i]->probe)(&lead))
            return readers[i];
    return NULL;
}

int ns_tokenizer_chat_template(char **out, const char *path, ns_error *err)
{
    const ns_reader *const reader = ns_reader_with_tokenizer(path);
    *out = NULL;
    return reader && reader->chat_template ? reader->chat_template(path, out, err) : NS_OK;
}

/* By their names (magic: its end) or by their bytes. */
static int refuse_foreign(const ns_lead *lead, const char *path, bool by_name, ns_error *err)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const struct foreign *const f = &foreign[i];
        const bool is = by_name ? f->n == 0 && ns_ends(path, f->magic)
                                : f->n && lead->n >= f->at + f->n && !memcmp(lead->bytes + f->at, f->magic, f->n);
        if (is)
            return ns_fail(err, f->code, "%s: %s (%s)", path, f->what, f->remedy);
    }
    return NS_OK;
}

/* Some formats are zip archives too, or pickles: those go by their names. */
int ns_reader_for(const ns_reader **out, const ns_lead *lead, const char *path, ns_error *err)
{
    int rc = refuse_foreign(lead, path, true, err);
    for (int i = 0; rc == NS_OK && readers[i]; i++) {
        if (readers[i]->probe(lead)) {
            *out = readers[i];
            return NS_OK;
        }
    }
    if (rc == NS_OK)
        rc = refuse_foreign(lead, path, false, err);
    *out = ns_reader_of_name(path);
    if (rc != NS_OK || *out)
        return rc;
    return ns_fail(err, NS_E_FORMAT, "%s: not a checkpoint that needlescope knows (it reads safetensors, GGUF, what "
                   "torch.save writes and llama2.c's files)",
                   path);
}
