/* SPDX-License-Identifier: MIT
 * Checker cases of the convolutions. Inputs carry the halo that the contract promises and no row more. */
#include "kc.h"

#include <stdio.h>

enum { P = LK_PANEL, WORK = 300000 };

static void draw_channels(struct kc *c, struct lk_conv *g)
{
    size_t kind = kc_below(c, 8);

    g->groups = 1;
    if (kind < 4) { /* one group */
        g->C = kc_below(c, 6) ? kc_dim(c, 33) : 34 + kc_below(c, 60);
        g->O = kc_below(c, 6) ? kc_dim(c, 33) : 34 + kc_below(c, 60);
    } else if (kind < 6) { /* some groups of any size */
        g->groups = 2 + kc_below(c, 5);
        g->C = g->groups * kc_dim(c, 20);
        g->O = g->groups * kc_dim(c, 20);
    } else { /* a group for each channel, of one output or some */
        g->groups = g->C = 1 + kc_below(c, 50);
        g->O = g->C * (kind == 6 ? 1 : 1 + kc_below(c, 3));
    }
}

/* Output positions: all, or fewer, or some more. */
static size_t draw_positions(struct kc *c, const struct lk_conv *g)
{
    const size_t reach = (g->taps - 1) * g->dilation + 1, room = g->L + 2 * g->padding;
    const size_t all = room < reach ? 0 : (room - reach) / g->stride + 1;

    switch (kc_below(c, 6)) {
    case 0:
        return kc_below(c, all + 1);
    case 1:
        return all + kc_below(c, 4);
    default:
        return all;
    }
}

static void draw_conv(struct kc *c)
{
    struct lk_conv *g = &c->conv;
    size_t work = WORK;

    draw_channels(c, g);
    g->B = kc_below(c, 6);
    g->taps = kc_below(c, 10) ? 1 + kc_below(c, 9) : 10 + kc_below(c, 40);
    g->stride = kc_below(c, 2) ? 1 : 1 + kc_below(c, 4);
    g->dilation = kc_below(c, 2) ? 1 : 1 + kc_below(c, 4);
    g->padding = kc_below(c, (g->taps - 1) * g->dilation + 3);
    g->L = kc_below(c, 6) ? kc_dim(c, 20) : kc_dim(c, 200);
    if (kc_below(c, 12) == 0) { /* longer than a piece of the weight gradient */
        g->L = 500 + kc_below(c, 3000);
        g->B = 1 + kc_below(c, 5);
        g->padding = kc_below(c, 3);
        work *= 8;
    }
    while (g->B * (g->L + 2 * g->padding) * g->C * g->O * g->taps > work * g->groups * g->stride)
        g->L > 1 ? (g->L /= 2) : g->taps > 1 ? (g->taps = (g->taps + 1) / 2, g->padding /= 2) : (g->B /= 2);
    g->T = draw_positions(c, g);
    c->act = (enum lk_act)kc_below(c, LK_ACT_TANH + 1);
    c->cut = kc_below(c, 2) ? kc_below(c, g->B + 1) : 0;
}

/* Rows that a reader of samples needs before and behind each of them. */
struct halo {
    size_t before, after;
};

static struct halo fwd_halo(const struct lk_conv *g)
{
    const size_t end = g->T ? (g->T - 1) * g->stride + (g->taps - 1) * g->dilation + 1 : 0;

    return (struct halo){g->padding, end > g->padding + g->L ? end - g->padding - g->L : 0};
}

static struct halo dx_halo(const struct lk_conv *g)
{
    ptrdiff_t before = 0, after = 0;

    for (size_t l = 0; l < g->L; l++)
        for (size_t k = 0; k < g->taps; k++) {
            ptrdiff_t t = (ptrdiff_t)(l + g->padding) - (ptrdiff_t)(k * g->dilation), stride = (ptrdiff_t)g->stride;

            if (t % stride)
                continue;
            t /= stride;
            before = -t > before ? -t : before;
            after = t - (ptrdiff_t)g->T + 1 > after ? t - (ptrdiff_t)g->T + 1 : after;
        }
    return (struct halo){(size_t)before, (size_t)after};
}

static void samples(struct kc *c, enum kc_role role, const char *name, size_t C, size_t L, struct halo h)
{
    const size_t B = c->conv.B, least = L + (h.before > h.after ? h.before : h.after);
    const size_t pitch = (least ? least : 1) + (kc_below(c, 2) ? 0 : kc_below(c, 5));

    kc_samples_halo(c, role, name, B, C, L, pitch, h.before, h.after,
                    kc_ld_of(c, kc_sample_rows(B, L, pitch, h.before + h.after) * P));
}

static void shape(struct kc *c, const char *more)
{
    const struct lk_conv *g = &c->conv;

    kc_shape(c, "B=%zu C=%zu L=%zu O=%zu T=%zu k=%zu s=%zu d=%zu p=%zu g=%zu act=%d cut=%zu%s", g->B, g->C, g->L, g->O,
             g->T, g->taps, g->stride, g->dilation, g->padding, g->groups, (int)c->act, c->cut, more);
}

/* Buffers of conv_fwd and conv_dx: input of the product, weights, bias, activated value, output. */
enum { IN, WEIGHTS, BIAS, ACTIVATED, OUT };

