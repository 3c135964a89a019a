/* SPDX-License-Identifier: MIT
 * The checker checks itself: each of these kernels breaks its contract in one way and must be caught. */
#include "kc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xmmintrin.h>

enum { P = LK_PANEL, TRIES = 400 };

/* Kernels that must crash here, and not in a sanitizer. */
#define CRASHES __attribute__((no_sanitize("undefined")))

/* The kernels that the broken ones are made of; set by kc_selftest. */
static const struct lk_kernels *good;

static float relu(float x)
{
    return 0.0f > x ? 0.0f : x;
}

/* a * b + c rounded once, on any CPU: the momentum of one optimiser step (-0 * 0 + c is c, whatever its sign). */
static float fma1(float a, float b, float c)
{
    const struct lk_sgd p = {.momentum = a, .weight_decay = -0.0f};
    float w = 0.0f;

    good->sgd(1, &c, &w, &b, &p);
    return b;
}

static void add_tail_dropped(size_t n, const float *a, const float *b, float *y)
{
    good->add(n / 8 * 8, a, b, y);
}

static void relu_swapped(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static void relu_reads_past(size_t n, const float *x, float *y)
{
    volatile float past = x[n];

    (void)past;
    good->relu_fwd(n, x, y);
}

static void relu_reads_before(size_t n, const float *x, float *y)
{
    volatile float before = x[-1];

    (void)before;
    good->relu_fwd(n, x, y);
}

static void relu_writes_past(size_t n, const float *x, float *y)
{
    good->relu_fwd(n, x, y);
    y[n] = 0.0f;
}

static void relu_writes_input(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = relu(x[i]);
        ((float *)(uintptr_t)x)[i] = y[i];
    }
}

CRASHES static void relu_needs_alignment(size_t n, const float *x, float *y)
{
    if (n >= 4)
        __asm__ volatile("movaps %0, %%xmm0" : : "m"(*x) : "xmm0", "memory");
    good->relu_fwd(n, x, y);
}

static void relu_bwd_clears_first(size_t n, const float *y, const float *dy, float *dx)
{
    memset(dx, 0, n * sizeof *dx);
    for (size_t i = 0; i < n; i++)
        if (y[i] > 0.0f)
            dx[i] = dy[i];
}

static void exp_changes_mxcsr(size_t n, const float *x, float *y)
{
    good->exp(n, x, y);
    _mm_setcsr(_mm_getcsr() & ~0x8000u);
}

static void log_without_daz(size_t n, const float *x, float *y)
{
    unsigned saved = _mm_getcsr();

    good->log(n, x, y);
    _mm_setcsr(saved & ~0x40u);
    for (size_t i = 0; i < n; i++)
        if (x[i] > 0.0f && x[i] < 0x1p-126f)
            y[i] = -87.5f;
    _mm_setcsr(saved);
}

CRASHES static void sigmoid_illegal(size_t n, const float *x, float *y)
{
    good->sigmoid_fwd(n, x, y);
    if (n > 100)
        __asm__ volatile("ud2");
}

static void fwd_last_row(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                         float *Y, size_t ldy, enum lk_act act)
{
    good->gemm_fwd(M ? M - 1 : 0, N, K, A, lda, W, bias, Y, ldy, act);
}

static void fwd_no_tail_tile(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
                             const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    good->gemm_fwd(M > 6 ? M / 6 * 6 : M, N, K, A, lda, W, bias, Y, ldy, act);
}

/* A plain matmul without activation whose ways to be wrong are chosen by flags. */
enum { DESCENDING = 1, TWO_ROUNDINGS = 2, NO_PLUS_ZERO = 4, PAD_LEFT = 8, READS_PAD = 16, BIAS_LAST = 32 };

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
        good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
        return;
    }
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < lk_panels(N) * P; n++) {
            float *y = &Y[n / P * ldy + m * P + n % P];

            if (n < N)
                *y = wrong_chain(wrong, K, A + m * P, lda, W + n / P * K * P + n % P, bias ? bias[n] : 0.0f);
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

CRASHES static void fwd_needs_bias(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
                                   const float *bias, float *Y, size_t ldy, enum lk_act act)
{
    volatile float first = N ? bias[0] : 0.0f;

    (void)first;
    good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
}

static void fwd_no_tanh(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                        float *Y, size_t ldy, enum lk_act act)
{
    good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act == LK_ACT_TANH ? LK_ACT_NONE : act);
}

static void fwd_writes_gap(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W, const float *bias,
                           float *Y, size_t ldy, enum lk_act act)
{
    good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
    if (N > P && ldy > M * P)
        Y[M * P] = 0.0f;
}

