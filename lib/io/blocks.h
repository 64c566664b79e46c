/* blocks.h - inside lib/io: numbers that are stored as codes of a block of them, as GGML has them, and numbers that lie in a file in
 * another order or form than the model wants them. */
#ifndef NS_BLOCKS_H
#define NS_BLOCKS_H

#include "core/core.h"
#include <needlescope/checkpoint.h>

/* A type of GGML's. numbers: of a block, stored in `bytes`; decode: NULL of plain numbers, which the dtype says, and of types that are
 * not read (numbers = 0). */
typedef struct ns_block {
    int         type;
    const char *name;
    int         numbers, bytes;
    ns_dtype    dtype;                     /* as the numbers are read: of codes NS_F32 */
    void      (*decode)(const uint8_t *block, float *out);
} ns_block;

enum { NS_BLOCK_MOST = 256, NS_BLOCK_BYTES_MOST = 256 };
/* NULL: no such type. */
const ns_block *ns_block_of_type(uint32_t type);

void ns_decode_q2_k(const uint8_t *, float *);
void ns_decode_q3_k(const uint8_t *, float *);
void ns_decode_q4_k(const uint8_t *, float *);
void ns_decode_q5_k(const uint8_t *, float *);
void ns_decode_q6_k(const uint8_t *, float *);
void ns_decode_iq1_s(const uint8_t *, float *);
void ns_decode_iq1_m(const uint8_t *, float *);
void ns_decode_iq2_xxs(const uint8_t *, float *);
void ns_decode_iq2_xs(const uint8_t *, float *);
void ns_decode_iq2_s(const uint8_t *, float *);
void ns_decode_iq3_xxs(const uint8_t *, float *);
void ns_decode_iq3_s(const uint8_t *, float *);
void ns_decode_iq4_nl(const uint8_t *, float *);
void ns_decode_iq4_xs(const uint8_t *, float *);
void ns_decode_tq1_0(const uint8_t *, float *);
void ns_decode_tq2_0(const uint8_t *, float *);
/* Bits of number i of 128 (two bits a number in 32 bytes). */
int   ns_two_bits(const uint8_t *plane, int i);
float ns_half_at(const uint8_t *);         /* two bytes */

/* What stands between the numbers of a file and those of the tensor, whose view has the shape and order that the model wants.
 * heads: rows (of a bias: elements) of each head lie as pairs that rotate together, (0, d/2), (1, d/2 + 1), ...; 0: as they are.
 * transposed: a matrix [n_in, n_out] lies as [n_out, n_in]. add: to every number, after all else. */
typedef struct ns_coded {
    const ns_block *block;
    int64_t         heads;
    bool            transposed;
    float           add;
} ns_coded;

/* Of "F8_E4M3" and "F8_E5M2", as safetensors spells them; NULL: another name. Static. */
const ns_coded *ns_float8_named(const char *name);

/* Elements [first, first + n) of the tensor, which has a `coded`. Checked: they are within it. */
int ns_coded_read(const ns_tensor *, int64_t first, int64_t n, float *out, ns_error *);

#endif
