/* SPDX-License-Identifier: MIT
 * relu, sigmoid, tanh: elementwise ops, for when no matrix product applies them in its epilogue. */
#include "core/math64.h"
#include "graph/graph.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = n->input[0]->shape;
    return LOCKSTEP_OK;
}

/* One call for each panel: the rows in context are contiguous there. */
static void forward(const struct ls_node *n, const struct ls_context *c)
{
    lk_relu_fwd_fn *const f = n->op->act == LK_ACT_RELU      ? c->k->relu_fwd
                              : n->op->act == LK_ACT_SIGMOID ? c->k->sigmoid_fwd
                                                             : c->k->tanh_fwd;

    for (size_t p = 0; p < lk_panels(n->features); p++)
        f(c->rows * LK_PANEL, ls_rows(c, n->input[0]->y) + p * n->input[0]->y.ld, ls_rows(c, n->y) + p * n->y.ld);
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    lk_relu_bwd_fn *const f = n->op->act == LK_ACT_RELU      ? c->k->relu_bwd
                              : n->op->act == LK_ACT_SIGMOID ? c->k->sigmoid_bwd
                                                             : c->k->tanh_bwd;

    for (size_t p = 0; p < lk_panels(n->features); p++)
        f(c->rows * LK_PANEL, ls_rows(c, n->y) + p * n->y.ld, ls_rows(c, n->d) + p * n->d.ld,
          ls_rows(c, n->input[0]->d) + p * n->input[0]->d.ld);
}

static void define_relu(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                        const uint8_t *label, double *y)
{
    (void)p, (void)label;
    for (size_t i = 0; i < rows * n->features; i++)
        y[i] = x[0][i] > 0.0 ? x[0][i] : 0.0;
}

static void define_sigmoid(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                           const uint8_t *label, double *y)
{
    (void)p, (void)label;
    for (size_t i = 0; i < rows * n->features; i++)
        y[i] = 1.0 / (1.0 + ls_exp(-x[0][i]));
}

static void define_tanh(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                        const uint8_t *label, double *y)
{
    (void)p, (void)label;
    for (size_t i = 0; i < rows * n->features; i++) {
        double e = ls_exp(2.0 * x[0][i]);

        y[i] = (e - 1.0) / (e + 1.0);
    }
}

extern const struct ls_op ls_op_relu, ls_op_sigmoid, ls_op_tanh;
const struct ls_op ls_op_relu = {
    .name = "relu",
    .example = "input(9) | relu",
    .formula = "y = max(0, x)",
    .inputs = 1,
    .act = LK_ACT_RELU,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define_relu,
};
const struct ls_op ls_op_sigmoid = {
    .name = "sigmoid",
    .example = "input(9) | sigmoid",
    .formula = "y = 1 / (1 + exp(-x))",
    .inputs = 1,
    .act = LK_ACT_SIGMOID,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define_sigmoid,
};
const struct ls_op ls_op_tanh = {
    .name = "tanh",
    .example = "input(9) | tanh",
    .formula = "y = tanh(x)",
    .inputs = 1,
    .act = LK_ACT_TANH,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define_tanh,
};
