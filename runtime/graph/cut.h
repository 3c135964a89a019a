/* SPDX-License-Identifier: MIT
 * Parameters are cut into units, which one thread owns each (struct ls_unit). */
#ifndef LS_CUT_H
#define LS_CUT_H

#include "graph/graph.h"

/* The units of all parameters that are trained. E_MEMORY, also where they are too many to share. */
enum lockstep_status ls_cut(struct ls_graph *g, struct lockstep_error *err);

#endif
