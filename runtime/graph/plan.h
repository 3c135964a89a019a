/* SPDX-License-Identifier: MIT
 * How a graph is run: the only place that looks at neighbours, with place.h and cut.h. */
#ifndef LS_PLAN_H
#define LS_PLAN_H

#include "graph/graph.h"

/*
 * Fuse neighbours, lay out parameters and the activation block of `most` rows, decide what is never computed, cut the
 * parameters into units. keep_values: nothing is fused and the input has a gradient, so that every value and gradient
 * can be read; the bits are the same. E_MEMORY, also where the model has more units than a team can share.
 */
enum lockstep_status ls_plan(struct ls_graph *g, size_t most, bool keep_values, struct lockstep_error *err);

/* Rows of a block that stays in the caches of so many workers who share it: at most those of the plan, g->block. */
size_t ls_plan_rows(const struct ls_graph *g, unsigned workers);

/* Lay out the activation block anew for so many rows, no more than those of the plan, before an engine is made. */
void ls_plan_block(struct ls_graph *g, size_t rows);

#endif
