/* SPDX-License-Identifier: MIT
 *
 * The contract of every Lockstep kernel: what is computed, rounding by rounding. kernels/ref is its plain C definition;
 * every other instruction set gives the same bits (checked by tests/kernels). Kernels are single-threaded pure
 * functions on the caller's memory: no allocation, threads, I/O, globals or environment.
 *
 * Letters   B batch, C O channels in and out, L T positions in and out, I inputs, O outputs; M N K rows, columns and
 *           chain length of a matrix product.
 * Panels    A matrix of R rows and C columns in panel form is [ceil(C/16)][R][16]: element (r, c) lies at
 *           p[(c / 16) * ld + r * 16 + c % 16]. `ld*` is the distance of two panels in elements (>= 16 R), so a range
 *           of rows or of panels is the same matrix with another base pointer. Weights are dense: ld = 16 R. Panel
 *           columns C..16*ceil(C/16)-1 ("pad") are ignored in inputs (any value, NaN included) and written as +0.
 * Samples   A value of B samples with C channels of L positions is a matrix in panel form whose rows are (sample,
 *           position): element (b, c, l) lies at p[(c / 16) * ld + (b * pitch + l) * 16 + c % 16] (struct lk_view).
 *           One sample begins pitch >= L rows after the other. The rows between them, and those before the first and
 *           behind the last, are the halo: convolutions read +0 there, no kernel writes it. L = 1 with pitch 1 is a
 *           plain matrix.
 * Numbers   fma(a, b, c) is a fused multiply-add, rounded once. Callers run under lk_fpenv_enter (round to nearest,
 *           FTZ, DAZ). Any NaN equals any NaN. Chains run in the stated order and are never vectorised along it.
 * Memory    Pointers need float alignment only; 64 bytes is fastest. No byte outside the stated elements is read or
 *           written. Outputs overlap nothing unless said.
 * Errors    Kernels have none: sizes are the caller's promise. Zero sizes are allowed and touch nothing they would not.
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

/* A value in sample form, to read and to write. */
struct lk_cview {
    const float *p;
    size_t ld, pitch;
};

struct lk_view {
    float *p;
    size_t ld, pitch;
};

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

/* Arrays of which the caller reads next what lies at the places of an (M, N) result: n of them, panels ld apart. */
enum { LK_NEXT = 4 };
struct lk_next {
    const float *p[LK_NEXT];
    size_t n, ld;
};

/*
 * gemm_dw: weight and bias gradient of a linear layer over K samples.
 *   G[m][n] = chain + 0, chain = first ? +0 : G[m][n], then fma(X[k][m], D[k][n], chain) for k = 0..K-1
 *   db[n]   = chain + 0, chain = first ? +0 : db[n],   then chain + D[k][n]              for k = 0..K-1
 * A chain cut into several calls gives the bits of one call: the +0 between two parts cannot change a later sum.
 * M inputs, N outputs, K samples
 * X     (K, M) panels, ldx, in        D     (K, N) panels, ldd, in
 * G     (M, N) panels, ldg, out, in as well when first is 0
 * db    (16 * ceil(N/16)) out, likewise, pad written +0; NULL: not computed
 * next  asked for (prefetch) while the chains are computed, never read; NULL: nothing
 */
typedef void lk_gemm_dw_fn(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                           float *G, size_t ldg, float *db, int first, const struct lk_next *next);

/* ---- products that leave zeros out ---- */

/* finite: 1 when none of the n floats is infinite or NaN, else 0. */
typedef int lk_finite_fn(size_t n, const float *x);

/*
 * gemm_fwd_skip: as gemm_fwd, the terms with A[m][k] = 0 left out: the same bits, since fma(0, w, chain) = chain for
 * finite w, but for the sign of a 0, which the last + 0 makes +.
 * Z     bits of A as gather_u8 gives them, ldz; 1 where A is 0 is allowed, not in the pad        W     finite
 * Returns the fused multiply-adds done, at most M N K: an instruction set may compute zeros that lie among others.
 * Source: lists of columns with entries, as in sparse products by blocks of rows (Saad 2003, 3.4).
 */
typedef size_t lk_gemm_fwd_skip_fn(size_t M, size_t N, size_t K, const float *A, size_t lda, const uint16_t *Z,
                                   size_t ldz, const float *W, const float *bias, float *Y, size_t ldy,
                                   enum lk_act act);

