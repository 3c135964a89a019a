/* SPDX-License-Identifier: MIT
 * Losses of samples and their gradients. A sample is summed over 16 lanes, the channels of a panel row. */
#ifndef LK_SIMD_LOSS_H
#define LK_SIMD_LOSS_H

#include "simd/elementwise.h"
#include "simd/rows.h"

/* What an element adds to its lane. */
typedef vf lane_fn(vf x, vf t, vf lane);

/* One panel of a sample: L rows of n channels. */
LK_INLINE vrow loss_rows(size_t L, size_t n, const float *x, const float *t, vrow sum, lane_fn *take)
{
    for (size_t l = 0; l < L; l++, x += LK_PANEL, t += LK_PANEL)
        for (int j = 0; j < VPP; j++) {
            const size_t first = (size_t)j * VL, rest = n > first ? n - first : 0;
            vf s = take(row_part(x, j, n, v_zero()), row_part(t, j, n, v_zero()), sum.v[j]);

            sum.v[j] = rest < VL ? v_keep(s, rest, sum.v[j]) : s;
        }
    return sum;
}

/* Groups of samples, so that short samples are read along their panels. */
LK_INLINE void losses(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss,
                      lane_fn *take)
{
    enum { GROUP = 8 };
    const vrow zero = {{v_zero()}};

    for (size_t b = 0; b < B; b += GROUP) {
        const size_t group = B - b < GROUP ? B - b : GROUP;
        vrow sum[GROUP];

        for (size_t i = 0; i < group; i++)
            sum[i] = zero;
        for (size_t p = 0; p < lk_panels(C); p++)
            for (size_t i = 0; i < group; i++)
                sum[i] = loss_rows(L, row_width(C, p), x.p + p * x.ld + (b + i) * x.pitch * LK_PANEL,
                                   t.p + p * t.ld + (b + i) * t.pitch * LK_PANEL, sum[i], take);
        for (size_t i = 0; i < group; i++)
            loss[b + i] = alpha * vrow_sum(sum[i]);
    }
}

static inline vf v_mse_add(vf x, vf t, vf lane)
{
    vf d = v_sub(x, t);

    return v_fma(d, d, lane);
}

/* Not below -100; NaN passes. */
static inline vf v_log_cut(vf x)
{
    return v_max(v_set1(-100.0f), v_log(x));
}

static inline vf v_bce_add(vf x, vf t, vf lane)
{
    const vf one = v_set1(1.0f);

    return v_sub(lane, v_fma(t, v_log_cut(x), v_mul(v_sub(one, t), v_log_cut(v_sub(one, x)))));
}

static inline vf v_bce_logits_add(vf x, vf t, vf lane)
{
    vf soft = v_log1p(v_exp(v_sub(v_set1(-0.0f), v_abs(x))));

    return v_add(lane, v_add(v_sub(v_relu(x), v_mul(x, t)), soft));
}

static void mse_fwd(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss)
{
    losses(B, C, L, alpha, x, t, loss, v_mse_add);
}

static void bce_fwd(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss)
{
    losses(B, C, L, alpha, x, t, loss, v_bce_add);
}

static void bce_logits_fwd(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss)
{
    losses(B, C, L, alpha, x, t, loss, v_bce_logits_add);
}

static inline vf v_mse_bwd(vf alpha, vf x, vf t)
{
    return v_mul(v_sub(x, t), alpha);
}

static inline vf v_bce_bwd(vf alpha, vf x, vf t)
{
    vf v = v_max(v_set1(1e-12f), v_mul(v_sub(v_set1(1.0f), x), x));

    return v_mul(v_div(v_sub(x, t), v), alpha);
}

static inline vf v_bce_logits_bwd(vf alpha, vf x, vf t)
{
    return v_mul(v_sub(v_sigmoid(x), t), alpha);
}

LK_SCALAR_MAP2(mse_bwd, v_mse_bwd)
LK_SCALAR_MAP2(bce_bwd, v_bce_bwd)
LK_SCALAR_MAP2(bce_logits_bwd, v_bce_logits_bwd)

#endif
