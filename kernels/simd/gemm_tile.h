/* SPDX-License-Identifier: MIT
 *
 * The register tile of the products on panels. Parameters, set by the including <isa>.c:
 *   LK_MR      rows of a tile of gemm_fwd and gemm_dx
 *   LK_MR_DW   rows of a tile of gemm_dw (at most 16)
 *   LK_MR_1, LK_MR_DW_1  the same of tiles with one vector only, which has as many chains in more rows
 *   LK_HEIGHTS(X), LK_HEIGHTS_DW(X)  X(1) .. X(LK_MR), X(1) .. X(LK_MR_DW)
 *   LK_HEIGHTS_1(X), LK_HEIGHTS_DW_1(X)  X(LK_MR + 1) .. X(LK_MR_1), X(LK_MR_DW + 1) .. X(LK_MR_DW_1)
 * A tile is MR rows x NV = 2 vectors of chains in registers. Each k loads NV vectors of the right operand and
 * broadcasts MR elements of the left one. Row counts are equalised over tiles, so no tile is much lower than the
 * others.
 */
#ifndef LK_SIMD_GEMM_TILE_H
#define LK_SIMD_GEMM_TILE_H

#include "simd/math.h"

enum { NV = 2, NV_MOST = 4, P = LK_PANEL, NR = NV * VL };
enum { DEPTH = 1024 }; /* terms of a chain computed at once, forward and data gradient */

/*
 * One product: left element (m, k) at a[m * ars + k * acs] for `run` values of k, then a += lda. Chains have `parts`
 * times K terms; the operands of the next part lie a_part and b_part further. Rows of C and y begin m * crs after c and
 * y; those of one tile c_row[i] and y_row[i] after the first of the tile, and those of A, when ars is 0, a_row[i].
 * a_ahead, b_ahead: how far behind what the chains read of A and of the weights lies what they ask for; both 0:
 * nothing, one 0: what they read. list: with `listed`, the only values of k, ascending.
 */
struct product {
    size_t M, N, K, run, lda, ldb, ldc, crs;
    size_t parts, b_part, a_ahead;
    ptrdiff_t a_part, acs, b_ahead;
    size_t ars;
    const size_t *a_row, *c_row, *y_row;
    const float *a, *b;
    float *c;
    const float *bias; /* chain start, or NULL */
    const float *y;    /* activated values for a derivative, panels, ldy */
    size_t ldy;
    enum lk_act act;
    int from_c;   /* chains start from C */
    int backward; /* of a tile that is not told at compile time */
    const uint32_t *list;
    size_t listed;
};

/* Rows of the left operand from a part to the next one, up or down. */
LK_INLINE size_t rows_apart(const struct product *g)
{
    return (size_t)(g->a_part < 0 ? -g->a_part : g->a_part) / P;
}

/* Vector j of a tile: VPP vectors to a panel, panels ld apart. */
LK_INLINE size_t vector_at(int j, size_t ld)
{
    return (size_t)(j / VPP) * ld + (size_t)(j % VPP) * VL;
}

/*
 * The chains of mr rows and nv vectors: K fused multiply-adds each, k ascending. With `asks` what comes next is on its
 * way to L2 meanwhile, a line or two with each k: a burst of requests would delay the loads. Where k runs along a panel
 * (gemm_dw) that is the panel behind this one, which comes from L3, and no hardware stream crosses its pages; else
 * rows, a line of each in a run, and weights, in runs too short for a stream.
 */
