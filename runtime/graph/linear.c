/* SPDX-License-Identifier: MIT
 * linear(out_features, bias=true): y = x W + b on the last, flat dimension; saved as PyTorch's weight (O, I) and bias
 * (O). */
#include "graph/graph.h"

enum { OUT, BIAS };
enum { WEIGHT_PARAM, BIAS_PARAM };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_node *x = n->input[0];

    if (x->shape.rank != 1)
        return ls_node_fail(n, err, "linear: expected a flat value, got (%zu, %zu) (put flatten before it)",
                            x->shape.dim[0], x->shape.dim[1]);
    n->shape = (struct ls_shape){1, {n->attr[OUT].n}};
    n->param[WEIGHT_PARAM] = (struct ls_param){
        .name = "weight", .rows = x->features, .cols = n->attr[OUT].n, .rank = 2, .transposed = LS_FOR_BACKWARD};
    n->param[BIAS_PARAM] =
        (struct ls_param){.name = "bias", .rows = 1, .cols = n->attr[OUT].n, .rank = 1, .zero_init = true};
    n->n_params = n->attr[BIAS].n ? 2 : 1;
    n->flops = 2 * x->features * n->attr[OUT].n;
    return LOCKSTEP_OK;
}

/* The columns in context of a result of `features`: from panel c->panel on. */
static size_t columns(const struct ls_context *c, size_t features)
{
    const size_t left = features - c->panel * LK_PANEL;

    return c->panels && c->panels < lk_panels(left) ? c->panels * LK_PANEL : left;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];
    const size_t N = columns(c, n->features), K = x->features, first = c->panel * LK_PANEL;
    const float *w = ls_param_at(c->w, n, WEIGHT_PARAM) + first * K,
                *b = n->n_params > 1 ? ls_param_at(c->w, n, BIAS_PARAM) + first : NULL;
    float *y = ls_rows(c, n->y) + c->panel * n->y.ld;

    if (n->skips && c->skip)
        *c->skipped +=
            c->rows * N * K - c->k->gemm_fwd_skip(c->rows, N, K, ls_rows(c, x->y), x->y.ld, ls_bits(c, n->graph->input),
                                                  n->graph->block, w, b, y, n->y.ld, n->act);
    else
        c->k->gemm_fwd(c->rows, N, K, ls_rows(c, x->y), x->y.ld, w, b, y, n->y.ld, n->act);
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_node *x = n->input[0];
    const float *wt = c->wt + n->param[WEIGHT_PARAM].wt_offset + c->panel * LK_PANEL * n->features;

    c->k->gemm_dx(c->rows, columns(c, x->features), n->features, ls_rows(c, n->d), n->d.ld, wt,
                  ls_rows(c, x->y) + c->panel * x->y.ld, x->y.ld, n->dx_act,
                  ls_rows(c, n->dx[0]) + c->panel * n->dx[0].ld, n->dx[0].ld);
}

static void grad(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g, size_t ldg,
                 float *db, bool first)
{
    const struct ls_node *x = n->input[0];
    const size_t panel = u->row / LK_PANEL;
    const float *X = ls_rows(c, x->y) + panel * x->y.ld, *D = ls_rows(c, n->d) + u->col / LK_PANEL * n->d.ld;

    if (n->skips && c->skip)
        *c->skipped +=
            u->rows * u->cols * c->rows - c->k->gemm_dw_skip(u->rows, u->cols, c->rows, X, x->y.ld,
                                                             ls_bits(c, n->graph->input) + panel * n->graph->block,
                                                             n->graph->block, D, n->d.ld, g, ldg, db, first);
    else
        c->k->gemm_dw(u->rows, u->cols, c->rows, X, x->y.ld, D, n->d.ld, g, ldg, db, first, &c->next);
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const size_t I = n->input[0]->features, O = n->features;

    for (size_t m = 0; m < r->rows; m++)
        for (size_t o = 0; o < O; o++) {
            double s = n->n_params > 1 ? r->p[BIAS_PARAM][o] : 0.0;

            for (size_t i = 0; i < I; i++)
                s += r->x[0][m * I + i] * r->p[WEIGHT_PARAM][o * I + i];
            r->y[m * O + o] = s;
        }
}

const struct ls_op ls_op_linear = {
    .name = "linear",
    .example = "input(7) | linear(5)",
    .formula = "y = x W + b",
    .gradient = "dx = g W^T, dW = x^T g, db = sum g",
    .shapes = "(I) -> (O)",
    .kernels = {"gemm_fwd", "gemm_dx", "gemm_dw"},
    .inputs = 1,
    .attr = {{.name = "out_features", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "bias", .kind = LS_ATTR_BOOL, .value = 1}},
    .fuses = true,
    .skips = true,
    .splits = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .grad = grad,
    .define = define,
};
