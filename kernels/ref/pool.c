/* SPDX-License-Identifier: MIT
 * Maximum and average over windows of positions, and their gradients. */
#include "ref/ref.h"

enum { P = LK_PANEL };

/* What window t covers: positions first..end-1, the first of them at its tap `tap`. */
struct window {
    size_t first, end, tap;
};

static struct window window_of(const struct lk_pool *g, size_t t)
{
    const size_t from = t * g->stride, end = from + g->kernel - g->padding;
    struct window w = {.tap = from < g->padding ? g->padding - from : 0};

    w.first = from + w.tap - g->padding;
    w.end = end < g->L ? end : g->L;
    return w;
}

/* 1 / number of positions that window t counts. */
static float reciprocal(const struct lk_pool *g, size_t t)
{
    const size_t from = t * g->stride, padded = g->L + 2 * g->padding;
    const size_t end = from + g->kernel < padded ? from + g->kernel : padded;
    const struct window w = window_of(g, t);

    return (float)(1.0 / (double)(g->count_include_pad ? end - from : w.end - w.first));
}

static size_t get_index(const struct lk_pool *g, const void *index, size_t at)
{
    return lk_pool_index_size(g->kernel) == 1 ? ((const uint8_t *)index)[at] : ((const uint32_t *)index)[at];
}

static void set_index(const struct lk_pool *g, void *index, size_t at, size_t tap)
{
    if (lk_pool_index_size(g->kernel) == 1)
        ((uint8_t *)index)[at] = (uint8_t)tap;
    else
        ((uint32_t *)index)[at] = (uint32_t)tap;
}

/* Where the index of element (b, c, t) lies. */
static size_t index_place(const struct lk_pool *g, size_t b, size_t c, size_t t)
{
    return place_of(g->B * g->T * P, g->T, b, c, t);
}

/* The tap of the first maximum, or of the last NaN, of window t of the channel at x. */
static size_t best_tap(const struct lk_pool *g, size_t t, const float *x)
{
    const struct window w = window_of(g, t);
    size_t best = w.first;

    for (size_t l = w.first + 1; l < w.end; l++)
        if (x[l * P] > x[best * P] || x[l * P] != x[l * P])
            best = l;
    return best - w.first + w.tap;
}

void LK_FN(max_pool_fwd)(const struct lk_pool *g, struct lk_cview x, struct lk_view y, void *index)
{
    for (size_t c = 0; c < lk_panels(g->C) * P; c++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t t = 0; t < g->T; t++) {
                const float *from = x.p + place_of(x.ld, x.pitch, b, c, 0);
                const size_t tap = c < g->C ? best_tap(g, t, from) : 0;

                y.p[place_of(y.ld, y.pitch, b, c, t)] = c < g->C ? from[(t * g->stride + tap - g->padding) * P] : 0.0f;
                if (index)
                    set_index(g, index, index_place(g, b, c, t), tap);
            }
}

void LK_FN(max_pool_bwd)(const struct lk_pool *g, const void *index, struct lk_cview d, struct lk_view dx)
{
    for (size_t c = 0; c < lk_panels(g->C) * P; c++)
        for (size_t b = 0; b < g->B; b++) {
            float *to = dx.p + place_of(dx.ld, dx.pitch, b, c, 0);

            for (size_t l = 0; l < g->L; l++)
                to[l * P] = 0.0f;
            for (size_t t = 0; c < g->C && t < g->T; t++) {
                const size_t l = t * g->stride + get_index(g, index, index_place(g, b, c, t)) - g->padding;

                to[l * P] = to[l * P] + d.p[place_of(d.ld, d.pitch, b, c, t)];
            }
        }
}

void LK_FN(avg_pool_fwd)(const struct lk_pool *g, struct lk_cview x, struct lk_view y)
{
    for (size_t c = 0; c < lk_panels(g->C) * P; c++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t t = 0; t < g->T; t++) {
                const struct window w = window_of(g, t);
                float s = 0.0f;

                for (size_t l = w.first; c < g->C && l < w.end; l++)
                    s = s + x.p[place_of(x.ld, x.pitch, b, c, l)];
                y.p[place_of(y.ld, y.pitch, b, c, t)] = s * reciprocal(g, t);
            }
}

void LK_FN(avg_pool_bwd)(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    for (size_t c = 0; c < lk_panels(g->C) * P; c++)
        for (size_t b = 0; b < g->B; b++) {
            float *to = dx.p + place_of(dx.ld, dx.pitch, b, c, 0);

            for (size_t l = 0; l < g->L; l++)
                to[l * P] = 0.0f;
            for (size_t t = 0; c < g->C && t < g->T; t++) {
                const struct window w = window_of(g, t);
                const float share = d.p[place_of(d.ld, d.pitch, b, c, t)] * reciprocal(g, t);

                for (size_t l = w.first; l < w.end; l++)
                    to[l * P] = to[l * P] + share;
            }
        }
}
