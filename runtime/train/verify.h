/* SPDX-License-Identifier: MIT
 *
 * --verify: a step computed twice. A second engine takes the weights and the optimiser's state before the step,
 * transposes the weights itself, runs the same batch with the other way to reduce on another number of threads, and
 * must end with the same bits: every NaN counts as one. What differs is a defect of the machine, or of Lockstep.
 *
 * One parallel region holds both teams: the smaller one is a part of the larger (ls_team_part).
 */
#ifndef LS_VERIFY_H
#define LS_VERIFY_H

#include "train/step.h"

#include <stdatomic.h>

struct ls_verify {
    const struct ls_engine *first;
    struct ls_engine second;
    float *loss; /* of the second one's batch */
    uint8_t *hit;
    atomic_bool differs;
};

/* Plan the second engine, for batches of so many rows: about as much memory as the first. E_MEMORY; ls_verify_free in
 * any case. */
enum lockstep_status ls_verify_init(struct ls_verify *v, const struct ls_engine *first, size_t batch,
                                    struct lockstep_error *err);
void ls_verify_free(struct ls_verify *v);

/* Before the first one's step: take its weights and state. Called by every worker of the region; they meet at the end.
 */
void ls_verify_take(struct ls_verify *v, struct ls_worker *all);

/* The step, on the second team. */
void ls_verify_step(struct ls_verify *v, struct ls_worker *second, const struct ls_batch *b);

/* Are the bits the same? Called by every worker of the region after both steps, with the same answer for all. */
bool ls_verify_same(struct ls_verify *v, struct ls_worker *all);

/* One line about the first tensor that differs, after "step N ...". E_NONFINITE. */
enum lockstep_status ls_verify_fail(const struct ls_verify *v, size_t step, size_t epoch, struct lockstep_error *err);

#endif
