/* SPDX-License-Identifier: MIT
 * relu, sigmoid, tanh: elementwise ops, for when no matrix product applies them in its epilogue; leaky_relu, gelu,
 * silu: their derivatives come from the input, and no epilogue has them. */
#include "core/math64.h"
#include "graph/elementwise.h"

enum { SLOPE };       /* of leaky_relu */
enum { APPROXIMATE }; /* of gelu */
enum { BY_ERF, BY_TANH };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = n->input[0]->shape;
    return LOCKSTEP_OK;
}

static enum lockstep_status gelu_shape(struct ls_node *n, struct lockstep_error *err)
{
    static const char *const by_tanh[LS_CALLS] = {"gelu_tanh_fwd", "gelu_tanh_bwd"};

    if (n->attr[APPROXIMATE].word == BY_TANH)
        n->kernels = by_tanh;
    return shape(n, err);
}

static void map(const struct ls_node *n, const struct ls_context *c, void (*f)(size_t, const float *, float *))
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        f(r.floats, ls_run(c, n->input[0]->y, r, i), ls_run(c, n->y, r, i));
}

/* From the output. */
static void map_backward(const struct ls_node *n, const struct ls_context *c,
                         void (*f)(size_t, const float *, const float *, float *))
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        f(r.floats, ls_run(c, n->y, r, i), ls_run(c, n->d, r, i), ls_run(c, n->dx[0], r, i));
}

/* From the input. */
static void map_input_backward(const struct ls_node *n, const struct ls_context *c,
                               void (*f)(size_t, const float *, const float *, float *))
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        f(r.floats, ls_run(c, n->input[0]->y, r, i), ls_run(c, n->d, r, i), ls_run(c, n->dx[0], r, i));
}

static void relu_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, c->k->relu_fwd);
}

static void relu_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_backward(n, c, c->k->relu_bwd);
}

static void sigmoid_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, c->k->sigmoid_fwd);
}

static void sigmoid_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_backward(n, c, c->k->sigmoid_bwd);
}

static void tanh_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, c->k->tanh_fwd);
}

static void tanh_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_backward(n, c, c->k->tanh_bwd);
}

static void leaky_relu_forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        c->k->leaky_relu_fwd(r.floats, (float)n->attr[SLOPE].x, ls_run(c, n->input[0]->y, r, i), ls_run(c, n->y, r, i));
}

static void leaky_relu_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        c->k->leaky_relu_bwd(r.floats, (float)n->attr[SLOPE].x, ls_run(c, n->input[0]->y, r, i), ls_run(c, n->d, r, i),
                             ls_run(c, n->dx[0], r, i));
}

static void gelu_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, n->attr[APPROXIMATE].word == BY_TANH ? c->k->gelu_tanh_fwd : c->k->gelu_fwd);
}

static void gelu_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_input_backward(n, c, n->attr[APPROXIMATE].word == BY_TANH ? c->k->gelu_tanh_bwd : c->k->gelu_bwd);
}

static void silu_forward(const struct ls_node *n, const struct ls_context *c)
{
    map(n, c, c->k->silu_fwd);
}

static void silu_backward(const struct ls_node *n, const struct ls_context *c)
{
    map_input_backward(n, c, c->k->silu_bwd);
}

static void relu_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] > 0.0 ? r->x[0][i] : 0.0;
}

static void sigmoid_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = 1.0 / (1.0 + ls_exp(-r->x[0][i]));
}

static void tanh_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = ls_tanh(r->x[0][i]);
}

static void leaky_relu_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] > 0.0 ? r->x[0][i] : n->attr[SLOPE].x * r->x[0][i];
}

static void gelu_define(const struct ls_node *n, const struct ls_reference *r)
{
    const double root_half = 0x1.6a09e667f3bcdp-1, root_two_over_pi = 0x1.9884533d43651p-1, cubic = 0.044715;

    for (size_t i = 0; i < r->rows * n->features; i++) {
        const double x = r->x[0][i];

        if (n->attr[APPROXIMATE].word == BY_TANH)
            r->y[i] = 0.5 * x * (1.0 + ls_tanh(root_two_over_pi * (x + cubic * x * x * x)));
        else
            r->y[i] = 0.5 * x * ls_erfc(-x * root_half);
    }
}

