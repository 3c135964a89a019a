/* SPDX-License-Identifier: MIT
 *
 * AVX-512 intrinsics in terms of AVX2 and FMA: SIMDe under the native names, and stand-ins for what its 0.7.4 lacks.
 * Included by kernels/avx512/vec.h under LK_EMULATE_AVX512. Masked loads and stores touch the chosen elements only, as
 * the hardware.
 */
#ifndef EMULATE_AVX512_H
#define EMULATE_AVX512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline __m512 emulate_maskz_loadu_ps(__mmask16 k, const void *p)
{
    float x[16] = {0};

    for (int i = 0; i < 16; i++)
        if (k >> i & 1)
            memcpy(&x[i], (const float *)p + i, sizeof *x);
    return simde_mm512_loadu_ps(x);
}

static inline void emulate_mask_storeu_ps(void *p, __mmask16 k, __m512 a)
{
    float x[16];

    simde_mm512_storeu_ps(x, a);
    for (int i = 0; i < 16; i++)
        if (k >> i & 1)
            memcpy((float *)p + i, &x[i], sizeof *x);
}

static inline __m512i emulate_srai_epi32(__m512i a, unsigned n)
{
    simde__m512i_private x = simde__m512i_to_private(a);

    for (int i = 0; i < 2; i++)
        x.m256i[i] = _mm256_srai_epi32(x.m256i[i], (int)n);
    return simde__m512i_from_private(x);
}

static inline __m512 emulate_cvtepi32_ps(__m512i a)
{
    simde__m512i_private x = simde__m512i_to_private(a);
    simde__m512_private y;

    for (int i = 0; i < 2; i++)
        y.m256[i] = _mm256_cvtepi32_ps(x.m256i[i]);
    return simde__m512_from_private(y);
}

static inline __m512i emulate_cvtepu8_epi32(__m128i a)
{
    simde__m512i_private x;

    x.m256i[0] = _mm256_cvtepu8_epi32(a);
    x.m256i[1] = _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8));
    return simde__m512i_from_private(x);
}

static inline __m128i emulate_cvtepi32_epi8(__m512i a)
{
    uint32_t word[16];
    uint8_t byte[16];

    simde_mm512_storeu_si512(word, a);
    for (int i = 0; i < 16; i++)
        byte[i] = (uint8_t)word[i];
    return _mm_loadu_si128((const __m128i *)(const void *)byte);
}

static inline __m256 emulate_extractf32x8_ps(__m512 a, int half)
{
    return simde__m512_to_private(a).m256[half];
}

static inline __m256i emulate_maskz_loadu_epi16(__mmask16 k, const void *p)
{
    uint16_t x[16] = {0};

    for (int i = 0; i < 16; i++)
        if (k >> i & 1)
            memcpy(&x[i], (const uint16_t *)p + i, sizeof *x);
    return _mm256_loadu_si256((const __m256i *)(const void *)x);
}

static inline __mmask16 emulate_test_epi16_mask(__m256i a, __m256i b)
{
    const __m256i no = _mm256_cmpeq_epi16(_mm256_and_si256(a, b), _mm256_setzero_si256());
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(no), _mm256_extracti128_si256(no, 1));

    return (__mmask16)(_mm_movemask_epi8(bytes) ^ 0xffff);
}

static inline __m512i emulate_maskz_compress_epi32(__mmask16 k, __m512i a)
{
    uint32_t x[16], y[16] = {0};

    simde_mm512_storeu_si512(x, a);
    for (int i = 0, n = 0; i < 16; i++)
        if (k >> i & 1)
            y[n++] = x[i];
    return simde_mm512_loadu_si512(y);
}

#undef _mm512_srai_epi32
#undef _mm512_extractf32x8_ps
#define _mm512_maskz_loadu_ps(k, p)    emulate_maskz_loadu_ps(k, p)
#define _mm512_mask_storeu_ps(p, k, a) emulate_mask_storeu_ps(p, k, a)
#define _mm512_srai_epi32(a, n)        emulate_srai_epi32(a, n)
#define _mm512_cvtepi32_ps(a)          emulate_cvtepi32_ps(a)
#define _mm512_cvtepu8_epi32(a)        emulate_cvtepu8_epi32(a)
#define _mm512_cvtepi32_epi8(a)        emulate_cvtepi32_epi8(a)
#define _mm512_extractf32x8_ps(a, i)   emulate_extractf32x8_ps(a, i)
#undef _mm256_maskz_loadu_epi16
#undef _mm256_test_epi16_mask
#undef _mm512_maskz_compress_epi32
#define _mm256_maskz_loadu_epi16(k, p)    emulate_maskz_loadu_epi16(k, p)
#define _mm256_test_epi16_mask(a, b)      emulate_test_epi16_mask(a, b)
#define _mm512_maskz_compress_epi32(k, a) emulate_maskz_compress_epi32(k, a)

/* The FMA probe ties its chains to registers by empty asm statements; 512 bits have no register here. */
#define LK_VREG(x) "m"(x)

#endif