LK_INLINE void chain_part(const int mr, const int nv, const int asks, const size_t ars, const ptrdiff_t acs,
                          const struct product *g, const float *a, const float *b, vf acc[LK_MR_1][NV_MOST])
{
    const size_t ldb = g->ldb, lda = g->lda, run = g->run, a_ahead = g->a_ahead;
    const float *weights = b + g->b_ahead;

    for (size_t left = g->K; left;) {
        size_t n = left < run ? left : run;
        const float *ak = a, *rows = a + a_ahead;

        left -= n;
        a += lda;
        do {
            vf bv[NV];

            if (asks && ars == 1)
                __builtin_prefetch(ak + a_ahead, 0, 2);
            if (asks && ars == P) {
                LK_UNROLL for (int i = 0; i < mr; i += P, rows += P) __builtin_prefetch(rows, 0, 2);
                LK_UNROLL for (int j = 0; j < nv; j += VPP) __builtin_prefetch(weights + vector_at(j, ldb), 0, 2);
                weights += P;
            }
            LK_UNROLL for (int j = 0; j < nv; j++) bv[j] = v_load(b + vector_at(j, ldb));
            LK_UNROLL for (int i = 0; i < mr; i++)
            {
                vf x = v_set1(ak[ars ? (size_t)i * ars : g->a_row[i]]);

                LK_UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_fma(x, bv[j], acc[i][j]);
            }
            ak += acs;
            b += P;
        } while (--n);
    }
}

/* The chains over the terms of the list only. */
LK_INLINE void listed_chains(const int mr, const int nv, const size_t ars, const struct product *g, const float *a,
                             const float *b, vf acc[LK_MR_1][NV_MOST])
{
    const size_t ldb = g->ldb, lda = g->lda;

    for (const uint32_t *at = g->list, *end = at + g->listed; at < end; at++) {
        const size_t k = *at;
        const float *ak = a + (ars == P ? k / P * lda + k % P : k * P), *bk = b + k * P;
        vf bv[NV_MOST];

        LK_UNROLL for (int j = 0; j < nv; j++) bv[j] = v_load(bk + vector_at(j, ldb));
        LK_UNROLL for (int i = 0; i < mr; i++)
        {
            vf x = v_set1(ak[(size_t)i * ars]);

            LK_UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_fma(x, bv[j], acc[i][j]);
        }
    }
}

LK_INLINE void chains(const int mr, const int nv, const size_t ars, const ptrdiff_t acs, const struct product *g,
                      const float *a, const float *b, vf acc[LK_MR_1][NV_MOST])
{
    const int asks = g->a_ahead || g->b_ahead;

    for (size_t left = g->parts; left; left--, a += g->a_part, b += g->b_part)
        if (asks)
            chain_part(mr, nv, 1, ars, acs, g, a, b, acc);
        else
            chain_part(mr, nv, 0, ars, acs, g, a, b, acc);
}

/* Chain + 0, times the derivative of the activation for gemm_dx. */
LK_INLINE vf finish(const int backward, enum lk_act act, vf x, const float *y)
{
    x = v_add(x, v_zero());
    if (!backward) /* sigmoid and tanh forward: second pass over the stored tile */
        return act == LK_ACT_RELU ? v_relu(x) : x;
    if (act == LK_ACT_RELU)
        return v_relu_bwd(v_load(y), x);
    if (act == LK_ACT_SIGMOID)
        return v_sigmoid_bwd(v_load(y), x);
    if (act == LK_ACT_TANH)
        return v_tanh_bwd(v_load(y), x);
    return x;
}

/* The same with sigmoid and tanh forward. */
LK_INLINE vf whole_finish(const int backward, enum lk_act act, vf x, const float *y)
{
    x = finish(backward, act, x, y);
    if (backward)
        return x;
    return act == LK_ACT_SIGMOID ? v_sigmoid(x) : act == LK_ACT_TANH ? v_tanh(x) : x;
}

/* Store a tile whose last vector may hold fewer than VL columns: pad columns become +0. cols: valid columns of the
 * tile. */
LK_INLINE void store_tile(const int mr, const int nv, const int backward, const enum lk_act act,
                          const struct product *g, vf acc[LK_MR_1][NV_MOST], float *c, const float *y, size_t cols)
{
    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        LK_UNROLL for (int j = 0; j < nv; j++)
        {
            size_t rest = cols - (size_t)j * VL;
            vf x = finish(backward, act, acc[i][j], y + g->y_row[i] + vector_at(j, g->ldy));

            if (j == nv - 1 && rest < VL)
                x = v_keep(x, rest, v_zero());
            v_store(c + g->c_row[i] + vector_at(j, g->ldc), x);
        }
        if (nv % VPP)
            v_store(c + g->c_row[i] + vector_at(nv, g->ldc), v_zero());
    }
}

