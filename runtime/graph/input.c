/* SPDX-License-Identifier: MIT
 * input(channels, length): the rows of the batch, gathered from bytes (x / 255) or floats. */
#include "graph/graph.h"

#include <string.h>

enum { CHANNELS, LENGTH };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = n->attr[LENGTH].n ? (struct ls_shape){2, {n->attr[CHANNELS].n, n->attr[LENGTH].n}}
                                 : (struct ls_shape){1, {n->attr[CHANNELS].n}};
    return LOCKSTEP_OK;
}

static void pack_floats(const struct ls_node *n, const struct ls_context *c, float *y)
{
    const float *x = c->source->floats + c->batch_row * n->features;

    for (size_t m = 0; m < c->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            y[ls_at(n, n->y, m, i)] = x[m * n->features + i];
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_source *s = c->source;

    if (s->bytes) {
        c->k->gather_u8(c->rows, n->channels, n->length, s->bytes, n->features, s->index + c->batch_row, 1.0f / 255.0f,
                        ls_view(c, n->y), n->has_bits && c->skip ? ls_bits(c, n) : NULL, n->graph->block);
        return;
    }
    pack_floats(n, c, ls_rows(c, n->y));
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    memcpy(r->y, r->x[0], r->rows * n->features * sizeof *r->y);
}

const struct ls_op ls_op_input = {
    .name = "input",
    .example = "input(4)",
    .formula = "y = rows of the batch",
    .shapes = "-> (C) or (C, L)",
    .kernels = {"gather_u8"},
    .attr = {{.name = "channels", .kind = LS_ATTR_SIZE, .required = true}, {.name = "length", .kind = LS_ATTR_SIZE}},
    .shape = shape,
    .forward = forward,
    .define = define,
};
