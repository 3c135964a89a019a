/* SPDX-License-Identifier: MIT
 * Matrix products, one panel row of 16 chains at a time. */
#include "ref/ref.h"

enum { P = LK_PANEL };

void LK_FN(gemm_fwd)(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                     float *Y, size_t ldy, enum lk_act act)
{
    for (size_t p = 0; p < lk_panels(N); p++)
        for (size_t m = 0; m < M; m++) {
            float chain[P] = {0};
            size_t cols = width(N, p);

            for (size_t c = 0; bias && c < cols; c++)
                chain[c] = bias[p * P + c];
            for (size_t k = 0; k < K; k++) {
                float a = A[k / P * lda + m * P + k % P];

                for (size_t c = 0; c < P; c++)
                    chain[c] = fma_f32(a, W[(p * K + k) * P + c], chain[c]);
            }
            for (size_t c = 0; c < P; c++)
                Y[p * ldy + m * P + c] = c < cols ? act_fwd_f32(act, chain[c] + 0.0f) : 0.0f;
        }
}

void LK_FN(gemm_dx)(size_t M, size_t N, size_t K, const float *D, size_t ldd, const float *WT, const float *Y,
                    size_t ldy, enum lk_act act, float *DX, size_t lddx)
{
    for (size_t p = 0; p < lk_panels(N); p++)
        for (size_t m = 0; m < M; m++) {
            float chain[P] = {0};

            for (size_t k = 0; k < K; k++) {
                float d = D[k / P * ldd + m * P + k % P];

                for (size_t c = 0; c < P; c++)
                    chain[c] = fma_f32(d, WT[(p * K + k) * P + c], chain[c]);
            }
            for (size_t c = 0; c < P; c++) {
                float y = act != LK_ACT_NONE && c < width(N, p) ? Y[p * ldy + m * P + c] : 0.0f;

                DX[p * lddx + m * P + c] = c < width(N, p) ? act_bwd_f32(act, y, chain[c] + 0.0f) : 0.0f;
            }
        }
}

void LK_FN(gemm_dw)(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd, float *G,
                    size_t ldg, float *db, int first, const struct lk_next *next)
{
    (void)next;
    for (size_t p = 0; p < lk_panels(N); p++) {
        size_t cols = width(N, p);

        for (size_t m = 0; m < M; m++) {
            float chain[P] = {0}, *g = G + p * ldg + m * P;

            for (size_t c = 0; !first && c < cols; c++)
                chain[c] = g[c];
            for (size_t k = 0; k < K; k++) {
                float x = X[m / P * ldx + k * P + m % P];

                for (size_t c = 0; c < P; c++)
                    chain[c] = fma_f32(x, D[p * ldd + k * P + c], chain[c]);
            }
            for (size_t c = 0; c < P; c++)
                g[c] = c < cols ? chain[c] + 0.0f : 0.0f;
        }
        for (size_t c = 0; db && c < P; c++) {
            float chain = first || c >= cols ? 0.0f : db[p * P + c];

            for (size_t k = 0; c < cols && k < K; k++)
                chain += D[p * ldd + k * P + c];
            db[p * P + c] = chain + 0.0f;
        }
    }
}

void LK_FN(transpose)(size_t M, size_t N, const float *W, size_t ldw, float *WT, size_t ldwt)
{
    for (size_t m = 0; m < lk_panels(M) * P; m++)
        for (size_t n = 0; n < N; n++)
            WT[m / P * ldwt + n * P + m % P] = m < M ? W[n / P * ldw + m * P + n % P] : 0.0f;
}
