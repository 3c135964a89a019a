/* SPDX-License-Identifier: MIT
 * Checker cases of the kernels over whole rows (softmax and its logarithm, their gradients, cross entropy) and of the
 * losses of samples. */
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

#define SOFTMAX(kernel)                                                                                                \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->M, c->N, kc_p(c, 0), kc_ld(c, 0), kc_p(c, 1), kc_ld(c, 1));                                       \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {softmax_setup, call_##kernel};

SOFTMAX(softmax_fwd)
SOFTMAX(log_softmax_fwd)

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

#define SOFTMAX_BWD(kernel)                                                                                            \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->M, c->N, kc_p(c, 0), kc_ld(c, 0), kc_p(c, 1), kc_ld(c, 1), kc_p(c, 2), kc_ld(c, 2));              \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {softmax_bwd_setup, call_##kernel};

SOFTMAX_BWD(softmax_bwd)
SOFTMAX_BWD(log_softmax_bwd)

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

/* One of the two inputs; without positions the samples are still a row apart. */
static void declare_samples(struct kc *c, const char *name)
{
    const size_t pitch = (c->L ? c->L : 1) + (kc_below(c, 2) ? 0 : kc_below(c, 6)), halo = kc_below(c, 3);

    kc_samples(c, KC_IN, name, c->B, c->C, c->L, pitch, halo,
               kc_ld_of(c, kc_sample_rows(c->B, c->L, pitch, 2 * halo) * P));
}

static void samples_setup(struct kc *c)
{
    c->B = kc_dim(c, 24);
    c->C = kc_dim(c, 80);
    c->L = kc_below(c, 3) ? kc_dim(c, 24) : 1;
    c->scale = kc_below(c, 4) ? 1.0f / (float)(1 + kc_below(c, 512)) : kc_float(c);
    declare_samples(c, "x");
    declare_samples(c, "t");
    kc_vector(c, KC_OUT, "loss", c->B);
    kc_shape(c, "B=%zu C=%zu L=%zu ldx=%zu pitch=%zu ldt=%zu pitch=%zu alpha=%a", c->B, c->C, c->L, kc_ld(c, 0),
             kc_cview(c, 0).pitch, kc_ld(c, 1), kc_cview(c, 1).pitch, (double)c->scale);
}

static void make_probabilities(struct kc *c, int b)
{
    const struct kc_buf *buf = &c->buf[b];
    float *p = (float *)kc_contents(c, b) + buf->before * P;

    for (size_t m = 0; m < c->B; m++)
        for (size_t n = 0; n < c->C; n++)
            for (size_t l = 0; l < c->L; l++)
                kc_probability(p, n / P * buf->ld + (m * buf->pitch + l) * P + n % P);
}

/* The prediction is a probability in three of four cases; half of these targets are, too. */
static void bce_setup(struct kc *c)
{
    samples_setup(c);
    if (!kc_below(c, 4))
        return;
    make_probabilities(c, 0);
    if (kc_below(c, 2))
        make_probabilities(c, 1);
}

#define LOSS(kernel, setup)                                                                                            \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->B, c->C, c->L, c->scale, kc_cview(c, 0), kc_cview(c, 1), kc_p(c, 2));                             \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {setup, call_##kernel};

LOSS(mse_fwd, samples_setup)
LOSS(bce_fwd, bce_setup)
LOSS(bce_logits_fwd, samples_setup)
