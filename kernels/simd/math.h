/* SPDX-License-Identifier: MIT
 * exp, expm1, log, sigmoid, tanh and the activations on one vector: the operations of kernels.h in their order. */
#ifndef LK_SIMD_MATH_H
#define LK_SIMD_MATH_H

#include "kernels.h"

/* As struct exp_parts of ref.h. */
struct v_exp_parts {
    vf t, h, l, r, z;
};

static inline struct v_exp_parts v_exp_split(vf x)
{
    const vf magic = v_set1(0x1.8p23f);
    struct v_exp_parts e;
    vf k;

    e.t = v_fma(x, v_set1(0x1.715476p+0f), magic);
    k = v_sub(e.t, magic);
    e.h = v_fnma(k, v_set1(0x1.62e4p-1f), x);
    e.l = v_mul(k, v_set1(-0x1.7f7d1cp-20f));
    e.r = v_fnma(k, v_set1(0x1.7f7d1cp-20f), e.h);
    e.z = v_mul(e.r, e.r);
    return e;
}

/* 2^k for -126 <= k <= 127. */
static inline vf v_exp_scale(struct v_exp_parts e)
{
    return v_as_float(vi_add(vi_shl23(v_as_int(e.t)), vi_set1(0x3f800000)));
}

static inline vf v_exp_poly(struct v_exp_parts e)
{
    vf q = v_fma(e.r, v_set1(0x1.6b1b1ap-10f), v_set1(0x1.122964p-7f));

    q = v_fma(q, e.z, v_fma(e.r, v_set1(0x1.5556d4p-5f), v_set1(0x1.5554aep-3f)));
    return v_fma(q, e.r, v_set1(0.5f));
}

/* The last selection also serves NaN: only x < 88.72284 keeps y, x + inf is inf or NaN. */
static inline vf v_exp(vf x)
{
    const vf one = v_set1(1.0f);
    struct v_exp_parts e = v_exp_split(x);
    vf y = v_fma(v_fma(v_exp_poly(e), e.r, one), e.r, one);

    y = v_as_float(vi_add(v_as_int(y), vi_shl23(v_as_int(e.t))));
    y = v_and(v_gt(x, v_set1(-0x1.5d58ap+6f)), y);
    return v_select(v_gt(v_set1(0x1.62e43p+6f), x), y, v_add(x, v_set1(__builtin_inff())));
}

/* expm1 for -0.35 <= x <= 30; NaN gives NaN. */
static inline vf v_expm1(vf x)
{
    struct v_exp_parts e = v_exp_split(x);
    vf s = v_exp_scale(e), q;

    q = v_fma(e.r, v_set1(0x1.9fb2fcp-13f), v_set1(0x1.6d4084p-10f));
    q = v_fma(q, e.r, v_set1(0x1.1111d2p-7f));
    q = v_fma(q, e.z, v_fma(e.r, v_set1(0x1.5554f2p-5f), v_set1(0x1.555554p-3f)));
    q = v_fma(q, e.r, v_set1(0.5f));
    q = v_fma(q, e.z, e.l);
    return v_fma(s, q, v_fma(s, e.h, v_sub(s, v_set1(1.0f))));
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
    y = v_select(v_gt(inf, x), y, x); /* inf, NaN */
    y = v_select(v_eq(x, v_zero()), v_set1(-__builtin_inff()), y);
    return v_select(v_gt(v_zero(), x), v_set1(__builtin_nanf("")), y);
}

/* v_min and v_max pass on a NaN in their second operand. */
static inline vf v_sigmoid(vf x)
{
    const vf one = v_set1(1.0f);
    vf n = v_max(v_set1(-80.0f), v_min(v_set1(88.0f), v_sub(v_set1(-0.0f), x)));
    struct v_exp_parts e = v_exp_split(n);
    vf s = v_exp_scale(e), c = v_add(s, one), l = v_add(v_sub(s, c), one);
    vf p = v_add(e.h, v_fma(v_exp_poly(e), e.z, e.l));

    return v_div(one, v_add(v_fma(s, p, l), c));
}

static inline vf v_tanh(vf x)
{
    vf a = v_abs(x), e;

    a = v_min(v_set1(20.0f), v_add(a, a));
    e = v_expm1(v_select(v_gt(a, v_set1(0x1.62ep-2f)), a, v_sub(v_set1(-0.0f), a)));
    return v_copysign(v_div(e, v_add(e, v_set1(2.0f))), x);
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