static void dx_dense_panels(size_t M, size_t N, size_t K, const float *D, size_t ldd, const float *WT, const float *Y,
                            size_t ldy, enum lk_act act, float *DX, size_t lddx)
{
    (void)lddx;
    good->gemm_dx(M, N, K, D, ldd, WT, Y, ldy, act, DX, M * P);
}

/* acc = 0, then G += acc. */
static void dw_adds_at_end(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                           float *G, size_t ldg, float *db, int first)
{
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < lk_panels(N) * P; n++) {
            float acc = 0.0f, *g = &G[n / P * ldg + m * P + n % P];

            for (size_t k = 0; n < N && k < K; k++)
                acc = fma1(X[m / P * ldx + k * P + m % P], D[n / P * ldd + k * P + n % P], acc);
            *g = n < N ? (first ? 0.0f : *g) + acc : 0.0f;
        }
    good->gemm_dw(0, N, K, X, ldx, D, ldd, G, ldg, db, first);
}

static void dw_forgets_first(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                             float *G, size_t ldg, float *db, int first)
{
    (void)first;
    good->gemm_dw(M, N, K, X, ldx, D, ldd, G, ldg, db, 1);
}

static void dw_db_pad_left(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *D, size_t ldd,
                           float *G, size_t ldg, float *db, int first)
{
    float saved = db && N % P ? db[N] : 0.0f;

    good->gemm_dw(M, N, K, X, ldx, D, ldd, G, ldg, db, first);
    if (db && N % P)
        db[N] = saved;
}

static void transpose_whole_blocks(size_t M, size_t N, const float *W, size_t ldw, float *WT, size_t ldwt)
{
    good->transpose(M, N, W, ldw, WT, ldwt);
    if (M % P && N)
        WT[M / P * ldwt + M % P] = W[M * P];
}

/* The row sum from left to right instead of over 16 lanes. */
static void softmax_in_sequence(size_t M, size_t N, const float *Z, size_t ldz, float *Pr, size_t ldp)
{
    for (size_t m = 0; m < M; m++, Z += P, Pr += P) {
        float max = -INFINITY, s = 0.0f;

        for (size_t n = 0; n < lk_panels(N) * P; n++)
            Pr[n / P * ldp + n % P] = n < N ? Z[n / P * ldz + n % P] : 0.0f;
        for (size_t n = 0; n < N; n++)
            max = Pr[n / P * ldp + n % P] > max ? Pr[n / P * ldp + n % P] : max;
        for (size_t n = 0; n < N; n++) {
            float *p = &Pr[n / P * ldp + n % P], x = *p - max;

            good->exp(1, &x, p);
            s += *p;
        }
        for (size_t n = 0; n < N; n++)
            Pr[n / P * ldp + n % P] /= s;
    }
}

static void softmax_max_takes_pad(size_t M, size_t N, const float *Z, size_t ldz, float *Pr, size_t ldp)
{
    good->softmax_fwd(M, N, Z, ldz, Pr, ldp);
    for (size_t m = 0; N % P && m < M; m++)
        if (Z[N / P * ldz + m * P + N % P] == INFINITY)
            Pr[m * P] = 0.0f;
}

static void xent_any_maximum(size_t M, size_t N, const float *Z, size_t ldz, const uint8_t *label, float scale,
                             float *D, size_t ldd, float *loss, uint8_t *hit)
{
    for (size_t m = 0; m < M; m++) {
        const float *z = Z + m * P;
        float mine = z[label[m] / P * ldz + label[m] % P];
        bool best = mine == mine;

        for (size_t n = 0; n < N; n++)
            best = best && !(z[n / P * ldz + n % P] > mine);
        good->softmax_xent(1, N, z, ldz, label + m, scale, D ? D + m * P : NULL, ldd, loss + m, hit + m);
        hit[m] = best;
    }
}

CRASHES static void xent_needs_gradient(size_t M, size_t N, const float *Z, size_t ldz, const uint8_t *label,
                                        float scale, float *D, size_t ldd, float *loss, uint8_t *hit)
{
    good->softmax_xent(M, N, Z, ldz, label, scale, D, ldd, loss, hit);
    if (M)
        D[0] += 0.0f;
}

static void gather_reads_16(size_t M, size_t K, const uint8_t *src, size_t lds, const uint32_t *index, float scale,
                            float *X, size_t ldx)
{
    for (size_t m = 0; m < M; m++) {
        volatile uint8_t past = K ? src[index[m] * lds + lk_panels(K) * P - 1] : 0;

        (void)past;
    }
    good->gather_u8(M, K, src, lds, index, scale, X, ldx);
}

