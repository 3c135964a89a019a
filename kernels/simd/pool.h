/* SPDX-License-Identifier: MIT
 * Pooling: vectors over the 16 channels of a panel row, windows one after the other. */
#ifndef LK_SIMD_POOL_H
#define LK_SIMD_POOL_H

#include "simd/rows.h"

/* The valid lanes of a panel row. */
struct row_mask {
    vmask m[VPP];
};

static inline struct row_mask row_mask(size_t n)
{
    struct row_mask keep;

    for (int j = 0; j < VPP; j++) {
        const size_t first = (size_t)j * VL, rest = n > first ? n - first : 0;

        keep.m[j] = v_first(rest < VL ? rest : VL);
    }
    return keep;
}

/* What window t covers: n positions from `first` on, the first of them at its tap `tap`. */
struct window {
    size_t first, n, tap;
};

static inline struct window window_of(const struct lk_pool *g, size_t t)
{
    const size_t from = t * g->stride, end = from + g->kernel - g->padding;
    const size_t tap = from < g->padding ? g->padding - from : 0, first = from + tap - g->padding;

    return (struct window){first, (end < g->L ? end : g->L) - first, tap};
}

/* 1 / number of positions that window t counts; *n and *r hold the last such number and its reciprocal. */
static inline float reciprocal(const struct lk_pool *g, size_t t, size_t *n, float *r)
{
    const size_t from = t * g->stride, padded = g->L + 2 * g->padding, room = padded - from;
    const size_t counted = !g->count_include_pad ? window_of(g, t).n : room < g->kernel ? room : g->kernel;

    if (counted != *n) {
        *n = counted;
        *r = (float)(1.0 / (double)counted);
    }
    return *r;
}

/* Indices of max_pool, `size` bytes each; 0: none. */
static inline vi load_index(size_t size, const void *index, size_t at)
{
    return size == 1 ? vi_load_u8((const uint8_t *)index + at) : vi_load((const uint32_t *)index + at);
}

static inline void store_index(size_t size, void *index, size_t at, vi x)
{
    if (size == 1)
        vi_store_u8((uint8_t *)index + at, x);
    else if (size == 4)
        vi_store((uint32_t *)index + at, x);
}

/* The maximum of n rows from x on and its tap, counted from `tap`. */
LK_INLINE void max_window(size_t n, const float *x, size_t tap, struct row_mask keep, float *y, size_t size,
                          void *index, size_t at)
{
    for (int j = 0; j < VPP; j++) {
        vf best = v_load(x + j * VL);
        vi which = vi_set1((int)tap);

        for (size_t i = 1; i < n; i++) {
            const vf v = v_load(x + i * LK_PANEL + j * VL);
            const vmask better = v_or(v_gt(v, best), v_isnan(v));

            best = v_select(better, v, best);
            which = vi_select(better, vi_set1((int)(tap + i)), which);
        }
        v_store(y + j * VL, v_and(keep.m[j], best));
        store_index(size, index, at + (size_t)j * VL, vi_and(keep.m[j], which));
    }
}

/* One panel of one sample; kernel is g->kernel, a constant where that pays. */
LK_INLINE void max_sample(const struct lk_pool *g, size_t kernel, const float *x, struct row_mask keep, float *y,
                          size_t size, void *index, size_t at)
{
    for (size_t t = 0; t < g->T; t++, y += LK_PANEL, at += LK_PANEL) {
        const struct window w = window_of(g, t);

        if (w.n == kernel)
            max_window(kernel, x + w.first * LK_PANEL, 0, keep, y, size, index, at);
        else
            max_window(w.n, x + w.first * LK_PANEL, w.tap, keep, y, size, index, at);
    }
}

LK_INLINE void max_panels(const struct lk_pool *g, size_t kernel, struct lk_cview x, struct lk_view y, size_t size,
                          void *index)
{
    for (size_t p = 0; p < lk_panels(g->C); p++) {
        const struct row_mask keep = row_mask(row_width(g->C, p));

        for (size_t b = 0; b < g->B; b++)
            max_sample(g, kernel, x.p + p * x.ld + b * x.pitch * LK_PANEL, keep,
                       y.p + p * y.ld + b * y.pitch * LK_PANEL, size, index, (p * g->B + b) * g->T * LK_PANEL);
    }
}

