/* SPDX-License-Identifier: MIT
 * Convolution, one chain at a time. */
#include "ref/ref.h"

enum { P = LK_PANEL };

/* Element (b, c, l) of a value; l may lie in the halo. */
static float at(struct lk_cview v, size_t b, size_t c, ptrdiff_t l)
{
    const float *column = v.p + c / P * v.ld + b * v.pitch * P + c % P;

    return column[l * P];
}

/* Element (row, column) of dense weight panels. */
static float weight(const float *w, size_t rows, size_t row, size_t column)
{
    return w[(column / P * rows + row) * P + column % P];
}

/* Input position of output position t and tap k. */
static ptrdiff_t position(const struct lk_conv *g, size_t t, size_t k)
{
    return (ptrdiff_t)(t * g->stride + k * g->dilation) - (ptrdiff_t)g->padding;
}

static float finish(const struct lk_epilogue *e, size_t b, size_t c, size_t l, float chain)
{
    if (!e->y.p)
        return act_fwd_f32(e->act, chain + 0.0f);
    return act_bwd_f32(e->act, at(e->y, b, c, (ptrdiff_t)l), chain + 0.0f);
}

static float fwd_chain(const struct lk_conv *g, struct lk_cview x, const float *w, float chain, size_t b, size_t o,
                       size_t t)
{
    const size_t Cg = g->C / g->groups, j = o / (g->O / g->groups);

    for (size_t k = 0; k < g->taps; k++)
        for (size_t c = 0; c < Cg; c++)
            chain = fma_f32(at(x, b, j * Cg + c, position(g, t, k)), weight(w, g->taps * Cg, k * Cg + c, o), chain);
    return chain;
}

void LK_FN(conv_fwd)(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                     struct lk_view y)
{
    for (size_t o = 0; o < lk_panels(g->O) * P; o++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t t = 0; t < g->T; t++) {
                float v = 0.0f;

                if (o < g->O)
                    v = finish(e, b, o, t, fwd_chain(g, x, w, e->bias ? e->bias[o] : 0.0f, b, o, t));
                y.p[o / P * y.ld + (b * y.pitch + t) * P + o % P] = v;
            }
}

static float dx_chain(const struct lk_conv *g, struct lk_cview d, const float *wt, float chain, size_t b, size_t c,
                      size_t l)
{
    const size_t Og = g->O / g->groups, j = c / (g->C / g->groups);
    const ptrdiff_t stride = (ptrdiff_t)g->stride;

    for (size_t k = 0; k < g->taps; k++) {
        ptrdiff_t t = (ptrdiff_t)(l + g->padding) - (ptrdiff_t)(k * g->dilation);

        if (t % stride)
            continue;
        for (size_t o = 0; o < Og; o++)
            chain = fma_f32(at(d, b, j * Og + o, t / stride), weight(wt, g->taps * Og, k * Og + o, c), chain);
    }
    return chain;
}

void LK_FN(conv_dx)(const struct lk_conv *g, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                    struct lk_view dx)
{
    for (size_t c = 0; c < lk_panels(g->C) * P; c++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t l = 0; l < g->L; l++) {
                float v = 0.0f;

                if (c < g->C)
                    v = finish(e, b, c, l, dx_chain(g, d, wt, e->bias ? e->bias[c] : 0.0f, b, c, l));
                dx.p[c / P * dx.ld + (b * dx.pitch + l) * P + c % P] = v;
            }
}

static float dw_chain(const struct lk_conv *g, struct lk_cview x, struct lk_cview d, float chain, size_t row, size_t o)
{
    const size_t Cg = g->C / g->groups, k = row / Cg, c = o / (g->O / g->groups) * Cg + row % Cg;

    for (size_t b = 0; b < g->B; b++)
        for (size_t t = 0; t < g->T; t++)
            chain = fma_f32(at(x, b, c, position(g, t, k)), at(d, b, o, (ptrdiff_t)t), chain);
    return chain + 0.0f;
}

static float db_chain(const struct lk_conv *g, struct lk_cview d, float chain, size_t o)
{
    for (size_t b = 0; b < g->B; b++)
        for (size_t t = 0; t < g->T; t++)
            chain += at(d, b, o, (ptrdiff_t)t);
    return chain + 0.0f;
}

void LK_FN(conv_dw)(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                    struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    for (size_t n = 0; n < lk_panels(N) * P; n++) {
        for (size_t m = 0; m < M; m++) {
            float *v = &G[n / P * ldg + m * P + n % P];

            *v = n < N ? dw_chain(g, x, d, first ? 0.0f : *v, r + m, o0 + n) : 0.0f;
        }
        if (db)
            db[n] = n < N ? db_chain(g, d, first ? 0.0f : db[n], o0 + n) : 0.0f;
    }
}
