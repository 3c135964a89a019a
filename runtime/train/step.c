/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include "train/units.h"

#include <string.h>

/* What one worker needs while a batch runs. */
struct walk {
    struct ls_engine *e;
    struct ls_worker *w;
    const struct ls_batch *b;
    struct ls_shards shards;
    size_t set;    /* activation block and slots in use */
    bool resident; /* the batch fits the activation block: rows keep their place in it, so that values can be read */
    struct ls_clock *clock; /* of this worker, or NULL */
};

static size_t *skipped_of(const struct walk *k)
{
    struct ls_report *r = &k->e->report[k->w->t];

    return k->b->mode == LS_FORWARD ? &r->uncounted : &r->skipped[k->b->step & 1];
}

/* What was done since the last lap is of this node and phase. */
static void lap(const struct walk *k, size_t node, enum ls_phase phase)
{
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->lap[node * LS_PHASES + phase], *skipped_of(k));
}

/* ... is of no node. */
static void lap_rest(const struct walk *k)
{
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->rest, *skipped_of(k));
}

static void wait(const struct walk *k)
{
    lap_rest(k);
    ls_barrier_wait(k->w);
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->wait, *skipped_of(k));
}

static struct ls_context context_of(const struct walk *k, size_t row, size_t rows, size_t batch_row)
{
    const struct ls_engine *e = k->e;

    return (struct ls_context){.k = &e->kernels.k,
                               .act = e->act + k->set * e->g->activations,
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
                               .skipped = skipped_of(k)};
}

/* The labels of the rows: by index for bytes, else in order. */
static void take_labels(const struct ls_context *c)
{
    const struct ls_source *s = c->source;

    for (size_t m = c->batch_row; s->label && m < c->batch_row + c->rows; m++)
        c->label[c->row + m - c->batch_row] = s->label[s->bytes ? s->index[m] : m];
}

/* What depends on labels that nobody knows is left out. */
static void forward_nodes(const struct walk *k, const struct ls_context *c)
{
    const struct ls_graph *g = k->e->g;

    take_labels(c);
    lap_rest(k);
    for (size_t i = 0; i < g->n; i++)
        if (g->node[i].forward && !(g->node[i].labelled && !c->source->label)) {
            g->node[i].op->forward(&g->node[i], c);
            lap(k, i, LS_PHASE_FORWARD);
        }
}

/* Without a loss the gradient begins at the output. */
static void seed_output(const struct ls_node *n, const struct ls_context *c)
{
    const float *seed = c->seeds ? c->seeds + c->batch_row * n->features : NULL;
    float *d = ls_rows(c, n->d);

    for (size_t m = 0; m < c->rows; m++)
        for (size_t i = 0; i < n->features; i++)
            d[ls_at(n, n->d, m, i)] = seed ? seed[m * n->features + i] : 1.0f;
}

/* The other users' gradients are added to the first one's, in the order of the model text. */
static void add_branches(const struct ls_graph *g, const struct ls_node *n, const struct ls_context *c)
{
    for (size_t i = 0; i < n->n_extra; i++)
        ls_add_values(n, c, g->extra[n->extra + i]);
}

static void backward_nodes(const struct walk *k, const struct ls_context *c)
{
    const struct ls_graph *g = k->e->g;

    if (!g->loss && g->output->wants_grad)
        seed_output(g->output, c);
    lap_rest(k);
    for (size_t i = g->n; i-- > 0;) {
        if (g->node[i].n_extra) {
            add_branches(g, &g->node[i], c);
            lap(k, i, LS_PHASE_BRANCHES);
        }
        if (g->node[i].backward) {
            g->node[i].op->backward(&g->node[i], c);
            lap(k, i, LS_PHASE_BACKWARD);
        }
    }
}

/* Are the gradients finite that products which leave out zeros will read? */
static bool finite_gradients(const struct ls_graph *g, const struct ls_context *c)
{
    for (const struct ls_node *n = g->node; n < g->node + g->n; n++)
        for (size_t p = 0; n->skips && n->wants_grad && p < lk_panels(n->features); p++)
            if (!c->k->finite(c->rows * LK_PANEL, ls_rows(c, n->d) + p * n->d.ld))
                return false;
    return true;
}

/* Rows [row, row + rows) of the block, rows batch_row... of the batch: forward, loss, gradients of the values. */
static void run_rows(const struct walk *k, size_t row, size_t rows, size_t batch_row)
{
    const struct ls_context c = context_of(k, row, rows, batch_row);

    forward_nodes(k, &c);
    if (k->e->g->loss && !c.k->finite(rows, k->b->loss + batch_row))
        k->e->report[k->w->t].bad_loss = true;
    backward_nodes(k, &c);
    k->e->report[k->w->t].bad_gradient = c.skip && !finite_gradients(k->e->g, &c);
}

/* A block: rows [first, end) of the batch, part of a shard; where its gradient goes. */
struct block {
    size_t first, end;
    bool opens, closes;     /* first, last block of the shard */
    size_t slot, additions; /* of the shard on the stack */
};

/* First row of a batch's block in the activation block. */
static size_t home_of(const struct walk *k, const struct block *b)
{
    return k->resident ? b->first : 0;
}

/* Scalars of the update, NULL when the gradient is only wanted. */
static const struct ls_optim_step *update_of(const struct walk *k)
{
    return k->b->mode == LS_TRAIN ? &k->b->optim : NULL;
}

/* Did any worker whose rows lie in the activation block find a gradient that is not finite? */
static bool any_bad_gradient(const struct walk *k)
{
    if (k->e->reduce == LS_REPLICAS)
        return k->e->report[k->w->t].bad_gradient;
    for (unsigned t = 0; t < k->w->T; t++)
        if (k->e->report[t].bad_gradient)
            return true;
    return false;
}

