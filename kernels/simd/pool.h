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

/* Windows begin..end-1 are whole: no edge cuts them. kernel and stride are those of the geometry. */
struct whole {
    size_t begin, end;
};

static inline struct whole whole_windows(const struct lk_pool *g, size_t kernel, size_t stride)
{
    const size_t begin = (g->padding + stride - 1) / stride, room = g->L + g->padding;
    const size_t end = room < kernel ? 0 : (room - kernel) / stride + 1, last = end < g->T ? end : g->T;

    return (struct whole){begin, last > begin ? last : begin};
}

/* The last number of positions counted and its reciprocal. */
struct counted {
    size_t n;
    float r;
};

/* 1 / number of positions that window t counts. */
static inline float reciprocal(const struct lk_pool *g, size_t t, struct counted *last)
{
    const size_t from = t * g->stride, padded = g->L + 2 * g->padding, room = padded - from;
    const size_t n = !g->count_include_pad ? window_of(g, t).n : room < g->kernel ? room : g->kernel;

    if (n != last->n)
        *last = (struct counted){n, (float)(1.0 / (double)n)};
    return last->r;
}

/* Indices of max_pool, `size` bytes each; 0: none. */
static inline vi load_index(size_t size, const void *index, size_t at)
{
    return size == 1 ? vi_load_u8((const uint8_t *)index + at) : vi_load((const uint32_t *)index + at);
}

/* A row; `largest` gets the larger of it and what it is, |x| as an integer: what is above infinity is a NaN. */
LK_INLINE vrow load_row(const float *x, vi largest[VPP])
{
    vrow row;

    LK_UNROLL
    for (int j = 0; j < VPP; j++) {
        row.v[j] = v_load(x + j * VL);
        largest[j] = vi_max(largest[j], v_as_int(v_abs(row.v[j])));
    }
    return row;
}

/* A window: n rows from x on, `tap` the first of them; its row of y, its indices from `at` on; scale 1 / number of
 * positions that it counts. `held` has the rows already, none of them with a NaN in it, or is NULL. */
typedef void window_fn(size_t n, size_t tap, vf scale, struct row_mask keep, const float *x, const vrow *held, float *y,
                       size_t size, void *index, size_t at);

LK_INLINE vf row_of(const float *x, const vrow *held, size_t i, int j)
{
    return held ? held[i].v[j] : v_load(x + i * LK_PANEL + j * VL);
}

/* The maximum of the rows and its tap, a byte or (size 4) an integer. */
LK_INLINE void max_window(size_t n, size_t tap, vf scale, struct row_mask keep, const float *x, const vrow *held,
                          float *y, size_t size, void *index, size_t at)
{
    vbyte byte[VPP];

    (void)scale;
    LK_UNROLL
    for (int j = 0; j < VPP; j++) {
        vf best = row_of(x, held, 0, j);
        vi which = vi_set1((int)tap);

        byte[j] = vb_set1((int)tap);
        for (size_t i = 1; i < n; i++) {
            const vf v = row_of(x, held, i, j);
            const vmask stay = held ? v_le(v, best) : v_not_above(v, best);

            best = v_select(stay, best, v);
            byte[j] = vb_select(stay, byte[j], vb_set1((int)(tap + i)));
            which = vi_select(stay, which, vi_set1((int)(tap + i)));
        }
        v_store(y + j * VL, v_and(keep.m[j], best));
        byte[j] = vb_and(keep.m[j], byte[j]);
        if (size == 4)
            vi_store((uint32_t *)index + at + (size_t)j * VL, vi_and(keep.m[j], which));
    }
    if (size == 1)
        vb_store_row((uint8_t *)index + at, byte);
}

/* The sum of the rows, times scale. */
LK_INLINE void avg_window(size_t n, size_t tap, vf scale, struct row_mask keep, const float *x, const vrow *held,
                          float *y, size_t size, void *index, size_t at)
{
    (void)tap, (void)size, (void)index, (void)at;
    LK_UNROLL
    for (int j = 0; j < VPP; j++) {
        vf sum = v_zero();

        for (size_t i = 0; i < n; i++)
            sum = v_add(sum, row_of(x, held, i, j));
        v_store(y + j * VL, v_and(keep.m[j], v_mul(sum, scale)));
    }
}

enum { HELD = 3 };

/* One panel of one sample: x of its positions, y of its windows, their indices from `at` on. */
struct pool_fwd {
    const struct lk_pool *g;
    window_fn *take;
    struct row_mask keep;
    const float *x;
    float *y;
    void *index;
    size_t at;
    vf scale; /* 1 / kernel, what whole windows count */
    struct counted *last;
};

