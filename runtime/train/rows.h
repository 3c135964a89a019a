/* SPDX-License-Identifier: MIT
 * The rows phase of a step: values, loss and data gradients of a block, each worker its rows or, of wide layers, its
 * columns of all rows (columns.h). */
#ifndef LS_ROWS_H
#define LS_ROWS_H

#include "train/walk.h"

/* Values and loss: `own` of the rows `all` of a block. What depends on labels that nobody knows is left out. */
void ls_rows_forward(struct ls_walk *k, const struct ls_context *all, const struct ls_context *own);

/* Forward, loss and gradients of the values of a block: this worker's part, rows [r0, r1) where rows are shared. */
void ls_rows_run(struct ls_walk *k, const struct ls_block *b, size_t r0, size_t r1);

#endif
