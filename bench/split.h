/* SPDX-License-Identifier: MIT
 *
 * The matrix products of kernels.h for the comparison of reproducibility.c only: each sum over k in four chains that
 * are added at the end, as a library without the contract may. Over the same vectors, panels and blocks as simd/gemm.h
 * and gemm_dw.h, but they ask for nothing ahead; a tile of 3 rows x 2 vectors x 4 chains fills the registers of AVX-512,
 * 3 x 1 x 4 those of AVX2. Activations: none, relu.
 * Pads must be +0, as in a training step. The including file defines SPLIT_NV, SPLIT_KB and SPLIT_NAME(name).
 */
#ifndef BENCH_SPLIT_H
#define BENCH_SPLIT_H

#include "simd/math.h"

enum { P = LK_PANEL, ROWS = 3, CHAINS = 4, SAMPLES = 2048 };

/* Rows of C begin P floats after each other. forward: of A, too; else its rows are columns of a panel (weight
 * gradient). */
struct split {
    size_t M, N, K, lda, ldb, ldc, ldy;
    const float *a, *b, *bias, *y;
    float *c;
    int forward, from_c, relu, derivative;
};

LK_INLINE size_t vector_at(int j, size_t ld)
{
    return (size_t)(j / VPP) * ld + (size_t)(j % VPP) * VL;
}

/* n <= CHAINS values of k from k on, each into a chain of its own. */
LK_INLINE void quad(const int mr, const int nv, const struct split *g, const float *a, const float *b, size_t k,
                    size_t n, vf acc[CHAINS][ROWS][SPLIT_NV])
{
    const float *ak = g->forward ? a + k / P * g->lda + k % P : a + k * P;
    const size_t row = g->forward ? P : 1, next = g->forward ? 1 : P;

    if (!g->forward)
        __builtin_prefetch(ak + g->lda, 0, 2);
    LK_UNROLL for (size_t u = 0; u < CHAINS; u++)
    {
        vf bv[SPLIT_NV];

        if (u >= n)
            break;
        LK_UNROLL for (int j = 0; j < nv; j++) bv[j] = v_load(b + (k + u) * P + vector_at(j, g->ldb));
        LK_UNROLL for (int i = 0; i < mr; i++)
        {
            vf x = v_set1(ak[(size_t)i * row + u * next]);

            LK_UNROLL for (int j = 0; j < nv; j++) acc[u][i][j] = v_fma(x, bv[j], acc[u][i][j]);
        }
    }
}

/* One tile: row m, vector-aligned column n. */
LK_INLINE void split_tile(const int mr, const int nv, const struct split *g, const float *a, size_t m, size_t n)
{
    vf acc[CHAINS][ROWS][SPLIT_NV];
    const float *b = g->b + n / P * g->ldb + n % P;
    size_t k = 0;

    for (int u = 0; u < CHAINS; u++)
        LK_UNROLL for (int i = 0; i < mr; i++) LK_UNROLL for (int j = 0; j < nv; j++) acc[u][i][j] = v_zero();
    for (; k + CHAINS <= g->K; k += CHAINS)
        quad(mr, nv, g, a, b, k, CHAINS, acc);
    if (k < g->K)
        quad(mr, nv, g, a, b, k, g->K - k, acc);
    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        LK_UNROLL for (int j = 0; j < nv; j++)
        {
            float *c = g->c + n / P * g->ldc + n % P + (m + (size_t)i) * P + vector_at(j, g->ldc);
            vf x = v_add(v_add(acc[0][i][j], acc[1][i][j]), v_add(acc[2][i][j], acc[3][i][j]));

            if (g->from_c)
                x = v_add(x, v_load(c));
            else if (g->bias)
                x = v_add(x, v_load(g->bias + n + (size_t)j * VL));
            if (g->relu)
                x = v_relu(x);
            if (g->derivative)
                x = v_relu_bwd(v_load(g->y + n / P * g->ldy + n % P + (m + (size_t)i) * P + vector_at(j, g->ldy)), x);
            v_store(c, x);
        }
    }
}

