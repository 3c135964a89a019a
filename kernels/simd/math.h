/* SPDX-License-Identifier: MIT
 * exp, expm1, log, sigmoid, tanh and the activations on one vector: the operations of kernels.h in their order. */
#ifndef LK_SIMD_MATH_H
#define LK_SIMD_MATH_H

#include "kernels.h"

/* x = k ln2 + r; returns expm1(r), the low bits of *t hold k. */
static inline vf v_exp_reduced(vf x, vf *t)
{
    const vf magic = v_set1(0x1.8p23f);
    vf k, r, q;

    *t = v_fma(x, v_set1(0x1.715476p+0f), magic);
    k = v_sub(*t, magic);
    r = v_fnma(k, v_set1(0x1.62e4p-1f), x);
    r = v_fnma(k, v_set1(0x1.7f7d1cp-20f), r);
    q = v_set1(0x1.a0d2cep-13f);
    q = v_fma(q, r, v_set1(0x1.6e879cp-10f));
    q = v_fma(q, r, v_set1(0x1.11121p-7f));
    q = v_fma(q, r, v_set1(0x1.555382p-5f));
    q = v_fma(q, r, v_set1(0x1.555554p-3f));
    q = v_fma(q, r, v_set1(0.5f));
    return v_fma(q, v_mul(r, r), r);
}

static inline vf v_exp(vf x)
{
    vf t, y = v_add(v_exp_reduced(x, &t), v_set1(1.0f));

    y = v_as_float(vi_add(v_as_int(y), vi_shl23(v_as_int(t))));
    y = v_select(v_gt(x, v_set1(0x1.62e42ep+6f)), v_set1(__builtin_inff()), y);
    y = v_select(v_gt(v_set1(-0x1.5d589ep+6f), x), v_zero(), y);
    return v_select(v_isnan(x), x, y);
}

/* expm1 for 0 <= x <= 30. */
static inline vf v_expm1(vf x)
{
    vf t, p = v_exp_reduced(x, &t), s = v_as_float(vi_add(vi_shl23(v_as_int(t)), vi_set1(0x3f800000)));

    return v_fma(s, p, v_sub(s, v_set1(1.0f)));
}

static inline vf v_log(vf x)
{
    const vf inf = v_set1(__builtin_inff());
    vi u = v_as_int(x), e = vi_sar23(vi_sub(u, vi_set1(0x3f3504f3)));
    vf k = v_from_int(e), f = v_sub(v_as_float(vi_sub(u, vi_shl23(e))), v_set1(1.0f)), z = v_mul(f, f), p, y;

    p = v_set1(0x1.204376p-4f);
    p = v_fma(p, f, v_set1(-0x1.d7a37p-4f));
    p = v_fma(p, f, v_set1(0x1.de4a34p-4f));
    p = v_fma(p, f, v_set1(-0x1.fcba9ep-4f));
    p = v_fma(p, f, v_set1(0x1.23d37ep-3f));
    p = v_fma(p, f, v_set1(-0x1.555ca0p-3f));
    p = v_fma(p, f, v_set1(0x1.999d58p-3f));
    p = v_fma(p, f, v_set1(-0x1.fffff8p-3f));
    p = v_fma(p, f, v_set1(0x1.555554p-2f));
    y = v_fma(v_mul(p, f), z, v_mul(k, v_set1(0x1.7f7d1cp-20f)));
    y = v_fma(v_set1(-0.5f), z, y);
    y = v_fma(k, v_set1(0x1.62e4p-1f), v_add(f, y));
    y = v_select(v_eq(x, inf), inf, y);
    y = v_select(v_eq(x, v_zero()), v_set1(-__builtin_inff()), y);
    y = v_select(v_gt(v_zero(), x), v_set1(__builtin_nanf("")), y);
    return v_select(v_isnan(x), x, y);
}

static inline vf v_sigmoid(vf x)
{
    const vf one = v_set1(1.0f);

    return v_div(one, v_add(one, v_exp(v_sub(v_set1(-0.0f), x))));
}

static inline vf v_tanh(vf x)
{
    vf a = v_abs(x), e = v_expm1(v_min(v_add(a, a), v_set1(20.0f)));

    return v_select(v_isnan(x), x, v_copysign(v_div(e, v_add(e, v_set1(2.0f))), x));
}

static inline vf v_relu(vf x)
{
    return v_max(v_zero(), x);
}

/* g times the derivative of the activation, from the activated value y. */
static inline vf v_relu_bwd(vf y, vf g)
{
    return v_and(v_gt(y, v_zero()), g);
}

static inline vf v_sigmoid_bwd(vf y, vf g)
{
    return v_mul(g, v_mul(y, v_sub(v_set1(1.0f), y)));
}

static inline vf v_tanh_bwd(vf y, vf g)
{
    return v_mul(g, v_fnma(y, y, v_set1(1.0f)));
}

#endif
