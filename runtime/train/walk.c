/* SPDX-License-Identifier: MIT */
#include "train/walk.h"

/* From the input in the activation block to this worker's own. */
static size_t own_of(const struct ls_walk *k)
{
    return k->own_input && k->w->t ? (size_t)(k->e->own - k->e->act) + (k->w->t - 1) * k->e->g->own : 0;
}

struct ls_context ls_walk_context(const struct ls_walk *k, size_t row, size_t rows, size_t batch_row)
{
    const struct ls_engine *e = k->e;

    return (struct ls_context){.k = &e->kernels.k,
                               .act = e->act + k->set * e->g->activations,
                               .own = own_of(k),
                               .w = e->w,
                               .wt = e->wt,
                               .row = row,
                               .rows = rows,
                               .batch_row = batch_row,
                               .seed = e->seed,
                               .step = k->b->step,
                               .seeds = k->b->seeds,
                               .source = &k->b->source,
                               .label = e->label + k->set * e->label_stride,
                               .loss = k->b->loss,
                               .hit = k->b->hit,
                               .scale = (float)(1.0 / (double)k->b->source.rows),
                               .train = k->b->mode != LS_FORWARD,
                               .skip = e->skip && k->b->source.bytes &&
                                       !atomic_load_explicit(&e->bad_weights, memory_order_relaxed),
                               .skipped = ls_walk_skipped(k)};
}

/* First row of a batch's block in the activation block. */
static size_t home_of(const struct ls_walk *k, const struct ls_block *b)
{
    return k->resident ? b->first : 0;
}

struct ls_context ls_walk_block(const struct ls_walk *k, const struct ls_block *b, size_t r0, size_t r1)
{
    return ls_walk_context(k, home_of(k, b) + r0, r1 - r0, b->first + r0);
}
