/* SPDX-License-Identifier: MIT
 * Elementwise kernels: activations and their gradients, exp, log, log1p, erf, arithmetic, optimisers. */
#include "ref/ref.h"

void LK_FN(relu_fwd)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = relu_f32(x[i]);
}

void LK_FN(sigmoid_fwd)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = sigmoid_f32(x[i]);
}

void LK_FN(tanh_fwd)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = tanh_f32(x[i]);
}

void LK_FN(exp)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = exp_f32(x[i]);
}

void LK_FN(log)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = log_f32(x[i]);
}

void LK_FN(relu_bwd)(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = act_bwd_f32(LK_ACT_RELU, y[i], dy[i]);
}

void LK_FN(sigmoid_bwd)(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = act_bwd_f32(LK_ACT_SIGMOID, y[i], dy[i]);
}

void LK_FN(tanh_bwd)(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = act_bwd_f32(LK_ACT_TANH, y[i], dy[i]);
}

void LK_FN(add)(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void LK_FN(leaky_relu_fwd)(size_t n, float slope, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

void LK_FN(leaky_relu_bwd)(size_t n, float slope, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        float d = daz_f32(dy[i]);

        dx[i] = x[i] > 0.0f ? d : slope * d;
    }
}

/* a not above limit, NaN passes. */
static float cut_above(float a, float limit)
{
    return limit < a ? limit : a;
}

static float cut_below(float a, float limit)
{
    return limit > a ? limit : a;
}

/* Phi(-a) = q p s for a = |x| cut to 13.25; p s = e^(-a^2 / 2), s a power of two or +0. */
struct gelu_parts {
    float a, p, s, q;
};

static struct gelu_parts gelu_split(float x)
{
    struct gelu_parts g;
    struct exp_parts e;
    float h, l, u, q;

    g.a = cut_above(fabsf(x), 13.25f);
    h = g.a * g.a;
    l = fma_f32(g.a, g.a, -h);
    e = exp_split2(h * -0.5f, l * -0.5f);
    g.p = exp_rest(e);
    g.s = exp_scale(e);
    u = g.a / (g.a + 3.375f);
    q = fma_f32(u, 0x1.50d4acp-6f, -0x1.1a5baap-4f);
    q = fma_f32(q, u, 0x1.df6a56p-5f);
    q = fma_f32(q, u, 0x1.39d900p-6f);
    q = fma_f32(q, u, 0x1.ed8b94p-6f);
    q = fma_f32(q, u, -0x1.212e8cp-3f);
    q = fma_f32(q, u, -0x1.bbdddap-4f);
    q = fma_f32(q, u, 0x1.4f4016p-1f);
    q = fma_f32(q, u, -0x1.b15f46p-1f);
    q = fma_f32(q, u, 0.5f);
    g.q = q * (1.0f - u);
    return g;
}

void LK_FN(gelu_fwd)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        struct gelu_parts g = gelu_split(x[i]);
        float w = g.q * g.p;

        y[i] = x[i] > 0.0f ? x[i] * fma_f32(-w, g.s, 1.0f) : cut_below(x[i], -13.25f) * w * g.s;
    }
}

void LK_FN(gelu_bwd)(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        struct gelu_parts g = gelu_split(x[i]);
        float w = g.p * fma_f32(-g.a, 0x1.988454p-2f, g.q) * g.s;

        dx[i] = dy[i] * (x[i] > 0.0f ? 1.0f - w : w);
    }
}

#define TANH_1     0x1.988454p+0f /* 2 sqrt(2 / pi) in two words */
#define TANH_1_LOW -0x1.857936p-25f
#define TANH_3     0x1.2444f2p-4f /* 0.044715 times that */

/* 0.5 (1 + tanh) = 1 / (1 + e^(x (g + gl))), g + gl = -(TANH_1 + TANH_3 x^2) in two words, |x| <= 10.04. */
static float gelu_tanh_cdf(float x)
{
    float z = x * x, zl = fma_f32(x, x, -z), g = fma_f32(z, -TANH_3, -TANH_1), gl, n = x * g;

    gl = fma_f32(z, -TANH_3, -TANH_1 - g) + fma_f32(zl, -TANH_3, -TANH_1_LOW);
    return sigmoid_of(exp_split2(n, fma_f32(x, gl, fma_f32(x, g, -n))));
}