/* gemm_dw_skip: as gemm_dw, the terms with X[k][m] = 0 left out. Z bits of X; D finite; returns as gemm_fwd_skip. */
typedef size_t lk_gemm_dw_skip_fn(size_t M, size_t N, size_t K, const float *X, size_t ldx, const uint16_t *Z,
                                  size_t ldz, const float *D, size_t ldd, float *G, size_t ldg, float *db, int first);

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
 * gather_u8: chosen samples of a byte matrix as floats and, where L = 1, which of these are not 0.
 *   X[b,c,l] = float(src[index[b] * lds + c * L + l]) * scale
 *   bit c of Z[p * ldz + b] = X[b,16 p + c] != 0, for NaN 1; a subnormal counts as 0; 0 in the pad
 * src   (any, C L) bytes in PyTorch's order, lds bytes apart, in        index (B) in        x  (B, C, L) out
 * Z     [ceil(C/16)][B] of 16 bits, panels ldz >= B apart, out; NULL: not wanted, or L > 1
 */
typedef void lk_gather_u8_fn(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                             float scale, struct lk_view x, uint16_t *Z, size_t ldz);

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
 * returns 1 when all w are finite afterwards, else 0
 */
typedef int lk_sgd_fn(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p);

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
 * returns 1 when all w are finite afterwards, else 0
 */
typedef int lk_adam_fn(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p);

/* ---- convolution of (B, C, L) to (B, O, T) ---- */

/*
 * Output position t and tap k meet the input at t * stride + k * dilation - padding. Channels fall into `groups` equal
 * parts: output o sees the Cg = C / groups input channels of part j = o / Og only, Og = O / groups.
 * Limits: stride, dilation, groups >= 1; groups divides C and O.
 */
struct lk_conv {
    size_t B, C, L, O, T;
    size_t taps, stride, dilation, padding, groups;
};

/*
 * What becomes of a finished chain v of conv_fwd and conv_dx: forward (y.p NULL): act(v + 0), the chain starting at the
 * bias of its column, or at +0 when bias is NULL; derivative (y.p not NULL, bias NULL): act'(y) applied to (v + 0), y
 * the activated value that the output is the gradient of, in the output's shape.
 */
struct lk_epilogue {
    const float *bias;
    enum lk_act act;
    struct lk_cview y;
};

/*
 * conv_fwd: convolution (cross-correlation) forward; data gradient of a transposed convolution.
 *   Y[b,o,t] = epilogue(chain), then for k = 0..taps-1, c = 0..Cg-1:
 *   chain = fma(X[b, j Cg + c, t stride + k dilation - padding], W[k Cg + c][o], chain)
 * x     (B, C, L) in, halo of at least `padding` rows before each sample and, behind it, what the last tap reaches
 * w     (taps Cg, O) dense panels, in        e  bias (O), y (B, O, T)        y  (B, O, T) out
 * Source: a product over overlapping rows, no copy; taps as batch-reduce (Chaudhary et al. 2021, arXiv 2104.08002).
 */
typedef void lk_conv_fwd_fn(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                            struct lk_view y);

/*
 * conv_dx: data gradient of a convolution, in gather form; transposed convolution forward.
 *   DX[b,c,l] = epilogue(chain), then for the k of 0..taps-1 for which l + padding - k dilation is a multiple of
 *   stride, ascending, and o = 0..Og-1:
 *   chain = fma(D[b, j Og + o, (l + padding - k dilation) / stride], WT[k Og + o][c], chain), j = c / Cg
 * d     (B, O, T) in, halo as far as the positions above reach beyond 0..T-1
 * wt    (taps Og, C) dense panels, in: WT[k Og + o][j Cg + c] = W[k Cg + c][j Og + o]
 * e     bias (C), y (B, C, L)        dx  (B, C, L) out
 */
typedef void lk_conv_dx_fn(const struct lk_conv *g, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                           struct lk_view dx);

/*
 * conv_dw: weight and bias gradient of a convolution: rows r..r+M-1 of the weights (taps Cg, O), columns o0..o0+N-1.
 *   G[m][n] = chain + 0, chain = first ? +0 : G[m][n], then for b = 0..B-1, t = 0..T-1:
 *   chain = fma(X[b, j Cg + c, t stride + k dilation - padding], D[b, o0 + n, t], chain),
 *   k = (r + m) / Cg, c = (r + m) % Cg, j = (o0 + n) / Og
 *   db[n] = chain + 0, chain = first ? +0 : db[n], then chain + D[b, o0 + n, t] in the same order
 * r + M <= taps Cg, o0 a multiple of 16, o0 + N <= O; M = 0: db only
 * x     (B, C, L) in, halo as conv_fwd        d  (B, O, T) in: views of the whole values
 * G     (M, N) panels, ldg, out, in as well when first is 0        db  (16 ceil(N/16)) likewise, or NULL
 */
