/* SPDX-License-Identifier: MIT
 * Elementwise kernels: activations and their gradients, exp, log, sums, optimisers. */
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

void LK_FN(sgd)(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p)
{
    for (size_t i = 0; i < n; i++) {
        float g = fma_f32(p->weight_decay, w[i], grad[i]);

        m[i] = fma_f32(p->momentum, m[i], g);
        w[i] = fma_f32(-p->lr, p->nesterov ? fma_f32(p->momentum, m[i], g) : m[i], w[i]);
    }
}

void LK_FN(adam)(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p)
{
    for (size_t i = 0; i < n; i++) {
        float x = w[i] * p->decay, g = fma_f32(p->weight_decay, x, grad[i]);

        m[i] = fma_f32(p->beta1c, g - m[i], m[i]);
        v[i] = fma_f32(p->beta2c, g * g, p->beta2 * v[i]);
        w[i] = fma_f32(-p->step, m[i] / fma_f32(__builtin_sqrtf(v[i]), p->rbias2, p->eps), x);
    }
}

double LK_FN(peak_fma)(size_t n)
{
    enum { CHAINS = 10 };
    float c[CHAINS] = {0};

    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < CHAINS; j++) {
            c[j] = fma_f32(c[j], 0.5f, 1.0f);
            __asm__ volatile("" : "+x"(c[j]));
        }
    return 2.0 * CHAINS * (double)n;
}
