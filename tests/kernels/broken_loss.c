/* SPDX-License-Identifier: MIT
 * Broken softmax and losses. */
#include "broken.h"

#include <math.h>

enum { P = LK_PANEL };

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

            kc_good->exp(1, &x, p);
            s += *p;
        }
        for (size_t n = 0; n < N; n++)
            Pr[n / P * ldp + n % P] /= s;
    }
}

static void softmax_max_takes_pad(size_t M, size_t N, const float *Z, size_t ldz, float *Pr, size_t ldp)
{
    kc_good->softmax_fwd(M, N, Z, ldz, Pr, ldp);
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
        kc_good->softmax_xent(1, N, z, ldz, label + m, scale, D ? D + m * P : NULL, ldd, loss + m, hit + m);
        hit[m] = best;
    }
}

CRASHES static void xent_needs_gradient(size_t M, size_t N, const float *Z, size_t ldz, const uint8_t *label,
                                        float scale, float *D, size_t ldd, float *loss, uint8_t *hit)
{
    kc_good->softmax_xent(M, N, Z, ldz, label, scale, D, ldd, loss, hit);
    if (M)
        D[0] += 0.0f;
}

const struct kc_broken kc_broken_loss[] = {
    BROKEN(softmax_fwd, softmax_in_sequence, "row sum from left to right"),
    BROKEN(softmax_fwd, softmax_max_takes_pad, "pad in the maximum"),
    BROKEN(softmax_xent, xent_any_maximum, "any maximum is a hit"),
    BROKEN(softmax_xent, xent_needs_gradient, "gradient not optional"),
    {.what = NULL},
};