typedef void lk_conv_dw_fn(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                           struct lk_cview d, float *G, size_t ldg, float *db, int first);

/* ---- pooling of (B, C, L) to (B, C, T) ---- */

/*
 * Window t covers positions t * stride - padding + i, i = 0..kernel-1, cut to 0..L-1, which leaves at least one.
 * Limits: kernel, stride >= 1, padding <= kernel / 2.
 */
struct lk_pool {
    size_t B, C, L, T;
    size_t kernel, stride, padding;
    int count_include_pad; /* avg: divide by the window cut to -padding..L+padding-1, not to 0..L-1 */
};

/* Bytes of one index of max_pool: uint8_t where it fits, else uint32_t. */
static inline size_t lk_pool_index_size(size_t kernel)
{
    return kernel <= 256 ? 1 : 4;
}

/*
 * max_pool_fwd: Y[b,c,t] = best; best = x at the first valid position, then for the others ascending: x > best or x is
 * NaN ? x : best. The first maximum wins, NaN passes, a window of -inf gives -inf.
 * x     (B, C, L) in        y  (B, C, T) out
 * index (C / 16 panels, B T rows, 16) out, dense: i of best in its window (lk_pool_index_size bytes each, pad 0); NULL:
 *       not wanted
 */
typedef void lk_max_pool_fwd_fn(const struct lk_pool *g, struct lk_cview x, struct lk_view y, void *index);

/*
 * max_pool_bwd: DX[b,c,l] = sum, from +0 over the windows t ascending with t stride - padding + index = l: sum +
 * D[b,c,t] index as written by max_pool_fwd        d  (B, C, T) in        dx  (B, C, L) out, every position
 */
typedef void lk_max_pool_bwd_fn(const struct lk_pool *g, const void *index, struct lk_cview d, struct lk_view dx);

/*
 * avg_pool_fwd: Y[b,c,t] = s * r[t], s = +0, then s + x at the valid positions ascending; r[t] = (float)(1.0 / n), n
 * the positions counted. x  (B, C, L) in        y  (B, C, T) out
 */
typedef void lk_avg_pool_fwd_fn(const struct lk_pool *g, struct lk_cview x, struct lk_view y);

/*
 * avg_pool_bwd: DX[b,c,l] = sum, from +0 over the windows t ascending that cover l: sum + D[b,c,t] * r[t], both
 * rounded. d  (B, C, T) in        dx  (B, C, L) out, every position
 */
typedef void lk_avg_pool_bwd_fn(const struct lk_pool *g, struct lk_cview d, struct lk_view dx);

/* ---- order, random masks ---- */

/* flatten_fwd: Y[b][c L + l] = X[b,c,l]. x (B, C, L) in        Y (B, C L) panels, ldy, out */
typedef void lk_flatten_fwd_fn(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy);

/* flatten_bwd: DX[b,c,l] = D[b][c L + l]. D (B, C L) panels, ldd, in        dx (B, C, L) out */
typedef void lk_flatten_bwd_fn(size_t B, size_t C, size_t L, const float *D, size_t ldd, struct lk_view dx);

struct lk_dropout {
    uint32_t seed, stream; /* key */
    uint32_t step, row;    /* of the first sample, in the whole batch */
    uint32_t threshold;    /* p 2^32, rounded */
    float scale;           /* 1 / (1 - p) */
};

/*
 * dropout: Y[b,c,l] = word >= threshold ? X[b,c,l] * scale : +0, forward, and backward with X the gradient.
 *   word = the first of Philox-4x32-10 (Salmon et al. 2011) of counter (c L + l, row + b, step, 0), key (seed, stream)
 * x  (B, C, L) in        y  (B, C, L) out; may equal x
 */
typedef void lk_dropout_fn(const struct lk_dropout *p, size_t B, size_t C, size_t L, struct lk_cview x,
                           struct lk_view y);

