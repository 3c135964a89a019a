/* SPDX-License-Identifier: MIT
 * expand(channels, length): one value, repeated over a shape. Gates write it for themselves: 2 * x. */
#include "graph/graph.h"

enum { CHANNELS, LENGTH };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    if (n->input[0]->features != 1)
        return ls_node_fail(n, err, "expand: expected one value, got %zu", n->input[0]->features);
    n->shape = (struct ls_shape){n->attr[LENGTH].n ? 2 : 1, {n->attr[CHANNELS].n, n->attr[LENGTH].n}};
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    c->k->expand(c->rows, n->channels, n->length, 1.0f, ls_cview(c, n->input[0]->y), ls_view(c, n->y));
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    c->k->sum(c->rows, n->channels, n->length, 1.0f, ls_cview(c, n->d), ls_view(c, n->dx[0]));
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t m = 0; m < r->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            r->y[m * n->features + i] = r->x[0][m];
}

const struct ls_op ls_op_expand = {
    .name = "expand",
    .example = "input(5) | sum | expand(3, 4)",
    .formula = "y_i = x",
    .gradient = "dx = sum_i g_i",
    .shapes = "(1) -> (C) or (C, L)",
    .kernels = {"expand", "sum"},
    .inputs = 1,
    .attr = {{.name = "channels", .kind = LS_ATTR_SIZE, .required = true}, {.name = "length", .kind = LS_ATTR_SIZE}},
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define,
};
