/* SPDX-License-Identifier: MIT
 *
 * The contract of every Lockstep kernel: what is computed, rounding by rounding. kernels/ref is its plain C definition;
 * every other instruction set gives the same bits (checked by tests/kernels). Kernels are single-threaded pure
 * functions on the caller's memory: no allocation, threads, I/O, globals or environment.
 *
 * Letters   B batch, I inputs, O outputs; M N K rows, columns and chain length of a matrix product.
 * Panels    A matrix of R rows and C columns in panel form is [ceil(C/16)][R][16]: element (r, c) lies at
 *           p[(c / 16) * ld + r * 16 + c % 16]. `ld*` is the distance of two panels in elements (>= 16 R), so a range
 * of rows or of panels is the same matrix with another base pointer. Weights are dense: ld = 16 R. Panel columns
 * C..16*ceil(C/16)-1 ("pad") are ignored in inputs (any value, NaN included) and written as +0. Numbers   fma(a, b, c)
 * is a fused multiply-add, rounded once. Callers run under lk_fpenv_enter (round to nearest, FTZ, DAZ). Any NaN equals
 * any NaN. Chains are evaluated in the stated order and never vectorised along it. Memory    Pointers need float
 * alignment only; 64 bytes is fastest. No byte outside the stated elements is read or written. Outputs overlap nothing
 * unless said. Errors    Kernels have none: sizes are the caller's promise. Zero sizes are allowed and touch nothing
 * they would not.
 */
#ifndef LK_KERNELS_H
#define LK_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __FAST_MATH__
#error "-ffast-math changes the numbers: build without it"
#endif

enum { LK_PANEL = 16 };

/* Number of panels that hold n columns. */
static inline size_t lk_panels(size_t n)
{
    return (n + LK_PANEL - 1) / LK_PANEL;
}

/* Activations a matrix product can apply in its epilogue; x is the chain, y the activated value. */
enum lk_act {
    LK_ACT_NONE,    /* y = x */
    LK_ACT_RELU,    /* as relu_fwd, relu_bwd */
    LK_ACT_SIGMOID, /* as sigmoid_fwd, sigmoid_bwd */
    LK_ACT_TANH     /* as tanh_fwd, tanh_bwd */
};

/*
 * gemm_fwd: linear layer forward.
 *   Y[m][n] = act(chain + 0), chain = bias[n], then fma(A[m][k], W[k][n], chain) for k = 0..K-1
 * A     (M, K) panels, lda, in        W     (K, N) dense panels, in        bias  (N) in, or NULL for +0
 * Y     (M, N) panels, ldy, out
 * Source: register tiles of Goto and van de Geijn (2008) on panels; see docs/kernels.md.
 */
typedef void lk_gemm_fwd_fn(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                            float *Y, size_t ldy, enum lk_act act);

/*
 * gemm_dx: data gradient of a linear layer, times the derivative of the activation that made its input.
 *   DX[m][n] = act'(Y[m][n]) applied to (chain + 0), chain = +0, then fma(D[m][k], WT[k][n], chain) for k = 0..K-1
 * M batch rows, N inputs of the layer, K outputs of the layer
 * D     (M, K) panels, ldd, in        WT    (K, N) dense panels of the transposed weights, in
 * Y     (M, N) panels, ldy, in: the activated input of the layer; not read for LK_ACT_NONE (may be NULL)
 * DX    (M, N) panels, lddx, out
 */
typedef void lk_gemm_dx_fn(size_t M, size_t N, size_t K, const float *D, size_t ldd, const float *WT, const float *Y,
                           size_t ldy, enum lk_act act, float *DX, size_t lddx);

/*
 * gemm_dw: weight and bias gradient of a linear layer over K samples.
 *   G[m][n] = chain + 0, chain = first ? +0 : G[m][n], then fma(X[k][m], D[k][n], chain) for k = 0..K-1
 *   db[n]   = chain + 0, chain = first ? +0 : db[n],   then chain + D[k][n]              for k = 0..K-1
 * A chain cut into several calls gives the bits of one call: the +0 between two parts cannot change a later sum.
 * M inputs, N outputs, K samples
 * X     (K, M) panels, ldx, in        D     (K, N) panels, ldd, in
 * G     (M, N) panels, ldg, out, in as well when first is 0
 * db    (16 * ceil(N/16)) out, likewise, pad written +0; NULL: not computed
 */
typedef void lk_gemm_dw_fn(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                           float *G, size_t ldg, float *db, int first);

