/* SPDX-License-Identifier: MIT
 * From options and environment to a kernel table, a thread count; the measured FMA peak. */
#ifndef LS_MACHINE_H
#define LS_MACHINE_H

#include "core/team.h"
#include "cpu.h"

/* Features of this CPU less LOCKSTEP_CPU. E_ENV when that is malformed. */
enum lockstep_status ls_machine_features(unsigned *features, struct lockstep_error *err);

/* Table for options->isa, else LOCKSTEP_ISA, else the best. E_USAGE for an unknown name, E_ENV for an unsupported one.
 */
enum lockstep_status ls_machine_table(const struct lockstep_options *options, struct lk_table *out,
                                      struct lockstep_error *err);

/*
 * FMA peak in GFLOP/s of all workers at once: their operations over the time from the first start to the last end, best
 * of `rounds` rounds of about a millisecond and of what the cell holds from earlier calls (0 at first). Called by every
 * worker; one cell for each.
 */
struct ls_peak_cell {
    _Alignas(64) double flops, best;
    uint64_t start, end;
    size_t n; /* of worker 0: size of a round, the same for all */
};
double ls_peak(const struct lk_kernels *k, struct ls_worker *w, struct ls_peak_cell *cell, int rounds);

#endif
