/* SPDX-License-Identifier: MIT
 * Kernels that look at whole rows: softmax and its logarithm, cross entropy. */
#include "ref/ref.h"

enum { P = LK_PANEL };

static float max_f32(float a, float b)
{
    return a > b ? a : b;
}

static float row_max(size_t N, const float *z, size_t ldz)
{
    float lane[P];

    for (size_t l = 0; l < P; l++)
        lane[l] = -INFINITY;
    for (size_t n = 0; n < N; n++)
        lane[n % P] = max_f32(z[n / P * ldz + n % P], lane[n % P]);
    for (size_t h = P / 2; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++)
            lane[l] = max_f32(lane[l + h], lane[l]);
    return lane[0];
}

/* e[n] = exp(z[n] - max) into e; returns their sum. */
static float row_exp(size_t N, const float *z, size_t ldz, float max, float *e, size_t lde)
{
    float lane[P] = {0};

    for (size_t n = 0; n < N; n++) {
        float x = exp_f32(z[n / P * ldz + n % P] - max);

        e[n / P * lde + n % P] = x;
        lane[n % P] = lane[n % P] + x;
    }
    return lanes_sum(lane);
}

static void zero_pad(size_t N, float *row, size_t ld)
{
    for (size_t n = N; n % P; n++)
        row[n / P * ld + n % P] = 0.0f;
}

void LK_FN(softmax_fwd)(size_t M, size_t N, const float *Z, size_t ldz, float *Pr, size_t ldp)
{
    for (size_t m = 0; m < M; m++, Z += P, Pr += P) {
        float s = row_exp(N, Z, ldz, row_max(N, Z, ldz), Pr, ldp);

        for (size_t n = 0; n < N; n++)
            Pr[n / P * ldp + n % P] = Pr[n / P * ldp + n % P] / s;
        zero_pad(N, Pr, ldp);
    }
}

void LK_FN(softmax_bwd)(size_t M, size_t N, const float *Pr, size_t ldp, const float *D, size_t ldd, float *DZ,
                        size_t lddz)
{
    for (size_t m = 0; m < M; m++, Pr += P, D += P, DZ += P) {
        float lane[P] = {0}, s;

        for (size_t n = 0; n < N; n++)
            lane[n % P] = fma_f32(Pr[n / P * ldp + n % P], D[n / P * ldd + n % P], lane[n % P]);
        s = lanes_sum(lane);
        for (size_t n = 0; n < N; n++)
            DZ[n / P * lddz + n % P] = Pr[n / P * ldp + n % P] * (D[n / P * ldd + n % P] - s);
        zero_pad(N, DZ, lddz);
    }
}

void LK_FN(log_softmax_fwd)(size_t M, size_t N, const float *Z, size_t ldz, float *Y, size_t ldy)
{
    for (size_t m = 0; m < M; m++, Z += P, Y += P) {
        float max = row_max(N, Z, ldz), lane[P] = {0}, s;

        for (size_t n = 0; n < N; n++)
            lane[n % P] = lane[n % P] + exp_f32(Z[n / P * ldz + n % P] - max);
        s = log_f32(lanes_sum(lane));
        for (size_t n = 0; n < N; n++)
            Y[n / P * ldy + n % P] = Z[n / P * ldz + n % P] - max - s;
        zero_pad(N, Y, ldy);
    }
}

void LK_FN(log_softmax_bwd)(size_t M, size_t N, const float *Y, size_t ldy, const float *D, size_t ldd, float *DZ,
                            size_t lddz)
{
    for (size_t m = 0; m < M; m++, Y += P, D += P, DZ += P) {
        float lane[P] = {0}, s;

        for (size_t n = 0; n < N; n++)
            lane[n % P] = lane[n % P] + D[n / P * ldd + n % P];
        s = lanes_sum(lane);
        for (size_t n = 0; n < N; n++)
            DZ[n / P * lddz + n % P] = fma_f32(-exp_f32(Y[n / P * ldy + n % P]), s, D[n / P * ldd + n % P]);
        zero_pad(N, DZ, lddz);
    }
}

void LK_FN(softmax_xent)(size_t M, size_t N, const float *Z, size_t ldz, const uint8_t *label, float scale, float *D,
                         size_t ldd, float *loss, uint8_t *hit)
{
    for (size_t m = 0; m < M; m++, Z += P) {
        size_t t = label[m], n = 0;
        float max = row_max(N, Z, ldz), zt = Z[t / P * ldz + t % P], e[256], s;

        while (n < t && !(Z[n / P * ldz + n % P] == max))
            n++;
        hit[m] = n == t && zt == max;
        s = row_exp(N, Z, ldz, max, e, P);
        loss[m] = log_f32(s) - (zt - max);
        for (n = 0; D && n < N; n++)
            D[n / P * ldd + m * P + n % P] = (e[n] / s - (n == t ? 1.0f : 0.0f)) * scale;
        if (D)
            zero_pad(N, D + m * P, ldd);
    }
}
