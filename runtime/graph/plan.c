/* SPDX-License-Identifier: MIT
 * Plan: which neighbours are fused, what is never computed; then everything gets its place and parameters are cut into
 * units. */
#include "graph/plan.h"

#include "graph/cut.h"
#include "graph/place.h"

/* Values and gradients of a block are at most this many floats for each worker, where that leaves rows enough: the
 * gradient phase reads them again. Rows are enough for values BLOCK_PARAMS times as many as the parameters, which a
 * block reads and whose gradients it writes. */
enum { BLOCK_FLOATS = 5 << 17, BLOCK_ROWS_LEAST = 16, BLOCK_PARAMS = 2 };

/* Does only a change of shape read this value? Then it is laid out flat from the start. */
static bool only_flattened(const struct ls_graph *g, const struct ls_node *x)
{
    for (const struct ls_node *n = x + 1; n < g->node + g->n; n++)
        for (size_t k = 0; k < n->n_inputs; k++)
            if (n->input[k] == x && !n->op->flattens)
                return false;
    return true;
}

/* How each value lies in memory, and which are views. */
static void lay_out(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        n->flat = n->shape.rank == 1 || (n == g->input && only_flattened(g, n));
        n->channels = n->flat ? n->features : n->shape.dim[0];
        n->length = n->flat ? 1 : n->shape.dim[1];
        n->view = n->op->flattens && n->input[0]->flat;
    }
}

/* Forward through the graph: users of each value, what depends on the labels and on parameters. */
static void mark_values(struct ls_graph *g, bool keep_values)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        n->act = n->dx_act = LK_ACT_NONE;
        n->forward = n->op->forward && !n->view;
        n->backward = n->hidden_y = n->hidden_d = n->on_path = n->feeds_constant = false;
        n->users = n->n_extra = 0;
        n->wants_grad = keep_values || n->n_params;
        n->labelled = n->op->labels;
        for (size_t k = 0; k < n->n_inputs; k++) {
            n->input[k]->users++;
            n->labelled |= n->input[k]->labelled;
            n->wants_grad |= n->input[k]->wants_grad && !(k == 1 && n->op->constant_1);
        }
    }
}

/* Backward through it: which nodes lead to the objective, and which gradients it needs. */
static void mark_gradients(struct ls_graph *g)
{
    (g->loss ? g->loss : g->output)->on_path = true;
    for (size_t i = g->n; i-- > 0;) {
        struct ls_node *n = &g->node[i];

        for (size_t k = 0; k < n->n_inputs; k++) {
            const bool constant = k == 1 && n->op->constant_1, flows = n->on_path && !constant;

            n->input[k]->feeds_constant |= constant || n->feeds_constant;
            n->input[k]->on_path |= flows;
            n->wants_dx[k] = flows && n->input[k]->wants_grad;
            n->backward |= n->wants_dx[k] && n->op->backward && !n->view;
        }
        n->wants_grad &= n->on_path;
    }
}

/* Which products read the input, whose zeros they may leave out. */
static void find_zeros(struct ls_graph *g, bool keep_values)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i], *x = n->n_inputs ? n->input[0] : NULL;

        while (x && x->view)
            x = x->input[0];
        n->skips = n->op->skips && x == g->input && !keep_values;
        if (n->skips)
            x->has_bits = true;
    }
}

/*
 * The activation whose derivative the data gradient of n can apply, or NULL: its input, or a relu behind ops that only
 * choose or move values. Where these choose an element, its value is the one chosen, so n sees the sign that relu
 * would; all others get +0 either way.
 */
static struct ls_node *activation_of(const struct ls_node *n)
{
    struct ls_node *x = n->input[0], *a = x;

    while (a->op->chooses && a->users == 1 && a->wants_grad)
        a = a->input[0];
    if (a->op->act == LK_ACT_NONE || (a != x && a->op->act != LK_ACT_RELU))
        return NULL;
    return a->users == 1 && a->backward ? a : NULL;
}

/* Leave the derivative of a to the data gradient of n: the gradients from n to a already have it. */
static void fuse_derivative(struct ls_node *n, struct ls_node *a)
{
    n->dx_act = a->op->act;
    for (struct ls_node *x = n->input[0]; x != a; x = x->input[0])
        x->hidden_d = true;
    a->hidden_d = true;
    a->backward = false;
}

/* An activation goes into the epilogue of the product before it, its derivative into the one behind it. */
static void fuse(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i], *x = n->n_inputs ? n->input[0] : NULL, *a;

        if (n->op->act != LK_ACT_NONE && x->op->fuses && x->users == 1) {
            x->act = n->op->act;
            x->hidden_y = true;
            n->forward = false;
        }
        a = n->op->fuses && n->wants_dx[0] ? activation_of(n) : NULL;
        if (a)
            fuse_derivative(n, a);
    }
}

static void count_flops(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct ls_node *n = &g->node[i];

        g->flops_forward += n->flops;
        g->flops_train += n->flops * (size_t)(1 + (n->n_params && n->on_path) + n->wants_dx[0] + n->wants_dx[1]);
    }
}

enum lockstep_status ls_plan(struct ls_graph *g, size_t most, bool keep_values, struct lockstep_error *err)
{
    lay_out(g);
    mark_values(g, keep_values);
    mark_gradients(g);
    find_zeros(g, keep_values);
    if (!keep_values)
        fuse(g);
    count_flops(g);
    return ls_place(g, most, err) ? err->status : ls_cut(g, err);
}

size_t ls_plan_rows(const struct ls_graph *g, unsigned workers)
{
    const size_t floats = g->activations / g->block, most = (size_t)BLOCK_FLOATS * workers;
    size_t rows = g->block;

    for (size_t half = (rows + 1) / 2; half >= BLOCK_ROWS_LEAST; half = (half + 1) / 2) {
        if (floats * rows <= most || floats * half < BLOCK_PARAMS * g->params)
            break;
        rows = half;
    }
    return rows;
}

void ls_plan_block(struct ls_graph *g, size_t rows)
{
    if (rows < g->block)
        ls_place_block(g, rows);
}
