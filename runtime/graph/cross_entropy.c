/* SPDX-License-Identifier: MIT
 * cross_entropy(logits, label): softmax, mean negative log-likelihood, and its gradient, in one pass over each row. */
#include "core/math64.h"
#include "graph/graph.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_node *x = n->input[0];

    if (x->shape.rank != 1)
        return ls_node_fail(n, err, "cross_entropy: expected flat logits, got (%zu, %zu) (put flatten before it)",
                            x->shape.dim[0], x->shape.dim[1]);
    if (x->features > LS_CLASSES)
        return ls_node_fail(n, err, "cross_entropy: expected at most %d classes, got %zu", LS_CLASSES, x->features);
    if (x->features != n->graph->classes)
        return ls_node_fail(x, err, "expected %zu outputs, one for each class, got %zu", n->graph->classes,
                            x->features);
    n->shape = (struct ls_shape){1, {1}};
    return LOCKSTEP_OK;
}

/* The gradient of the logits comes with the loss; backward has nothing left to do. */
static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];

    c->k->softmax_xent(c->rows, x->features, ls_rows(c, x->y), x->y.ld, c->label + c->row, c->scale,
                       c->train && n->wants_dx[0] ? ls_rows(c, n->dx[0]) : NULL, n->dx[0].ld, c->loss + c->batch_row,
                       c->hit + c->batch_row);
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const size_t N = n->input[0]->features;

    for (size_t m = 0; m < r->rows; m++) {
        const double *z = r->x[0] + m * N;
        double max = z[0], sum = 0.0;

        for (size_t i = 0; i < N; i++)
            max = z[i] > max ? z[i] : max;
        for (size_t i = 0; i < N; i++)
            sum += ls_exp(z[i] - max);
        r->y[m] = ls_log(sum) - (z[r->label[m]] - max);
    }
}

const struct ls_op ls_op_cross_entropy = {
    .name = "cross_entropy",
    .example = "logits = input(10) | linear(10)\nloss = cross_entropy(logits, label)",
    .formula = "loss = mean(-ln softmax(x)_label)",
    .gradient = "dx = (softmax(x) - onehot(label)) / n",
    .shapes = "(N), label -> ()",
    .kernels = {"softmax_xent"},
    .inputs = 1,
    .labels = true,
    .loss = true,
    .shape = shape,
    .forward = forward,
    .define = define,
};
