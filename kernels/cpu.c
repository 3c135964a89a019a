/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#include <cpuid.h>
#include <string.h>
#include <xmmintrin.h>

static const char *const feature_names[] = {
#define X(f) #f,
    LK_FEATURES(X)
#undef X
};

static const char *const isa_names[] = {
#define X(i) #i,
    LK_ISAS(X)
#undef X
};

static const unsigned isa_needs[] = {
#define X(i) LK_NEEDS_##i,
    LK_ISAS(X)
#undef X
};

/* XCR0: which register state the operating system saves. */
static unsigned xcr0(void)
{
    unsigned lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

unsigned lk_cpu_features(void)
{
    enum { YMM = 0x6, ZMM = 0xe6 };
    unsigned a, b, c, d, f = 0, os;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    os = xcr0();
    if ((os & YMM) == YMM) {
        f |= c & bit_AVX ? LK_HAS_avx : 0;
        f |= c & bit_FMA ? LK_HAS_fma : 0;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return f;
    if ((os & YMM) == YMM)
        f |= b & bit_AVX2 ? LK_HAS_avx2 : 0;
    if ((os & ZMM) == ZMM) {
        f |= b & bit_AVX512F ? LK_HAS_avx512f : 0;
        f |= b & bit_AVX512VL ? LK_HAS_avx512vl : 0;
        f |= b & bit_AVX512BW ? LK_HAS_avx512bw : 0;
        f |= b & bit_AVX512DQ ? LK_HAS_avx512dq : 0;
    }
    return f;
}

/* Without avx nothing of it remains; the avx512 parts need avx512f, avx2 and fma. */
static unsigned consistent(unsigned f)
{
    const unsigned z = LK_HAS_avx512f | LK_HAS_avx512vl | LK_HAS_avx512bw | LK_HAS_avx512dq;

    if (!(f & LK_HAS_avx))
        return 0;
    if (!(f & LK_HAS_avx512f) || (f & LK_NEEDS_avx2) != LK_NEEDS_avx2)
        f &= ~z;
    return f;
}

bool lk_cpu_hide(const char *text, unsigned *features)
{
    unsigned f = *features;

    while (*text) {
        size_t n = strcspn(text, ","), found = 0;

        if (n < 2 || *text != '-')
            return false;
        for (unsigned i = 0; i < LK_FEATURE_BITS; i++) {
            bool same = strlen(feature_names[i]) == n - 1 && !memcmp(feature_names[i], text + 1, n - 1);
            bool family = n - 1 == 6 && !memcmp("avx512", text + 1, 6) && !strncmp(feature_names[i], "avx512", 6);

            if (same || family) {
                f &= ~(1u << i);
                found++;
            }
        }
        if (!found)
            return false;
        text += n + (text[n] == ',');
    }
    *features = consistent(f);
    return true;
}

void lk_cpu_name(char name[64])
{
    unsigned r[12] = {0};
    char text[sizeof r + 1] = {0}, *first = text;

    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    memcpy(text, r, sizeof r);
    while (*first == ' ')
        first++;
    for (size_t n = strlen(first); n && first[n - 1] == ' '; n--)
        first[n - 1] = 0;
    memset(name, 0, 64);
    memcpy(name, *first ? first : "x86-64", strlen(*first ? first : "x86-64"));
}

size_t lk_cpu_cache(int level)
{
    enum { DATA = 1, UNIFIED = 3 };
    const unsigned amd = 0x8000001du, intel = 4;
    unsigned a, b, c, d, leaf = (unsigned)__get_cpuid_max(0x80000000u, NULL) >= amd ? amd : intel;

    for (unsigned i = 0; i < 8 && __get_cpuid_count(leaf, i, &a, &b, &c, &d) && (a & 0x1f); i++)
        if (((a & 0x1f) == DATA || (a & 0x1f) == UNIFIED) && (int)(a >> 5 & 7) == level)
            return ((size_t)(b >> 22) + 1) * ((b >> 12 & 0x3ff) + 1) * ((b & 0xfff) + 1) * ((size_t)c + 1);
    return 0;
}

const char *lk_isa_name(enum lk_isa isa)
{
    return isa_names[isa];
}

bool lk_isa_find(const char *name, enum lk_isa *isa)
{
    for (int i = 0; i < LK_ISA_COUNT; i++)
        if (!strcmp(name, isa_names[i])) {
            *isa = (enum lk_isa)i;
            return true;
        }
    return false;
}

bool lk_isa_supported(enum lk_isa isa, unsigned features)
{
    return (features & isa_needs[isa]) == isa_needs[isa];
}

enum lk_isa lk_isa_preferred(unsigned features)
{
    int best = LK_ISA_ref;

    for (int i = 0; i < LK_ISA_COUNT; i++)
        if (lk_isa_supported((enum lk_isa)i, features))
            best = i;
    return (enum lk_isa)best;
}

unsigned lk_fpenv_enter(void)
{
    enum { DEFAULT = 0x1f80, FTZ = 0x8000, DAZ = 0x0040 };
    unsigned saved = _mm_getcsr();

    _mm_setcsr(DEFAULT | FTZ | DAZ);
    return saved;
}

void lk_fpenv_leave(unsigned saved)
{
    _mm_setcsr(saved);
}
