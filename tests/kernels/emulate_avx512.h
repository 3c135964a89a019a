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

#undef _mm512_srai_epi32
#undef _mm512_extractf32x8_ps
#define _mm512_maskz_loadu_ps(k, p)    emulate_maskz_loadu_ps(k, p)
#define _mm512_mask_storeu_ps(p, k, a) emulate_mask_storeu_ps(p, k, a)
#define _mm512_srai_epi32(a, n)        emulate_srai_epi32(a, n)
#define _mm512_cvtepi32_ps(a)          emulate_cvtepi32_ps(a)
#define _mm512_cvtepu8_epi32(a)        emulate_cvtepu8_epi32(a)
#define _mm512_cvtepi32_epi8(a)        emulate_cvtepi32_epi8(a)
#define _mm512_extractf32x8_ps(a, i)   emulate_extractf32x8_ps(a, i)

/* The FMA probe ties its chains to registers by empty asm statements; 512 bits have no register here. */
#define LK_VREG(x) "m"(x)

#endif
