/* SPDX-License-Identifier: MIT
 * mse_loss(x, t), binary_cross_entropy(p, t), binary_cross_entropy_with_logits(z, t): losses of a prediction and a
 * target of the same shape, means over the elements and the rows of the batch. */
#include "core/math64.h"
#include "graph/elementwise.h"

#include <string.h>

enum { PREDICTION, TARGET };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_shape x = n->input[PREDICTION]->shape, t = n->input[TARGET]->shape;
    char got[2][LS_SHAPE_TEXT];

    if (x.rank != t.rank || x.dim[0] != t.dim[0] || x.dim[1] != t.dim[1])
        return ls_node_fail(n, err, "%s: expected a prediction and a target of the same shape, got %s and %s",
                            n->op->name, ls_shape_text(x, got[0]), ls_shape_text(t, got[1]));
    if (n->op->constant_1 && n->graph->classes && n->input[TARGET]->trained)
        return ls_node_fail(n, err,
                            "%s: expected a target without parameters, got one that is trained (its gradient "
                            "is not defined here)",
                            n->op->name);
    n->shape = (struct ls_shape){1, {1}};
    n->own = n->input[PREDICTION]->features == n->graph->classes;
    return LOCKSTEP_OK;
}

/* The hit of each row: is the first maximum of the prediction the label's class? Never where it has no element for each
 * class. */
static void find_hits(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[PREDICTION];
    const float *y = ls_rows(c, x->y);

    memset(c->hit + c->batch_row, 0, c->rows);
    for (size_t m = 0; m < c->rows && n->own && c->source->label; m++) {
        size_t best = 0;

        for (size_t i = 1; i < x->features; i++)
            if (y[ls_at(x, x->y, m, i)] > y[ls_at(x, x->y, m, best)])
                best = i;
        c->hit[c->batch_row + m] = best == c->label[c->row + m];
    }
}

typedef void loss_fn(size_t B, size_t C, size_t L, float alpha, struct lk_cview x, struct lk_cview t, float *loss);
typedef void gradient_fn(size_t n, float alpha, const float *x, const float *t, float *dx);

static void loss_rows(const struct ls_node *n, const struct ls_context *c, loss_fn *f)
{
    const struct ls_node *x = n->input[PREDICTION], *t = n->input[TARGET];

    f(c->rows, x->channels, x->length, (float)(1.0 / (double)x->features), ls_cview(c, x->y), ls_cview(c, t->y),
      c->loss + c->batch_row);
    find_hits(n, c);
}

/* Gradient of input `of`, the other one in the place of the target: weight (x - t) / count for a mean of squares. */
static void gradient(const struct ls_node *n, const struct ls_context *c, gradient_fn *f, size_t of, double weight)
{
    const struct ls_runs r = ls_input_runs(n, c);
    const struct ls_node *x = n->input[of], *t = n->input[1 - of];
    const float alpha = (float)(weight / ((double)c->source->rows * (double)x->features));

    for (size_t i = 0; n->wants_dx[of] && i < r.count; i++)
        f(r.floats, alpha, ls_run(c, x->y, r, i), ls_run(c, t->y, r, i), ls_run(c, n->dx[of], r, i));
}

static void mse_forward(const struct ls_node *n, const struct ls_context *c)
{
    loss_rows(n, c, c->k->mse_fwd);
}

static void mse_backward(const struct ls_node *n, const struct ls_context *c)
{
    gradient(n, c, c->k->mse_bwd, PREDICTION, 2.0);
    gradient(n, c, c->k->mse_bwd, TARGET, 2.0);
}

static void bce_forward(const struct ls_node *n, const struct ls_context *c)
{
    loss_rows(n, c, c->k->bce_fwd);
}

static void bce_backward(const struct ls_node *n, const struct ls_context *c)
{
    gradient(n, c, c->k->bce_bwd, PREDICTION, 1.0);
}

static void bce_logits_forward(const struct ls_node *n, const struct ls_context *c)
{
    loss_rows(n, c, c->k->bce_logits_fwd);
}

