/* SPDX-License-Identifier: MIT
 * Checker cases of the products that leave zeros out. The call of the reference multiplies everything (gemm_fwd,
 * gemm_dw): so the bits of the whole product are what is expected. */
#include "kc.h"

#include <string.h>

enum { P = LK_PANEL };

static uint32_t bits_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

/* 0 and, with DAZ, subnormals. */
static bool counts_as_zero(float x)
{
    return !(bits_of(x) & 0x7f800000u);
}

static float *element(struct kc *c, int b, size_t row, size_t column)
{
    return (float *)kc_contents(c, b) + column / P * c->buf[b].ld + row * P + column % P;
}

/* A share of zeros, of either sign. */
static void sow_zeros(struct kc *c, int b, size_t rows, size_t columns)
{
    const size_t of_ten = kc_below(c, 11);

    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            if (kc_below(c, 10) < of_ten)
                *element(c, b, i, j) = kc_below(c, 2) ? 0.0f : -0.0f;
}

static void make_finite(struct kc *c, int b, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            float *x = element(c, b, i, j);

            if ((bits_of(*x) & 0x7f800000u) == 0x7f800000u)
                *x = -1.5f;
        }
}

/* The bits of matrix x, and now and then one of a zero. */
static void set_bits(struct kc *c, int z, int x, size_t rows, size_t columns)
{
    uint16_t *bits = kc_contents(c, z);

    for (size_t p = 0; p < lk_panels(columns); p++)
        for (size_t i = 0; i < rows; i++) {
            unsigned word = 0;

            for (size_t j = p * P; j < columns && j < p * P + P; j++)
                word |= (unsigned)(!counts_as_zero(*element(c, x, i, j)) || kc_below(c, 20) == 0) << j % P;
            bits[p * c->buf[z].ld + i] = (uint16_t)word;
        }
}

/* Small matrices, and in turn many rows, many columns, or more terms than a part has. */
static void draw_sizes(struct kc *c)
{
    size_t *side[] = {&c->M, &c->N, &c->K}, longest = kc_below(c, 8);

    for (size_t i = 0; i < 3; i++)
        *side[i] = longest >= 3 ? kc_dim(c, 64) : i == longest ? 80 + kc_below(c, 700) : kc_dim(c, 20);
}

static size_t panels_ld(struct kc *c, size_t rows)
{
    return kc_ld_of(c, rows * P);
}

/* Numbers, of which none or a few are not finite, anywhere. */
static void finite_setup(struct kc *c)
{
    static const float bad[] = {__builtin_inff(), -__builtin_inff(), __builtin_nanf("")};

    c->N = kc_dim(c, 600);
    kc_vector(c, KC_IN, "x", c->N);
    for (size_t i = 0; i < c->N; i++)
        if ((bits_of(((float *)kc_contents(c, 0))[i]) & 0x7f800000u) == 0x7f800000u)
            ((float *)kc_contents(c, 0))[i] = 3e38f;
    for (size_t i = kc_below(c, 3); c->N && i; i--)
        ((float *)kc_contents(c, 0))[kc_below(c, c->N)] = bad[kc_below(c, 3)];
    kc_u32(c, KC_OUT, "finite", 1);
    kc_shape(c, "n=%zu", c->N);
}

static void finite_call(const struct lk_kernels *k, struct kc *c)
{
    *(uint32_t *)kc_p(c, 1) = (uint32_t)k->finite(c->N, kc_p(c, 0));
}

const struct kc_case kc_case_finite = {finite_setup, finite_call};

/* More multiply-adds than the whole product has? */
static void check_done(struct kc *c, size_t done, size_t rows)
{
    if (done > rows * c->N * c->K)
        kc_fail(c, "%zu multiply-adds of %zu", done, rows * c->N * c->K);
}

enum { FWD_A, FWD_Z, FWD_W, FWD_BIAS, FWD_Y };

static void fwd_setup(struct kc *c)
{
    draw_sizes(c);
    c->act = (enum lk_act)kc_below(c, LK_ACT_TANH + 1);
    c->cut = 1 + kc_below(c, c->M + 1); /* one more: 0 says that this is the reference's call */
    kc_panels(c, KC_IN, "A", c->M, c->K, panels_ld(c, c->M));
    sow_zeros(c, FWD_A, c->M, c->K);
    kc_bits(c, KC_IN, "Z", c->M, c->K, kc_ld_of(c, c->M));
    set_bits(c, FWD_Z, FWD_A, c->M, c->K);
    kc_panels(c, KC_IN, "W", c->K, c->N, c->K * P);
    make_finite(c, FWD_W, c->K, c->N);
    if (kc_below(c, 3))
        kc_vector(c, KC_IN, "bias", c->N);
    else
        kc_absent(c);
    kc_panels(c, KC_OUT, "Y", c->M, c->N, panels_ld(c, c->M));
    kc_shape(c, "M=%zu N=%zu K=%zu bias=%d act=%d cut=%zu", c->M, c->N, c->K, c->buf[FWD_BIAS].role != KC_ABSENT,
             (int)c->act, c->cut - 1);
}

