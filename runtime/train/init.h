/* SPDX-License-Identifier: MIT
 * Initial weights. */
#ifndef LS_INIT_H
#define LS_INIT_H

#include "graph/graph.h"

/* Check a name of --init: he, xavier, normal(STD). E_USAGE. */
enum lockstep_status ls_init_check(const char *init, struct lockstep_error *err);

/*
 * Fill the flat parameters: normal numbers with deviation sqrt(2 / fan_in) (he), sqrt(2 / (fan_in + fan_out)) (xavier)
 * or STD; biases +0. Element e of parameter p, in PyTorch's order, depends on (seed, p, e) only.
 */
void ls_init(const struct ls_graph *g, const char *init, uint32_t seed, float *w);

#endif