/* Windows t..end-1, which an edge may cut. */
LK_INLINE void cut_windows_fwd(const struct pool_fwd *s, size_t size, size_t t, size_t end)
{
    for (; t < end; t++) {
        const struct window w = window_of(s->g, t);

        s->take(w.n, w.tap, v_set1(reciprocal(s->g, t, s->last)), s->keep, s->x + w.first * LK_PANEL, NULL,
                s->y + t * LK_PANEL, size, s->index, s->at + t * LK_PANEL);
    }
}

/* Windows t..end-1, all whole. */
LK_INLINE void whole_windows_fwd(const struct pool_fwd *s, size_t size, size_t kernel, size_t stride, size_t t,
                                 size_t end)
{
    const vf scale = s->scale;
    const float *x = s->x + (t * stride - s->g->padding) * LK_PANEL;
    float *y = s->y + t * LK_PANEL;

    for (size_t at = s->at + t * LK_PANEL; t < end; t++, x += stride * LK_PANEL, y += LK_PANEL, at += LK_PANEL)
        s->take(kernel, 0, scale, s->keep, x, NULL, y, size, s->index, at);
}

/* The same of short windows (a constant, at most HELD rows), each row read once. Not 0: a NaN was there, a maximum may
 * be wrong. */
LK_INLINE unsigned short_windows_fwd(const struct pool_fwd *s, size_t size, size_t kernel, size_t stride, size_t t,
                                     size_t end)
{
    const vf scale = s->scale;
    const float *x = s->x + (t * stride - s->g->padding) * LK_PANEL;
    float *y = s->y + t * LK_PANEL;
    unsigned nan = 0;
    vrow held[HELD];
    vi largest[VPP]; /* |x|, as an integer */

    for (int j = 0; j < VPP; j++)
        largest[j] = vi_set1(0);
    for (size_t i = 0; t < end && i + stride < kernel; i++)
        held[i + stride] = load_row(x + i * LK_PANEL, largest);
    for (size_t at = s->at + t * LK_PANEL; t < end; t++, x += stride * LK_PANEL, y += LK_PANEL, at += LK_PANEL) {
        LK_UNROLL
        for (size_t i = 0; i < kernel; i++)
            held[i] = i + stride < kernel ? held[i + stride] : load_row(x + i * LK_PANEL, largest);
        s->take(kernel, 0, scale, s->keep, x, held, y, size, s->index, at);
    }
    for (int j = 0; j < VPP; j++)
        nan |= v_bits(v_isnan(v_as_float(largest[j])));
    return nan;
}

/* kernel and stride are those of the geometry, constants where that pays: `hold` if windows are to be short ones. */
LK_INLINE void pool_fwd(const struct lk_pool *g, size_t size, window_fn *take, size_t kernel, size_t stride, int hold,
                        struct lk_cview x, struct lk_view y, void *index)
{
    const struct whole whole = whole_windows(g, kernel, stride);
    struct counted last = {kernel, (float)(1.0 / (double)kernel)};
    const vf scale = v_set1(last.r);

    for (size_t p = 0; p < lk_panels(g->C); p++) {
        const struct row_mask keep = row_mask(row_width(g->C, p));

        for (size_t b = 0; b < g->B; b++) {
            const struct pool_fwd s = {.g = g,
                                       .take = take,
                                       .keep = keep,
                                       .x = x.p + p * x.ld + b * x.pitch * LK_PANEL,
                                       .y = y.p + p * y.ld + b * y.pitch * LK_PANEL,
                                       .index = index,
                                       .at = (p * g->B + b) * g->T * LK_PANEL,
                                       .scale = scale,
                                       .last = &last};

            cut_windows_fwd(&s, size, 0, smaller(whole.begin, g->T));
            if (!hold || (short_windows_fwd(&s, size, kernel, stride, whole.begin, whole.end) && size))
                whole_windows_fwd(&s, size, kernel, stride, whole.begin, whole.end);
            cut_windows_fwd(&s, size, whole.end, g->T);
        }
    }
}

static void max_pool_fwd(const struct lk_pool *pool, struct lk_cview x, struct lk_view y, void *index)
{
    const struct lk_pool g = *pool; /* a copy that no store can change */

    if (!index)
        pool_fwd(&g, 0, max_window, g.kernel, g.stride, 0, x, y, NULL);
    else if (g.kernel == 2 && g.stride == 2)
        pool_fwd(&g, 1, max_window, 2, 2, 0, x, y, index);
    else if (g.kernel == 3 && g.stride == 1)
        pool_fwd(&g, 1, max_window, 3, 1, 1, x, y, index);
    else if (g.kernel == 3 && g.stride == 2)
        pool_fwd(&g, 1, max_window, 3, 2, 1, x, y, index);
    else if (lk_pool_index_size(g.kernel) == 1)
        pool_fwd(&g, 1, max_window, g.kernel, g.stride, 0, x, y, index);
    else
        pool_fwd(&g, 4, max_window, g.kernel, g.stride, 0, x, y, index);
}

