/* SPDX-License-Identifier: MIT
 * AVX2 + FMA: tile sizes and the table. 6 x 16 uses 12 accumulators, 2 vectors of weights and 1 broadcast of 16
 * registers. */
#include "avx2/vec.h"

#define LK_VREG(x)       "x"(x)
#define LK_MR            6
#define LK_MR_DW         6
#define LK_KB            128
#define LK_KB_DW         512
#define LK_HEIGHTS(X)    X(1) X(2) X(3) X(4) X(5) X(6)
#define LK_HEIGHTS_DW(X) LK_HEIGHTS(X)

#include "simd/gemm.h"
#include "simd/elementwise.h"
#include "simd/rows.h"

extern const struct lk_kernels lk_kernels_avx2;
const struct lk_kernels lk_kernels_avx2 = {
    .gemm_fwd = gemm_fwd,
    .gemm_dx = gemm_dx,
    .gemm_dw = gemm_dw,
    .transpose = transpose,
    .relu_fwd = relu_fwd,
    .relu_bwd = relu_bwd,
    .sigmoid_fwd = sigmoid_fwd,
    .sigmoid_bwd = sigmoid_bwd,
    .tanh_fwd = tanh_fwd,
    .tanh_bwd = tanh_bwd,
    .exp = exp_map,
    .log = log_map,
    .softmax_fwd = softmax_fwd,
    .softmax_bwd = softmax_bwd,
    .softmax_xent = softmax_xent,
    .gather_u8 = gather_u8,
    .add = add,
    .sgd = sgd,
    .adam = adam,
    .peak_fma = peak_fma,
};
