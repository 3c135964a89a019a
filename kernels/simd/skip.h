/* SPDX-License-Identifier: MIT
 *
 * Matrix products that leave out terms whose left factor is 0. A tile runs over a list of the values of k for which any
 * of its rows has a bit; the terms that only other rows need are exact for it. The list is made once for the rows of a
 * tile and a part of K, and serves all columns. Lower tiles meet more zeros. Parameters, set by the including <isa>.c:
 *   LK_MR_SKIP, LK_MR_DW_SKIP  rows of a tile of gemm_fwd_skip and gemm_dw_skip
 *   LK_NV_SKIP  vectors of a tile (at most NV_MOST)
 *   LK_SKIP_TILES(X), LK_DW_SKIP_TILES(X)  X(mr, nv) for all of the one and of the other
 */
#ifndef LK_SIMD_SKIP_H
#define LK_SIMD_SKIP_H

#include "simd/gemm_dw.h"

/* Terms of a part: at most a list; in gemm_fwd_skip no more than half a megabyte of weights, which stay in L2. */
enum { LIST_PART = 1024, LIST_ROOM = LIST_PART + P, PART_WEIGHTS = 1 << 17, SAMPLES_PART = 512 };

/* n values are finite: x - x is +0 of these only. */
static int all_finite(size_t n, const float *x)
{
    vf sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    size_t i = 0;

    for (; i + 4 * VL <= n; i += 4 * VL)
        for (size_t j = 0; j < 4; j++) {
            const vf v = v_load(x + i + j * VL);

            sum[j] = v_add(sum[j], v_sub(v, v));
        }
    for (; i < n; i += VL) {
        const vf v = n - i < VL ? v_load_n(x + i, n - i) : v_load(x + i);

        sum[0] = v_add(sum[0], v_sub(v, v));
    }
    sum[0] = v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3]));
    return !v_bits(v_isnan(sum[0]));
}

/* The bits that any of n rows has in a panel. */
LK_INLINE unsigned any_row(const uint16_t *z, size_t n)
{
    uint64_t all = 0, four;

    if (n >= 4) {
        for (size_t i = 0; i + 4 <= n; i += 4) {
            memcpy(&four, z + i, sizeof four);
            all |= four;
        }
        memcpy(&four, z + n - 4, sizeof four);
        all |= four;
        all |= all >> 32;
        all |= all >> 16;
        return (unsigned)(all & 0xffff);
    }
    for (size_t i = 0; i < n; i++)
        all |= z[i];
    return (unsigned)all;
}

/* The k of K for which any of mr rows has a bit. */
static inline size_t list_columns(size_t mr, size_t K, const uint16_t *z, size_t ldz, uint32_t *list)
{
    size_t n = 0;

    for (size_t k = 0; k < K; k += P)
        n += v_list(list + n, (unsigned)k, any_row(z + k / P * ldz, mr));
    return n;
}

/* The samples k of K that have any of the bits `group`. */
static inline size_t list_samples(unsigned group, size_t K, const uint16_t *z, uint32_t *list)
{
    size_t n = 0;

    for (size_t k = 0; k < K; k += P)
        n += v_list(list + n, (unsigned)k, v_test16(z + k, K - k, group));
    return n;
}

#define LK_TILE_FWD_SKIP(mr, nv)                                                                                       \
    case mr * 8 + nv:                                                                                                  \
        any_tile(mr, nv, 0, 1, P, 1, g, a, m, n);                                                                      \
        break;

static void tile_fwd_skip(size_t mr, size_t nv, const struct product *g, const float *a, size_t m, size_t n)
{
    switch (mr * 8 + nv) {
        LK_SKIP_TILES(LK_TILE_FWD_SKIP)
    }
}

#define LK_TILE_DW_SKIP(mr, nv)                                                                                        \
    case mr * 8 + nv:                                                                                                  \
        any_tile(mr, nv, 0, 1, 1, P, g, a, m, n);                                                                      \
        break;

static void tile_dw_skip(size_t mr, size_t nv, const struct product *g, const float *a, size_t m, size_t n)
{
    switch (mr * 8 + nv) {
        LK_DW_SKIP_TILES(LK_TILE_DW_SKIP)
    }
}

