/* SPDX-License-Identifier: MIT
 * Kernels that look at whole rows of panels: softmax and its logarithm, cross entropy. Sums and maxima run over 16
 * lanes. */
#ifndef LK_SIMD_ROWS_H
#define LK_SIMD_ROWS_H

#include "simd/math.h"

/* Part j of the panel row at p; lanes from n on (counted in the row of the panel) take fill. */
static inline vf row_part(const float *p, int j, size_t n, vf fill)
{
    const size_t first = (size_t)j * VL, rest = n > first ? n - first : 0;

    return rest >= VL ? v_load(p + first) : v_keep(v_load_n(p + first, rest), rest, fill);
}

/* Columns in panel p of N. */
static inline size_t row_width(size_t N, size_t p)
{
    return N - p * LK_PANEL < LK_PANEL ? N - p * LK_PANEL : LK_PANEL;
}

static inline float row_max(size_t N, const float *z, size_t ldz)
{
    const vf low = v_set1(-__builtin_inff());
    vrow max;

    for (int j = 0; j < VPP; j++)
        max.v[j] = low;
    for (size_t p = 0; p < lk_panels(N); p++)
        for (int j = 0; j < VPP; j++)
            max.v[j] = v_max(row_part(z + p * ldz, j, row_width(N, p), low), max.v[j]);
    return vrow_max(max);
}

/* e = exp(z - max), +0 in the pad; returns the sum. */
static inline float row_exp(size_t N, const float *z, size_t ldz, float max, float *e, size_t lde)
{
    vrow sum;

    for (int j = 0; j < VPP; j++)
        sum.v[j] = v_zero();
    for (size_t p = 0; p < lk_panels(N); p++)
        for (int j = 0; j < VPP; j++) {
            const size_t n = row_width(N, p), first = (size_t)j * VL, rest = n > first ? n - first : 0;
            vf x = v_exp(v_sub(row_part(z + p * ldz, j, n, v_zero()), v_set1(max)));

            if (rest < VL)
                x = v_keep(x, rest, v_zero());
            v_store(e + p * lde + first, x);
            sum.v[j] = v_add(sum.v[j], x);
        }
    return vrow_sum(sum);
}

/* Write vector j of a row of n valid columns; the pad becomes +0. */
static inline void store_part(float *row, int j, size_t n, vf x)
{
    const size_t first = (size_t)j * VL, rest = n > first ? n - first : 0;

    v_store(row + first, rest < VL ? v_keep(x, rest, v_zero()) : x);
}

static void softmax_fwd(size_t M, size_t N, const float *Z, size_t ldz, float *Pr, size_t ldp)
{
    for (size_t m = 0; m < M; m++, Z += LK_PANEL, Pr += LK_PANEL) {
        const vf s = v_set1(row_exp(N, Z, ldz, row_max(N, Z, ldz), Pr, ldp));

        for (size_t p = 0; p < lk_panels(N); p++)
            for (int j = 0; j < VPP; j++) {
                float *row = Pr + p * ldp;

                store_part(row, j, row_width(N, p), v_div(v_load(row + j * VL), s));
            }
    }
}

static void softmax_bwd(size_t M, size_t N, const float *Pr, size_t ldp, const float *D, size_t ldd, float *DZ,
                        size_t lddz)
{
    for (size_t m = 0; m < M; m++, Pr += LK_PANEL, D += LK_PANEL, DZ += LK_PANEL) {
        vrow sum;
        vf s;

        for (int j = 0; j < VPP; j++)
            sum.v[j] = v_zero();
        for (size_t p = 0; p < lk_panels(N); p++)
            for (int j = 0; j < VPP; j++) {
                const size_t n = row_width(N, p);

                sum.v[j] =
                    v_fma(row_part(Pr + p * ldp, j, n, v_zero()), row_part(D + p * ldd, j, n, v_zero()), sum.v[j]);
            }
        s = v_set1(vrow_sum(sum));
        for (size_t p = 0; p < lk_panels(N); p++)
            for (int j = 0; j < VPP; j++) {
                const size_t n = row_width(N, p);
                vf x = v_mul(row_part(Pr + p * ldp, j, n, v_zero()), v_sub(row_part(D + p * ldd, j, n, v_zero()), s));

                store_part(DZ + p * lddz, j, n, x);
            }
    }
}

/* The sum of exp(z - max). */
static inline float row_exp_sum(size_t N, const float *z, size_t ldz, float max)
{
    vrow sum;

    for (int j = 0; j < VPP; j++)
        sum.v[j] = v_zero();
    for (size_t p = 0; p < lk_panels(N); p++)
        for (int j = 0; j < VPP; j++) {
            const size_t n = row_width(N, p), first = (size_t)j * VL, rest = n > first ? n - first : 0;
            vf x = v_exp(v_sub(row_part(z + p * ldz, j, n, v_zero()), v_set1(max)));

            sum.v[j] = v_add(sum.v[j], rest < VL ? v_keep(x, rest, v_zero()) : x);
        }
    return vrow_sum(sum);
}

