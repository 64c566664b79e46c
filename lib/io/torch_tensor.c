/* torch_tensor.c - what _rebuild_tensor_v2 would be called with -> a tensor: dtype, shape, strides and place, held to the bytes of its
 * storage. */
#include "io/blocks.h"
#include "io/torch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A file's tensors may share storages (tied weights), but not so often that reading them all is endless. */
enum { MAX_SHARED = 64, WRAPPERS = 4, MAX_METADATA = 64 };
static const int64_t free_bytes = 64 << 20;      /* expanded buffers of small files */

static const ns_torch_type types[] = {
    {"FloatStorage", "float32", 4, NS_F32, NULL}, {"HalfStorage", "float16", 2, NS_F16, NULL},
    {"BFloat16Storage", "bfloat16", 2, NS_BF16, NULL}, {"DoubleStorage", "float64", 8, NS_F64, NULL},
    {"LongStorage", "int64", 8, NS_I64, NULL}, {"IntStorage", "int32", 4, NS_I32, NULL}, {"ShortStorage", "int16", 2, NS_I16, NULL},
    {"CharStorage", "int8", 1, NS_I8, NULL}, {"ByteStorage", "uint8", 1, NS_U8, NULL}, {"BoolStorage", "bool", 1, NS_BOOL, NULL},
    {"UntypedStorage", "no type", 1, NS_U8, NULL}, {NULL, "uint16", 2, NS_U16, NULL}, {NULL, "uint32", 4, NS_U32, NULL},
    {NULL, "uint64", 8, NS_U64, NULL}, {"ComplexFloatStorage", "complex64", 8, -1, NULL},
    {"ComplexDoubleStorage", "complex128", 16, -1, NULL}, {"QInt8Storage", "qint8", 1, -1, NULL},
    {"QUInt8Storage", "quint8", 1, -1, NULL}, {"QInt32Storage", "qint32", 4, -1, NULL}, {NULL, "float8_e4m3fn", 1, NS_U8, "F8_E4M3"},
    {NULL, "float8_e5m2", 1, NS_U8, "F8_E5M2"}, {NULL, "float8_e4m3fnuz", 1, -1, NULL}, {NULL, "float8_e5m2fnuz", 1, -1, NULL},
    {NULL, "float8_e8m0fnu", 1, -1, NULL}, {NULL, "complex32", 4, -1, NULL},
};
enum { N_TYPES = sizeof types / sizeof *types };

static bool is_class(const ns_pickle *p, ns_ref ref, const char *name)
{
    return ns_pickle_global_is(p, ref, "torch", name) || ns_pickle_global_is(p, ref, "torch.storage", name) ||
           ns_pickle_global_is(p, ref, "torch.cuda", name);
}

static const ns_torch_type *type_of_storage(const ns_pickle *p, ns_ref ref)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].storage && is_class(p, ref, types[i].storage))
            return &types[i];
    return NULL;
}

static const ns_torch_type *type_of_dtype(const ns_pickle *p, ns_ref ref)
{
    for (int i = 0; i < N_TYPES; i++)
        if (ns_pickle_global_is(p, ref, "torch", types[i].name))
            return &types[i];
    return NULL;
}

