/* SPDX-License-Identifier: MIT
 *
 * What bounds a job, measured in this process: the FMA peak, and for each level of memory the bandwidth of its mix of
 * reads and writes. The clock moves and the neighbours work, so a roof older than half a second is measured again
 * before the job is timed.
 */
#ifndef BENCH_ROOFS_H
#define BENCH_ROOFS_H

#include "job.h"

#include <benchmark/benchmark.h>

namespace bench
{

struct Roof {
    double fma = 0;       /* GFLOP/s */
    double bandwidth = 0; /* GB/s of the mix; 0: nothing moves */
    int level = -1;       /* of memory; -1: nothing moves */
    double seconds = 0;   /* the job takes at least */
    std::string binding;  /* "fma", "L1", "L2", "L3", "DRAM"; "": nothing known */
};

/* The roof of a job of an instruction set (any small number names it), for one thread. */
Roof roof_of(int isa, const lk_kernels &k, const Job &job);

/* The counters of a row: GFLOP/s, GB/s, FLOP/byte, fma_roof, memory_roof, level (1 to 4), share; its label the roof. */
void count(benchmark::State &state, const Job &job, const Roof &roof);

} // namespace bench

#endif
