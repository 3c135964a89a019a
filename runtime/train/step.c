/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include "train/columns.h"
#include "train/gradient.h"
#include "train/rows.h"

/* Call run(k, block, last shard's last block) for each block of shards [s0, s1) until one says false: the result. An
 * empty shard is one block without rows. */
static bool each_block(struct ls_walk *k, size_t s0, size_t s1,
                       bool (*run)(struct ls_walk *, const struct ls_block *, bool), struct ls_stack *stack)
{
    for (size_t s = s0; s < s1; s++) {
        size_t row, end;
        struct ls_block b = {.opens = true, .slot = stack->n};

        b.additions = ls_stack_push(stack, (struct ls_part){s, 1});
        ls_shard_rows(&k->shards, s, &row, &end);
        do {
            b.first = row;
            b.end = end - row < k->e->g->block ? end : row + k->e->g->block;
            b.closes = b.end == end;
            if (!run(k, &b, b.closes && s + 1 == s1))
                return false;
            row = b.end;
            b.opens = false;
        } while (row < end);
    }
    return true;
}

/* Are all losses finite? The workers agree only between the two barriers that end the rows: later, flags may move on.
 */
static bool all_finite(const struct ls_walk *k)
{
    for (unsigned t = 0; t < k->w->T; t++)
        if (k->e->report[t].bad_loss)
            return false;
    return true;
}

static bool owners_block(struct ls_walk *k, const struct ls_block *b, bool last)
{
    size_t r0, r1;
    bool finite;

    ls_span(b->end - b->first, k->w->T, k->w->t, &r0, &r1);
    ls_rows_run(k, b, r0, r1);
    ls_gradient_deal(k);
    ls_walk_wait(k);
    finite = !last || k->b->mode != LS_TRAIN || all_finite(k);
    if (finite)
        ls_gradient_block(k, b, last);
    ls_walk_wait(k);
    return finite;
}

static bool replicas_block(struct ls_walk *k, const struct ls_block *b, bool last)
{
    (void)last;
    ls_rows_run(k, b, 0, b->end - b->first);
    ls_gradient_block(k, b, false);
    return true;
}

static bool replicas_step(struct ls_walk *k)
{
    struct ls_stack stack = {0};
    bool finite;

    k->set = k->w->t;
    each_block(k, k->e->shards * k->w->t / k->w->T, k->e->shards * (k->w->t + 1) / k->w->T, replicas_block, &stack);
    ls_gradient_deal(k);
    ls_walk_wait(k);
    finite = all_finite(k);
    if (k->b->mode == LS_GRADIENT || finite)
        ls_gradient_fold(k);
    ls_walk_wait(k);
    return finite;
}

static bool owners_step(struct ls_walk *k)
{
    struct ls_stack stack = {0};

    k->together = true;
    k->own_input = ls_columns_own_input(k->e, k->w->T);
    return each_block(k, 0, k->e->shards, owners_block, &stack);
}

bool ls_step(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b)
{
    struct ls_walk k = {.e = e,
                        .w = w,
                        .b = b,
                        .shards = ls_shards_of(b->source.rows, e->shards),
                        .resident = b->source.rows <= e->g->block,
                        .clock = b->clock ? &b->clock[w->t] : NULL};

    *ls_walk_skipped(&k) = 0;
    if (k.clock) {
        k.clock->last = ls_now();
        k.clock->skipped = 0;
    }
    return e->reduce == LS_OWNERS ? owners_step(&k) : replicas_step(&k);
}

size_t ls_step_skipped(const struct ls_engine *e, const struct ls_worker *w, const struct ls_batch *b)
{
    size_t sum = 0;

    for (unsigned t = 0; t < w->T; t++)
        sum += e->report[t].skipped[b->step & 1];
    return sum;
}

void ls_forward_rows(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b, ls_chunk_fn *done, void *user)
{
    struct ls_walk k = {.e = e, .w = w, .b = b, .set = e->reduce == LS_REPLICAS ? w->t : 0};
    const bool resident = b->source.rows <= e->g->block, shared = e->reduce == LS_OWNERS && !resident;
    const size_t parts = shared && e->g->block < w->T ? e->g->block : w->T; /* workers with room in a shared block */
    size_t first, end, row = 0, room = e->g->block; /* rows of the block that are this worker's */

    if (w->t >= parts)
        return;
    ls_span(b->source.rows, parts, w->t, &first, &end);
    if (resident) {
        row = first;
    } else if (shared) {
        ls_span(e->g->block, parts, w->t, &row, &room);
        room -= row;
    }
    for (size_t n; first < end; first += n) {
        struct ls_context c;

        n = end - first < room ? end - first : room;
        c = ls_walk_context(&k, row, n, first);
        ls_rows_forward(&k, &c, &c);
        if (done)
            done(user, e, &c);
    }
}