/*
 * transpose: WT[n][m] = W[m][n], for the weights of gemm_dx.
 * W     (M, N) panels, ldw, in        WT    (N, M) panels, ldwt, out
 */
typedef void lk_transpose_fn(size_t M, size_t N, const float *W, size_t ldw, float *WT, size_t ldwt);

/*
 * relu_fwd: y[i] = 0 > x[i] ? +0 : x[i]; NaN and -0 pass, a subnormal counts as 0 of its sign. (n) in, (n) out; y may
 * equal x.
 */
typedef void lk_relu_fwd_fn(size_t n, const float *x, float *y);

/* relu_bwd: dx[i] = y[i] > 0 ? dy[i] : +0, from the output y. (n) in, (n) in, (n) out; dx may equal dy. */
typedef void lk_relu_bwd_fn(size_t n, const float *y, const float *dy, float *dx);

/*
 * sigmoid_fwd: y[i] = 1 / (1 + e^-x[i]), <= 2 ULP; 0 where that is below 2^-126. (n) in, (n) out; y may equal x.
 * Method: e^-x = s + s p as in exp below, 1 + s = c + l exactly, 1 / (fma(s, p, l) + c), -x cut to [-80, 88].
 */
typedef void lk_sigmoid_fwd_fn(size_t n, const float *x, float *y);

/* sigmoid_bwd: dx[i] = dy[i] * (y[i] * (1 - y[i])), each operation rounded. As relu_bwd. */
typedef void lk_sigmoid_bwd_fn(size_t n, const float *y, const float *dy, float *dx);

/*
 * tanh_fwd: y[i] = copysign(e / (e + 2), x[i]), <= 2 ULP. (n) in, (n) out; y may equal x.
 * Method: e = expm1(2 |x|) from |x| = 0.173 on, expm1(-2 |x|) below; reduction as in exp below, degree-7 polynomial.
 */
typedef void lk_tanh_fwd_fn(size_t n, const float *x, float *y);

/* tanh_bwd: dx[i] = dy[i] * fma(-y[i], y[i], 1). As relu_bwd. */
typedef void lk_tanh_bwd_fn(size_t n, const float *y, const float *dy, float *dx);

/*
 * exp: y[i] = e^x[i], <= 1 ULP; 0 where the exact value is below 2^-126, inf from 88.72284 on. (n) in, (n) out; y may
 * equal x. Method: x = k ln2 + r by the 1.5*2^23 addition and a two-step reduction, degree-6 polynomial, exponent by
 * integer addition.
 */
typedef void lk_exp_fn(size_t n, const float *x, float *y);

/*
 * log: y[i] = ln x[i], <= 1 ULP; -inf at 0 and subnormals, NaN below 0. (n) in, (n) out; y may equal x.
 * Method: x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)), f + f^2 P(f), two-word ln2.
 */
typedef void lk_log_fn(size_t n, const float *x, float *y);

/*
 * softmax_fwd: P[m][n] = e[n] / s, e[n] = exp(Z[m][n] - max), row by row.
 *   Row maximum and row sum use 16 lanes: lane l takes n = l, l+16, ... ascending from -inf (max) or +0 (sum), then
 *   lane l takes lane l+8, l+4, l+2, l+1. max(a, b) = a > b ? a : b with a the new element.
 * Z     (M, N) panels, ldz, in        P     (M, N) panels, ldp, out; may equal Z when ldp = ldz
 */
typedef void lk_softmax_fwd_fn(size_t M, size_t N, const float *Z, size_t ldz, float *P, size_t ldp);

/*
 * softmax_bwd: DZ[m][n] = P[m][n] * (D[m][n] - s), s = row sum of P * D over 16 lanes: lane = fma(P, D, lane), then as
 * above. P, D  (M, N) panels in, ldp, ldd     DZ    (M, N) panels, lddz, out; may equal D when lddz = ldd
 */
typedef void lk_softmax_bwd_fn(size_t M, size_t N, const float *P, size_t ldp, const float *D, size_t ldd, float *DZ,
                               size_t lddz);

/*
 * softmax_xent: softmax, cross entropy, its gradient and the hit of the first maximum, in one pass over each row.
 *   D[m][n] = (p[n] - (n == label[m] ? 1 : 0)) * scale, p as softmax_fwd
 *   loss[m] = log(s) - (Z[m][label[m]] - max), log and exp as below
 *   hit[m]  = 1 when label[m] is the first n with Z[m][n] == max, else 0
 * Z     (M, N) panels, ldz, in, N <= 256        label (M) in, each < N        scale 1/n of the mean loss
 * D     (M, N) panels, ldd, out, may equal Z when ldd = ldz; NULL: no gradient wanted
 * loss  (M) out        hit (M) out
 */
