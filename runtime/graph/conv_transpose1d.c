/* SPDX-License-Identifier: MIT
 * conv_transpose1d(out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=true, dilation=1)
 * as torch.nn.ConvTranspose1d: the data gradient of a convolution from its output to its input, as a forward; saved as
 * PyTorch's weight (I, O / groups, k) and bias (O). */
#include "graph/conv.h"

enum { OUT, KERNEL, STRIDE, PADDING, OUTPUT_PADDING, GROUPS, BIAS, DILATION };
enum { WEIGHT_PARAM, BIAS_PARAM };

/* Length of the output and of the padding cut off its ends. */
static size_t padded_length(const struct ls_node *n)
{
    return (n->input[0]->shape.dim[1] - 1) * n->attr[STRIDE].n + n->attr[DILATION].n * (n->attr[KERNEL].n - 1) +
           n->attr[OUTPUT_PADDING].n + 1;
}

/* The convolution whose data gradient this is: (C, L) are the output here, (O, T) the input. */
static struct lk_conv geometry(const struct ls_node *n, size_t rows)
{
    const struct ls_shape x = n->input[0]->shape;

    return (struct lk_conv){.B = rows,
                            .C = n->attr[OUT].n,
                            .L = padded_length(n) - 2 * n->attr[PADDING].n,
                            .O = x.dim[0],
                            .T = x.dim[1],
                            .taps = n->attr[KERNEL].n,
                            .stride = n->attr[STRIDE].n,
                            .dilation = n->attr[DILATION].n,
                            .padding = n->attr[PADDING].n,
                            .groups = n->attr[GROUPS].n};
}

static enum lockstep_status check(const struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_value *a = n->attr;

    if (ls_conv_check(n, a[OUT].n, a[GROUPS].n, err))
        return err->status;
    if (a[OUTPUT_PADDING].n >= a[STRIDE].n && a[OUTPUT_PADDING].n >= a[DILATION].n)
        return ls_node_fail(n, err,
                            "conv_transpose1d: output_padding: expected less than stride %zu or dilation %zu, got %zu",
                            a[STRIDE].n, a[DILATION].n, a[OUTPUT_PADDING].n);
    if (padded_length(n) <= 2 * a[PADDING].n)
        return ls_node_fail(n, err,
                            "conv_transpose1d: padding: expected less than half of the full output, %zu, got %zu",
                            padded_length(n), a[PADDING].n);
    return LOCKSTEP_OK;
}

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    struct lk_conv g;

    if (check(n, err))
        return err->status;
    g = geometry(n, 1);
    n->shape = (struct ls_shape){2, {g.C, g.L}};
    ls_conv_params(n, &g, LS_ALWAYS, g.C, n->attr[BIAS].n);
    n->param[BIAS_PARAM].apart = true;
    n->halo_x = ls_conv_reach_d(&g);
    n->halo_d = n->halo_grad = ls_conv_reach_x(&g);
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_conv g = geometry(n, c->rows);
    const struct lk_epilogue e = {.bias = n->n_params > 1 ? ls_param_at(c->w, n, BIAS_PARAM) : NULL, .act = n->act};

    c->k->conv_dx(&g, ls_cview(c, n->input[0]->y), c->wt + n->param[WEIGHT_PARAM].wt_offset, &e, ls_view(c, n->y));
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_conv g = geometry(n, c->rows);
    const struct lk_epilogue e = {.act = n->dx_act, .y = ls_cview(c, n->input[0]->y)};

    c->k->conv_fwd(&g, ls_cview(c, n->d), ls_param_at(c->w, n, WEIGHT_PARAM), &e, ls_view(c, n->dx[0]));
}

/* The sum of the gradient over samples and positions. */
static void grad_bias(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g,
                      bool first)
{
    const struct lk_conv sum = {.B = c->rows,
                                .C = 1,
                                .L = n->length,
                                .O = n->channels,
                                .T = n->length,
                                .taps = 1,
                                .stride = 1,
                                .dilation = 1,
                                .groups = 1};

    c->k->conv_dw(&sum, 0, 0, u->col, u->cols, (struct lk_cview){0}, ls_cview(c, n->d), NULL, 0, g, first);
}

static void grad(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g, size_t ldg,
                 float *db, bool first)
{
    const struct lk_conv conv = geometry(n, c->rows);

    if (u->param == BIAS_PARAM)
        grad_bias(n, c, u, g, first);
    else
        c->k->conv_dw(&conv, u->row, u->rows, u->col, u->cols, ls_cview(c, n->d), ls_cview(c, n->input[0]->y), g, ldg,
                      db, first);
}

/* One sample: every x[i, t], times W[i, o, k], goes to its place in y (C, L). */
static void define_one(const struct lk_conv *g, const double *x, const double *w, double *y)
{
    const size_t outputs = g->C / g->groups, inputs = g->O / g->groups;

    for (size_t i = 0; i < g->O; i++)
        for (size_t o = 0; o < outputs; o++)
            for (size_t t = 0; t < g->T; t++)
                for (size_t k = 0; k < g->taps; k++) {
                    const size_t at = t * g->stride + k * g->dilation; /* from the first row cut off */

                    if (at >= g->padding && at < g->padding + g->L)
                        y[(i / inputs * outputs + o) * g->L + at - g->padding] +=
                            x[i * g->T + t] * w[(i * outputs + o) * g->taps + k];
                }
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const struct lk_conv g = geometry(n, r->rows);

    for (size_t m = 0; m < g.B; m++) {
        double *y = r->y + m * g.C * g.L;

        for (size_t i = 0; i < g.C * g.L; i++)
            y[i] = n->n_params > 1 ? r->p[BIAS_PARAM][i / g.L] : 0.0;
        define_one(&g, r->x[0] + m * g.O * g.T, r->p[WEIGHT_PARAM], y);
    }
}

const struct ls_op ls_op_conv_transpose1d = {
    .name = "conv_transpose1d",
    .example = "input(4, 5) | conv_transpose1d(6, kernel_size=3, stride=2, padding=1, output_padding=1, groups=2)",
    .formula = "y[o, l] = b[o] + sum_ik x[i, t] W[i, o, k] where t stride + k dilation - padding = l",
    .gradient = "dx[i, t] = sum_ok g[o, t stride + k dilation - padding] W[i, o, k], "
                "dW[i, o, k] = sum_t x[i, t] g[o, t stride + k dilation - padding], db = sum g",
    .shapes = "(I, L) -> (O, T), T = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1",
    .kernels = {"conv_dx", "conv_fwd", "conv_dw"},
    .inputs = 1,
    .attr = {{.name = "out_channels", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "kernel_size", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "stride", .kind = LS_ATTR_SIZE, .value = 1},
             {.name = "padding", .kind = LS_ATTR_COUNT},
             {.name = "output_padding", .kind = LS_ATTR_COUNT},
             {.name = "groups", .kind = LS_ATTR_SIZE, .value = 1},
             {.name = "bias", .kind = LS_ATTR_BOOL, .value = 1},
             {.name = "dilation", .kind = LS_ATTR_SIZE, .value = 1}},
    .fuses = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .grad = grad,
    .define = define,
};
