/* SPDX-License-Identifier: MIT */
#include "train/columns.h"

#include "train/reduce.h"

/* PART_ROWS, PART_PANELS: fewer read a strip of weights, or the rows, too often; EDGE_ROWS are not worth reading
 * them (docs/performance.md). */
enum { STRIP = 2, STRIP_SKIP = 4, PART_ROWS = 50, PART_PANELS = 8, EDGE_ROWS = 20 };

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

/* Panels of a strip for T workers. With zeros left out the list of what is left is made once for a strip: a wide one,
 * unless that has two workers read weights where one would. */
static size_t strip_of(const struct ls_shared *s, unsigned T)
{
    return s->skips && 2 * s->panels >= (2 * STRIP_SKIP - 1) * (size_t)T ? STRIP_SKIP : STRIP;
}

/* Where the share of worker t begins: an even cut, moved to an edge of its strip that is only a few rows away. An empty
 * shard has no rows and no strips. */
static size_t cut_of(const struct ls_shared *s, size_t strip, unsigned T, unsigned t)
{
    const size_t few = smaller(EDGE_ROWS, s->rows / 4);
    size_t even, end, panel, width, begin, row;

    if (!s->rows)
        return 0;
    ls_span(s->panels * s->rows, T, t, &even, &end);
    panel = even / (strip * s->rows) * strip;
    width = smaller(strip, s->panels - panel);
    begin = panel * s->rows;
    row = even > begin ? (even - begin) / width : 0;
    if (row <= few)
        return begin;
    return s->rows - row <= few ? begin + width * s->rows : even;
}

/* The next rectangle of places [at, end), as large as there is one; returns the place behind it. */
static size_t next_rectangle(const struct ls_shared *s, size_t strip, size_t at, size_t end, struct ls_rectangle *out)
{
    const size_t rows = s->rows, panel = at / (strip * rows) * strip, begin = panel * rows;
    const size_t width = smaller(strip, s->panels - panel);
    const size_t stop = smaller(end, begin + width * rows), row = (at - begin) / width;
    size_t whole = end / rows - panel; /* panels to the end */

    if (at > begin || whole < width) {
        *out = (struct ls_rectangle){panel, width, row, (stop - begin) / width - row};
        return stop;
    }
    if (panel + whole < s->panels)
        whole -= whole % strip;
    *out = (struct ls_rectangle){panel, whole, 0, rows};
    return begin + whole * rows;
}

static bool cut_by_columns(const struct ls_shared *s, const struct ls_rectangle *r)
{
    return !s->skips && r->panels >= 2 * PART_PANELS && r->panels * LK_PANEL > r->rows;
}

/* Parts of a rectangle, of PART_ROWS rows or PART_PANELS panels and more where there are as many. */
static size_t parts_of(const struct ls_shared *s, const struct ls_rectangle *r)
{
    const size_t most = cut_by_columns(s, r) ? r->panels / PART_PANELS : r->rows / PART_ROWS;

    if (!r->rows)
        return 0;
    return most ? smaller(most, LS_COLUMNS_PARTS) : 1;
}

static struct ls_rectangle part_of(const struct ls_shared *s, struct ls_rectangle r, size_t parts, size_t part)
{
    size_t first, stop;

    if (cut_by_columns(s, &r)) {
        ls_span((r.panels + STRIP - 1) / STRIP, parts, part, &first, &stop);
        stop = smaller(stop * STRIP, r.panels);
        return (struct ls_rectangle){r.panel + first * STRIP, stop - first * STRIP, r.row, r.rows};
    }
    ls_span(r.rows, parts, part, &first, &stop);
    return (struct ls_rectangle){r.panel, r.panels, r.row + first, stop - first};
}

size_t ls_columns_pieces(const struct ls_shared *s, const struct ls_worker *w)
{
    const size_t strip = strip_of(s, w->T);
    struct ls_rectangle r;
    size_t at = cut_of(s, strip, w->T, w->t), end = cut_of(s, strip, w->T, w->t + 1), pieces = 0;

    for (; at < end; pieces += parts_of(s, &r))
        at = next_rectangle(s, strip, at, end, &r);
    return pieces;
}

struct ls_rectangle ls_columns_piece(const struct ls_shared *s, unsigned T, size_t piece)
{
    const unsigned t = (unsigned)(piece / LS_COLUMNS_PIECES);
    const size_t strip = strip_of(s, T);
    struct ls_rectangle r = {0, 0, 0, 0};
    size_t at = cut_of(s, strip, T, t), end = cut_of(s, strip, T, t + 1), parts = 0, part = piece % LS_COLUMNS_PIECES;

    do {
        part -= parts;
        at = next_rectangle(s, strip, at, end, &r);
        parts = parts_of(s, &r);
    } while (part >= parts);
    return part_of(s, r, parts, part);
}
