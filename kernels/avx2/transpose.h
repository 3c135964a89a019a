/* SPDX-License-Identifier: MIT
 * 16 x 16 transposition of one dense panel block with 256-bit shuffles; pure data movement, used by every wider set
 * too. */
#ifndef LK_TRANSPOSE_H
#define LK_TRANSPOSE_H

#include <immintrin.h>

/* dst[c * 16 + r] = src[r * 16 + c] for an 8 x 8 corner. */
static inline void transpose8(const float *src, float *dst)
{
    __m256 r[8], t[8];

    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(src + 16 * i);
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
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(dst + 16 * i, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(dst + 16 * (i + 4), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

static inline void transpose16(const float *src, float *dst)
{
    transpose8(src, dst);
    transpose8(src + 8, dst + 8 * 16);
    transpose8(src + 8 * 16, dst + 8);
    transpose8(src + 8 * 16 + 8, dst + 8 * 16 + 8);
}

#endif