/* Sigmoid or tanh of a stored vector, `rest` valid columns from its first one on. */
static inline void activate(enum lk_act act, float *p, size_t rest)
{
    vf x = act == LK_ACT_SIGMOID ? v_sigmoid(v_load(p)) : v_tanh(v_load(p));

    v_store(p, rest < VL ? v_keep(x, rest, v_zero()) : x);
}

static inline void activate_tile(size_t mr, int nv, const struct product *g, float *c, size_t cols)
{
    for (int j = 0; j < nv; j++)
        for (size_t i = 0; i < mr; i++)
            activate(g->act, c + g->c_row[i] + vector_at(j, g->ldc), cols - (size_t)j * VL);
}

/* The lines of a tile are on their way to L1. */
LK_INLINE void fetch_tile(const int mr, const int nv, const float *p, size_t step, size_t ld)
{
    for (int i = 0; i < mr; i++, p += step) {
        LK_UNROLL for (int j = 0; j < nv; j += VPP) __builtin_prefetch(p + vector_at(j, ld));
    }
}

/* Chains begin: from the bias, or with what the tile at c holds. n is its first column. */
LK_INLINE void start_tile(const int mr, const int nv, const struct product *g, const float *c, size_t n,
                          vf acc[LK_MR_1][NV_MOST])
{
    LK_UNROLL for (int j = 0; j < nv; j++)
    {
        size_t rest = g->N - n - (size_t)j * VL;
        vf start = v_zero();

        if (g->bias)
            start = rest < VL ? v_load_n(g->bias + n + (size_t)j * VL, rest) : v_load(g->bias + n + (size_t)j * VL);
        LK_UNROLL for (int i = 0; i < mr; i++) acc[i][j] =
            g->from_c ? v_load(c + g->c_row[i] + vector_at(j, g->ldc)) : start;
    }
}

/* Chains end: epilogue and store. */
LK_INLINE void end_tile(const int mr, const int nv, const int backward, const struct product *g,
                        vf acc[LK_MR_1][NV_MOST], float *c, const float *y, size_t cols)
{
    if (backward && g->act == LK_ACT_RELU)
        store_tile(mr, nv, 1, LK_ACT_RELU, g, acc, c, y, cols);
    else if (backward && g->act != LK_ACT_NONE)
        store_tile(mr, nv, 1, g->act, g, acc, c, y, cols);
    else if (g->act == LK_ACT_RELU)
        store_tile(mr, nv, 0, LK_ACT_RELU, g, acc, c, y, cols);
    else
        store_tile(mr, nv, 0, LK_ACT_NONE, g, acc, c, y, cols);
    if (!backward && (g->act == LK_ACT_SIGMOID || g->act == LK_ACT_TANH))
        activate_tile((size_t)mr, nv, g, c, cols);
}

/*
 * One tile: start, chains, epilogue. m is its first row, n its first column. The lines of C and y that the tile below
 * reads and stores to are asked for before the chains, so that it waits for neither L2 nor L3.
 */
LK_INLINE void any_tile(const int mr, const int nv, const int backward, const int listed, const size_t ars,
                        const ptrdiff_t acs, const struct product *g, const float *a, size_t m, size_t n)
{
    vf acc[LK_MR_1][NV_MOST];
    const size_t panel = n / P, cols = g->N - n;
    float *c = g->c + panel * g->ldc + m * g->crs + n % P;
    const float *y = g->y + panel * g->ldy + m * g->crs + n % P;

    start_tile(mr, nv, g, c, n, acc);
    if (ars == P) {
        fetch_tile(mr, nv, c + (size_t)mr * g->crs, g->crs, g->ldc);
        if (backward && g->act != LK_ACT_NONE &&
            g->parts * g->K > 4 * P) /* a short chain would wait for them as well */
            fetch_tile(mr, nv, y + (size_t)mr * g->crs, g->crs, g->ldy);
    }
    if (listed)
        listed_chains(mr, nv, ars, g, a, g->b + panel * g->ldb + n % P, acc);
    else
        chains(mr, nv, ars, acs, g, a, g->b + panel * g->ldb + n % P, acc);
    end_tile(mr, nv, backward, g, acc, c, y, cols);
}

