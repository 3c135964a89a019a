/* SPDX-License-Identifier: MIT
 * Broken the probes. */
#include "broken.h"

static double peak_constant(size_t n)
{
    (void)n;
    return 1e9;
}

static uint32_t read_whole_vectors(size_t n, const float *x)
{
    return kc_good->peak_read(n / 16 * 16, x);
}

static void write_no_tail(size_t n, float value, float *y)
{
    kc_good->peak_write(n / 16 * 16, value, y);
}

static void copy_flushes(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] + 0.0f;
}

const struct kc_broken kc_broken_probe[] = {
    BROKEN(peak_fma, peak_constant, "operations not proportional to n"),
    BROKEN(peak_clock, peak_constant, "cycles not proportional to n"),
    BROKEN(peak_read, read_whole_vectors, "tail not read"),
    BROKEN(peak_write, write_no_tail, "tail not written"),
    BROKEN(peak_copy, copy_flushes, "subnormals lost"),
    {.what = NULL},
};
