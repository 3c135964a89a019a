/* SPDX-License-Identifier: MIT */
#include "graph/cut.h"

#include "core/share.h"

#include <stdlib.h>

/* A unit is at most this large, so that its gradient and optimiser state stay in L1 and L2 between the kernels. */
enum { UNIT_ROWS = 64, UNIT_COLS = 32 };

/* Rows of one that leaves out zeros: those whose bits lie side by side. */
enum { UNIT_ROWS_SKIP = LK_PANEL };

enum { PLACES = 1 << 16 };

/* Columns of a unit. One that leaves out zeros has half of them, for it looks for zeros once for all its columns, and
 * two workers at least shall have columns of their own. */
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

enum lockstep_status ls_cut(struct ls_graph *g, struct lockstep_error *err)
{
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
