/* SPDX-License-Identifier: MIT
 * Transposition of blocks of floats with 256-bit shuffles and of bytes with 128-bit ones; pure data movement, used by
 * every wider set too. */
#ifndef LK_TRANSPOSE_H
#define LK_TRANSPOSE_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* dst[c * ldd + r] = src[r * lds + c] for `rows` and `cols` of at most 8, c ascending. Reads 8 floats of a row of src
 * and writes 8 of a row of dst: any value behind the first `rows`. */
static inline void transpose_part(size_t rows, size_t cols, const float *src, size_t lds, float *dst, size_t ldd)
{
    __m256 r[8], t[8];

    for (size_t i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(src + (i < rows ? lds * i : 0));
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; i++)
        if (i < cols)
            _mm256_storeu_ps(dst + ldd * i, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    for (size_t i = 0; i < 4; i++)
        if (i + 4 < cols)
            _mm256_storeu_ps(dst + ldd * (i + 4), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
}

/* dst[c * ldd + r] = src[r * lds + c] for 8 x 8 floats, c ascending. */
static inline void transpose8(const float *src, size_t lds, float *dst, size_t ldd)
{
    transpose_part(8, 8, src, lds, dst, ldd);
}

/* dst[c * 16 + r] = src[r * 16 + c] for 16 x 16 floats. */
static inline void transpose16(const float *src, float *dst)
{
    transpose8(src, 16, dst, 16);
    transpose8(src + 8, 16, dst + 8 * 16, 16);
    transpose8(src + 8 * 16, 16, dst + 8, 16);
    transpose8(src + 8 * 16 + 8, 16, dst + 8 * 16 + 8, 16);
}

/* dst[c * 16 + r] = src[r][c] for 16 rows of 16 bytes. Each round turns (row, column), read as 8 bits, left by one. */
static inline void transpose16_u8(const uint8_t *const src[16], uint8_t *dst)
{
    __m128i a[16], b[16];

    for (int i = 0; i < 16; i++)
        a[i] = _mm_loadu_si128((const __m128i *)(const void *)src[i]);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++) {
            b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
            b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
        }
        for (int i = 0; i < 16; i++)
            a[i] = b[i];
    }
    for (int i = 0; i < 16; i++)
        _mm_storeu_si128((__m128i *)(void *)(dst + 16 * i), a[i]);
}

#endif
