/* SPDX-License-Identifier: MIT
 * What the benchmarks need from inside the runtime, for C++: roofs measured by a team, and training steps. */
#ifndef BENCH_RUNTIME_H
#define BENCH_RUNTIME_H

#include "kernels.h"
#include "lockstep.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "L1", "L2", "L3", "DRAM"; the bytes that one thread's probe of it walks through; the size of the cache. */
const char *bench_level_name(enum lockstep_level level);
size_t bench_level_bytes(enum lockstep_level level);
size_t bench_cache_bytes(enum lockstep_level level);

/* Roofs of one thread, measured now in some milliseconds: GFLOP/s, GB/s. */
double bench_peak(const struct lk_kernels *k);
struct lockstep_bandwidth bench_bandwidth(const struct lk_kernels *k, enum lockstep_level level);

/* Threads that a run takes by default. */
unsigned bench_threads(void);

/* So many of the built-in digits, 784 bytes each. */
void bench_digits(size_t rows, uint8_t *x);

/* Images of a data set: rows of bytes. */
const uint8_t *bench_data_bytes(const struct lockstep_data *data);

/* Training steps of a model on rows of data in scattered order, as lockstep_train runs them. */
struct bench_steps;
struct bench_steps *bench_steps_open(const char *model, const struct lockstep_recipe *recipe,
                                     const struct lockstep_options *options, const struct lockstep_data *data,
                                     struct lockstep_error *err);
void bench_steps_close(struct bench_steps *s);
/* The kernels it runs, to put others in; the mean loss of the last step. */
struct lk_kernels *bench_steps_kernels(struct bench_steps *s);
double bench_steps_loss(const struct bench_steps *s);
/* FLOPs of one step, counted as lockstep train counts them. */
double bench_steps_flops(const struct bench_steps *s);
/* Run so many steps in one team: seconds of all; the FMA peak of the same threads, the best of before and after. */
void bench_steps_run(struct bench_steps *s, size_t steps, double *seconds, double *peak_gflops);

#ifdef __cplusplus
}
#endif

#endif
