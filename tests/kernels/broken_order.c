/* SPDX-License-Identifier: MIT
 * Broken gather, flatten, dropout, sum and expand. */
#include "broken.h"

enum { P = LK_PANEL };

static void gather_reads_16(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                            float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    for (size_t b = 0; b < B; b++) {
        volatile uint8_t past = C && L ? src[index[b] * lds + lk_panels(C * L) * P - 1] : 0;

        (void)past;
    }
    kc_good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
}

/* A bit also for a first 0. */
static void gather_bit_of_a_zero(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                                 float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    kc_good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
    for (size_t b = 0; Z && C && b < B; b++)
        Z[b] |= 1u;
}

/* Bits also of what stands in the pad of the last panel. */
static void gather_bits_of_the_pad(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                                   float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    kc_good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
    for (size_t b = 0; Z && C % P && b < B; b++)
        Z[C / P * ldz + b] |= 1u << 15;
}

/* The bytes taken as (L, C). */
static void gather_channels_last(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index,
                                 float scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    kc_good->gather_u8(B, C, L, src, lds, index, scale, x, Z, ldz);
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < C; c++)
            for (size_t l = 0; l < L; l++)
                x.p[place(x.ld, x.pitch, b, c, l)] = (float)src[index[b] * lds + l * C + c] * scale;
}

/* Features in the order of memory: positions outside, channels inside. */
static void flatten_as_stored(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy)
{
    kc_good->flatten_fwd(B, C, L, x, Y, ldy);
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < C * L; i++)
            Y[place(ldy, 1, b, i, 0)] = x.p[place(x.ld, x.pitch, b, i % C, i / C)];
}

static void flatten_pad_left(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy)
{
    const size_t n = C * L;

    kc_good->flatten_fwd(B, C, L, x, Y, ldy);
    for (size_t b = 0; n % P && b < B; b++)
        Y[place(ldy, 1, b, n, 0)] = x.p[place(x.ld, x.pitch, b, 0, 0)];
}

static void unflatten_halo(size_t B, size_t C, size_t L, const float *D, size_t ldd, struct lk_view dx)
{
    kc_good->flatten_bwd(B, C, L, D, ldd, dx);
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

            kc_good->dropout(p, B, width, 1, from, to);
        }
}

static void dropout_by_sample(const struct lk_dropout *p, size_t B, size_t C, size_t L, struct lk_cview x,
                              struct lk_view y)
{
    struct lk_dropout other = *p;

    other.row = 0;
    kc_good->dropout(&other, B, C, L, x, y);
}

/* From the first element to the last instead of over 16 lanes. */
static void sum_in_sequence(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    kc_good->sum(B, C, L, alpha, x, y);
    for (size_t b = 0; b < B; b++) {
        float s = 0.0f;

        for (size_t i = 0; i < C * L; i++)
            s = s + x.p[place(x.ld, x.pitch, b, i / L, i % L)];
        y.p[place(y.ld, y.pitch, b, 0, 0)] = alpha * s;
    }
}

static void sum_takes_pad(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    kc_good->sum(B, lk_panels(C) * P, L, alpha, x, y);
}

static void expand_pad(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    kc_good->expand(B, lk_panels(C) * P, L, alpha, x, y);
}

const struct kc_broken kc_broken_order[] = {
    BROKEN(gather_u8, gather_reads_16, "reads whole groups of 16 bytes"),
    BROKEN(gather_u8, gather_channels_last, "bytes taken as (L, C)"),
    BROKEN(gather_u8, gather_bits_of_the_pad, "bits of the pad set"),
    BROKEN(gather_u8, gather_bit_of_a_zero, "a bit for a zero"),
    BROKEN(flatten_fwd, flatten_as_stored, "features in the order of memory"),
    BROKEN(flatten_fwd, flatten_pad_left, "pad of the output not zeroed"),
    BROKEN(flatten_bwd, unflatten_halo, "halo written"),
    BROKEN(dropout, dropout_by_place, "mask by the position in the panel"),
    BROKEN(dropout, dropout_by_sample, "rows counted from 0"),
    BROKEN(sum, sum_in_sequence, "sum in sequence"),
    BROKEN(sum, sum_takes_pad, "pad in the sum"),
    BROKEN(expand, expand_pad, "pad of the output not zeroed"),
    {.what = NULL},
};
