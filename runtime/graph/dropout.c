/* SPDX-License-Identifier: MIT
 * dropout(p): in training each value is 0 with probability p, else divided by 1 - p; elsewhere all pass. The mask
 * depends on the seed, the place of the dropout in the model, the step, the row of the batch and the element only. */
#include "core/rng.h"
#include "graph/elementwise.h"

#include <string.h>

enum { P };

/* Each dropout of the model has a stream of its own. */
static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    if (!(n->attr[P].x >= 0.0 && n->attr[P].x < 1.0))
        return ls_node_fail(n, err, "dropout: p: expected a number from 0 up to, not with, 1, got %g", n->attr[P].x);
    n->shape = n->input[0]->shape;
    n->own = LS_STREAM_DROPOUT;
    for (const struct ls_node *other = n->graph->node; other < n; other++)
        n->own += other->op == n->op;
    return LOCKSTEP_OK;
}

/* p 2^32, rounded; not 2^32 itself. */
static uint32_t threshold_of(const struct ls_node *n)
{
    const double t = n->attr[P].x * 0x1p32 + 0.5;

    return t < 0x1p32 ? (uint32_t)t : UINT32_MAX;
}

static void mask(const struct ls_node *n, const struct ls_context *c, struct ls_buffer x, struct ls_buffer y)
{
    const struct lk_dropout p = {.seed = c->seed,
                                 .stream = (uint32_t)n->own,
                                 .step = c->step,
                                 .row = (uint32_t)c->batch_row,
                                 .threshold = threshold_of(n),
                                 .scale = (float)(1.0 / (1.0 - n->attr[P].x))};

    c->k->dropout(&p, c->rows, n->channels, n->length, ls_cview(c, x), ls_view(c, y));
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_runs r = ls_runs_of(n, c);

    if (c->train)
        mask(n, c, n->input[0]->y, n->y);
    for (size_t i = 0; i < r.count && !c->train; i++)
        memcpy(ls_run(c, n->y, r, i), ls_run(c, n->input[0]->y, r, i), r.floats * sizeof(float));
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    mask(n, c, n->d, n->dx[0]);
}

/* As in training. */
static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const uint32_t threshold = threshold_of(n);

    for (size_t m = 0; m < r->rows; m++)
        for (size_t i = 0; i < n->features; i++) {
            uint32_t word[4];

            ls_philox(r->seed, (uint32_t)n->own, (uint32_t[4]){(uint32_t)i, (uint32_t)m, r->step, 0}, word);
            r->y[m * n->features + i] =
                word[0] >= threshold ? r->x[0][m * n->features + i] / (1.0 - n->attr[P].x) : 0.0;
        }
}

const struct ls_op ls_op_dropout = {
    .name = "dropout",
    .example = "input(3, 4) | dropout(0.4)",
    .formula = "training: y_i = x_i / (1 - p) with probability 1 - p, else 0; else y = x",
    .gradient = "dx_i = g_i / (1 - p) where x_i passed, else 0",
    .shapes = "same",
    .kernels = {"dropout", "dropout"},
    .inputs = 1,
    .attr = {{.name = "p", .kind = LS_ATTR_REAL, .value = 0.5}},
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define,
};
