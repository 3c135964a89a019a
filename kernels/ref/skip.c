/* SPDX-License-Identifier: MIT
 * Matrix products without the terms whose left factor is 0. */
#include "ref/ref.h"

enum { P = LK_PANEL };

/* Is column k of row m set? */
static int has_bit(const uint16_t *Z, size_t ldz, size_t m, size_t k)
{
    return Z[k / P * ldz + m] >> k % P & 1;
}

int LK_FN(finite)(size_t n, const float *x)
{
    int all = 1;

    for (size_t i = 0; i < n; i++)
        all &= (bits_of(x[i]) & 0x7f800000u) != 0x7f800000u;
    return all;
}

size_t LK_FN(gemm_fwd_skip)(size_t M, size_t N, size_t K, const float *A, size_t lda, const uint16_t *Z, size_t ldz,
                            const float *W, const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    size_t terms = 0;

    for (size_t p = 0; p < lk_panels(N); p++)
        for (size_t m = 0; m < M; m++) {
            float chain[P] = {0};
            const size_t cols = width(N, p);

            for (size_t c = 0; bias && c < cols; c++)
                chain[c] = bias[p * P + c];
            for (size_t k = 0; k < K; k++) {
                const float a = A[k / P * lda + m * P + k % P];

                if (!has_bit(Z, ldz, m, k))
                    continue;
                terms += cols;
                for (size_t c = 0; c < P; c++)
                    chain[c] = fma_f32(a, W[(p * K + k) * P + c], chain[c]);
            }
            for (size_t c = 0; c < P; c++)
                Y[p * ldy + m * P + c] = c < cols ? act_fwd_f32(act, chain[c] + 0.0f) : 0.0f;
        }
    return terms;
}

size_t LK_FN(gemm_dw_skip)(size_t M, size_t N, size_t K, const float *X, size_t ldx, const uint16_t *Z, size_t ldz,
                           const float *D, size_t ldd, float *G, size_t ldg, float *db, int first)
{
    size_t terms = 0;

    LK_FN(gemm_dw)(0, N, K, X, ldx, D, ldd, G, ldg, db, first, NULL);
    for (size_t p = 0; p < lk_panels(N); p++)
        for (size_t m = 0; m < M; m++) {
            float chain[P] = {0}, *g = G + p * ldg + m * P;
            const size_t cols = width(N, p);

            for (size_t c = 0; !first && c < cols; c++)
                chain[c] = g[c];
            for (size_t k = 0; k < K; k++) {
                const float x = X[m / P * ldx + k * P + m % P];

                if (!has_bit(Z, ldz, k, m))
                    continue;
                terms += cols;
                for (size_t c = 0; c < P; c++)
                    chain[c] = fma_f32(x, D[p * ldd + k * P + c], chain[c]);
            }
            for (size_t c = 0; c < P; c++)
                g[c] = c < cols ? chain[c] + 0.0f : 0.0f;
        }
    return terms;
}
