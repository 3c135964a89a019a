/* SPDX-License-Identifier: MIT
 *
 * Weight gradient of a convolution without groups: tiles of the gradient stay in registers over the samples of a piece.
 */
#ifndef LK_SIMD_CONV_DW_H
#define LK_SIMD_CONV_DW_H

#include "simd/gemm_dw.h"

enum { LEAST_POSITIONS = 8 }; /* positions for each one by which two taps of a tile lie apart */

/*
 * Weight gradient without groups: rows r..r+M-1 of the weights, row r being (tap r / C, channel r % C). One sample:
 * left element (channel, position t) of the first tap at a[t * acs], the next tap `tap` further; right one at b[t * P].
 * Rows of a tile begin at a_row where they are of several taps.
 */
struct conv_dw {
    size_t M, N, r, C, samples, T, lda, ldb, ldc, b_part;
    ptrdiff_t acs, a_part, tap;
    ptrdiff_t a_row[LK_MR_DW_1];
    const float *a, *b;
    float *c, *db;
    int from_c;
};

/* Rows of a tile: channels of a panel, (tap, channel) anywhere, or channels of a panel for two taps, whose chains are
 * the two vectors of a row. */
enum dw_rows { CHANNELS, ANYWHERE, TWO_TAPS };

/* T terms of the chains of vectors from..to-1. With `bias` the right operand is summed, too. */
LK_INLINE void dw_terms(const int mr, const int from, const int to, const int bias, const enum dw_rows rows,
                        const struct conv_dw *g, size_t T, const float *a, const float *b, vf acc[LK_MR_DW_1][NV],
                        vf sum[NV])
{
    const size_t ldb = g->ldb;
    const ptrdiff_t acs = g->acs, tap = g->tap;

    for (; T; T--) {
        vf bv[NV];

        LK_UNROLL for (int j = from; j < to; j++)
        {
            bv[j] = v_load(rows == TWO_TAPS ? b - j * tap : b + vector_at(j, ldb));
            if (bias)
                sum[j] = v_add(sum[j], bv[j]);
        }
        LK_UNROLL for (int i = 0; i < mr; i++)
        {
            const vf x = v_set1(a[rows == ANYWHERE ? g->a_row[i] : i]);

            LK_UNROLL for (int j = from; j < to; j++) acc[i][j] = v_fma(x, bv[j], acc[i][j]);
        }
        a += acs;
        b += P;
    }
}

/* All terms, sample by sample. Two taps of stride 1 read the same rows of X, the second one `lag` positions of D before
 * the first: they go together but for the first positions of one and the last ones of the other. */
LK_INLINE void dw_chains(const int mr, const int nv, const int bias, const enum dw_rows rows, const struct conv_dw *g,
                         const float *a, const float *b, vf acc[LK_MR_DW_1][NV], vf sum[NV])
{
    const size_t lag = (size_t)g->tap / P, both = g->T - lag;

    for (size_t left = g->samples; left; left--, a += g->a_part, b += g->b_part) {
        if (rows == TWO_TAPS) {
            dw_terms(mr, 0, 1, 0, rows, g, lag, a, b, acc, sum);
            dw_terms(mr, 0, 2, 0, rows, g, both, a + g->tap, b + g->tap, acc, sum);
            dw_terms(mr, 1, 2, 0, rows, g, lag, a + (ptrdiff_t)g->T * P, b + (ptrdiff_t)g->T * P, acc, sum);
        } else {
            dw_terms(mr, 0, nv, bias, rows, g, g->T, a, b, acc, sum);
        }
    }
}

/* Vector j of a row of the tile: the next tap is C rows further. */
LK_INLINE size_t dw_vector(const struct conv_dw *g, const enum dw_rows rows, int j)
{
    return rows == TWO_TAPS ? (size_t)j * g->C * P : vector_at(j, g->ldc);
}

