/* SPDX-License-Identifier: MIT
 *
 * Convolutions without groups, forward and data gradient: the tiles of gemm_tile.h over overlapping rows, sample by
 * sample. A tap is a part of the chains.
 */
#ifndef LK_SIMD_CONV_TILES_H
#define LK_SIMD_CONV_TILES_H

#include "simd/conv_column.h"
#include "simd/conv_pairs.h"
#include "simd/gemm_few.h"

enum {
    MIN_CHAINS = 10 /* chains that keep the FMA units busy: latency x units, and some */
};

/* A product for each sample: its operands begin a, c, y elements after those of the sample before. */
struct conv_product {
    struct product g; /* K: channels of a group */
    size_t samples, a, c, y;
    size_t columns; /* of a group */
};

/* A tile of rows that lie anywhere: strided, or of several samples. */
#define LK_TILE_ANY(mr) LK_TILE(mr, g->backward, 0, g->acs)

static void tile_any(size_t mr, int nv, const struct product *g, const float *a, size_t m, size_t n)
{
    switch (mr) {
        LK_HEIGHTS(LK_TILE_ANY)
    }
}

/* Columns from n on, sample by sample. */
static void strip_by_sample(const struct conv_product *p, size_t n)
{
    const int nv = vectors_at(p->g.N, n);
    struct product g = p->g;

    for (size_t b = 0; b < p->samples; b++, g.a += p->a, g.c += p->c, g.y += p->y) {
        size_t m = strip_of_pairs(&g, n);
        const size_t tiles = tiles_of(g.M - m, nv);

        for (size_t t = 0, mr; t < tiles; t++, m += mr) {
            mr = (g.M - m + tiles - t - 1) / (tiles - t);
            (g.backward ? tile_dx : tile_fwd)(mr, nv, &g, g.a + m * P, m, n);
        }
    }
}

/* Columns from n on of short chains. */
static void strip_of_few(const struct conv_product *p, size_t n)
{
    struct product g = p->g;

    for (size_t b = 0; b < p->samples; b++, g.a += p->a, g.c += p->c, g.y += p->y)
        few(&g, n);
}

/* Columns from n on, the rows of all samples as one sequence. */
static void strip_of_rows(const struct conv_product *p, size_t n)
{
    const size_t M = p->samples * p->g.M, tiles = (M + LK_MR - 1) / LK_MR;
    struct product g = p->g;
    size_t a_row[LK_MR], c_row[LK_MR], y_row[LK_MR];

    g.a_row = a_row;
    g.c_row = c_row;
    g.y_row = y_row;
    for (size_t t = 0, m = 0, b = 0, l = 0, mr; t < tiles; t++, m += mr) {
        mr = (M - m + tiles - t - 1) / (tiles - t);
        for (size_t i = 0; i < mr; i++, l++) {
            if (l == g.M)
                b++, l = 0;
            a_row[i] = b * p->a + l * g.ars;
            c_row[i] = b * p->c + l * g.crs;
            y_row[i] = b * p->y + l * g.crs;
        }
        tile_any(mr, vectors_at(g.N, n), &g, g.a, 0, n);
    }
}

/* All rows of all samples: a strip of weights stays in L1 while they pass by. Tiles keep to a sample where that leaves
 * them chains enough. */
static void conv_pass(const struct conv_product *p)
{
    const size_t chains_of_tile = NV * p->g.M / tiles_of(p->g.M, NV);

    for (size_t n = 0; n < p->g.N; n += NR) {
        if (few_terms(&p->g))
            strip_of_few(p, n);
        else if (p->g.ars == P && chains_of_tile >= MIN_CHAINS)
            strip_by_sample(p, n);
        else
            strip_of_rows(p, n);
    }
}

/* One column, where it is worth turning the rows; returns whether it is done. */
static int conv_column(const struct conv_product *p)
{
    const struct column s = column_of(&p->g);
    struct product g = p->g;

    for (size_t b = 0; s.rows && b < p->samples; b++, g.a += p->a, g.c += p->c, g.y += p->y)
        column(&g, s);
    return s.rows > 0;
}

/* Without groups. Chains go on through C from one pass to the next; the epilogue belongs to the last. */
static void conv_tiles(struct conv_product *p)
{
    struct product *g = &p->g;
    const enum lk_act act = g->act;
    size_t left, passes, most;

    if (p->a == g->M * g->ars && p->c == g->M * g->crs && p->y == p->c) { /* samples without rows between */
        g->M *= p->samples;
        p->samples = 1;
    }
    if (conv_column(p))
        return;
    if (g->K == 1 && g->parts && g->b_part == P) { /* one channel: the taps are the run */
        g->K = g->run = g->parts;
        g->acs = g->a_part;
        g->parts = 1;
    }
    passes = (g->parts * g->K + DEPTH - 1) / DEPTH;
    most = passes ? (g->parts + passes - 1) / passes : g->parts;
    left = g->parts;
    do {
        g->parts = left < most ? left : most;
        left -= g->parts;
        g->act = left ? LK_ACT_NONE : act;
        conv_pass(p);
        g->a += (ptrdiff_t)g->parts * g->a_part;
        g->b += g->parts * g->b_part;
        g->bias = NULL;
        g->from_c = 1;
    } while (left);
}

#endif
