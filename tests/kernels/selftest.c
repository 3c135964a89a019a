/* SPDX-License-Identifier: MIT
 * The checker checks itself: each of these kernels breaks its contract in one way and must be caught. */
#include "kc.h"

#include <float.h>
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

/* Where element (b, c, l) of a value in sample form lies. */
static size_t place(size_t ld, size_t pitch, size_t b, size_t c, size_t l)
{
    return c / P * ld + (b * pitch + l) * P + c % P;
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
        good->gemm_fwd(M, N, K, A, lda, W, bias, Y, ldy, act);
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

/* Convolutions without activation, one chain at a time, wrong in chosen ways. */
enum {
    NEXT_TAP = 1,      /* input one position late */
    TAPS_DOWN = 2,     /* taps in descending order */
    HALO_SKIPPED = 4,  /* no terms for the halo */
    NEXT_GROUP = 8,    /* channels of another group */
    BIAS_AT_END = 16,  /* bias added after the chain */
    CHANNELS_OUT = 32, /* channels outside, taps inside */
    POSITION_OUT = 64  /* db: positions outside, samples inside */
};

static float element(struct lk_cview v, size_t b, size_t c, ptrdiff_t l)
{
    return v.p[(ptrdiff_t)(c / P * v.ld + b * v.pitch * P + c % P) + l * P];
}

static float wrong_conv_chain(int wrong, const struct lk_conv *g, struct lk_cview x, const float *w, size_t b, size_t o,
                              size_t t, float chain)
{
    const size_t Cg = g->C / g->groups, group = o / (g->O / g->groups) + (wrong & NEXT_GROUP ? 1 : 0);

    for (size_t i = 0; i < g->taps * Cg; i++) {
        size_t k = wrong & CHANNELS_OUT ? i % g->taps : i / Cg, c = wrong & CHANNELS_OUT ? i / g->taps : i % Cg;
        ptrdiff_t l;

        k = wrong & TAPS_DOWN ? g->taps - 1 - k : k;
        l = (ptrdiff_t)(t * g->stride + k * g->dilation) - (ptrdiff_t)g->padding + (wrong & NEXT_TAP ? 1 : 0);
        if ((wrong & HALO_SKIPPED) && (l < 0 || l >= (ptrdiff_t)g->L))
            continue;
        chain = fma1(element(x, b, group % g->groups * Cg + c, l), w[(o / P * g->taps * Cg + k * Cg + c) * P + o % P],
                     chain);
    }
    return chain;
}

static void wrong_conv(int wrong, const struct lk_conv *g, struct lk_cview x, const float *w,
                       const struct lk_epilogue *e, struct lk_view y)
{
    if (e->act != LK_ACT_NONE) {
        good->conv_fwd(g, x, w, e, y);
        return;
    }
    for (size_t o = 0; o < lk_panels(g->O) * P; o++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t t = 0; t < g->T; t++) {
                float start = e->bias && o < g->O ? e->bias[o] : 0.0f, v = 0.0f;

                if (o < g->O && !(wrong & BIAS_AT_END))
                    v = wrong_conv_chain(wrong, g, x, w, b, o, t, start) + 0.0f;
                else if (o < g->O)
                    v = wrong_conv_chain(wrong, g, x, w, b, o, t, 0.0f) + start + 0.0f;
                y.p[o / P * y.ld + (b * y.pitch + t) * P + o % P] = v;
            }
}

#define WRONG_CONV(name, wrong)                                                                                        \
    static void name(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,          \
                     struct lk_view y)                                                                                 \
    {                                                                                                                  \
        wrong_conv(wrong, g, x, w, e, y);                                                                              \
    }

WRONG_CONV(conv_right, 0)
WRONG_CONV(conv_next_tap, NEXT_TAP)
WRONG_CONV(conv_taps_down, TAPS_DOWN)
WRONG_CONV(conv_halo_skipped, HALO_SKIPPED)
WRONG_CONV(conv_next_group, NEXT_GROUP)
WRONG_CONV(conv_bias_at_end, BIAS_AT_END)
WRONG_CONV(conv_channels_outside, CHANNELS_OUT)

/* Whole rows of a panel, so that the last sample has a row too much. */
static void conv_writes_halo(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                             struct lk_view y)
{
    good->conv_fwd(g, x, w, e, y);
    for (size_t b = 0; b + 1 < g->B && g->O && y.pitch > g->T; b++)
        y.p[(b * y.pitch + g->T) * P] = 0.0f;
}

/* A row more than the last tap reaches. */
static void conv_reads_past(const struct lk_conv *g, struct lk_cview x, const float *w, const struct lk_epilogue *e,
                            struct lk_view y)
{
    const size_t last = g->T ? (g->T - 1) * g->stride + (g->taps - 1) * g->dilation + 1 : 0;

    if (g->B && g->C && g->T) {
        volatile float past = element(x, g->B - 1, g->C - 1, (ptrdiff_t)last - (ptrdiff_t)g->padding);

        (void)past;
    }
    good->conv_fwd(g, x, w, e, y);
}

static void conv_dx_one_phase(const struct lk_conv *g, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                              struct lk_view dx)
{
    good->conv_dx(g, d, wt, e, dx);
    for (size_t p = 0; p < lk_panels(g->C); p++)
        for (size_t b = 0; b < g->B; b++)
            for (size_t l = 1; l < g->L; l += g->stride)
                if (g->stride > 1)
                    memset(dx.p + p * dx.ld + (b * dx.pitch + l) * P, 0, P * sizeof *dx.p);
}

/* A phase without taps left unwritten. */
static void conv_dx_no_taps(const struct lk_conv *g, struct lk_cview d, const float *wt, const struct lk_epilogue *e,
                            struct lk_view dx)
{
    for (size_t l = 0; l < g->L; l++)
        for (size_t k = 0; k < g->taps; k++)
            if ((l + g->padding + g->taps * g->stride * g->dilation - k * g->dilation) % g->stride == 0) {
                const struct lk_conv one = {g->B,    g->C,      1,           g->O,           g->T,
                                            g->taps, g->stride, g->dilation, g->padding + l, g->groups};
                struct lk_epilogue e1 = *e;
                struct lk_view dx1 = dx;

                dx1.p += l * P;
                e1.y.p += e->y.p ? l * P : 0;
                good->conv_dx(&one, d, wt, &e1, dx1);
                break;
            }
}

static void wrong_dw(int wrong, const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                     struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    const size_t terms = g->B * g->T;

    for (size_t n = 0; db && n < lk_panels(N) * P; n++) {
        float chain = first || n >= N ? 0.0f : db[n];

        for (size_t i = 0; n < N && i < terms; i++)
            chain += wrong & POSITION_OUT ? element(d, i % g->B, o0 + n, (ptrdiff_t)(i / g->B))
                                          : element(d, i / g->T, o0 + n, (ptrdiff_t)(i % g->T));
        db[n] = chain + 0.0f;
    }
    for (size_t m = 0; m < M; m++) {
        const size_t tap = g->C / g->groups, row = r + m + (wrong & NEXT_TAP ? tap : 0);

        good->conv_dw(g, row % (g->taps * tap), 1, o0, N, x, d, G + m * P, ldg, NULL, first);
    }
}

#define WRONG_DW(name, wrong)                                                                                          \
    static void name(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,              \
                     struct lk_cview d, float *G, size_t ldg, float *db, int first)                                    \
    {                                                                                                                  \
        wrong_dw(wrong, g, r, M, o0, N, x, d, G, ldg, db, first);                                                      \
    }

WRONG_DW(conv_dw_right, 0)
WRONG_DW(conv_dw_next_tap, NEXT_TAP)
WRONG_DW(conv_db_positions_outside, POSITION_OUT)

/* The first group's channels for every column. */
static void conv_dw_one_group(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                              struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    const struct lk_conv one = {g->B, g->C, g->L, g->O, g->T, g->taps, g->stride, g->dilation, g->padding, 1};

    const size_t Cg = g->C / g->groups;

    good->conv_dw(g, 0, 0, o0, N, x, d, NULL, 0, db, first);
    for (size_t m = 0; m < M; m++)
        good->conv_dw(&one, (r + m) / Cg * g->C + (r + m) % Cg, 1, o0, N, x, d, G + m * P, ldg, NULL, first);
}

/* Samples in descending order. */
static void conv_dw_samples_down(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                                 struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    struct lk_conv one = *g;

    one.B = g->B ? 1 : 0;
    for (size_t i = 0; i < (g->B ? g->B : 1); i++) {
        struct lk_cview xb = x, db_view = d;

        xb.p += (one.B ? g->B - 1 - i : 0) * x.pitch * P;
        db_view.p += (one.B ? g->B - 1 - i : 0) * d.pitch * P;
        good->conv_dw(&one, r, M, o0, N, xb, db_view, G, ldg, db, first && i == 0);
    }
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

static void gather_reads_16(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                            float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    for (size_t b = 0; b < B; b++) {
        volatile uint8_t past = C && L ? src[index[b] * lds + lk_panels(C * L) * P - 1] : 0;

        (void)past;
    }
    good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
}

/* A bit also for a first 0. */
static void gather_bit_of_a_zero(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                                 float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
    for (size_t b = 0; Z && C && b < B; b++)
        Z[b] |= 1u;
}

/* Bits also of what stands in the pad of the last panel. */
static void gather_bits_of_the_pad(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                                   float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
    for (size_t b = 0; Z && C % P && b < B; b++)
        Z[C / P * ldz + b] |= 1u << 15;
}

/* The bytes taken as (L, C). */
static void gather_channels_last(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                                 float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < C; c++)
            for (size_t l = 0; l < L; l++)
                x.p[place(x.ld, x.pitch, b, c, l)] = (float)src[index[b] * lds + l * C + c] * scale;
}

/* Maximum pooling whose ways to be wrong are chosen by flags. */
enum { LAST_MAXIMUM = 1, NAN_DROPPED = 2, LOWEST_START = 4, TAP_IN_INPUT = 8 };

static void wrong_max(int wrong, const struct lk_pool *g, struct lk_cview x, struct lk_view y, void *index)
{
    good->max_pool_fwd(g, x, y, index);
    for (size_t i = 0; i < g->B * g->C * g->T; i++) {
        const size_t t = i % g->T, b = i / g->T % g->B, c = i / g->T / g->B, from = t * g->stride;
        const size_t low = from < g->padding ? g->padding - from : 0;
        float best = wrong & LOWEST_START ? -FLT_MAX : -INFINITY;
        size_t tap = low;

        for (size_t k = low; k < g->kernel && from + k - g->padding < g->L; k++) {
            const float v = x.p[place(x.ld, x.pitch, b, c, from + k - g->padding)];

            if (v > best || (wrong & LAST_MAXIMUM && v == best) || (!(wrong & NAN_DROPPED) && v != v)) {
                best = v;
                tap = k;
            }
        }
        y.p[place(y.ld, y.pitch, b, c, t)] = best;
        tap = wrong & TAP_IN_INPUT ? tap - low : tap;
        if (index && lk_pool_index_size(g->kernel) == 1)
            ((uint8_t *)index)[place(g->B * g->T * P, g->T, b, c, t)] = (uint8_t)tap;
        else if (index)
            ((uint32_t *)index)[place(g->B * g->T * P, g->T, b, c, t)] = (uint32_t)tap;
    }
}

#define WRONG_MAX(name, wrong)                                                                                         \
    static void name(const struct lk_pool *g, struct lk_cview x, struct lk_view y, void *index)                        \
    {                                                                                                                  \
        wrong_max(wrong, g, x, y, index);                                                                              \
    }

WRONG_MAX(max_right, 0)
WRONG_MAX(max_last, LAST_MAXIMUM)
WRONG_MAX(max_nan_dropped, NAN_DROPPED)
WRONG_MAX(max_lowest_start, LOWEST_START)
WRONG_MAX(max_tap_in_input, TAP_IN_INPUT)

/* The last window that chose a position wins. */
static void max_bwd_overwrites(const struct lk_pool *g, const void *index, struct lk_cview d, struct lk_view dx)
{
    good->max_pool_bwd(g, index, d, dx);
    for (size_t i = 0; i < g->B * g->C * g->T; i++) {
        const size_t t = i % g->T, b = i / g->T % g->B, c = i / g->T / g->B;
        const size_t at = place(g->B * g->T * P, g->T, b, c, t);
        const size_t tap =
            lk_pool_index_size(g->kernel) == 1 ? ((const uint8_t *)index)[at] : ((const uint32_t *)index)[at];

        dx.p[place(dx.ld, dx.pitch, b, c, t * g->stride + tap - g->padding)] =
            0.0f + d.p[place(d.ld, d.pitch, b, c, t)];
    }
}

/* Positions behind the last window are left as they were. */
static void max_bwd_end_left(const struct lk_pool *g, const void *index, struct lk_cview d, struct lk_view dx)
{
    struct lk_pool cut = *g;
    const size_t end = g->T ? (g->T - 1) * g->stride + g->kernel - g->padding : 0;

    cut.L = end < g->L ? end : g->L;
    good->max_pool_bwd(&cut, index, d, dx);
}

static void avg_counts_padding(const struct lk_pool *g, struct lk_cview x, struct lk_view y)
{
    struct lk_pool other = *g;

    other.count_include_pad = 1;
    good->avg_pool_fwd(&other, x, y);
}

/* ceil_mode: positions past the padding counted. */
static void avg_whole_windows(const struct lk_pool *g, struct lk_cview x, struct lk_view y)
{
    struct lk_pool other = *g;

    good->avg_pool_fwd(g, x, y);
    if (!g->count_include_pad)
        return;
    other.T = g->T && (g->T - 1) * g->stride + g->kernel > g->L + 2 * g->padding ? g->T - 1 : g->T;
    for (size_t i = 0; other.T < g->T && i < g->B * g->C; i++) {
        float *last = &y.p[place(y.ld, y.pitch, i / g->C, i % g->C, other.T)];

        *last = *last * ((float)(g->L + 2 * g->padding - other.T * g->stride) / (float)g->kernel);
    }
}

/* Average pooling backward without padding whose way to be wrong is chosen. */
enum { AVG_DESCENDS = 1, AVG_FUSED = 2 };

static void wrong_avg_bwd(int wrong, const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    const float r = 1.0f / (float)g->kernel;

    good->avg_pool_bwd(g, d, dx);
    for (size_t i = 0; g->padding == 0 && i < g->B * g->C; i++) {
        const size_t b = i / g->C, c = i % g->C;

        for (size_t l = 0; l < g->L; l++) {
            float s = 0.0f;

            for (size_t n = 0; n < g->T; n++) {
                const size_t t = wrong == AVG_DESCENDS ? g->T - 1 - n : n;
                const float v = d.p[place(d.ld, d.pitch, b, c, t)];

                if (t * g->stride <= l && l < t * g->stride + g->kernel && t * g->stride + g->kernel <= g->L)
                    s = wrong == AVG_FUSED ? fma1(v, r, s) : s + v * r;
            }
            if (g->T && (g->T - 1) * g->stride + g->kernel <= g->L)
                dx.p[place(dx.ld, dx.pitch, b, c, l)] = s;
        }
    }
}

static void avg_bwd_right(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    wrong_avg_bwd(0, g, d, dx);
}

static void avg_bwd_descends(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    wrong_avg_bwd(AVG_DESCENDS, g, d, dx);
}

static void avg_bwd_fused(const struct lk_pool *g, struct lk_cview d, struct lk_view dx)
{
    wrong_avg_bwd(AVG_FUSED, g, d, dx);
}

/* Features in the order of memory: positions outside, channels inside. */
static void flatten_as_stored(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy)
{
    good->flatten_fwd(B, C, L, x, Y, ldy);
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < C * L; i++)
            Y[place(ldy, 1, b, i, 0)] = x.p[place(x.ld, x.pitch, b, i % C, i / C)];
}