/* ---- elementwise: (n) in, (n) out; the output may equal any input of the same length ----
 * Operations run as written, left to right, each rounded. x cut to a..b: the bound where x is beyond it; NaN passes. */

/* leaky_relu_fwd: y[i] = x[i] > 0 ? x[i] : slope * x[i]. */
typedef void lk_leaky_relu_fwd_fn(size_t n, float slope, const float *x, float *y);

/* leaky_relu_bwd: dx[i] = x[i] > 0 ? dy[i] : slope * dy[i], from the input x; a subnormal dy counts as 0 of its
 * sign. */
typedef void lk_leaky_relu_bwd_fn(size_t n, float slope, const float *x, const float *dy, float *dx);

/*
 * gelu_fwd: y[i] = x[i] * cdf, cdf = 0.5 * (1 + erf(x[i] / sqrt(2))). Error <= 8 ULP of y, or of 1e-3 where |y| is
 * below; -0 at -inf.
 * Method: a = |x| cut to 0..13.25, Phi(-a) = q p s: p s = e^(-a^2 / 2), s a power of two, a^2 in two words, as in exp;
 * q = (1 - u) Q(u), u = a / (a + 3.375), Q of degree 9. y = x > 0 ? x * fma(-w, s, 1) : x * w * s, w = q * p, where the
 * x before w is cut below at -13.25.
 */
typedef void lk_gelu_fwd_fn(size_t n, const float *x, float *y);

/*
 * gelu_bwd: dx[i] = dy[i] * (cdf + x[i] * pdf), pdf = exp(-x[i]^2 / 2) / sqrt(2 pi), from the input x. Error of the
 * derivative <= 2e-7; it is 0 at -inf and 1 at inf.
 * Method: as gelu_fwd, w = p * fma(-a, 1 / sqrt(2 pi), q) * s; dx = dy * (x > 0 ? 1 - w : w).
 */
typedef void lk_gelu_bwd_fn(size_t n, const float *x, const float *dy, float *dx);

/*
 * gelu_tanh_fwd: y[i] = 0.5 * x[i] * (1 + tanh(sqrt(2 / pi) * (x[i] + 0.044715 x[i]^3))). Error <= 4 ULP of y, or
 * of 1e-3 where |y| is below; -0 at -inf.
 * Method: y = x * sigmoid(v), v = x (g + gl) in two words, g = 2 sqrt(2 / pi) (1 + 0.044715 x^2); x cut to
 * -10.04..10.04 in v, cut below at -10.04 before sigmoid.
 */
typedef void lk_gelu_tanh_fwd_fn(size_t n, const float *x, float *y);

/*
 * gelu_tanh_bwd: its derivative times dy[i], from the input x. Error of the derivative <= 2e-7; 0 at -inf, 1 at inf.
 * Method: a = -|x| cut to -10.04..0, c = sigmoid(v(a)), w = c * fma(a * (1 - c), v'(a), 1), v' = 2 sqrt(2 / pi) (1 +
 * 3 * 0.044715 a^2) by one fma; dx = dy * (x > 0 ? 1 - w : w).
 */
typedef void lk_gelu_tanh_bwd_fn(size_t n, const float *x, const float *dy, float *dx);

/* silu_fwd: y[i] = x[i] * sigmoid(x[i]), the first x cut below at -88; 0 where sigmoid is, -0 at -inf. <= 3 ULP of y,
 * or of 1e-3 where |y| is below. */
typedef void lk_silu_fwd_fn(size_t n, const float *x, float *y);

/* silu_bwd: dx[i] = dy[i] * (s * fma(x[i], 1 - s, 1)), s = sigmoid(x[i]), from the input x, cut to -88..88. */
typedef void lk_silu_bwd_fn(size_t n, const float *x, const float *dy, float *dx);

/*
 * log1p: y[i] = ln(1 + x[i]), <= 2 ULP; NaN below -1, -inf at -1, the sign of x elsewhere.
 * Method: k as log of the rounded 1 + x, f = x 2^-k + (2^-k - 1), then as log.
 */
typedef void lk_log1p_fn(size_t n, const float *x, float *y);

/*
 * erf: y[i] = 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x[i], <= 2 ULP.
 * Method: x + x P(x^2) of degree 5 below |x| = 0.875; else 1 - exp(R(|x|)), R of degree 6, |x| cut to 3.93.
 */
typedef void lk_erf_fn(size_t n, const float *x, float *y);

