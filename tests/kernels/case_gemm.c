/* SPDX-License-Identifier: MIT
 * Checker cases of the matrix products and the transposition. A cut call must give the bits of a whole one. */
#include "kc.h"

enum { P = LK_PANEL };

/* Mostly small matrices; now and then one long side, so that many tiles come into play, or more rows, weights or terms
 * than a block of the vector kernels has. */
static void draw_sizes(struct kc *c)
{
    const size_t kind = kc_below(c, 24), longest = kind / 2;
    size_t *side[] = {&c->M, &c->N, &c->K};

    for (size_t i = 0; i < 3; i++) {
        if (longest >= 3)
            *side[i] = kc_dim(c, 64);
        else
            *side[i] = i == longest ? 80 + kc_below(c, 700) : kc_dim(c, 20);
    }
    if (kind == 6) {
        c->M = 120 + kc_below(c, 150);
        c->K = 700 + kc_below(c, 500);
    }
    if (kind == 7) {
        c->M = kc_dim(c, 8);
        c->N = 850 + kc_below(c, 300);
        c->K = 1250 + kc_below(c, 200);
    }
    if (kind == 8 && !kc_below(c, 8)) { /* so deep that the last block of K has few terms */
        c->M = kc_dim(c, 4);
        c->N = kc_dim(c, P);
        c->K = (63 << 10) + kc_below(c, 20);
    }
    if (kind == 9 && !kc_below(c, 2)) { /* longer than a pass of the weight gradient */
        c->M = kc_dim(c, 40);
        c->N = kc_dim(c, 48);
        c->K = 1900 + kc_below(c, 3000);
    }
}

static size_t panels_ld(struct kc *c, size_t rows)
{
    return kc_ld_of(c, rows * P);
}

static enum lk_act draw_act(struct kc *c)
{
    return (enum lk_act)kc_below(c, LK_ACT_TANH + 1);
}

enum { FWD_A, FWD_W, FWD_BIAS, FWD_Y };

static void fwd_setup(struct kc *c)
{
    size_t lda, ldy;

    draw_sizes(c);
    c->act = draw_act(c);
    c->cut = kc_below(c, 2) ? kc_below(c, c->M + 1) : 0;
    lda = panels_ld(c, c->M);
    ldy = panels_ld(c, c->M);
    kc_panels(c, KC_IN, "A", c->M, c->K, lda);
    kc_panels(c, KC_IN, "W", c->K, c->N, c->K * P);
    if (kc_below(c, 3))
        kc_vector(c, KC_IN, "bias", c->N);
    else
        kc_absent(c);
    kc_panels(c, KC_OUT, "Y", c->M, c->N, ldy);
    kc_shape(c, "M=%zu N=%zu K=%zu lda=%zu ldy=%zu bias=%d act=%d cut=%zu", c->M, c->N, c->K, lda, ldy,
             c->buf[FWD_BIAS].role != KC_ABSENT, (int)c->act, c->cut);
}

static void fwd_rows(const struct lk_kernels *k, struct kc *c, size_t first, size_t rows)
{
    k->gemm_fwd(rows, c->N, c->K, (float *)kc_p(c, FWD_A) + first * P, kc_ld(c, FWD_A), kc_p(c, FWD_W),
                kc_p(c, FWD_BIAS), (float *)kc_p(c, FWD_Y) + first * P, kc_ld(c, FWD_Y), c->act);
}

static void fwd_call(const struct lk_kernels *k, struct kc *c)
{
    if (c->cut)
        fwd_rows(k, c, 0, c->cut);
    fwd_rows(k, c, c->cut, c->M - c->cut);
}

const struct kc_case kc_case_gemm_fwd = {fwd_setup, fwd_call};

enum { DX_D, DX_WT, DX_Y, DX_DX };

static void dx_setup(struct kc *c)
{
    size_t ldd, ldy, lddx;

    draw_sizes(c);
    c->act = draw_act(c);
    c->cut = kc_below(c, 2) ? kc_below(c, c->M + 1) : 0;
    ldd = panels_ld(c, c->M);
    ldy = panels_ld(c, c->M);
    lddx = panels_ld(c, c->M);
    kc_panels(c, KC_IN, "D", c->M, c->K, ldd);
    kc_panels(c, KC_IN, "WT", c->K, c->N, c->K * P);
    if (c->act == LK_ACT_NONE && kc_below(c, 2))
        kc_absent(c);
    else
        kc_panels(c, KC_IN, "Y", c->M, c->N, ldy);
    kc_panels(c, KC_OUT, "DX", c->M, c->N, lddx);
    kc_shape(c, "M=%zu N=%zu K=%zu ldd=%zu ldy=%zu lddx=%zu y=%d act=%d cut=%zu", c->M, c->N, c->K, ldd, ldy, lddx,
             c->buf[DX_Y].role != KC_ABSENT, (int)c->act, c->cut);
}

