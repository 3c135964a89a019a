/* SPDX-License-Identifier: MIT */
#include "train/columns.h"

#include "train/reduce.h"

/* PART_ROWS: fewer rows read a strip of weights too often (docs/performance.md). */
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

/* The next rectangle of places [at, end), as large as there is one; returns the place behind it. */
static size_t next_rectangle(size_t panels, size_t rows, size_t at, size_t end, struct ls_rectangle *out)
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

/* Parts of so many rows, each of PART_ROWS or more where there are as many. */
static size_t parts_of(size_t rows)
{
    const size_t parts = smaller(rows / PART_ROWS, LS_COLUMNS_PARTS);

    return rows && !parts ? 1 : parts;
}

size_t ls_columns_pieces(size_t panels, size_t rows, const struct ls_worker *w)
{
    struct ls_rectangle r;
    size_t at, end, pieces = 0;

    for (ls_span(panels * rows, w->T, w->t, &at, &end); at < end; pieces += parts_of(r.rows))
        at = next_rectangle(panels, rows, at, end, &r);
    return pieces;
}

struct ls_rectangle ls_columns_piece(size_t panels, size_t rows, unsigned T, size_t piece)
{
    struct ls_rectangle r = {0, 0, 0, 0};
    size_t at, end, first, stop, parts = 0, part = piece % LS_COLUMNS_PIECES;

    ls_span(panels * rows, T, piece / LS_COLUMNS_PIECES, &at, &end);
    do {
        part -= parts;
        at = next_rectangle(panels, rows, at, end, &r);
        parts = parts_of(r.rows);
    } while (part >= parts);
    ls_span(r.rows, parts, part, &first, &stop);
    r.row += first;
    r.rows = stop - first;
    return r;
}
