/* SPDX-License-Identifier: MIT
 * neg, exp, log, square: functions of one value, element by element. */
#include "core/math64.h"
#include "graph/elementwise.h"

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = n->input[0]->shape;
    return LOCKSTEP_OK;
}

/* to = alpha from. */
static void scale(const struct ls_node *n, const struct ls_context *c, float alpha, struct ls_buffer from,
                  struct ls_buffer to)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        c->k->scale(r.floats, alpha, ls_run(c, from, r, i), ls_run(c, to, r, i));
}

static void map(const struct ls_node *n, const struct ls_context *c, void (*f)(size_t, const float *, float *))
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        f(r.floats, ls_run(c, n->input[0]->y, r, i), ls_run(c, n->y, r, i));
}

/* to = f(a, b). */
static void map_2(const struct ls_node *n, const struct ls_context *c,
                  void (*f)(size_t, const float *, const float *, float *), struct ls_buffer a, struct ls_buffer b,
                  struct ls_buffer to)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        f(r.floats, ls_run(c, a, r, i), ls_run(c, b, r, i), ls_run(c, to, r, i));
}

static void neg_forward(const struct ls_node *n, const struct ls_context *c)
{
    scale(n, c, -1.0f, n->input[0]->y, n->y);
}

static void neg_backward(const struct ls_node *n, const struct ls_context *c)
{
    scale(n, c, -1.0f, n->d, n->dx[0]);
}

static void exp_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, c->k->exp);
}

static void exp_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_2(n, c, c->k->mul, n->d, n->y, n->dx[0]);
}

static void log_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, c->k->log);
}

static void log_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_2(n, c, c->k->div, n->d, n->input[0]->y, n->dx[0]);
}

static void square_forward(const struct ls_node *n, const struct ls_context *c)
{
    map_2(n, c, c->k->mul, n->input[0]->y, n->input[0]->y, n->y);
}

static void square_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_2(n, c, c->k->mul, n->d, n->input[0]->y, n->dx[0]);
    scale(n, c, 2.0f, n->dx[0], n->dx[0]);
}

static void neg_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = -r->x[0][i];
}

static void exp_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++) {
        const double x = r->x[0][i];

        r->y[i] = x > 700.0 ? __builtin_inf() : x < -700.0 ? 0.0 : ls_exp(x);
    }
}

static void log_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++) {
        const double x = r->x[0][i];

        r->y[i] = x > 0.0 ? ls_log(x) : x < 0.0 ? __builtin_nan("") : -__builtin_inf();
    }
}

static void square_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] * r->x[0][i];
}

const struct ls_op ls_op_neg = {
    .name = "neg",
    .example = "input(5) | neg",
    .formula = "y = -x",
    .gradient = "dx = -g",
    .shapes = "same",
    .kernels = {"scale", "scale"},
    .inputs = 1,
    .shape = shape,
    .forward = neg_forward,
    .backward = neg_backward,
    .define = neg_define,
};
const struct ls_op ls_op_exp = {
    .name = "exp",
    .example = "input(5) | exp",
    .formula = "y = exp(x)",
    .gradient = "dx = g y",
    .shapes = "same",
    .kernels = {"exp", "mul"},
    .inputs = 1,
    .shape = shape,
    .forward = exp_forward,
    .backward = exp_backward,
    .define = exp_define,
};
const struct ls_op ls_op_log = {
    .name = "log",
    .example = "input(5) | sigmoid | log",
    .formula = "y = ln(x)",
    .gradient = "dx = g / x",
    .shapes = "same",
    .kernels = {"log", "div"},
    .inputs = 1,
    .shape = shape,
    .forward = log_forward,
    .backward = log_backward,
    .define = log_define,
};
const struct ls_op ls_op_square = {
    .name = "square",
    .example = "input(5) | square",
    .formula = "y = x^2",
    .gradient = "dx = 2 g x",
    .shapes = "same",
    .kernels = {"mul", "mul scale"},
    .inputs = 1,
    .shape = shape,
    .forward = square_forward,
    .backward = square_backward,
    .define = square_define,
};
