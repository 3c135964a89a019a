/* SPDX-License-Identifier: MIT
 * Losses of samples and their gradients: mean squared error, binary cross entropy of probabilities and of logits. */
#include "ref/ref.h"

enum { P = LK_PANEL };

/* What an element adds to its lane. */
typedef float lane_fn(float x, float t, float lane);

static void losses(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss,
                   lane_fn *add)
{
    for (size_t b = 0; b < B; b++) {
        float lane[P] = {0};

        for (size_t c = 0; c < C; c++)
            for (size_t l = 0; l < L; l++)
                lane[c % P] = add(x.p[c / P * x.ld + (b * x.pitch + l) * P + c % P],
                                  t.p[c / P * t.ld + (b * t.pitch + l) * P + c % P], lane[c % P]);
        loss[b] = alpha * lanes_sum(lane);
    }
}

static float mse_add(float x, float t, float lane)
{
    return fma_f32(x - t, x - t, lane);
}

/* Not below -100; NaN passes. */
static float log_cut(float x)
{
    float y = log_f32(x);

    return y < -100.0f ? -100.0f : y;
}

static float bce_add(float x, float t, float lane)
{
    return lane - fma_f32(t, log_cut(x), (1.0f - t) * log_cut(1.0f - x));
}

static float bce_logits_add(float x, float t, float lane)
{
    return lane + (relu_f32(x) - x * t + log1p_f32(exp_f32(-fabsf(x))));
}

void LK_FN(mse_fwd)(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss)
{
    losses(B, C, L, alpha, x, t, loss, mse_add);
}

void LK_FN(bce_fwd)(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss)
{
    losses(B, C, L, alpha, x, t, loss, bce_add);
}

void LK_FN(bce_logits_fwd)(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss)
{
    losses(B, C, L, alpha, x, t, loss, bce_logits_add);
}

void LK_FN(mse_bwd)(size_t n, float alpha, const float *x, const float *t, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = (x[i] - t[i]) * alpha;
}

void LK_FN(bce_bwd)(size_t n, float alpha, const float *x, const float *t, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        float v = (1.0f - x[i]) * x[i];

        dx[i] = (x[i] - t[i]) / (v < 1e-12f ? 1e-12f : v) * alpha;
    }
}

void LK_FN(bce_logits_bwd)(size_t n, float alpha, const float *x, const float *t, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = (sigmoid_f32(x[i]) - t[i]) * alpha;
}
