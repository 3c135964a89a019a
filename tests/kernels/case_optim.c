/* SPDX-License-Identifier: MIT
 * Checker cases of the optimisers and of the FMA probe. */
#include "kc.h"

/* A coefficient: the usual value, a special one, or any of the fill. */
static float coefficient(struct kc *c, float usual, float off)
{
    size_t kind = kc_below(c, 8);

    return kind < 5 ? usual : kind < 7 ? off : kc_float(c);
}

static size_t draw_length(struct kc *c)
{
    return kc_below(c, 40) ? kc_dim(c, 200) : kc_dim(c, 5000);
}

static void sgd_setup(struct kc *c)
{
    c->N = draw_length(c);
    c->sgd.lr = coefficient(c, 0.1f, 1.0f);
    c->sgd.momentum = coefficient(c, 0.9f, 0.0f);
    c->sgd.weight_decay = coefficient(c, 5e-4f, 0.0f);
    c->sgd.nesterov = (int)kc_below(c, 2);
    kc_vector(c, KC_IN, "grad", c->N);
    kc_vector(c, KC_INOUT, "w", c->N);
    kc_vector(c, KC_INOUT, "m", c->N);
    kc_u32(c, KC_OUT, "finite", 1);
    kc_shape(c, "n=%zu lr=%a momentum=%a weight_decay=%a nesterov=%d", c->N, (double)c->sgd.lr, (double)c->sgd.momentum,
             (double)c->sgd.weight_decay, c->sgd.nesterov);
}

static void sgd_call(const struct lk_kernels *k, struct kc *c)
{
    *(uint32_t *)kc_p(c, 3) = (uint32_t)k->sgd(c->N, kc_p(c, 0), kc_p(c, 1), kc_p(c, 2), &c->sgd);
}

const struct kc_case kc_case_sgd = {sgd_setup, sgd_call};

static void adam_setup(struct kc *c)
{
    c->N = draw_length(c);
    c->adam.step = coefficient(c, 1e-3f, 1.0f);
    c->adam.beta1c = coefficient(c, 1 - 0.9f, 1.0f);
    c->adam.beta2 = coefficient(c, 0.999f, 0.0f);
    c->adam.beta2c = coefficient(c, 1 - 0.999f, 1.0f);
    c->adam.rbias2 = coefficient(c, 31.6f, 1.0f);
    c->adam.eps = coefficient(c, 1e-8f, 0.0f);
    c->adam.weight_decay = coefficient(c, 0.0f, 1e-2f);
    c->adam.decay = coefficient(c, 1.0f, 0.99999f);
    kc_vector(c, KC_IN, "grad", c->N);
    kc_vector(c, KC_INOUT, "w", c->N);
    kc_vector(c, KC_INOUT, "m", c->N);
    kc_vector(c, KC_INOUT, "v", c->N);
    kc_u32(c, KC_OUT, "finite", 1);
    kc_shape(c, "n=%zu step=%a eps=%a weight_decay=%a decay=%a", c->N, (double)c->adam.step, (double)c->adam.eps,
             (double)c->adam.weight_decay, (double)c->adam.decay);
}

static void adam_call(const struct lk_kernels *k, struct kc *c)
{
    *(uint32_t *)kc_p(c, 4) = (uint32_t)k->adam(c->N, kc_p(c, 0), kc_p(c, 1), kc_p(c, 2), kc_p(c, 3), &c->adam);
}

const struct kc_case kc_case_adam = {adam_setup, adam_call};
