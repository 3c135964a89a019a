/* SPDX-License-Identifier: MIT
 * sin, cos, log, exp, tanh and erfc in double by polynomials and series of our own, the same bits on every machine and
 * compiler: only + - * / and exact functions. For the learning rate, initialisation, the digits and the definitions of
 * ops; never in a kernel. Error about 1e-15. */
#ifndef LS_MATH64_H
#define LS_MATH64_H

double ls_sin(double x); /* |x| <= 2^20 */
double ls_cos(double x); /* |x| <= 2^20 */
double ls_log(double x); /* finite, > 0, normal */
double ls_exp(double x); /* 0 below -700, inf above 700 */
double ls_tanh(double x);
double ls_erfc(double x); /* 1 - erf(x); error 1e-15 of max(1, erfc) */

/* base^n by repeated multiplication, right to left, n >= 0. */
double ls_powi(double base, unsigned long n);

/* Any NaN equals any NaN: x, or the one NaN that is reported. */
static inline double ls_one_nan(double x)
{
    return x != x ? __builtin_nan("") : x;
}

#endif
