/* SPDX-License-Identifier: MIT
 * sum, mean: over all elements of a row. */
#include "graph/graph.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = (struct ls_shape){1, {1}};
    return LOCKSTEP_OK;
}

/* y = alpha times the sum, and its gradient. */
static void reduce(const struct ls_node *n, const struct ls_context *c, float alpha)
{
    const struct ls_node *x = n->input[0];

    c->k->sum(c->rows, x->channels, x->length, alpha, ls_cview(c, x->y), ls_view(c, n->y));
}

static void spread(const struct ls_node *n, const struct ls_context *c, float alpha)
{
    const struct ls_node *x = n->input[0];

    c->k->expand(c->rows, x->channels, x->length, alpha, ls_cview(c, n->d), ls_view(c, n->dx[0]));
}

static float reciprocal(const struct ls_node *n)
{
    return (float)(1.0 / (double)n->input[0]->features);
}

static void sum_forward(const struct ls_node *n, const struct ls_context *c)
{
    reduce(n, c, 1.0f);
}

static void sum_backward(const struct ls_node *n, const struct ls_context *c)
{
    spread(n, c, 1.0f);
}

static void mean_forward(const struct ls_node *n, const struct ls_context *c)
{
    reduce(n, c, reciprocal(n));
}

static void mean_backward(const struct ls_node *n, const struct ls_context *c)
{
    spread(n, c, reciprocal(n));
}

static void sum_define(const struct ls_node *n, const struct ls_reference *r)
{
    const size_t F = n->input[0]->features;

    for (size_t m = 0; m < r->rows; m++) {
        r->y[m] = 0.0;
        for (size_t i = 0; i < F; i++)
            r->y[m] += r->x[0][m * F + i];
    }
}

static void mean_define(const struct ls_node *n, const struct ls_reference *r)
{
    sum_define(n, r);
    for (size_t m = 0; m < r->rows; m++)
        r->y[m] /= (double)n->input[0]->features;
}

const struct ls_op ls_op_sum = {
    .name = "sum",
    .example = "input(5) | sum",
    .formula = "y = sum_i x_i",
    .gradient = "dx_i = g",
    .shapes = "(C) or (C, L) -> (1)",
    .kernels = {"sum", "expand"},
    .inputs = 1,
    .shape = shape,
    .forward = sum_forward,
    .backward = sum_backward,
    .define = sum_define,
};
const struct ls_op ls_op_mean = {
    .name = "mean",
    .example = "input(3, 4) | mean",
    .formula = "y = sum_i x_i / n",
    .gradient = "dx_i = g / n",
    .shapes = "(C) or (C, L) -> (1)",
    .kernels = {"sum", "expand"},
    .inputs = 1,
    .shape = shape,
    .forward = mean_forward,
    .backward = mean_backward,
    .define = mean_define,
};
