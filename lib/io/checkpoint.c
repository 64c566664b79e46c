/* checkpoint.c - the handle: opens the files that locate.c found, one sorted list of tensors over all of them.
 *
 * locate -> open every file and read its header -> sort by name, refuse duplicates -> check against the index -> names without wrappers ->
 * refuse packed low-bit weights -> identity. A tensor is only visible once all of it has passed. */
#include "io/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Tensors whose bytes are not weights but codes for them. */
static const struct packed {
    const char *suffix, *what, *remedy;
} packed[] = {
    {".biases", "MLX's quantised codes", "convert it back: python -m mlx_lm convert --dequantize"},
    {".q_weight", "EXL2 codes", "use the unquantised checkpoint that it was made from"},
    {".qweight", "GPTQ or AWQ codes", "use the unquantised checkpoint that it was made from"},
    { ".weight_packed", "compressed-tensors codes",
      "load it in transformers with CompressedTensorsConfig(run_compressed=False) and save_pretrained it" },
    {".SCB", "bitsandbytes 8-bit codes", "load it in transformers, call its dequantize() and save_pretrained it"},
    {".weight.absmax", "bitsandbytes 4-bit codes", "load it in transformers, call its dequantize() and save_pretrained it"},
};

int ns_checkpoint_reserve(ns_checkpoint *ck, int64_t more, ns_error *err)
{
    return ns_grow(&ck->tensors, &ck->capacity, ck->n_tensors + more, sizeof *ck->tensors) ? NS_OK
                                                                                           : ns_oom(err, "a checkpoint's list of tensors");
}

int ns_checkpoint_add_note(ns_checkpoint *ck, ns_error *err, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    ns_line_args(line, sizeof line, fmt, args);
    va_end(args);
    if (!ns_grow(&ck->notes, &ck->notes_capacity, ck->n_notes + 1, sizeof *ck->notes) || !(ck->notes[ck->n_notes] = ns_strdup(line)))
        return ns_oom(err, "a checkpoint's notes");
    ck->n_notes++;
    return NS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ns_tensor *)a)->name, ((const ns_tensor *)b)->name);
}

static int sort_tensors(ns_checkpoint *ck, ns_error *err)
{
    if (ck->n_tensors == 0)
        return ns_fail(err, NS_E_FORMAT, "%s: no tensor in it", ck->files[0].path);
    qsort(ck->tensors, (size_t)ck->n_tensors, sizeof *ck->tensors, by_name);
    for (int64_t i = 1; i < ck->n_tensors; i++) {
        const ns_tensor *const a = &ck->tensors[i - 1], *const b = a + 1;
        if (!strcmp(a->name, b->name))
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is also in %s", b->file, b->name, ns_path_base(a->file));
    }
    return NS_OK;
}

static int refuse_packed(const ns_checkpoint *ck, ns_error *err)
{
    for (int64_t i = 0; i < ck->n_tensors; i++) {
        const ns_tensor *const t = &ck->tensors[i];
        for (size_t p = 0; p < sizeof packed / sizeof *packed; p++) {
            if (ns_ends(t->name, packed[p].suffix))
                return ns_fail(err, NS_E_UNSUPPORTED, "%s: tensor '%s' holds %s (%s)", t->file, t->name, packed[p].what, packed[p].remedy);
        }
    }
    return NS_OK;
}

/* Eight bits that a scale belongs to are no weights without it. */
static int refuse_scaled(const ns_checkpoint *ck, ns_error *err)
{
    static const char *const scales[] = {"_scale_inv", "_scale"};
    int rc = NS_OK;
    for (int64_t i = 0; i < 2 * ck->n_tensors && rc == NS_OK; i++) {
        const ns_tensor *const t = &ck->tensors[i / 2];
        char *const scale = strncmp(ns_tensor_stored(t), "F8_", 3) == 0 ? ns_printf_alloc("%s%s", t->name, scales[i % 2]) : NULL;
        if (scale && ns_checkpoint_find(ck, scale))
            rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: tensor '%s' is stored as %s with scales ('%s'), which needlescope does not read (load "
                         "the model in transformers 5 with quantization_config=FineGrainedFP8Config(dequantize=True), "
                         "dtype=torch.bfloat16, write its state_dict() with safetensors.torch.save_file, and config.json beside it "
                         "without quantization_config; save_pretrained would write codes again)", t->file, t->name,
                         ns_tensor_stored(t), scale);
        free(scale);
    }
    return rc;
}

static int find_reader(const ns_reader **out, const ns_weight_file *file, ns_error *err)
{
    ns_lead lead = {.size = (size_t)file->in.size};
    lead.n = lead.size < NS_LEAD_BYTES ? lead.size : NS_LEAD_BYTES;
    const int rc = ns_input_read(&file->in, 0, lead.bytes, lead.n, file->path, err);
    return rc != NS_OK ? rc : ns_reader_for(out, &lead, file->path, err);
}