LK_INLINE void any_tile(size_t mr, int nv, const struct split *g, const float *a, size_t m, size_t n)
{
    if (nv == SPLIT_NV)
        mr == 3   ? split_tile(3, SPLIT_NV, g, a, m, n)
        : mr == 2 ? split_tile(2, SPLIT_NV, g, a, m, n)
                  : split_tile(1, SPLIT_NV, g, a, m, n);
    else
        mr == 3 ? split_tile(3, 1, g, a, m, n) : mr == 2 ? split_tile(2, 1, g, a, m, n) : split_tile(1, 1, g, a, m, n);
}

/* Forward and data gradient: K in parts, all rows for a strip of columns. */
static void split_rows(const struct split *whole)
{
    struct split g = *whole;
    const size_t columns = lk_panels(g.N) * P;

    g.forward = 1;
    for (size_t left = whole->K; left; g.from_c = 1) {
        g.K = left < SPLIT_KB ? left : SPLIT_KB;
        left -= g.K;
        g.relu = whole->relu && !left;
        g.derivative = whole->derivative && !left;
        for (size_t n = 0; n < columns; n += SPLIT_NV * VL)
            for (size_t m = 0; m < g.M; m += ROWS)
                any_tile(g.M - m < ROWS ? g.M - m : ROWS, columns - n < SPLIT_NV * VL ? 1 : SPLIT_NV, &g, g.a + m * P,
                         m, n);
        g.a += g.K / P * g.lda;
        g.b += g.K * P;
    }
}

static void split_fwd(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                      float *Y, size_t ldy, enum lk_act act)
{
    split_rows(&(struct split){.M = M,
                               .N = N,
                               .K = K,
                               .lda = lda,
                               .ldb = K * P,
                               .ldc = ldy,
                               .a = A,
                               .b = W,
                               .bias = bias,
                               .c = Y,
                               .relu = act == LK_ACT_RELU});
}

static void split_dx(size_t M, size_t N, size_t K, const float *D, size_t ldd, const float *WT, const float *Y,
                     size_t ldy, enum lk_act act, float *DX, size_t lddx)
{
    split_rows(&(struct split){.M = M,
                               .N = N,
                               .K = K,
                               .lda = ldd,
                               .ldb = K * P,
                               .ldc = lddx,
                               .ldy = ldy,
                               .a = D,
                               .b = WT,
                               .y = Y,
                               .c = DX,
                               .derivative = act == LK_ACT_RELU});
}

/* The bias gradient, four chains of samples. */
static void split_db(size_t N, size_t K, const float *D, size_t ldd, float *db, int first)
{
    for (size_t n = 0; n < lk_panels(N) * P; n += VL) {
        const float *d = D + n / P * ldd + n % P;
        vf acc[CHAINS] = {v_zero(), v_zero(), v_zero(), v_zero()}, sum;

        for (size_t k = 0; k < K; k++)
            acc[k % CHAINS] = v_add(acc[k % CHAINS], v_load(d + k * P));
        sum = v_add(v_add(acc[0], acc[1]), v_add(acc[2], acc[3]));
        v_store(db + n, first ? sum : v_add(sum, v_load(db + n)));
    }
}

static void split_dw(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd, float *G,
                     size_t ldg, float *db, int first, const struct lk_next *next)
{
    struct split g = {.M = M, .N = N, .lda = ldx, .ldb = ldd, .ldc = ldg, .a = X, .b = D, .c = G, .from_c = !first};
    const size_t columns = lk_panels(N) * P;

    (void)next;
    if (db)
        split_db(N, K, D, ldd, db, first);
    for (size_t left = K; left; left -= g.K, g.from_c = 1, g.a += g.K * P, g.b += g.K * P) {
        g.K = left < SAMPLES ? left : SAMPLES;
        for (size_t n = 0; n < columns; n += SPLIT_NV * VL)
            for (size_t m = 0, mr; m < M; m += mr) {
                const size_t rest = M - m < P - m % P ? M - m : P - m % P; /* of the panel */

                mr = rest < ROWS ? rest : ROWS;
                any_tile(mr, columns - n < SPLIT_NV * VL ? 1 : SPLIT_NV, &g, g.a + m / P * ldx + m % P, m, n);
            }
    }
}

void SPLIT_NAME(struct lk_kernels *k);
void SPLIT_NAME(struct lk_kernels *k)
{
    k->gemm_fwd = split_fwd;
    k->gemm_dx = split_dx;
    k->gemm_dw = split_dw;
}

#endif