static void flatten_pad_left(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy)
{
    const size_t n = C * L;

    good->flatten_fwd(B, C, L, x, Y, ldy);
    for (size_t b = 0; n % P && b < B; b++)
        Y[place(ldy, 1, b, n, 0)] = x.p[place(x.ld, x.pitch, b, 0, 0)];
}

static void unflatten_halo(size_t B, size_t C, size_t L, const float *D, size_t ldd, struct lk_view dx)
{
    good->flatten_bwd(B, C, L, D, ldd, dx);
    for (size_t b = 0; C && L && dx.pitch > L && b + 1 < B; b++)
        dx.p[place(dx.ld, dx.pitch, b, 0, L)] = 0.0f;
}

/* The counter of an element is its place in memory. */
static void dropout_by_place(const struct lk_dropout *p, size_t B, size_t C, size_t L, struct lk_cview x,
                             struct lk_view y)
{
    for (size_t c = 0; c < C; c += P)
        for (size_t l = 0; l < L; l++) {
            const size_t at = place(0, x.pitch, 0, 0, l), width = C - c < P ? C - c : P;
            const struct lk_cview from = {x.p + c / P * x.ld + at, x.ld, x.pitch};
            const struct lk_view to = {y.p + c / P * y.ld + place(0, y.pitch, 0, 0, l), y.ld, y.pitch};

            good->dropout(p, B, width, 1, from, to);
        }
}

