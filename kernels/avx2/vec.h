/* SPDX-License-Identifier: MIT
 *
 * The vector vocabulary for AVX2 + FMA: 8 lanes, masks are vectors of all-ones or all-zeros lanes. kernels/simd is
 * written once over these names; see avx512/vec.h for the other set. Two vectors (VPP) make a panel row.
 */
#ifndef LK_VEC_H
#define LK_VEC_H

#include "avx2/transpose.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VL = 8, VPP = 2 };

typedef __m256 vf;
typedef __m256 vmask;
typedef __m256i vi;

static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void v_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}

/* The first n lanes (n <= VL) set. */
static inline vi v_lanes(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first n lanes from memory, the others +0; reads n floats. */
static inline vf v_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, v_lanes(n));
}

/* The first n lanes as a mask. */
static inline vmask v_first(size_t n)
{
    return _mm256_castsi256_ps(v_lanes(n));
}

/* Writes n floats. */
static inline void v_store_n(float *p, vf x, size_t n)
{
    _mm256_maskstore_ps(p, v_lanes(n), x);
}

/* The first n lanes of x, fill elsewhere. */
static inline vf v_keep(vf x, size_t n, vf fill)
{
    return _mm256_blendv_ps(fill, x, _mm256_castsi256_ps(v_lanes(n)));
}

static inline vf v_set1(float x)
{
    return _mm256_set1_ps(x);
}

static inline vf v_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

static inline vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

static inline vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

static inline vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

static inline vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}

/* a * b + c */
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* a * b - c */
static inline vf v_fms(vf a, vf b, vf c)
{
    return _mm256_fmsub_ps(a, b, c);
}

/* -(a * b) + c */
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* a > b ? a : b */
static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

/* a < b ? a : b */
static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static inline vf v_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

/* The magnitude of a with the sign of b. */
static inline vf v_copysign(vf a, vf b)
{
    const vf sign = _mm256_set1_ps(-0.0f);

    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}

static inline vmask v_gt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

static inline vmask v_eq(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

static inline vmask v_isnan(vf a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}

static inline vmask v_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

/* Neither a > b nor a NaN a. */
static inline vmask v_not_above(vf a, vf b)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, a, _CMP_ORD_Q), _mm256_cmp_ps(a, b, _CMP_NGT_UQ));
}

/* m ? a : b */
static inline vf v_select(vmask m, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, m);
}

/* m ? a : +0 */
static inline vf v_and(vmask m, vf a)
{
    return _mm256_and_ps(m, a);
}

static inline vmask v_or(vmask a, vmask b)
{
    return _mm256_or_ps(a, b);
}

/* m ? a + b : a */
static inline vf v_add_if(vmask m, vf a, vf b)
{
    return _mm256_blendv_ps(a, _mm256_add_ps(a, b), m);
}

/* One bit for each lane. */
static inline unsigned v_bits(vmask m)
{
    return (unsigned)_mm256_movemask_ps(m);
}

static inline vi v_as_int(vf a)
{
    return _mm256_castps_si256(a);
}

static inline vf v_as_float(vi a)
{
    return _mm256_castsi256_ps(a);
}

static inline vi vi_set1(int x)
{
    return _mm256_set1_epi32(x);
}

static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}

/* a << 23, and a >> 23 with its sign */
static inline vi vi_shl23(vi a)
{
    return _mm256_slli_epi32(a, 23);
}

static inline vi vi_sar23(vi a)
{
    return _mm256_srai_epi32(a, 23);
}

static inline vi vi_load(const uint32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void vi_store(uint32_t *p, vi x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, x);
}

/* VL bytes as integers. */
static inline vi vi_load_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

static inline vmask vi_eq(vi a, vi b)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}

static inline vi vi_max(vi a, vi b)
{
    return _mm256_max_epi32(a, b);
}

/* a >= b, without sign */
static inline vmask vi_ge_u32(vi a, vi b)
{
    return vi_eq(_mm256_max_epu32(a, b), a);
}

/* m ? a : b */
static inline vi vi_select(vmask m, vi a, vi b)
{
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}

/* m ? a : 0 */
static inline vi vi_and(vmask m, vi a)
{
    return _mm256_and_si256(_mm256_castps_si256(m), a);
}

/* Numbers of 0..255, one for each lane. */
typedef __m256i vbyte;

static inline vbyte vb_set1(int x)
{
    return vi_set1(x);
}

/* m ? a : b */
static inline vbyte vb_select(vmask m, vbyte a, vbyte b)
{
    return vi_select(m, a, b);
}

/* m ? a : 0 */
static inline vbyte vb_and(vmask m, vbyte a)
{
    return vi_and(m, a);
}

/* Those of a panel row as 16 bytes. */
static inline void vb_store_row(uint8_t *p, const vbyte x[VPP])
{
    const __m256i words = _mm256_packus_epi32(x[0], x[1]); /* quarters 0 2 1 3 */
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));

    _mm_storeu_si128((__m128i *)(void *)p, _mm_shuffle_epi32(bytes, _MM_SHUFFLE(3, 1, 2, 0)));
}

