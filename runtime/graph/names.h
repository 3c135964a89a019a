/* SPDX-License-Identifier: MIT
 * Names of nodes and of their parameters. */
#ifndef LS_NAMES_H
#define LS_NAMES_H

#include "graph/graph.h"

/*
 * Names for nodes without one, or whose name went to a later node; and the prefix of parameter names: nn.Sequential's
 * index in a pipeline, else the name. by_text: a node without a name is called as it is written (nothing is saved).
 */
void ls_names_give(struct ls_graph *g, bool by_text);

#endif
