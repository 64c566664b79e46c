/* view.c - dtypes in one table, and row-major views. */
#include "core/core.h"

static const struct {
    const char *name;
    size_t      size;
} dtypes[NS_N_DTYPES] = {
    [NS_F32] = {"F32", 4}, [NS_F64] = {"F64", 8}, [NS_F16] = {"F16", 2}, [NS_BF16] = {"BF16", 2}, [NS_I8] = {"I8", 1},
    [NS_U8] = {"U8", 1},   [NS_I16] = {"I16", 2}, [NS_U16] = {"U16", 2}, [NS_I32] = {"I32", 4},   [NS_U32] = {"U32", 4},
    [NS_I64] = {"I64", 8}, [NS_U64] = {"U64", 8}, [NS_BOOL] = {"BOOL", 1},
};

size_t ns_dtype_size(ns_dtype dtype)
{
    return (unsigned)dtype < NS_N_DTYPES ? dtypes[dtype].size : 0;
}

const char *ns_dtype_name(ns_dtype dtype)
{
    return (unsigned)dtype < NS_N_DTYPES ? dtypes[dtype].name : "?";
}

ns_view ns_view_of(void *data, ns_dtype dtype, int rank, const int64_t *shape)
{
    ns_view view = {.data = data, .dtype = dtype, .rank = rank};
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        view.shape[i] = shape[i];
        view.stride[i] = stride;
        stride *= shape[i];
    }
    return view;
}

int64_t ns_view_count(const ns_view *view)
{
    int64_t count = 1;
    for (int i = 0; i < view->rank; i++)
        count *= view->shape[i];
    return count;
}
