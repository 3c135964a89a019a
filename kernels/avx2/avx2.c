/* SPDX-License-Identifier: MIT
 * AVX2 + FMA: tile sizes and the table. 6 x 16 uses 12 accumulators, 2 vectors of weights and 1 broadcast of 16
 * registers. */
#include "avx2/vec.h"

#define LK_VREG(x)          "x"(x)
#define LK_MR               6
#define LK_MR_1             12
#define LK_MR_DW            6
#define LK_MR_DW_1          12
#define LK_KB_DW            512
#define LK_HEIGHTS(X)       X(1) X(2) X(3) X(4) X(5) X(6)
#define LK_HEIGHTS_1(X)     X(7) X(8) X(9) X(10) X(11) X(12)
#define LK_HEIGHTS_DW(X)    LK_HEIGHTS(X)
#define LK_HEIGHTS_DW_1(X)  LK_HEIGHTS_1(X)
#define LK_MR_DB            5
#define LK_HEIGHTS_DB(X)    X(1) X(2) X(3) X(4) X(5)
#define LK_MR_SKIP          6
#define LK_MR_DW_SKIP       4
#define LK_NV_SKIP          2
#define LK_SKIP_ROW(X, mr)  X(mr, 1) X(mr, 2)
#define LK_DW_SKIP_TILES(X) LK_SKIP_ROW(X, 1) LK_SKIP_ROW(X, 2) LK_SKIP_ROW(X, 3) LK_SKIP_ROW(X, 4)
#define LK_SKIP_TILES(X)    LK_DW_SKIP_TILES(X) LK_SKIP_ROW(X, 5) LK_SKIP_ROW(X, 6)

#include "simd/gemm.h"
#include "simd/gemm_dw.h"
#include "simd/skip.h"
#include "simd/conv.h"
#include "simd/elementwise.h"
#include "simd/rows.h"
#include "simd/pool.h"
#include "simd/order.h"
#include "simd/loss.h"
#include "simd/probe.h"
#include "simd/tile.h"

extern const struct lk_kernels lk_kernels_avx2;
const struct lk_kernels lk_kernels_avx2 = {
    .gemm_fwd = gemm_fwd,
    .gemm_dx = gemm_dx,
    .gemm_dw = gemm_dw,
    .gemm_fwd_skip = gemm_fwd_skip,
    .gemm_dw_skip = gemm_dw_skip,
    .nonzero = nonzero,
    .finite = all_finite,
    .transpose = transpose,
    .conv_fwd = conv_fwd,
    .conv_dx = conv_dx,
    .conv_dw = conv_dw,
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
    .max_pool_fwd = max_pool_fwd,
    .max_pool_bwd = max_pool_bwd,
    .avg_pool_fwd = avg_pool_fwd,
    .avg_pool_bwd = avg_pool_bwd,
    .flatten_fwd = flatten_fwd,
    .flatten_bwd = flatten_bwd,
    .dropout = dropout,
    .sum = sum,
    .expand = expand,
    .leaky_relu_fwd = leaky_relu_fwd,
    .leaky_relu_bwd = leaky_relu_bwd,
    .gelu_fwd = gelu_fwd,
    .gelu_bwd = gelu_bwd,
    .gelu_tanh_fwd = gelu_tanh_fwd,
    .gelu_tanh_bwd = gelu_tanh_bwd,
    .silu_fwd = silu_fwd,
    .silu_bwd = silu_bwd,
    .log1p = log1p_map,
    .erf = erf_map,
    .sub = sub,
    .mul = mul,
    .div = div_map,
    .maximum = maximum,
    .minimum = minimum,
    .maximum_bwd = maximum_bwd,
    .scale = scale,
    .log_softmax_fwd = log_softmax_fwd,
    .log_softmax_bwd = log_softmax_bwd,
    .mse_fwd = mse_fwd,
    .bce_fwd = bce_fwd,
    .bce_logits_fwd = bce_logits_fwd,
    .mse_bwd = mse_bwd,
    .bce_bwd = bce_bwd,
    .bce_logits_bwd = bce_logits_bwd,
    .peak_fma = peak_fma,
    .peak_read = peak_read,
    .peak_write = peak_write,
    .peak_copy = peak_copy,
    .tile = tile_of,
};
