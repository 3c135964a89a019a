/* SPDX-License-Identifier: MIT
 * A graph by the definitions of its ops in plain double: what the gradient check compares with. */
#ifndef LS_DEFINE_H
#define LS_DEFINE_H

#include "graph/graph.h"

/*
 * Every node in plain double. x (rows, features), params: one array per node and parameter in PyTorch's shape, in node
 * order; label (rows). values[i] receives (rows, features of node i), a loss node one value per row.
 * Returns the objective: the mean loss, or the sum of the output times seeds (rows, features; NULL: ones).
 * ls_define_from computes node `first` and those behind it again, ls_corner the least distance of a corner of any op.
 */
struct ls_define_input {
    size_t rows;
    const double *x;
    const double *const *params;
    const uint8_t *label;
    const double *seeds;
    uint32_t seed, step;
};
double ls_define(const struct ls_graph *g, const struct ls_define_input *in, double *const *values);
double ls_define_from(const struct ls_graph *g, const struct ls_define_input *in, double *const *values, size_t first);
double ls_corner(const struct ls_graph *g, const struct ls_define_input *in, double *const *values);

#endif
