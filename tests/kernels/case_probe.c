/* SPDX-License-Identifier: MIT
 * Cases of the probes: counts proportional to the rounds, memory read and written as said. */
#include "kc.h"

static void peak_setup(struct kc *c)
{
    c->N = 1 + kc_below(c, 100);
    kc_shape(c, "n=%zu", c->N);
}

static void check_counts(struct kc *c, const char *name, double (*peak)(size_t n))
{
    double one = peak(1), all = peak(c->N), none = peak(0);

    if (!(one > 0 && all == (double)c->N * one && none == 0))
        kc_fail(c, "%s(0), (1), (n) = %g, %g, %g are not proportional to n", name, none, one, all);
}

static void peak_fma_call(const struct lk_kernels *k, struct kc *c)
{
    check_counts(c, "peak_fma", k->peak_fma);
}

static void peak_clock_call(const struct lk_kernels *k, struct kc *c)
{
    check_counts(c, "peak_clock", k->peak_clock);
}

static void read_setup(struct kc *c)
{
    c->N = kc_dim(c, 300);
    kc_vector(c, KC_IN, "x", c->N);
    kc_u32(c, KC_OUT, "result", 1);
    kc_shape(c, "n=%zu", c->N);
}

static void read_call(const struct lk_kernels *k, struct kc *c)
{
    *(uint32_t *)kc_p(c, 1) = k->peak_read(c->N, kc_p(c, 0));
}

static void write_setup(struct kc *c)
{
    c->N = kc_dim(c, 300);
    c->scale = kc_float(c);
    kc_vector(c, KC_OUT, "y", c->N);
    kc_shape(c, "n=%zu value=%a", c->N, (double)c->scale);
}

static void write_call(const struct lk_kernels *k, struct kc *c)
{
    k->peak_write(c->N, c->scale, kc_p(c, 0));
}

static void copy_setup(struct kc *c)
{
    c->N = kc_dim(c, 300);
    kc_vector(c, KC_IN, "x", c->N);
    kc_vector(c, KC_OUT, "y", c->N);
    kc_may_equal(c, 0);
    kc_shape(c, "n=%zu", c->N);
}

static void copy_call(const struct lk_kernels *k, struct kc *c)
{
    k->peak_copy(c->N, kc_p(c, 0), kc_p(c, 1));
}

const struct kc_case kc_case_peak_fma = {peak_setup, peak_fma_call};
const struct kc_case kc_case_peak_clock = {peak_setup, peak_clock_call};
const struct kc_case kc_case_peak_read = {read_setup, read_call};
const struct kc_case kc_case_peak_write = {write_setup, write_call};
const struct kc_case kc_case_peak_copy = {copy_setup, copy_call};
