/* SPDX-License-Identifier: MIT
 * parameter(channels, length): trained values of that shape, the same for every row of the batch. One of a single
 * dimension starts at +0, as a bias does. */
#include "graph/graph.h"

#include <string.h>

enum { CHANNELS, LENGTH };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const size_t C = n->attr[CHANNELS].n, L = n->attr[LENGTH].n;

    (void)err;
    n->shape = (struct ls_shape){L ? 2 : 1, {C, L}};
    n->param[0] = (struct ls_param){.rows = L ? L : 1, .cols = C, .rank = L ? 2 : 1, .zero_init = !L};
    n->n_params = 1;
    return LOCKSTEP_OK;
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const size_t floats = n->length * LK_PANEL;

    for (size_t p = 0; p < lk_panels(n->channels); p++)
        for (size_t m = 0; m < c->rows; m++)
            memcpy(ls_rows(c, n->y) + p * n->y.ld + m * n->y.pitch * LK_PANEL, ls_param_at(c->w, n, 0) + p * floats,
                   floats * sizeof(float));
}

/* Each position is a bias: its gradient is the sum over the samples. */
static void grad(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g, size_t ldg,
                 float *db, bool first)
{
    const struct lk_conv one = {
        .B = c->rows, .C = 1, .L = 1, .O = n->channels, .T = 1, .taps = 1, .stride = 1, .dilation = 1, .groups = 1};

    (void)db;
    for (size_t l = u->row; l < u->row + u->rows; l++)
        for (size_t o = u->col; o < u->col + u->cols; o += LK_PANEL) {
            const size_t cols = u->col + u->cols - o < LK_PANEL ? u->col + u->cols - o : LK_PANEL;
            const struct lk_cview d = {ls_rows(c, n->d) + l * LK_PANEL, n->d.ld, n->d.pitch};

            c->k->conv_dw(&one, 0, 0, o, cols, (struct lk_cview){0}, d, NULL, 0,
                          g + (o - u->col) / LK_PANEL * ldg + (l - u->row) * LK_PANEL, first);
        }
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    for (size_t m = 0; m < r->rows; m++)
        memcpy(r->y + m * n->features, r->p[0], n->features * sizeof *r->y);
}

const struct ls_op ls_op_parameter = {
    .name = "parameter",
    .example = "input(3, 4) | mul(parameter(3, 4))",
    .formula = "y = W",
    .gradient = "dW = sum g over the batch",
    .shapes = "-> (C) or (C, L)",
    .kernels = {NULL, NULL, "conv_dw"},
    .attr = {{.name = "channels", .kind = LS_ATTR_SIZE, .required = true}, {.name = "length", .kind = LS_ATTR_SIZE}},
    .shape = shape,
    .forward = forward,
    .grad = grad,
    .define = define,
};
