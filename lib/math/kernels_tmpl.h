/* kernels_tmpl.h - one instruction set's table of kernels: included last by kernels_X.c. */
#include <needlescope/arch.h>
#include "math/elementary_tmpl.h"
#include "math/gemm_tmpl.h"
#include "math/rows_tmpl.h"
#include "math/open_tmpl.h"
#include "math/scan_tmpl.h"
#include "math/unroll_tmpl.h"
#include "math/back_tmpl.h"

const ns_math KERNELS = {
    .name = KERNELS_NAME,
    .gemm = gemm,
    .exp_sum = exp_sum,
    .max = max,
    .scale = scale,
    .softcap = softcap,
    .exp = exp_row,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .affine = affine,
    .rope = rope,
    .act = act,
    .sigmoid = sigmoid,
    .mul = mul,
    .mul_rows = mul_rows,
    .add = add,
    .axpy = axpy,
    .all_finite = all_finite,
    .argmax = argmax,
    .p_ln_p = p_ln_p,
    .scan = scan, .unscan = unscan, .unroll = unroll, .scan_back = scan_back,
    .f16_to_f32 = f16_to_f32,
    .bf16_to_f32 = bf16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .f32_to_bf16 = f32_to_bf16,
    .gemm_nn = gemm_nn,
    .gemm_tn = gemm_tn,
    .softmax = softmax,
    .softmax_back = softmax_back,
    .rms_norm_back = rms_norm_back,
    .relu_back = relu_back,
    .silu_back = silu_back,
};
