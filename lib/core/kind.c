/* kind.c - what a file or folder is (kind.h): a file by its first bytes, a folder by the names in it. */
#include <needlescope/kind.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/core.h"

enum { HEAD_BYTES = 1 << 16, CASE_DEPTH = 64 };

static const char *const kind_names[NS_N_KINDS] = {
    "not there", "a stream", "an empty file", "a text", "JSON", "a list of cases (JSONL)", "a binary file", "safetensors weights",
    "PyTorch weights", "a GGUF file", "an NPZ of arrays",
    "a PNG picture", "a PDF", "an EPS picture", "an SVG picture", "a page of view",
    "a notebook", "a tokenizer.json", "a tokenizer_config.json", "an index of weights", "a description of an architecture (JSON)",
    "a model's config.json", "a protocol of the laboratory", "a config of a training run", "a run.json", "a definition of a probe",
    "a manifest of checkpoints", "a map of names of tensors",
    "a score file", "a study", "a recording", "an ablation", "a patching", "an attribution", "a gradient influence", "training metrics",
    "a trace of heads",
    "a needlescope file of another kind",
    "HDF5 of another program, or a damaged file", "a folder", "an empty folder", "a checkpoint folder", "a scan folder", "a run folder",
    "a Hugging Face cache",
};

const char *ns_kind_name(ns_kind kind)
{
    return (int)kind >= 0 && kind < NS_N_KINDS ? kind_names[kind] : NULL;
}

/* ---- folders ---- */

typedef struct listing { bool config, weights, shards, snapshots, refs, run, steps; } listing;

static bool is_step(const char *name)
{
    const size_t n = strcspn(name, "0123456789");
    return name[n] && (ns_starts(name, "step") || ns_starts(name, "checkpoint-") || ns_starts(name, "iter_"));
}

static void look_at(listing *l, const char *name)
{
    l->config |= strcmp(name, "config.json") == 0;
    l->weights |= ns_ends(name, ".safetensors") || ns_ends(name, ".gguf") || strcmp(name, "model.safetensors.index.json") == 0;
    l->weights |= ns_glob("pytorch_model*.bin", name) || strcmp(name, "pytorch_model.bin.index.json") == 0;
    l->shards |= strcmp(name, "shards") == 0;
    l->snapshots |= strcmp(name, "snapshots") == 0;
    l->refs |= strcmp(name, "refs") == 0 || strcmp(name, "blobs") == 0;
    l->run |= strcmp(name, "run.json") == 0;
    l->steps |= is_step(name);
}

static ns_kind folder_kind(const char *path)
{
    char **names;
    int64_t n;
    listing l = {0};
    if (ns_folder_list(&names, &n, path, NULL))
        return NS_KIND_NONE;
    for (int64_t i = 0; i < n; i++)
        look_at(&l, names[i]);
    ns_free_strings(names, n);
    return n == 0                  ? NS_KIND_EMPTY_FOLDER
           : l.snapshots && l.refs ? NS_KIND_CACHE
           : l.shards              ? NS_KIND_SCAN
           : l.weights             ? NS_KIND_CHECKPOINT
           : l.run || l.steps      ? NS_KIND_RUN
           : l.config              ? NS_KIND_CHECKPOINT
                                   : NS_KIND_FOLDER;
}

/* ---- files ---- */

typedef struct head { char bytes[HEAD_BYTES + 1]; size_t n; bool whole; } head;

static bool begins(const head *h, const char *magic, size_t n)
{
    return h->n >= n && memcmp(h->bytes, magic, n) == 0;
}

/* Eight bytes of length, little endian, and as many of JSON. */
static bool is_safetensors(const head *h)
{
    return h->n > 8 && h->bytes[8] == '{' && h->bytes[5] == 0 && h->bytes[6] == 0 && h->bytes[7] == 0;
}

/* A zip archive whose first member's name ends so. */
static bool is_zip_of(const head *h, const char *end)
{
    const size_t n_name = h->n > 30 ? (size_t)(uint8_t)h->bytes[26] | (size_t)(uint8_t)h->bytes[27] << 8 : 0, n_end = strlen(end);
    return begins(h, "PK\3\4", 4) && n_name >= n_end && n_name <= h->n - 30 && memcmp(h->bytes + 30 + n_name - n_end, end, n_end) == 0;
}