static void avg_pool_fwd(const struct lk_pool *pool, struct lk_cview x, struct lk_view y)
{
    const struct lk_pool g = *pool;

    if (g.kernel == 2 && g.stride == 2)
        pool_fwd(&g, 0, avg_window, 2, 2, 0, x, y, NULL);
    else if (g.kernel == 3 && g.stride == 1)
        pool_fwd(&g, 0, avg_window, 3, 1, VPP == 1, x, y, NULL);
    else
        pool_fwd(&g, 0, avg_window, g.kernel, g.stride, 0, x, y, NULL);
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
    struct whole whole;
    vf scale; /* 1 / kernel, what whole windows count */
    struct counted *last;
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

LK_INLINE void zero_rows(const struct pool_bwd *s, size_t l, size_t end)
{
    for (; l < end; l++)
        for (int j = 0; j < VPP; j++)
            v_store(s->dx + l * LK_PANEL + j * VL, v_zero());
}

/* Windows t..end-1, which an edge may cut, and the positions behind each up to the next one. */
LK_INLINE void cut_windows_bwd(const struct pool_bwd *s, size_t size, size_t t, size_t end)
{
    const struct lk_pool *g = s->g;

    for (; t < end; t++) {
        const struct window w = window_of(g, t);

        window_bwd(s, size, t, w.n, w.tap, v_set1(size ? 1.0f : reciprocal(g, t, s->last)), s->dx + w.first * LK_PANEL);
        zero_rows(s, w.first + w.n, t + 1 < g->T ? window_of(g, t + 1).first : g->L);
    }
}

/* Windows that do not overlap: each gives its positions theirs. kernel and stride are those of the geometry, constants
 * where that pays. */
LK_INLINE void sample_bwd_apart(const struct pool_bwd *s, size_t size, size_t kernel, size_t stride)
{
    const struct lk_pool *g = s->g;
    const struct whole whole = s->whole;
    const vf scale = s->scale;
    /* all but the last: what lies behind that one is not a window's */
    const size_t end = whole.end == g->T && whole.end > whole.begin ? whole.end - 1 : whole.end;

    zero_rows(s, 0, g->T ? 0 : g->L);
    cut_windows_bwd(s, size, 0, smaller(whole.begin, g->T));
    for (size_t t = whole.begin; t < end; t++) {
        const size_t l = t * stride - g->padding;

        window_bwd(s, size, t, kernel, 0, scale, s->dx + l * LK_PANEL);
        zero_rows(s, l + kernel, l + stride);
    }
    cut_windows_bwd(s, size, end, g->T);
}

/* What window t gives: d, for the average (size 0) times scale; the taps of its maxima. */
struct given {
    vf d[VPP];
    vi tap[VPP];
};

LK_INLINE struct given given_by(const struct pool_bwd *s, size_t size, size_t t, vf scale)
{
    struct given w;

    LK_UNROLL
    for (int j = 0; j < VPP; j++) {
        const size_t at = t * LK_PANEL + (size_t)j * VL;
        const vf d = v_load(s->d + at);

        w.d[j] = size ? d : v_mul(d, scale);
        w.tap[j] = size ? load_index(size, s->index, s->at + at) : vi_set1(0);
    }
    return w;
}

/* What a position takes from the windows that cover it, ascending: sum + d where the maximum is at `tap`. */
LK_INLINE void take_from(struct given w, size_t size, size_t tap, vrow *sum)
{
    LK_UNROLL
    for (int j = 0; j < VPP; j++) {
        vf d = w.d[j];

        if (VPP == 1) /* a load of its own: under a mask register it would wait for the index */
            __asm__("" : "+" LK_VREG(d));
        sum->v[j] = size ? v_add_if(vi_eq(w.tap[j], vi_set1((int)tap)), sum->v[j], d) : v_add(sum->v[j], d);
    }
}

LK_INLINE void store_sum(const struct pool_bwd *s, size_t l, vrow sum)
{
    for (int j = 0; j < VPP; j++)
        v_store(s->dx + l * LK_PANEL + j * VL, v_and(s->keep.m[j], sum.v[j]));
}

/* Positions l..end-1, any. */
LK_INLINE void edge_bwd(const struct pool_bwd *s, size_t size, size_t l, size_t end)
{
    const struct lk_pool *g = s->g;

    for (; l < end; l++) {
        const size_t here = l + g->padding, last = here / g->stride + 1;
        size_t t = here < g->kernel ? 0 : (here - g->kernel) / g->stride + 1;
        vrow sum = {{v_zero()}};

        for (; t < g->T && t < last; t++)
            take_from(given_by(s, size, t, v_set1(size ? 1.0f : reciprocal(g, t, s->last))), size, here - t * g->stride,
                      &sum);
        store_sum(s, l, sum);
    }
}

/* Windows that overlap: each position takes from those that cover it. kernel and stride are those of the geometry,
 * constants where that pays. Away from the edges positions t stride .. t stride + stride - 1 of the padded input take
 * from the same windows, t the last of them, all whole; few windows are read once. */
LK_INLINE void sample_bwd(const struct pool_bwd *s, size_t size, size_t kernel, size_t stride)
{
    const struct lk_pool *g = s->g;
    const struct whole whole = s->whole;
    const size_t lag = (kernel - 1) / stride, first = whole.begin + lag;
    const size_t from = first < whole.end ? first * stride - g->padding : g->L;
    const vf scale = s->scale;
    const int hold = !size && __builtin_constant_p(lag) && lag < HELD;
    struct given held[HELD]; /* by windows t, t - 1, t - 2 */

    edge_bwd(s, size, 0, from);
    for (size_t back = 0; hold && first < whole.end && back < lag; back++)
        held[back] = given_by(s, size, first - 1 - back, scale);
    for (size_t t = first; t < whole.end; t++) {
        LK_UNROLL
        for (size_t back = lag; hold && back > 0; back--)
            held[back] = held[back - 1];
        held[0] = given_by(s, size, t, scale);
        for (size_t i = 0; i < stride; i++) {
            vrow sum = {{v_zero()}};

            for (size_t back = lag + 1; back-- > 0;)
                if (i + back * stride < kernel)
                    take_from(hold ? held[back] : given_by(s, size, t - back, scale), size, i + back * stride, &sum);
            store_sum(s, t * stride - g->padding + i, sum);
        }
    }
    if (first < whole.end)
        edge_bwd(s, size, whole.end * stride - g->padding, g->L);
}

LK_INLINE void pool_bwd(const struct lk_pool *g, size_t size, size_t kernel, size_t stride, const void *index,
                        struct lk_cview d, struct lk_view dx)
{
    const struct whole whole = whole_windows(g, kernel, stride);
    struct counted last = {kernel, (float)(1.0 / (double)kernel)};
    const vf scale = v_set1(last.r);

    for (size_t p = 0; p < lk_panels(g->C); p++) {
        const struct row_mask keep = row_mask(row_width(g->C, p));

        for (size_t b = 0; b < g->B; b++) {
            const struct pool_bwd s = {.g = g,
                                       .keep = keep,
                                       .d = d.p + p * d.ld + b * d.pitch * LK_PANEL,
                                       .dx = dx.p + p * dx.ld + b * dx.pitch * LK_PANEL,
                                       .index = index,
                                       .at = (p * g->B + b) * g->T * LK_PANEL,
                                       .whole = whole,
                                       .scale = scale,
                                       .last = &last};

            if (stride >= kernel)
                sample_bwd_apart(&s, size, kernel, stride);
            else
                sample_bwd(&s, size, kernel, stride);
        }
    }
}

static void max_pool_bwd(const struct lk_pool *pool, const void *index, struct lk_cview d, struct lk_view dx)
{
    const struct lk_pool g = *pool;

    if (g.kernel == 2 && g.stride == 2)
        pool_bwd(&g, 1, 2, 2, index, d, dx);
    else if (g.kernel == 3 && g.stride == 1)
        pool_bwd(&g, 1, 3, 1, index, d, dx);
    else if (g.kernel == 3 && g.stride == 2)
        pool_bwd(&g, 1, 3, 2, index, d, dx);
    else if (lk_pool_index_size(g.kernel) == 1)
        pool_bwd(&g, 1, g.kernel, g.stride, index, d, dx);
    else
        pool_bwd(&g, 4, g.kernel, g.stride, index, d, dx);
}

static void avg_pool_bwd(const struct lk_pool *pool, struct lk_cview d, struct lk_view dx)
{
    const struct lk_pool g = *pool;

    if (g.kernel == 2 && g.stride == 2)
        pool_bwd(&g, 0, 2, 2, NULL, d, dx);
    else if (g.kernel == 3 && g.stride == 1)
        pool_bwd(&g, 0, 3, 1, NULL, d, dx);
    else
        pool_bwd(&g, 0, g.kernel, g.stride, NULL, d, dx);
}

#endif
