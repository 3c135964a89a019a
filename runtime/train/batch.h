/* SPDX-License-Identifier: MIT
 * One batch: what a step reads and writes besides its engine. */
#ifndef LS_BATCH_H
#define LS_BATCH_H

#include "graph/graph.h"
#include "train/clock.h"
#include "train/optim.h"

/* What a step does with the gradient. */
enum ls_mode { LS_FORWARD, LS_GRADIENT, LS_TRAIN };

/* One batch, the same for every worker of the team. loss and hit hold at least source->rows. */
struct ls_batch {
    struct ls_source source;
    enum ls_mode mode;
    float *loss;
    uint8_t *hit;
    struct ls_optim_step optim;
    uint32_t step;          /* of the run, from 0: random masks depend on it */
    const float *seeds;     /* see struct ls_context */
    struct ls_clock *clock; /* [workers], laps added to; NULL: not timed */
};

#endif
