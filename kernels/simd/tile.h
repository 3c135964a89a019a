/* SPDX-License-Identifier: MIT
 *
 * Which register tile a product takes (lk_tile_fn): the full one of gemm_tile.h, gemm_few.h, the convolutions and
 * skip.h, of the first columns. Rows are equalised over the tiles of a call, so most are a little lower.
 */
#ifndef LK_SIMD_TILE_H
#define LK_SIMD_TILE_H

#include "simd/conv.h"
#include "simd/gemm_dw.h"
#include "simd/skip.h"

/* Of NV vectors, or of one with more rows. */
static struct lk_tile dense_tile(size_t rows, size_t rows_1, size_t N)
{
    return vectors_at(N, 0) == NV ? (struct lk_tile){rows, NR} : (struct lk_tile){rows_1, VL};
}

/* Forward and data gradient; where chains are short, a few rows at a time (gemm_few.h). */
static struct lk_tile chains_tile(size_t N, size_t terms)
{
    const size_t nv = (size_t)vectors_at(N, 0);

    return terms && terms <= LK_FEW_TERMS ? (struct lk_tile){LK_FEW_CHAINS / nv, nv * VL}
                                          : dense_tile(LK_MR, LK_MR_1, N);
}

/* Few columns go the other way round: their lanes are rows. */
static struct lk_tile dw_tile_of(size_t N)
{
    if (N < P && mostly_idle(N, 0))
        return (struct lk_tile){NR, N < LK_MR_DW ? N : LK_MR_DW};
    return dense_tile(LK_MR_DW, LK_MR_DW_1, N);
}

static struct lk_tile skip_tile(size_t rows, size_t N)
{
    const size_t vectors = (N + VL - 1) / VL;

    return (struct lk_tile){rows, (vectors < LK_NV_SKIP ? vectors : LK_NV_SKIP) * VL};
}

static struct lk_tile tile_of(enum lk_slot slot, size_t N, size_t terms, size_t groups)
{
    switch (slot) {
    case LK_SLOT_gemm_fwd:
    case LK_SLOT_gemm_dx:
        return chains_tile(N, terms);
    case LK_SLOT_gemm_dw:
        return dw_tile_of(N);
    case LK_SLOT_gemm_fwd_skip:
        return skip_tile(LK_MR_SKIP, N);
    case LK_SLOT_gemm_dw_skip:
        return skip_tile(LK_MR_DW_SKIP, N);
    case LK_SLOT_conv_fwd:
    case LK_SLOT_conv_dx:
        return groups > 1 ? (struct lk_tile){CONV_ROWS, VL} : chains_tile(N, terms);
    case LK_SLOT_conv_dw:
        return groups > 1 ? (struct lk_tile){CONV_ROWS, VL} : dense_tile(LK_MR_DW, LK_MR_DW_1, N);
    default:
        return (struct lk_tile){0, 0};
    }
}

#endif
