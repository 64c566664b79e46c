/* tref.h - where the numbers of a weight are: a tensor of the checkpoint, or an expert's share of one. */
#ifndef NS_TREF_H
#define NS_TREF_H

#include <needlescope/arch.h>

enum { NS_TENSOR_NAME = 4128 };                 /* bytes that the name of an expert's tensor takes, at most */

/* A weight of experts whose name has {}: each of them has a tensor. */
bool ns_tref_split(const ns_tref *);
/* The name of the tensor: that of the expert (-1: of no expert), where each has one. */
void ns_tref_name(const ns_tref *, int64_t expert, char out[NS_TENSOR_NAME]);

/* A name with a list in braces, "a.{q,k,v}.b", is of tensors whose rows follow one another: a.q.b, a.k.b, a.v.b. How many they are (1: no
 * list); the name of one. */
enum { NS_JOINED_MOST = 4 };
int  ns_joined_count(const char *name);
void ns_joined_name(const char *name, int i, char out[NS_TENSOR_NAME]);

/* n elements of a tensor from `at` on: all of it, or the expert's of a tensor of all experts. more: the tensors that follow it. With scales
 * the tensor NAME is stored as MXFP4 (OCP Microscaling 1.0): NAME_blocks [..., 16] of U8, two codes each, the first in the low half, and
 * NAME_scales [...] of U8, an exponent for the 32 numbers of a block. */
typedef struct ns_source {
    const ns_tensor *tensor, *scales, *more[NS_JOINED_MOST - 1];
    int              n_more;
    int64_t          at, n;
} ns_source;
/* NS_E_FORMAT: the file has no such tensor, or codes or joined tensors whose shapes do not fit. */
int ns_tref_source(const ns_tref *, const ns_checkpoint *, int64_t expert, ns_source *out, ns_error *);
/* As its numbers lie: of joined tensors all rows; of MXFP4 the shape with the blocks joined, and BF16, which holds all of its numbers. */
ns_view ns_source_view(const ns_source *);
/* Elements [first, first + n) of the source; of MXFP4 whole blocks. */
int ns_source_read(const ns_source *, int64_t first, int64_t n, float *out, ns_error *);
/* The tensor that has the source's row, and which of its rows that is. */
const ns_tensor *ns_source_at(const ns_source *, int64_t *row);

#endif
