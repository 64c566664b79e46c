/* view.h - a borrowed, strided window on a tensor. A view never frees. */
#ifndef NEEDLESCOPE_VIEW_H
#define NEEDLESCOPE_VIEW_H

#include <needlescope/api.h>

NS_BEGIN

enum { NS_MAX_RANK = 8 };

typedef enum ns_dtype {
    NS_F32 = 0, NS_F64, NS_F16, NS_BF16,
    NS_I8, NS_U8, NS_I16, NS_U16, NS_I32, NS_U32, NS_I64, NS_U64, NS_BOOL,
    NS_N_DTYPES
} ns_dtype;

NS_API size_t ns_dtype_size(ns_dtype);          /* bytes of one element */
NS_API const char *ns_dtype_name(ns_dtype);     /* "F32", "BF16", ... as safetensors spells them; static */

/* data may be unaligned when it points into a file (read it with memcpy); hooks always give aligned f32. */
typedef struct ns_view {
    void    *data;
    ns_dtype dtype;
    int      rank;
    int64_t  shape[NS_MAX_RANK];
    int64_t  stride[NS_MAX_RANK];               /* in elements */
} ns_view;

NS_API ns_view ns_view_of(void *data, ns_dtype, int rank, const int64_t *shape);   /* row-major */
NS_API int64_t ns_view_count(const ns_view *);                                     /* product of the shape */
/* Address of element (i, j, k); indices beyond the rank are ignored. */
static inline float *ns_at(const ns_view *v, int64_t i, int64_t j, int64_t k)
{
    return (float *)v->data + i * v->stride[0] + (v->rank > 1 ? j * v->stride[1] : 0) + (v->rank > 2 ? k * v->stride[2] : 0);
}

NS_END
#endif
