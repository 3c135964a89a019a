/* SPDX-License-Identifier: MIT
 * add, sub, mul, div, maximum, minimum: gates of two values of one shape, element by element. */
#include "graph/elementwise.h"

#include <string.h>

typedef void gate_fn(size_t, const float *, const float *, float *);

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_shape a = n->input[0]->shape, b = n->input[1]->shape;
    char text[2][LS_SHAPE_TEXT];

    if (a.rank != b.rank || memcmp(a.dim, b.dim, a.rank * sizeof *a.dim) != 0)
        return ls_node_fail(n, err, "%s: expected two values of one shape, got %s and %s", n->op->name,
                            ls_shape_text(a, text[0]), ls_shape_text(b, text[1]));
    n->shape = a;
    return LOCKSTEP_OK;
}

static void gate(const struct ls_node *n, const struct ls_context *c, gate_fn *f)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        f(r.floats, ls_run(c, n->input[0]->y, r, i), ls_run(c, n->input[1]->y, r, i), ls_run(c, n->y, r, i));
}

/* dx[k] = f(g, value). */
static void gate_gradient(const struct ls_node *n, const struct ls_context *c, size_t k, gate_fn *f,
                          struct ls_buffer value)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; n->wants_dx[k] && i < r.count; i++)
        f(r.floats, ls_run(c, n->d, r, i), ls_run(c, value, r, i), ls_run(c, n->dx[k], r, i));
}

/* dx[k] = g. */
static void pass(const struct ls_node *n, const struct ls_context *c, size_t k)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; n->wants_dx[k] && i < r.count; i++)
        memcpy(ls_run(c, n->dx[k], r, i), ls_run(c, n->d, r, i), r.floats * sizeof(float));
}

/* dx[k] = g where `larger` is above `smaller`, half of it where they are equal. */
static void route(const struct ls_node *n, const struct ls_context *c, size_t k, const struct ls_node *larger,
                  const struct ls_node *smaller)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; n->wants_dx[k] && i < r.count; i++)
        c->k->maximum_bwd(r.floats, ls_run(c, larger->y, r, i), ls_run(c, smaller->y, r, i), ls_run(c, n->d, r, i),
                          ls_run(c, n->dx[k], r, i));
}

static void add_forward(const struct ls_node *n, const struct ls_context *c)
{
    gate(n, c, c->k->add);
}

static void add_backward(const struct ls_node *n, const struct ls_context *c)
{
    pass(n, c, 0);
    pass(n, c, 1);
}

static void sub_forward(const struct ls_node *n, const struct ls_context *c)
{
    gate(n, c, c->k->sub);
}

static void sub_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_runs r = ls_runs_of(n, c);

    pass(n, c, 0);
    for (size_t i = 0; n->wants_dx[1] && i < r.count; i++)
        c->k->scale(r.floats, -1.0f, ls_run(c, n->d, r, i), ls_run(c, n->dx[1], r, i));
}

static void mul_forward(const struct ls_node *n, const struct ls_context *c)
{
    gate(n, c, c->k->mul);
}

static void mul_backward(const struct ls_node *n, const struct ls_context *c)
{
    gate_gradient(n, c, 0, c->k->mul, n->input[1]->y);
    gate_gradient(n, c, 1, c->k->mul, n->input[0]->y);
}

static void div_forward(const struct ls_node *n, const struct ls_context *c)
{
    gate(n, c, c->k->div);
}

/* -((g / b) y), y = a / b: in this order, each operation rounded. */
static void div_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_runs r = ls_runs_of(n, c);

    gate_gradient(n, c, 0, c->k->div, n->input[1]->y);
    gate_gradient(n, c, 1, c->k->div, n->input[1]->y);
    for (size_t i = 0; n->wants_dx[1] && i < r.count; i++) {
        float *dx = ls_run(c, n->dx[1], r, i);

        c->k->mul(r.floats, dx, ls_run(c, n->y, r, i), dx);
        c->k->scale(r.floats, -1.0f, dx, dx);
    }
}

static void maximum_forward(const struct ls_node *n, const struct ls_context *c)
{
    gate(n, c, c->k->maximum);
}

static void maximum_backward(const struct ls_node *n, const struct ls_context *c)
{
    route(n, c, 0, n->input[0], n->input[1]);
    route(n, c, 1, n->input[1], n->input[0]);
}

