/* SPDX-License-Identifier: MIT */
#include "core/share.h"

/* The 64 bits of a share: turn (modulo 2^16), end, first. An empty share may have any turn. */
enum { FIELD = 24 };
static const uint64_t field = LS_SHARE_MOST;

static uint64_t turn_of(uint64_t left)
{
    return left >> 2 * FIELD;
}

void ls_share_fill(struct ls_share *team, const struct ls_worker *w, unsigned turn, size_t first, size_t end)
{
    atomic_store_explicit(&team[w->t].left, (uint64_t)turn << 2 * FIELD | (uint64_t)end << FIELD | first,
                          memory_order_relaxed);
}

static bool take(struct ls_share *s, unsigned turn, bool back, size_t *piece)
{
    uint64_t left = atomic_load_explicit(&s->left, memory_order_relaxed), rest;

    do {
        const uint64_t first = left & field, end = left >> FIELD & field;

        if (first >= end || turn_of(left) != (turn & 0xffff))
            return false;
        *piece = back ? end - 1 : first;
        rest = back ? left - (field + 1) : left + 1;
    } while (!atomic_compare_exchange_weak_explicit(&s->left, &left, rest, memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool ls_share_take(struct ls_share *team, const struct ls_worker *w, unsigned turn, size_t *piece)
{
    if (take(&team[w->t], turn, false, piece))
        return true;
    for (unsigned i = 1; i < w->T; i++)
        if (take(&team[(w->t + i) % w->T], turn, true, piece))
            return true;
    return false;
}
