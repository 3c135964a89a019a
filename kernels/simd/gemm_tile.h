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
 * One product: left element (m, k) at a[m * ars + k * acs] for `run` values of k, then a += lda, but where ars is 1, and
 * k runs down a panel, a += run * P. Chains have `parts`
 * times K terms; the operands of the next part lie a_part and b_part further. Rows of C and y begin m * crs after c and
 * y (crs is P when ars is 1). When ars is 0, those of a tile lie anywhere: a_row[i], c_row[i], y_row[i] on.
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
    const struct lk_next *next; /* gemm_dw: what its tiles ask for, an array with each run; or NULL */
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
 * n terms of the chains of mr rows and nv vectors: a fused multiply-add each, k ascending; b goes on. With `asks` what
 * comes next is on its way to L2 meanwhile, a line or two with each k: a burst of requests would delay the loads.
 * Where k runs along a panel (gemm_dw) that is the panel behind this one, which comes from L3, and no hardware stream
 * crosses its pages; else rows, a line of each in a run, and weights, in runs too short for a stream. With `opens` the
 * lines of C and y that a tile ends with are on their way to L1, those of a row with each k.
 */
LK_INLINE void chain_run(const int mr, const int nv, const int backward, const int asks, const int opens,
                         const size_t ars, const ptrdiff_t acs, const struct product *g, size_t n, const float *ak,
                         const float **b, const float **weights, const float *c, const float *y,
                         vf acc[LK_MR_1][NV_MOST])
{
    const size_t ldb = g->ldb, a_ahead = g->a_ahead, crs = g->crs, ldc = g->ldc, ldy = g->ldy;
    const float *rows = ak + a_ahead;

    do {
        vf bv[NV];

        if (opens) {
            LK_UNROLL for (int j = 0; j < nv; j += VPP) __builtin_prefetch(c + vector_at(j, ldc));
            if (backward) {
                LK_UNROLL for (int j = 0; j < nv; j += VPP) __builtin_prefetch(y + vector_at(j, ldy));
            }
            c += crs;
            y += crs;
        }
        if (asks && ars == 1)
            __builtin_prefetch(ak + a_ahead, 0, 2);
        if (asks && ars == P) {
            LK_UNROLL for (int i = 0; i < mr; i += P, rows += P) __builtin_prefetch(rows, 0, 2);
            LK_UNROLL for (int j = 0; j < nv; j += VPP) __builtin_prefetch(*weights + vector_at(j, ldb), 0, 2);
            *weights += P;
        }
        LK_UNROLL for (int j = 0; j < nv; j++) bv[j] = v_load(*b + vector_at(j, ldb));
        LK_UNROLL for (int i = 0; i < mr; i++)
        {
            vf x = v_set1(ak[ars ? (size_t)i * ars : g->a_row[i]]);

            LK_UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_fma(x, bv[j], acc[i][j]);
        }
        ak += acs;
        *b += P;
    } while (--n);
}

/* K terms of the chains, run by run. c, y: the lines that the first run asks for; c may be NULL. */
LK_INLINE void chain_part(const int mr, const int nv, const int backward, const int asks, const size_t ars,
                          const ptrdiff_t acs, const struct product *g, const float *a, const float *b, const float *c,
                          const float *y, vf acc[LK_MR_1][NV_MOST])
{
    const float *weights = b + g->b_ahead;
    size_t left = g->K;

    if (ars == P && c && left) {
        const size_t n = left < g->run ? left : g->run;

        chain_run(mr, nv, backward, asks, 1, ars, acs, g, n, a, &b, &weights, c, y, acc);
        left -= n;
        a += g->lda;
    }
    while (left) {
        const size_t n = left < g->run ? left : g->run;

        chain_run(mr, nv, backward, asks, 0, ars, acs, g, n, a, &b, &weights, NULL, NULL, acc);
        left -= n;
        a += g->lda;
    }
}

/* The lines of an array at the place of a tile are on their way to L1. Those of all arrays at once would keep what the
 * chains read waiting. */
LK_INLINE void ask_next(const int mr, const int nv, const float *line, size_t ld)
{
    LK_UNROLL for (int r = 0; r < mr; r++, line += P)
    {
        LK_UNROLL for (int j = 0; j < nv; j += VPP) __builtin_prefetch(line + vector_at(j, ld));
    }
}

/* K terms of the chains of a weight gradient, run by run down a panel; `place` is that of the tile in the arrays of
 * g->next. */
