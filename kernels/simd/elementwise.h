/* SPDX-License-Identifier: MIT
 * Elementwise kernels over n floats: whole vectors, then one masked tail. */
#ifndef LK_SIMD_ELEMENTWISE_H
#define LK_SIMD_ELEMENTWISE_H

#include "simd/math.h"

#define LK_MAP1(name, op)                                                                                              \
    static void name(size_t n, const float *x, float *y)                                                               \
    {                                                                                                                  \
        size_t i = 0;                                                                                                  \
                                                                                                                       \
        for (; i + VL <= n; i += VL)                                                                                   \
            v_store(y + i, op(v_load(x + i)));                                                                         \
        if (i < n)                                                                                                     \
            v_store_n(y + i, op(v_load_n(x + i, n - i)), n - i);                                                       \
    }

#define LK_MAP2(name, op)                                                                                              \
    static void name(size_t n, const float *a, const float *b, float *y)                                               \
    {                                                                                                                  \
        size_t i = 0;                                                                                                  \
                                                                                                                       \
        for (; i + VL <= n; i += VL)                                                                                   \
            v_store(y + i, op(v_load(a + i), v_load(b + i)));                                                          \
        if (i < n)                                                                                                     \
            v_store_n(y + i, op(v_load_n(a + i, n - i), v_load_n(b + i, n - i)), n - i);                               \
    }

#define LK_MAP3(name, op)                                                                                              \
    static void name(size_t n, const float *a, const float *b, const float *c, float *y)                               \
    {                                                                                                                  \
        size_t i = 0;                                                                                                  \
                                                                                                                       \
        for (; i + VL <= n; i += VL)                                                                                   \
            v_store(y + i, op(v_load(a + i), v_load(b + i), v_load(c + i)));                                           \
        if (i < n)                                                                                                     \
            v_store_n(y + i, op(v_load_n(a + i, n - i), v_load_n(b + i, n - i), v_load_n(c + i, n - i)), n - i);       \
    }

/* With a scalar, the first operand of op. */
#define LK_SCALAR_MAP1(name, op)                                                                                       \
    static void name(size_t n, float scalar, const float *x, float *y)                                                 \
    {                                                                                                                  \
        const vf s = v_set1(scalar);                                                                                   \
        size_t i = 0;                                                                                                  \
                                                                                                                       \
        for (; i + VL <= n; i += VL)                                                                                   \
            v_store(y + i, op(s, v_load(x + i)));                                                                      \
        if (i < n)                                                                                                     \
            v_store_n(y + i, op(s, v_load_n(x + i, n - i)), n - i);                                                    \
    }

#define LK_SCALAR_MAP2(name, op)                                                                                       \
    static void name(size_t n, float scalar, const float *a, const float *b, float *y)                                 \
    {                                                                                                                  \
        const vf s = v_set1(scalar);                                                                                   \
        size_t i = 0;                                                                                                  \
                                                                                                                       \
        for (; i + VL <= n; i += VL)                                                                                   \
            v_store(y + i, op(s, v_load(a + i), v_load(b + i)));                                                       \
        if (i < n)                                                                                                     \
            v_store_n(y + i, op(s, v_load_n(a + i, n - i), v_load_n(b + i, n - i)), n - i);                            \
    }