/* One tile: m is its first row, n its first column. */
LK_INLINE void dw_tile(const int mr, const int nv, const int bias, const enum dw_rows rows, const struct conv_dw *g,
                       const float *a, size_t m, size_t n)
{
    float *c = g->c + n / P * g->ldc + m * P + n % P, *db = bias ? g->db + n : NULL;
    vf acc[LK_MR_DW_1][NV], sum[NV];

    LK_UNROLL for (int j = 0; j < nv; j++)
    {
        if (bias)
            sum[j] = g->from_c ? v_load(db + j * VL) : v_zero();
        LK_UNROLL for (int i = 0; i < mr; i++) acc[i][j] =
            g->from_c ? v_load(c + i * P + dw_vector(g, rows, j)) : v_zero();
    }
    dw_chains(mr, nv, bias, rows, g, a, g->b + n / P * g->ldb + n % P, acc, sum);
    LK_UNROLL for (int j = 0; j < nv; j++)
    {
        const size_t valid = rest_at(g->N, rows == TWO_TAPS ? n : n + (size_t)j * VL);

        if (bias)
            v_store(db + j * VL, v_keep(v_add(sum[j], v_zero()), valid, v_zero()));
        LK_UNROLL for (int i = 0; i < mr; i++)
            v_store(c + i * P + dw_vector(g, rows, j), v_keep(v_add(acc[i][j], v_zero()), valid, v_zero()));
        if (VPP > 1 && (nv == 1 || rows == TWO_TAPS)) {
            if (bias)
                v_store(db + VL, v_zero());
            LK_UNROLL for (int i = 0; i < mr; i++) v_store(c + i * P + dw_vector(g, rows, j) + VL, v_zero());
        }
    }
}

#define LK_DW_CASE(mr, nv, bias, rows)                                                                                 \
    case mr:                                                                                                           \
        dw_tile(mr, nv, bias, rows, g, a, m, n);                                                                       \
        break;
#define LK_DW_BIAS_1(mr)     LK_DW_CASE(mr, 1, 1, ANYWHERE)
#define LK_DW_BIAS(mr)       LK_DW_CASE(mr, NV, 1, ANYWHERE)
#define LK_DW_ANYWHERE_1(mr) LK_DW_CASE(mr, 1, 0, ANYWHERE)
#define LK_DW_ANYWHERE(mr)   LK_DW_CASE(mr, NV, 0, ANYWHERE)
#define LK_DW_TWO_TAPS(mr)   LK_DW_CASE(mr, 2, 0, TWO_TAPS)
#define LK_DW_CHANNELS_1(mr) LK_DW_CASE(mr, 1, 0, CHANNELS)
#define LK_DW_CHANNELS(mr)   LK_DW_CASE(mr, NV, 0, CHANNELS)

static void dw_bias(size_t mr, int nv, const struct conv_dw *g, const float *a, size_t m, size_t n)
{
    if (nv == 1)
        switch (mr) {
            LK_HEIGHTS_DB(LK_DW_BIAS_1)
        }
    else
        switch (mr) {
            LK_HEIGHTS_DB(LK_DW_BIAS)
        }
}

static void dw_anywhere(size_t mr, int nv, const struct conv_dw *g, const float *a, size_t m, size_t n)
{
    if (nv == 1)
        switch (mr) {
            LK_HEIGHTS_DW(LK_DW_ANYWHERE_1)
            LK_HEIGHTS_DW_1(LK_DW_ANYWHERE_1)
        }
    else
        switch (mr) {
            LK_HEIGHTS_DW(LK_DW_ANYWHERE)
        }
}

static void dw_channels(size_t mr, int nv, const struct conv_dw *g, const float *a, size_t m, size_t n)
{
    if (nv == 1)
        switch (mr) {
            LK_HEIGHTS_DW(LK_DW_CHANNELS_1)
            LK_HEIGHTS_DW_1(LK_DW_CHANNELS_1)
        }
    else
        switch (mr) {
            LK_HEIGHTS_DW(LK_DW_CHANNELS)
        }
}