/*
 * Continue the chains of units [u0, u1) over a block whose rows lie in the activation block; fold what the shard
 * completes. With `last` the tree is complete, too. A shard of one block that is added or used up at once never reaches
 * its slot.
 */
static void gradient_phase(const struct walk *k, const struct block *b, size_t u0, size_t u1, bool last)
{
    struct ls_engine *e = k->e;
    struct ls_context c = context_of(k, home_of(k, b), b->end - b->first, b->first);
    const bool passing = b->opens && b->closes && (b->additions || (last && k->e->reduce == LS_OWNERS));

    c.skip = c.skip && !any_bad_gradient(k);
    for (size_t i = u0; i < u1; i++) {
        const struct ls_unit *u = &e->g->unit[i];
        struct ls_gradient sum = passing ? (struct ls_gradient){e->scratch + k->w->t * e->scratch_stride, true}
                                         : (struct ls_gradient){ls_engine_slot(e, k->set, b->slot), false};

        ls_unit_chains(e, &c, u, sum, b->opens);
        lap(k, u->node, LS_PHASE_GRAD);
        for (size_t a = 0; b->closes && a < b->additions; a++) {
            const struct ls_gradient left = {ls_engine_slot(e, k->set, b->slot - 1 - a), false};

            ls_unit_add(e, u, left, sum);
            lap(k, u->node, LS_PHASE_ADD);
            sum = left;
        }
        if (last) {
            ls_unit_finish(e, u, sum, update_of(k));
            lap(k, u->node, LS_PHASE_UPDATE);
        }
    }
}

/* Call run(k, block, last shard's last block) for each block of shards [s0, s1) until one says false: the result. An
 * empty shard is one block without rows. */
static bool each_block(const struct walk *k, size_t s0, size_t s1,
                       bool (*run)(const struct walk *, const struct block *, bool), struct ls_stack *stack)
{
    for (size_t s = s0; s < s1; s++) {
        size_t row, end;
        struct block b = {.opens = true, .slot = stack->n};

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
static bool all_finite(const struct walk *k)
{
    for (unsigned t = 0; t < k->w->T; t++)
        if (k->e->report[t].bad_loss)
            return false;
    return true;
}

static bool owners_block(const struct walk *k, const struct block *b, bool last)
{
    size_t r0, r1, u0, u1;

    ls_span(b->end - b->first, k->w->T, k->w->t, &r0, &r1);
    k->e->report[k->w->t].bad_gradient = false;
    if (r1 > r0)
        run_rows(k, home_of(k, b) + r0, r1 - r0, b->first + r0);
    wait(k);
    if (last && k->b->mode == LS_TRAIN && !all_finite(k))
        return false;
    ls_engine_units(k->e, k->w, &u0, &u1);
    gradient_phase(k, b, u0, u1, last);
    wait(k);
    return true;
}

static bool replicas_block(const struct walk *k, const struct block *b, bool last)
{
    (void)last;
    if (b->end > b->first)
        run_rows(k, home_of(k, b), b->end - b->first, b->first);
    gradient_phase(k, b, 0, k->e->g->n_units, false);
    return true;
}

/* Push the parts that every worker left onto one stack; all additions land in the left operand. */
static void fold_replicas(const struct walk *k)
{
    struct ls_engine *e = k->e;
    size_t u0, u1;

    ls_engine_units(k->e, k->w, &u0, &u1);
    for (size_t i = u0; i < u1; i++) {
        struct ls_stack all = {0};
        float *sum[LS_STACK_MAX] = {NULL};

        for (unsigned t = 0; t < k->w->T; t++) {
            struct ls_stack parts = {0};

            for (size_t s = e->shards * t / k->w->T; s < e->shards * (t + 1) / k->w->T; s++)
                ls_stack_push(&parts, (struct ls_part){s, 1});
            for (size_t p = 0; p < parts.n; p++) {
                size_t at = all.n, additions = ls_stack_push(&all, parts.part[p]);

                sum[at] = ls_engine_slot(e, t, p);
                for (; additions; additions--, at--)
                    ls_unit_add(e, &e->g->unit[i], (struct ls_gradient){sum[at - 1], false},
                                (struct ls_gradient){sum[at], false});
                lap(k, e->g->unit[i].node, LS_PHASE_ADD);
            }
        }
        ls_unit_finish(e, &e->g->unit[i], (struct ls_gradient){sum[0], false}, update_of(k));
        lap(k, e->g->unit[i].node, LS_PHASE_UPDATE);
    }
}

static bool replicas_step(struct walk *k)
{
    struct ls_stack stack = {0};
    bool finite;

    k->set = k->w->t;
    each_block(k, k->e->shards * k->w->t / k->w->T, k->e->shards * (k->w->t + 1) / k->w->T, replicas_block, &stack);
    wait(k);
    finite = all_finite(k);
    if (k->b->mode == LS_GRADIENT || finite)
        fold_replicas(k);
    wait(k);
    return finite;
}

static bool owners_step(struct walk *k)
{
    struct ls_stack stack = {0};

    return each_block(k, 0, k->e->shards, owners_block, &stack);
}

bool ls_step(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b)
{
    struct walk k = {.e = e,
                     .w = w,
                     .b = b,
                     .shards = ls_shards_of(b->source.rows, e->shards),
                     .resident = b->source.rows <= e->g->block,
                     .clock = b->clock ? &b->clock[w->t] : NULL};

    *skipped_of(&k) = 0;
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
    struct walk k = {.e = e, .w = w, .b = b, .set = e->reduce == LS_REPLICAS ? w->t : 0};
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
        c = context_of(&k, row, n, first);
        forward_nodes(&k, &c);
        if (done)
            done(user, e, &c);
    }
}
