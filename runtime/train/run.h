/* SPDX-License-Identifier: MIT
 * A training while it runs: what the workers of its region share, and what is kept of an epoch. trainer.c has the
 * epochs, rounds.c the steps, account.c what is told. */
#ifndef LS_RUN_H
#define LS_RUN_H

#include "train/evaluate.h"
#include "train/explained.h"
#include "train/pace.h"
#include "train/verify.h"

#include <stdatomic.h>

enum { LS_NO_STOP = -1, LS_RUN_SAMPLES = 100 /* steps timed for events->explain */ };

struct ls_run {
    struct lockstep_model *m;
    const struct lockstep_data *train, *test;
    const struct lockstep_events *events;
    uint32_t *index; /* rows of the epoch in order */
    float *loss[2];  /* by parity of the step, so that one is read while the other is written */
    uint8_t *hit[2];
    struct ls_pass eval;
    struct ls_probe_cell *cell;
    size_t batches, steps_done;
    double peak, barrier_ns;
    uint64_t told;          /* last progress */
    atomic_long stop_after; /* step of the run, or LS_NO_STOP */
    bool finite;

    struct ls_verify verify;
    struct ls_batch twice; /* the step that all workers of the region are to compute twice */
    bool same;             /* ... and its bits */
    bool ended;            /* no more of them */

    struct ls_pace pace;       /* of how many workers run the steps */
    double round_ns, slept_ns; /* of their last round; of all of them at its barriers */
    bool more;                 /* the run goes on behind it */

    struct ls_findings found; /* for events->explain */
};

/* A worker of the region, and in the teams of the two engines: `second` only with --verify. NULL: in none. */
struct ls_crew {
    struct ls_worker *all, *first, *second;
};

/* What worker 0 keeps during an epoch; each worker counts its own `barriers`. */
struct ls_account {
    size_t epoch, rows;
    double loss;                     /* sum over rows */
    double skipped;                  /* multiply-adds left out */
    size_t steps, workers, barriers; /* workers: sum over the steps; barriers of all of them */
    uint64_t start;
    struct lockstep_counts counts;
};

/* Begin the account of an epoch. */
void ls_account_begin(struct ls_account *a);

/* Worker 0, after a step: the loss, and what the caller hears. */
void ls_account_step(struct ls_run *r, struct ls_worker *w, struct ls_account *a, const struct ls_batch *b);

/* After the steps of an epoch: what they did, by the running counters. */
void ls_account_end(const struct ls_run *r, struct ls_account *a);

/* Worker 0: the caller hears how the training begins; what an epoch was whose steps ended at `end` and whose evaluation
 * at `now`. */
void ls_tell_start(const struct ls_run *r, struct ls_worker *w);
void ls_tell_epoch(const struct ls_run *r, struct ls_worker *w, const struct ls_account *a, uint64_t end, uint64_t now);

/* The steps of an epoch, in rounds of as many workers as the pace wants. False when the run ends with one: stopped, not
 * finite, or not the same twice. */
bool ls_run_steps(struct ls_run *r, const struct ls_crew *c, struct ls_account *a);

/* A worker of the second team only: its steps, until ls_run_end_second lets it go. */
void ls_run_second(struct ls_run *r, const struct ls_crew *c);
void ls_run_end_second(struct ls_run *r, const struct ls_crew *c);

#endif