/* What torch.save writes: a zip archive that begins with ROOT/data.pkl, or a pickle of its magic number. */
static bool is_torch(const head *h)
{
    if (begins(h, "PK\3\4", 4))
        return is_zip_of(h, "/data.pkl");
    return h->n > 32 && h->bytes[0] == '\x80' && memmem(h->bytes, 32, "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
}

/* No control characters. Whether it is UTF-8 is for its reader to say, with the line. */
static bool is_text(const head *h)
{
    for (size_t i = 0; i < h->n; i++)
        if ((unsigned char)h->bytes[i] < ' ' && !isspace((unsigned char)h->bytes[i]) && h->bytes[i] != '\033')
            return false;
    return true;
}

/* The first line is an object with a prompt. A line beyond the head is taken for one by its first key. */
static bool is_case(const char *line, size_t n, bool cut)
{
    cJSON *object = NULL;
    if (cut)
        return ns_starts(line, "{\"id\"") || ns_starts(line, "{\"tokens\"");
    if (ns_json_parse(&object, line, n, CASE_DEPTH, "", NULL) < 0)
        return false;
    const cJSON *const tokens = cJSON_GetObjectItemCaseSensitive(object, "tokens");      /* of a manifest they are a number */
    const bool prompt = (tokens && !cJSON_IsNumber(tokens)) || cJSON_GetObjectItemCaseSensitive(object, "text");
    cJSON_Delete(object);
    return prompt;
}

static ns_kind text_kind(const head *h)
{
    const char *at = h->bytes;
    while (isspace((unsigned char)*at))
        at++;
    if (ns_starts(at, "<!DOCTYPE html>") && strstr(at, "<meta name=\"generator\" content=\"needlescope\">"))
        return NS_KIND_PAGE;
    if ((ns_starts(at, "<?xml") || ns_starts(at, "<svg")) && strstr(at, "<svg"))
        return NS_KIND_SVG;
    if (*at != '{' && *at != '[')
        return NS_KIND_TEXT;
    const size_t n = strcspn(at, "\n");
    return is_case(at, n, !at[n] && !h->whole) ? NS_KIND_CASES : ns_kind_of_json(at, h->n - (size_t)(at - h->bytes), h->whole);
}

/* HDF5 is lib/record's: where that is linked, it tells (record/kind.c). */
extern ns_kind ns_kind_of_hdf5(const char *path) __attribute__((weak));

static bool is_hdf5(const head *h)
{
    return begins(h, "\211HDF\r\n\032\n", 8);
}

static ns_kind bytes_kind(const head *h, const char *path)
{
    if (is_hdf5(h))
        return ns_kind_of_hdf5 ? ns_kind_of_hdf5(path) : NS_KIND_HDF5;
    if (begins(h, "\211PNG\r\n\032\n", 8))
        return NS_KIND_PNG;
    if (begins(h, "GGUF", 4))
        return NS_KIND_GGUF;
    if (is_zip_of(h, ".npy"))
        return NS_KIND_NPZ;
    if (begins(h, "%PDF-", 5))
        return NS_KIND_PDF;
    if (begins(h, "%!PS-Adobe-3.0 EPSF", 19))
        return NS_KIND_EPS;
    if (h->n == 0)
        return NS_KIND_EMPTY;
    return is_safetensors(h) ? NS_KIND_SAFETENSORS : is_torch(h) ? NS_KIND_TORCH : is_text(h) ? text_kind(h) : NS_KIND_BINARY;
}

static bool read_head(head *h, const char *path)
{
    ns_input in = {0};
    bool good = ns_input_open(&in, path, NULL) == NS_OK;
    if (good) {
        h->whole = in.size < HEAD_BYTES;
        h->n = h->whole ? (size_t)in.size : HEAD_BYTES;
        good = ns_input_read(&in, 0, h->bytes, h->n, path, NULL) == NS_OK;
        h->bytes[h->n] = '\0';
    }
    ns_input_close(&in);
    return good;
}

static ns_kind file_kind(const char *path)
{
    ns_kind kind = NS_KIND_NONE;
    head *const h = malloc(sizeof *h);
    if (h && read_head(h, path))
        kind = bytes_kind(h, path);
    free(h);
    return kind;
}

ns_kind ns_kind_of(const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) != 0)
        return NS_KIND_NONE;
    return S_ISDIR(st.st_mode) ? folder_kind(path) : S_ISREG(st.st_mode) ? file_kind(path) : NS_KIND_STREAM;
}

/* Damaged HDF5 that was to be HDF5 is not looked at again: it may take seconds. */
static bool is_what_was_wanted(const char *path, ns_kinds fine)
{
    head *const h = fine & NS_KINDS(NS_KIND_HDF5) ? malloc(sizeof *h) : NULL;
    const bool yes = h && read_head(h, path) && is_hdf5(h);
    free(h);
    return yes;
}

int ns_kind_fail(ns_error *err, int rc, const char *path, ns_kinds fine, const char *wanted)
{
    const bool asks = rc != NS_OK && rc != NS_E_MEMORY && !is_what_was_wanted(path, fine);
    const ns_kind kind = asks ? ns_kind_of(path) : NS_KIND_NONE;
    const bool other = kind != NS_KIND_NONE && kind != NS_KIND_STREAM && !(fine & NS_KINDS(kind));
    return other ? ns_fail(err, rc, "%s: is %s, not %s", path, ns_kind_name(kind), wanted) : rc;
}

/* ---- outputs ---- */

/* The name of our convention stands at the front of each of our files. */
static bool is_damaged_one_of_ours(const char *path)
{
    static const char mark[] = "needlescope-1";
    bool found = false;
    head *const h = malloc(sizeof *h);
    if (h && read_head(h, path))
        found = memmem(h->bytes, h->n, mark, sizeof mark - 1) != NULL;
    free(h);
    return found;
}

int ns_kind_check_output(const char *path, ns_kinds same, ns_error *err)
{
    const ns_kind there = ns_path_stream(path) >= 0 ? NS_KIND_STREAM : ns_kind_of(path);
    const ns_kinds fine = same | NS_KINDS(NS_KIND_NONE) | NS_KINDS(NS_KIND_STREAM) | NS_KINDS(NS_KIND_EMPTY);
    if ((fine & NS_KINDS(there)) || there >= NS_KIND_FOLDER)             /* that a folder is none: whoever opens it says so */
        return NS_OK;
    if (there == NS_KIND_HDF5 && (same & NS_KINDS_HDF5) && is_damaged_one_of_ours(path))
        return NS_OK;
    return ns_fail(err, NS_E_CREATE, "%s: is %s, and another kind of file would replace it (name another file, or remove it)", path,
                   ns_kind_name(there));
}
