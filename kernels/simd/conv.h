/* SPDX-License-Identifier: MIT
 *
 * Convolutions: the products of simd/gemm.h over overlapping rows, sample by sample. A tap is a part of the chains.
 * Groups of channels have kernels of their own, for they begin at any lane; depthwise, both operands are vectors.
 */
#ifndef LK_SIMD_CONV_H
#define LK_SIMD_CONV_H

#include "simd/gemm.h"

enum {
    CONV_DEPTH = 24576 / (4 * NR), /* terms of a chain per pass over the rows: a strip of weights stays in L1 */
    CONV_ROWS = 8,                 /* chains in registers with groups */
    MIN_CHAINS = 10,               /* chains that keep the FMA units busy: latency x units, and some */
    LEAST_LAGS = 8                 /* positions for each one by which two taps of a tile lie apart */
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
    const size_t tiles = tiles_of(p->g.M, nv);
    struct product g = p->g;

    set_rows(&g);
    for (size_t b = 0; b < p->samples; b++, g.a += p->a, g.c += p->c, g.y += p->y)
        for (size_t t = 0, m = 0, mr; t < tiles; t++, m += mr) {
            mr = (g.M - m + tiles - t - 1) / (tiles - t);
            (g.backward ? tile_dx : tile_fwd)(mr, nv, &g, g.a + m * P, m, n);
        }
}

