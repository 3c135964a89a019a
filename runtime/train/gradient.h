/* SPDX-License-Identifier: MIT
 * The gradient phase of a step: unit after unit, the chains of a block, the tree of shards, the update (units.h). */
#ifndef LS_GRADIENT_H
#define LS_GRADIENT_H

#include "train/walk.h"

/* This worker's units, for behind the next barrier. */
void ls_gradient_deal(const struct ls_walk *k);

/* The units of a block: dealt out before where workers are together, else all. last: of the batch, so that the gradient
 * is complete. */
void ls_gradient_block(const struct ls_walk *k, const struct ls_block *b, bool last);

/* The units dealt out before, from the parts that every worker left in its slots: complete the tree and update. */
void ls_gradient_fold(const struct ls_walk *k);

#endif
