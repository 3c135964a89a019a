/* SPDX-License-Identifier: MIT
 * Checker cases of the elementwise kernels: activations, their gradients, functions, arithmetic. */
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
MAP1(gelu_fwd)
MAP1(gelu_tanh_fwd)
MAP1(silu_fwd)
MAP1(log1p)
MAP1(erf)

static void scalar_map1_setup(struct kc *c)
{
    c->scale = kc_float(c);
    map1_setup(c);
    kc_shape(c, "n=%zu scalar=%a", c->N, (double)c->scale);
}

#define SCALAR_MAP1(kernel)                                                                                            \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->N, c->scale, kc_p(c, 0), kc_p(c, 1));                                                             \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {scalar_map1_setup, call_##kernel};

SCALAR_MAP1(leaky_relu_fwd)
SCALAR_MAP1(scale)

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
static void any_setup(struct kc *c)
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
MAP2(add, any_setup)
MAP2(gelu_bwd, any_setup)
MAP2(gelu_tanh_bwd, any_setup)
MAP2(silu_bwd, any_setup)
MAP2(sub, any_setup)
MAP2(mul, any_setup)
MAP2(div, any_setup)

/* Elements of the second input that equal those of the first: some in every other case, zeros of both signs too. */
static void draw_ties(struct kc *c)
{
    const float *a = kc_contents(c, 0);
    float *b = kc_contents(c, 1);

    for (size_t i = 0; c->id / KC_FILLS % 2 && i < c->N; i++)
        if (!kc_below(c, 4))
            b[i] = a[i] == 0.0f && kc_below(c, 2) ? -a[i] : a[i];
}

static void ties_setup(struct kc *c)
{
    any_setup(c);
    draw_ties(c);
}

MAP2(maximum, ties_setup)
MAP2(minimum, ties_setup)

static void maximum_bwd_setup(struct kc *c)
{
    c->N = draw_length(c);
    kc_vector(c, KC_IN, "a", c->N);
    kc_vector(c, KC_IN, "b", c->N);
    kc_vector(c, KC_IN, "g", c->N);
    kc_vector(c, KC_OUT, "da", c->N);
    kc_may_equal(c, (int)kc_below(c, 3));
    draw_ties(c);
    kc_shape(c, "n=%zu", c->N);
}

static void maximum_bwd_call(const struct lk_kernels *k, struct kc *c)
{
    k->maximum_bwd(c->N, kc_p(c, 0), kc_p(c, 1), kc_p(c, 2), kc_p(c, 3));
}

const struct kc_case kc_case_maximum_bwd = {maximum_bwd_setup, maximum_bwd_call};

static void scalar_map2_setup(struct kc *c)
{
    c->scale = kc_float(c);
    any_setup(c);
    kc_shape(c, "n=%zu scalar=%a", c->N, (double)c->scale);
}

/* The first input is a probability in three of four cases. */
static void bce_bwd_setup(struct kc *c)
{
    scalar_map2_setup(c);
    if (kc_below(c, 4))
        for (size_t i = 0; i < c->N; i++)
            kc_probability(kc_contents(c, 0), i);
}

#define SCALAR_MAP2(kernel, setup)                                                                                     \
    static void call_##kernel(const struct lk_kernels *k, struct kc *c)                                                \
    {                                                                                                                  \
        k->kernel(c->N, c->scale, kc_p(c, 0), kc_p(c, 1), kc_p(c, 2));                                                 \
    }                                                                                                                  \
    const struct kc_case kc_case_##kernel = {setup, call_##kernel};

SCALAR_MAP2(leaky_relu_bwd, scalar_map2_setup)
SCALAR_MAP2(mse_bwd, scalar_map2_setup)
SCALAR_MAP2(bce_bwd, bce_bwd_setup)
SCALAR_MAP2(bce_logits_bwd, scalar_map2_setup)
