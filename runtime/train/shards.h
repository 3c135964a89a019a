/* SPDX-License-Identifier: MIT
 *
 * The batch as shards, and the balanced binary tree (0,1)(2,3)... over their gradients, as a stack of partial sums.
 *
 * Shards are pushed in ascending order. A part covers 2^k shards and starts at a multiple of 2^k; two parts that are
 * the halves of a larger one are added at once, left + right, into the left one's slot. Whoever pushes a contiguous
 * range of shards ends with the whole subtrees in it, at most 2 log2 S of them, which can later be pushed as parts onto
 * another stack: the same additions in the same order, whatever the cut.
 */
#ifndef LS_SHARDS_H
#define LS_SHARDS_H

#include "core/status.h"

enum { LS_SHARDS_MAX = 4096, LS_STACK_MAX = 26 };

/* How a batch of n rows lies in S shards: shard s = rows [s * length, min(n, (s + 1) * length)). */
struct ls_shards {
    size_t n, count, length;
};

/* clamp(pow2floor(batch / 512), 1, 16) */
unsigned ls_shards_default(size_t batch);

struct ls_shards ls_shards_of(size_t n, size_t count);
void ls_shard_rows(const struct ls_shards *s, size_t shard, size_t *first, size_t *end);

struct ls_part {
    size_t first, size; /* shards [first, first + size) */
};

struct ls_stack {
    size_t n;
    struct ls_part part[LS_STACK_MAX];
};

/* Push a part; returns how many additions follow: slot n-2 += slot n-1, then n-3 += n-2, ... The stack then ends at n -
 * additions. */
size_t ls_stack_push(struct ls_stack *s, struct ls_part part);

/* Largest depth before additions while shards [first, end) are pushed: the slots needed. */
size_t ls_stack_depth(size_t first, size_t end);

/* Mean of the row losses as the gradient is summed: chains in double for each shard, then the tree, then / n. */
double ls_mean_loss(const struct ls_shards *s, const float *loss);

#endif