LK_INLINE void chains_dw(const int mr, const int nv, const int asks, const struct product *g, const float *a,
                         const float *b, size_t place, vf acc[LK_MR_1][NV_MOST])
{
    const float *weights = b;
    size_t left = g->K;

    for (size_t i = 0; left; i++) {
        const size_t n = left < g->run ? left : g->run;

        if (g->next && i < g->next->n)
            ask_next(mr, nv, g->next->p[i] + place, g->next->ld);
        chain_run(mr, nv, 0, asks, 0, 1, P, g, n, a, &b, &weights, NULL, NULL, acc);
        left -= n;
        a += n * P;
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

LK_INLINE void chains(const int mr, const int nv, const int backward, const size_t ars, const ptrdiff_t acs,
                      const struct product *g, const float *a, const float *b, const float *c, const float *y,
                      vf acc[LK_MR_1][NV_MOST])
{
    const int asks = g->a_ahead || g->b_ahead;

    for (size_t left = g->parts; left; left--, a += g->a_part, b += g->b_part, c = NULL)
        if (asks)
            chain_part(mr, nv, backward, 1, ars, acs, g, a, b, c, y, acc);
        else
            chain_part(mr, nv, backward, 0, ars, acs, g, a, b, c, y, acc);
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

/* Row i of a tile of C or of y, crs from row to row; 0: anywhere. */
LK_INLINE size_t tile_row(size_t crs, const size_t *rows, size_t i)
{
    return crs ? i * crs : rows[i];
}

/* Store a tile whose last vector may hold fewer than VL columns: pad columns become +0. cols: valid columns of the
 * tile. */
LK_INLINE void store_tile(const int mr, const int nv, const int backward, const enum lk_act act, const size_t crs,
                          const struct product *g, vf acc[LK_MR_1][NV_MOST], float *c, const float *y, size_t cols)
{
    const size_t ldc = g->ldc, ldy = g->ldy;

    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        LK_UNROLL for (int j = 0; j < nv; j++)
        {
            size_t rest = cols - (size_t)j * VL;
            vf x = finish(backward, act, acc[i][j], y + tile_row(crs, g->y_row, (size_t)i) + vector_at(j, ldy));

            if (j == nv - 1 && rest < VL)
                x = v_keep(x, rest, v_zero());
            v_store(c + tile_row(crs, g->c_row, (size_t)i) + vector_at(j, ldc), x);
        }
        if (nv % VPP)
            v_store(c + tile_row(crs, g->c_row, (size_t)i) + vector_at(nv, ldc), v_zero());
    }
}

/* Sigmoid or tanh of a stored vector, `rest` valid columns from its first one on. */
static inline void activate(enum lk_act act, float *p, size_t rest)
{
    vf x = act == LK_ACT_SIGMOID ? v_sigmoid(v_load(p)) : v_tanh(v_load(p));

    v_store(p, rest < VL ? v_keep(x, rest, v_zero()) : x);
}

static inline void activate_tile(size_t mr, int nv, size_t crs, const struct product *g, float *c, size_t cols)
{
    for (int j = 0; j < nv; j++)
        for (size_t i = 0; i < mr; i++)
            activate(g->act, c + tile_row(crs, g->c_row, i) + vector_at(j, g->ldc), cols - (size_t)j * VL);
}

/* Chains begin: from the bias, or with what the tile at c holds. n is its first column. */
LK_INLINE void start_tile(const int mr, const int nv, const size_t crs, const struct product *g, const float *c,
                          size_t n, vf acc[LK_MR_1][NV_MOST])
{
    LK_UNROLL for (int j = 0; j < nv; j++)
    {
        size_t rest = g->N - n - (size_t)j * VL;
        vf start = v_zero();

        if (g->bias)
            start = rest < VL ? v_load_n(g->bias + n + (size_t)j * VL, rest) : v_load(g->bias + n + (size_t)j * VL);
        LK_UNROLL for (int i = 0; i < mr; i++) acc[i][j] =
            g->from_c ? v_load(c + tile_row(crs, g->c_row, (size_t)i) + vector_at(j, g->ldc)) : start;
    }
}

/* Chains end: epilogue and store. */
LK_INLINE void end_tile(const int mr, const int nv, const int backward, const size_t ars, const struct product *g,
                        vf acc[LK_MR_1][NV_MOST], float *c, const float *y, size_t cols)
{
    const size_t crs = ars ? P : 0;

    if (ars == P && g->crs != P)
        store_tile(mr, nv, backward, g->act, g->crs, g, acc, c, y, cols);
    else if (backward && g->act == LK_ACT_RELU)
        store_tile(mr, nv, 1, LK_ACT_RELU, crs, g, acc, c, y, cols);
    else if (backward && g->act != LK_ACT_NONE)
        store_tile(mr, nv, 1, g->act, crs, g, acc, c, y, cols);
    else if (g->act == LK_ACT_RELU)
        store_tile(mr, nv, 0, LK_ACT_RELU, crs, g, acc, c, y, cols);
    else
        store_tile(mr, nv, 0, LK_ACT_NONE, crs, g, acc, c, y, cols);
    if (!backward && (g->act == LK_ACT_SIGMOID || g->act == LK_ACT_TANH))
        activate_tile((size_t)mr, nv, crs ? g->crs : 0, g, c, cols);
}

/*
 * One tile: start, chains, epilogue. m is its first row, n its first column. It asks for the lines that it ends with,
 * or, where chains are too short for them to come in time, for those of the tile below.
 */
LK_INLINE void any_tile(const int mr, const int nv, const int backward, const int listed, const size_t ars,
                        const ptrdiff_t acs, const struct product *g, const float *a, size_t m, size_t n)
{
    vf acc[LK_MR_1][NV_MOST];
    const size_t panel = n / P, cols = g->N - n;
    float *c = g->c + panel * g->ldc + m * g->crs + n % P;
    const float *y = g->y + panel * g->ldy + m * g->crs + n % P;
    const size_t below = g->parts * g->K < 4 * P ? (size_t)mr * g->crs : 0;
    const size_t place = g->next ? panel * g->next->ld + m * P : 0;

    start_tile(mr, nv, ars ? g->crs : 0, g, c, n, acc);
    if (listed)
        listed_chains(mr, nv, ars, g, a, g->b + panel * g->ldb + n % P, acc);
    else if (ars == 1 && g->a_ahead)
        chains_dw(mr, nv, 1, g, a, g->b + panel * g->ldb + n % P, place, acc);
    else if (ars == 1)
        chains_dw(mr, nv, 0, g, a, g->b + panel * g->ldb + n % P, place, acc);
    else
        chains(mr, nv, backward, ars, acs, g, a, g->b + panel * g->ldb + n % P, c + below, y + below, acc);
    end_tile(mr, nv, backward, ars, g, acc, c, y, cols);
}

LK_INLINE void tile(const int mr, const int nv, const int backward, const size_t ars, const ptrdiff_t acs,
                    const struct product *g, const float *a, size_t m, size_t n)
{
    any_tile(mr, nv, backward, 0, ars, acs, g, a, m, n);
}

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