static void minimum_forward(const struct ls_node *n, const struct ls_context *c)
{
    gate(n, c, c->k->minimum);
}

static void minimum_backward(const struct ls_node *n, const struct ls_context *c)
{
    route(n, c, 0, n->input[1], n->input[0]);
    route(n, c, 1, n->input[0], n->input[1]);
}

/* How far is the nearest element from a tie? A value with itself has no corner. */
static double tie(const struct ls_node *n, const struct ls_reference *r)
{
    double nearest = 1.0;

    for (size_t i = 0; n->input[0] != n->input[1] && i < r->rows * n->features; i++) {
        const double d = r->x[0][i] - r->x[1][i], distance = d < 0.0 ? -d : d;

        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}

static void add_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] + r->x[1][i];
}

static void sub_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] - r->x[1][i];
}

static void mul_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] * r->x[1][i];
}

static void div_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] / r->x[1][i];
}

static void maximum_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] != r->x[0][i] || r->x[0][i] > r->x[1][i] ? r->x[0][i] : r->x[1][i];
}

static void minimum_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] != r->x[0][i] || r->x[0][i] < r->x[1][i] ? r->x[0][i] : r->x[1][i];
}

const struct ls_op ls_op_add = {
    .name = "add",
    .example = "x = input(6) | linear(6)\nadd(x, x | relu)",
    .formula = "z = x + y",
    .gradient = "dx = g, dy = g",
    .shapes = "same, same -> same; one value meets any shape",
    .kernels = {"add"},
    .inputs = 2,
    .broadcasts = true,
    .shape = shape,
    .forward = add_forward,
    .backward = add_backward,
    .define = add_define,
};
const struct ls_op ls_op_sub = {
    .name = "sub",
    .example = "x = input(6) | linear(6)\nsub(x, x | tanh)",
    .formula = "z = x - y",
    .gradient = "dx = g, dy = -g",
    .shapes = "same, same -> same; one value meets any shape",
    .kernels = {"sub", "scale"},
    .inputs = 2,
    .broadcasts = true,
    .shape = shape,
    .forward = sub_forward,
    .backward = sub_backward,
    .define = sub_define,
};
const struct ls_op ls_op_mul = {
    .name = "mul",
    .example = "x = input(6) | linear(6)\nmul(x, x | sigmoid)",
    .formula = "z = x y",
    .gradient = "dx = g y, dy = g x",
    .shapes = "same, same -> same; one value meets any shape",
    .kernels = {"mul", "mul"},
    .inputs = 2,
    .broadcasts = true,
    .shape = shape,
    .forward = mul_forward,
    .backward = mul_backward,
    .define = mul_define,
};
const struct ls_op ls_op_div = {
    .name = "div",
    .example = "x = input(6)\ndiv(x, exp(x))",
    .formula = "z = x / y",
    .gradient = "dx = g / y, dy = -g x / y^2",
    .shapes = "same, same -> same; one value meets any shape",
    .kernels = {"div", "div mul scale"},
    .inputs = 2,
    .broadcasts = true,
    .shape = shape,
    .forward = div_forward,
    .backward = div_backward,
    .define = div_define,
};
const struct ls_op ls_op_maximum = {
    .name = "maximum",
    .example = "x = input(6)\nmaximum(x, -x)",
    .formula = "z = max(x, y)",
    .gradient = "dx = g where x > y, g / 2 where x = y, else 0; dy likewise",
    .shapes = "same, same -> same; one value meets any shape",
    .kernels = {"maximum", "maximum_bwd"},
    .inputs = 2,
    .broadcasts = true,
    .shape = shape,
    .forward = maximum_forward,
    .backward = maximum_backward,
    .define = maximum_define,
    .corner = tie,
};
const struct ls_op ls_op_minimum = {
    .name = "minimum",
    .example = "x = input(6)\nminimum(x, -x)",
    .formula = "z = min(x, y)",
    .gradient = "dx = g where x < y, g / 2 where x = y, else 0; dy likewise",
    .shapes = "same, same -> same; one value meets any shape",
    .kernels = {"minimum", "maximum_bwd"},
    .inputs = 2,
    .broadcasts = true,
    .shape = shape,
    .forward = minimum_forward,
    .backward = minimum_backward,
    .define = minimum_define,
    .corner = tie,
};