static void sgd_decays_late(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = fma1(p->momentum, m[i], fma1(p->weight_decay, w[i], grad[i]));
        w[i] = fma1(-p->lr, m[i], w[i]);
    }
}

static void adam_eps_inside(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p)
{
    for (size_t i = 0; i < n; i++) {
        float x = w[i] * p->decay, g = fma1(p->weight_decay, x, grad[i]);

        m[i] = fma1(p->beta1c, g - m[i], m[i]);
        v[i] = fma1(p->beta2c, g * g, p->beta2 * v[i]);
        w[i] = fma1(-p->step, m[i] / (sqrtf(v[i]) * p->rbias2 + p->eps), x);
    }
}

static double peak_constant(size_t n)
{
    (void)n;
    return 1e9;
}

struct broken {
    const char *what;
    enum lk_slot slot;
    struct lk_kernels k; /* the one broken kernel */
    bool right;          /* nothing is broken, so that the others are caught for what they do */
};

#define BROKEN(slot_name, function, text)                                                                              \
    {                                                                                                                  \
        .what = text, .slot = LK_SLOT_##slot_name, .k.slot_name = function                                             \
    }

static const struct broken table[] = {
    BROKEN(add, add_tail_dropped, "tail dropped"),
    BROKEN(relu_fwd, relu_swapped, "operands swapped: NaN and -0 become +0"),
    BROKEN(relu_fwd, relu_reads_past, "one element read past the end"),
    BROKEN(relu_fwd, relu_reads_before, "one element read before the start"),
    BROKEN(relu_fwd, relu_writes_past, "one element written past the end"),
    BROKEN(relu_fwd, relu_writes_input, "input changed"),
    BROKEN(relu_fwd, relu_needs_alignment, "needs aligned pointers"),
    BROKEN(relu_bwd, relu_bwd_clears_first, "wrong when in place"),
    BROKEN(exp, exp_changes_mxcsr, "MXCSR changed"),
    BROKEN(log, log_without_daz, "subnormal input not taken as 0"),
    BROKEN(sigmoid_fwd, sigmoid_illegal, "illegal instruction"),
    {.what = "right (must pass)", .slot = LK_SLOT_gemm_fwd, .k.gemm_fwd = fwd_right, .right = true},
    BROKEN(gemm_fwd, fwd_last_row, "last row skipped"),
    BROKEN(gemm_fwd, fwd_no_tail_tile, "rows of the last tile skipped"),
    BROKEN(gemm_fwd, fwd_descending, "k in descending order"),
    BROKEN(gemm_fwd, fwd_two_roundings, "multiply and add in place of fma"),
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
    BROKEN(transpose, transpose_whole_blocks, "pad of the output not zeroed"),
    BROKEN(softmax_fwd, softmax_in_sequence, "row sum from left to right"),
    BROKEN(softmax_fwd, softmax_max_takes_pad, "pad in the maximum"),
    BROKEN(softmax_xent, xent_any_maximum, "any maximum is a hit"),
    BROKEN(softmax_xent, xent_needs_gradient, "gradient not optional"),
    BROKEN(gather_u8, gather_reads_16, "reads whole groups of 16 bytes"),
    BROKEN(sgd, sgd_decays_late, "nesterov missing"),
    BROKEN(adam, adam_eps_inside, "multiply and add in place of fma"),
    BROKEN(peak_fma, peak_constant, "operations not proportional to n"),
};

static bool caught(struct kc *c, const struct broken *b, uint64_t seed)
{
    for (unsigned id = 0; id < TRIES; id++)
        if (kc_prepare(c, b->slot, seed, id, good) && !kc_check(c, b->slot, &b->k))
            return true;
    return false;
}

int kc_selftest(struct kc *c, const struct lk_kernels *ref, uint64_t seed)
{
    int wrong = 0;

    good = ref;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct broken *b = &table[i];
        bool found = caught(c, b, seed);

        wrong += found == b->right;
        printf("%s%s %-13s %-40s", found == b->right ? "WRONG: " : "", found ? "caught" : "passed",
               lk_slot_name(b->slot), b->what);
        if (found)
            printf(" case %3u: %s", c->id, c->what);
        putchar('\n');
    }
    printf("kc: %zu broken kernels, %d wrong answers\n", sizeof table / sizeof *table - 1, wrong);
    return wrong;
}
