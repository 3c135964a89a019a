/* SPDX-License-Identifier: MIT
 * exp, expm1, log, log1p, erf, sigmoid, tanh and the activations on one vector: the operations of kernels/ref in their
 * order. */
#ifndef LK_SIMD_MATH_H
#define LK_SIMD_MATH_H

#include "kernels.h"

#ifdef __clang__
#define LK_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LK_UNROLL _Pragma("GCC unroll 32")
#endif
#define LK_INLINE static inline __attribute__((always_inline))

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

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

/* As v_exp_split of x + low, low the rounding error of x. */
static inline struct v_exp_parts v_exp_split2(vf x, vf low)
{
    const vf magic = v_set1(0x1.8p23f);
    struct v_exp_parts e;
    vf k;

    e.t = v_fma(x, v_set1(0x1.715476p+0f), magic);
    k = v_sub(e.t, magic);
    e.h = v_fnma(k, v_set1(0x1.62e4p-1f), x);
    e.l = v_fnma(k, v_set1(0x1.7f7d1cp-20f), low);
    e.r = v_add(e.h, e.l);
    e.z = v_mul(e.r, e.r);
    return e;
}

/* 2^k for -126 <= k <= 127, +0 for k = -127. */
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

/* e^r */
static inline vf v_exp_rest(struct v_exp_parts e)
{
    const vf one = v_set1(1.0f);

    return v_fma(v_fma(v_exp_poly(e), e.r, one), e.r, one);
}

