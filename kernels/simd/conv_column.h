/* SPDX-License-Identifier: MIT
 *
 * A convolution of at most 16 channels to one: lanes are rows, for a vector of columns would hold one. The left operand
 * is turned, so that lane i of its row j is row i * rows + j of a block, and a tap is whole vectors further. Each chain
 * is computed as in conv_tiles.h.
 */
#ifndef LK_SIMD_CONV_COLUMN_H
#define LK_SIMD_CONV_COLUMN_H

#include "simd/gemm_tile.h"

enum {
    TURNED_ROW = P * VL,        /* elements of a turned row: 16 channels, each a vector */
    TURNED = 8192 / TURNED_ROW, /* rows turned at a time: they stay in L1 */
    LEAST_TERMS = 2 * P         /* of a chain */
};

/* A block: VL times so many rows, and the turned rows that its taps reach beyond them. */
struct column {
    size_t rows, reach;
};

/* The taps' rows, the lowest first, as [row][channel][lane]. */
static void turn_rows(const struct product *g, struct column s, const float *a, float *turned)
{
    for (size_t j = 0; j < s.rows + s.reach; j++, a += P, turned += TURNED_ROW)
        for (size_t k = 0; k < g->K; k += 8)
            for (size_t i = 0; i < VL; i += 8)
                transpose8(a + k + i * s.rows * P, s.rows * P, turned + k * VL + i, VL);
}

/* The chains of mr turned rows. */
LK_INLINE void column_chains(const int mr, const struct product *g, const float *turned, float *chain)
{
    const ptrdiff_t tap = g->a_part / P * TURNED_ROW;
    const float *b = g->b;
    vf acc[LK_MR_1];

    LK_UNROLL for (int i = 0; i < mr; i++) acc[i] = v_set1(g->bias ? *g->bias : 0.0f);
    for (size_t part = 0; part < g->parts; part++, turned += tap, b += g->b_part)
        for (size_t k = 0; k < g->K; k++) {
            const float *x = turned + k * VL;
            const vf w = v_set1(b[k * P]);

            LK_UNROLL for (int i = 0; i < mr; i++) acc[i] = v_fma(v_load(x + i * TURNED_ROW), w, acc[i]);
        }
    LK_UNROLL for (int i = 0; i < mr; i++) v_store(chain + i * VL, acc[i]);
}

#define LK_COLUMN(mr)                                                                                                  \
    case mr:                                                                                                           \
        column_chains(mr, g, turned, chain);                                                                           \
        break;

static void column_rows(size_t mr, const struct product *g, const float *turned, float *chain)
{
    switch (mr) {
        LK_HEIGHTS(LK_COLUMN)
        LK_HEIGHTS_1(LK_COLUMN)
    }
}

/* Chain j of lane i becomes the row i * rows + j of a panel. What the next block reads is on its way. */
LK_INLINE void store_column(const int backward, const enum lk_act act, const struct product *g, struct column s,
                            const float *chain, const float *a, float *c, const float *y)
{
    const size_t next = s.rows * VL;

    for (size_t i = 0; i < VL; i++)
        for (size_t j = 0; j < s.rows; j++, a += P, c += g->crs, y += g->crs) {
            const vf x = whole_finish(backward, act, v_set1(chain[j * VL + i]), y);

            __builtin_prefetch(a + next * P, 0, 2);
            __builtin_prefetch(y + next * g->crs, 0, 2);
            v_store(c, v_keep(x, 1, v_zero()));
            LK_UNROLL for (int v = 1; v < VPP; v++) v_store(c + v * VL, v_zero());
        }
}

/* The block from row m on. */
static void column_block(const struct product *g, struct column s, size_t m)
{
    const ptrdiff_t first = g->a_part < 0 ? -(ptrdiff_t)s.reach : 0;
    const float *a = g->a + ((ptrdiff_t)m + first) * P, *y = g->y + m * g->crs;
    float turned[TURNED * TURNED_ROW], chain[TURNED * VL], *c = g->c + m * g->crs;

    turn_rows(g, s, a, turned);
    for (size_t j = 0, mr; j < s.rows; j += mr) {
        mr = smaller(height(s.rows, LK_MR_1), s.rows - j);
        column_rows(mr, g, turned + ((ptrdiff_t)j - first) * TURNED_ROW, chain + j * VL);
    }
    if (g->backward && g->act == LK_ACT_RELU)
        store_column(1, LK_ACT_RELU, g, s, chain, a, c, y);
    else if (!g->backward && g->act == LK_ACT_RELU)
        store_column(0, LK_ACT_RELU, g, s, chain, a, c, y);
    else
        store_column(g->backward, g->act, g, s, chain, a, c, y);
}

/* Blocks of a sample as high as fit; 0 rows where another way is faster. */
static struct column column_of(const struct product *g)
{
    struct column s = {0, g->parts ? (g->parts - 1) * rows_apart(g) : 0};

    if (g->N != 1 || g->K > P || g->ars != P || g->parts * g->K < LEAST_TERMS || 2 * s.reach > TURNED)
        return s;
    s.rows = smaller(height(height(g->M, VL), TURNED - s.reach), g->M / VL);
    if (s.rows < s.reach)
        s.rows = 0;
    return s;
}

/* All rows of a sample. The last block ends with them and computes some a second time. */
static void column(const struct product *g, struct column s)
{
    const size_t rows = s.rows * VL;

    for (size_t m = 0; m < g->M; m += rows)
        column_block(g, s, smaller(m, g->M - rows));
}

#endif
