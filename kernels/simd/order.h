/* SPDX-License-Identifier: MIT
 * Kernels that move values between orders, and those over the elements of a sample: gather, flatten, dropout, sum,
 * expand. */
#ifndef LK_SIMD_ORDER_H
#define LK_SIMD_ORDER_H

#include "simd/pool.h"

/* 16 bytes, each with its scale, as a row of a panel; returns which of its values are not 0, a bit each. */
static inline unsigned gather_row(const uint8_t *from, const vrow *scale, float *to)
{
    unsigned zero = 0;

    for (int j = 0; j < VPP; j++) {
        const vf x = v_mul(v_from_u8(from + j * VL), scale->v[j]);

        v_store(to + j * VL, x);
        zero |= v_bits(v_eq(x, v_zero())) << (j * VL);
    }
    return ~zero & 0xffff;
}

/* Rows of n bytes, index[b] * lds behind src: anywhere in memory. */
struct scattered {
    size_t B, n;
    const uint8_t *src;
    size_t lds;
    const uint32_t *index;
};

enum { TOGETHER = 8, LINE = 64, LINES = 48 };

static inline const uint8_t *scattered_row(const struct scattered *s, size_t b)
{
    return s->src + s->index[b] * s->lds;
}

/* Ask for each `step`th line from line i on of the rows [b, b + TOGETHER): several rows at a time, so that their pages
 * are looked up at a time. What is behind the first LINES of a row is left to the machine: more would not fit L1. */
static inline void prefetch_rows(const struct scattered *s, size_t b, size_t i, size_t step)
{
    const size_t lines = smaller((s->n + LINE - 1) / LINE, LINES), end = smaller(b + TOGETHER, s->B);

    for (size_t line = i; line < lines; line += step)
        for (size_t row = b; row < end; row++)
            __builtin_prefetch(scattered_row(s, row) + line * LINE);
}

/*
 * L = 1. Groups of rows, so that stores run along a panel while the bytes of the group stay in L1, those of the next
 * one on their way.
 */
static inline void gather_rows(const struct scattered *s, vf scale, struct lk_view x, uint16_t *Z, size_t ldz)
{
    for (size_t b = 0; b < s->B; b += TOGETHER) {
        const size_t end = smaller(b + TOGETHER, s->B);
        const uint8_t *from[TOGETHER];

        for (size_t i = 0; i < end - b; i++)
            from[i] = scattered_row(s, b + i);
        for (size_t p = 0; p < lk_panels(s->n); p++) {
            const size_t at = p * LK_PANEL, n = row_width(s->n, p);
            const struct row_mask keep = row_mask(n);
            float *to = x.p + p * x.ld + b * x.pitch * LK_PANEL;
            vrow scales;

            for (int j = 0; j < VPP; j++)
                scales.v[j] = v_and(keep.m[j], scale);
            if (at % LINE == 0)
                prefetch_rows(s, end, at / LINE, LINES);
            for (size_t i = 0; i < end - b; i++, to += x.pitch * LK_PANEL) {
                uint8_t last[LK_PANEL] = {0};
                unsigned bits;

                if (n < LK_PANEL)
                    memcpy(last, from[i] + at, n);
                bits = gather_row(n < LK_PANEL ? last : from[i] + at, &scales, to);
                if (Z)
                    Z[p * ldz + b + i] = (uint16_t)bits;
            }
        }
    }
}

/* The bytes of n channels, L apart, at 16 positions (fewer when L < 16) as rows of 16 channels; what stands in the
 * other lanes is any byte. Reads nothing outside the channels. */
static inline void transpose_bytes(size_t n, size_t L, const uint8_t *from, uint8_t *to)
{
    const uint8_t *channel[LK_PANEL];

    if (L >= LK_PANEL) {
        for (size_t c = 0; c < LK_PANEL; c++)
            channel[c] = from + (c < n ? c : n - 1) * L;
        transpose16_u8(channel, to);
        return;
    }
    for (size_t l = 0; l < L; l++)
        for (size_t c = 0; c < LK_PANEL; c++)
            to[l * LK_PANEL + c] = from[(c < n ? c : n - 1) * L + l];
}