/* Rows [m, m + mr): tiles of LK_NV_SKIP vectors, the last one with what is left. */
LK_INLINE void skip_rows(const struct product *g, const float *a, size_t mr, size_t m,
                         void (*one)(size_t, size_t, const struct product *, const float *, size_t, size_t))
{
    for (size_t n = 0, nv; n < g->N; n += nv * VL) {
        nv = (g->N - n + VL - 1) / VL;
        nv = nv < LK_NV_SKIP ? nv : LK_NV_SKIP;
        one(mr, nv, g, a, m, n);
    }
}

/* Terms that a part of gemm_fwd_skip may have: whole panels. */
LK_INLINE size_t part_most(size_t N)
{
    const size_t fit = PART_WEIGHTS / (N ? lk_panels(N) * P : 1) / P * P;

    if (fit < P)
        return P;
    return fit < LIST_PART ? fit : LIST_PART;
}

static size_t gemm_fwd_skip(size_t M, size_t N, size_t K, const float *A, size_t lda, const uint16_t *Z, size_t ldz,
                            const float *W, const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    const size_t part = block_of(K, part_most(N)), tiles = (M + LK_MR_SKIP - 1) / LK_MR_SKIP;
    uint32_t list[LIST_ROOM];
    struct product g = {.M = M,
                        .N = N,
                        .parts = 1,
                        .crs = P,
                        .lda = lda,
                        .ldb = K * P,
                        .ldc = ldy,
                        .a = A,
                        .b = W,
                        .c = Y,
                        .bias = bias,
                        .y = Y,
                        .ldy = ldy,
                        .list = list};
    size_t left = K, terms = 0;

    do {
        g.K = left < part ? left : part;
        left -= g.K;
        g.act = left ? LK_ACT_NONE : act;
        for (size_t t = 0, m = 0, mr; t < tiles; t++, m += mr) {
            mr = (M - m + tiles - t - 1) / (tiles - t);
            g.listed = list_columns(mr, g.K, Z + m, ldz, list);
            terms += g.listed * mr;
            skip_rows(&g, g.a + m * P, mr, m, tile_fwd_skip);
        }
        g.a += g.K / P * lda;
        g.b += g.K * P;
        Z += g.K / P * ldz;
        g.bias = NULL;
        g.from_c = 1;
    } while (left);
    return terms * N;
}

static size_t gemm_dw_skip(size_t M, size_t N, size_t K, const float *X, size_t ldx, const uint16_t *Z, size_t ldz,
                           const float *D, size_t ldd, float *G, size_t ldg, float *db, int first)
{
    uint32_t list[LIST_ROOM];
    struct product g = {.M = M,
                        .N = N,
                        .K = K,
                        .parts = 1,
                        .crs = P,
                        .lda = ldx,
                        .ldb = ldd,
                        .ldc = ldg,
                        .a = X,
                        .b = D,
                        .c = G,
                        .y = G,
                        .ldy = ldg,
                        .from_c = !first,
                        .list = list};
    size_t left = K, terms = 0;

    if (db)
        bias_gradient(&g, db, first);
    do {
        g.K = left < SAMPLES_PART ? left : SAMPLES_PART;
        left -= g.K;
        for (size_t m = 0; m < M; m += P) {
            const size_t rows = M - m < P ? M - m : P, tiles = (rows + LK_MR_DW_SKIP - 1) / LK_MR_DW_SKIP;

            for (size_t t = 0, i = 0, mr; t < tiles; t++, i += mr) {
                mr = (rows - i + tiles - t - 1) / (tiles - t);
                g.listed = list_samples(((1u << mr) - 1) << i, g.K, Z + m / P * ldz, list);
                terms += g.listed * mr;
                skip_rows(&g, g.a + m / P * ldx + i, mr, m + i, tile_dw_skip);
            }
        }
        g.a += g.K * P;
        g.b += g.K * P;
        Z += g.K;
        g.from_c = 1;
    } while (left);
    return terms * N;
}

#endif
