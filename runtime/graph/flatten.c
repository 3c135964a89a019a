/* SPDX-License-Identifier: MIT
 * flatten: (C, L) -> (C * L) in PyTorch's order; a view, nothing moves. */
#include "graph/graph.h"

#include <string.h>

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = (struct ls_shape){1, {n->input[0]->features}};
    return LOCKSTEP_OK;
}

static void define(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                   const uint8_t *label, double *y)
{
    (void)p, (void)label;
    memcpy(y, x[0], rows * n->features * sizeof *y);
}

extern const struct ls_op ls_op_flatten;
const struct ls_op ls_op_flatten = {
    .name = "flatten",
    .example = "input(3, 4) | flatten",
    .formula = "y = x",
    .inputs = 1,
    .view = true,
    .shape = shape,
    .define = define,
};
