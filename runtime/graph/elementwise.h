/* SPDX-License-Identifier: MIT
 * Values as runs of contiguous floats, for ops that work on each element alone. */
#ifndef LS_ELEMENTWISE_H
#define LS_ELEMENTWISE_H

#include "graph/graph.h"

/* Value and gradients of a node and of its inputs, all of one shape, as runs of contiguous floats that no halo
 * interrupts: run i of a buffer begins at ls_run. */
struct ls_runs {
    size_t count, floats, samples; /* of each run */
};
struct ls_runs ls_runs_of(const struct ls_node *n, const struct ls_context *c);
struct ls_runs ls_input_runs(const struct ls_node *n, const struct ls_context *c); /* of the inputs only */
float *ls_run(const struct ls_context *c, struct ls_buffer b, struct ls_runs r, size_t i);

/* n->d += b, a gradient of the same shape, over the rows in context. */
void ls_add_values(const struct ls_node *n, const struct ls_context *c, struct ls_buffer b);

#endif