/* One panel of one sample, n channels: 16 positions at a time, the last 16 once more where L is no multiple. */
static inline void gather_panel(size_t n, size_t L, const uint8_t *from, struct row_mask keep, vf scale, float *to)
{
    uint8_t bytes[LK_PANEL * LK_PANEL];

    for (size_t l = 0; l < L; l += LK_PANEL) {
        const size_t start = L - l >= LK_PANEL || L < LK_PANEL ? l : L - LK_PANEL;

        transpose_bytes(n, L, from + start, bytes);
        for (size_t i = l; i < L && i < l + LK_PANEL; i++)
            for (int j = 0; j < VPP; j++)
                v_store(to + i * LK_PANEL + j * VL,
                        v_and(keep.m[j], v_mul(v_from_u8(bytes + (i - start) * LK_PANEL + j * VL), scale)));
    }
}

static void gather_u8(size_t B, size_t C, size_t L, const uint8_t *src, size_t lds, const uint32_t *index, float scale,
                      struct lk_view x, uint16_t *Z, size_t ldz)
{
    const struct scattered s = {B, C * L, src, lds, index};

    if (L == 1) {
        gather_rows(&s, v_set1(scale), x, Z, ldz);
        return;
    }
    prefetch_rows(&s, 0, 0, 1);
    for (size_t b = 0; b < B; b++) {
        prefetch_rows(&s, b / TOGETHER * TOGETHER + TOGETHER, b % TOGETHER, TOGETHER);
        for (size_t p = 0; p < lk_panels(C); p++) {
            const size_t n = row_width(C, p);

            gather_panel(n, L, scattered_row(&s, b) + p * LK_PANEL * L, row_mask(n), v_set1(scale),
                         x.p + p * x.ld + b * x.pitch * LK_PANEL);
        }
    }
}

static inline void copy_row(const float *from, float *to)
{
    for (int j = 0; j < VPP; j++)
        v_store(to + j * VL, v_load(from + j * VL));
}

/*
 * to[c * n + i] = rows[i * 16 + c] for the 16 channels of n rows: blocks of 8, the last 8 rows once more where n is no
 * multiple. Fewer than 8 rows: each channel writes 8 values, of which the next ones overwrite what is too much; behind
 * the last one there must be room for 8.
 */
static inline void rows_to_channels(size_t n, const float *rows, float *to)
{
    if (n == 1) {
        copy_row(rows, to);
        return;
    }
    if (n < 8) {
        transpose_part(n, 8, rows, LK_PANEL, to, n);
        transpose_part(n, 8, rows + 8, LK_PANEL, to + 8 * n, n);
        return;
    }
    for (size_t i = 0; i < n; i += 8) {
        const size_t at = i + 8 <= n ? i : n - 8;

        transpose8(rows + at * LK_PANEL, LK_PANEL, to + at, n);
        transpose8(rows + at * LK_PANEL + 8, LK_PANEL, to + 8 * n + at, n);
    }
}

/* And back: rows[i * 16 + c] = from[c * n + i]; reads 8 values behind the last one where n < 8. */
static inline void channels_to_rows(size_t n, const float *from, float *rows)
{
    if (n == 1) {
        copy_row(from, rows);
        return;
    }
    if (n < 8) {
        transpose_part(8, n, from, n, rows, LK_PANEL);
        transpose_part(8, n, from + 8 * n, n, rows + 8, LK_PANEL);
        return;
    }
    for (size_t i = 0; i < n; i += 8) {
        const size_t at = i + 8 <= n ? i : n - 8;

        transpose8(from + at, n, rows + at * LK_PANEL, LK_PANEL);
        transpose8(from + 8 * n + at, n, rows + at * LK_PANEL + 8, LK_PANEL);
    }
}

