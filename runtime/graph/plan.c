/* SPDX-License-Identifier: MIT
 * Plan: which neighbours are fused, where everything lies, what is never computed, and how parameters are cut into
 * units. */
#include "core/share.h"
#include "graph/graph.h"

#include <stdlib.h>

/* A unit is at most this large, so that its gradient and optimiser state stay in L1 and L2 between the kernels. */
enum { UNIT_ROWS = 64, UNIT_COLS = 32 };

/* Rows of one that leaves out zeros: those whose bits lie side by side. */
enum { UNIT_ROWS_SKIP = LK_PANEL };

/* Values and gradients of a block are at most this many floats for each worker, where that leaves rows enough: the
 * gradient phase reads them again. Rows are enough for values BLOCK_PARAMS times as many as the parameters, which a
 * block reads and whose gradients it writes. */
enum { BLOCK_FLOATS = 5 << 17, BLOCK_ROWS_LEAST = 16, BLOCK_PARAMS = 2 };

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool grow(size_t *total, size_t by, size_t *offset)
{
    *offset = *total;
    return ls_add(*total, by, total);
}

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

/* Users of each value, what depends on the labels, which nodes lead to the objective, and which gradients it needs. */
static void mark(struct ls_graph *g, bool keep_values)
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
 * choose or move values. Where these choose an element, its value is the one chosen, so n sees the sign that relu would;
 * all others get +0 either way.
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

/* Everything that a block of so many rows needs. */
static bool place_block(struct ls_graph *g, size_t rows)
{
    g->block = rows;
    g->activations = g->n_extra = 0;
    want_halos(g);
    return place_input(g) && place_values(g) && place_gradients(g) && place_work(g) && round_up(g);
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
        place_block(g, rows);
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

enum { PLACES = 1 << 16 };

/* Columns of a unit. One that leaves out zeros has half of them, for it looks for zeros once for all its columns, and two
 * workers at least shall have columns of their own. */
static size_t unit_cols(const struct ls_node *n, const struct ls_param *p)
{
    const size_t half = ((p->cols + 1) / 2 + UNIT_COLS - 1) / UNIT_COLS * UNIT_COLS;

    return !n->skips ? UNIT_COLS : half < LS_UNIT_COLS_MOST ? half : LS_UNIT_COLS_MOST;
}

/* The most rows of a unit: whole taps where they fit. */
static size_t unit_rows(const struct ls_node *n, size_t tap)
{
    const size_t most = n->skips ? UNIT_ROWS_SKIP : UNIT_ROWS;

    return tap < most ? most / tap * tap : most;
}

/* Cut one parameter matrix. Rows within a panel of columns, so that a thread keeps its D in L2; a unit holds whole taps
 * or a part of one. */
static size_t cut_matrix(const struct ls_graph *g, size_t node, size_t param, struct ls_unit *unit)
{
    const struct ls_param *p = &g->node[node].param[param];
    const size_t tap = p->rows / ls_taps(p), most = unit_rows(&g->node[node], tap), part = most < tap ? tap : p->rows;
    const size_t width = unit_cols(&g->node[node], p);
    size_t n = 0;

    for (size_t c = 0; c < p->cols; c += width)
        for (size_t r = 0, rows; r < p->rows; r += rows, n++) {
            const size_t left = part - r % part;

            rows = left < most ? left : most;
            if (unit)
                unit[n] = (struct ls_unit){.node = node,
                                           .param = param,
                                           .row = r,
                                           .rows = rows,
                                           .col = c,
                                           .cols = p->cols - c < width ? p->cols - c : width,
                                           .place = c * PLACES / p->cols};
        }
    return n;
}

/* Cut all parameters that are trained; `unit` NULL only counts. */
static size_t cut_units(const struct ls_graph *g, struct ls_unit *unit)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->node[i].n_params && g->node[i].on_path; k++)
            if (k == 0 || g->node[i].param[k].apart)
                n += cut_matrix(g, i, k, unit ? unit + n : NULL);
    return n;
}

static int by_size(size_t left, size_t right)
{
    return (left > right) - (left < right);
}

/* Units in the order of their columns' place in their matrices: then contiguous units are the same part of each matrix,
 * and a worker that owns them the one whose values it computes where workers share columns. */
static int by_place(const void *left, const void *right)
{
    const struct ls_unit *a = left, *b = right;
    const size_t key[][2] = {
        {a->place, b->place}, {a->node, b->node}, {a->param, b->param}, {a->col, b->col}, {a->row, b->row}};
    int order = 0;

    for (size_t i = 0; !order && i < sizeof key / sizeof *key; i++)
        order = by_size(key[i][0], key[i][1]);
    return order;
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
    size_t edges = 0;

    lay_out(g);
    mark(g, keep_values);
    find_zeros(g, keep_values);
    if (!keep_values)
        fuse(g);
    for (size_t i = 0; i < g->n; i++)
        edges += g->node[i].n_inputs;
    g->extra = ls_alloc(edges, sizeof *g->extra, err);
    if (!g->extra)
        return err->status;
    if (!place_block(g, most) || !place_params(g))
        return ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: the model exceeds the address space");
    count_flops(g);
    g->n_units = cut_units(g, NULL);
    if (g->n_units > LS_SHARE_MOST)
        return ls_fail(
            err, LOCKSTEP_E_MEMORY,
            "the model is too large: expected at most %d units of at most 64 x 32 weights, got %zu (use fewer or "
            "smaller layers)",
            LS_SHARE_MOST, g->n_units);
    g->unit = ls_alloc(g->n_units, sizeof *g->unit, err);
    if (!g->unit)
        return err->status;
    cut_units(g, g->unit);
    qsort(g->unit, g->n_units, sizeof *g->unit, by_place);
    return LOCKSTEP_OK;
}
