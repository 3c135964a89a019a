/* SPDX-License-Identifier: MIT
 * one_hot(label): the labels as values, 1 at the class and 0 elsewhere: the target of a loss that compares values. */
#include "graph/graph.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    if (n->graph->classes > LS_CLASSES)
        return ls_node_fail(n, err, "one_hot: expected at most %d classes, got %zu", LS_CLASSES, n->graph->classes);
    n->shape = (struct ls_shape){1, {n->graph->classes}};
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    float *y = ls_rows(c, n->y);

    for (size_t m = 0; m < c->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            y[ls_at(n, n->y, m, i)] = i == c->label[c->row + m] ? 1.0f : 0.0f;
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t m = 0; m < r->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            r->y[m * n->features + i] = i == r->label[m] ? 1.0 : 0.0;
}

const struct ls_op ls_op_one_hot = {
    .name = "one_hot",
    .example = "loss = mse_loss(input(5), one_hot(label))",
    .formula = "y_k = 1 where k is the label, else 0",
    .shapes = "label -> (classes)",
    .labels = true,
    .shape = shape,
    .forward = forward,
    .define = define,
};
