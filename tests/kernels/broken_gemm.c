/* SPDX-License-Identifier: MIT
 * Broken matrix products and the transpose. */
#include "broken.h"

enum { P = LK_PANEL };

static void fwd_last_row(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                         float *Y, size_t ldy, enum lk_act act)
{
    kc_good->gemm_fwd(M ? M - 1 : 0, N, K, A, lda, W, bias, Y, ldy, act);
}

static void fwd_no_tail_tile(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
                             const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    kc_good->gemm_fwd(M > 6 ? M / 6 * 6 : M, N, K, A, lda, W, bias, Y, ldy, act);
}

/* A plain matmul without activation whose ways to be wrong are chosen by flags. */
enum {
    DESCENDING = 1,
    TWO_ROUNDINGS = 2,
    NO_PLUS_ZERO = 4,
    PAD_LEFT = 8,
    READS_PAD = 16,
    BIAS_LAST = 32,
    ALONG_K = 64,
    SPLIT_K = 128
};

/* Several chains that are added at last: one for each of 8 lanes along k, or for each half of it. */
static float several_chains(int wrong, size_t K, const float *a, size_t lda, const float *w, float start)
{
    float chain[8] = {start};

    for (size_t k = 0; k < K; k++) {
        float *c = &chain[wrong & ALONG_K ? k % 8 : 2 * k >= K];

        *c = fma1(a[k / P * lda + k % P], w[k * P], *c);
    }
    for (size_t i = 1; i < 8; i++)
        chain[0] += chain[i];
    return chain[0] + 0.0f;
}

static float wrong_chain(int wrong, size_t K, const float *a, size_t lda, const float *w, float start)
{
    float chain = wrong & BIAS_LAST ? 0.0f : start;

    for (size_t i = 0; i < K; i++) {
        size_t k = wrong & DESCENDING ? K - 1 - i : i;
        float x = a[k / P * lda + k % P];

        chain = wrong & TWO_ROUNDINGS ? x * w[k * P] + chain : fma1(x, w[k * P], chain);
    }
    for (size_t k = K; wrong & READS_PAD && k % P; k++)
        chain = fma1(a[k / P * lda + k % P], 0.0f, chain);
    chain = wrong & BIAS_LAST ? chain + start : chain;
    return wrong & NO_PLUS_ZERO ? chain : chain + 0.0f;
}

static void wrong_fwd(int wrong, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
                      const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    if (act != LK_ACT_NONE) {
        kc_good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
        return;
    }
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < lk_panels(N) * P; n++) {
            float *y = &Y[n / P * ldy + m * P + n % P];

            if (n < N)
                *y = (wrong & (ALONG_K | SPLIT_K) ? several_chains : wrong_chain)(
                    wrong, K, A + m * P, lda, W + n / P * K * P + n % P, bias ? bias[n] : 0.0f);
            else if (!(wrong & PAD_LEFT))
                *y = 0.0f;
        }
}

#define WRONG_FWD(name, wrong)                                                                                         \
    static void name(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,      \
                     float *Y, size_t ldy, enum lk_act act)                                                            \
    {                                                                                                                  \
        wrong_fwd(wrong, M, N, K, A, lda, W, bias, Y, ldy, act);                                                       \
    }

WRONG_FWD(fwd_right, 0)
WRONG_FWD(fwd_descending, DESCENDING)
WRONG_FWD(fwd_two_roundings, TWO_ROUNDINGS)
WRONG_FWD(fwd_no_plus_zero, NO_PLUS_ZERO)
WRONG_FWD(fwd_pad_left, PAD_LEFT)
WRONG_FWD(fwd_reads_pad, READS_PAD)
WRONG_FWD(fwd_bias_last, BIAS_LAST)
WRONG_FWD(fwd_along_k, ALONG_K)
WRONG_FWD(fwd_split_k, SPLIT_K)

CRASHES static void fwd_needs_bias(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
                                   const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    volatile float first = N ? bias[0] : 0.0f;

    (void)first;
    kc_good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
}

static void fwd_no_tanh(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                        float *Y, size_t ldy, enum lk_act act)
{
    kc_good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act == LK_ACT_TANH ? LK_ACT_NONE : act);
}

