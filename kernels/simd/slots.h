/* SPDX-License-Identifier: MIT
 *
 * The vector kernels of an instruction set, which includes this behind its vec.h and its parameters: each slot of its
 * table with its function.
 */
#ifndef LK_SIMD_SLOTS_H
#define LK_SIMD_SLOTS_H

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

#define LK_SIMD_SLOTS(X)                                                                                               \
    X(gemm_fwd, gemm_fwd)                                                                                              \
    X(gemm_dx, gemm_dx)                                                                                                \
    X(gemm_dw, gemm_dw)                                                                                                \
    X(gemm_fwd_skip, gemm_fwd_skip)                                                                                    \
    X(gemm_dw_skip, gemm_dw_skip)                                                                                      \
    X(finite, all_finite)                                                                                              \
    X(transpose, transpose)                                                                                            \
    X(conv_fwd, conv_fwd)                                                                                              \
    X(conv_dx, conv_dx)                                                                                                \
    X(conv_dw, conv_dw)                                                                                                \
    X(relu_fwd, relu_fwd)                                                                                              \
    X(relu_bwd, relu_bwd)                                                                                              \
    X(sigmoid_fwd, sigmoid_fwd)                                                                                        \
    X(sigmoid_bwd, sigmoid_bwd)                                                                                        \
    X(tanh_fwd, tanh_fwd)                                                                                              \
    X(tanh_bwd, tanh_bwd)                                                                                              \
    X(exp, exp_map)                                                                                                    \
    X(log, log_map)                                                                                                    \
    X(softmax_fwd, softmax_fwd)                                                                                        \
    X(softmax_bwd, softmax_bwd)                                                                                        \
    X(softmax_xent, softmax_xent)                                                                                      \
    X(gather_u8, gather_u8)                                                                                            \
    X(add, add)                                                                                                        \
    X(sgd, sgd)                                                                                                        \
    X(adam, adam)                                                                                                      \
    X(max_pool_fwd, max_pool_fwd)                                                                                      \
    X(max_pool_bwd, max_pool_bwd)                                                                                      \
    X(avg_pool_fwd, avg_pool_fwd)                                                                                      \
    X(avg_pool_bwd, avg_pool_bwd)                                                                                      \
    X(flatten_fwd, flatten_fwd)                                                                                        \
    X(flatten_bwd, flatten_bwd)                                                                                        \
    X(dropout, dropout)                                                                                                \
    X(sum, sum)                                                                                                        \
    X(expand, expand)                                                                                                  \
    X(leaky_relu_fwd, leaky_relu_fwd)                                                                                  \
    X(leaky_relu_bwd, leaky_relu_bwd)                                                                                  \
    X(gelu_fwd, gelu_fwd)                                                                                              \
    X(gelu_bwd, gelu_bwd)                                                                                              \
    X(gelu_tanh_fwd, gelu_tanh_fwd)                                                                                    \
    X(gelu_tanh_bwd, gelu_tanh_bwd)                                                                                    \
    X(silu_fwd, silu_fwd)                                                                                              \
    X(silu_bwd, silu_bwd)                                                                                              \
    X(log1p, log1p_map)                                                                                                \
    X(erf, erf_map)                                                                                                    \
    X(sub, sub)                                                                                                        \
    X(mul, mul)                                                                                                        \
    X(div, div_map)                                                                                                    \
    X(maximum, maximum)                                                                                                \
    X(minimum, minimum)                                                                                                \
    X(maximum_bwd, maximum_bwd)                                                                                        \
    X(scale, scale)                                                                                                    \
    X(log_softmax_fwd, log_softmax_fwd)                                                                                \
    X(log_softmax_bwd, log_softmax_bwd)                                                                                \
    X(mse_fwd, mse_fwd)                                                                                                \
    X(bce_fwd, bce_fwd)                                                                                                \
    X(bce_logits_fwd, bce_logits_fwd)                                                                                  \
    X(mse_bwd, mse_bwd)                                                                                                \
    X(bce_bwd, bce_bwd)                                                                                                \
    X(bce_logits_bwd, bce_logits_bwd)                                                                                  \
    X(peak_fma, peak_fma)                                                                                              \
    X(peak_read, peak_read)                                                                                            \
    X(peak_write, peak_write)                                                                                          \
    X(peak_copy, peak_copy)                                                                                            \
    X(tile, tile_of)

/* An element of the table. */
#define LK_SIMD_SLOT(slot, function) .slot = (function),

#endif