/* A product from (B, from, .) to (B, to, length). */
static void product_setup(struct kc *c, size_t from, size_t in_length, struct halo h, size_t to, size_t length)
{
    const size_t rows = c->conv.taps * from / c->conv.groups, kind = kc_below(c, 3);
    static const struct halo none = {0, 0};

    shape(c, kind == 0 ? " derivative" : kind == 1 ? " bias" : "");
    samples(c, KC_IN, "in", from, in_length, h);
    kc_panels(c, KC_IN, "weights", rows, to, rows * P);
    if (kind == 1)
        kc_vector(c, KC_IN, "bias", to);
    else
        kc_absent(c);
    if (kind == 0)
        samples(c, KC_IN, "y", to, length, none);
    else
        kc_absent(c);
    samples(c, KC_OUT, "out", to, length, none);
}

static struct lk_cview from_sample(struct kc *c, int buffer, size_t b)
{
    struct lk_cview v = kc_cview(c, buffer);

    if (v.p)
        v.p += b * v.pitch * P;
    return v;
}

/* Samples first..first+B-1 by conv_fwd or conv_dx. */
static void product_part(struct kc *c, lk_conv_fwd_fn *kernel, size_t first, size_t B)
{
    const struct lk_epilogue e = {kc_p(c, BIAS), c->act, from_sample(c, ACTIVATED, first)};
    struct lk_conv g = c->conv;
    struct lk_view out = kc_view(c, OUT);

    g.B = B;
    out.p += first * out.pitch * P;
    kernel(&g, from_sample(c, IN, first), kc_p(c, WEIGHTS), &e, out);
}

static void product_call(struct kc *c, lk_conv_fwd_fn *kernel)
{
    if (c->cut)
        product_part(c, kernel, 0, c->cut);
    product_part(c, kernel, c->cut, c->conv.B - c->cut);
}

static void fwd_setup(struct kc *c)
{
    draw_conv(c);
    product_setup(c, c->conv.C, c->conv.L, fwd_halo(&c->conv), c->conv.O, c->conv.T);
}

static void fwd_call(const struct lk_kernels *k, struct kc *c)
{
    product_call(c, k->conv_fwd);
}

const struct kc_case kc_case_conv_fwd = {fwd_setup, fwd_call};

static void dx_setup(struct kc *c)
{
    draw_conv(c);
    product_setup(c, c->conv.O, c->conv.T, dx_halo(&c->conv), c->conv.C, c->conv.L);
}

static void dx_call(const struct lk_kernels *k, struct kc *c)
{
    product_call(c, k->conv_dx);
}

const struct kc_case kc_case_conv_dx = {dx_setup, dx_call};

enum { DW_X, DW_D, DW_G, DW_DB };

/* c->M rows of a unit from c->K on: of a tap, all that are left, or any; none for the bias gradient alone. */
static void draw_rows(struct kc *c, size_t tap)
{
    const size_t all = c->conv.taps * tap, kind = kc_below(c, 4);

    c->K = kind == 0 ? kc_below(c, all + 1) : tap * kc_below(c, c->conv.taps);
    c->M = kind == 1 ? kc_below(c, tap + 1) : kind == 2 ? all - c->K : kc_below(c, all - c->K + 1);
    if (kc_below(c, 16) == 0)
        c->M = 0;
}

/* c->N columns of a unit from c->L on, a multiple of 16. */
static void draw_columns(struct kc *c)
{
    c->L = P * kc_below(c, c->conv.O / P + 1);
    c->N = kc_below(c, 2) ? c->conv.O - c->L : kc_below(c, c->conv.O - c->L + 1);
}

static void dw_setup(struct kc *c)
{
    static const struct halo none = {0, 0};
    struct lk_conv *g = &c->conv;
    enum kc_role role;
    char more[80];

    draw_conv(c);
    draw_rows(c, g->C / g->groups);
    draw_columns(c);
    c->first = (int)kc_below(c, 2);
    role = c->first ? KC_OUT : KC_INOUT;
    snprintf(more, sizeof more, " r=%zu M=%zu o0=%zu N=%zu first=%d", c->K, c->M, c->L, c->N, c->first);
    shape(c, more);
    samples(c, KC_IN, "X", g->C, g->L, fwd_halo(g));
    samples(c, KC_IN, "D", g->O, g->T, none);
    kc_panels(c, role, "G", c->M, c->N, kc_ld_of(c, c->M * P));
    if (kc_below(c, 2))
        kc_panels(c, role, "db", 1, c->N, P);
    else
        kc_absent(c);
}

static void dw_samples(const struct lk_kernels *k, struct kc *c, size_t from, size_t B, int first)
{
    struct lk_conv g = c->conv;

    g.B = B;
    k->conv_dw(&g, c->K, c->M, c->L, c->N, from_sample(c, DW_X, from), from_sample(c, DW_D, from), kc_p(c, DW_G),
               kc_ld(c, DW_G), kc_p(c, DW_DB), first);
}

/* The chain in one part, two, or three of which the last is empty. */
static void dw_call(const struct lk_kernels *k, struct kc *c)
{
    if (c->cut)
        dw_samples(k, c, 0, c->cut, c->first);
    dw_samples(k, c, c->cut, c->conv.B - c->cut, c->cut ? 0 : c->first);
    if (c->cut % 4 == 1)
        dw_samples(k, c, c->conv.B, 0, 0);
}

const struct kc_case kc_case_conv_dw = {dw_setup, dw_call};
