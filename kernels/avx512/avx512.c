/* SPDX-License-Identifier: MIT
 * AVX-512: tile sizes and the table. 14 x 32: 28 accumulators, 2 vectors of weights and 1 broadcast of 32 registers. */
#include "avx512/vec.h"

#ifndef LK_VREG /* the emulation has its own */
#define LK_VREG(x) "v"(x)
#endif
#define LK_MR            14
#define LK_MR_DW         8
#define LK_KB            256
#define LK_KB_DW         512
#define LK_HEIGHTS(X)    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define LK_HEIGHTS_DW(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

#include "simd/gemm.h"
#include "simd/elementwise.h"
#include "simd/rows.h"

extern const struct lk_kernels lk_kernels_avx512;
const struct lk_kernels lk_kernels_avx512 = {
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