static void dx_rows(const struct lk_kernels *k, struct kc *c, size_t first, size_t rows)
{
    float *y = kc_p(c, DX_Y);

    k->gemm_dx(rows, c->N, c->K, (float *)kc_p(c, DX_D) + first * P, kc_ld(c, DX_D), kc_p(c, DX_WT),
               y ? y + first * P : NULL, kc_ld(c, DX_Y), c->act, (float *)kc_p(c, DX_DX) + first * P, kc_ld(c, DX_DX));
}

static void dx_call(const struct lk_kernels *k, struct kc *c)
{
    if (c->cut)
        dx_rows(k, c, 0, c->cut);
    dx_rows(k, c, c->cut, c->M - c->cut);
}

const struct kc_case kc_case_gemm_dx = {dx_setup, dx_call};

enum { DW_X, DW_D, DW_G, DW_DB };

static void dw_setup(struct kc *c)
{
    size_t ldx, ldd, ldg;
    enum kc_role role;

    draw_sizes(c);
    c->first = (int)kc_below(c, 2);
    c->cut = kc_below(c, 2) ? kc_below(c, c->K + 1) : 0;
    role = c->first ? KC_OUT : KC_INOUT;
    ldx = panels_ld(c, c->K);
    ldd = panels_ld(c, c->K);
    ldg = panels_ld(c, c->M);
    kc_panels(c, KC_IN, "X", c->K, c->M, ldx);
    kc_panels(c, KC_IN, "D", c->K, c->N, ldd);
    kc_panels(c, role, "G", c->M, c->N, ldg);
    if (kc_below(c, 4))
        kc_panels(c, role, "db", 1, c->N, P);
    else
        kc_absent(c);
    c->B = kc_below(c, 6);
    c->L = panels_ld(c, c->M);
    kc_shape(c, "M=%zu N=%zu K=%zu ldx=%zu ldd=%zu ldg=%zu db=%d first=%d cut=%zu next=%zu", c->M, c->N, c->K, ldx, ldd,
             ldg, c->buf[DW_DB].role != KC_ABSENT, c->first, c->cut, c->B);
}

/* B - 1 arrays that a kernel asks for lie where reading crashes; B 0: it is told of none. */
static void dw_samples(const struct lk_kernels *k, struct kc *c, size_t from, size_t samples, int first)
{
    static const float *const nowhere = (const float *)4096;
    const struct lk_next next = {{nowhere, nowhere, nowhere, nowhere}, c->B ? c->B - 1 : 0, c->L};

    k->gemm_dw(c->M, c->N, samples, (float *)kc_p(c, DW_X) + from * P, kc_ld(c, DW_X),
               (float *)kc_p(c, DW_D) + from * P, kc_ld(c, DW_D), kc_p(c, DW_G), kc_ld(c, DW_G), kc_p(c, DW_DB), first,
               c->B ? &next : NULL);
}

/* The chain in one part, two, or three of which the last is empty. */
static void dw_call(const struct lk_kernels *k, struct kc *c)
{
    if (c->cut)
        dw_samples(k, c, 0, c->cut, c->first);
    dw_samples(k, c, c->cut, c->K - c->cut, c->cut ? 0 : c->first);
    if (c->cut % 4 == 1)
        dw_samples(k, c, c->K, 0, 0);
}

const struct kc_case kc_case_gemm_dw = {dw_setup, dw_call};

enum { T_W, T_WT };

static void transpose_setup(struct kc *c)
{
    size_t ldw, ldwt;

    c->M = kc_dim(c, 100);
    c->N = kc_dim(c, 100);
    ldw = panels_ld(c, c->M);
    ldwt = panels_ld(c, c->N);
    kc_panels(c, KC_IN, "W", c->M, c->N, ldw);
    kc_panels(c, KC_OUT, "WT", c->N, c->M, ldwt);
    kc_shape(c, "M=%zu N=%zu ldw=%zu ldwt=%zu", c->M, c->N, ldw, ldwt);
}

static void transpose_call(const struct lk_kernels *k, struct kc *c)
{
    k->transpose(c->M, c->N, kc_p(c, T_W), kc_ld(c, T_W), kc_p(c, T_WT), kc_ld(c, T_WT));
}

const struct kc_case kc_case_transpose = {transpose_setup, transpose_call};
