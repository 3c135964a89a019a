/* SPDX-License-Identifier: MIT
 *
 * What the reference kernels share: their name scheme, the exact fma, scalar exp, log, log1p, sigmoid, tanh, and the
 * sum of 16 lanes. Compiled twice: with LK_REF=ref (plain x86-64, an fma of our own) and LK_REF=ref_fma (-mfma); both
 * give the same bits.
 */
#ifndef LK_REF_H
#define LK_REF_H

#include "kernels.h"

#include <math.h>
#include <string.h>

#define LK_CAT2(a, b, c) a##b##_##c
#define LK_CAT(a, b, c)  LK_CAT2(a, b, c)
#define LK_FN(name)      LK_CAT(lk_, name, LK_REF)

/* Valid columns of panel p of N. */
static inline size_t width(size_t N, size_t p)
{
    return N - p * LK_PANEL < LK_PANEL ? N - p * LK_PANEL : LK_PANEL;
}

static inline uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/*
 * a * b + c rounded once. Without hardware: the product of two floats is exact in double; the sum is rounded to odd by
 * its exact error (Boldo and Melquiond 2008), so that the conversion to float rounds like one operation; MXCSR's FTZ
 * and DAZ act in the conversions.
 */
static inline float fma_f32(float a, float b, float c)
{
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, d = (double)c, s = p + d, t = s - p, e = (p - (s - t)) + (d - t);
    uint64_t u;

    memcpy(&u, &s, sizeof u);
    if ((u >> 52 & 0x7ff) != 0x7ff && e != 0.0 && !(u & 1)) {
        u = (e > 0.0) == (s > 0.0) ? u + 1 : u - 1;
        memcpy(&s, &u, sizeof s);
    }
    return (float)s;
#endif
}

#define LN2_HI 0x1.62e4p-1f /* 15 bits: k * LN2_HI is exact for |k| < 512 */
#define LN2_LO 0x1.7f7d1cp-20f

/* x = k ln2 + r, |r| <= ln2 / 2: h = x - k LN2_HI is exact, r near h + l, z near r^2. */
struct exp_parts {
    float t, h, l, r, z; /* t holds k in its low bits (1.5 * 2^23 + k) */
};

static inline struct exp_parts exp_split(float x)
{
    struct exp_parts e;
    float k;

    e.t = fma_f32(x, 0x1.715476p+0f, 0x1.8p23f);
    k = e.t - 0x1.8p23f;
    e.h = fma_f32(k, -LN2_HI, x);
    e.l = k * -LN2_LO;
    e.r = fma_f32(k, -LN2_LO, e.h);
    e.z = e.r * e.r;
    return e;
}

/* As exp_split of x + low, low the rounding error of x. */
static inline struct exp_parts exp_split2(float x, float low)
{
    struct exp_parts e;
    float k;

    e.t = fma_f32(x, 0x1.715476p+0f, 0x1.8p23f);
    k = e.t - 0x1.8p23f;
    e.h = fma_f32(k, -LN2_HI, x);
    e.l = fma_f32(k, -LN2_LO, low);
    e.r = e.h + e.l;
    e.z = e.r * e.r;
    return e;
}

/* 2^k for -126 <= k <= 127, +0 for k = -127. */
static inline float exp_scale(struct exp_parts e)
{
    return float_of((bits_of(e.t) << 23) + 0x3f800000u);
}

/* (e^r - 1 - r) / r^2 to 2^-26 of e^r. */
static inline float exp_poly(struct exp_parts e)
{
    float q = fma_f32(e.r, 0x1.6b1b1ap-10f, 0x1.122964p-7f);

    q = fma_f32(q, e.z, fma_f32(e.r, 0x1.5556d4p-5f, 0x1.5554aep-3f));
    return fma_f32(q, e.r, 0.5f);
}

/* e^r */
static inline float exp_rest(struct exp_parts e)
{
    return fma_f32(fma_f32(exp_poly(e), e.r, 1.0f), e.r, 1.0f);
}

static inline float exp_f32(float x)
{
    struct exp_parts e;

    if (!(x < 0x1.62e43p+6f))
        return x + INFINITY;
    if (!(x > -0x1.5d58ap+6f))
        return 0.0f;
    e = exp_split(x);
    return float_of(bits_of(exp_rest(e)) + (bits_of(e.t) << 23));
}

/* expm1 for -0.35 <= x <= 30. One degree more than exp: the error counts in ULP of expm1(r). */
static inline float expm1_f32(float x)
{
    struct exp_parts e = exp_split(x);
    float s = exp_scale(e), q;

    q = fma_f32(e.r, 0x1.9fb2fcp-13f, 0x1.6d4084p-10f);
    q = fma_f32(q, e.r, 0x1.1111d2p-7f);
    q = fma_f32(q, e.z, fma_f32(e.r, 0x1.5554f2p-5f, 0x1.555554p-3f));
    q = fma_f32(q, e.r, 0.5f);
    q = fma_f32(q, e.z, e.l);
    return fma_f32(s, q, fma_f32(s, e.h, s - 1.0f));
}

