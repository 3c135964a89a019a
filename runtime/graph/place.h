/* SPDX-License-Identifier: MIT
 * Where everything lies: values and gradients of a block of rows, parameters. For plan.c, which has said before what is
 * computed and what is shared. */
#ifndef LS_PLACE_H
#define LS_PLACE_H

#include "graph/graph.h"

/* The activation block for so many rows, the flat arrays of parameters and transposed weights. E_MEMORY. */
enum lockstep_status ls_place(struct ls_graph *g, size_t rows, struct lockstep_error *err);

/* The activation block anew, for so many rows. False: it exceeds the address space. */
bool ls_place_block(struct ls_graph *g, size_t rows);

#endif
