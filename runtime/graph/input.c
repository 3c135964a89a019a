/* SPDX-License-Identifier: MIT
 * input(channels, length): the rows of the batch, gathered from bytes (x / 255) or floats, and their labels. */
#include "graph/graph.h"

#include <string.h>

enum { CHANNELS, LENGTH };

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    (void)err;
    n->shape = n->attr[LENGTH] ? (struct ls_shape){2, {n->attr[CHANNELS], n->attr[LENGTH]}}
                               : (struct ls_shape){1, {n->attr[CHANNELS]}};
    return LOCKSTEP_OK;
}

static void pack_floats(const struct ls_node *n, const struct ls_context *c, float *y)
{
    const float *x = c->source->floats + c->batch_row * n->features;

    for (size_t m = 0; m < c->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            y[i / LK_PANEL * n->y.ld + m * LK_PANEL + i % LK_PANEL] = x[m * n->features + i];
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct ls_source *s = c->source;

    if (s->bytes) {
        const uint32_t *index = s->index + c->batch_row;

        c->k->gather_u8(c->rows, n->features, 1, s->bytes, n->features, index, 1.0f / 255.0f,
                        (struct lk_view){ls_rows(c, n->y), n->y.ld, 1});
        for (size_t m = 0; m < c->rows; m++)
            c->label[c->row + m] = s->label[index[m]];
        return;
    }
    pack_floats(n, c, ls_rows(c, n->y));
    if (s->label)
        memcpy(c->label + c->row, s->label + c->batch_row, c->rows);
}

static void define(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                   const uint8_t *label, double *y)
{
    (void)p, (void)label;
    memcpy(y, x[0], rows * n->features * sizeof *y);
}

extern const struct ls_op ls_op_input;
const struct ls_op ls_op_input = {
    .name = "input",
    .example = "input(4)",
    .formula = "y = rows of the batch",
    .inputs = 0,
    .attr = {{"channels", LS_ATTR_SIZE, true, 0}, {"length", LS_ATTR_SIZE, false, 0}},
    .shape = shape,
    .forward = forward,
    .define = define,
};