static void silu_define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t i = 0; i < r->rows * n->features; i++)
        r->y[i] = r->x[0][i] / (1.0 + ls_exp(-r->x[0][i]));
}

/* How far is the nearest element from the corner at 0? */
static double corner(const struct ls_node *n, const struct ls_reference *r)
{
    double nearest = 1.0;

    for (size_t i = 0; i < r->rows * n->features; i++) {
        const double distance = r->x[0][i] < 0.0 ? -r->x[0][i] : r->x[0][i];

        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}

const struct ls_op ls_op_relu = {
    .name = "relu",
    .example = "input(9) | relu",
    .formula = "y = max(0, x)",
    .gradient = "dx = g where x > 0, else 0",
    .shapes = "same",
    .kernels = {"relu_fwd", "relu_bwd"},
    .inputs = 1,
    .act = LK_ACT_RELU,
    .shape = shape,
    .forward = relu_forward,
    .backward = relu_backward,
    .define = relu_define,
    .corner = corner,
};
const struct ls_op ls_op_sigmoid = {
    .name = "sigmoid",
    .example = "input(9) | sigmoid",
    .formula = "y = 1 / (1 + exp(-x))",
    .gradient = "dx = g y (1 - y)",
    .shapes = "same",
    .kernels = {"sigmoid_fwd", "sigmoid_bwd"},
    .inputs = 1,
    .act = LK_ACT_SIGMOID,
    .link = LS_LINK_NONE,
    .shape = shape,
    .forward = sigmoid_forward,
    .backward = sigmoid_backward,
    .define = sigmoid_define,
};
const struct ls_op ls_op_tanh = {
    .name = "tanh",
    .example = "input(9) | tanh",
    .formula = "y = tanh(x)",
    .gradient = "dx = g (1 - y^2)",
    .shapes = "same",
    .kernels = {"tanh_fwd", "tanh_bwd"},
    .inputs = 1,
    .act = LK_ACT_TANH,
    .shape = shape,
    .forward = tanh_forward,
    .backward = tanh_backward,
    .define = tanh_define,
};
const struct ls_op ls_op_leaky_relu = {
    .name = "leaky_relu",
    .example = "input(9) | leaky_relu(0.1)",
    .formula = "y = x where x > 0, else negative_slope x",
    .gradient = "dx = g where x > 0, else negative_slope g",
    .shapes = "same",
    .kernels = {"leaky_relu_fwd", "leaky_relu_bwd"},
    .inputs = 1,
    .attr = {{.name = "negative_slope", .kind = LS_ATTR_REAL, .value = 0.01}},
    .shape = shape,
    .forward = leaky_relu_forward,
    .backward = leaky_relu_backward,
    .define = leaky_relu_define,
    .corner = corner,
};
const struct ls_op ls_op_gelu = {
    .name = "gelu",
    .example = "a = input(9) | gelu\nb = gelu(a, approximate=tanh)",
    .formula =
        "y = x F(x), F(x) = (1 + erf(x / sqrt(2))) / 2; tanh: F(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2",
    .gradient = "dx = g (F(x) + x F'(x))",
    .shapes = "same",
    .kernels = {"gelu_fwd", "gelu_bwd"},
    .inputs = 1,
    .attr = {{.name = "approximate", .kind = LS_ATTR_WORD, .value = BY_ERF, .words = "none|tanh"}},
    .shape = gelu_shape,
    .forward = gelu_forward,
    .backward = gelu_backward,
    .define = gelu_define,
};
const struct ls_op ls_op_silu = {
    .name = "silu",
    .example = "input(9) | silu",
    .formula = "y = x s, s = 1 / (1 + exp(-x))",
    .gradient = "dx = g s (1 + x (1 - s))",
    .shapes = "same",
    .kernels = {"silu_fwd", "silu_bwd"},
    .inputs = 1,
    .shape = shape,
    .forward = silu_forward,
    .backward = silu_backward,
    .define = silu_define,
};
