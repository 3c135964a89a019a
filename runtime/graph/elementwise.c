/* SPDX-License-Identifier: MIT
 * Values as runs of floats: whole panels of the rows in context where no halo lies between the samples, else one sample
 * at a time. */
#include "graph/elementwise.h"

/* Do all samples of a panel of this buffer touch? */
static bool whole(const struct ls_node *n, struct ls_buffer b)
{
    return b.pitch == n->length;
}

/* ... of every input and of its gradient? All are of x's shape. */
static bool inputs_whole(const struct ls_node *n, const struct ls_node *x)
{
    bool touch = true;

    for (size_t k = 0; k < n->n_inputs; k++)
        touch = touch && whole(x, n->input[k]->y) && (!n->wants_dx[k] || whole(x, n->dx[k]));
    return touch;
}

static struct ls_runs runs(const struct ls_node *x, const struct ls_context *c, bool touch)
{
    return touch ? (struct ls_runs){lk_panels(x->channels), c->rows * x->length * LK_PANEL, c->rows}
                 : (struct ls_runs){lk_panels(x->channels) * c->rows, x->length * LK_PANEL, 1};
}

struct ls_runs ls_runs_of(const struct ls_node *n, const struct ls_context *c)
{
    return runs(n, c, whole(n, n->y) && (!n->wants_grad || whole(n, n->d)) && inputs_whole(n, n));
}

struct ls_runs ls_input_runs(const struct ls_node *n, const struct ls_context *c)
{
    return runs(n->input[0], c, inputs_whole(n, n->input[0]));
}

float *ls_run(const struct ls_context *c, struct ls_buffer b, struct ls_runs r, size_t i)
{
    const size_t parts = c->rows / r.samples;

    return ls_rows(c, b) + i / parts * b.ld + i % parts * b.pitch * LK_PANEL;
}

void ls_add_values(const struct ls_node *n, const struct ls_context *c, struct ls_buffer b)
{
    const struct ls_runs r = ls_runs_of(n, c);

    for (size_t i = 0; i < r.count; i++)
        c->k->add(r.floats, ls_run(c, n->d, r, i), ls_run(c, b, r, i), ls_run(c, n->d, r, i));
}
