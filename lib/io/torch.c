/* torch.c - the reader of what torch.save writes: zip archives, and the legacy files of PyTorch before 1.6.
 *
 * zip: ROOT/data.pkl is the pickle, ROOT/data/KEY are the bytes of storages, stored as they are. Legacy: five pickles (a magic number, the
 * protocol, the machine, the object, the keys of its storages), then of each key the number of elements and the bytes. Tensors are read
 * from where they lie. */
#include "io/torch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PICKLE = 256 << 20, FIRST_WINDOW = 1 << 20, LEGACY_PROTOCOL = 1001, MAX_ROOT = 1024 };

static const uint8_t magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};      /* LONG1 of ten bytes */

static bool is_zip(const uint8_t *bytes, size_t n)
{
    return n >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

/* PROTO 2, LONG1 10, the number; of any protocol. */
static bool is_legacy(const uint8_t *bytes, size_t n)
{
    const uint8_t *const at = n >= 32 ? memmem(bytes, 32, magic, sizeof magic) : NULL;
    return at && bytes[0] == 0x80;
}

static bool probe(const ns_lead *lead)
{
    return is_zip(lead->bytes, lead->n) || is_legacy(lead->bytes, lead->n);
}

/* The first n bytes from `at` on become the file's header, which pickles are read from. */
static int load(ns_torch *t, int64_t at, size_t n)
{
    free(t->file->header);
    t->file->header_bytes = n;
    t->file->header = malloc(n + 1);
    return t->file->header ? ns_input_read(&t->file->in, at, t->file->header, n, t->file->path, t->err) : ns_oom(t->err, t->file->path);
}

/* ---- zip ---- */

static const ns_zip_entry *in_root(const ns_torch *t, const char *below)
{
    char name[MAX_ROOT + 512];
    snprintf(name, sizeof name, "%s/%s", t->root, below);
    return ns_zip_find(&t->zip, name);
}

/* What a zip archive without a pickle of torch.save is. */
static int other_zip(const ns_torch *t)
{
    bool arrays = false;
    for (int64_t i = 0; i < t->zip.n; i++)
        arrays |= ns_ends(t->zip.list[i].name, ".npy");
    if (arrays)
        return ns_torch_fail(t, NS_E_UNSUPPORTED, "NumPy arrays (save them again with safetensors.numpy.save_file)");
    return ns_torch_fail(t, NS_E_UNSUPPORTED, "a zip archive without a data.pkl: not of torch.save (save the state dict with it)");
}

static int find_root(ns_torch *t)
{
    static const char pickle[] = "/data.pkl";
    for (int64_t i = 0; i < t->zip.n; i++) {
        const char *const name = t->zip.list[i].name;
        if (!ns_ends(name, pickle) || strchr(name, '/') != name + strlen(name) - strlen(pickle))
            continue;
        if (t->root)
            return ns_torch_fail(t, NS_E_FORMAT, "two data.pkl in it, in '%s' and in '%.200s'", t->root, name);
        t->root = ns_printf_alloc("%.*s", (int)(strlen(name) - strlen(pickle)), name);
        if (!t->root)
            return ns_oom(t->err, t->file->path);
    }
    if (!t->root)
        return other_zip(t);
    if (strlen(t->root) > MAX_ROOT)
        return ns_torch_fail(t, NS_E_FORMAT, "the folder in it has a name of %zu bytes", strlen(t->root));
    if (!in_root(t, "constants.pkl"))
        return NS_OK;
    return ns_torch_fail(t, NS_E_UNSUPPORTED, "a TorchScript program (load it with torch.jit.load and save its state_dict() with "
                         "torch.save)");
}

/* "little" or "big"; files before PyTorch 2.1 do not say. */
static int check_byte_order(const ns_torch *t)
{
    char order[8] = "little";
    int64_t at;
    const ns_zip_entry *const e = in_root(t, "byteorder");
    int rc = e ? ns_zip_at(&t->zip, e, &at, t->err) : NS_OK;
    if (rc == NS_OK && e) {
        const size_t n = e->size < 7 ? (size_t)e->size : 7;
        memset(order, 0, sizeof order);
        rc = ns_input_read(&t->file->in, at, order, n, t->file->path, t->err);
    }
    if (rc != NS_OK || strcmp(order, "little") == 0)
        return rc;
    return ns_torch_fail(t, NS_E_UNSUPPORTED, "numbers in the byte order '%s' (save it again on a machine of x86 or ARM)", order);
}

static int read_zip(ns_torch *t)
{
    int64_t at = 0;
    int rc = ns_zip_open(&t->zip, &t->file->in, t->file->path, t->err);
    if (rc == NS_OK)
        rc = find_root(t);
    if (rc == NS_OK)
        rc = check_byte_order(t);
    const ns_zip_entry *const pickle = rc == NS_OK ? in_root(t, "data.pkl") : NULL;
    if (rc == NS_OK)
        rc = ns_zip_at(&t->zip, pickle, &at, t->err);
    if (rc == NS_OK && pickle->size > MAX_PICKLE)
        rc = ns_torch_fail(t, NS_E_FORMAT, "a pickle of %lld bytes (at most %d)", (long long)pickle->size, MAX_PICKLE);
    if (rc == NS_OK)
        rc = load(t, at, (size_t)pickle->size);
    return rc != NS_OK ? rc : ns_pickle_read(&t->pickle, t->file->header, t->file->header_bytes, t->file->path, t->err);
}

/* ---- legacy ---- */

static int by_key(const void *a, const void *b)
{
    const ns_torch_storage *const x = a, *const y = b;
    const uint32_t n = x->key->n < y->key->n ? x->key->n : y->key->n;
    const int order = memcmp(x->key->text, y->key->text, n);
    return order ? order : x->key->n < y->key->n ? -1 : x->key->n > y->key->n;
}

static int check_magic(const ns_torch *t, const ns_pickle *p)
{
    const ns_pickle_node *const root = ns_pickle_at(p, p->root);
    const bool good = root->kind == NS_PICKLE_LONG && root->n == sizeof magic && memcmp(root->text, magic, sizeof magic) == 0;
    return good ? NS_OK : ns_torch_fail(t, NS_E_UNSUPPORTED, "a pickle that torch.save did not write (save the state dict with it)");
}

static int check_protocol(const ns_torch *t, const ns_pickle *p)
{
    const ns_pickle_node *const root = ns_pickle_at(p, p->root);
    const bool good = root->kind == NS_PICKLE_INT && root->integer == LEGACY_PROTOCOL;
    return good ? NS_OK : ns_torch_fail(t, NS_E_UNSUPPORTED, "a legacy PyTorch file of another protocol than %d (save it again)",
                                        LEGACY_PROTOCOL);
}

static int check_machine(const ns_torch *t, const ns_pickle *p)
{
    const ns_pickle_node *const little = ns_pickle_at(p, ns_pickle_get(p, p->root, "little_endian"));
    if (little->kind == NS_PICKLE_BOOL && little->integer)
        return NS_OK;
    return ns_torch_fail(t, NS_E_UNSUPPORTED, "its numbers are big-endian, or it does not say (save it again on a machine of x86 or ARM)");
}

/* Each storage that the object names, once, by its key. */
static int list_storages(ns_torch *t)
{
    const ns_pickle *const p = &t->pickle;
    for (int64_t i = 0; i < p->n_nodes; i++) {
        ns_torch_storage s;
        if (p->nodes[i].kind != NS_PICKLE_PERSISTENT || !ns_torch_storage_of(p, (ns_ref)i, &s))
            continue;
        if (!ns_grow(&t->storages, &t->capacity, t->n_storages + 1, sizeof *t->storages))
            return ns_oom(t->err, t->file->path);
        t->storages[t->n_storages++] = s;
    }
    if (t->n_storages)
        qsort(t->storages, (size_t)t->n_storages, sizeof *t->storages, by_key);
    int64_t n = 0;
    for (int64_t i = 0; i < t->n_storages; i++) {
        const ns_torch_storage *const s = &t->storages[i], *const last = n ? &t->storages[n - 1] : NULL;
        if (!last || by_key(last, s) != 0)
            t->storages[n++] = *s;
        else if (last->elements != s->elements || last->type != s->type)
            return ns_torch_fail(t, NS_E_FORMAT, "its pickle gives the storage '%.*s' two sizes or types", ns_pickle_shown(s->key),
                                 s->key->text);
    }
    t->n_storages = n;
    return NS_OK;
}

/* The storage of a key, which begins at *at with the number of its elements. */
static int place_storage(ns_torch *t, const ns_pickle_node *key, int64_t *at)
{
    int64_t elements, bytes;
    const int shown = key->kind == NS_PICKLE_TEXT ? ns_pickle_shown(key) : 0;
    ns_torch_storage *const s = key->kind == NS_PICKLE_TEXT && t->n_storages ? bsearch(&(ns_torch_storage){.key = key}, t->storages,
                                    (size_t)t->n_storages, sizeof *t->storages, by_key) : NULL;
    if (!s || s->at >= 0)
        return ns_torch_fail(t, NS_E_FORMAT, "the storage '%.*s' stands in its list and in no tensor, or twice", shown,
                             shown ? key->text : "");
    if (t->file->in.size - *at < 8)
        return ns_torch_fail(t, NS_E_FORMAT, "ends before its storage '%.*s': truncated (copy or download it again)", shown, key->text);
    const int rc = ns_input_read(&t->file->in, *at, &elements, sizeof elements, t->file->path, t->err);
    if (rc != NS_OK)
        return rc;
    if (elements != s->elements || !ns_mul_i64(elements, s->type->size, &bytes) || bytes > t->file->in.size - *at - 8)
        return ns_torch_fail(t, NS_E_FORMAT, "the storage '%.*s' should have %lld elements of %d bytes; it says %lld, and %lld bytes are "
                             "left (copy or download it again)", shown, key->text, (long long)s->elements, s->type->size,
                       (long long)elements, (long long)(t->file->in.size - *at - 8));
    s->at = *at + 8;
    *at = s->at + bytes;
    return NS_OK;
}

static int place_storages(ns_torch *t, const ns_pickle *keys, int64_t at)
{
    int rc = ns_pickle_is(keys, keys->root, NS_PICKLE_LIST) ? list_storages(t) : ns_torch_fail(t, NS_E_FORMAT, "no list of its storages");
    const ns_pickle_node *const list = ns_pickle_at(keys, keys->root);
    for (uint32_t c = rc == NS_OK ? list->first : 0; c && rc == NS_OK; c = keys->cells[c].next)
        rc = place_storage(t, ns_pickle_at(keys, keys->cells[c].value), &at);
    return rc;
}

/* The pickle from *at on, checked and dropped, or kept in *keep. */
static int next_pickle(ns_torch *t, size_t *at, int (*check)(const ns_torch *, const ns_pickle *), ns_pickle *keep, bool *cut)
{
    ns_pickle p;
    int rc = ns_pickle_read(&p, t->file->header + *at, t->file->header_bytes - *at, t->file->path, t->err);
    *cut |= p.cut;
    *at += p.used;
    if (rc == NS_OK && check)
        rc = check(t, &p);
    if (keep)
        *keep = p;
    else
        ns_pickle_free(&p);
    return rc;
}

/* All five within the first n bytes of the file; cut: they go on behind them. */
static int read_window(ns_torch *t, size_t n, bool *cut)
{
    ns_pickle keys = {0};
    size_t at = 0;
    int rc = load(t, 0, n);
    if (rc == NS_OK)
        rc = next_pickle(t, &at, check_magic, NULL, cut);
    if (rc == NS_OK)
        rc = next_pickle(t, &at, check_protocol, NULL, cut);
    if (rc == NS_OK)
        rc = next_pickle(t, &at, check_machine, NULL, cut);
    if (rc == NS_OK)
        rc = next_pickle(t, &at, NULL, &t->pickle, cut);
    if (rc == NS_OK)
        rc = next_pickle(t, &at, NULL, &keys, cut);
    if (rc == NS_OK) {
        t->file->header_bytes = at;
        rc = place_storages(t, &keys, (int64_t)at);
    }
    ns_pickle_free(&keys);
    return rc;
}

/* Nobody says how long the pickles are: the window grows until they end in it. */
static int read_legacy(ns_torch *t)
{
    const int64_t size = t->file->in.size, most = size < MAX_PICKLE ? size : MAX_PICKLE;
    for (int64_t n = FIRST_WINDOW;; n *= 2) {
        bool cut = false;
        const int rc = read_window(t, (size_t)(n < most ? n : most), &cut);
        if (!cut || n >= most)
            return rc;
        ns_pickle_free(&t->pickle);
    }
}

/* ---- both ---- */

static int no_place(const ns_torch *t, const char *name, const ns_torch_storage *s, const char *why)
{
    return ns_torch_fail(t, NS_E_FORMAT, "tensor '%s': its storage '%.*s' of %lld elements %s (copy or download it again)", name,
                         ns_pickle_shown(s->key), s->key->text, (long long)s->elements, why);
}

/* In the archive, `bytes` of them: all of the storage. */
static int place_in_zip(ns_torch *t, const char *name, const ns_torch_storage *s, int64_t bytes, int64_t *at)
{
    char key[512];
    if (s->key->n >= sizeof key - 8)
        return no_place(t, name, s, "has no name of torch.save's");
    snprintf(key, sizeof key, "data/%.*s", (int)s->key->n, s->key->text);
    const ns_zip_entry *const e = in_root(t, key);
    if (!e)
        return no_place(t, name, s, "is not in the file");
    if (bytes > e->size)
        return ns_torch_fail(t, NS_E_FORMAT, "tensor '%s': its storage '%.*s' should have %lld bytes, the file has %lld (copy or download "
                             "it again)", name, ns_pickle_shown(s->key), s->key->text, (long long)bytes, (long long)e->size);
    return ns_zip_at(&t->zip, e, at, t->err);
}

static int place_in_legacy(const ns_torch *t, const char *name, const ns_torch_storage *s, int64_t *at)
{
    const ns_torch_storage *const found = t->n_storages ? bsearch(s, t->storages, (size_t)t->n_storages, sizeof *s, by_key) : NULL;
    *at = found ? found->at : -1;
    return *at >= 0 ? NS_OK : no_place(t, name, s, "is not in the file");
}

int ns_torch_place(ns_torch *t, const char *name, const ns_torch_storage *s, int64_t *at, int64_t *bytes)
{
    int64_t all;
    if (!ns_mul_i64(s->elements, s->type->size, &all))
        return no_place(t, name, s, "is larger than any file");
    const int rc = t->root ? place_in_zip(t, name, s, all, at) : place_in_legacy(t, name, s, at);
    *at += s->view * s->type->size;
    *bytes = s->length * s->type->size;
    return rc;
}

int ns_torch_fail(const ns_torch *t, int code, const char *fmt, ...)
{
    char what[900];
    va_list args;
    va_start(args, fmt);
    ns_line_args(what, sizeof what, fmt, args);
    va_end(args);
    return ns_fail(t->err, code, "%s: %s", t->file->path, what);
}

static int open_file(ns_checkpoint *ck, ns_weight_file *file, ns_error *err)
{
    ns_torch t = {.ck = ck, .file = file, .err = err};
    uint8_t lead[32];
    const size_t n = file->in.size < 32 ? (size_t)file->in.size : 32;
    int rc = ns_input_read(&file->in, 0, lead, n, file->path, err);
    if (rc == NS_OK && !is_zip(lead, n) && !is_legacy(lead, n))
        rc = ns_torch_fail(&t, NS_E_FORMAT, "not a file of torch.save: neither a zip archive nor a legacy pickle (copy or download it "
                           "again)");
    else if (rc == NS_OK)
        rc = is_zip(lead, n) ? read_zip(&t) : read_legacy(&t);
    if (rc == NS_OK && ck->step < 0)
        ck->step = ns_torch_step(&t);
    if (rc == NS_OK && !ck->config)
        rc = ns_torch_config(&t);
    if (rc == NS_OK)
        rc = ns_torch_take(&t);
    ns_pickle_free(&t.pickle);
    ns_zip_free(&t.zip);
    free(t.storages);
    free(t.root);
    return rc;
}

static const char *const globs[] = {"*.bin", "*.pt", "*.pth", "*.ckpt", NULL};
const ns_reader ns_torch_reader = {
    .name = "torch", .globs = globs, .whole = "pytorch_model.bin", .index = "pytorch_model.bin.index.json",
    .probe = probe, .open = open_file,
};
