/* SPDX-License-Identifier: MIT
 *
 * What the machine can do at best, measured by the probes of the kernel table on a running team: the FMA peak, the
 * clock, the bandwidth of each level of memory. Every figure is that of all workers at once: what they did over the
 * time from the first start to the last end, the best of some rounds of about a millisecond. Called by every worker
 * with the same arguments; one cell for each.
 */
#ifndef LS_PROBE_H
#define LS_PROBE_H

#include "core/team.h"
#include "data/data.h"

struct ls_probe_cell {
    _Alignas(64) double done, best;
    uint64_t start, end;
    size_t n; /* of worker 0: size of a round, the same for all */
};

/* FMA peak in GFLOP/s; the best also of what the cells hold from earlier calls (0 at first). */
double ls_peak(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell, int rounds);

/* Size of a cache, a usual one where the CPU does not tell. */
size_t ls_cache_bytes(enum lockstep_level level);

/* Bytes that each of T workers walks through to measure a level: half of a cache of its own, its part of half the L3
 * but more than its L2, and for DRAM together four times the L3. */
size_t ls_level_bytes(enum lockstep_level level, unsigned T);

/* Bytes that memory for T workers has to spare for each, for the system may give fewer, whose parts are rounded
 * otherwise. */
enum { LS_LEVEL_SLACK = 128 };

/* Bandwidth of one level, for each of its figures the best of `rounds`. memory: T * ls_level_bytes(level, T) bytes at a
 * 64-byte boundary. */
struct lockstep_bandwidth ls_bandwidth(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell,
                                       float *memory, enum lockstep_level level, int rounds);

/* GB/s of reading a data set in place, each worker its part; the best of `rounds`. */
double ls_read_rate(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell,
                    const struct lockstep_data *data, int rounds);

/* FMA peak, clock and bandwidths of the probes of k; memory as for LOCKSTEP_DRAM above. */
struct lockstep_rates ls_rates(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell,
                               float *memory);

#endif
