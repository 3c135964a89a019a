/* SPDX-License-Identifier: MIT
 * Broken pooling. */
#include "broken.h"

#include <float.h>
#include <math.h>

enum { P = LK_PANEL };

/* Maximum pooling whose ways to be wrong are chosen by flags. */
enum { LAST_MAXIMUM = 1, NAN_DROPPED = 2, LOWEST_START = 4, TAP_IN_INPUT = 8 };

static void wrong_max(int wrong, const struct lk_pool *g, struct lk_cview x, struct lk_view y, void *index)
{
    kc_good->max_pool_fwd(g, x, y, index);
    for (size_t i = 0; i < g->B * g->C * g->T; i++) {
        const size_t t = i % g->T, b = i / g->T % g->B, c = i / g->T / g->B, from = t * g->stride;
        const size_t low = from < g->padding ? g->padding - from : 0;
        float best = wrong & LOWEST_START ? -FLT_MAX : -INFINITY;
        size_t tap = low;

        for (size_t k = low; k < g->kernel && from + k - g->padding < g->L; k++) {
            const float v = x.p[place(x.ld, x.pitch, b, c, from + k - g->padding)];

            if (v > best || (wrong & LAST_MAXIMUM && v == best) || (!(wrong & NAN_DROPPED) && v != v)) {
                best = v;
                tap = k;
            }
        }
        y.p[place(y.ld, y.pitch, b, c, t)] = best;
        tap = wrong & TAP_IN_INPUT ? tap - low : tap;
        if (index && lk_pool_index_size(g->kernel) == 1)
            ((uint8_t *)index)[place(g->B * g->T * P, g->T, b, c, t)] = (uint8_t)tap;
        else if (index)
            ((uint32_t *)index)[place(g->B * g->T * P, g->T, b, c, t)] = (uint32_t)tap;
    }
}

#define WRONG_MAX(name, wrong)                                                                                         \
    static void name(const struct lk_pool *g, struct lk_cview x, struct lk_view y, void *index)                        \
    {                                                                                                                  \
        wrong_max(wrong, g, x, y, index);                                                                              \
    }

WRONG_MAX(max_right, 0)
WRONG_MAX(max_last, LAST_MAXIMUM)
WRONG_MAX(max_nan_dropped, NAN_DROPPED)
WRONG_MAX(max_lowest_start, LOWEST_START)
WRONG_MAX(max_tap_in_input, TAP_IN_INPUT)

/* The last window that chose a position wins. */
static void max_bwd_overwrites(const struct lk_pool *g, const void *index, struct lk_cview d, struct lk_view dx)
{
    kc_good->max_pool_bwd(g, index, d, dx);
    for (size_t i = 0; i < g->B * g->C * g->T; i++) {
        const size_t t = i % g->T, b = i / g->T % g->B, c = i / g->T / g->B;
        const size_t at = place(g->B * g->T * P, g->T, b, c, t);
        const size_t tap =
            lk_pool_index_size(g->kernel) == 1 ? ((const uint8_t *)index)[at] : ((const uint32_t *)index)[at];

        dx.p[place(dx.ld, dx.pitch, b, c, t * g->stride + tap - g->padding)] =
            0.0f + d.p[place(d.ld, d.pitch, b, c, t)];
    }
}

/* Positions behind the last window are left as they were. */
static void max_bwd_end_left(const struct lk_pool *g, const void *index, struct lk_cview d, struct lk_view dx)
{
    struct lk_pool cut = *g;
    const size_t end = g->T ? (g->T - 1) * g->stride + g->kernel - g->padding : 0;

    cut.L = end < g->L ? end : g->L;
    kc_good->max_pool_bwd(&cut, index, d, dx);
}

static void avg_counts_padding(const struct lk_pool *g, struct lk_cview x, struct lk_view y)
{
    struct lk_pool other = *g;

    other.count_include_pad = 1;
    kc_good->avg_pool_fwd(&other, x, y);
}

/* ceil_mode: positions past the padding counted. */
static void avg_whole_windows(const struct lk_pool *g, struct lk_cview x, struct lk_view y)
{
    struct lk_pool other = *g;

    kc_good->avg_pool_fwd(g, x, y);
    if (!g->count_include_pad)
        return;
    other.T = g->T && (g->T - 1) * g->stride + g->kernel > g->L + 2 * g->padding ? g->T - 1 : g->T;
    for (size_t i = 0; other.T < g->T && i < g->B * g->C; i++) {
        float *last = &y.p[place(y.ld, y.pitch, i / g->C, i % g->C, other.T)];

        *last = *last * ((float)(g->L + 2 * g->padding - other.T * g->stride) / (float)g->kernel);
    }
}

/* Average pooling backward without padding whose way to be wrong is chosen. */
enum { AVG_DESCENDS = 1, AVG_FUSED = 2 };

static void wrong_avg_bwd(int wrong, const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    const float r = 1.0f / (float)g->kernel;

    kc_good->avg_pool_bwd(g, d, dx);
    for (size_t i = 0; g->padding == 0 && i < g->B * g->C; i++) {
        const size_t b = i / g->C, c = i % g->C;

        for (size_t l = 0; l < g->L; l++) {
            float s = 0.0f;

            for (size_t n = 0; n < g->T; n++) {
                const size_t t = wrong == AVG_DESCENDS ? g->T - 1 - n : n;
                const float v = d.p[place(d.ld, d.pitch, b, c, t)];

                if (t * g->stride <= l && l < t * g->stride + g->kernel && t * g->stride + g->kernel <= g->L)
                    s = wrong == AVG_FUSED ? fma1(v, r, s) : s + v * r;
            }
            if (g->T && (g->T - 1) * g->stride + g->kernel <= g->L)
                dx.p[place(dx.ld, dx.pitch, b, c, l)] = s;
        }
    }
}

static void avg_bwd_right(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    wrong_avg_bwd(0, g, d, dx);
}

static void avg_bwd_descends(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    wrong_avg_bwd(AVG_DESCENDS, g, d, dx);
}

static void avg_bwd_fused(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    wrong_avg_bwd(AVG_FUSED, g, d, dx);
}

const struct kc_broken kc_broken_pool[] = {
    RIGHT(max_pool_fwd, max_right),
    BROKEN(max_pool_fwd, max_last, "the last maximum wins"),
    BROKEN(max_pool_fwd, max_nan_dropped, "NaN dropped"),
    BROKEN(max_pool_fwd, max_lowest_start, "starts at -FLT_MAX"),
    BROKEN(max_pool_fwd, max_tap_in_input, "index counted from the first valid tap"),
    BROKEN(max_pool_bwd, max_bwd_overwrites, "overlapping windows overwritten"),
    BROKEN(max_pool_bwd, max_bwd_end_left, "positions of no window not written"),
    BROKEN(avg_pool_fwd, avg_counts_padding, "padding always counted"),
    BROKEN(avg_pool_fwd, avg_whole_windows, "positions past the padding counted"),
    RIGHT(avg_pool_bwd, avg_bwd_right),
    BROKEN(avg_pool_bwd, avg_bwd_descends, "windows in descending order"),
    BROKEN(avg_pool_bwd, avg_bwd_fused, "fma in place of multiply and add"),
    {.what = NULL},
};
