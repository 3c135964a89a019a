/* SPDX-License-Identifier: MIT
 * What the machine allows: what all threads of a team reach at once, by the probes. */
#ifndef LS_LIMITS_H
#define LS_LIMITS_H

#include "data/data.h"
#include "train/probe.h"

/* GB/s out of the data set where it lies, and of the levels of memory that were measured, the others 0. */
struct ls_limits {
    double peak_gflops, data_read;
    struct lockstep_bandwidth memory[LOCKSTEP_LEVELS];
};

/*
 * Measure data_read and the levels that are wanted, each figure as the best of `rounds`, on a team of its own: about
 * 10 ms a level with 3 rounds, and for DRAM memory of four times the L3. E_MEMORY.
 */
enum lockstep_status ls_limits_measure(struct ls_limits *l, const struct lk_kernels *k, unsigned threads,
                                       const struct lockstep_data *data, const bool wanted[LOCKSTEP_LEVELS], int rounds,
                                       struct lockstep_error *err);

#endif