static void fwd_writes_gap(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                           float *Y, size_t ldy, enum lk_act act)
{
    kc_good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
    if (N > P && ldy > M * P)
        Y[M * P] = 0.0f;
}

static void dx_dense_panels(size_t M, size_t N, size_t K, const float *D, size_t ldd, const float *WT, const float *Y,
                            size_t ldy, enum lk_act act, float *DX, size_t lddx)
{
    (void)lddx;
    kc_good->gemm_dx(M, N, K, D, ldd, WT, Y, ldy, act, DX, M * P);
}

/* acc = 0, then G += acc. */
static void dw_adds_at_end(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                           float *G, size_t ldg, float *db, int first, const struct lk_next *next)
{
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < lk_panels(N) * P; n++) {
            float acc = 0.0f, *g = &G[n / P * ldg + m * P + n % P];

            for (size_t k = 0; n < N && k < K; k++)
                acc = fma1(X[m / P * ldx + k * P + m % P], D[n / P * ldd + k * P + n % P], acc);
            *g = n < N ? (first ? 0.0f : *g) + acc : 0.0f;
        }
    kc_good->gemm_dw(0, N, K, X, ldx, D, ldd, G, ldg, db, first, next);
}

static void dw_forgets_first(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                             float *G, size_t ldg, float *db, int first, const struct lk_next *next)
{
    (void)first;
    kc_good->gemm_dw(M, N, K, X, ldx, D, ldd, G, ldg, db, 1, next);
}

static void dw_db_pad_left(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                           float *G, size_t ldg, float *db, int first, const struct lk_next *next)
{
    float saved = db && N % P ? db[N] : 0.0f;

    kc_good->gemm_dw(M, N, K, X, ldx, D, ldd, G, ldg, db, first, next);
    if (db && N % P)
        db[N] = saved;
}

static void dw_reads_next(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                          float *G, size_t ldg, float *db, int first, const struct lk_next *next)
{
    kc_good->gemm_dw(M, N, K, X, ldx, D, ldd, G, ldg, db, first, next);
    if (next && next->n)
        *(volatile const float *)next->p[0];
}

static void transpose_whole_blocks(size_t M, size_t N, const float *W, size_t ldw, float *WT, size_t ldwt)
{
    kc_good->transpose(M, N, W, ldw, WT, ldwt);
    if (M % P && N)
        WT[M / P * ldwt + M % P] = W[M * P];
}

const struct kc_broken kc_broken_gemm[] = {
    RIGHT(gemm_fwd, fwd_right),
    BROKEN(gemm_fwd, fwd_last_row, "last row skipped"),
    BROKEN(gemm_fwd, fwd_no_tail_tile, "rows of the last tile skipped"),
    BROKEN(gemm_fwd, fwd_descending, "k in descending order"),
    BROKEN(gemm_fwd, fwd_two_roundings, "multiply and add in place of fma"),
    BROKEN(gemm_fwd, fwd_along_k, "a dot product: lanes along k"),
    BROKEN(gemm_fwd, fwd_split_k, "k split in two sums"),
    BROKEN(gemm_fwd, fwd_no_plus_zero, "+0 missing after the chain"),
    BROKEN(gemm_fwd, fwd_pad_left, "pad of the output not zeroed"),
    BROKEN(gemm_fwd, fwd_reads_pad, "pad of the input used"),
    BROKEN(gemm_fwd, fwd_bias_last, "bias added last"),
    BROKEN(gemm_fwd, fwd_needs_bias, "bias not optional"),
    BROKEN(gemm_fwd, fwd_no_tanh, "one activation missing"),
    BROKEN(gemm_fwd, fwd_writes_gap, "written between two panels"),
    BROKEN(gemm_dx, dx_dense_panels, "ld of the output ignored"),
    BROKEN(gemm_dw, dw_adds_at_end, "acc = 0, then G += acc"),
    BROKEN(gemm_dw, dw_forgets_first, "chain not continued"),
    BROKEN(gemm_dw, dw_db_pad_left, "pad of db not zeroed"),
    BROKEN(gemm_dw, dw_reads_next, "what it may only ask for is read"),
    BROKEN(transpose, transpose_whole_blocks, "pad of the output not zeroed"),
    {.what = NULL},
};
