/* SPDX-License-Identifier: MIT
 * Broken convolutions. */
#include "broken.h"

#include <string.h>

enum { P = LK_PANEL };

/* Convolutions without activation, one chain at a time, wrong in chosen ways. */
enum {
    NEXT_TAP = 1,      /* input one position late */
    TAPS_DOWN = 2,     /* taps in descending order */
    HALO_SKIPPED = 4,  /* no terms for the halo */
    NEXT_GROUP = 8,    /* channels of another group */
    BIAS_AT_END = 16,  /* bias added after the chain */
    CHANNELS_OUT = 32, /* channels outside, taps inside */
    POSITION_OUT = 64  /* db: positions outside, samples inside */
};

static float element(struct lk_cview v, size_t b, size_t c, ptrdiff_t l)
{
    return v.p[(ptrdiff_t)(c / P * v.ld + b * v.pitch * P + c % P) + l * P];
}

static float wrong_conv_chain(int wrong, const struct lk_conv *g, struct lk_cview x, const float *w, size_t b, size_t o,
                              size_t t, float chain)
{
    const size_t Cg = g->C / g->groups, group = o / (g->O / g->groups) + (wrong & NEXT_GROUP ? 1 : 0);

    for (size_t i = 0; i < g->taps * Cg; i++) {
        size_t k = wrong & CHANNELS_OUT ? i % g->taps : i / Cg, c = wrong & CHANNELS_OUT ? i / g->taps : i % Cg;
        ptrdiff_t l;

        k = wrong & TAPS_DOWN ? g->taps - 1 - k : k;
        l = (ptrdiff_t)(t * g->stride + k * g->dilation) - (ptrdiff_t)g->padding + (wrong & NEXT_TAP ? 1 : 0);
        if ((wrong & HALO_SKIPPED) && (l < 0 || l >= (ptrdiff_t)g->L))
            continue;
        chain = fma1(element(x, b, group % g->groups * Cg + c, l), w[(o / P * g->taps * Cg + k * Cg + c) * P + o % P],
                     chain);
    }
    return chain;
}

static void wrong_conv(int wrong, const struct lk_conv *g, struct lk_cview x, const float *w,
                       const struct lk_epilogue *e, struct lk_view y)
{
    if (e->act != LK_ACT_NONE) {
        kc_good->conv_fwd(g, x, w, e, y);
        return;
    }
    for (size_t o = 0; o < lk_panels(g->O) * P; o++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t t = 0; t < g->T; t++) {
                float start = e->bias && o < g->O ? e->bias[o] : 0.0f, v = 0.0f;

                if (o < g->O && !(wrong & BIAS_AT_END))
                    v = wrong_conv_chain(wrong, g, x, w, b, o, t, start) + 0.0f;
                else if (o < g->O)
                    v = wrong_conv_chain(wrong, g, x, w, b, o, t, 0.0f) + start + 0.0f;
                y.p[o / P * y.ld + (b * y.pitch + t) * P + o % P] = v;
            }
}

#define WRONG_CONV(name, wrong)                                                                                        \
    static void name(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,          \
                     struct lk_view y)                                                                                 \
    {                                                                                                                  \
        wrong_conv(wrong, g, x, w, e, y);                                                                              \
    }

WRONG_CONV(conv_right, 0)
WRONG_CONV(conv_next_tap, NEXT_TAP)
WRONG_CONV(conv_taps_down, TAPS_DOWN)
WRONG_CONV(conv_halo_skipped, HALO_SKIPPED)
WRONG_CONV(conv_next_group, NEXT_GROUP)
WRONG_CONV(conv_bias_at_end, BIAS_AT_END)
WRONG_CONV(conv_channels_outside, CHANNELS_OUT)

/* Whole rows of a panel, so that the last sample has a row too much. */
static void conv_writes_halo(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                             struct lk_view y)
{
    kc_good->conv_fwd(g, x, w, e, y);
    for (size_t b = 0; b + 1 < g->B && g->O && y.pitch > g->T; b++)
        y.p[(b * y.pitch + g->T) * P] = 0.0f;
}

/* A row more than the last tap reaches. */
static void conv_reads_past(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                            struct lk_view y)
{
    const size_t last = g->T ? (g->T - 1) * g->stride + (g->taps - 1) * g->dilation + 1 : 0;

    if (g->B && g->C && g->T) {
        volatile float past = element(x, g->B - 1, g->C - 1, (ptrdiff_t)last - (ptrdiff_t)g->padding);

        (void)past;
    }
    kc_good->conv_fwd(g, x, w, e, y);
}

static void conv_dx_one_phase(const struct lk_conv *g, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                              struct lk_view dx)
{
    kc_good->conv_dx(g, d, wt, e, dx);
    for (size_t p = 0; p < lk_panels(g->C); p++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t l = 1; l < g->L; l += g->stride)
                if (g->stride > 1)
                    memset(dx.p + p * dx.ld + (b * dx.pitch + l) * P, 0, P * sizeof *dx.p);
}

