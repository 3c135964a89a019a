/* SPDX-License-Identifier: MIT
 *
 * Matrix products on panels, forward and data gradient: blocks of rows that stay in L2, strip by strip of the weights,
 * tile by tile.
 */
#ifndef LK_SIMD_GEMM_H
#define LK_SIMD_GEMM_H

#include "simd/gemm_few.h"

/* In elements. */
enum {
    BLOCK = 5 << 14,   /* of the left operand in a block of rows: two and two strips of weights fit 1 MB of L2 */
    WEIGHTS = 1 << 20, /* of the weights that all rows meet before the next ones: they stay in L3 */
};

/*
 * The tiles of a block, columns n to end: strip by strip, so that each meets the weights it needs in L1 or L2. The
 * first tile of a strip asks for the weights of the next strip, behind the last one for those at `next` (NULL: nothing
 * comes). The tiles of the first strip ask for the rows below them, even where those are not needed next.
 */
static void strips(struct product *g, size_t n, size_t end, const float *next)
{
    const ptrdiff_t apart = (ptrdiff_t)(NR / P * g->ldb);

    for (ptrdiff_t s = 0; n < end; s++, n += NR) {
        const int nv = vectors_at(g->N, n);
        const size_t tiles = tiles_of(g->M, nv);
        const ptrdiff_t behind = n + NR < end ? apart : next ? next - g->b - s * apart : 0;

        if (few_terms(g)) {
            few(g, n);
            continue;
        }
        for (size_t t = 0, m = 0, mr; t < tiles; t++, m += mr) {
            mr = (g->M - m + tiles - t - 1) / (tiles - t);
            g->a_ahead = s ? 0 : mr * P;
            g->b_ahead = t ? 0 : behind;
            (g->backward ? tile_dx : tile_fwd)(mr, nv, g, g->a + m * P, m, n);
        }
    }
}

/* Rows [m, m + M), columns n to end, DEPTH of K at a time. Chains go on through C; the last part has the epilogue. */
static void block(const struct product *whole, size_t m, size_t M, size_t n, size_t end)
{
    const size_t kb = block_of(whole->K, DEPTH);
    struct product g = *whole;
    size_t left = whole->K;

    g.M = M;
    g.a += m * P;
    g.c += m * P;
    g.y += m * P;
    do {
        const float *next = m + M < whole->M ? whole->b : NULL;

        g.K = left < kb ? left : kb;
        left -= g.K;
        if (left)
            next = g.b + g.K * P;
        g.act = left ? LK_ACT_NONE : whole->act;
        strips(&g, n, end, next);
        g.a += g.K / P * g.lda;
        g.b += g.K * P;
        g.bias = NULL;
        g.from_c = 1;
    } while (left);
}

/*
 * All tiles of forward or data gradient: blocks of rows that stay in L2, all of them against WEIGHTS of the weights.
 * A block is whole tiles, heights equalised over all rows.
 */
static void all_tiles(struct product *g)
{
    const size_t depth = g->K ? g->K : 1, fit = BLOCK / LK_MR / block_of(depth, DEPTH), most = fit ? fit : 1;
    const size_t tiles = tiles_of(g->M, NV), blocks = (tiles + most - 1) / most;
    const size_t columns = depth * NR < WEIGHTS ? WEIGHTS / depth / NR * NR : NR;

    for (size_t n = 0; n < g->N; n += columns)
        for (size_t b = 0, m = 0, end; b < blocks; b++, m = end) {
            end = g->M * (tiles * (b + 1) / blocks) / tiles;
            block(g, m, end - m, n, g->N - n < columns ? g->N : n + columns);
        }
}

static void gemm_fwd(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                     float *Y, size_t ldy, enum lk_act act)
{
    struct product g = {.M = M,
                        .N = N,
                        .K = K,
                        .parts = 1,
                        .run = P,
                        .ars = P,
                        .crs = P,
                        .acs = 1,
                        .lda = lda,
                        .ldb = K * P,
                        .ldc = ldy,
                        .a = A,
                        .b = W,
                        .c = Y,
                        .bias = bias,
                        .y = Y,
                        .ldy = ldy,
                        .act = act};

    all_tiles(&g);
}

static void gemm_dx(size_t M, size_t N, size_t K, const float *D, size_t ldd, const float *WT, const float *Y,
                    size_t ldy, enum lk_act act, float *DX, size_t lddx)
{
    struct product g = {.M = M,
                        .N = N,
                        .K = K,
                        .parts = 1,
                        .run = P,
                        .ars = P,
                        .crs = P,
                        .acs = 1,
                        .lda = ldd,
                        .ldb = K * P,
                        .ldc = lddx,
                        .a = D,
                        .b = WT,
                        .c = DX,
                        .y = act == LK_ACT_NONE ? DX : Y,
                        .ldy = act == LK_ACT_NONE ? lddx : ldy,
                        .act = act,
                        .backward = 1};

    all_tiles(&g);
}

#endif