/* Groups of rows, so that their logarithms fill a vector. */
static void log_softmax_fwd(size_t M, size_t N, const float *Z, size_t ldz, float *Y, size_t ldy)
{
    for (size_t m = 0; m < M; m += VL) {
        const size_t rows = M - m < VL ? M - m : VL;
        float max[VL], sum[VL];

        for (size_t i = 0; i < rows; i++) {
            max[i] = row_max(N, Z + (m + i) * LK_PANEL, ldz);
            sum[i] = row_exp_sum(N, Z + (m + i) * LK_PANEL, ldz, max[i]);
        }
        v_store_n(sum, v_log(v_load_n(sum, rows)), rows);
        for (size_t p = 0; p < lk_panels(N); p++)
            for (size_t i = 0; i < rows; i++)
                for (int j = 0; j < VPP; j++) {
                    const size_t n = row_width(N, p), row = (m + i) * LK_PANEL;
                    vf z = row_part(Z + p * ldz + row, j, n, v_zero());

                    store_part(Y + p * ldy + row, j, n, v_sub(v_sub(z, v_set1(max[i])), v_set1(sum[i])));
                }
    }
}

static void log_softmax_bwd(size_t M, size_t N, const float *Y, size_t ldy, const float *D, size_t ldd, float *DZ,
                            size_t lddz)
{
    for (size_t m = 0; m < M; m++, Y += LK_PANEL, D += LK_PANEL, DZ += LK_PANEL) {
        vrow sum;
        vf s;

        for (int j = 0; j < VPP; j++)
            sum.v[j] = v_zero();
        for (size_t p = 0; p < lk_panels(N); p++)
            for (int j = 0; j < VPP; j++)
                sum.v[j] = v_add(sum.v[j], row_part(D + p * ldd, j, row_width(N, p), v_zero()));
        s = v_set1(vrow_sum(sum));
        for (size_t p = 0; p < lk_panels(N); p++)
            for (int j = 0; j < VPP; j++) {
                const size_t n = row_width(N, p);
                vf e = v_exp(row_part(Y + p * ldy, j, n, v_zero()));

                store_part(DZ + p * lddz, j, n, v_fnma(e, s, row_part(D + p * ldd, j, n, v_zero())));
            }
    }
}

/* Is label t the first maximum of the row? */
static inline int first_max(size_t t, const float *z, size_t ldz, float max)
{
    const vf m = v_set1(max);

    for (size_t p = 0; p <= t / LK_PANEL; p++)
        for (int j = 0; j < VPP; j++) {
            const size_t first = p * LK_PANEL + (size_t)j * VL, rest = t + 1 > first ? t + 1 - first : 0;
            unsigned hits = rest ? v_bits(v_eq(v_load_n(z + p * ldz + (size_t)j * VL, rest < VL ? rest : VL), m)) : 0;

            if (rest < VL)
                hits &= (1u << rest) - 1;
            if (hits)
                return first + (size_t)__builtin_ctz(hits) == t;
        }
    return 0;
}

/* Row m of softmax_xent without the logarithm: *sum = s, *below = z[label] - max. */
static inline void xent_row(size_t N, const float *z, size_t ldz, size_t t, float scale, float *d, size_t ldd,
                            float *sum, float *below, uint8_t *hit)
{
    float e[256 + LK_PANEL];
    const float max = row_max(N, z, ldz);
    vf s, k = v_set1(scale);

    *hit = (uint8_t)first_max(t, z, ldz, max);
    *below = z[t / LK_PANEL * ldz + t % LK_PANEL] - max;
    *sum = row_exp(N, z, ldz, max, e, LK_PANEL);
    if (!d)
        return;
    s = v_set1(*sum);
    for (size_t p = 0; p < lk_panels(N); p++)
        for (int j = 0; j < VPP; j++) {
            const size_t first = (size_t)j * VL, n = row_width(N, p), rest = n > first ? n - first : 0;
            vf x = v_mul(v_div(v_load(e + p * LK_PANEL + first), s), k);

            v_store(d + p * ldd + first, rest < VL ? v_keep(x, rest, v_zero()) : x);
        }
    d[t / LK_PANEL * ldd + t % LK_PANEL] = (e[t] / *sum - 1.0f) * scale;
}

static void softmax_xent(size_t M, size_t N, const float *Z, size_t ldz, const uint8_t *label, float scale, float *D,
                         size_t ldd, float *loss, uint8_t *hit)
{
    enum { ROWS = 16 };
    float sum[ROWS], below[ROWS];

    for (size_t m = 0; m < M; m += ROWS) {
        const size_t rows = M - m < ROWS ? M - m : ROWS;

        for (size_t i = 0; i < rows; i++)
            xent_row(N, Z + (m + i) * LK_PANEL, ldz, label[m + i], scale, D ? D + (m + i) * LK_PANEL : NULL, ldd,
                     &sum[i], &below[i], &hit[m + i]);
        for (size_t i = 0; i < rows; i += VL) {
            const size_t n = rows - i < VL ? rows - i : VL;

            v_store_n(loss + m + i, v_sub(v_log(v_load_n(sum + i, n)), v_load_n(below + i, n)), n);
        }
    }
}

#endif
