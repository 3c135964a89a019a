/* SPDX-License-Identifier: MIT
 * constant(value): a number of a model text. */
#include "graph/graph.h"

enum { VALUE };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = (struct ls_shape){1, {1}};
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    float *y = ls_rows(c, n->y);

    for (size_t m = 0; m < c->rows; m++)
        y[ls_at(n, n->y, m, 0)] = (float)n->attr[VALUE].x;
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t m = 0; m < r->rows; m++)
        r->y[m] = n->attr[VALUE].x;
}

const struct ls_op ls_op_constant = {
    .name = "constant",
    .example = "input(5) | mul(constant(2.5))",
    .formula = "y = value",
    .shapes = "-> (1)",
    .attr = {{.name = "value", .kind = LS_ATTR_REAL, .required = true}},
    .shape = shape,
    .forward = forward,
    .define = define,
};