/* Columns from n on, the rows of all samples as one sequence. */
static void strip_of_rows(const struct conv_product *p, size_t n)
{
    const size_t M = p->samples * p->g.M, tiles = (M + LK_MR - 1) / LK_MR;
    struct product g = p->g;

    for (size_t t = 0, m = 0, b = 0, l = 0, mr; t < tiles; t++, m += mr) {
        mr = (M - m + tiles - t - 1) / (tiles - t);
        for (size_t i = 0; i < mr; i++, l++) {
            if (l == g.M)
                b++, l = 0;
            g.a_row[i] = b * p->a + l * g.ars;
            g.c_row[i] = b * p->c + l * g.crs;
            g.y_row[i] = b * p->y + l * g.crs;
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
        if (p->g.ars == P && chains_of_tile >= MIN_CHAINS)
            strip_by_sample(p, n);
        else
            strip_of_rows(p, n);
    }
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
    if (g->K == 1 && g->parts && g->b_part == P) { /* one channel: the taps are the run */
        g->K = g->run = g->parts;
        g->acs = g->a_part;
        g->parts = 1;
    }
    passes = (g->parts * g->K + CONV_DEPTH - 1) / CONV_DEPTH;
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

/* Columns lo..hi-1 of the vector at column n take x, others keep what is there, those from N on become +0. */
LK_INLINE void store_columns(float *p, vf x, size_t n, size_t lo, size_t hi, size_t N)
{
    const vf old = v_load(p);

    if (hi < n + VL)
        x = v_keep(x, hi > n ? hi - n : 0, old);
    if (lo > n)
        x = v_keep(old, lo - n, x);
    if (N < n + VL)
        x = v_keep(x, N > n ? N - n : 0, v_zero());
    v_store(p, x);
}

/* What is left of N columns from n on, at most a vector. */
LK_INLINE size_t rest_at(size_t N, size_t n)
{
    return N < n ? 0 : N - n < VL ? N - n : VL;
}

LK_INLINE vf conv_finish(const struct product *g, vf x, const float *y)
{
    if (g->backward)
        return finish(1, g->act, x, y);
    x = finish(0, g->act, x, y);
    return g->act == LK_ACT_SIGMOID ? v_sigmoid(x) : g->act == LK_ACT_TANH ? v_tanh(x) : x;
}

/* Columns lo..hi-1 are those of a group with channels from q on; depthwise, all columns, each with its channel. */
struct group {
    size_t lo, hi, q;
};

/* The vector at column n of mr rows from m on. */
LK_INLINE void group_rows(const int mr, const int depthwise, const struct product *g, struct group j, size_t m,
                          size_t n)
{
    const float *a = g->a + m * g->ars, *b = g->b + n / P * g->ldb + n % P;
    const vf start = g->bias ? v_load_n(g->bias + n, rest_at(g->N, n)) : v_zero();
    vf acc[CONV_ROWS];

    LK_UNROLL for (int i = 0; i < mr; i++) acc[i] = start;
    for (size_t part = 0; part < g->parts; part++, a += g->a_part, b += g->b_part)
        for (size_t k = 0; k < g->K; k++) {
            const size_t channel = depthwise ? n : j.q + k;
            const float *x = a + channel / P * g->lda + channel % P;
            const vf w = v_load(b + k * P);

            LK_UNROLL for (int i = 0; i < mr; i++)
            {
                const float *xi = x + (size_t)i * g->ars;

                acc[i] = v_fma(depthwise ? v_load(xi) : v_set1(*xi), w, acc[i]);
            }
        }
    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        const size_t row = (m + (size_t)i) * g->crs + n % P;

        store_columns(g->c + n / P * g->ldc + row, conv_finish(g, acc[i], g->y + n / P * g->ldy + row), n, j.lo, j.hi,
                      g->N);
    }
}

/* All rows of the vector at column n. */
LK_INLINE void group_vector(const int depthwise, const struct product *g, struct group j, size_t n)
{
    size_t m = 0;

    for (; m + CONV_ROWS <= g->M; m += CONV_ROWS)
        group_rows(CONV_ROWS, depthwise, g, j, m, n);
    for (; m + 4 <= g->M; m += 4)
        group_rows(4, depthwise, g, j, m, n);
    for (; m < g->M; m++)
        group_rows(1, depthwise, g, j, m, n);
}

/* The end of the vectors of a group: the last one writes the pad of its panel, too. */
LK_INLINE size_t group_end(struct group j, size_t N)
{
    return j.hi < N ? j.hi : lk_panels(N) * P;
}

static void conv_groups(const struct conv_product *p)
{
    const int depthwise = p->g.K == 1 && p->columns == 1;
    const size_t columns = depthwise ? p->g.N : p->columns;
    struct product g = p->g;

    for (size_t b = 0; b < p->samples; b++, g.a += p->a, g.c += p->c, g.y += p->y)
        for (struct group j = {0, columns, 0}; j.lo < g.N; j.lo += columns, j.hi += columns, j.q += g.K)
            for (size_t n = j.lo / VL * VL; n < group_end(j, g.N); n += VL) {
                if (depthwise)
                    group_vector(1, &g, j, n);
                else
                    group_vector(0, &g, j, n);
            }
}

/* What conv_fwd and each phase of conv_dx share: the epilogue, the output's rows `first`, first + step, ... */
static void conv_run(struct conv_product *p, size_t groups, const struct lk_epilogue *e, struct lk_view out,
                     size_t first, size_t step)
{
    const struct lk_cview y = e->y.p ? e->y : (struct lk_cview){out.p, out.ld, out.pitch};

    p->columns = p->g.N / groups;
    p->c = out.pitch * P;
    p->y = y.pitch * P;
    p->g.run = P;
    p->g.acs = 1;
    p->g.crs = step * P;
    p->g.c = out.p + first * P;
    p->g.ldc = out.ld;
    p->g.y = y.p + first * P;
    p->g.ldy = y.ld;
    p->g.bias = e->bias;
    p->g.act = e->act;
    p->g.backward = e->y.p != NULL;
    if (groups == 1)
        conv_tiles(p);
    else
        conv_groups(p);
}

static void conv_fwd(const struct lk_conv *c, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                     struct lk_view y)
{
    const size_t Cg = c->C / c->groups;
    struct conv_product p = {.samples = c->B, .a = x.pitch * P};

    if (!c->B || !c->T)
        return;
    p.g.M = c->T;
    p.g.N = c->O;
    p.g.K = Cg;
    p.g.ars = c->stride * P;
    p.g.lda = x.ld;
    p.g.ldb = c->taps * Cg * P;
    p.g.parts = c->taps;
    p.g.a_part = (ptrdiff_t)c->dilation * P;
    p.g.b_part = Cg * P;
    p.g.a = x.p - c->padding * P;
    p.g.b = w;
    conv_run(&p, c->groups, e, y, 0, 1);
}

/* Positions l = phase, phase + stride, ... meet the same taps, stride / gcd(stride, dilation) apart, at rows of d that
 * lie one apart from position to position. */
static void dx_phase(const struct lk_conv *c, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                     struct lk_view dx, size_t phase)
{
    const size_t Og = c->O / c->groups;
    const ptrdiff_t stride = (ptrdiff_t)c->stride, at = (ptrdiff_t)(phase + c->padding), dil = (ptrdiff_t)c->dilation;
    struct conv_product p = {.samples = c->B, .a = d.pitch * P};
    size_t k = 0, step = 1;

    while (k < c->taps && (at - (ptrdiff_t)k * dil) % stride)
        k++;
    while (step * c->dilation % c->stride)
        step++;
    p.g.M = (c->L - phase + c->stride - 1) / c->stride;
    p.g.N = c->C;
    p.g.K = Og;
    p.g.ars = P;
    p.g.lda = d.ld;
    p.g.ldb = c->taps * Og * P;
    p.g.a = d.p;
    p.g.b = wt;
    if (k < c->taps) {
        p.g.parts = (c->taps - k + step - 1) / step;
        p.g.a_part = -(ptrdiff_t)(step * c->dilation / c->stride) * P;
        p.g.b_part = step * Og * P;
        p.g.a += (at - (ptrdiff_t)k * dil) / stride * P;
        p.g.b += k * Og * P;
    }
    conv_run(&p, c->groups, e, dx, phase, c->stride);
}

static void conv_dx(const struct lk_conv *c, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                    struct lk_view dx)
{
    for (size_t phase = 0; c->B && phase < c->stride && phase < c->L; phase++)
        dx_phase(c, d, wt, e, dx, phase);
}

/*
 * Weight gradient without groups: rows r..r+M-1 of the weights, row r being (tap r / C, channel r % C). One sample: left
 * element (channel, position t) of the first tap at a[t * acs], the next tap `tap` further; right one at b[t * P].
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

/* The first of so many tiles of `rows` rows, none higher than `most`. */
LK_INLINE size_t height(size_t rows, size_t most)
{
    const size_t tiles = (rows + most - 1) / most;

    return (rows + tiles - 1) / tiles;
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

    return nv == 1 && g->acs == P && (g->r + m) % g->C == 0 && g->M - m >= 2 * g->C && LEAST_LAGS * lag <= g->T;
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

/* Weight and bias gradient without groups: pieces of about LK_KB_DW positions, so that the strips of a piece stay near. */
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

/* Chains of mr rows of one vector, or depthwise of mr vectors: x[i] is the first element of the left operand. */
LK_INLINE void group_chains(const int mr, const int depthwise, const struct product *g, const float *const *x,
                            const float *d, vf *acc)
{
    for (size_t b = 0; b < g->parts; b++)
        for (size_t t = 0; t < g->K; t++) {
            const ptrdiff_t at = (ptrdiff_t)b * g->a_part + (ptrdiff_t)t * g->acs;
            const float *row = d + b * g->b_part + t * P;
            const vf r = v_load(row);

            LK_UNROLL for (int i = 0; i < mr; i++)
            {
                if (depthwise)
                    acc[i] = v_fma(v_load(x[i] + at), v_load(row + vector_at(i, g->ldb)), acc[i]);
                else
                    acc[i] = v_fma(v_set1(x[i][at]), r, acc[i]);
            }
        }
}

/* Gradients of mr rows from m on of the vector at column n; depthwise, of mr vectors. */
LK_INLINE void dw_group_rows(const int mr, const int depthwise, const struct product *g, struct group j, size_t m,
                             size_t n)
{
    float *c = g->c + n / P * g->ldc + m * P + n % P;
    const float *x[CONV_ROWS];
    vf acc[CONV_ROWS];

    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        const size_t channel = j.q + (depthwise ? n + (size_t)i * VL : m + (size_t)i);

        x[i] = g->a + channel / P * g->lda + channel % P;
        acc[i] = g->from_c ? v_load(c + (depthwise ? vector_at(i, g->ldc) : (size_t)i * P)) : v_zero();
    }
    group_chains(mr, depthwise, g, x, g->b + n / P * g->ldb + n % P, acc);
    LK_UNROLL for (int i = 0; i < mr; i++)
        store_columns(c + (depthwise ? vector_at(i, g->ldc) : (size_t)i * P), v_add(acc[i], v_zero()),
                      depthwise ? n + (size_t)i * VL : n, j.lo, j.hi, g->N);
}

static void dw_groups(const struct product *g, struct group j)
{
    for (size_t n = j.lo / VL * VL; n < group_end(j, g->N); n += VL) {
        size_t m = 0;

        for (; m + CONV_ROWS <= g->M; m += CONV_ROWS)
            dw_group_rows(CONV_ROWS, 0, g, j, m, n);
        for (; m + 4 <= g->M; m += 4)
            dw_group_rows(4, 0, g, j, m, n);
        for (; m < g->M; m++)
            dw_group_rows(1, 0, g, j, m, n);
    }
}

static void dw_depthwise(const struct product *g, struct group all)
{
    const size_t end = lk_panels(g->N) * P;
    size_t n = 0;

    for (; g->M && n + CONV_ROWS * VL <= end; n += CONV_ROWS * VL)
        dw_group_rows(CONV_ROWS, 1, g, all, 0, n);
    for (; g->M && n + 4 * VL <= end; n += 4 * VL)
        dw_group_rows(4, 1, g, all, 0, n);
    for (; g->M && n < end; n += P)
        dw_group_rows(VPP, 1, g, all, 0, n);
}

/* Groups that columns o0..o0+N-1 belong to, from c0 on: j counts columns from o0. */
static void dw_all_groups(const struct lk_conv *c, const struct product *g, size_t c0, size_t o0)
{
    const size_t Cg = c->C / c->groups, Og = c->O / c->groups;

    if (Cg == 1 && Og == 1) {
        dw_depthwise(g, (struct group){0, g->N, o0});
        return;
    }
    for (size_t o = o0; o < o0 + g->N;) {
        const size_t next = (o / Og + 1) * Og, end = next < o0 + g->N ? next : o0 + g->N;

        dw_groups(g, (struct group){o - o0, end - o0, o / Og * Cg + c0});
        o = end;
    }
}

/* With groups, tap by tap. */
static void dw_grouped(const struct lk_conv *c, struct product *g, size_t r, size_t M, size_t o0)
{
    const size_t Cg = c->C / c->groups, end = r + M;
    const float *a = g->a;

    for (; r < end; r += g->M) {
        g->M = smaller(Cg - r % Cg, end - r);
        g->a = a + r / Cg * c->dilation * P;
        dw_all_groups(c, g, r % Cg, o0);
        g->c += g->M * P;
    }
}

static void conv_dw(const struct lk_conv *c, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                    struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    const ptrdiff_t acs = (ptrdiff_t)c->stride * P, a_part = (ptrdiff_t)x.pitch * P;
    const float *a = x.p - c->padding * P, *b = d.p + o0 / P * d.ld;
    struct product g = {.N = N,
                        .parts = c->B,
                        .K = c->T,
                        .acs = acs,
                        .a_part = a_part,
                        .b_part = d.pitch * P,
                        .lda = x.ld,
                        .ldb = d.ld,
                        .ldc = ldg,
                        .a = a,
                        .b = b,
                        .c = G,
                        .from_c = !first};

    if (c->groups == 1 && M) {
        dw_pieces(&(struct conv_dw){.M = M,
                                    .N = N,
                                    .r = r,
                                    .C = c->C,
                                    .samples = c->B,
                                    .T = c->T,
                                    .lda = x.ld,
                                    .ldb = d.ld,
                                    .ldc = ldg,
                                    .b_part = d.pitch * P,
                                    .acs = acs,
                                    .a_part = a_part,
                                    .tap = (ptrdiff_t)c->dilation * P,
                                    .a = a,
                                    .b = b,
                                    .c = G,
                                    .db = db,
                                    .from_c = !first});
        return;
    }
    dw_grouped(c, &g, r, M, o0);
    if (db)
        bias_gradient(&g, db, first);
}

#endif