/* Features first..first+n-1 of `rows` rows of the flat matrix from dense vectors, ld apart. */
static inline void put_features(size_t rows, size_t n, const float *from, size_t ld, float *Y, size_t ldy, size_t first)
{
    for (size_t i = 0, m; i < n; i += m) {
        const size_t lane = (first + i) % LK_PANEL, room = LK_PANEL - lane;
        float *to = Y + (first + i) / LK_PANEL * ldy + lane;

        m = room < n - i ? room : n - i;
        for (size_t b = 0; b < rows; b++, to += LK_PANEL) {
            if (m == LK_PANEL)
                copy_row(from + b * ld + i, to);
            else
                for (size_t k = 0; k < m; k++)
                    to[k] = from[b * ld + i + k];
        }
    }
}

/* And back. */
static inline void get_features(size_t rows, size_t n, const float *D, size_t ldd, size_t first, float *to, size_t ld)
{
    for (size_t i = 0, m; i < n; i += m) {
        const size_t lane = (first + i) % LK_PANEL, room = LK_PANEL - lane;
        const float *from = D + (first + i) / LK_PANEL * ldd + lane;

        m = room < n - i ? room : n - i;
        for (size_t b = 0; b < rows; b++, from += LK_PANEL) {
            if (m == LK_PANEL)
                copy_row(from, to + b * ld + i);
            else
                for (size_t k = 0; k < m; k++)
                    to[b * ld + i + k] = from[k];
        }
    }
}

/* Positions of a panel that flatten takes at once: of several samples, so that it runs along the flat panels, or a part
 * of one. */
enum { FLATTEN_ROWS = 256, FLATTEN_SAMPLES = 8, FLATTEN_DENSE = LK_PANEL * FLATTEN_ROWS + 8 };

static inline size_t flatten_samples(size_t L)
{
    return L * FLATTEN_SAMPLES <= FLATTEN_ROWS ? FLATTEN_SAMPLES : L < FLATTEN_ROWS ? FLATTEN_ROWS / L : 1;
}

/* Each panel of a sample becomes L panels of the flat matrix, through a dense vector: one run of features where all
 * positions are there, else one for each channel. */
static void flatten_fwd(size_t B, size_t C, size_t L, struct lk_cview x, float *Y, size_t ldy)
{
    float dense[FLATTEN_DENSE];

    for (size_t c = 0; c < C; c += LK_PANEL)
        for (size_t b = 0, rows; b < B; b += rows) {
            const size_t width = row_width(C, c / LK_PANEL);
            const float *from = x.p + c / LK_PANEL * x.ld + b * x.pitch * LK_PANEL;
            float *to = Y + b * LK_PANEL;

            rows = smaller(B - b, flatten_samples(L));
            for (size_t l = 0, n; l < L; l += n) {
                n = smaller(L - l, FLATTEN_ROWS);
                for (size_t i = 0; i < rows; i++)
                    rows_to_channels(n, from + (i * x.pitch + l) * LK_PANEL, dense + i * n * LK_PANEL);
                for (size_t i = 0; i < (n == L ? 1 : width); i++)
                    put_features(rows, n == L ? width * n : n, dense + i * n, n * LK_PANEL, to, ldy, (c + i) * L + l);
            }
        }
    for (size_t f = C * L; f % LK_PANEL; f++)
        for (size_t b = 0; b < B; b++)
            Y[f / LK_PANEL * ldy + b * LK_PANEL + f % LK_PANEL] = 0.0f;
}

static void flatten_bwd(size_t B, size_t C, size_t L, const float *D, size_t ldd, struct lk_view dx)
{
    float dense[FLATTEN_DENSE];

    for (size_t c = 0; c < C; c += LK_PANEL)
        for (size_t b = 0, rows; b < B; b += rows) {
            const size_t width = row_width(C, c / LK_PANEL);
            const float *from = D + b * LK_PANEL;
            float *to = dx.p + c / LK_PANEL * dx.ld + b * dx.pitch * LK_PANEL;

            rows = smaller(B - b, flatten_samples(L));
            for (size_t l = 0, n; l < L; l += n) {
                n = smaller(L - l, FLATTEN_ROWS);
                if (width < LK_PANEL)
                    memset(dense, 0, sizeof dense);
                for (size_t i = 0; i < (n == L ? 1 : width); i++)
                    get_features(rows, n == L ? width * n : n, from, ldd, (c + i) * L + l, dense + i * n, n * LK_PANEL);
                for (size_t i = 0; i < rows; i++)
                    channels_to_rows(n, dense + i * n * LK_PANEL, to + (i * dx.pitch + l) * LK_PANEL);
            }
        }
}

