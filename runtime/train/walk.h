/* SPDX-License-Identifier: MIT
 * One worker's way through a batch: its place in it, the laps of its clock, the contexts for ops. */
#ifndef LS_WALK_H
#define LS_WALK_H

#include "train/batch.h"
#include "train/engine.h"

struct ls_walk {
    struct ls_engine *e;
    struct ls_worker *w;
    const struct ls_batch *b;
    struct ls_shards shards;
    size_t set;    /* activation block and slots in use */
    bool resident; /* the batch fits the activation block: rows keep their place in it, so that values can be read */
    bool together; /* all workers run the same block, each its part */
    bool rows, columns;     /* ... and since they met last, wrote rows, columns of all rows */
    bool own_input;         /* ... of which each gathers all rows for itself */
    struct ls_clock *clock; /* of this worker, or NULL */
};

static inline size_t *ls_walk_skipped(const struct ls_walk *k)
{
    struct ls_report *r = &k->e->report[k->w->t];

    return k->b->mode == LS_FORWARD ? &r->uncounted : &r->skipped[k->b->step & 1];
}

/* What was done since the last lap is of this node and phase. */
static inline void ls_walk_lap(const struct ls_walk *k, size_t node, enum ls_phase phase)
{
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->lap[node * LS_PHASES + phase], *ls_walk_skipped(k));
}

/* ... is of no node. */
static inline void ls_walk_lap_rest(const struct ls_walk *k)
{
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->rest, *ls_walk_skipped(k));
}

static inline void ls_walk_wait(struct ls_walk *k)
{
    ls_walk_lap_rest(k);
    ls_barrier_wait(k->w);
    k->rows = k->columns = false;
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->wait, *ls_walk_skipped(k));
}

/* A piece of what the team shares since its last barrier. */
static inline bool ls_walk_take(const struct ls_walk *k, size_t *piece)
{
    return ls_share_take(k->e->share, k->w, k->w->phase, piece);
}

/* A block: rows [first, end) of the batch, part of a shard; where its gradient goes. */
struct ls_block {
    size_t first, end;
    bool opens, closes;     /* first, last block of the shard */
    size_t slot, additions; /* of the shard on the stack */
};

/* Rows [row, row + rows) of the activation block, which are rows batch_row + ... of the batch. */
struct ls_context ls_walk_context(const struct ls_walk *k, size_t row, size_t rows, size_t batch_row);

/* Rows [r0, r1) of a block. */
struct ls_context ls_walk_block(const struct ls_walk *k, const struct ls_block *b, size_t r0, size_t r1);

#endif