void LK_FN(gelu_tanh_fwd)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        float a = cut_below(x[i], -10.04f);

        y[i] = a * gelu_tanh_cdf(cut_above(a, 10.04f));
    }
}

void LK_FN(gelu_tanh_bwd)(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        float a = -cut_above(fabsf(x[i]), 10.04f), c = gelu_tanh_cdf(a);
        float w = c * fma_f32(a * (1.0f - c), fma_f32(a * a, 3.0f * TANH_3, TANH_1), 1.0f);

        dx[i] = dy[i] * (x[i] > 0.0f ? 1.0f - w : w);
    }
}

void LK_FN(silu_fwd)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = cut_below(x[i], -88.0f) * sigmoid_f32(x[i]);
}

void LK_FN(silu_bwd)(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        float a = cut_above(cut_below(x[i], -88.0f), 88.0f), s = sigmoid_f32(a);

        dx[i] = dy[i] * (s * fma_f32(a, 1.0f - s, 1.0f));
    }
}

void LK_FN(log1p)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = log1p_f32(x[i]);
}

/* x + x P(x^2) */
static float erf_near(float x)
{
    float z = x * x, p = fma_f32(z, -0x1.3ba5aap-11f, 0x1.479c18p-8f);

    p = fma_f32(p, z, -0x1.b69b8ep-6f);
    p = fma_f32(p, z, 0x1.ce1b86p-4f);
    p = fma_f32(p, z, -0x1.8126ecp-2f);
    p = fma_f32(p, z, 0x1.06eba6p-3f);
    return fma_f32(p, x, x);
}

/* 1 - e^P(a) for 0.875 <= a; from 3.93 on 1. */
static float erf_far(float a)
{
    struct exp_parts e;
    float p = fma_f32(a, 0x1.a5835cp-13f, -0x1.954f18p-9f);

    p = fma_f32(p, a, 0x1.6f54b8p-6f);
    p = fma_f32(p, a, -0x1.ab5314p-4f);
    p = fma_f32(p, a, -0x1.460274p-1f);
    p = fma_f32(p, a, -0x1.20c06ap+0f);
    e = exp_split(fma_f32(p, a, -0x1.182d7cp-13f));
    return fma_f32(-exp_rest(e), exp_scale(e), 1.0f);
}

void LK_FN(erf)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        float a = fabsf(x[i]);

        y[i] = a < 0.875f ? erf_near(x[i]) : copysignf(erf_far(cut_above(a, 3.93f)), x[i]);
    }
}

void LK_FN(sub)(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

void LK_FN(mul)(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

void LK_FN(div)(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] / b[i];
}

void LK_FN(maximum)(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = daz_f32(a[i] != a[i] || a[i] > b[i] ? a[i] : b[i]);
}

void LK_FN(minimum)(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = daz_f32(a[i] != a[i] || a[i] < b[i] ? a[i] : b[i]);
}

void LK_FN(maximum_bwd)(size_t n, const float *a, const float *b, const float *g, float *da)
{
    for (size_t i = 0; i < n; i++) {
        float d = daz_f32(g[i]);

        da[i] = a[i] > b[i] ? d : a[i] == b[i] ? d * 0.5f : 0.0f;
    }
}

void LK_FN(scale)(size_t n, float alpha, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = alpha * x[i];
}

int LK_FN(sgd)(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p)
{
    for (size_t i = 0; i < n; i++) {
        float g = fma_f32(p->weight_decay, w[i], grad[i]);

        m[i] = fma_f32(p->momentum, m[i], g);
        w[i] = fma_f32(-p->lr, p->nesterov ? fma_f32(p->momentum, m[i], g) : m[i], w[i]);
    }
    return LK_FN(finite)(n, w);
}

int LK_FN(adam)(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p)
{
    for (size_t i = 0; i < n; i++) {
        float x = w[i] * p->decay, g = fma_f32(p->weight_decay, x, grad[i]);

        m[i] = fma_f32(p->beta1c, g - m[i], m[i]);
        v[i] = fma_f32(p->beta2c, g * g, p->beta2 * v[i]);
        w[i] = fma_f32(-p->step, m[i] / fma_f32(__builtin_sqrtf(v[i]), p->rbias2, p->eps), x);
    }
    return LK_FN(finite)(n, w);
}
