/* SPDX-License-Identifier: MIT
 *
 * Convolutions: what a sample, a tap and a phase are to the products of conv_tiles.h, conv_dw.h and conv_groups.h.
 */
#ifndef LK_SIMD_CONV_H
#define LK_SIMD_CONV_H

#include "simd/conv_dw.h"
#include "simd/conv_groups.h"
#include "simd/conv_tiles.h"

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