static void fwd_rows(const struct lk_kernels *k, struct kc *c, size_t first, size_t rows)
{
    check_done(c,
               k->gemm_fwd_skip(rows, c->N, c->K, (float *)kc_p(c, FWD_A) + first * P, kc_ld(c, FWD_A),
                                (uint16_t *)kc_p(c, FWD_Z) + first, kc_ld(c, FWD_Z), kc_p(c, FWD_W), kc_p(c, FWD_BIAS),
                                (float *)kc_p(c, FWD_Y) + first * P, kc_ld(c, FWD_Y), c->act),
               rows);
}

static void fwd_call(const struct lk_kernels *k, struct kc *c)
{
    if (!c->cut) {
        k->gemm_fwd(c->M, c->N, c->K, kc_p(c, FWD_A), kc_ld(c, FWD_A), kc_p(c, FWD_W), kc_p(c, FWD_BIAS),
                    kc_p(c, FWD_Y), kc_ld(c, FWD_Y), c->act);
        return;
    }
    fwd_rows(k, c, 0, c->cut - 1);
    fwd_rows(k, c, c->cut - 1, c->M - (c->cut - 1));
}

const struct kc_case kc_case_gemm_fwd_skip = {fwd_setup, fwd_call};

enum { DW_X, DW_Z, DW_D, DW_G, DW_DB };

static void dw_setup(struct kc *c)
{
    enum kc_role role;

    draw_sizes(c);
    c->first = (int)kc_below(c, 2);
    c->cut = 1 + kc_below(c, c->K + 1);
    role = c->first ? KC_OUT : KC_INOUT;
    kc_panels(c, KC_IN, "X", c->K, c->M, panels_ld(c, c->K));
    sow_zeros(c, DW_X, c->K, c->M);
    kc_bits(c, KC_IN, "Z", c->K, c->M, kc_ld_of(c, c->K));
    set_bits(c, DW_Z, DW_X, c->K, c->M);
    kc_panels(c, KC_IN, "D", c->K, c->N, panels_ld(c, c->K));
    make_finite(c, DW_D, c->K, c->N);
    kc_panels(c, role, "G", c->M, c->N, panels_ld(c, c->M));
    if (kc_below(c, 4))
        kc_panels(c, role, "db", 1, c->N, P);
    else
        kc_absent(c);
    kc_shape(c, "M=%zu N=%zu K=%zu db=%d first=%d cut=%zu", c->M, c->N, c->K, c->buf[DW_DB].role != KC_ABSENT, c->first,
             c->cut - 1);
}

static void dw_samples(const struct lk_kernels *k, struct kc *c, size_t from, size_t samples, int first)
{
    check_done(c,
               k->gemm_dw_skip(c->M, c->N, samples, (float *)kc_p(c, DW_X) + from * P, kc_ld(c, DW_X),
                               (uint16_t *)kc_p(c, DW_Z) + from, kc_ld(c, DW_Z), (float *)kc_p(c, DW_D) + from * P,
                               kc_ld(c, DW_D), kc_p(c, DW_G), kc_ld(c, DW_G), kc_p(c, DW_DB), first),
               c->M);
}

static void dw_call(const struct lk_kernels *k, struct kc *c)
{
    if (!c->cut) {
        k->gemm_dw(c->M, c->N, c->K, kc_p(c, DW_X), kc_ld(c, DW_X), kc_p(c, DW_D), kc_ld(c, DW_D), kc_p(c, DW_G),
                   kc_ld(c, DW_G), kc_p(c, DW_DB), c->first, NULL);
        return;
    }
    if (c->cut > 1)
        dw_samples(k, c, 0, c->cut - 1, c->first);
    dw_samples(k, c, c->cut - 1, c->K - (c->cut - 1), c->cut > 1 ? 0 : c->first);
}

const struct kc_case kc_case_gemm_dw_skip = {dw_setup, dw_call};