LK_MAP1(relu_fwd, v_relu)
LK_MAP1(sigmoid_fwd, v_sigmoid)
LK_MAP1(tanh_fwd, v_tanh)
LK_MAP1(exp_map, v_exp)
LK_MAP1(log_map, v_log)
LK_MAP2(relu_bwd, v_relu_bwd)
LK_MAP2(sigmoid_bwd, v_sigmoid_bwd)
LK_MAP2(tanh_bwd, v_tanh_bwd)
LK_MAP2(add, v_add)
LK_SCALAR_MAP1(leaky_relu_fwd, v_leaky_relu)
LK_SCALAR_MAP2(leaky_relu_bwd, v_leaky_relu_bwd)
LK_MAP1(gelu_fwd, v_gelu)
LK_MAP2(gelu_bwd, v_gelu_bwd)
LK_MAP1(gelu_tanh_fwd, v_gelu_tanh)
LK_MAP2(gelu_tanh_bwd, v_gelu_tanh_bwd)
LK_MAP1(silu_fwd, v_silu)
LK_MAP2(silu_bwd, v_silu_bwd)
LK_MAP1(log1p_map, v_log1p)
LK_MAP1(erf_map, v_erf)
LK_MAP2(sub, v_sub)
LK_MAP2(mul, v_mul)
LK_MAP2(div_map, v_div)
LK_MAP2(maximum, v_maximum)
LK_MAP2(minimum, v_minimum)
LK_MAP3(maximum_bwd, v_maximum_bwd)
LK_SCALAR_MAP1(scale, v_mul)

static inline void sgd_one(vf grad, vf *w, vf *m, const struct lk_sgd *p)
{
    const vf mu = v_set1(p->momentum);
    vf g = v_fma(v_set1(p->weight_decay), *w, grad), d;

    *m = v_fma(mu, *m, g);
    d = p->nesterov ? v_fma(mu, *m, g) : *m;
    *w = v_fma(v_set1(-p->lr), d, *w);
}

static int sgd(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *sgd)
{
    const struct lk_sgd p = *sgd; /* a copy that no store can change */
    vf odd = v_zero();            /* NaN once a weight is not finite: x - x is +0 of all others */
    size_t i = 0;

    for (; i + VL <= n; i += VL) {
        vf wv = v_load(w + i), mv = v_load(m + i);

        sgd_one(v_load(grad + i), &wv, &mv, &p);
        odd = v_add(odd, v_sub(wv, wv));
        v_store(w + i, wv);
        v_store(m + i, mv);
    }
    if (i < n) {
        vf wv = v_load_n(w + i, n - i), mv = v_load_n(m + i, n - i);

        sgd_one(v_load_n(grad + i, n - i), &wv, &mv, &p);
        wv = v_keep(wv, n - i, v_zero());
        odd = v_add(odd, v_sub(wv, wv));
        v_store_n(w + i, wv, n - i);
        v_store_n(m + i, mv, n - i);
    }
    return !v_bits(v_isnan(odd));
}

static inline void adam_one(vf grad, vf *w, vf *m, vf *v, const struct lk_adam *p)
{
    vf x = v_mul(*w, v_set1(p->decay)), g = v_fma(v_set1(p->weight_decay), x, grad), d;

    *m = v_fma(v_set1(p->beta1c), v_sub(g, *m), *m);
    *v = v_fma(v_set1(p->beta2c), v_mul(g, g), v_mul(v_set1(p->beta2), *v));
    d = v_fma(v_sqrt(*v), v_set1(p->rbias2), v_set1(p->eps));
    *w = v_fma(v_set1(-p->step), v_div(*m, d), x);
}

static int adam(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *adam)
{
    const struct lk_adam p = *adam;
    vf odd = v_zero(); /* NaN once a weight is not finite: x - x is +0 of all others */
    size_t i = 0;

    for (; i + VL <= n; i += VL) {
        vf wv = v_load(w + i), mv = v_load(m + i), vv = v_load(v + i);

        adam_one(v_load(grad + i), &wv, &mv, &vv, &p);
        odd = v_add(odd, v_sub(wv, wv));
        v_store(w + i, wv);
        v_store(m + i, mv);
        v_store(v + i, vv);
    }
    if (i < n) {
        vf wv = v_load_n(w + i, n - i), mv = v_load_n(m + i, n - i), vv = v_load_n(v + i, n - i);

        adam_one(v_load_n(grad + i, n - i), &wv, &mv, &vv, &p);
        wv = v_keep(wv, n - i, v_zero());
        odd = v_add(odd, v_sub(wv, wv));
        v_store_n(w + i, wv, n - i);
        v_store_n(m + i, mv, n - i);
        v_store_n(v + i, vv, n - i);
    }
    return !v_bits(v_isnan(odd));
}

#endif
