/* SPDX-License-Identifier: MIT
 * Checker cases of the kernels over whole rows: softmax, its gradient, cross entropy. */
#include "kc.h"

enum { P = LK_PANEL };

static void draw_sizes(struct kc *c, size_t max_n)
{
    c->M = kc_dim(c, 40);
    c->N = kc_below(c, 6) ? kc_dim(c, 40) : kc_dim(c, max_n);
}

static size_t panels_ld(struct kc *c)
{
    return kc_ld_of(c, c->M * P);
}

static void softmax_setup(struct kc *c)
{
    size_t ldz, ldp;

    draw_sizes(c, 300);
    ldz = panels_ld(c);
    ldp = kc_below(c, 2) ? ldz : panels_ld(c);
    kc_panels(c, KC_IN, "Z", c->M, c->N, ldz);
    kc_panels(c, KC_OUT, "P", c->M, c->N, ldp);
    if (ldz == ldp)
        kc_may_equal(c, 0);
    kc_shape(c, "M=%zu N=%zu ldz=%zu ldp=%zu", c->M, c->N, ldz, ldp);
}

static void softmax_call(const struct lk_kernels *k, struct kc *c)
{
    k->softmax_fwd(c->M, c->N, kc_p(c, 0), kc_ld(c, 0), kc_p(c, 1), kc_ld(c, 1));
}

const struct kc_case kc_case_softmax_fwd = {softmax_setup, softmax_call};

static void softmax_bwd_setup(struct kc *c)
{
    size_t ldp, ldd, lddz;

    draw_sizes(c, 300);
    ldp = panels_ld(c);
    ldd = panels_ld(c);
    lddz = kc_below(c, 2) ? ldd : panels_ld(c);
    kc_panels(c, KC_IN, "P", c->M, c->N, ldp);
    kc_panels(c, KC_IN, "D", c->M, c->N, ldd);
    kc_panels(c, KC_OUT, "DZ", c->M, c->N, lddz);
    if (ldd == lddz)
        kc_may_equal(c, 1);
    kc_shape(c, "M=%zu N=%zu ldp=%zu ldd=%zu lddz=%zu", c->M, c->N, ldp, ldd, lddz);
}

static void softmax_bwd_call(const struct lk_kernels *k, struct kc *c)
{
    k->softmax_bwd(c->M, c->N, kc_p(c, 0), kc_ld(c, 0), kc_p(c, 1), kc_ld(c, 1), kc_p(c, 2), kc_ld(c, 2));
}

const struct kc_case kc_case_softmax_bwd = {softmax_bwd_setup, softmax_bwd_call};

enum { XENT_Z, XENT_LABEL, XENT_D, XENT_LOSS, XENT_HIT };

/* Half of the labels are a maximum of their row (not always the first), the others any class. */
static void draw_labels(struct kc *c)
{
    const float *z = kc_contents(c, XENT_Z);
    const size_t ldz = kc_ld(c, XENT_Z);
    uint8_t *label = kc_contents(c, XENT_LABEL);

    for (size_t m = 0; m < c->M; m++) {
        size_t best = kc_below(c, c->N), any = kc_below(c, c->N);

        for (size_t i = 0; i < c->N; i++) {
            size_t n = (any + i) % c->N;

            if (z[n / P * ldz + m * P + n % P] > z[best / P * ldz + m * P + best % P])
                best = n;
        }
        label[m] = (uint8_t)(kc_below(c, 2) ? best : any);
    }
}

static void xent_setup(struct kc *c)
{
    size_t ldz, ldd;
    bool wanted = kc_below(c, 4) > 0;

    draw_sizes(c, 256);
    c->N = c->N ? c->N : 1;
    c->scale = kc_below(c, 4) ? 1.0f / (float)(1 + kc_below(c, 512)) : kc_float(c);
    ldz = panels_ld(c);
    ldd = kc_below(c, 2) ? ldz : panels_ld(c);
    kc_panels(c, KC_IN, "Z", c->M, c->N, ldz);
    kc_bytes(c, KC_IN, "label", 1, c->M, c->M);
    draw_labels(c);
    if (wanted)
        kc_panels(c, KC_OUT, "D", c->M, c->N, ldd);
    else
        kc_absent(c);
    if (wanted && ldz == ldd)
        kc_may_equal(c, XENT_Z);
    kc_vector(c, KC_OUT, "loss", c->M);
    kc_bytes(c, KC_OUT, "hit", 1, c->M, c->M);
    kc_shape(c, "M=%zu N=%zu ldz=%zu ldd=%zu gradient=%d scale=%a", c->M, c->N, ldz, ldd, wanted, (double)c->scale);
}

static void xent_call(const struct lk_kernels *k, struct kc *c)
{
    k->softmax_xent(c->M, c->N, kc_p(c, XENT_Z), kc_ld(c, XENT_Z), kc_p(c, XENT_LABEL), c->scale, kc_p(c, XENT_D),
                    kc_ld(c, XENT_D), kc_p(c, XENT_LOSS), kc_p(c, XENT_HIT));
}

const struct kc_case kc_case_softmax_xent = {xent_setup, xent_call};