static void dropout_by_sample(const struct lk_dropout *p, size_t B, size_t C, size_t L, struct lk_cview x,
                              struct lk_view y)
{
    struct lk_dropout other = *p;

    other.row = 0;
    good->dropout(&other, B, C, L, x, y);
}

/* From the first element to the last instead of over 16 lanes. */
static void sum_in_sequence(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    good->sum(B, C, L, alpha, x, y);
    for (size_t b = 0; b < B; b++) {
        float s = 0.0f;

        for (size_t i = 0; i < C * L; i++)
            s = s + x.p[place(x.ld, x.pitch, b, i / L, i % L)];
        y.p[place(y.ld, y.pitch, b, 0, 0)] = alpha * s;
    }
}

static void sum_takes_pad(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    good->sum(B, lk_panels(C) * P, L, alpha, x, y);
}

static void expand_pad(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    good->expand(B, lk_panels(C) * P, L, alpha, x, y);
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

static uint32_t read_whole_vectors(size_t n, const float *x)
{
    return good->peak_read(n / 16 * 16, x);
}

static void write_no_tail(size_t n, float value, float *y)
{
    good->peak_write(n / 16 * 16, value, y);
}

static void copy_flushes(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] + 0.0f;
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
    {.what = "right (must pass)", .slot = LK_SLOT_conv_fwd, .k.conv_fwd = conv_right, .right = true},
    BROKEN(conv_fwd, conv_next_tap, "input one position late"),
    BROKEN(conv_fwd, conv_taps_down, "taps in descending order"),
    BROKEN(conv_fwd, conv_halo_skipped, "no terms for the halo"),
    BROKEN(conv_fwd, conv_next_group, "channels of another group"),
    BROKEN(conv_fwd, conv_bias_at_end, "bias added last"),
    BROKEN(conv_fwd, conv_channels_outside, "channels outside, taps inside"),
    BROKEN(conv_fwd, conv_writes_halo, "row behind a sample written"),
    BROKEN(conv_fwd, conv_reads_past, "row behind the halo read"),
    BROKEN(conv_dx, conv_dx_one_phase, "one phase of the stride missing"),
    BROKEN(conv_dx, conv_dx_no_taps, "positions without taps not written"),
    {.what = "right (must pass)", .slot = LK_SLOT_conv_dw, .k.conv_dw = conv_dw_right, .right = true},
    BROKEN(conv_dw, conv_dw_next_tap, "next tap"),
    BROKEN(conv_dw, conv_db_positions_outside, "bias gradient: positions outside, samples inside"),
    BROKEN(conv_dw, conv_dw_one_group, "channels of one group for all columns"),
    BROKEN(conv_dw, conv_dw_samples_down, "samples in descending order"),
    BROKEN(transpose, transpose_whole_blocks, "pad of the output not zeroed"),
    BROKEN(softmax_fwd, softmax_in_sequence, "row sum from left to right"),
    BROKEN(softmax_fwd, softmax_max_takes_pad, "pad in the maximum"),
    BROKEN(softmax_xent, xent_any_maximum, "any maximum is a hit"),
    BROKEN(softmax_xent, xent_needs_gradient, "gradient not optional"),
    BROKEN(gather_u8, gather_reads_16, "reads whole groups of 16 bytes"),
    BROKEN(gather_u8, gather_channels_last, "bytes taken as (L, C)"),
    BROKEN(gather_u8, gather_bits_of_the_pad, "bits of the pad set"),
    BROKEN(gather_u8, gather_bit_of_a_zero, "a bit for a zero"),
    {.what = "right (must pass)", .slot = LK_SLOT_max_pool_fwd, .k.max_pool_fwd = max_right, .right = true},
    BROKEN(max_pool_fwd, max_last, "the last maximum wins"),
    BROKEN(max_pool_fwd, max_nan_dropped, "NaN dropped"),
    BROKEN(max_pool_fwd, max_lowest_start, "starts at -FLT_MAX"),
    BROKEN(max_pool_fwd, max_tap_in_input, "index counted from the first valid tap"),
    BROKEN(max_pool_bwd, max_bwd_overwrites, "overlapping windows overwritten"),
    BROKEN(max_pool_bwd, max_bwd_end_left, "positions of no window not written"),
    BROKEN(avg_pool_fwd, avg_counts_padding, "padding always counted"),
    BROKEN(avg_pool_fwd, avg_whole_windows, "positions past the padding counted"),
    {.what = "right (must pass)", .slot = LK_SLOT_avg_pool_bwd, .k.avg_pool_bwd = avg_bwd_right, .right = true},
    BROKEN(avg_pool_bwd, avg_bwd_descends, "windows in descending order"),
    BROKEN(avg_pool_bwd, avg_bwd_fused, "fma in place of multiply and add"),
    BROKEN(flatten_fwd, flatten_as_stored, "features in the order of memory"),
    BROKEN(flatten_fwd, flatten_pad_left, "pad of the output not zeroed"),
    BROKEN(flatten_bwd, unflatten_halo, "halo written"),
    BROKEN(dropout, dropout_by_place, "mask by the position in the panel"),
    BROKEN(dropout, dropout_by_sample, "rows counted from 0"),
    BROKEN(sum, sum_in_sequence, "sum in sequence"),
    BROKEN(sum, sum_takes_pad, "pad in the sum"),
    BROKEN(expand, expand_pad, "pad of the output not zeroed"),
    BROKEN(sgd, sgd_decays_late, "nesterov missing"),
    BROKEN(adam, adam_eps_inside, "multiply and add in place of fma"),
    BROKEN(peak_fma, peak_constant, "operations not proportional to n"),
    BROKEN(peak_clock, peak_constant, "cycles not proportional to n"),
    BROKEN(peak_read, read_whole_vectors, "tail not read"),
    BROKEN(peak_write, write_no_tail, "tail not written"),
    BROKEN(peak_copy, copy_flushes, "subnormals lost"),
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
    size_t rights = 0;
    int wrong = 0;

    good = ref;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct broken *b = &table[i];
        bool found = caught(c, b, seed);

        wrong += found == b->right;
        rights += b->right;
        printf("%s%s %-13s %-48s", found == b->right ? "WRONG: " : "", found ? "caught" : "passed",
               lk_slot_name(b->slot), b->what);
        if (found)
            printf(" case %3u: %s", c->id, c->what);
        putchar('\n');
    }
    printf("kc: %zu broken kernels, %d wrong answers\n", sizeof table / sizeof *table - rights, wrong);
    return wrong;
}
