/* SPDX-License-Identifier: MIT
 * sin, cos, log, exp, tanh, erfc: reduce the argument with a constant cut into short exact parts (Cody and Waite), sum
 * a Taylor series by Horner's rule, put the result together. Only + - * /, so -ffp-contract=off fixes every bit. */
#include "core/math64.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

/* c[0] + c[1] z + c[2] z^2 + ... */
static double horner(const double *c, int n, double z)
{
    double sum = c[n - 1];
    for (int i = n - 2; i >= 0; i--)
        sum = sum * z + c[i];
    return sum;
}

/* The nearest integer, halves away from zero. */
static int64_t nearest(double x)
{
    return (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}

/* On |r| <= pi/4: sin r = r + r^3 S(r^2), cos r = 1 - r^2/2 + r^4 C(r^2). */
static double sin_series(double r)
{
    static const double S[] = {
        -1.0 / 6,        1.0 / 120,         -1.0 / 5040,         1.0 / 362880,
        -1.0 / 39916800, 1.0 / 6227020800., -1.0 / 1307674368e3, 1.0 / 355687428096e3,
    };
    double z = r * r;
    return r + r * z * horner(S, COUNT(S), z);
}

static double cos_series(double r)
{
    static const double C[] = {
        1.0 / 24,        -1.0 / 720,         1.0 / 40320,         -1.0 / 3628800,
        1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888e3, -1.0 / 6402373705728e3,
    };
    double z = r * r;
    return 1.0 - (0.5 * z - z * z * horner(C, COUNT(C), z));
}

/* sin(x + quarter * pi/2). The first two parts of pi/2 have 33 bits: their products with |k| < 2^20 are exact. */
static double sin_shifted(double x, int64_t quarter)
{
    const double two_over_pi = 0x1.45f306dc9c883p-1;
    const double part1 = 0x1.921fb544p+0, part2 = 0x1.0b4611a6p-34, part3 = 0x1.3198a2e037073p-69;
    int64_t k = nearest(x * two_over_pi);
    double n = (double)k;
    double r = ((x - n * part1) - n * part2) - n * part3;

    switch ((k + quarter) & 3) {
    case 0:
        return sin_series(r);
    case 1:
        return cos_series(r);
    case 2:
        return -sin_series(r);
    default:
        return -cos_series(r);
    }
}

double ls_sin(double x)
{
    return sin_shifted(x, 0);
}

double ls_cos(double x)
{
    return sin_shifted(x, 1);
}

/* ln 2; the first part has 33 bits, so its product with an exponent is exact. */
static const double LN2_PART1 = 0x1.62e42fefp-1, LN2_PART2 = 0x1.473de6af278edp-34;

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172. */
double ls_log(double x)
{
    static const double A[] = {
        2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23,
    };
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcd, mantissa = 0x000fffffffffffff;
    uint64_t bits;
    double m;

    memcpy(&bits, &x, sizeof bits);
    uint64_t above = bits - sqrt_half;
    double e = (double)((int64_t)above >> 52);
    bits = (above & mantissa) + sqrt_half;
    memcpy(&m, &bits, sizeof m);

    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double tail = s * z * horner(A, COUNT(A), z) + e * LN2_PART2;
    return e * LN2_PART1 + (2.0 * s + tail);
}

/* x = k ln 2 + r with |r| <= ln(2)/2; exp x = 2^k (1 + r + r^2 E(r)). */
double ls_exp(double x)
{
    static const double E[] = {
        1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,
        1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.,
    };
    const double log2_e = 0x1.71547652b82fep+0, most = 700.0;
    int64_t k;
    double r, scale;
    uint64_t bits;

    if (!(x >= -most && x <= most))
        return x < 0 ? 0.0 : x + (double)INFINITY;
    k = nearest(x * log2_e);
    r = (x - (double)k * LN2_PART1) - (double)k * LN2_PART2;
    bits = (uint64_t)(k + 1023) << 52;

    memcpy(&scale, &bits, sizeof scale);
    return scale * (1.0 + (r + r * r * horner(E, COUNT(E), r)));
}

/* (1 - e) / (1 + e) with e = exp(-2 |x|); near 0, where that cancels, the first terms of the series. */
double ls_tanh(double x)
{
    static const double T[] = {-1.0 / 3, 2.0 / 15, -17.0 / 315, 62.0 / 2835, -1382.0 / 155925};
    const double a = x < 0 ? -x : x, near = 0.06;
    double e;

    if (a < near)
        return x + x * x * x * horner(T, COUNT(T), x * x);
    e = ls_exp(-2.0 * a);
    return (x < 0 ? -1.0 : 1.0) * (1.0 - e) / (1.0 + e);
}

/* erf(x) = 2 / sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...): all terms of one sign. */
static double erf_series(double x)
{
    const double two_over_root_pi = 0x1.20dd750429b6dp+0, least = 0x1p-60;
    double term = x, sum = x;

    for (int n = 1; term * term > least * least * sum * sum; n++) {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    return two_over_root_pi * ls_exp(-x * x) * sum;
}

/* From 2 on exp(-x^2) / sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / ...))), from the inside out. */
double ls_erfc(double x)
{
    enum { DEPTH = 60 };
    const double one_over_root_pi = 0x1.20dd750429b6dp-1, far = 2.0;
    double fraction = x;

    if (x < -far)
        return 2.0 - ls_erfc(-x);
    if (!(x > far))
        return 1.0 - erf_series(x);
    for (int n = DEPTH; n > 0; n--)
        fraction = x + 0.5 * n / fraction;
    return one_over_root_pi * ls_exp(-x * x) / fraction;
}

double ls_powi(double base, unsigned long n)
{
    double power = 1.0;

    for (; n; n >>= 1) {
        if (n & 1)
            power *= base;
        base *= base;
    }
    return power;
}
