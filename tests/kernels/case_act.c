/* SPDX-License-Identifier: MIT
 * Checker cases of the elementwise kernels: activations, their gradients, exp, log, add. */
#include "kc.h"

static size_t draw_length(struct kc *c)
{
    return kc_below(c, 40) ? kc_dim(c, 200) : kc_dim(c, 5000);
}

static void map1_setup(struct kc *c)
{
    c->N = draw_length(c);
    kc_vector(c, KC_IN, "x", c->N);
    kc_vector(c, KC_OUT, "y", c->N);
    kc_may_equal(c, 0);
    kc_shape(c, "n=%zu", c->N);
}

#define MAP1(kernel)                                                                                                   \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->N, kc_p(c, 0), kc_p(c, 1));                                                                       \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {map1_setup, call_##kernel};

MAP1(relu_fwd)
MAP1(sigmoid_fwd)
MAP1(tanh_fwd)
MAP1(exp)
MAP1(log)

static void map2_setup(struct kc *c)
{
    c->N = draw_length(c);
    kc_vector(c, KC_IN, "a", c->N);
    kc_vector(c, KC_IN, "b", c->N);
    kc_vector(c, KC_OUT, "y", c->N);
    kc_may_equal(c, 1);
    kc_shape(c, "n=%zu", c->N);
}

/* As the gradients, and the output may equal the first input too. */
static void add_setup(struct kc *c)
{
    map2_setup(c);
    kc_may_equal(c, (int)kc_below(c, 2));
}

#define MAP2(kernel, setup)                                                                                            \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->N, kc_p(c, 0), kc_p(c, 1), kc_p(c, 2));                                                           \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {setup, call_##kernel};

MAP2(relu_bwd, map2_setup)
MAP2(sigmoid_bwd, map2_setup)
MAP2(tanh_bwd, map2_setup)
MAP2(add, add_setup)
