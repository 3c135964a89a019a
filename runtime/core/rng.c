/* SPDX-License-Identifier: MIT
 * Philox-4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011), uniform and
 * normal. */
#include "core/rng.h"

#include "core/math64.h"

enum { ROUNDS = 10 };
static const uint32_t MULTIPLY_0 = 0xd2511f53, MULTIPLY_1 = 0xcd9e8d57, WEYL_0 = 0x9e3779b9, WEYL_1 = 0xbb67ae85;

void ls_philox(uint32_t seed, uint32_t stream, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLY_0 * c0, p1 = (uint64_t)MULTIPLY_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ seed;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ stream;
        c3 = (uint32_t)p0;
        seed += WEYL_0;
        stream += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

double ls_uniform(uint32_t hi, uint32_t lo)
{
    return (double)(((uint64_t)hi << 32 | lo) >> 11) * 0x1p-53;
}

void ls_normal(const uint32_t word[4], double out[2])
{
    const double two_pi = 0x1.921fb54442d18p+2;
    double radius = __builtin_sqrt(-2.0 * ls_log(1.0 - ls_uniform(word[0], word[1])));
    double angle = two_pi * ls_uniform(word[2], word[3]);

    out[0] = radius * ls_cos(angle);
    out[1] = radius * ls_sin(angle);
}

void ls_shuffle(uint32_t *index, size_t n, uint32_t seed, uint32_t epoch)
{
    uint32_t word[4] = {0};

    for (size_t i = 0; i < n; i++)
        index[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        size_t j;

        if (i % 4 == 3 || i == n - 1)
            ls_philox(seed, LS_STREAM_SHUFFLE, (uint32_t[4]){epoch, (uint32_t)(i / 4), 0, 0}, word);
        j = (size_t)((uint64_t)word[i % 4] * (i + 1) >> 32);
        uint32_t t = index[i];
        index[i] = index[j];
        index[j] = t;
    }
}
