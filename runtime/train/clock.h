/* SPDX-License-Identifier: MIT
 * Where the time of a step goes: each worker reads the clock after everything it does and gives the time since the last
 * reading to a node and a phase, so that nothing of its step is lost. Training runs without. */
#ifndef LS_CLOCK_H
#define LS_CLOCK_H

#include "core/team.h"

enum ls_phase {
    LS_PHASE_FORWARD,
    LS_PHASE_BRANCHES, /* gradients of a value used several times are added */
    LS_PHASE_BACKWARD,
    LS_PHASE_GRAD,   /* chains of a node's parameters */
    LS_PHASE_ADD,    /* of two shards */
    LS_PHASE_UPDATE, /* and transposed weights */
    LS_PHASES
};

/* Time, and multiply-adds left out. */
struct ls_lap {
    uint64_t ns;
    size_t skipped;
};

/* Of one worker. */
struct ls_clock {
    _Alignas(64) uint64_t last;
    size_t skipped;     /* up to `last` */
    struct ls_lap wait; /* at barriers */
    struct ls_lap rest; /* what no node does */
    struct ls_lap *lap; /* [nodes][LS_PHASES] */
};

/* Give what passed since the last call to a lap. */
static inline void ls_clock_lap(struct ls_clock *c, struct ls_lap *lap, size_t skipped)
{
    const uint64_t now = ls_now();

    lap->ns += now - c->last;
    lap->skipped += skipped - c->skipped;
    c->last = now;
    c->skipped = skipped;
}

#endif
