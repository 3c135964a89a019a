/* SPDX-License-Identifier: MIT
 * flatten: (C, L) -> (C * L) in PyTorch's order. A view of a value that is flat in memory, else a copy: channels-last
 * becomes one row. */
#include "graph/graph.h"

#include <string.h>

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = (struct ls_shape){1, {n->input[0]->features}};
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];

    c->k->flatten_fwd(c->rows, x->channels, x->length, ls_cview(c, x->y), ls_rows(c, n->y), n->y.ld);
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];

    c->k->flatten_bwd(c->rows, x->channels, x->length, ls_rows(c, n->d), n->d.ld, ls_view(c, n->dx[0]));
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    memcpy(r->y, r->x[0], r->rows * n->features * sizeof *r->y);
}

const struct ls_op ls_op_flatten = {
    .name = "flatten",
    .example = "input(3, 4) | relu | flatten",
    .formula = "y = x",
    .gradient = "dx = g",
    .shapes = "(C, L) -> (C L)",
    .kernels = {"flatten_fwd", "flatten_bwd"},
    .inputs = 1,
    .chooses = true,
    .flattens = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define,
};