LK_INLINE void tile(const int mr, const int nv, const int backward, const size_t ars, const ptrdiff_t acs,
                    const struct product *g, const float *a, size_t m, size_t n)
{
    any_tile(mr, nv, backward, 0, ars, acs, g, a, m, n);
}

/* Rows of a tile in their order along a panel. */
#define LK_ROW(mr) (mr - 1) * P,

static const size_t row_along[LK_MR_1] = {LK_HEIGHTS(LK_ROW) LK_HEIGHTS_1(LK_ROW)};

/* Columns of a tile that starts at column n: a whole tile of NV vectors, or what is left of N. */
LK_INLINE int vectors_at(size_t N, size_t n)
{
    return N - n > VL ? NV : 1;
}

#define LK_TILE(mr, backward, ars, acs)                                                                                \
    case mr:                                                                                                           \
        if (nv == NV)                                                                                                  \
            tile(mr, NV, backward, ars, acs, g, a, m, n);                                                              \
        else                                                                                                           \
            tile(mr, 1, backward, ars, acs, g, a, m, n);                                                               \
        break;

#define LK_TILE_1(mr, backward, ars, acs)                                                                              \
    case mr:                                                                                                           \
        tile(mr, 1, backward, ars, acs, g, a, m, n);                                                                   \
        break;

#define LK_TILE_FWD(mr)   LK_TILE(mr, 0, P, g->acs)
#define LK_TILE_FWD_1(mr) LK_TILE_1(mr, 0, P, g->acs)
#define LK_TILE_DX(mr)    LK_TILE(mr, 1, P, g->acs)
#define LK_TILE_DX_1(mr)  LK_TILE_1(mr, 1, P, g->acs)
#define LK_TILE_DW(mr)    LK_TILE(mr, 0, 1, g->acs)
#define LK_TILE_DW_1(mr)  LK_TILE_1(mr, 0, 1, g->acs)

static void tile_fwd(size_t mr, int nv, const struct product *g, const float *a, size_t m, size_t n)
{
    switch (mr) {
        LK_HEIGHTS(LK_TILE_FWD)
        LK_HEIGHTS_1(LK_TILE_FWD_1)
    }
}

static void tile_dx(size_t mr, int nv, const struct product *g, const float *a, size_t m, size_t n)
{
    switch (mr) {
        LK_HEIGHTS(LK_TILE_DX)
        LK_HEIGHTS_1(LK_TILE_DX_1)
    }
}

static void tile_dw(size_t mr, int nv, const struct product *g, const float *a, size_t m, size_t n)
{
    switch (mr) {
        LK_HEIGHTS_DW(LK_TILE_DW)
        LK_HEIGHTS_DW_1(LK_TILE_DW_1)
    }
}

/* What is left of N columns from n on, at most a vector. */
LK_INLINE size_t rest_at(size_t N, size_t n)
{
    return N < n ? 0 : N - n < VL ? N - n : VL;
}

/* The first of so many tiles of `rows` rows, none higher than `most`. */
LK_INLINE size_t height(size_t rows, size_t most)
{
    const size_t tiles = (rows + most - 1) / most;

    return (rows + tiles - 1) / tiles;
}

/* Number of tiles for M rows with nv vectors. */
LK_INLINE size_t tiles_of(size_t M, int nv)
{
    const size_t most = nv == NV ? LK_MR : LK_MR_1;

    return (M + most - 1) / most;
}

/* Length of the next k block: equal parts of at most `most`, whole panels. */
LK_INLINE size_t block_of(size_t K, size_t most)
{
    const size_t parts = (K + most - 1) / most;

    return parts > 1 ? ((K + parts - 1) / parts + P - 1) / P * P : K;
}

#endif
