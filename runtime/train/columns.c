/* SPDX-License-Identifier: MIT */
#include "train/columns.h"

#include "train/reduce.h"

enum { STRIP = 2, PART_ROWS = 50 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void ls_columns_choose(struct ls_engine *e, double barrier_ns, unsigned threads)
{
    if (!e->columns_fixed)
        e->columns = !ls_barrier_slept(barrier_ns, threads);
}

static const struct ls_node *source_of(const struct ls_node *n)
{
    while (n->view)
        n = n->input[0];
    return n;
}

bool ls_columns_own_input(const struct ls_engine *e, unsigned T)
{
    const struct ls_graph *g = e->g;

    for (const struct ls_node *n = g->node; n < g->node + g->n; n++)
        for (size_t i = 0; i < n->n_inputs && !n->view; i++)
            if (source_of(n->input[i]) == g->input && !ls_columns_shared(e, n, n->features, T))
                return false;
    return e->own_input && T > 1;
}

size_t ls_columns_next(size_t panels, size_t rows, size_t at, size_t end, struct ls_rectangle *out)
{
    const size_t panel = at / (STRIP * rows) * STRIP, begin = panel * rows, width = smaller(STRIP, panels - panel);
    const size_t stop = smaller(end, begin + width * rows), row = (at - begin) / width;
    size_t whole = end / rows - panel; /* panels to the end */

    if (at > begin || whole < width) {
        *out = (struct ls_rectangle){panel, width, row, (stop - begin) / width - row};
        return stop;
    }
    if (panel + whole < panels)
        whole -= whole % STRIP;
    *out = (struct ls_rectangle){panel, whole, 0, rows};
    return begin + whole * rows;
}

/* Rows of a part: at least some tiles, for which a strip of weights is read. */
static void part_of(size_t rows, size_t part, size_t *first, size_t *end)
{
    const size_t equal = (rows + LS_COLUMNS_PARTS - 1) / LS_COLUMNS_PARTS,
                 length = equal < PART_ROWS ? PART_ROWS : equal;

    *first = smaller(part * length, rows);
    *end = smaller(*first + length, rows);
}

struct ls_rectangle ls_columns_piece(size_t panels, size_t rows, unsigned T, size_t piece)
{
    const size_t number = piece % LS_COLUMNS_PIECES / LS_COLUMNS_PARTS;
    struct ls_rectangle r = {0, 0, 0, 0};
    size_t at, end, first, stop;

    ls_span(panels * rows, T, piece / LS_COLUMNS_PIECES, &at, &end);
    for (size_t i = 0; i <= number; i++) {
        if (at == end)
            return (struct ls_rectangle){0, 0, 0, 0};
        at = ls_columns_next(panels, rows, at, end, &r);
    }
    part_of(r.rows, piece % LS_COLUMNS_PARTS, &first, &stop);
    return (struct ls_rectangle){r.panel, r.panels, r.row + first, stop - first};
}
