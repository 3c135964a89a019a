/* SPDX-License-Identifier: MIT */
#include "train/rows.h"

#include "graph/elementwise.h"
#include "train/columns.h"

/* The labels of the rows: by index for bytes, else in order. */
static void take_labels(const struct ls_context *c)
{
    const struct ls_source *s = c->source;

    for (size_t m = c->batch_row; s->label && m < c->batch_row + c->rows; m++)
        c->label[c->row + m - c->batch_row] = s->label[s->bytes ? s->index[m] : m];
}

typedef void node_fn(const struct ls_node *n, const struct ls_context *c);

/* Pieces of a result: this worker's, then what is left of the others'. */
static void run_columns(const struct ls_walk *k, const struct ls_node *n, node_fn *run, const struct ls_context *all,
                        const struct ls_shared *result)
{
    size_t piece;

    while (ls_walk_take(k, &piece)) {
        struct ls_context c = *all;
        const struct ls_rectangle r = ls_columns_piece(result, k->w->T, piece);

        c.panel = r.panel;
        c.panels = r.panels;
        c.row += r.row;
        c.batch_row += r.row;
        c.rows = r.rows;
        run(n, &c);
    }
}

/* This worker's pieces of a result, for a turn. */
static void deal_columns(const struct ls_walk *k, const struct ls_shared *result, unsigned turn)
{
    const size_t first = (size_t)k->w->t * LS_COLUMNS_PIECES;

    ls_share_fill(k->e->share, k->w, turn, first, first + ls_columns_pieces(result, k->w));
}

/* Run a node on this worker's part of a block: `own` of its rows, or columns of `all`, of a result of so many features
 * (0: always rows). */
static void run_node(struct ls_walk *k, const struct ls_node *n, node_fn *run, const struct ls_context *all,
                     const struct ls_context *own, size_t features)
{
    const struct ls_shared result = {lk_panels(features), all->rows, k->e->skip && n->skips};
    const bool columns = k->together && ls_columns_shared(k->e, n, features, k->w->T);
    const bool meet = k->columns || (columns && k->rows);

    if (columns)
        deal_columns(k, &result, k->w->phase + meet);
    if (meet)
        ls_walk_wait(k);
    *(columns ? &k->columns : &k->rows) = true;
    if (columns)
        run_columns(k, n, run, all, &result);
    else if (own->rows)
        run(n, own);
}

void ls_rows_forward(struct ls_walk *k, const struct ls_context *all, const struct ls_context *own)
{
    const struct ls_graph *g = k->e->g;

    take_labels(own);
    ls_walk_lap_rest(k);
    for (size_t i = 0; i < g->n; i++) {
        const struct ls_node *n = &g->node[i];

        if (!n->forward || (n->labelled && !own->source->label))
            continue;
        if (k->own_input && n == g->input)
            n->op->forward(n, all);
        else
            run_node(k, n, n->op->forward, all, own, n->features);
        ls_walk_lap(k, i, LS_PHASE_FORWARD);
    }
}

/* Without a loss the gradient begins at the output. */
static void seed_output(const struct ls_node *n, const struct ls_context *c)
{
    const float *seed = c->seeds ? c->seeds + c->batch_row * n->features : NULL;
    float *d = ls_rows(c, n->d);

    for (size_t m = 0; m < c->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            d[ls_at(n, n->d, m, i)] = seed ? seed[m * n->features + i] : 1.0f;
}

/* The other users' gradients are added to the first one's, in the order of the model text. */
static void add_branches(const struct ls_node *n, const struct ls_context *c)
{
    for (size_t i = 0; i < n->n_extra; i++)
        ls_add_values(n, c, n->graph->extra[n->extra + i]);
}

static void backward_nodes(struct ls_walk *k, const struct ls_context *all, const struct ls_context *own)
{
    const struct ls_graph *g = k->e->g;

    if (!g->loss && g->output->wants_grad)
        seed_output(g->output, own);
    ls_walk_lap_rest(k);
    for (size_t i = g->n; i-- > 0;) {
        const struct ls_node *n = &g->node[i];

        if (n->n_extra) {
            run_node(k, n, add_branches, all, own, 0);
            ls_walk_lap(k, i, LS_PHASE_BRANCHES);
        }
        if (n->backward) {
            run_node(k, n, n->op->backward, all, own, n->input[0]->features);
            ls_walk_lap(k, i, LS_PHASE_BACKWARD);
        }
    }
}

void ls_rows_run(struct ls_walk *k, const struct ls_block *b, size_t r0, size_t r1)
{
    const struct ls_context all = ls_walk_block(k, b, 0, b->end - b->first), own = ls_walk_block(k, b, r0, r1);

    ls_rows_forward(k, &all, &own);
    if (k->e->g->loss && !own.k->finite(own.rows, k->b->loss + own.batch_row))
        k->e->report[k->w->t].bad_loss = true;
    backward_nodes(k, &all, &own);
}