/* The last selection also serves NaN: only x < 88.72284 keeps y, x + inf is inf or NaN. */
static inline vf v_exp(vf x)
{
    struct v_exp_parts e = v_exp_split(x);
    vf y = v_as_float(vi_add(v_as_int(v_exp_rest(e)), vi_shl23(v_as_int(e.t))));

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

/* The k of x = 2^k (1 + f). */
static inline vi v_log_exponent(vf x)
{
    return vi_sar23(vi_sub(v_as_int(x), vi_set1(0x3f3504f3)));
}

/* x 2^-k by its exponent. */
static inline vf v_log_scale(vf x, vi k)
{
    return v_as_float(vi_sub(v_as_int(x), vi_shl23(k)));
}

/* k ln2 + ln(1 + f) */
static inline vf v_log_of(vf k, vf f)
{
    vf z = v_mul(f, f), p = v_set1(0x1.204376p-4f), y;

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
    return v_fma(k, v_set1(0x1.62e4p-1f), v_add(f, y));
}

/* y = ln x where that is special: x is infinite, NaN, at `pole` or below. */
static inline vf v_log_special(vf x, vf pole, vf y)
{
    y = v_select(v_gt(v_set1(__builtin_inff()), x), y, x);
    y = v_select(v_eq(x, pole), v_set1(-__builtin_inff()), y);
    return v_select(v_gt(pole, x), v_set1(__builtin_nanf("")), y);
}

static inline vf v_log(vf x)
{
    vi k = v_log_exponent(x);

    return v_log_special(x, v_zero(), v_log_of(v_from_int(k), v_sub(v_log_scale(x, k), v_set1(1.0f))));
}

/* 2^-128 is -inf by its exponent: the maximum makes it 0. */
static inline vf v_log1p(vf x)
{
    const vf one = v_set1(1.0f);
    vi k = v_log_exponent(v_add(one, x));
    vf s = v_max(v_zero(), v_log_scale(one, k)), f = v_add(v_log_scale(x, k), v_sub(s, one));

    return v_log_special(x, v_set1(-1.0f), v_copysign(v_log_of(v_from_int(k), f), x));
}

/* 1 / (1 + e^(k ln2 + r)) */
static inline vf v_sigmoid_of(struct v_exp_parts e)
{
    const vf one = v_set1(1.0f);
    vf s = v_exp_scale(e), c = v_add(s, one), l = v_add(v_sub(s, c), one);
    vf p = v_add(e.h, v_fma(v_exp_poly(e), e.z, e.l));

    return v_div(one, v_add(v_fma(s, p, l), c));
}

/* v_min and v_max pass on a NaN in their second operand. */
static inline vf v_sigmoid(vf x)
{
    return v_sigmoid_of(v_exp_split(v_max(v_set1(-80.0f), v_min(v_set1(88.0f), v_sub(v_set1(-0.0f), x)))));
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

static inline vf v_leaky_relu(vf slope, vf x)
{
    return v_select(v_gt(x, v_zero()), x, v_mul(slope, x));
}

/* A subnormal counts as 0 of its sign: without this a compiler decides, by x * 1 in place of x, whether it passes. */
static inline vf v_daz(vf x)
{
    return v_select(v_eq(x, v_zero()), v_copysign(v_zero(), x), x);
}

static inline vf v_leaky_relu_bwd(vf slope, vf x, vf g)
{
    g = v_daz(g);
    return v_select(v_gt(x, v_zero()), g, v_mul(slope, g));
}

/* As struct gelu_parts of ref/act.c. */
struct v_gelu_parts {
    vf a, p, s, q;
};

static inline struct v_gelu_parts v_gelu_split(vf x)
{
    const vf half = v_set1(-0.5f);
    struct v_gelu_parts g;
    struct v_exp_parts e;
    vf h, u, q;

    g.a = v_min(v_set1(13.25f), v_abs(x));
    h = v_mul(g.a, g.a);
    e = v_exp_split2(v_mul(h, half), v_mul(v_fms(g.a, g.a, h), half));
    g.p = v_exp_rest(e);
    g.s = v_exp_scale(e);
    u = v_div(g.a, v_add(g.a, v_set1(3.375f)));
    q = v_fma(u, v_set1(0x1.50d4acp-6f), v_set1(-0x1.1a5baap-4f));
    q = v_fma(q, u, v_set1(0x1.df6a56p-5f));
    q = v_fma(q, u, v_set1(0x1.39d900p-6f));
    q = v_fma(q, u, v_set1(0x1.ed8b94p-6f));
    q = v_fma(q, u, v_set1(-0x1.212e8cp-3f));
    q = v_fma(q, u, v_set1(-0x1.bbdddap-4f));
    q = v_fma(q, u, v_set1(0x1.4f4016p-1f));
    q = v_fma(q, u, v_set1(-0x1.b15f46p-1f));
    q = v_fma(q, u, v_set1(0.5f));
    g.q = v_mul(q, v_sub(v_set1(1.0f), u));
    return g;
}

static inline vf v_gelu(vf x)
{
    struct v_gelu_parts g = v_gelu_split(x);
    vf w = v_mul(g.q, g.p), above = v_mul(x, v_fnma(w, g.s, v_set1(1.0f)));
    vf below = v_mul(v_mul(v_max(v_set1(-13.25f), x), w), g.s);

    return v_select(v_gt(x, v_zero()), above, below);
}

static inline vf v_gelu_bwd(vf x, vf g)
{
    struct v_gelu_parts e = v_gelu_split(x);
    vf w = v_mul(v_mul(e.p, v_fnma(e.a, v_set1(0x1.988454p-2f), e.q)), e.s);

    return v_mul(g, v_select(v_gt(x, v_zero()), v_sub(v_set1(1.0f), w), w));
}

#define LK_TANH_1     0x1.988454p+0f /* as in ref/act.c */
#define LK_TANH_1_LOW -0x1.857936p-25f
#define LK_TANH_3     0x1.2444f2p-4f

/* For |x| <= 10.04. */
static inline vf v_gelu_tanh_cdf(vf x)
{
    const vf first = v_set1(-LK_TANH_1), third = v_set1(-LK_TANH_3);
    vf z = v_mul(x, x), zl = v_fms(x, x, z), g = v_fma(z, third, first), n = v_mul(x, g);
    vf gl = v_add(v_fma(z, third, v_sub(first, g)), v_fma(zl, third, v_set1(-LK_TANH_1_LOW)));

    return v_sigmoid_of(v_exp_split2(n, v_fma(x, gl, v_fms(x, g, n))));
}

static inline vf v_gelu_tanh(vf x)
{
    vf a = v_max(v_set1(-10.04f), x);

    return v_mul(a, v_gelu_tanh_cdf(v_min(v_set1(10.04f), a)));
}

static inline vf v_gelu_tanh_bwd(vf x, vf g)
{
    const vf one = v_set1(1.0f);
    vf a = v_sub(v_set1(-0.0f), v_min(v_set1(10.04f), v_abs(x))), c = v_gelu_tanh_cdf(a);
    vf slope = v_fma(v_mul(a, a), v_set1(3.0f * LK_TANH_3), v_set1(LK_TANH_1));
    vf w = v_mul(c, v_fma(v_mul(a, v_sub(one, c)), slope, one));

    return v_mul(g, v_select(v_gt(x, v_zero()), v_sub(one, w), w));
}

static inline vf v_silu(vf x)
{
    return v_mul(v_max(v_set1(-88.0f), x), v_sigmoid(x));
}

static inline vf v_silu_bwd(vf x, vf g)
{
    const vf one = v_set1(1.0f);
    vf a = v_min(v_set1(88.0f), v_max(v_set1(-88.0f), x)), s = v_sigmoid(a);

    return v_mul(g, v_mul(s, v_fma(a, v_sub(one, s), one)));
}

/* x + x P(x^2) */
static inline vf v_erf_near(vf x)
{
    vf z = v_mul(x, x), p = v_fma(z, v_set1(-0x1.3ba5aap-11f), v_set1(0x1.479c18p-8f));

    p = v_fma(p, z, v_set1(-0x1.b69b8ep-6f));
    p = v_fma(p, z, v_set1(0x1.ce1b86p-4f));
    p = v_fma(p, z, v_set1(-0x1.8126ecp-2f));
    p = v_fma(p, z, v_set1(0x1.06eba6p-3f));
    return v_fma(p, x, x);
}

/* 1 - e^P(a) */
static inline vf v_erf_far(vf a)
{
    struct v_exp_parts e;
    vf p = v_fma(a, v_set1(0x1.a5835cp-13f), v_set1(-0x1.954f18p-9f));

    p = v_fma(p, a, v_set1(0x1.6f54b8p-6f));
    p = v_fma(p, a, v_set1(-0x1.ab5314p-4f));
    p = v_fma(p, a, v_set1(-0x1.460274p-1f));
    p = v_fma(p, a, v_set1(-0x1.20c06ap+0f));
    e = v_exp_split(v_fma(p, a, v_set1(-0x1.182d7cp-13f)));
    return v_fnma(v_exp_rest(e), v_exp_scale(e), v_set1(1.0f));
}

static inline vf v_erf(vf x)
{
    vf a = v_abs(x), far = v_erf_far(v_min(v_set1(3.93f), a));

    return v_select(v_gt(v_set1(0.875f), a), v_erf_near(x), v_copysign(far, x));
}

/* a where it is NaN or larger (smaller), else b. */
static inline vf v_maximum(vf a, vf b)
{
    return v_select(v_isnan(a), a, v_max(a, b));
}

static inline vf v_minimum(vf a, vf b)
{
    return v_select(v_isnan(a), a, v_min(a, b));
}

static inline vf v_maximum_bwd(vf a, vf b, vf g)
{
    g = v_daz(g);
    return v_select(v_gt(a, b), g, v_and(v_eq(a, b), v_mul(g, v_set1(0.5f))));
}

#endif