/* *reader: NULL, and then it is found by the file's bytes. */
static int open_file(ns_checkpoint *ck, const char *path, const ns_reader **reader, ns_error *err)
{
    ns_weight_file *const file = &ck->files[ck->n_files++];
    file->path = ns_strdup(path);
    int rc = file->path ? ns_input_open(&file->in, path, err) : ns_oom(err, path);
    if (rc == NS_OK && !*reader)
        rc = find_reader(reader, file, err);
    return rc != NS_OK ? rc : (*reader)->open(ck, file, err);
}

/* A download or a training run that is still writing is caught here, and later by the read that finds the file's end too early. */
static int check_sizes(const ns_checkpoint *ck, ns_error *err)
{
    for (int64_t i = 0; i < ck->n_files; i++) {
        struct stat now;
        const ns_weight_file *const file = &ck->files[i];
        if (stat(file->path, &now) || now.st_size != file->in.size)
            return ns_fail(err, NS_E_IO, "%s: changed while it was being opened (wait until it is complete)", file->path);
    }
    return NS_OK;
}

/* Names that become one are an error then, as they are before. */
static int plain_names(ns_checkpoint *ck, ns_error *err)
{
    bool changed = false;
    const int rc = ns_checkpoint_plain_names(ck, &changed, err);
    return rc != NS_OK || !changed ? rc : sort_tensors(ck, err);
}

static int open_files(ns_checkpoint *ck, const ns_location *at, const ns_reader *reader, ns_error *err)
{
    ck->files = ns_alloc_array((size_t)at->n_files, sizeof *ck->files);
    if (!ck->files)
        return ns_oom(err, at->dir);
    const ns_reader *first = reader;
    int rc = open_file(ck, at->files[0], &first, err);
    for (int64_t i = 1; i < at->n_files && rc == NS_OK; i++) {
        const ns_reader *own = reader;
        rc = open_file(ck, at->files[i], &own, err);
        if (rc == NS_OK && own != first)
            rc = ns_fail(err, NS_E_FORMAT, "%s: is %s, and %s is %s: one checkpoint in two formats", at->files[i], own->name,
                         ns_path_base(at->files[0]), first->name);
    }
    if (rc == NS_OK && first->finish)
        rc = first->finish(ck, err);
    if (rc == NS_OK)
        rc = sort_tensors(ck, err);
    if (rc == NS_OK && at->index)
        rc = ns_index_check(ck, at, err);
    if (rc == NS_OK)
        rc = plain_names(ck, err);
    if (rc == NS_OK)
        rc = refuse_packed(ck, err);
    if (rc == NS_OK)
        rc = refuse_scaled(ck, err);
    return rc != NS_OK ? rc : check_sizes(ck, err);
}

/* What is F64 is no longer what the file says to the last bit. */
static int note_doubles(ns_checkpoint *ck, ns_error *err)
{
    int64_t n = 0;
    for (int64_t i = 0; i < ck->n_tensors; i++)
        n += ck->tensors[i].view.dtype == NS_F64;
    return n ? ns_checkpoint_add_note(ck, err, "%s: %lld of its %lld tensors are F64: their numbers are rounded to F32", ck->files[0].path,
                                      (long long)n, (long long)ck->n_tensors)
             : NS_OK;
}

static void identify(ns_checkpoint *ck)
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < ck->n_files; i++) {
        const ns_weight_file *const file = &ck->files[i];
        const int64_t numbers[3] = {(int64_t)file->header_bytes, file->in.size, file->in.mtime_ns};
        ns_sha256_add(&sha, numbers, sizeof numbers);
        ns_sha256_add(&sha, file->header, file->header_bytes);
    }
    ns_sha256_end(&sha, ck->identity);
}