/* First words of Philox-4x32-10 of counters (element, row, step, 0), in lanes of 64 bits whose upper halves are not
 * used. */
LK_INLINE vi philox_word(const struct lk_dropout *p, vi element, uint32_t row)
{
    const vi m0 = vi_set1((int)0xd2511f53), m1 = vi_set1((int)0xcd9e8d57);
    vi c0 = element, c1 = vi_set1((int)row), c2 = vi_set1((int)p->step), c3 = vi_set1(0);
    uint32_t k0 = p->seed, k1 = p->stream;

    LK_UNROLL
    for (int round = 0; round < 10; round++) {
        const vi a = vi_mul_low(c0, m0), b = vi_mul_low(c2, m1);

        c0 = vi_xor3(vi_high(b), c1, vi_set1((int)k0));
        c1 = b;
        c2 = vi_xor3(vi_high(a), c3, vi_set1((int)k1));
        c3 = a;
        k0 += 0x9e3779b9;
        k1 += 0xbb67ae85;
    }
    return c0;
}

static void dropout(const struct lk_dropout *dropout, size_t B, size_t C, size_t L, struct lk_cview x, struct lk_view y)
{
    const struct lk_dropout d = *dropout;
    const vi threshold = vi_set1((int)d.threshold);
    const vf scale = v_set1(d.scale);

    for (size_t p = 0; p < lk_panels(C); p++) {
        const struct row_mask keep = row_mask(row_width(C, p));
        uint32_t channel[LK_PANEL]; /* first element of each */

        for (size_t c = 0; c < LK_PANEL; c++)
            channel[c] = (uint32_t)((p * LK_PANEL + c) * L);
        for (size_t b = 0; b < B; b++)
            for (size_t l = 0; l < L; l++)
                for (int j = 0; j < VPP; j++) {
                    const vi element = vi_add(vi_load(channel + j * VL), vi_set1((int)(uint32_t)l));
                    const uint32_t row = d.row + (uint32_t)b;
                    const vi word = vi_merge(philox_word(&d, element, row), philox_word(&d, vi_high(element), row));
                    const size_t lane = (size_t)j * VL;
                    const vf v = v_mul(v_load(x.p + p * x.ld + (b * x.pitch + l) * LK_PANEL + lane), scale);

                    v_store(y.p + p * y.ld + (b * y.pitch + l) * LK_PANEL + lane,
                            v_and(keep.m[j], v_and(vi_ge_u32(word, threshold), v)));
                }
    }
}

static void sum(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    for (size_t b = 0; b < B; b++) {
        float *to = y.p + b * y.pitch * LK_PANEL;
        vrow s;

        for (int j = 0; j < VPP; j++)
            s.v[j] = v_zero();
        for (size_t p = 0; p < lk_panels(C); p++) {
            const struct row_mask keep = row_mask(row_width(C, p));
            const float *from = x.p + p * x.ld + b * x.pitch * LK_PANEL;

            for (size_t l = 0; l < L; l++)
                for (int j = 0; j < VPP; j++)
                    s.v[j] = v_add_if(keep.m[j], s.v[j], v_load(from + l * LK_PANEL + j * VL));
        }
        for (int j = 0; j < VPP; j++)
            v_store(to + j * VL, v_zero());
        to[0] = alpha * vrow_sum(s);
    }
}

static void expand(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_view y)
{
    for (size_t p = 0; p < lk_panels(C); p++) {
        const struct row_mask keep = row_mask(row_width(C, p));

        for (size_t b = 0; b < B; b++) {
            const vf value = v_set1(alpha * x.p[b * x.pitch * LK_PANEL]);
            float *to = y.p + p * y.ld + b * y.pitch * LK_PANEL;

            for (size_t l = 0; l < L; l++)
                for (int j = 0; j < VPP; j++)
                    v_store(to + l * LK_PANEL + j * VL, v_and(keep.m[j], value));
        }
    }
}

#endif
