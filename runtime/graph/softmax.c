/* SPDX-License-Identifier: MIT
 * softmax: probabilities of a flat value, row by row. */
#include "core/math64.h"
#include "graph/graph.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_shape s = n->input[0]->shape;

    if (s.rank != 1)
        return ls_node_fail(n, err, "softmax: expected a flat value, got (%zu, %zu) (put flatten before it)", s.dim[0],
                            s.dim[1]);
    n->shape = s;
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];

    c->k->softmax_fwd(c->rows, n->features, ls_rows(c, x->y), x->y.ld, ls_rows(c, n->y), n->y.ld);
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];

    c->k->softmax_bwd(c->rows, n->features, ls_rows(c, n->y), n->y.ld, ls_rows(c, n->d), n->d.ld, ls_rows(c, x->d),
                      x->d.ld);
}

static void define(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                   const uint8_t *label, double *y)
{
    const size_t N = n->features;

    (void)p, (void)label;
    for (size_t m = 0; m < rows; m++) {
        double max = x[0][m * N], sum = 0.0;

        for (size_t i = 0; i < N; i++)
            max = x[0][m * N + i] > max ? x[0][m * N + i] : max;
        for (size_t i = 0; i < N; i++)
            sum += y[m * N + i] = ls_exp(x[0][m * N + i] - max);
        for (size_t i = 0; i < N; i++)
            y[m * N + i] /= sum;
    }
}

extern const struct ls_op ls_op_softmax;
const struct ls_op ls_op_softmax = {
    .name = "softmax",
    .example = "input(11) | softmax",
    .formula = "y_k = exp(x_k) / sum_j exp(x_j)",
    .inputs = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define,
};
