/* SPDX-License-Identifier: MIT
 *
 * Sharing a matrix result by its columns. A team that shares it by rows reads all weights in every worker, and what the
 * others updated of them crosses from their caches: W/T weights cross (1 - 1/T) times each. By columns a worker's
 * weights stay where it updated them (graph.h: units lie in the order of columns) and rows cross instead, which a block
 * has few of. The price is a barrier before and behind. See docs/architecture.md.
 */
#ifndef LS_COLUMNS_H
#define LS_COLUMNS_H

#include "train/engine.h"

/* Panels [panel, panel + panels) of rows [row, row + rows). */
struct ls_rectangle {
    size_t panel, panels, row, rows;
};

/* Should T workers share a result of so many features by columns? */
static inline bool ls_columns_pay(size_t features, unsigned T)
{
    return T > 1 && lk_panels(features) >= 2 * (size_t)T;
}

/* Share by columns from now on, unless workers share CPUs: then a barrier takes as long as thousands of lines that
 * cross. Called by one worker, before a barrier. */
void ls_columns_choose(struct ls_engine *e, double barrier_ns, unsigned threads);

/* Does a team that runs a block together share this node's result (or gradient) of so many features by columns? */
static inline bool ls_columns_shared(const struct ls_engine *e, const struct ls_node *n, size_t features, unsigned T)
{
    return e->columns && n->op->splits && ls_columns_pay(features, T);
}

/*
 * Does each worker of a team of T gather all rows of the input, for itself? Where all that reads it is shared by
 * columns, and so reads all rows: from the data a row comes as bytes, from another worker as floats, and no barrier is
 * needed. Not where a block of them has no room in L2 beside the weights: then the copies cost more.
 */
bool ls_columns_own_input(const struct ls_engine *e, unsigned T);

/* A result that a team shares: panels x rows places. skips: its kernel leaves out zeros, which it looks for once for
 * all columns of a call. */
struct ls_shared {
    size_t panels, rows;
    bool skips;
};

/*
 * The result in pieces, one a call. Its places count strip after strip (two panels, which kernels run at once; four
 * where zeros are left out and each worker has nearly as many), in a strip row after row, and each worker of a team has
 * an equal span of them: whole strips, and before and behind them some rows of one (a row belongs to the worker of its
 * last place), three rectangles at most. Who would have a few rows of a strip leaves them to the neighbour, and the
 * strip's weights stay in the caches of one worker. A piece is all or a part of a rectangle: some of its rows or, where
 * it has more columns and nothing is left out, some of its columns, so that calls read the operand again that is
 * smaller. Pieces of worker t count from t * LS_COLUMNS_PIECES.
 */
enum { LS_COLUMNS_PARTS = 8, LS_COLUMNS_PIECES = 3 * LS_COLUMNS_PARTS };

/* How many pieces a worker has. */
size_t ls_columns_pieces(const struct ls_shared *s, const struct ls_worker *w);

struct ls_rectangle ls_columns_piece(const struct ls_shared *s, unsigned T, size_t piece);

#endif
