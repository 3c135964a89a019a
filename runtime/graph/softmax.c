/* SPDX-License-Identifier: MIT
 * softmax, log_softmax: probabilities of a flat value and their logarithms, row by row. */
#include "core/math64.h"
#include "graph/graph.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_shape s = n->input[0]->shape;

    if (s.rank != 1)
        return ls_node_fail(n, err, "%s: expected a flat value, got (%zu, %zu) (put flatten before it)", n->op->name,
                            s.dim[0], s.dim[1]);
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
    c->k->softmax_bwd(c->rows, n->features, ls_rows(c, n->y), n->y.ld, ls_rows(c, n->d), n->d.ld, ls_rows(c, n->dx[0]),
                      n->dx[0].ld);
}

static void log_forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];

    c->k->log_softmax_fwd(c->rows, n->features, ls_rows(c, x->y), x->y.ld, ls_rows(c, n->y), n->y.ld);
}

static void log_backward(const struct ls_node *n, const struct ls_context *c)
{
    c->k->log_softmax_bwd(c->rows, n->features, ls_rows(c, n->y), n->y.ld, ls_rows(c, n->d), n->d.ld,
                          ls_rows(c, n->dx[0]), n->dx[0].ld);
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const size_t N = n->features;

    for (size_t m = 0; m < r->rows; m++) {
        const double *x = r->x[0] + m * N;
        double *y = r->y + m * N, max = x[0], sum = 0.0;

        for (size_t i = 0; i < N; i++)
            max = x[i] > max ? x[i] : max;
        for (size_t i = 0; i < N; i++)
            sum += y[i] = ls_exp(x[i] - max);
        for (size_t i = 0; i < N; i++)
            y[i] /= sum;
    }
}

static void log_define(const struct ls_node *n, const struct ls_reference *r)
{
    const size_t N = n->features;

    for (size_t m = 0; m < r->rows; m++) {
        const double *x = r->x[0] + m * N;
        double max = x[0], sum = 0.0;

        for (size_t i = 0; i < N; i++)
            max = x[i] > max ? x[i] : max;
        for (size_t i = 0; i < N; i++)
            sum += ls_exp(x[i] - max);
        for (size_t i = 0; i < N; i++)
            r->y[m * N + i] = x[i] - max - ls_log(sum);
    }
}

const struct ls_op ls_op_softmax = {
    .name = "softmax",
    .example = "input(11) | softmax",
    .formula = "y_k = exp(x_k) / sum_j exp(x_j)",
    .gradient = "dx_k = y_k (g_k - sum_j g_j y_j)",
    .shapes = "(N) -> (N)",
    .kernels = {"softmax_fwd", "softmax_bwd"},
    .inputs = 1,
    .link = LS_LINK_NONE,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define,
};
const struct ls_op ls_op_log_softmax = {
    .name = "log_softmax",
    .example = "input(11) | log_softmax",
    .formula = "y_k = x_k - ln(sum_j exp(x_j))",
    .gradient = "dx_k = g_k - exp(y_k) sum_j g_j",
    .shapes = "(N) -> (N)",
    .kernels = {"log_softmax_fwd", "log_softmax_bwd"},
    .inputs = 1,
    .shape = shape,
    .forward = log_forward,
    .backward = log_backward,
    .define = log_define,
};