typedef void lk_softmax_xent_fn(size_t M, size_t N, const float *Z, size_t ldz, const uint8_t *label, float scale,
                                float *D, size_t ldd, float *loss, uint8_t *hit);

/*
 * gather_u8: chosen rows of a byte matrix as floats.
 *   X[m][k] = float(src[index[m] * lds + k]) * scale
 * src   (any, K) bytes, lds bytes apart, in        index (M) in        X (M, K) panels, ldx, out
 */
typedef void lk_gather_u8_fn(size_t M, size_t K, const uint8_t *src, size_t lds, const uint32_t *index, float scale,
                             float *X, size_t ldx);

/* add: y[i] = a[i] + b[i]. (n) in, (n) in, (n) out; y may equal a or b. Folds the tree of gradient shards. */
typedef void lk_add_fn(size_t n, const float *a, const float *b, float *y);

/* Scalars of sgd, rounded to float by the caller. */
struct lk_sgd {
    float lr, momentum, weight_decay;
    int nesterov;
};

/*
 * sgd: stochastic gradient descent as torch.optim.SGD (dampening 0).
 *   g = fma(weight_decay, w, grad); m = fma(momentum, m, g); d = nesterov ? fma(momentum, m, g) : m; w = fma(-lr, d, w)
 * grad  (n) in        w (n) in, out        m (n) in, out, +0 before the first step
 */
typedef void lk_sgd_fn(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p);

/* Scalars of adam, computed in double by the caller and rounded once. t counts steps from 1. */
struct lk_adam {
    float step;          /* lr / (1 - beta1^t) */
    float beta1c;        /* 1 - beta1 */
    float beta2, beta2c; /* beta2, 1 - beta2 */
    float rbias2;        /* 1 / sqrt(1 - beta2^t) */
    float eps;
    float weight_decay; /* coupled (Adam); 0 for AdamW */
    float decay;        /* 1 - lr * weight_decay (AdamW); 1 for Adam */
};

/*
 * adam: Adam and AdamW as torch.optim.
 *   w = w * decay; g = fma(weight_decay, w, grad); m = fma(beta1c, g - m, m); v = fma(beta2c, g * g, beta2 * v)
 *   w = fma(-step, m / fma(sqrt(v), rbias2, eps), w)
 * grad  (n) in        w, m, v (n) in, out; m, v +0 before the first step
 */
typedef void lk_adam_fn(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p);

/*
 * peak_fma: a probe of the FMA peak: independent register-only chains. Returns the floating-point operations done
 * (two for an fma); the caller times it. n is the number of rounds.
 */
typedef double lk_peak_fma_fn(size_t n);

/* Every kernel once. ref fills every slot; the checker and the benchmarks walk this list. */
#define LK_KERNELS(X)                                                                                                  \
    X(gemm_fwd)                                                                                                        \
    X(gemm_dx)                                                                                                         \
    X(gemm_dw)                                                                                                         \
    X(transpose)                                                                                                       \
    X(relu_fwd)                                                                                                        \
    X(relu_bwd)                                                                                                        \
    X(sigmoid_fwd)                                                                                                     \
    X(sigmoid_bwd)                                                                                                     \
    X(tanh_fwd)                                                                                                        \
    X(tanh_bwd)                                                                                                        \
    X(exp)                                                                                                             \
    X(log)                                                                                                             \
    X(softmax_fwd)                                                                                                     \
    X(softmax_bwd)                                                                                                     \
    X(softmax_xent)                                                                                                    \
    X(gather_u8)                                                                                                       \
    X(add)                                                                                                             \
    X(sgd)                                                                                                             \
    X(adam)                                                                                                            \
    X(peak_fma)

/* The kernel table: one function for each slot. An instruction set may leave a slot NULL; table.c fills it from below.
 */
struct lk_kernels {
#define X(k) lk_##k##_fn *k;
    LK_KERNELS(X)
#undef X
};

/* Index of each slot, for lk_table.origin. */
enum lk_slot {
#define X(k) LK_SLOT_##k,
    LK_KERNELS(X)
#undef X
        LK_SLOTS
};

#endif
