/* SPDX-License-Identifier: MIT
 * conv1d(out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=true): convolution along the length
 * as torch.nn.Conv1d, also with padding=same (the output as long as the input, the odd row of zeros behind it) and
 * padding=causal (all zeros before it: no output sees a later input); saved as PyTorch's weight (O, C / groups, k) and
 * bias (O). */
#include "graph/conv.h"

enum { OUT, KERNEL, STRIDE, PADDING, DILATION, GROUPS, BIAS };
enum { SAME, VALID, CAUSAL }; /* words of PADDING */
enum { WEIGHT_PARAM, BIAS_PARAM };

/* Positions from the first tap to the last. */
static size_t span(const struct ls_node *n)
{
    return n->attr[DILATION].n * (n->attr[KERNEL].n - 1);
}

/* Rows of zeros before and behind the input together; *left before it. */
static size_t padding(const struct ls_node *n, size_t *left)
{
    const struct ls_value p = n->attr[PADDING];
    const size_t total = p.word == SAME || p.word == CAUSAL ? span(n) : p.word == VALID ? 0 : 2 * p.n;

    *left = p.word == CAUSAL ? total : total / 2;
    return total;
}

static struct lk_conv geometry(const struct ls_node *n, size_t rows)
{
    const struct ls_shape x = n->input[0]->shape;
    struct lk_conv g = {.B = rows,
                        .C = x.dim[0],
                        .L = x.dim[1],
                        .O = n->attr[OUT].n,
                        .taps = n->attr[KERNEL].n,
                        .stride = n->attr[STRIDE].n,
                        .dilation = n->attr[DILATION].n,
                        .groups = n->attr[GROUPS].n};

    g.T = (g.L + padding(n, &g.padding) - span(n) - 1) / g.stride + 1;
    return g;
}

static enum lockstep_status check(const struct ls_node *n, struct lockstep_error *err)
{
    size_t left, padded;

    if (ls_conv_check(n, n->attr[OUT].n, n->attr[GROUPS].n, err))
        return err->status;
    if (n->attr[PADDING].word == SAME && n->attr[STRIDE].n > 1)
        return ls_node_fail(n, err, "conv1d: padding=same: expected stride 1, got %zu (give padding as a number)",
                            n->attr[STRIDE].n);
    padded = n->input[0]->shape.dim[1] + padding(n, &left);
    if (span(n) >= padded)
        return ls_node_fail(
            n, err, "conv1d: expected a kernel no longer than the padded input, %zu, got %zu (more padding may help)",
            padded, span(n) + 1);
    return LOCKSTEP_OK;
}

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    struct lk_conv g;

    if (check(n, err))
        return err->status;
    g = geometry(n, 1);
    n->shape = (struct ls_shape){2, {g.O, g.T}};
    ls_conv_params(n, &g, LS_FOR_BACKWARD, g.O, n->attr[BIAS].n);
    n->halo_x = ls_conv_reach_x(&g);
    n->halo_d = ls_conv_reach_d(&g);
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_conv g = geometry(n, c->rows);
    const struct lk_epilogue e = {.bias = n->n_params > 1 ? ls_param_at(c->w, n, BIAS_PARAM) : NULL, .act = n->act};

    c->k->conv_fwd(&g, ls_cview(c, n->input[0]->y), ls_param_at(c->w, n, WEIGHT_PARAM), &e, ls_view(c, n->y));
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_conv g = geometry(n, c->rows);
    const struct lk_epilogue e = {.act = n->dx_act, .y = ls_cview(c, n->input[0]->y)};

    c->k->conv_dx(&g, ls_cview(c, n->d), c->wt + n->param[WEIGHT_PARAM].wt_offset, &e, ls_view(c, n->dx[0]));
}

static void grad(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g, size_t ldg,
                 float *db, bool first)
{
    const struct lk_conv conv = geometry(n, c->rows);

    c->k->conv_dw(&conv, u->row, u->rows, u->col, u->cols, ls_cview(c, n->input[0]->y), ls_cview(c, n->d), g, ldg, db,
                  first);
}

/* Output (o, t) of one sample x (C, L), without its bias. */
static double define_one(const struct lk_conv *g, const double *x, const double *w, size_t o, size_t t)
{
    const size_t inputs = g->C / g->groups, first = o / (g->O / g->groups) * inputs;
    double s = 0.0;

    for (size_t c = 0; c < inputs; c++)
        for (size_t k = 0; k < g->taps; k++) {
            const size_t at = t * g->stride + k * g->dilation; /* from the first row of zeros */

            if (at >= g->padding && at < g->padding + g->L)
                s += x[(first + c) * g->L + at - g->padding] * w[(o * inputs + c) * g->taps + k];
        }
    return s;
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const struct lk_conv g = geometry(n, r->rows);

    for (size_t m = 0; m < g.B; m++)
        for (size_t o = 0; o < g.O; o++)
            for (size_t t = 0; t < g.T; t++)
                r->y[(m * g.O + o) * g.T + t] = define_one(&g, r->x[0] + m * g.C * g.L, r->p[WEIGHT_PARAM], o, t) +
                                                (n->n_params > 1 ? r->p[BIAS_PARAM][o] : 0.0);
}

const struct ls_op ls_op_conv1d = {
    .name = "conv1d",
    .example = "input(4, 9) | conv1d(6, kernel_size=3, stride=2, padding=2, dilation=2, groups=2)",
    .formula = "y[o, t] = b[o] + sum_ck x[c, t stride + k dilation - padding] W[o, c, k]",
    .gradient = "dx[c, l] = sum_ok g[o, t] W[o, c, k] where t stride + k dilation - padding = l, "
                "dW[o, c, k] = sum_t g[o, t] x[c, t stride + k dilation - padding], db = sum g",
    .shapes = "(C, L) -> (O, T), T = (L + padding - dilation (k - 1) - 1) / stride + 1, padding on both sides",
    .kernels = {"conv_fwd", "conv_dx", "conv_dw"},
    .inputs = 1,
    .attr = {{.name = "out_channels", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "kernel_size", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "stride", .kind = LS_ATTR_SIZE, .value = 1},
             {.name = "padding", .kind = LS_ATTR_COUNT, .words = "same|valid|causal"},
             {.name = "dilation", .kind = LS_ATTR_SIZE, .value = 1},
             {.name = "groups", .kind = LS_ATTR_SIZE, .value = 1},
             {.name = "bias", .kind = LS_ATTR_BOOL, .value = 1}},
    .fuses = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .grad = grad,
    .define = define,
};
