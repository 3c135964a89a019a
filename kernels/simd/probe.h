/* SPDX-License-Identifier: MIT
 * Probes: the FMA peak in registers, and memory by plain loads and stores of whole vectors, as the kernels do them. The
 * empty asm statements keep each round and each vector. */
#ifndef LK_SIMD_PROBE_H
#define LK_SIMD_PROBE_H

#include "simd/math.h"

/* Twelve named chains: enough to hide the latency on every core, few enough for 16 registers. */
static double peak_fma(size_t n)
{
    const vf half = v_set1(0.5f), one = v_set1(1.0f);
    vf a = one, b = one, c = one, d = one, e = one, f = one, g = one, h = one, i = one, j = one, k = one, l = one;

    for (size_t r = 0; r < n; r++) {
#define LK_STEP(x)                                                                                                     \
    x = v_fma(x, half, one);                                                                                           \
    __asm__ volatile("" : "+" LK_VREG(x))
        LK_STEP(a);
        LK_STEP(b);
        LK_STEP(c);
        LK_STEP(d);
        LK_STEP(e);
        LK_STEP(f);
        LK_STEP(g);
        LK_STEP(h);
        LK_STEP(i);
        LK_STEP(j);
        LK_STEP(k);
        LK_STEP(l);
#undef LK_STEP
    }
    return 2.0 * 12.0 * VL * (double)n;
}

static uint32_t peak_read(size_t n, const float *x)
{
    vi a = vi_set1(0), b = vi_set1(0);
    uint32_t lane[VL], bits = 0;
    size_t i = 0;

    for (; i + 4 * VL <= n; i += 4 * VL) {
        a = vi_xor3(a, v_as_int(v_load(x + i)), v_as_int(v_load(x + i + VL)));
        b = vi_xor3(b, v_as_int(v_load(x + i + 2 * VL)), v_as_int(v_load(x + i + 3 * VL)));
    }
    for (; i + VL <= n; i += VL)
        a = vi_xor3(a, v_as_int(v_load(x + i)), vi_set1(0));
    vi_store(lane, vi_xor3(a, b, v_as_int(v_load_n(x + i, n - i))));
    for (i = 0; i < VL; i++)
        bits ^= lane[i];
    return bits;
}

static void peak_write(size_t n, float value, float *y)
{
    const vf v = v_set1(value);
    size_t i = 0;

    for (; i + VL <= n; i += VL) {
        v_store(y + i, v);
        __asm__ volatile("" ::: "memory");
    }
    v_store_n(y + i, v, n - i);
}

static void peak_copy(size_t n, const float *x, float *y)
{
    size_t i = 0;

    for (; i + VL <= n; i += VL) {
        v_store(y + i, v_load(x + i));
        __asm__ volatile("" ::: "memory");
    }
    v_store_n(y + i, v_load_n(x + i, n - i), n - i);
}

#endif
