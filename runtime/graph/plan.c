/* SPDX-License-Identifier: MIT
 * Plan: which neighbours are fused, where everything lies, what is never computed, and how parameters are cut into
 * units. */
#include "graph/graph.h"

/* A unit is at most this large, so that its gradient and optimiser state stay in L1 and L2 between the kernels. */
enum { UNIT_ROWS = 64, UNIT_COLS = 32 };

/* Panels in the address space of floats; 0 on overflow. */
static size_t panel_floats(size_t features, size_t ld)
{
    size_t n;

    return ls_mul(lk_panels(features), ld, &n) ? n : 0;
}

static bool grow(size_t *total, size_t by, size_t *offset)
{
    *offset = *total;
    return by && ls_add(*total, by, total);
}

/* Users of each value, which nodes lead to the loss, and which gradients it needs. */
static void mark(struct ls_graph *g, bool keep_values)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        n->act = n->dx_act = LK_ACT_NONE;
        n->forward = n->op->forward && !n->op->view;
        n->backward = n->hidden_y = n->hidden_d = n->on_path = false;
        n->users = 0;
        n->wants_grad = keep_values || n->n_params;
        for (size_t k = 0; k < n->n_inputs; k++) {
            n->input[k]->users++;
            n->wants_grad |= n->input[k]->wants_grad;
        }
    }
    for (struct ls_node *n = g->loss; n; n = n->n_inputs ? n->input[0] : NULL) {
        n->on_path = true;
        n->backward = n->n_inputs && n->op->backward && !n->op->view && n->input[0]->wants_grad;
    }
    for (size_t i = 0; i < g->n; i++)
        g->node[i].wants_grad &= g->node[i].on_path;
}

/* An activation goes into the epilogue of the matrix product before it, its derivative into the one behind it. */
static void fuse(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i], *x = n->n_inputs ? n->input[0] : NULL;

        if (n->op->act != LK_ACT_NONE && x->op->fuses && x->users == 1) {
            x->act = n->op->act;
            x->hidden_y = true;
            n->forward = false;
        }
        if (n->op->fuses && n->backward && x->op->act != LK_ACT_NONE && x->users == 1 && x->backward) {
            n->dx_act = x->op->act;
            x->hidden_d = true;
            x->backward = false;
        }
    }
}

/* Value and gradient buffers; a view or a fused activation shares those of its input. */
static bool place_values(struct ls_graph *g, size_t ld)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i], *x = n->n_inputs ? n->input[0] : NULL;
        const size_t floats = panel_floats(n->features, ld);

        n->y.ld = n->d.ld = ld;
        if (n->op->loss)
            continue;
        if (n->op->view || (x && x->hidden_y))
            n->y = x->y;
        else if (!grow(&g->activations, floats, &n->y.offset))
            return false;
        if (n->op->view || n->hidden_d)
            n->d = x->d;
        else if (n->wants_grad && !grow(&g->activations, floats, &n->d.offset))
            return false;
    }
    return true;
}

static bool place_params(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        for (size_t k = 0; k < n->n_params; k++) {
            struct ls_param *p = &n->param[k];

            if (!grow(&g->params, ls_param_floats(p), &p->offset))
                return false;
            g->params_dense += p->rows * p->cols;
        }
        if (n->n_params && n->backward) {
            const struct ls_param *p = &n->param[0];

            if (!grow(&g->transposed, lk_panels(p->rows) * LK_PANEL * p->cols, &n->wt_offset))
                return false;
        }
    }
    return true;
}

/* Cut every parameter matrix; `unit` NULL only counts. Rows within a panel of columns, so that a thread keeps its D in
 * L2. */
static size_t cut_units(const struct ls_graph *g, struct ls_unit *unit)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++) {
        const struct ls_param *p = &g->node[i].param[0];

        if (!g->node[i].n_params || !g->node[i].on_path)
            continue;
        for (size_t c = 0; c < p->cols; c += UNIT_COLS)
            for (size_t r = 0; r < p->rows; r += UNIT_ROWS, n++)
                if (unit)
                    unit[n] = (struct ls_unit){i, r, p->rows - r < UNIT_ROWS ? p->rows - r : UNIT_ROWS, c,
                                               p->cols - c < UNIT_COLS ? p->cols - c : UNIT_COLS};
    }
    return n;
}

static void count_flops(struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct ls_node *n = &g->node[i];

        g->flops_forward += n->flops;
        g->flops_train += n->flops * (size_t)(1 + (n->n_params && n->on_path) + n->backward);
    }
}

enum lockstep_status ls_plan(struct ls_graph *g, size_t block, bool keep_values, struct lockstep_error *err)
{
    const size_t ld = (block | 1) * LK_PANEL; /* an odd number of lines: panels do not meet in the same cache sets */

    g->block = block;
    mark(g, keep_values);
    if (!keep_values)
        fuse(g);
    if (!place_values(g, ld) || !place_params(g))
        return ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: the model exceeds the address space");
    count_flops(g);
    g->n_units = cut_units(g, NULL);
    g->unit = ls_alloc(g->n_units, sizeof *g->unit, err);
    if (!g->unit)
        return err->status;
    cut_units(g, g->unit);
    return LOCKSTEP_OK;
}
