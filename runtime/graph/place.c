/* SPDX-License-Identifier: MIT */
#include "graph/place.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool grow(size_t *total, size_t by, size_t *offset)
{
    *offset = *total;
    return ls_add(*total, by, total);
}

/* A buffer for a block of values of a node, every sample `halo` rows of zeros from the next. */
static bool place(struct ls_graph *g, const struct ls_node *n, size_t halo, struct ls_buffer *b)
{
    size_t rows, floats;

    b->halo = halo;
    if (!ls_add(n->length, halo, &b->pitch) || !ls_mul(g->block, b->pitch, &rows) || !ls_add(rows, halo, &rows))
        return false;
    b->ld = (rows | 1) * LK_PANEL; /* an odd number of lines: panels do not meet in the same cache sets */
    return ls_mul(lk_panels(n->channels), b->ld, &floats) && grow(&g->activations, floats, &b->offset);
}

/* Halos that the readers of each value want, into y.halo. */
static void want_halos(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        g->node[i].y.halo = 0;
    for (size_t i = g->n; i-- > 0;) {
        struct ls_node *n = &g->node[i], *x = n->n_inputs ? n->input[0] : NULL;
        const bool shared = n->view || (x && x->hidden_y);

        if (x)
            x->y.halo = larger(x->y.halo, larger(n->halo_x, shared ? n->y.halo : 0));
    }
}

/* Bits of the input: one of 16 bits for each row of a panel. */
static bool place_bits(struct ls_graph *g)
{
    size_t n;

    if (!g->input->has_bits)
        return true;
    return ls_mul(lk_panels(g->input->features), g->block, &n) &&
           grow(&g->activations, n / 2 + 1, &g->input->bits_offset);
}

/* Whole lines, for something may follow. */
static bool round_up(struct ls_graph *g)
{
    const bool fits = ls_add(g->activations, LK_PANEL - 1, &g->activations);

    g->activations -= g->activations % LK_PANEL;
    return fits;
}

/* The input's value and bits, ahead of all others. */
static bool place_input(struct ls_graph *g)
{
    if (g->input && !(place(g, g->input, g->input->y.halo, &g->input->y) && place_bits(g) && round_up(g)))
        return false;
    if (g->input)
        g->input->y.own = true;
    g->own = g->activations;
    return true;
}

/* Value buffers; a view or a fused activation shares that of its input. */
static bool place_values(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i], *x = n->n_inputs ? n->input[0] : NULL;

        if (n->op->loss || n == g->input)
            continue;
        if (n->view || (x && x->hidden_y))
            n->y = x->y;
        else if (!place(g, n, n->y.halo, &n->y))
            return false;
    }
    return true;
}

/* Gradients of a value from its users: the first one's is the value's own buffer, the others' are added to it. */
static bool place_edges(struct ls_graph *g, struct ls_node *x)
{
    bool first = true;

    x->extra = g->n_extra;
    x->n_extra = 0;
    for (struct ls_node *n = x + 1; n < g->node + g->n; n++)
        for (size_t k = 0; k < n->n_inputs; k++) {
            if (n->input[k] != x || !n->wants_dx[k])
                continue;
            n->dx[k] = x->d;
            if (!first) {
                if (!place(g, x, x->d.halo, &n->dx[k]))
                    return false;
                g->extra[g->n_extra++] = n->dx[k];
                x->n_extra++;
            }
            first = false;
        }
    return true;
}

/* Gradient buffers; a view or a fused activation shares the one it gives to its input. */
static bool place_gradients(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        if (n->op->loss || !n->wants_grad)
            continue;
        if (n->view || (n->hidden_d && !n->backward))
            n->d = n->dx[0];
        else if (!place(g, n, n->wants_dx[0] ? n->halo_d : n->halo_grad, &n->d))
            return false;
        if (!place_edges(g, n))
            return false;
    }
    return true;
}

static bool place_work(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        size_t floats;

        if (!ls_mul(g->block, g->node[i].work, &floats) || !grow(&g->activations, floats, &g->node[i].work_offset))
            return false;
    }
    return true;
}

bool ls_place_block(struct ls_graph *g, size_t rows)
{
    g->block = rows;
    g->activations = g->n_extra = 0;
    want_halos(g);
    return place_input(g) && place_values(g) && place_gradients(g) && place_work(g) && round_up(g);
}

static bool place_params(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        for (size_t k = 0; k < n->n_params; k++) {
            struct ls_param *p = &n->param[k];

            if (!n->wants_dx[0] && p->transposed == LS_FOR_BACKWARD)
                p->transposed = LS_NEVER;
            if (!grow(&g->params, ls_param_floats(p), &p->offset) ||
                (p->transposed && !grow(&g->transposed, ls_transposed_floats(p), &p->wt_offset)))
                return false;
            g->params_dense += p->rows * p->cols;
        }
    }
    return true;
}

enum lockstep_status ls_place(struct ls_graph *g, size_t rows, struct lockstep_error *err)
{
    size_t edges = 0;

    for (size_t i = 0; i < g->n; i++)
        edges += g->node[i].n_inputs;
    g->extra = ls_alloc(edges, sizeof *g->extra, err);
    if (!g->extra)
        return err->status;
    if (!ls_place_block(g, rows) || !place_params(g))
        return ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: the model exceeds the address space");
    return LOCKSTEP_OK;
}
