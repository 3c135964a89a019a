/* SPDX-License-Identifier: MIT
 *
 * Laps of some steps: how long each work of a step took. What works there are is listed once, in the order of a step.
 * Every worker keeps its own samples, so taking one costs the others nothing: a step is sampled by giving its batch
 * laps->clock, and by ls_laps_take of each worker behind it.
 */
#ifndef LS_LAPS_H
#define LS_LAPS_H

#include "train/clock.h"
#include "train/engine.h"

/* A work of a step: a node in a phase. */
struct ls_item {
    size_t node;
    enum ls_phase phase;
};

struct ls_laps {
    size_t items, room; /* works; samples, at most */
    struct ls_item *item;
    struct ls_clock *clock; /* [threads] */
    struct ls_lap *lap;     /* [threads][nodes][LS_PHASES] */
    size_t *samples;        /* [threads] */
    float *ns;              /* [threads][items + 2][room]: of each work, of waiting, of the whole step */
    double *skipped;        /* [threads][items]: multiply-adds left out, over all samples */
};

/* Room for so many samples of each of the engine's threads. E_MEMORY; ls_laps_free in any case. */
enum lockstep_status ls_laps_init(struct ls_laps *l, const struct ls_engine *e, size_t room,
                                  struct lockstep_error *err);
void ls_laps_free(struct ls_laps *l);

/* The laps of this worker become a sample, and start again. */
void ls_laps_take(struct ls_laps *l, const struct ls_worker *w);

/* Seconds of a step: mean of T workers, median of the samples; 0 without a sample. Each can be asked once, since the
 * means take the place of worker 0's samples. */
double ls_laps_item(struct ls_laps *l, unsigned T, size_t item);
double ls_laps_waiting(struct ls_laps *l, unsigned T);
double ls_laps_step(struct ls_laps *l, unsigned T);

/* Multiply-adds that a work left out, of all workers, in a step. */
double ls_laps_skipped(const struct ls_laps *l, unsigned T, size_t item);

/* Median of n > 0 nanoseconds, in seconds; sorts. */
double ls_median_seconds(float *ns, size_t n);

#endif