/* a ^ b ^ c */
static inline vi vi_xor3(vi a, vi b, vi c)
{
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}

/* In lanes of 64 bits: the product of the lower halves, the upper half moved down. */
static inline vi vi_mul_low(vi a, vi b)
{
    return _mm256_mul_epu32(a, b);
}

static inline vi vi_high(vi a)
{
    return _mm256_srli_epi64(a, 32);
}

/* The lower half of even in the lower halves, that of odd in the upper ones. */
static inline vi vi_merge(vi even, vi odd)
{
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

static inline vf v_from_int(vi a)
{
    return _mm256_cvtepi32_ps(a);
}

/* One bit for each of the first n (at most 16) values at z that shares a bit with `group`. Reads n values. */
static inline unsigned v_test16(const uint16_t *z, size_t n, unsigned group)
{
    unsigned bits = 0;

    if (n >= 16) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)z);
        const __m256i no =
            _mm256_cmpeq_epi16(_mm256_and_si256(x, _mm256_set1_epi16((short)group)), _mm256_setzero_si256());

        return (unsigned)_mm_movemask_epi8(
                   _mm_packs_epi16(_mm256_castsi256_si128(no), _mm256_extracti128_si256(no, 1))) ^
               0xffff;
    }
    for (size_t i = 0; i < n; i++)
        bits |= (unsigned)((z[i] & group) != 0) << i;
    return bits;
}

/* The places of the bits of a byte, one byte each, ascending. */
#define LK_BIT(m, i)      ((m) >> (i)&1ull)
#define LK_BELOW_2(m)     (LK_BIT(m, 0) + LK_BIT(m, 1))
#define LK_BELOW_4(m)     (LK_BELOW_2(m) + LK_BELOW_2((m) >> 2))
#define LK_PLACE(m, i, n) (LK_BIT(m, i) * (i##ull << 8 * (n)))
#define LK_PLACES(m)                                                                                                   \
    (LK_PLACE(m, 0, 0) | LK_PLACE(m, 1, LK_BIT(m, 0)) | LK_PLACE(m, 2, LK_BELOW_2(m)) |                                \
     LK_PLACE(m, 3, LK_BELOW_2(m) + LK_BIT(m, 2)) | LK_PLACE(m, 4, LK_BELOW_4(m)) |                                    \
     LK_PLACE(m, 5, LK_BELOW_4(m) + LK_BIT(m, 4)) | LK_PLACE(m, 6, LK_BELOW_4(m) + LK_BELOW_2((m) >> 4)) |             \
     LK_PLACE(m, 7, LK_BELOW_4(m) + LK_BELOW_2((m) >> 4) + LK_BIT(m, 6)))
#define LK_PLACES_4(m)  LK_PLACES(m), LK_PLACES((m) + 1), LK_PLACES((m) + 2), LK_PLACES((m) + 3)
#define LK_PLACES_16(m) LK_PLACES_4(m), LK_PLACES_4((m) + 4), LK_PLACES_4((m) + 8), LK_PLACES_4((m) + 12)
#define LK_PLACES_64(m) LK_PLACES_16(m), LK_PLACES_16((m) + 16), LK_PLACES_16((m) + 32), LK_PLACES_16((m) + 48)

static const uint64_t v_places[256] = {LK_PLACES_64(0), LK_PLACES_64(64), LK_PLACES_64(128), LK_PLACES_64(192)};

/* Append first + i for each bit i (of 16) that is set; returns their number. Room for 16 more is written. */
static inline size_t v_list(uint32_t *list, unsigned first, unsigned bits)
{
    const size_t low = (size_t)__builtin_popcount(bits & 0xff);

    for (unsigned half = 0; half < 2; half++) {
        const __m128i places = _mm_loadl_epi64((const __m128i *)(const void *)&v_places[bits >> 8 * half & 0xff]);

        vi_store(list + half * low, vi_add(_mm256_cvtepu8_epi32(places), vi_set1((int)(first + 8 * half))));
    }
    return (size_t)__builtin_popcount(bits);
}

/* VL bytes as floats. */
static inline vf v_from_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(vi_load_u8(p));
}

/* One row of a panel: 16 lanes. */
typedef struct {
    vf v[VPP];
} vrow;

/* Lane l takes lane l + 8, l + 4, l + 2, l + 1. */
static inline float vrow_sum(vrow r)
{
    vf a = v_add(r.v[0], r.v[1]);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float vrow_max(vrow r)
{
    vf a = v_max(r.v[1], r.v[0]);
    __m128 b = _mm_max_ps(_mm256_extractf128_ps(a, 1), _mm256_castps256_ps128(a));

    b = _mm_max_ps(_mm_movehl_ps(b, b), b);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(b), b));
}

#endif
