/* SPDX-License-Identifier: MIT
 *
 * The step: one batch through the graph by a team, gradients reduced over shards, parameters updated. All memory is
 * planned by ls_engine_init; a step allocates nothing. Two schedules give the same bits:
 *
 * - owners: block after block of at most 512 rows: every thread runs its rows forward and backward, or of wide layers
 *   its columns of all rows, between barriers (columns.h); barrier; every thread continues the chains of the units it
 *   owns over the whole block, folds the tree, updates; barrier
 *
 * - replicas: every thread runs whole shards alone into its own slots; barrier; every thread folds and updates its
 * units
 *
 * Who has no columns or units left takes those of the others (core/share.h).
 */
#ifndef LS_STEP_H
#define LS_STEP_H

#include "train/batch.h"
#include "train/engine.h"

/*
 * Run a batch; called by every worker of the team with the same batch. Returns with every worker past a barrier that
 * follows the last write. LS_TRAIN: false when a row's loss is not finite; nothing is then updated.
 */
bool ls_step(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b);

/* Multiply-adds that the step of this batch left out, of all workers; until the next step but one begins. */
size_t ls_step_skipped(const struct ls_engine *e, const struct ls_worker *w, const struct ls_batch *b);

/*
 * Forward of this worker's span of the rows of a source, without a barrier; loss and hit as in ls_batch. For each chunk
 * of rows `done` (may be NULL) is called with the context of the chunk.
 */
typedef void ls_chunk_fn(void *user, const struct ls_engine *e, const struct ls_context *c);
void ls_forward_rows(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b, ls_chunk_fn *done, void *user);

#endif
