/* SPDX-License-Identifier: MIT
 * Broken maps of elements. */
#include "broken.h"

#include <string.h>
#include <xmmintrin.h>

static float relu(float x)
{
    return 0.0f > x ? 0.0f : x;
}

static void add_tail_dropped(size_t n, const float *a, const float *b, float *y)
{
    kc_good->add(n / 8 * 8, a, b, y);
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
    kc_good->relu_fwd(n, x, y);
}

static void relu_reads_before(size_t n, const float *x, float *y)
{
    volatile float before = x[-1];

    (void)before;
    kc_good->relu_fwd(n, x, y);
}

static void relu_writes_past(size_t n, const float *x, float *y)
{
    kc_good->relu_fwd(n, x, y);
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
    kc_good->relu_fwd(n, x, y);
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
    kc_good->exp(n, x, y);
    _mm_setcsr(_mm_getcsr() & ~0x8000u);
}

static void log_without_daz(size_t n, const float *x, float *y)
{
    unsigned saved = _mm_getcsr();

    kc_good->log(n, x, y);
    _mm_setcsr(saved & ~0x40u);
    for (size_t i = 0; i < n; i++)
        if (x[i] > 0.0f && x[i] < 0x1p-126f)
            y[i] = -87.5f;
    _mm_setcsr(saved);
}

CRASHES static void sigmoid_illegal(size_t n, const float *x, float *y)
{
    kc_good->sigmoid_fwd(n, x, y);
    if (n > 100)
        __asm__ volatile("ud2");
}

const struct kc_broken kc_broken_act[] = {
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
    {.what = NULL},
};