/* y[i] = a[i] - b[i], a[i] * b[i], a[i] / b[i]. */
typedef void lk_sub_fn(size_t n, const float *a, const float *b, float *y);
typedef void lk_mul_fn(size_t n, const float *a, const float *b, float *y);
typedef void lk_div_fn(size_t n, const float *a, const float *b, float *y);

/* maximum, minimum: y[i] = a[i] if a[i] is NaN or a[i] > b[i] (minimum: <), else b[i]; so a NaN on either side passes.
 * A subnormal counts as 0 of its sign. */
typedef void lk_maximum_fn(size_t n, const float *a, const float *b, float *y);
typedef void lk_minimum_fn(size_t n, const float *a, const float *b, float *y);

/*
 * maximum_bwd: the gradient of a where g is that of maximum(a, b): da[i] = a[i] > b[i] ? g[i] : a[i] == b[i] ? g[i] *
 * 0.5 : +0; a subnormal g counts as 0 of its sign. Called with a and b exchanged it gives that of b; that of minimum's
 * a, too.
 */
typedef void lk_maximum_bwd_fn(size_t n, const float *a, const float *b, const float *g, float *da);

/* scale: y[i] = alpha * x[i]. */
typedef void lk_scale_fn(size_t n, float alpha, const float *x, float *y);

/* ---- over the elements of a sample ---- */

/*
 * sum: y[b] = alpha * s, s the sum of sample b over 16 lanes: lane c % 16 takes its elements from +0, panels ascending,
 * positions inside; then lane l takes lane l+8, l+4, l+2, l+1.
 * x  (B, C, L) in        y  (B, 1, 1) out
 */
typedef void lk_sum_fn(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y);

/* expand: Y[b,c,l] = alpha * x[b]. x (B, 1, 1) in        y (B, C, L) out */
typedef void lk_expand_fn(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y);

/*
 * log_softmax_fwd: Y[m][n] = (Z[m][n] - max) - log(s), max and s as softmax_fwd.
 * Z  (M, N) panels, ldz, in        Y  (M, N) panels, ldy, out; may equal Z when ldy = ldz
 */
typedef void lk_log_softmax_fwd_fn(size_t M, size_t N, const float *Z, size_t ldz, float *Y, size_t ldy);

/*
 * log_softmax_bwd: DZ[m][n] = fma(-exp(Y[m][n]), s, D[m][n]), s = row sum of D over 16 lanes, lane + D, as softmax_fwd.
 * Y, D  (M, N) panels in, ldy, ldd        DZ  (M, N) panels, lddz, out; may equal D when lddz = ldd
 */
typedef void lk_log_softmax_bwd_fn(size_t M, size_t N, const float *Y, size_t ldy, const float *D, size_t ldd,
                                   float *DZ, size_t lddz);

/*
 * Losses of samples: loss[b] = alpha * s, s the sum of e over 16 lanes as in sum, alpha = 1 / (C L).
 * x (prediction), t (target)  (B, C, L) in        loss (B) out
 * mse_fwd:        lane = fma(x - t, x - t, lane)
 * bce_fwd:        e = -fma(t, max(log(x), -100), (1 - t) * max(log(1 - x), -100)); lane + e. x in 0..1; max passes NaN
 * bce_logits_fwd: e = (relu(x) - x * t) + log1p(exp(-|x|)), relu as relu_fwd; lane + e
 */
typedef void lk_mse_fwd_fn(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t,
                           float *loss);
typedef void lk_bce_fwd_fn(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t,
                           float *loss);
typedef void lk_bce_logits_fwd_fn(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t,
                                  float *loss);

/* mse_bwd: dx[i] = (x[i] - t[i]) * alpha, alpha = 2 / count. */
typedef void lk_mse_bwd_fn(size_t n, float alpha, const float *x, const float *t, float *dx);

/* bce_bwd: dx[i] = (x[i] - t[i]) / max((1 - x[i]) * x[i], 1e-12f) * alpha, alpha = 1 / count; max passes NaN. */
typedef void lk_bce_bwd_fn(size_t n, float alpha, const float *x, const float *t, float *dx);

/* bce_logits_bwd: dx[i] = (sigmoid(x[i]) - t[i]) * alpha, alpha = 1 / count. */
typedef void lk_bce_logits_bwd_fn(size_t n, float alpha, const float *x, const float *t, float *dx);