static void max_pool_fwd(const struct lk_pool *pool, struct lk_cview x, struct lk_view y, void *index)
{
    const struct lk_pool g = *pool; /* a copy that no store can change */

    if (!index)
        max_panels(&g, g.kernel, x, y, 0, NULL);
    else if (g.kernel == 2)
        max_panels(&g, 2, x, y, 1, index);
    else if (g.kernel == 3)
        max_panels(&g, 3, x, y, 1, index);
    else if (lk_pool_index_size(g.kernel) == 1)
        max_panels(&g, g.kernel, x, y, 1, index);
    else
        max_panels(&g, g.kernel, x, y, 4, index);
}

/* The sum of n rows from x on, times r. */
LK_INLINE void avg_window(size_t n, const float *x, float r, struct row_mask keep, float *y)
{
    for (int j = 0; j < VPP; j++) {
        vf s = v_zero();

        for (size_t i = 0; i < n; i++)
            s = v_add(s, v_load(x + i * LK_PANEL + j * VL));
        v_store(y + j * VL, v_and(keep.m[j], v_mul(s, v_set1(r))));
    }
}

LK_INLINE void avg_panels(const struct lk_pool *g, size_t kernel, struct lk_cview x, struct lk_view y)
{
    size_t n = 0;
    float r = 0.0f;

    for (size_t p = 0; p < lk_panels(g->C); p++) {
        const struct row_mask keep = row_mask(row_width(g->C, p));

        for (size_t b = 0; b < g->B; b++) {
            const float *from = x.p + p * x.ld + b * x.pitch * LK_PANEL;
            float *to = y.p + p * y.ld + b * y.pitch * LK_PANEL;

            for (size_t t = 0; t < g->T; t++, to += LK_PANEL) {
                const struct window w = window_of(g, t);

                reciprocal(g, t, &n, &r);
                if (w.n == kernel)
                    avg_window(kernel, from + w.first * LK_PANEL, r, keep, to);
                else
                    avg_window(w.n, from + w.first * LK_PANEL, r, keep, to);
            }
        }
    }
}

static void avg_pool_fwd(const struct lk_pool *pool, struct lk_cview x, struct lk_view y)
{
    const struct lk_pool g = *pool;

    if (g.kernel == 2)
        avg_panels(&g, 2, x, y);
    else if (g.kernel == 3)
        avg_panels(&g, 3, x, y);
    else
        avg_panels(&g, g.kernel, x, y);
}

/* The gradient of one panel of one sample: d of its windows, dx of its positions, indices from `at` on (size 0: the
 * average). */
struct pool_bwd {
    const struct lk_pool *g;
    struct row_mask keep;
    const float *d;
    float *dx;
    const void *index;
    size_t at;
};

/* The n positions of window t from `to` on, `tap` the first of them. */
LK_INLINE void window_bwd(const struct pool_bwd *s, size_t size, size_t t, size_t n, size_t tap, vf scale, float *to)
{
    for (int j = 0; j < VPP; j++) {
        const size_t at = t * LK_PANEL + (size_t)j * VL;
        const vf d = v_load(s->d + at), sum = v_and(s->keep.m[j], v_add(v_zero(), size ? d : v_mul(d, scale)));
        const vi which = size ? load_index(size, s->index, s->at + at) : vi_set1(0);

        for (size_t i = 0; i < n; i++)
            v_store(to + i * LK_PANEL + j * VL, size ? v_and(vi_eq(which, vi_set1((int)(tap + i))), sum) : sum);
    }
}

/* Windows that do not overlap: each gives its positions theirs. kernel is that of the geometry, a constant where that
 * pays. */
LK_INLINE void sample_bwd_apart(const struct pool_bwd *s, size_t size, size_t kernel)
{
    size_t l = 0, n = 0;
    float r = 0.0f;

    for (size_t t = 0; t < s->g->T; t++) {
        const struct window w = window_of(s->g, t);
        const vf scale = v_set1(size ? 1.0f : reciprocal(s->g, t, &n, &r));

        for (; l < w.first; l++)
            for (int j = 0; j < VPP; j++)
                v_store(s->dx + l * LK_PANEL + j * VL, v_zero());
        if (w.n == kernel)
            window_bwd(s, size, t, kernel, 0, scale, s->dx + w.first * LK_PANEL);
        else
            window_bwd(s, size, t, w.n, w.tap, scale, s->dx + w.first * LK_PANEL);
        l = w.first + w.n;
    }
    for (; l < s->g->L; l++)
        for (int j = 0; j < VPP; j++)
            v_store(s->dx + l * LK_PANEL + j * VL, v_zero());
}