static void dw_two_taps(size_t mr, const struct conv_dw *g, const float *a, size_t m, size_t n)
{
    switch (mr) {
        LK_HEIGHTS_DW(LK_DW_TWO_TAPS)
    }
}

/* Left element of row m of the unit. */
LK_INLINE ptrdiff_t dw_row(const struct conv_dw *g, size_t m)
{
    const size_t channel = (g->r + m) % g->C;

    return (ptrdiff_t)((g->r + m) / g->C) * g->tap + (ptrdiff_t)(channel / P * g->lda + channel % P);
}

/* A tile of mr rows from m on, of any taps. */
static void dw_rows_anywhere(struct conv_dw *g, int bias, size_t mr, size_t m, size_t n)
{
    const ptrdiff_t first = dw_row(g, m);

    for (size_t i = 0; i < mr; i++)
        g->a_row[i] = dw_row(g, m + i) - first;
    (bias ? dw_bias : dw_anywhere)(mr, vectors_at(g->N, n), g, g->a + first, m, n);
}

/* Two taps from row m on in one tile: a single vector would need a load for each term. */
LK_INLINE int two_at(const struct conv_dw *g, int nv, size_t m)
{
    const size_t lag = (size_t)g->tap / P;

    return nv == 1 && g->acs == P && (g->r + m) % g->C == 0 && g->M - m >= 2 * g->C && LEAST_POSITIONS * lag <= g->T;
}

/* The tiles of the rows of a tap from m on, or of two; returns how many rows these are. */
static size_t dw_tap(const struct conv_dw *g, size_t m, size_t n)
{
    const int nv = vectors_at(g->N, n), two = two_at(g, nv, m);
    const size_t most = nv == 1 && !two ? LK_MR_DW_1 : LK_MR_DW;
    const size_t all = smaller(g->C - (g->r + m) % g->C, g->M - m);

    for (size_t i = 0, mr; i < all; i += mr) {
        const ptrdiff_t row = dw_row(g, m + i);

        mr = height(smaller(P - (g->r + m + i) % g->C % P, all - i), most);
        if (two)
            dw_two_taps(mr, g, g->a + row, m + i, n);
        else
            dw_channels(mr, nv, g, g->a + row, m + i, n);
    }
    return two ? 2 * all : all;
}

/* The tiles of the columns from n on. The first one sums the right operand, too. */
static void dw_strip(struct conv_dw *g, size_t n)
{
    const size_t most = vectors_at(g->N, n) == 1 ? LK_MR_DW_1 : LK_MR_DW;

    for (size_t m = 0, mr; m < g->M; m += mr) {
        const int bias = g->db && m == 0;

        if (bias || g->C < LK_MR_DW)
            dw_rows_anywhere(g, bias, mr = height(g->M - m, bias ? LK_MR_DB : most), m, n);
        else
            mr = dw_tap(g, m, n);
    }
}

/* Weight and bias gradient without groups: pieces of about LK_KB_DW positions, whose strips stay in L2. */
static void dw_pieces(const struct conv_dw *whole)
{
    const size_t T = whole->T, together = T && T < LK_KB_DW ? LK_KB_DW / T : 1;
    struct conv_dw g = *whole;
    size_t b = 0;

    do {
        size_t t = 0;

        g.samples = whole->samples - b < together ? whole->samples - b : together;
        do {
            g.T = T - t < LK_KB_DW ? T - t : LK_KB_DW;
            g.a = whole->a + (ptrdiff_t)b * g.a_part + (ptrdiff_t)t * g.acs;
            g.b = whole->b + b * g.b_part + t * P;
            for (size_t n = 0; n < g.N; n += NR)
                dw_strip(&g, n);
            g.from_c = 1;
            t += g.T;
        } while (t < T);
        b += g.samples;
    } while (b < whole->samples);
}

#endif