bool ns_torch_is_own(const ns_pickle *p, ns_ref ref)
{
    static const char *const others[][2] = {
        {"torch._utils", "_rebuild_tensor"}, {"torch._utils", "_rebuild_tensor_v2"}, {"torch._utils", "_rebuild_tensor_v3"},
        {"torch._utils", "_rebuild_parameter"}, {"torch._utils", "_rebuild_parameter_with_state"},
        {"torch._tensor", "_rebuild_from_type_v2"}, {"torch", "Tensor"}, {"torch.nn.parameter", "Parameter"}, {"torch", "Size"},
        {"torch", "device"}, {"torch.storage", "TypedStorage"}, {"collections", "OrderedDict"}, {"collections", "defaultdict"},
        {"builtins", "dict"}, {"builtins", "list"}, {"builtins", "set"}, {"__builtin__", "dict"}, {"__builtin__", "set"},
        {"_codecs", "encode"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ns_pickle_global_is(p, ref, others[i][0], others[i][1]))
            return true;
    return type_of_storage(p, ref) || type_of_dtype(p, ref);
}

/* ---- storages ---- */

static bool is_int(const ns_pickle *p, ns_ref ref, int64_t *out)
{
    *out = p->nodes[ref].integer;
    return ns_pickle_is(p, ref, NS_PICKLE_INT);
}

bool ns_torch_storage_of(const ns_pickle *p, ns_ref persistent, ns_torch_storage *out)
{
    const ns_ref id = ns_pickle_is(p, persistent, NS_PICKLE_PERSISTENT) ? ns_pickle_at(p, persistent)->with : 0;
    const ns_ref key = ns_pickle_nth(p, id, 2), view = ns_pickle_nth(p, id, 5);
    *out = (ns_torch_storage){.key = ns_pickle_at(p, key), .at = -1};
    if (!ns_pickle_text_is(p, ns_pickle_nth(p, id, 0), "storage") || out->key->kind != NS_PICKLE_TEXT ||
        !is_int(p, ns_pickle_nth(p, id, 4), &out->elements) || out->elements < 0)
        return false;
    out->type = type_of_storage(p, ns_pickle_nth(p, id, 1));
    out->length = out->elements;
    if (!out->type || ns_pickle_is(p, view, NS_PICKLE_NONE))
        return out->type;
    return is_int(p, ns_pickle_nth(p, view, 1), &out->view) && is_int(p, ns_pickle_nth(p, view, 2), &out->length) && out->view >= 0 &&
           out->length >= 0 && out->length <= out->elements && out->view <= out->elements - out->length;
}

/* ---- tensors ---- */

typedef struct call { ns_ref function, with; } call;

/* Parameters and tensors with attributes wrap the call that makes the tensor. */
static bool unwrap(const ns_pickle *p, ns_ref ref, call *out)
{
    for (int i = 0; i < WRAPPERS && ns_pickle_is(p, ref, NS_PICKLE_OBJECT); i++) {
        const ns_pickle_node *const made = ns_pickle_at(p, ref);
        *out = (call){made->of, made->with};
        if (ns_pickle_global_is(p, made->of, "torch._tensor", "_rebuild_from_type_v2")) {
            const ns_ref type = ns_pickle_nth(p, made->with, 1);
            *out = (call){ns_pickle_nth(p, made->with, 0), ns_pickle_nth(p, made->with, 2)};
            return ns_pickle_global_is(p, type, "torch", "Tensor") || ns_pickle_global_is(p, type, "torch.nn.parameter", "Parameter");
        }
        if (!ns_pickle_global_is(p, made->of, "torch._utils", "_rebuild_parameter") &&
            !ns_pickle_global_is(p, made->of, "torch._utils", "_rebuild_parameter_with_state"))
            return true;
        ref = ns_pickle_nth(p, made->with, 0);
    }
    return false;
}

static int version_of(const ns_pickle *p, const call *c)
{
    static const char *const names[] = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"};
    for (int i = 0; i < 3; i++)
        if (ns_pickle_global_is(p, c->function, "torch._utils", names[i]))
            return i + 1;
    return 0;
}

bool ns_torch_is_tensor(const ns_pickle *p, ns_ref ref)
{
    call c;
    return unwrap(p, ref, &c) && version_of(p, &c) > 0;
}

/* One tensor while it is checked. */
typedef struct reading {
    ns_torch   *t;
    const char *name;
    call        made;
    int         version;
    int64_t     shape[NS_MAX_RANK], stride[NS_MAX_RANK], offset;
    int         rank;
    const ns_torch_type *type;
} reading;

static int NS_PRINTF(3, 4) fail(const reading *r, int code, const char *fmt, ...);

static int fail(const reading *r, int code, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    ns_line_args(what, sizeof what, fmt, args);
    va_end(args);
    return ns_torch_fail(r->t, code, "tensor '%s': %s", r->name, what);
}

static ns_ref argument(const reading *r, uint32_t i)
{
    return ns_pickle_nth(&r->t->pickle, r->made.with, i);
}

/* A tuple of integers that are not negative; a torch.Size holds one. */
static int read_sizes(const reading *r, ns_ref ref, const char *what, int64_t out[NS_MAX_RANK], int *n)
{
    const ns_pickle *const p = &r->t->pickle;
    if (ns_pickle_is(p, ref, NS_PICKLE_OBJECT) && ns_pickle_global_is(p, p->nodes[ref].of, "torch", "Size"))
        ref = ns_pickle_nth(p, p->nodes[ref].with, 0);
    if (!ns_pickle_is(p, ref, NS_PICKLE_TUPLE))
        return fail(r, NS_E_FORMAT, "its %s is no tuple (copy or download the file again)", what);
    if (p->nodes[ref].n > NS_MAX_RANK)
        return fail(r, NS_E_FORMAT, "more than %d dimensions", NS_MAX_RANK);
    *n = (int)p->nodes[ref].n;
    for (int i = 0; i < *n; i++) {
        if (!is_int(p, ns_pickle_nth(p, ref, (uint32_t)i), &out[i]))
            return fail(r, NS_E_FORMAT, "its %s is no tuple of integers (copy or download the file again)", what);
        if (out[i] < 0)
            return fail(r, NS_E_FORMAT, "its %s has %lld, which PyTorch cannot have written", what, (long long)out[i]);
    }
    return NS_OK;
}

/* Bits of complex tensors whose values are made when they are read. A dict of many keys, which all tensors may share, is not searched for
 * each of them: PyTorch writes these two and what a device adds. */
static int check_metadata(const reading *r)
{
    const ns_pickle *const p = &r->t->pickle;
    const ns_ref metadata = argument(r, r->version == 3 ? 7 : 6);
    if (ns_pickle_is(p, metadata, NS_PICKLE_DICT) && p->nodes[metadata].n > MAX_METADATA)
        return fail(r, NS_E_FORMAT, "its metadata has %u keys, which PyTorch cannot have written", p->nodes[metadata].n);
    for (int i = 0; i < 2; i++) {
        const ns_ref bit = ns_pickle_get(p, metadata, (const char *[]){"neg", "conj"}[i]);
        if (ns_pickle_is(p, bit, NS_PICKLE_BOOL) && p->nodes[bit].integer)
            return fail(r, NS_E_UNSUPPORTED, "a view that negates or conjugates (save its resolve_neg())");
    }
    return NS_OK;
}

static int read_type(reading *r, const ns_torch_storage *s)
{
    char name[256];
    const ns_ref dtype = argument(r, 6);
    r->type = r->version == 3 ? type_of_dtype(&r->t->pickle, dtype) : s->type;
    if (r->type && r->type->dtype >= 0)
        return NS_OK;
    ns_pickle_name(&r->t->pickle, dtype, name, sizeof name);
    return fail(r, NS_E_UNSUPPORTED, "is stored as %s%s, which needlescope does not read (convert the checkpoint to BF16 or F32)",
                r->type ? "torch." : "", r->type ? r->type->name : name);
}

static int read_call(reading *r, ns_torch_storage *s)
{
    const ns_pickle *const p = &r->t->pickle;
    int strides = 0;
    if (!ns_torch_storage_of(p, argument(r, 0), s))
        return fail(r, NS_E_FORMAT, "it names no storage as torch.save does (copy or download the file again)");
    int rc = read_type(r, s);
    if (rc == NS_OK && (!is_int(p, argument(r, 1), &r->offset) || r->offset < 0))
        rc = fail(r, NS_E_FORMAT, "its offset is no number from 0 up (copy or download the file again)");
    if (rc == NS_OK)
        rc = read_sizes(r, argument(r, 2), "shape", r->shape, &r->rank);
    if (rc == NS_OK)
        rc = read_sizes(r, argument(r, 3), "stride", r->stride, &strides);
    if (rc == NS_OK && strides != r->rank)
        rc = fail(r, NS_E_FORMAT, "a shape of %d dimensions and %d strides", r->rank, strides);
    return rc != NS_OK ? rc : check_metadata(r);
}

/* Elements of the storage from the tensor's first to behind its last; false: beyond 2^63. */
static bool extent(const reading *r, int64_t *out)
{
    int64_t last = 0, step;
    for (int i = 0; i < r->rank; i++) {
        if (r->shape[i] == 0) {
            *out = 0;
            return true;
        }
        if (!ns_mul_i64(r->shape[i] - 1, r->stride[i], &step) || !ns_add_i64(last, step, &last))
            return false;
    }
    return ns_add_i64(last, 1, out);
}

/* Into the tensor: where it lies, as far as the storage reaches. */
static int fit(reading *r, const ns_torch_storage *s, ns_tensor *out)
{
    ns_torch *const t = r->t;
    const int64_t size = r->type->size;
    int64_t at = 0, bytes = 0, begin, end, elements;
    int rc = ns_torch_place(t, r->name, s, &at, &bytes);
    if (rc != NS_OK)
        return rc;
    if (!ns_shape_bytes((ns_dtype)r->type->dtype, r->rank, r->shape, &out->n_bytes))
        return fail(r, NS_E_FORMAT, "its shape overflows");
    if (!extent(r, &elements) || !ns_mul_i64(r->offset, size, &begin) || !ns_add_i64(r->offset, elements, &end) ||
        !ns_mul_i64(end, size, &end) || (elements && end > bytes))
        return fail(r, NS_E_FORMAT, "its shape, stride and offset (%lld) reach beyond the %lld bytes of its storage '%.*s'",
                    (long long)r->offset, (long long)bytes, ns_pickle_shown(s->key), s->key->text);
    if (!ns_add_i64(t->bytes, out->n_bytes, &t->bytes) || t->bytes > free_bytes + MAX_SHARED * t->file->in.size)
        return fail(r, NS_E_FORMAT, "with it the tensors have more than %d times the bytes of the file, which they share", MAX_SHARED);
    out->view = ns_view_of(NULL, (ns_dtype)r->type->dtype, r->rank, r->shape);
    if (out->n_bytes) {
        ns_view given = out->view;
        memcpy(given.stride, r->stride, sizeof r->stride);
        out->view = ns_is_row_major(&given) ? out->view : given;
    }
    if (r->type->codes && !ns_is_row_major(&out->view))
        return fail(r, NS_E_UNSUPPORTED, "is stored as torch.%s, and not row by row (save its contiguous())", r->type->name);
    out->coded = r->type->codes ? ns_float8_named(r->type->codes) : NULL;
    out->view.dtype = out->coded ? out->coded->block->dtype : out->view.dtype;
    out->at = out->n_bytes ? at + begin : 0;
    return NS_OK;
}

int ns_torch_tensor(ns_torch *t, const char *name, ns_ref ref, ns_tensor *out)
{
    reading r = {.t = t, .name = name};
    ns_torch_storage s;
    *out = (ns_tensor){.name = name, .file = t->file->path, .from = t->file};
    if (!unwrap(&t->pickle, ref, &r.made))
        return fail(&r, NS_E_FORMAT, "it is none");
    r.version = version_of(&t->pickle, &r.made);
    const int rc = read_call(&r, &s);
    return rc != NS_OK ? rc : fit(&r, &s, out);
}
