/* SPDX-License-Identifier: MIT
 *
 * Products of short chains: the weights of a strip stay in registers while all rows pass by, a few at a time. How many
 * terms there are is known to the compiler: no loop over them ends, and the chains of the next rows begin beside the
 * last ones. (A tile of gemm_tile.h fills the core's window alone; what is lost from one to the next takes as long as
 * four terms.) Parameters, set by the including <isa>.c:
 *   LK_FEW_TERMS   terms of a chain, at most a panel of them
 *   LK_FEW(X)      X(1) .. X(LK_FEW_TERMS)
 *   LK_FEW_CHAINS  vectors of chains at a time: few, the registers belong to the weights (AVX2 has as many as 7 terms
 *                  need for two vectors; the others are operands in L1)
 */
#ifndef LK_SIMD_GEMM_FEW_H
#define LK_SIMD_GEMM_FEW_H

#include "simd/gemm_tile.h"

/* Chains that go on through C, however few of their terms are left, do so in tiles. */
LK_INLINE int few_terms(const struct product *g)
{
    const size_t terms = g->parts * g->K;

    return terms && terms <= LK_FEW_TERMS && !g->from_c;
}

/* A strip: its weights, the starts of its chains, how far behind a row of the left operand the terms lie, and from row
 * to row and from panel to panel. */
struct few {
    vf w[LK_FEW_TERMS][NV], start[NV];
    ptrdiff_t at[LK_FEW_TERMS];
    size_t cols, ars, crs, ldc, ldy;
};

/* Addresses go on from row to row: those of store_tile, from the first row, make dX of 10 outputs take 1.12 times. */
LK_INLINE void few_rows(const int mr, const int nv, const int terms, const int backward, const enum lk_act act,
                        const struct few *f, const float *a, float *c, const float *y)
{
    vf acc[LK_FEW_CHAINS][NV];

    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        LK_UNROLL for (int j = 0; j < nv; j++) acc[i][j] = f->start[j];
    }
    LK_UNROLL for (int t = 0; t < terms; t++)
    {
        const float *x = a + f->at[t];

        LK_UNROLL for (int i = 0; i < mr; i++, x += f->ars)
        {
            LK_UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_fma(v_set1(*x), f->w[t][j], acc[i][j]);
        }
    }
    LK_UNROLL for (int i = 0; i < mr; i++, c += f->crs, y += f->crs)
    {
        LK_UNROLL for (int j = 0; j < nv; j++)
        {
            const size_t rest = f->cols - (size_t)j * VL;
            vf x = finish(backward, act, acc[i][j], y + vector_at(j, f->ldy));

            if (j == nv - 1 && rest < VL)
                x = v_keep(x, rest, v_zero());
            v_store(c + vector_at(j, f->ldc), x);
        }
        if (nv % VPP)
            v_store(c + vector_at(nv, f->ldc), v_zero());
    }
}

/* Terms run over the parts of the product, in each over its K. */
LK_INLINE void few_strip(const int nv, const int terms, const int backward, const enum lk_act act,
                         const struct product *g, size_t n)
{
    const int mr = LK_FEW_CHAINS / nv;
    const float *a = g->a, *b = g->b + n / P * g->ldb + n % P, *y = g->y + n / P * g->ldy + n % P;
    float *c = g->c + n / P * g->ldc + n % P;
    struct few f = {.cols = g->N - n, .ars = g->ars, .crs = g->crs, .ldc = g->ldc, .ldy = g->ldy};
    size_t part = 0, k = 0, left = g->M;

    LK_UNROLL for (int j = 0; j < nv; j++)
    {
        const size_t from = n + (size_t)j * VL;

        f.start[j] = g->bias ? v_load_n(g->bias + from, rest_at(g->N, from)) : v_zero();
    }
    LK_UNROLL for (int t = 0; t < terms; t++)
    {
        const float *w = b + part * g->b_part + k * P;

        f.at[t] = (ptrdiff_t)part * g->a_part + (ptrdiff_t)k * g->acs;
        LK_UNROLL for (int j = 0; j < nv; j++) f.w[t][j] = v_load(w + vector_at(j, g->ldb));
        if (++k == g->K)
            part++, k = 0;
    }
    for (; left >= (size_t)mr; left -= (size_t)mr) {
        few_rows(mr, nv, terms, backward, act, &f, a, c, y);
        a += (size_t)mr * f.ars;
        c += (size_t)mr * f.crs;
        y += (size_t)mr * f.crs;
    }
    for (; left; left--, a += f.ars, c += f.crs, y += f.crs)
        few_rows(1, nv, terms, backward, act, &f, a, c, y);
}

#define LK_FEW_STRIP(terms)                                                                                            \
    case terms:                                                                                                        \
        few_strip(nv, terms, backward, act, g, n);                                                                     \
        break;

LK_INLINE void few_of(const int nv, const int backward, const enum lk_act act, const struct product *g, size_t n)
{
    switch (g->parts * g->K) {
        LK_FEW(LK_FEW_STRIP)
    }
}

/* All rows of the columns from n on: nv vectors. Sigmoid and tanh forward are a second pass over them. */
LK_INLINE void few_act(const int nv, const struct product *g, size_t n)
{
    const int second = !g->backward && (g->act == LK_ACT_SIGMOID || g->act == LK_ACT_TANH);
    float *c = g->c + n / P * g->ldc + n % P;

    if (g->act == LK_ACT_NONE || second)
        few_of(nv, 0, LK_ACT_NONE, g, n);
    else if (!g->backward)
        few_of(nv, 0, LK_ACT_RELU, g, n);
    else if (g->act == LK_ACT_RELU)
        few_of(nv, 1, LK_ACT_RELU, g, n);
    else
        few_of(nv, 1, g->act, g, n);
    for (size_t m = 0; second && m < g->M; m++, c += g->crs)
        for (int j = 0; j < nv; j++)
            activate(g->act, c + vector_at(j, g->ldc), g->N - n - (size_t)j * VL);
}

static void few(const struct product *g, size_t n)
{
    if (vectors_at(g->N, n) == NV)
        few_act(NV, g, n);
    else
        few_act(1, g, n);
}

#endif
