/* SPDX-License-Identifier: MIT
 *
 * Weight and bias gradient of a product on panels, and the transposed weights. Parameter:
 *   LK_KB_DW   samples or positions of a weight gradient per pass over the tiles, whose strips stay in L2
 */
#ifndef LK_SIMD_GEMM_DW_H
#define LK_SIMD_GEMM_DW_H

#include "simd/gemm_tile.h"

/* Column sums of nv vectors over the K rows of all parts, continued from db. */
LK_INLINE void column_sums(const int nv, const struct product *g, const float *d, float *db, int first)
{
    vf acc[8];

    LK_UNROLL for (int j = 0; j < nv; j++) acc[j] = first ? v_zero() : v_load(db + (size_t)j * VL);
    for (size_t part = 0; part < g->parts; part++, d += g->b_part)
        for (size_t k = 0; k < g->K; k++) {
            LK_UNROLL for (int j = 0; j < nv; j++) acc[j] = v_add(acc[j], v_load(d + k * P + vector_at(j, g->ldb)));
        }
    LK_UNROLL for (int j = 0; j < nv; j++) v_store(db + (size_t)j * VL, v_add(acc[j], v_zero()));
}

/* The right operand's sums over all parts, as many panels at once as keep the adders busy. */
static void bias_gradient(const struct product *g, float *db, int first)
{
    const size_t panels = lk_panels(g->N);
    size_t p = 0;

    for (; p + 8 / VPP <= panels; p += 8 / VPP)
        column_sums(8, g, g->b + p * g->ldb, db + p * P, first);
    for (; p + 4 / VPP <= panels; p += 4 / VPP)
        column_sums(4, g, g->b + p * g->ldb, db + p * P, first);
    for (; p < panels; p++)
        column_sums(VPP, g, g->b + p * g->ldb, db + p * P, first);
    for (size_t n = g->N; n < panels * P; n++)
        db[n] = 0.0f;
}

/* All tiles of a weight gradient: rows are the columns of the left panels, lda apart. */
static void dw_tiles(const struct product *g)
{
    for (size_t n = 0; n < g->N; n += NR)
        for (size_t m = 0; m < g->M; m += P) {
            const int nv = vectors_at(g->N, n);
            const size_t rows = g->M - m < P ? g->M - m : P, most = nv == NV ? LK_MR_DW : LK_MR_DW_1;
            const size_t tiles = (rows + most - 1) / most;

            for (size_t t = 0, i = 0; t < tiles; t++) {
                size_t mr = (rows - i + tiles - t - 1) / (tiles - t);

                tile_dw(mr, nv, g, g->a + m / P * g->lda + i, m + i, n);
                i += mr;
            }
        }
}

static void transpose(size_t M, size_t N, const float *W, size_t ldw, float *WT, size_t ldwt)
{
    for (size_t m = 0; m < M; m += P)
        for (size_t n = 0; n < N; n += P) {
            const float *src = W + n / P * ldw + m * P;
            float *dst = WT + m / P * ldwt + n * P;

            if (M - m >= P && N - n >= P) {
                transpose16(src, dst);
                continue;
            }
            for (size_t c = 0; c < P && c < N - n; c++)
                for (size_t r = 0; r < P; r++)
                    dst[c * P + r] = r < M - m ? src[r * P + c] : 0.0f;
        }
}

/* The tiles of a weight gradient, LK_KB_DW samples at a time; the chains go on through C. A tile takes the samples in as
 * many runs as there are arrays to ask for. */
static void dw_parts(struct product *g)
{
    const size_t runs = g->next && g->next->n ? g->next->n : 1;
    size_t left = g->K;

    do {
        g->K = left < LK_KB_DW ? left : LK_KB_DW;
        g->run = (g->K + runs - 1) / runs;
        dw_tiles(g);
        left -= g->K;
        g->a += g->K * P;
        g->b += g->K * P;
        g->from_c = 1;
    } while (left);
}

/* Columns from n on that fill less than three quarters of their vectors, fewer than a panel. */
LK_INLINE int mostly_idle(size_t N, size_t n)
{
    const size_t columns = N - n, lanes = (columns + VL - 1) / VL * VL;

    return columns && 4 * columns <= 3 * lanes;
}

/*
 * The columns of a weight gradient from n on, the other way round: lanes are rows of G, NR at a time in a block of
 * their own, and the tile's rows its columns. fma(x, d, chain) = fma(d, x, chain).
 */
static void narrow_columns(const struct product *whole, size_t n)
{
    const size_t columns = whole->N - n;
    float *G = whole->c + n / P * whole->ldc, turned[NR * P];

    for (size_t m = 0; m < whole->M; m += NR) {
        struct product g = *whole;

        g.M = columns;
        g.N = whole->M - m < NR ? whole->M - m : NR;
        g.a = whole->b + n / P * whole->ldb;
        g.lda = whole->ldb;
        g.b = whole->a + m / P * whole->lda;
        g.ldb = whole->lda;
        g.a_ahead = 0;
        g.next = NULL; /* its places are not those of the tiles, and it is small */
        g.y = g.c = turned;
        g.ldy = g.ldc = P * P;
        if (g.from_c)
            transpose(g.N, P, G + m * P, whole->ldc, turned, P * P);
        dw_parts(&g);
        for (size_t r = columns; r < P; r++) {
            LK_UNROLL for (int j = 0; j < NV; j++) v_store(turned + vector_at(j, P * P) + r * P, v_zero());
        }
        transpose(P, g.N, turned, P * P, G + m * P, whole->ldc);
    }
}

static void gemm_dw(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd, float *G,
                    size_t ldg, float *db, int first, const struct lk_next *next)
{
    struct product g = {.M = M,
                        .N = N,
                        .K = K,
                        .parts = 1,
                        .crs = P,
                        .acs = P,
                        .lda = ldx,
                        .a_ahead = ldx,
                        .ldb = ldd,
                        .ldc = ldg,
                        .a = X,
                        .b = D,
                        .c = G,
                        .y = G,
                        .ldy = ldg,
                        .from_c = !first,
                        .next = next};

    if (db)
        bias_gradient(&g, db, first);
    if (mostly_idle(N, N / P * P)) {
        narrow_columns(&g, N / P * P);
        g.N = N / P * P;
    }
    dw_parts(&g);
}

#endif
