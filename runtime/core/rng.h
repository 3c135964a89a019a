/* SPDX-License-Identifier: MIT
 * Random numbers: Philox-4x32-10 (Salmon et al., SC 2011), a pure function of (seed, stream, counter): no state, so no
 * thread, shard or order can change a number. */
#ifndef LS_RNG_H
#define LS_RNG_H

#include <stddef.h>
#include <stdint.h>

/* One stream for each use of random numbers; the second key word. From LS_STREAM_DROPOUT on: one for each dropout of a
 * model. */
enum ls_stream {
    LS_STREAM_INIT = 1,
    LS_STREAM_SHUFFLE,
    LS_STREAM_DIGITS,
    LS_STREAM_TEST,
    LS_STREAM_CHECK,
    LS_STREAM_DROPOUT = 1 << 16
};

/* out = Philox-4x32-10 of counter under key (seed, stream). */
void ls_philox(uint32_t seed, uint32_t stream, const uint32_t counter[4], uint32_t out[4]);

/* Double in [0, 1) from 53 bits of two words; float-free, exact. */
double ls_uniform(uint32_t hi, uint32_t lo);

/* Two independent standard normal numbers from four words (Box and Muller, with math64.h). */
void ls_normal(const uint32_t word[4], double out[2]);

/* The order of an epoch's rows: Fisher and Yates, numbers of (seed, epoch, position) only. index (n)
 * out: 0 .. n - 1. */
void ls_shuffle(uint32_t *index, size_t n, uint32_t seed, uint32_t epoch);

#endif
