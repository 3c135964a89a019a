/* SPDX-License-Identifier: MIT
 *
 * Tiles of one vector of columns for a convolution with many taps. Row r with tap p and row r + lag with tap p - q
 * read the same row of the left operand, lag being q times the rows from tap to tap. A leader and its follower share
 * each broadcast element: mr pairs take mr + 2 loads for 2 mr products, single rows 2 mr + 1, which is all that a core
 * loads. Chains keep their order: leaders begin q taps before the followers, which end q taps after them.
 */
#ifndef LK_SIMD_CONV_PAIRS_H
#define LK_SIMD_CONV_PAIRS_H

#include "simd/gemm_tile.h"

enum {
    LEAST_LAG = 8, /* rows, as many chains as keep the FMA units busy while leaders or followers are alone */
    LEAST_TAPS = 4 /* for each tap by which followers are late */
};

/* From a leader to its follower; with taps that go down, the follower is the row before. */
struct lag {
    size_t rows, taps;
};

LK_INLINE struct lag lag_of(const struct product *g)
{
    const size_t apart = rows_apart(g), one = apart ? apart : 1;
    const size_t taps = (LEAST_LAG + one - 1) / one;

    return (struct lag){taps * one, taps};
}

/* Rows of the left operand and of y that the tiles below read first: each tap asks for one of them. */
struct below {
    const float *a, *y;
};

LK_INLINE struct below below(const struct product *g, struct lag lag, size_t m, size_t n)
{
    const ptrdiff_t last = g->a_part > 0 ? (ptrdiff_t)(g->parts - 1) * g->a_part : 0;

    m += 2 * lag.rows;
    return (struct below){g->a + (ptrdiff_t)(m * P) + last, g->y + n / P * g->ldy + m * g->crs};
}

/* So many taps of the chains acc[from..to-1], of leaders (0) and followers (1), whose weights lie `back` before. */
LK_INLINE void pair_taps(const int mr, const int from, const int to, const struct product *g, size_t taps,
                         const float *a, const float *b, size_t back, struct below *next, vf acc[2][LK_MR_1][NV_MOST])
{
    for (; taps; taps--, a += g->a_part, b += g->b_part) {
        const float *panel = a, *w = b;

        __builtin_prefetch(next->a);
        __builtin_prefetch(next->y);
        next->a += P;
        next->y += g->crs;
        for (size_t left = g->K; left; panel += g->lda) {
            size_t k = left < P ? left : P;
            const float *ak = panel;

            left -= k;
            do {
                vf bv[2];

                LK_UNROLL for (int j = from; j < to; j++) bv[j] = v_load(j ? w - back : w);
                LK_UNROLL for (int i = 0; i < mr; i++)
                {
                    vf x = v_set1(ak[i * P]);

                    LK_UNROLL for (int j = from; j < to; j++) acc[j][i][0] = v_fma(x, bv[j], acc[j][i][0]);
                }
                ak++;
                w += P;
            } while (--k);
        }
    }
}

/* mr pairs, the upper row of the first one being m. */
LK_INLINE void pair_tile(const int mr, const struct product *g, struct lag lag, size_t m, size_t n)
{
    const size_t down = g->a_part < 0 ? lag.rows : 0, row[2] = {m + down, m + lag.rows - down};
    const size_t back = lag.taps * g->b_part, both = g->parts - lag.taps;
    const float *a = g->a + row[0] * P, *b = g->b + n / P * g->ldb + n % P, *y[2];
    const ptrdiff_t late = (ptrdiff_t)lag.taps * g->a_part, end = (ptrdiff_t)g->parts * g->a_part;
    struct below next = below(g, lag, m, n);
    vf acc[2][LK_MR_1][NV_MOST];
    float *c[2];

    LK_UNROLL for (int j = 0; j < 2; j++)
    {
        c[j] = g->c + n / P * g->ldc + row[j] * g->crs + n % P;
        y[j] = g->y + n / P * g->ldy + row[j] * g->crs + n % P;
        start_tile(mr, 1, g->crs, g, c[j], n, acc[j]);
    }
    pair_taps(mr, 0, 1, g, lag.taps, a, b, back, &next, acc);
    pair_taps(mr, 0, 2, g, both, a + late, b + back, back, &next, acc);
    pair_taps(mr, 1, 2, g, lag.taps, a + end, b + g->parts * g->b_part, back, &next, acc);
    LK_UNROLL for (int j = 0; j < 2; j++) end_tile(mr, 1, g->backward, P, g, acc[j], c[j], y[j], g->N - n);
}

#define LK_PAIRS(mr)                                                                                                   \
    case mr:                                                                                                           \
        pair_tile(mr, g, lag, m, n);                                                                                   \
        break;

static void tile_pairs(size_t mr, const struct product *g, struct lag lag, size_t m, size_t n)
{
    switch (mr) {
        LK_HEIGHTS(LK_PAIRS)
    }
}

/* The columns from n on of the rows that fall into pairs; returns how many rows these are. */
static size_t strip_of_pairs(const struct product *g, size_t n)
{
    const struct lag lag = lag_of(g);
    const size_t tiles = (lag.rows + LK_MR - 1) / LK_MR;
    size_t m = 0;

    if (g->N - n > VL || g->parts < LEAST_TAPS * lag.taps)
        return 0;
    for (; m + 2 * lag.rows <= g->M; m += 2 * lag.rows)
        for (size_t t = 0, i = 0, mr; t < tiles; t++, i += mr) {
            mr = (lag.rows - i + tiles - t - 1) / (tiles - t);
            tile_pairs(mr, g, lag, m + i, n);
        }
    return m;
}

#endif
