/* h5.c - HDF5's error stack and types. The library's automatic printing is a setting of the thread, so it is put back. */
#include "record/h5.h"

#include <errno.h>
#include <string.h>

void ns_hdf5_version(char *buf, size_t n)
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(buf, n, "%u.%u.%u", major, minor, release);
}

typedef struct held { void (*act)(void *); void *arg; } held;

static herr_t act_once(hid_t class_, const char *property, void *user)
{
    const held *const h = user;
    (void)class_;
    (void)property;
    H5Eget_num(H5E_DEFAULT);        /* as any call does, passes by the mutex that guards the lock: who was at it waits for the lock after */
    h->act(h->arg);
    return 1;
}

/* HDF5 calls back under its one lock. It is this thread's, also in a child of fork(), where the rest of the call gives it back. The mutex
 * about the lock may be another thread's for a moment, and is its for ever in a child made then. */
void ns_file_hold(void (*act)(void *), void *arg)
{
    held h = {act, arg};
    H5Piterate(H5P_FILE_ACCESS, NULL, act_once, &h);
}

ns_h5_quiet ns_h5_enter(void)
{
    ns_h5_quiet before = {0};
    before.dead = H5Eget_auto2(H5E_DEFAULT, &before.print, &before.user) < 0;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Eclear2(H5E_DEFAULT);
    errno = 0;
    return before;
}

void ns_h5_leave(ns_h5_quiet before)
{
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, before.print, before.user);
}

bool ns_h5_is_whole(void)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    const hid_t list = quiet.dead ? H5I_INVALID_HID : H5Pcreate(H5P_DATASET_CREATE);
    const bool whole = list >= 0 && H5Pequal(list, H5P_DATASET_CREATE_DEFAULT) > 0;
    if (list >= 0)
        H5Pclose(list);
    ns_h5_leave(quiet);
    return whole;
}

/* HDF5 says of a file that it could not open, or not open again, that it is none. */
static bool lacks_descriptors(int rc)
{
    return errno == EMFILE || errno == ENFILE || (rc == NS_E_FORMAT && !ns_descriptors_left(1));
}

int ns_h5_end(ns_h5_quiet before, int rc, const char *label, ns_error *err)
{
    const bool failed = rc != NS_OK && rc != NS_E_MEMORY, no_memory = failed && errno == ENOMEM;
    const bool lacks = failed && !no_memory && lacks_descriptors(rc);
    const int reason = errno;
    const bool refused = failed && (no_memory || before.dead || !ns_h5_is_whole());
    ns_h5_leave(before);
    errno = reason;
    return refused ? ns_oom(err, label) : lacks ? ns_fail_errno(err, rc, label, "HDF5 could not go on") : rc;
}

static herr_t innermost(unsigned n, const H5E_error2_t *entry, void *user)
{
    (void)n;
    char *text = user;
    if (!text[0] && entry->desc && entry->desc[0])
        snprintf(text, 400, "%s", entry->desc);
    return 0;
}

int ns_h5_fail(ns_error *err, int code, const char *label, const char *what)
{
    char text[400] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, text);
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' ';
    return ns_fail(err, code, "%s: %s%s%s", label, what, text[0] ? ": HDF5 says: " : "", text);
}

/* The IEEE half but for one flag that means nothing here: how bits between the fields are padded (there are none). HDF5 2 maps the very
 * IEEE type to _Float16, which netCDF-C (4.10.1, its issue 3439) takes for a string and crashes on; with the flag it is read as float32. */
static hid_t float16_type(void)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    /* The fields must fit before the size shrinks: sign, exponent at and size, mantissa at and size. */
    if (type < 0 || H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0 ||
        H5Tset_inpad(type, H5T_PAD_ONE) < 0) {
        if (type >= 0)
            H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

hid_t ns_h5_type(ns_dtype dtype)
{
    switch (dtype) {
    case NS_F16:
        return float16_type();
    case NS_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case NS_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case NS_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case NS_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case NS_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case NS_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case NS_BOOL:
    case NS_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case NS_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case NS_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case NS_U64:
        return H5Tcopy(H5T_STD_U64LE);
    default:
        return H5I_INVALID_HID;
    }
}

hid_t ns_h5_string(void)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        return type;
    if (type >= 0)
        H5Tclose(type);
    return H5I_INVALID_HID;
}

hid_t ns_h5_transfer(hid_t *list, int64_t n)
{
    enum { SMALL = 16 << 10, LARGEST = 16 };             /* bytes of a value on either side: a text's reference has 16 */
    if (n > SMALL / LARGEST)
        return H5P_DEFAULT;
    if (*list < 0 && (*list = H5Pcreate(H5P_DATASET_XFER)) >= 0)
        H5Pset_buffer(*list, SMALL, NULL, NULL);
    return *list >= 0 ? *list : H5P_DEFAULT;
}

const char *ns_h5_type_name(ns_dtype dtype)
{
    static const char *const names[NS_N_DTYPES] = {
        [NS_F32] = "float32", [NS_F64] = "float64", [NS_F16] = "float16", [NS_BF16] = "bfloat16", [NS_I8] = "int8",
        [NS_U8] = "uint8",    [NS_I16] = "int16",   [NS_U16] = "uint16",  [NS_I32] = "int32",     [NS_U32] = "uint32",
        [NS_I64] = "int64",   [NS_U64] = "uint64",  [NS_BOOL] = "uint8",
    };
    return (unsigned)dtype < NS_N_DTYPES ? names[dtype] : "?";
}
