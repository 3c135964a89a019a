/* SPDX-License-Identifier: MIT
 *
 * The vector vocabulary for AVX-512 (F, VL, BW, DQ): 16 lanes, masks are mask registers. One vector is a panel row.
 * Under LK_EMULATE_AVX512 (tests only) the intrinsics come from SIMDe, so that these kernels are checked on any
 * machine.
 */
#ifndef LK_VEC_H
#define LK_VEC_H

#ifdef LK_EMULATE_AVX512
#include "emulate_avx512.h"
#else
#include <immintrin.h>
#endif

#include "avx2/transpose.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VL = 16, VPP = 1 };

typedef __m512 vf;
typedef __mmask16 vmask;
typedef __m512i vi;

static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void v_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}

/* The first n lanes (n <= VL) set. */
static inline vmask v_lanes(size_t n)
{
    return (vmask)((1u << n) - 1);
}

/* The first n lanes from memory, the others +0; reads n floats. */
static inline vf v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_lanes(n), p);
}

/* The first n lanes as a mask. */
static inline vmask v_first(size_t n)
{
    return v_lanes(n);
}

/* Writes n floats. */
static inline void v_store_n(float *p, vf x, size_t n)
{
    _mm512_mask_storeu_ps(p, v_lanes(n), x);
}

/* The first n lanes of x, fill elsewhere. */
static inline vf v_keep(vf x, size_t n, vf fill)
{
    return _mm512_mask_blend_ps(v_lanes(n), fill, x);
}

static inline vf v_set1(float x)
{
    return _mm512_set1_ps(x);
}

static inline vf v_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static inline vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

static inline vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}

/* a * b + c */
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* a * b - c */
static inline vf v_fms(vf a, vf b, vf c)
{
    return _mm512_fmsub_ps(a, b, c);
}

/* -(a * b) + c */
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* a > b ? a : b */
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

/* a < b ? a : b */
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline vf v_abs(vf a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}

/* The magnitude of a with the sign of b. */
static inline vf v_copysign(vf a, vf b)
{
    const vf sign = _mm512_set1_ps(-0.0f);

    return _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b));
}

static inline vmask v_gt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

static inline vmask v_eq(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

static inline vmask v_isnan(vf a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}

static inline vmask v_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

/* Neither a > b nor a NaN a. */
static inline vmask v_not_above(vf a, vf b)
{
    return (vmask)(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q) & _mm512_cmp_ps_mask(a, b, _CMP_NGT_UQ));
}

/* m ? a : b */
static inline vf v_select(vmask m, vf a, vf b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

/* m ? a : +0 */
static inline vf v_and(vmask m, vf a)
{
    return _mm512_maskz_mov_ps(m, a);
}

static inline vmask v_or(vmask a, vmask b)
{
    return (vmask)(a | b);
}

/* m ? a + b : a */
static inline vf v_add_if(vmask m, vf a, vf b)
{
    return _mm512_mask_add_ps(a, m, a, b);
}

/* One bit for each lane. */
static inline unsigned v_bits(vmask m)
{
    return m;
}

static inline vi v_as_int(vf a)
{
    return _mm512_castps_si512(a);
}

static inline vf v_as_float(vi a)
{
    return _mm512_castsi512_ps(a);
}

static inline vi vi_set1(int x)
{
    return _mm512_set1_epi32(x);
}

static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}

/* a << 23, and a >> 23 with its sign */
static inline vi vi_shl23(vi a)
{
    return _mm512_slli_epi32(a, 23);
}

static inline vi vi_sar23(vi a)
{
    return _mm512_srai_epi32(a, 23);
}

static inline vi vi_load(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void vi_store(uint32_t *p, vi x)
{
    _mm512_storeu_si512(p, x);
}

/* VL bytes as integers. */
static inline vi vi_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline vmask vi_eq(vi a, vi b)
{
    return _mm512_cmpeq_epi32_mask(a, b);
}

static inline vi vi_max(vi a, vi b)
{
    return _mm512_max_epi32(a, b);
}

/* a >= b, without sign */
static inline vmask vi_ge_u32(vi a, vi b)
{
    return _mm512_cmpge_epu32_mask(a, b);
}

/* m ? a : b */
static inline vi vi_select(vmask m, vi a, vi b)
{
    return _mm512_mask_blend_epi32(m, b, a);
}

/* m ? a : 0 */
static inline vi vi_and(vmask m, vi a)
{
    return _mm512_maskz_mov_epi32(m, a);
}

/* Numbers of 0..255, one for each lane. */
typedef __m128i vbyte;

static inline vbyte vb_set1(int x)
{
    return _mm_set1_epi8((char)x);
}

/* m ? a : b */
static inline vbyte vb_select(vmask m, vbyte a, vbyte b)
{
    return _mm_mask_blend_epi8(m, b, a);
}

/* m ? a : 0 */
static inline vbyte vb_and(vmask m, vbyte a)
{
    return vb_select(m, a, _mm_setzero_si128());
}

/* Those of a panel row as 16 bytes. */
static inline void vb_store_row(uint8_t *p, const vbyte x[VPP])
{
    _mm_storeu_si128((__m128i *)(void *)p, x[0]);
}

/* a ^ b ^ c */
static inline vi vi_xor3(vi a, vi b, vi c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

/* In lanes of 64 bits: the product of the lower halves, the upper half moved down. */
static inline vi vi_mul_low(vi a, vi b)
{
    return _mm512_mul_epu32(a, b);
}

static inline vi vi_high(vi a)
{
    return _mm512_srli_epi64(a, 32);
}

/* The lower half of even in the lower halves, that of odd in the upper ones. */
static inline vi vi_merge(vi even, vi odd)
{
    return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

static inline vf v_from_int(vi a)
{
    return _mm512_cvtepi32_ps(a);
}

/* One bit for each of the first n (at most 16) values at z that shares a bit with `group`. Reads n values. */
static inline unsigned v_test16(const uint16_t *z, size_t n, unsigned group)
{
    const __m256i x =
        n < 16 ? _mm256_maskz_loadu_epi16(v_lanes(n), z) : _mm256_loadu_si256((const __m256i *)(const void *)z);

    return _mm256_test_epi16_mask(x, _mm256_set1_epi16((short)group));
}

/* Append first + i for each bit i (of 16) that is set; returns their number. Room for 16 more is written. */
static inline size_t v_list(uint32_t *list, unsigned first, unsigned bits)
{
    const vi i = _mm512_add_epi32(_mm512_set1_epi32((int)first),
                                  _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));

    vi_store(list, _mm512_maskz_compress_epi32((vmask)bits, i));
    return (size_t)__builtin_popcount(bits);
}

/* VL bytes as floats. */
static inline vf v_from_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(vi_load_u8(p));
}

/* One row of a panel: 16 lanes. */
typedef struct {
    vf v[VPP];
} vrow;

static inline __m256 vrow_low(vrow r)
{
    return _mm512_castps512_ps256(r.v[0]);
}

static inline __m256 vrow_high(vrow r)
{
    return _mm512_extractf32x8_ps(r.v[0], 1);
}

/* Lane l takes lane l + 8, l + 4, l + 2, l + 1. */
static inline float vrow_sum(vrow r)
{
    __m256 a = _mm256_add_ps(vrow_low(r), vrow_high(r));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float vrow_max(vrow r)
{
    __m256 a = _mm256_max_ps(vrow_high(r), vrow_low(r));
    __m128 b = _mm_max_ps(_mm256_extractf128_ps(a, 1), _mm256_castps256_ps128(a));

    b = _mm_max_ps(_mm_movehl_ps(b, b), b);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(b), b));
}

#endif
