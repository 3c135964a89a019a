/* SPDX-License-Identifier: MIT
 * Reference of the probes. The empty asm statements keep each round: nothing is computed ahead, merged or left out. */
#include "ref/ref.h"

double LK_FN(peak_fma)(size_t n)
{
    enum { CHAINS = 10 };
    float c[CHAINS] = {0};

    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < CHAINS; j++) {
            c[j] = fma_f32(c[j], 0.5f, 1.0f);
            __asm__ volatile("" : "+x"(c[j]));
        }
    return 2.0 * CHAINS * (double)n;
}

/* Sixteen additions of a register, which no core does at once: small constants some cores add while they rename. */
double LK_FN(peak_clock)(size_t n)
{
    uint64_t x = 0, step = 1;

    for (size_t i = 0; i < n; i++)
        __asm__ volatile(".rept 16\n\tadd %1, %0\n\t.endr" : "+r"(x) : "r"(step) : "cc");
    return 16.0 * (double)n;
}

uint32_t LK_FN(peak_read)(size_t n, const float *x)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < n; i++)
        bits ^= bits_of(x[i]);
    return bits;
}

void LK_FN(peak_write)(size_t n, float value, float *y)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = value;
        __asm__ volatile("" ::: "memory");
    }
}

void LK_FN(peak_copy)(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i];
        __asm__ volatile("" ::: "memory");
    }
}
