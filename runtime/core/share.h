/* SPDX-License-Identifier: MIT
 *
 * Pieces of work dealt out to a team of which nobody waits for a slow worker: each takes from the front of its own
 * share, and who has none left from the back of the others'. Which worker runs a piece changes no bit of a result; that
 * most stay with their owner keeps data in its caches. (Work stealing: Blumofe and Leiserson 1999, with a range for a
 * deque.)
 */
#ifndef LS_SHARE_H
#define LS_SHARE_H

#include "core/team.h"

#include <stdatomic.h>

enum { LS_SHARE_MOST = (1 << 24) - 1 }; /* end of a share */

/* Pieces that nobody has taken yet, and in which turn they may be; on a line of its own. */
struct ls_share {
    _Alignas(64) _Atomic uint64_t left;
};

/*
 * This worker's share of a turn is [first, end), at most LS_SHARE_MOST. Best in front of the barrier behind which the
 * turn begins: then others may take from the share of one who comes late. What was left of an earlier turn is lost;
 * turns count modulo 2^16, so nothing may be left where a team ends that another one follows.
 */
void ls_share_fill(struct ls_share *team, const struct ls_worker *w, unsigned turn, size_t first, size_t end);

/* Take a piece of the turn. False: all are taken, though perhaps not done, or not dealt out yet. */
bool ls_share_take(struct ls_share *team, const struct ls_worker *w, unsigned turn, size_t *piece);

#endif