/* What position `here` of the padded input takes from the n windows from `begin` on. equal: all count `*counted`
 * positions, whose reciprocal *r is. */
LK_INLINE void position_bwd(const struct pool_bwd *s, size_t size, size_t begin, size_t n, size_t here, int equal,
                            size_t *counted, float *r, float *to)
{
    vrow sum;

    for (int j = 0; j < VPP; j++)
        sum.v[j] = v_zero();
    for (size_t t = begin; t < begin + n; t++) {
        const vi tap = vi_set1((int)(here - t * s->g->stride));
        const vf scale = v_set1(size || equal ? *r : reciprocal(s->g, t, counted, r));

        for (int j = 0; j < VPP; j++) {
            const size_t at = t * LK_PANEL + (size_t)j * VL;
            const vf d = v_load(s->d + at);

            sum.v[j] = size ? v_add_if(vi_eq(load_index(size, s->index, s->at + at), tap), sum.v[j], d)
                            : v_add(sum.v[j], v_mul(d, scale));
        }
    }
    for (int j = 0; j < VPP; j++)
        v_store(to + j * VL, v_and(s->keep.m[j], sum.v[j]));
}

/* Windows that overlap: each position takes from windows begin..end-1, those that cover it. Away from the edges all
 * windows count `kernel` positions. */
LK_INLINE void sample_bwd(const struct pool_bwd *s, size_t size)
{
    const struct lk_pool g = *s->g;
    size_t begin = 0, end = 0, counted = 0;
    float r = 0.0f;

    for (size_t l = 0; l < g.L; l++) {
        const size_t here = l + g.padding;
        float *to = s->dx + l * LK_PANEL;
        int inside;

        while (end < g.T && end * g.stride <= here)
            end++;
        while (begin < end && begin * g.stride + g.kernel <= here)
            begin++;
        inside = begin < end && begin * g.stride >= g.padding && (end - 1) * g.stride + g.kernel <= g.L + g.padding;
        if (inside && !size)
            reciprocal(&g, begin, &counted, &r);
        if (inside && end - begin == 2)
            position_bwd(s, size, begin, 2, here, 1, &counted, &r, to);
        else if (inside && end - begin == 3)
            position_bwd(s, size, begin, 3, here, 1, &counted, &r, to);
        else
            position_bwd(s, size, begin, end - begin, here, 0, &counted, &r, to);
    }
}

LK_INLINE void pool_bwd(const struct lk_pool *g, size_t size, size_t kernel, const void *index, struct lk_cview d,
                        struct lk_view dx)
{
    for (size_t p = 0; p < lk_panels(g->C); p++) {
        const struct row_mask keep = row_mask(row_width(g->C, p));

        for (size_t b = 0; b < g->B; b++) {
            const struct pool_bwd s = {.g = g,
                                       .keep = keep,
                                       .d = d.p + p * d.ld + b * d.pitch * LK_PANEL,
                                       .dx = dx.p + p * dx.ld + b * dx.pitch * LK_PANEL,
                                       .index = index,
                                       .at = (p * g->B + b) * g->T * LK_PANEL};

            if (g->stride >= g->kernel)
                sample_bwd_apart(&s, size, kernel);
            else
                sample_bwd(&s, size);
        }
    }
}

static void max_pool_bwd(const struct lk_pool *pool, const void *index, struct lk_cview d, struct lk_view dx)
{
    const struct lk_pool g = *pool;

    if (g.kernel == 2)
        pool_bwd(&g, 1, 2, index, d, dx);
    else if (g.kernel == 3)
        pool_bwd(&g, 1, 3, index, d, dx);
    else if (lk_pool_index_size(g.kernel) == 1)
        pool_bwd(&g, 1, g.kernel, index, d, dx);
    else
        pool_bwd(&g, 4, g.kernel, index, d, dx);
}

static void avg_pool_bwd(const struct lk_pool *pool, struct lk_cview d, struct lk_view dx)
{
    const struct lk_pool g = *pool;

    if (g.kernel == 2)
        pool_bwd(&g, 0, 2, NULL, d, dx);
    else
        pool_bwd(&g, 0, g.kernel, NULL, d, dx);
}

#endif