/* A phase without taps left unwritten. */
static void conv_dx_no_taps(const struct lk_conv *g, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                            struct lk_view dx)
{
    for (size_t l = 0; l < g->L; l++)
        for (size_t k = 0; k < g->taps; k++)
            if ((l + g->padding + g->taps * g->stride * g->dilation - k * g->dilation) % g->stride == 0) {
                const struct lk_conv one = {g->B,    g->C,      1,           g->O,           g->T,
                                            g->taps, g->stride, g->dilation, g->padding + l, g->groups};
                struct lk_epilogue e1 = *e;
                struct lk_view dx1 = dx;

                dx1.p += l * P;
                e1.y.p += e->y.p ? l * P : 0;
                kc_good->conv_dx(&one, d, wt, &e1, dx1);
                break;
            }
}

static void wrong_dw(int wrong, const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                     struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    const size_t terms = g->B * g->T;

    for (size_t n = 0; db && n < lk_panels(N) * P; n++) {
        float chain = first || n >= N ? 0.0f : db[n];

        for (size_t i = 0; n < N && i < terms; i++)
            chain += wrong & POSITION_OUT ? element(d, i % g->B, o0 + n, (ptrdiff_t)(i / g->B))
                                          : element(d, i / g->T, o0 + n, (ptrdiff_t)(i % g->T));
        db[n] = chain + 0.0f;
    }
    for (size_t m = 0; m < M; m++) {
        const size_t tap = g->C / g->groups, row = r + m + (wrong & NEXT_TAP ? tap : 0);

        kc_good->conv_dw(g, row % (g->taps * tap), 1, o0, N, x, d, G + m * P, ldg, NULL, first);
    }
}

#define WRONG_DW(name, wrong)                                                                                          \
    static void name(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,              \
                     struct lk_cview d, float *G, size_t ldg, float *db, int first)                                    \
    {                                                                                                                  \
        wrong_dw(wrong, g, r, M, o0, N, x, d, G, ldg, db, first);                                                      \
    }

WRONG_DW(conv_dw_right, 0)
WRONG_DW(conv_dw_next_tap, NEXT_TAP)
WRONG_DW(conv_db_positions_outside, POSITION_OUT)

/* The first group's channels for every column. */
static void conv_dw_one_group(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                              struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    const struct lk_conv one = {g->B, g->C, g->L, g->O, g->T, g->taps, g->stride, g->dilation, g->padding, 1};

    const size_t Cg = g->C / g->groups;

    kc_good->conv_dw(g, 0, 0, o0, N, x, d, NULL, 0, db, first);
    for (size_t m = 0; m < M; m++)
        kc_good->conv_dw(&one, (r + m) / Cg * g->C + (r + m) % Cg, 1, o0, N, x, d, G + m * P, ldg, NULL, first);
}

/* Samples in descending order. */
static void conv_dw_samples_down(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                                 struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    struct lk_conv one = *g;

    one.B = g->B ? 1 : 0;
    for (size_t i = 0; i < (g->B ? g->B : 1); i++) {
        struct lk_cview xb = x, db_view = d;

        xb.p += (one.B ? g->B - 1 - i : 0) * x.pitch * P;
        db_view.p += (one.B ? g->B - 1 - i : 0) * d.pitch * P;
        kc_good->conv_dw(&one, r, M, o0, N, xb, db_view, G, ldg, db, first && i == 0);
    }
}

const struct kc_broken kc_broken_conv[] = {
    RIGHT(conv_fwd, conv_right),
    BROKEN(conv_fwd, conv_next_tap, "input one position late"),
    BROKEN(conv_fwd, conv_taps_down, "taps in descending order"),
    BROKEN(conv_fwd, conv_halo_skipped, "no terms for the halo"),
    BROKEN(conv_fwd, conv_next_group, "channels of another group"),
    BROKEN(conv_fwd, conv_bias_at_end, "bias added last"),
    BROKEN(conv_fwd, conv_channels_outside, "channels outside, taps inside"),
    BROKEN(conv_fwd, conv_writes_halo, "row behind a sample written"),
    BROKEN(conv_fwd, conv_reads_past, "row behind the halo read"),
    BROKEN(conv_dx, conv_dx_one_phase, "one phase of the stride missing"),
    BROKEN(conv_dx, conv_dx_no_taps, "positions without taps not written"),
    RIGHT(conv_dw, conv_dw_right),
    BROKEN(conv_dw, conv_dw_next_tap, "next tap"),
    BROKEN(conv_dw, conv_db_positions_outside, "bias gradient: positions outside, samples inside"),
    BROKEN(conv_dw, conv_dw_one_group, "channels of one group for all columns"),
    BROKEN(conv_dw, conv_dw_samples_down, "samples in descending order"),
    {.what = NULL},
};
