/* SPDX-License-Identifier: MIT
 * Checker cases of pooling and its gradients. */
#include "kc.h"

#include <math.h>

enum { P = LK_PANEL };

/* Windows mostly short; sometimes at the limit of a byte index and beyond. Index 90 of a byte looks like a canary (see
 * index_buffer). */
static size_t draw_kernel(struct kc *c)
{
    static const size_t large[] = {17, 90, 91, 255, 256, 257, 300};

    return kc_below(c, 12) ? 1 + kc_below(c, 9) : large[kc_below(c, sizeof large / sizeof *large)];
}

/* As many windows as fit (floor), or one more that still begins inside the input or its left padding (ceil). */
static size_t draw_windows(struct kc *c, const struct lk_pool *g)
{
    const size_t padded = g->L + 2 * g->padding, room = padded < g->kernel ? 0 : padded - g->kernel;
    size_t T = padded < g->kernel ? 0 : room / g->stride + 1;

    if (kc_below(c, 2) && T * g->stride < g->L + g->padding)
        T++;
    return kc_below(c, 12) ? T : kc_below(c, T + 1);
}

static void draw_pool(struct kc *c)
{
    struct lk_pool *g = &c->pool;

    g->B = kc_below(c, 7);
    g->C = kc_below(c, 8) ? 1 + kc_below(c, 33) : kc_dim(c, 100);
    g->kernel = draw_kernel(c);
    g->stride = kc_below(c, 3) ? 1 + kc_below(c, g->kernel < 9 ? g->kernel + 2 : 9) : g->kernel;
    g->padding = kc_below(c, 2) ? kc_below(c, g->kernel / 2 + 1) : kc_below(c, 2) * (g->kernel / 2);
    g->L = g->kernel > 9 ? 1 + kc_below(c, 2 * g->kernel) : 1 + kc_below(c, 40);
    g->count_include_pad = (int)kc_below(c, 2);
    g->T = draw_windows(c, g);
    kc_shape(c, "B=%zu C=%zu L=%zu T=%zu kernel=%zu stride=%zu padding=%zu include_pad=%d", g->B, g->C, g->L, g->T,
             g->kernel, g->stride, g->padding, g->count_include_pad);
}

/* (B, C, n) with a random pitch, halo and ld. */
static void draw_samples(struct kc *c, enum kc_role role, const char *name, size_t n)
{
    const struct lk_pool *g = &c->pool;
    const size_t pitch = (n ? n : 1) + kc_below(c, 2) * kc_below(c, 4), halo = kc_below(c, 3);

    kc_samples(c, role, name, g->B, g->C, n, pitch, halo, kc_ld_of(c, kc_sample_rows(g->B, n, pitch, 2 * halo) * P));
}

/* Dense panels of indices. A byte output that may hold what marks "not written" is compared only. */
static void index_buffer(struct kc *c, enum kc_role role)
{
    const struct lk_pool *g = &c->pool;
    const size_t rows = g->B * g->T, n = lk_panels(g->C) * rows * P;
    struct kc_buf *b = &c->buf[c->buffers];

    if (lk_pool_index_size(g->kernel) == 1)
        kc_bytes(c, role == KC_OUT && g->kernel > (KC_CANARY & 0xff) ? KC_INOUT : role, "index", 1, n, n);
    else
        kc_u32(c, role, "index", n);
    b->blocks = lk_panels(g->C);
    b->len = b->ld = rows * P;
    b->columns = g->C;
    b->samples = 1;
    b->length = b->pitch = rows;
}

enum { X, Y, INDEX };

/* Windows of -inf, of -inf and other values. */
static void draw_minus_infinity(struct kc *c)
{
    float *x = kc_contents(c, X);

    for (size_t i = 0; i < kc_span(&c->buf[X]) / sizeof *x; i++)
        if (kc_below(c, 12))
            x[i] = -INFINITY;
}

static void max_setup(struct kc *c)
{
    draw_pool(c);
    draw_samples(c, KC_IN, "x", c->pool.L);
    if (kc_below(c, 10) == 0)
        draw_minus_infinity(c);
    draw_samples(c, KC_OUT, "y", c->pool.T);
    if (kc_below(c, 5))
        index_buffer(c, KC_OUT);
    else
        kc_absent(c);
}

static void max_call(const struct lk_kernels *k, struct kc *c)
{
    k->max_pool_fwd(&c->pool, kc_cview(c, X), kc_view(c, Y), kc_p(c, INDEX));
}

const struct kc_case kc_case_max_pool_fwd = {max_setup, max_call};

enum { BWD_INDEX, BWD_D, BWD_DX };

/* Any tap of window t that lies in the input. */
static size_t draw_tap(struct kc *c, size_t t)
{
    const struct lk_pool *g = &c->pool;
    const size_t from = t * g->stride, low = from < g->padding ? g->padding - from : 0;
    const size_t end = g->L + g->padding - from;

    return low + kc_below(c, (end < g->kernel ? end : g->kernel) - low);
}

/* Half of the cases point every window at one position where they can, so that long sums arise. */
static void draw_indices(struct kc *c)
{
    const struct lk_pool *g = &c->pool;
    const size_t n = lk_panels(g->C) * g->B * g->T * P;
    const int together = (int)kc_below(c, 2);

    for (size_t i = 0; i < n; i++) {
        const size_t t = i / P % g->T, from = t * g->stride, middle = g->L / 2 + g->padding;
        const int covered = middle >= from && middle < from + g->kernel;
        const size_t tap = together && covered ? middle - from : draw_tap(c, t);

        if (lk_pool_index_size(g->kernel) == 1)
            ((uint8_t *)kc_contents(c, BWD_INDEX))[i] = (uint8_t)tap;
        else
            ((uint32_t *)kc_contents(c, BWD_INDEX))[i] = (uint32_t)tap;
    }
}

static void max_bwd_setup(struct kc *c)
{
    draw_pool(c);
    index_buffer(c, KC_IN);
    draw_indices(c);
    draw_samples(c, KC_IN, "d", c->pool.T);
    draw_samples(c, KC_OUT, "dx", c->pool.L);
}

static void max_bwd_call(const struct lk_kernels *k, struct kc *c)
{
    k->max_pool_bwd(&c->pool, kc_p(c, BWD_INDEX), kc_cview(c, BWD_D), kc_view(c, BWD_DX));
}

const struct kc_case kc_case_max_pool_bwd = {max_bwd_setup, max_bwd_call};

static void avg_setup(struct kc *c)
{
    draw_pool(c);
    draw_samples(c, KC_IN, "x", c->pool.L);
    draw_samples(c, KC_OUT, "y", c->pool.T);
}

static void avg_call(const struct lk_kernels *k, struct kc *c)
{
    k->avg_pool_fwd(&c->pool, kc_cview(c, 0), kc_view(c, 1));
}

const struct kc_case kc_case_avg_pool_fwd = {avg_setup, avg_call};

static void avg_bwd_setup(struct kc *c)
{
    draw_pool(c);
    draw_samples(c, KC_IN, "d", c->pool.T);
    draw_samples(c, KC_OUT, "dx", c->pool.L);
}

static void avg_bwd_call(const struct lk_kernels *k, struct kc *c)
{
    k->avg_pool_bwd(&c->pool, kc_cview(c, 0), kc_view(c, 1));
}

const struct kc_case kc_case_avg_pool_bwd = {avg_bwd_setup, avg_bwd_call};
