/* SPDX-License-Identifier: MIT
 * Kernels that move values between orders, and those over the elements of a sample: gather, flatten, dropout, sum,
 * expand. */
#include "ref/ref.h"

enum { P = LK_PANEL };

void LK_FN(gather_u8)(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index, float scale,
                      struct lk_view x, uint16_t *Z, size_t ldz)
{
    for (size_t b = 0; b < B; b++) {
        const uint8_t *from = src + index[b] * lds;

        for (size_t p = 0; Z && p < lk_panels(C); p++) {
            unsigned bits = 0;

            for (size_t c = 0; c < width(C, p); c++)
                bits |= (unsigned)((float)from[p * P + c] * scale != 0.0f) << c;
            Z[p * ldz + b] = (uint16_t)bits;
        }

        for (size_t c = 0; c < lk_panels(C) * P; c++)
            for (size_t l = 0; l < L; l++)
                x.p[place_of(x.ld, x.pitch, b, c, l)] = c < C ? (float)from[c * L + l] * scale : 0.0f;
    }
}

void LK_FN(flatten_fwd)(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy)
{
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < lk_panels(C * L) * P; i++)
            Y[place_of(ldy, 1, b, i, 0)] = i < C * L ? x.p[place_of(x.ld, x.pitch, b, i / L, i % L)] : 0.0f;
}

void LK_FN(flatten_bwd)(size_t B, size_t C, size_t L, const float *D, size_t ldd, struct lk_view dx)
{
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < lk_panels(C) * P; c++)
            for (size_t l = 0; l < L; l++)
                dx.p[place_of(dx.ld, dx.pitch, b, c, l)] = c < C ? D[place_of(ldd, 1, b, c * L + l, 0)] : 0.0f;
}

/* The first word of Philox-4x32-10 of counter (element, row, step, 0). */
static uint32_t random_word(const struct lk_dropout *p, uint32_t element, uint32_t row)
{
    uint32_t c0 = element, c1 = row, c2 = p->step, c3 = 0, k0 = p->seed, k1 = p->stream;

    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xd2511f53 * c0, b = (uint64_t)0xcd9e8d57 * c2;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9;
        k1 += 0xbb67ae85;
    }
    return c0;
}

void LK_FN(dropout)(const struct lk_dropout *p, size_t B, size_t C, size_t L, struct lk_cview x, struct lk_view y)
{
    for (size_t c = 0; c < lk_panels(C) * P; c++)
        for (size_t b = 0; b < B; b++)
            for (size_t l = 0; l < L; l++) {
                const uint32_t word = random_word(p, (uint32_t)(c * L + l), p->row + (uint32_t)b);
                const int kept = c < C && word >= p->threshold;

                y.p[place_of(y.ld, y.pitch, b, c, l)] = kept ? x.p[place_of(x.ld, x.pitch, b, c, l)] * p->scale : 0.0f;
            }
}

void LK_FN(sum)(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    for (size_t b = 0; b < B; b++) {
        float lane[P] = {0}, *to = y.p + place_of(y.ld, y.pitch, b, 0, 0);

        for (size_t c = 0; c < C; c++)
            for (size_t l = 0; l < L; l++)
                lane[c % P] = lane[c % P] + x.p[place_of(x.ld, x.pitch, b, c, l)];
        to[0] = alpha * lanes_sum(lane);
        for (size_t i = 1; i < P; i++)
            to[i] = 0.0f;
    }
}

void LK_FN(expand)(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    for (size_t b = 0; b < B; b++) {
        const float value = alpha * x.p[place_of(x.ld, x.pitch, b, 0, 0)];

        for (size_t c = 0; c < lk_panels(C) * P; c++)
            for (size_t l = 0; l < L; l++)
                y.p[place_of(y.ld, y.pitch, b, c, l)] = c < C ? value : 0.0f;
    }
}