/* The k of x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). */
static inline int32_t log_exponent(float x)
{
    return (int32_t)(bits_of(x) - 0x3f3504f3u) >> 23;
}

/* x 2^-k by its exponent. */
static inline float log_scale(float x, int32_t k)
{
    return float_of(bits_of(x) - ((uint32_t)k << 23));
}

/* k ln2 + ln(1 + f) */
static inline float log_of(float k, float f)
{
    float z = f * f, p = 0x1.204376p-4f, y;

    p = fma_f32(p, f, -0x1.d7a37p-4f);
    p = fma_f32(p, f, 0x1.de4a34p-4f);
    p = fma_f32(p, f, -0x1.fcba9ep-4f);
    p = fma_f32(p, f, 0x1.23d37ep-3f);
    p = fma_f32(p, f, -0x1.555ca0p-3f);
    p = fma_f32(p, f, 0x1.999d58p-3f);
    p = fma_f32(p, f, -0x1.fffff8p-3f);
    p = fma_f32(p, f, 0x1.555554p-2f);
    y = fma_f32(p * f, z, k * LN2_LO);
    y = fma_f32(-0.5f, z, y);
    return fma_f32(k, LN2_HI, f + y);
}

static inline float log_f32(float x)
{
    int32_t k;

    if (x != x || x < 0.0f)
        return NAN;
    if (x == 0.0f)
        return -INFINITY;
    if (x == INFINITY)
        return x;
    k = log_exponent(x);
    return log_of((float)k, log_scale(x, k) - 1.0f);
}

/* f = x 2^-k + (2^-k - 1), rounded once as k < 25; 2^-128, which is no float, counts as 0. The sign is that of x. */
static inline float log1p_f32(float x)
{
    int32_t k;
    float s;

    if (x != x || x < -1.0f)
        return NAN;
    if (x == -1.0f)
        return -INFINITY;
    if (x == INFINITY)
        return x;
    k = log_exponent(1.0f + x);
    s = k < 127 ? log_scale(1.0f, k) : 0.0f;
    return copysignf(log_of((float)k, log_scale(x, k) + (s - 1.0f)), x);
}

/* 1 / (1 + e^(k ln2 + r)): 1 + 2^k = c + l exactly, so the divisor is rounded once. */
static inline float sigmoid_of(struct exp_parts e)
{
    float s = exp_scale(e), c = s + 1.0f, l = s - c + 1.0f, p = e.h + fma_f32(exp_poly(e), e.z, e.l);

    return 1.0f / (fma_f32(s, p, l) + c);
}

/* From -x = 88 on the result is below 2^-126: FTZ makes it 0. */
static inline float sigmoid_f32(float x)
{
    float n = -x;

    if (x != x)
        return x;
    n = n > 88.0f ? 88.0f : n;
    n = n < -80.0f ? -80.0f : n;
    return sigmoid_of(exp_split(n));
}

/* The sign of the exponent decides the error: below the threshold expm1(-a) + 2 < 2 has the finer ULP, above expm1(a).
 */
static inline float tanh_f32(float x)
{
    float a = 2.0f * fabsf(x), e;

    if (x != x)
        return x;
    a = a > 20.0f ? 20.0f : a;
    e = expm1_f32(a > 0x1.62ep-2f ? a : -a);
    return copysignf(e / (e + 2.0f), x);
}

/* A subnormal counts as 0 of its sign: said where no arithmetic says it. */
static inline float daz_f32(float x)
{
    return bits_of(x) & 0x7f800000u ? x : float_of(bits_of(x) & 0x80000000u);
}

static inline float relu_f32(float x)
{
    x = daz_f32(x);
    return 0.0f > x ? 0.0f : x;
}

/* g times the derivative of act, from the activated value y. */
static inline float act_bwd_f32(enum lk_act act, float y, float g)
{
    switch (act) {
    case LK_ACT_RELU:
        return y > 0.0f ? g : 0.0f;
    case LK_ACT_SIGMOID:
        return g * (y * (1.0f - y));
    case LK_ACT_TANH:
        return g * fma_f32(-y, y, 1.0f);
    case LK_ACT_NONE:
        break;
    }
    return g;
}

static inline float act_fwd_f32(enum lk_act act, float x)
{
    switch (act) {
    case LK_ACT_RELU:
        return relu_f32(x);
    case LK_ACT_SIGMOID:
        return sigmoid_f32(x);
    case LK_ACT_TANH:
        return tanh_f32(x);
    case LK_ACT_NONE:
        break;
    }
    return x;
}

/* The sum of a panel row: lane l takes lane l + 8, l + 4, l + 2, l + 1. */
static inline float lanes_sum(float lane[LK_PANEL])
{
    for (size_t h = LK_PANEL / 2; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++)
            lane[l] = lane[l] + lane[l + h];
    return lane[0];
}

/* Where element (b, c, l) of a value in sample form lies. */
static inline size_t place_of(size_t ld, size_t pitch, size_t b, size_t c, size_t l)
{
    return c / LK_PANEL * ld + (b * pitch + l) * LK_PANEL + c % LK_PANEL;
}

#define X(k) lk_##k##_fn LK_FN(k);
LK_KERNELS(X)
#undef X

#endif