static int no_reader(const char *name, ns_error *err)
{
    char list[256] = "";
    for (int i = 0; ns_reader_at(i); i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", ns_reader_at(i)->name);
    return ns_fail(err, NS_E_ARG, "no checkpoint reader is called '%s' (there are: %s)", name, list);
}

static int read_params(ns_checkpoint_params *p, const ns_checkpoint_params *given, const ns_reader **reader, ns_error *err)
{
    *p = (ns_checkpoint_params){.size = sizeof *p};
    if (given && given->size < sizeof given->size)
        return ns_fail(err, NS_E_ARG, "ns_checkpoint_params.size is not set (sizeof(ns_checkpoint_params))");
    if (given)
        memcpy(p, given, given->size < sizeof *p ? given->size : sizeof *p);
    *reader = p->reader ? ns_reader_named(p->reader) : NULL;
    if (p->reader && !*reader)
        return no_reader(p->reader, err);
    return NS_OK;
}

static int open_checkpoint(ns_checkpoint **out, const char *path, const ns_checkpoint_params *params, ns_error *err)
{
    ns_checkpoint_params p;
    const ns_reader *reader = NULL;
    ns_location at;
    *out = NULL;
    int rc = read_params(&p, params, &reader, err);
    if (rc == NS_OK)
        rc = ns_locate(&at, path, p.revision, err);
    if (rc != NS_OK)
        return rc;
    ns_checkpoint *const ck = ns_alloc_array(1, sizeof *ck);
    if (ck)
        ck->step = -1;
    rc = ck ? open_files(ck, &at, reader, err) : ns_oom(err, path);
    if (rc == NS_OK) {
        ck->dir = at.dir;
        at.dir = NULL;
        rc = ns_checkpoint_companions(ck, err);
    }
    if (rc == NS_OK && at.note)
        rc = ns_checkpoint_add_note(ck, err, "%s", at.note);
    if (rc == NS_OK)
        rc = note_doubles(ck, err);
    ns_location_free(&at);
    if (rc != NS_OK) {
        ns_checkpoint_free(ck);
        return rc;
    }
    identify(ck);
    *out = ck;
    return NS_OK;
}

int ns_checkpoint_open(ns_checkpoint **out, const char *path, const ns_checkpoint_params *params, ns_error *err)
{
    static const ns_kinds fine = NS_KINDS(NS_KIND_CHECKPOINT) | NS_KINDS(NS_KIND_SAFETENSORS) | NS_KINDS(NS_KIND_TORCH) |
                                 NS_KINDS(NS_KIND_GGUF) | NS_KINDS(NS_KIND_CACHE) | NS_KINDS(NS_KIND_FOLDER) | NS_KINDS(NS_KIND_BINARY);
    const ns_kinds index = path && ns_ends(path, ".index.json") ? NS_KINDS(NS_KIND_JSON) | NS_KINDS(NS_KIND_INDEX) : 0;
    int rc = open_checkpoint(out, path, params, err);
    const ns_error own = err ? *err : (ns_error){""};
    rc = ns_kind_fail(err, rc, path, fine | index, "a checkpoint (a folder of weights, or one file of them)");
    if (rc == NS_OK || !err || !strcmp(own.message, err->message))
        return rc;
    /* The reader knows the remedy: which step a run folder has, how others' files are converted, what is wrong with a header. */
    const size_t n = ns_starts(own.message, path) ? strlen(path) + strspn(own.message + strlen(path), ": ") : 0;
    return ns_fail(err, rc, "%s: %s", err->message, own.message + n);
}

void ns_checkpoint_free(ns_checkpoint *ck)
{
    if (!ck)
        return;
    for (int64_t i = 0; i < ck->n_files; i++) {
        ns_input_close(&ck->files[i].in);
        free(ck->files[i].header);
        free(ck->files[i].names);
        free(ck->files[i].coded);
        free(ck->files[i].path);
    }
    ns_free_strings(ck->notes, ck->n_notes);
    free(ck->files);
    free(ck->tensors);
    free(ck->dir);
    free(ck->config);
    free(ck->tokenizer);
    free(ck->config_text);
    free(ck->no_config);
    free(ck);
}

int64_t ns_checkpoint_count(const ns_checkpoint *ck)
{
    return ck->n_tensors;
}

const ns_tensor *ns_checkpoint_tensor(const ns_checkpoint *ck, int64_t i)
{
    return i >= 0 && i < ck->n_tensors ? &ck->tensors[i] : NULL;
}

const ns_tensor *ns_checkpoint_find(const ns_checkpoint *ck, const char *name)
{
    const ns_tensor key = {.name = name};
    return bsearch(&key, ck->tensors, (size_t)ck->n_tensors, sizeof key, by_name);
}

const char *ns_checkpoint_dir(const ns_checkpoint *ck)
{
    return ck->dir;
}

const char *ns_checkpoint_config_path(const ns_checkpoint *ck)
{
    return ck->config;
}

int ns_checkpoint_config(const ns_checkpoint *ck, char **text, size_t *n, ns_error *err)
{
    enum { LARGEST = 64 << 20 };
    *text = NULL;
    if (ck->no_config)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s; or describe the model with --arch", ck->no_config);
    if (!ck->config)
        return ns_fail(err, NS_E_MISSING, "%s: no config.json: put it beside the weights, or describe the model with --arch", ck->dir);
    if (!ck->config_text)
        return ns_file_read(ck->config, LARGEST, text, n, err);
    *text = ns_strdup(ck->config_text);
    if (*text && n)
        *n = strlen(*text);
    return *text ? NS_OK : ns_oom(err, ck->config);
}

const char *ns_checkpoint_tokenizer_path(const ns_checkpoint *ck)
{
    return ck->tokenizer;
}

const char *ns_checkpoint_identity(const ns_checkpoint *ck)
{
    return ck->identity;
}

int64_t ns_checkpoint_step(const ns_checkpoint *ck)
{
    return ck->step;
}

const char *ns_checkpoint_note(const ns_checkpoint *ck, int64_t i)
{
    return i >= 0 && i < ck->n_notes ? ck->notes[i] : NULL;
}