/*
 * Probes: what this core can do at best, for one instruction set. The caller times them.
 *
 * peak_fma: independent register-only chains of fused multiply-adds. Returns the floating-point operations done (two
 * for an fma). n is the number of rounds.
 */
typedef double lk_peak_fma_fn(size_t n);

/* peak_clock: one chain of integer additions, each a cycle after the one before. Returns their number, the cycles. n is
 * the number of rounds. */
typedef double lk_peak_clock_fn(size_t n);

/* peak_read: returns the exclusive or of the bits of x[0..n), in any order. (n) in. */
typedef uint32_t lk_peak_read_fn(size_t n, const float *x);

/* peak_write: y[i] = value, by ordinary stores, which read a missing line first. (n) out. */
typedef void lk_peak_write_fn(size_t n, float value, float *y);

/* peak_copy: y[i] = x[i], bit by bit, by ordinary loads and stores. (n) in, (n) out; y may equal x. */
typedef void lk_peak_copy_fn(size_t n, const float *x, float *y);

/* Every kernel once. ref fills every slot; the checker and the benchmarks walk this list. */
#define LK_KERNELS(X)                                                                                                  \
    X(gemm_fwd)                                                                                                        \
    X(gemm_dx)                                                                                                         \
    X(gemm_dw)                                                                                                         \
    X(finite)                                                                                                          \
    X(gemm_fwd_skip)                                                                                                   \
    X(gemm_dw_skip)                                                                                                    \
    X(transpose)                                                                                                       \
    X(conv_fwd)                                                                                                        \
    X(conv_dx)                                                                                                         \
    X(conv_dw)                                                                                                         \
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
    X(max_pool_fwd)                                                                                                    \
    X(max_pool_bwd)                                                                                                    \
    X(avg_pool_fwd)                                                                                                    \
    X(avg_pool_bwd)                                                                                                    \
    X(flatten_fwd)                                                                                                     \
    X(flatten_bwd)                                                                                                     \
    X(dropout)                                                                                                         \
    X(sum)                                                                                                             \
    X(expand)                                                                                                          \
    X(leaky_relu_fwd)                                                                                                  \
    X(leaky_relu_bwd)                                                                                                  \
    X(gelu_fwd)                                                                                                        \
    X(gelu_bwd)                                                                                                        \
    X(gelu_tanh_fwd)                                                                                                   \
    X(gelu_tanh_bwd)                                                                                                   \
    X(silu_fwd)                                                                                                        \
    X(silu_bwd)                                                                                                        \
    X(log1p)                                                                                                           \
    X(erf)                                                                                                             \
    X(sub)                                                                                                             \
    X(mul)                                                                                                             \
    X(div)                                                                                                             \
    X(maximum)                                                                                                         \
    X(minimum)                                                                                                         \
    X(maximum_bwd)                                                                                                     \
    X(scale)                                                                                                           \
    X(log_softmax_fwd)                                                                                                 \
    X(log_softmax_bwd)                                                                                                 \
    X(mse_fwd)                                                                                                         \
    X(bce_fwd)                                                                                                         \
    X(bce_logits_fwd)                                                                                                  \
    X(mse_bwd)                                                                                                         \
    X(bce_bwd)                                                                                                         \
    X(bce_logits_bwd)                                                                                                  \
    X(peak_fma)                                                                                                        \
    X(peak_clock)                                                                                                      \
    X(peak_read)                                                                                                       \
    X(peak_write)                                                                                                      \
    X(peak_copy)

/* Index of each slot, for lk_table. */
enum lk_slot {
#define X(k) LK_SLOT_##k,
    LK_KERNELS(X)
#undef X
        LK_SLOTS
};

/* Rows and columns of a result that a product holds in registers at once, at most. */
struct lk_tile {
    size_t rows, cols;
};

/* The tile that a slot takes for N columns of `groups` (1: a plain product) and chains of so many terms; {0, 0}: it has
 * none. For reports: nothing depends on it. */
typedef struct lk_tile lk_tile_fn(enum lk_slot slot, size_t N, size_t terms, size_t groups);

/* The kernel table: one function for each slot. An instruction set may leave a slot NULL; table.c fills it from below.
 */
struct lk_kernels {
#define X(k) lk_##k##_fn *k;
    LK_KERNELS(X)
#undef X
    lk_tile_fn *tile; /* of its own slots; NULL: none has any */
};

#endif