static void bce_logits_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_runs r = ls_input_runs(n, c);
    const struct ls_node *x = n->input[PREDICTION];
    const float alpha = (float)(-1.0 / ((double)c->source->rows * (double)x->features));

    gradient(n, c, c->k->bce_logits_bwd, PREDICTION, 1.0);
    for (size_t i = 0; n->wants_dx[TARGET] && i < r.count; i++)
        c->k->scale(r.floats, alpha, ls_run(c, x->y, r, i), ls_run(c, n->dx[TARGET], r, i));
}

/* Mean over the elements of each row of e(x, t). */
static void define(const struct ls_node *n, const struct ls_reference *r, double (*e)(double x, double t))
{
    const size_t N = n->input[PREDICTION]->features;

    for (size_t m = 0; m < r->rows; m++) {
        double sum = 0.0;

        for (size_t i = 0; i < N; i++)
            sum += e(r->x[PREDICTION][m * N + i], r->x[TARGET][m * N + i]);
        r->y[m] = sum / (double)N;
    }
}

static double square(double x, double t)
{
    return (x - t) * (x - t);
}

/* ln p, not below -100 */
static double log_clamped(double p)
{
    const double least = -100.0, where = 1e-44;
    const double y = p > where ? ls_log(p) : least;

    return y > least ? y : least;
}

static double entropy(double p, double t)
{
    return -(t * log_clamped(p) + (1.0 - t) * log_clamped(1.0 - p));
}

static double entropy_of_logit(double z, double t)
{
    return (z > 0.0 ? z : 0.0) - z * t + ls_log(1.0 + ls_exp(z > 0.0 ? -z : z));
}

static void mse_define(const struct ls_node *n, const struct ls_reference *r)
{
    define(n, r, square);
}

static void bce_define(const struct ls_node *n, const struct ls_reference *r)
{
    define(n, r, entropy);
}

static void bce_logits_define(const struct ls_node *n, const struct ls_reference *r)
{
    define(n, r, entropy_of_logit);
}

const struct ls_op ls_op_mse_loss = {
    .name = "mse_loss",
    .example = "x = input(3, 4)\nloss = mse_loss(tanh(x), sigmoid(x))",
    .formula = "loss = mean (x - y)^2",
    .gradient = "dx = 2 (x - y) / count, dy = -dx",
    .shapes = "same, same -> ()",
    .kernels = {"mse_fwd", "mse_bwd"},
    .inputs = 2,
    .loss = true,
    .shape = shape,
    .forward = mse_forward,
    .backward = mse_backward,
    .define = mse_define,
};
const struct ls_op ls_op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .example = "p = input(6) | sigmoid\nloss = binary_cross_entropy(p, one_hot(label))",
    .formula = "loss = mean(-y ln x - (1 - y) ln(1 - x)), logarithms not below -100",
    .gradient = "dx = (x - y) / (x (1 - x)) / count, x (1 - x) not below 1e-12; y is a constant",
    .shapes = "same, same -> ()",
    .kernels = {"bce_fwd", "bce_bwd"},
    .inputs = 2,
    .loss = true,
    .constant_1 = true,
    .link = LS_LINK_NONE,
    .shape = shape,
    .forward = bce_forward,
    .backward = bce_backward,
    .define = bce_define,
};
const struct ls_op ls_op_binary_cross_entropy_with_logits = {
    .name = "binary_cross_entropy_with_logits",
    .example = "loss = binary_cross_entropy_with_logits(input(6), one_hot(label))",
    .formula = "loss = mean(-y ln s - (1 - y) ln(1 - s)), s = 1 / (1 + exp(-x))",
    .gradient = "dx = (s - y) / count, dy = -x / count",
    .shapes = "same, same -> ()",
    .kernels = {"bce_logits_fwd", "bce_logits_bwd scale"},
    .inputs = 2,
    .loss = true,
    .link = LS_LINK_SIGMOID,
    .shape = shape,
    .forward = bce_logits_forward,
    .backward = bce_logits_backward,
    .define = bce_logits_define,
};
