/* SPDX-License-Identifier: MIT
 *
 * What a node asks for in one phase of a training step, and how fast that could be: FLOPs by the measured FMA peak of
 * all threads, bytes by the measured bandwidth of the level that holds what a call touches, the larger time of both
 * (Williams et al. 2009, the roofline). Bytes are the least: each operand once a call, where the pieces of a worker
 * count as one, panels with their pads.
 */
#ifndef LS_COST_H
#define LS_COST_H

#include "train/clock.h"
#include "train/engine.h"
#include "train/limits.h"

/* How a batch runs through an engine. */
struct ls_flow {
    const struct ls_engine *e;
    size_t rows; /* of the batch */
    unsigned threads;
};

/* Of a step, all workers together; sizes in bytes. */
struct ls_cost {
    double flops;         /* of matrix products, no term left out */
    double source;        /* read from the data set */
    double read, written; /* apart from each other */
    double updated;       /* read and written in place, both counted */
    double held;          /* by one worker, during a call: tells the level of memory */
};

/* What bounds a work. */
struct ls_roof {
    const char *name; /* "FMA", "data", "L1" ...; "": nothing */
    double seconds;
};

/* Has the node work in this phase? */
bool ls_cost_any(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase);

/* Features of the result that the workers share by columns in this phase; 0: they share rows or units. */
size_t ls_cost_columns(const struct ls_flow *f, const struct ls_node *n, enum ls_phase phase);

/* Does each worker run the node on all rows of a block in this phase? */
bool ls_cost_whole(const struct ls_flow *f, const struct ls_node *n, enum ls_phase phase);

struct ls_cost ls_cost_of(const struct ls_flow *f, const struct ls_node *n, enum ls_phase phase);

/* Blocks of a step: what lies between two barriers of owners. */
size_t ls_cost_blocks(const struct ls_flow *f);

double ls_cost_bytes(const struct ls_cost *c);

/* The smallest level of memory that holds what a call touches. */
enum lockstep_level ls_cost_level(const struct ls_flow *f, const struct ls_cost *c);

/* flops_done: without those left out. */
struct ls_roof ls_cost_roof(const struct ls_flow *f, const struct ls_cost *c, double flops_done,
                            const struct ls_limits *limits);

#endif
