/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include "train/columns.h"
#include "train/units.h"

/* What one worker needs while a batch runs. */
struct walk {
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

static void wait(struct walk *k)
{
    lap_rest(k);
    ls_barrier_wait(k->w);
    k->rows = k->columns = false;
    if (k->clock)
        ls_clock_lap(k->clock, &k->clock->wait, *skipped_of(k));
}

/* From the input in the activation block to this worker's own. */
static size_t own_of(const struct walk *k)
{
    return k->own_input && k->w->t ? (size_t)(k->e->own - k->e->act) + (k->w->t - 1) * k->e->g->own : 0;
}

static struct ls_context context_of(const struct walk *k, size_t row, size_t rows, size_t batch_row)
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
                               .skipped = skipped_of(k)};
}

/* The labels of the rows: by index for bytes, else in order. */
static void take_labels(const struct ls_context *c)
{
    const struct ls_source *s = c->source;

    for (size_t m = c->batch_row; s->label && m < c->batch_row + c->rows; m++)
        c->label[c->row + m - c->batch_row] = s->label[s->bytes ? s->index[m] : m];
}

typedef void node_fn(const struct ls_node *n, const struct ls_context *c);

/* A piece of what the team shares since its last barrier. */
static bool take(const struct walk *k, size_t *piece)
{
    return ls_share_take(k->e->share, k->w, k->w->phase, piece);
}

/* Pieces of a result: this worker's, then what is left of the others'. */
static void run_columns(const struct walk *k, const struct ls_node *n, node_fn *run, const struct ls_context *all,
                        const struct ls_shared *result)
{
    size_t piece;

    while (take(k, &piece)) {
        struct ls_context c = *all;
        const struct ls_rectangle r = ls_columns_piece(result, k->w->T, piece);

        c.panel = r.panel;
        c.panels = r.panels;
        c.row += r.row;
        c.batch_row += r.row;
        c.rows = r.rows;
        run(n, &c);
    }
}

/* This worker's pieces of a result, for a turn. */
static void deal_columns(const struct walk *k, const struct ls_shared *result, unsigned turn)
{
    const size_t first = (size_t)k->w->t * LS_COLUMNS_PIECES;

    ls_share_fill(k->e->share, k->w, turn, first, first + ls_columns_pieces(result, k->w));
}

/* Run a node on this worker's part of a block: `own` of its rows, or columns of `all`, of a result of so many features
 * (0: always rows). */
static void run_node(struct walk *k, const struct ls_node *n, node_fn *run, const struct ls_context *all,
                     const struct ls_context *own, size_t features)
{
    const struct ls_shared result = {lk_panels(features), all->rows, k->e->skip && n->skips};
    const bool columns = k->together && ls_columns_shared(k->e, n, features, k->w->T);
    const bool meet = k->columns || (columns && k->rows);

    if (columns)
        deal_columns(k, &result, k->w->phase + meet);
    if (meet)
        wait(k);
    *(columns ? &k->columns : &k->rows) = true;
    if (columns)
        run_columns(k, n, run, all, &result);
    else if (own->rows)
        run(n, own);
}

/* What depends on labels that nobody knows is left out. */
static void forward_nodes(struct walk *k, const struct ls_context *all, const struct ls_context *own)
{
    const struct ls_graph *g = k->e->g;

    take_labels(own);
    lap_rest(k);
    for (size_t i = 0; i < g->n; i++) {
        const struct ls_node *n = &g->node[i];

        if (!n->forward || (n->labelled && !own->source->label))
            continue;
        if (k->own_input && n == g->input)
            n->op->forward(n, all);
        else
            run_node(k, n, n->op->forward, all, own, n->features);
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
static void add_branches(const struct ls_node *n, const struct ls_context *c)
{
    for (size_t i = 0; i < n->n_extra; i++)
        ls_add_values(n, c, n->graph->extra[n->extra + i]);
}

static void backward_nodes(struct walk *k, const struct ls_context *all, const struct ls_context *own)
{
    const struct ls_graph *g = k->e->g;

    if (!g->loss && g->output->wants_grad)
        seed_output(g->output, own);
    lap_rest(k);
    for (size_t i = g->n; i-- > 0;) {
        const struct ls_node *n = &g->node[i];

        if (n->n_extra) {
            run_node(k, n, add_branches, all, own, 0);
            lap(k, i, LS_PHASE_BRANCHES);
        }
        if (n->backward) {
            run_node(k, n, n->op->backward, all, own, n->input[0]->features);
            lap(k, i, LS_PHASE_BACKWARD);
        }
    }
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

static struct ls_context context_of_block(const struct walk *k, const struct block *b, size_t r0, size_t r1)
{
    return context_of(k, home_of(k, b) + r0, r1 - r0, b->first + r0);
}

/* Forward, loss and gradients of the values of a block: this worker's part, rows [r0, r1) where rows are shared. */
static void run_part(struct walk *k, const struct block *b, size_t r0, size_t r1)
{
    const struct ls_context all = context_of_block(k, b, 0, b->end - b->first), own = context_of_block(k, b, r0, r1);

    forward_nodes(k, &all, &own);
    if (k->e->g->loss && !own.k->finite(own.rows, k->b->loss + own.batch_row))
        k->e->report[k->w->t].bad_loss = true;
    backward_nodes(k, &all, &own);
}

/* Scalars of the update, NULL when the gradient is only wanted. */
static const struct ls_optim_step *update_of(const struct walk *k)
{
    return k->b->mode == LS_TRAIN ? &k->b->optim : NULL;
}

/* Is the gradient finite that a unit will read in products which leave out zeros? */
static bool finite_gradient(const struct ls_context *c, const struct ls_node *n, const struct ls_unit *u)
{
    for (size_t p = u->col / LK_PANEL; p < lk_panels(u->col + u->cols); p++)
        if (!c->k->finite(c->rows * LK_PANEL, ls_rows(c, n->d) + p * n->d.ld))
            return false;
    return true;
}

/* The units of a block that a worker runs in turn. */
struct series {
    struct ls_context c;
    bool skip; /* zeros may be left out where the gradient is finite */
    const struct ls_unit *before;
};

/* Units of the same columns come in turn and ask once whether their gradient is finite. */
static void choose_skip(const struct walk *k, struct series *s, const struct ls_unit *u)
{
    const struct ls_node *n = &k->e->g->node[u->node];

    if (!s->before || s->before->node != u->node || s->before->col != u->col)
        s->c.skip = s->skip && n->skips && finite_gradient(&s->c, n, u);
    s->before = u;
}

/*
 * Continue the chains of a unit over a block whose rows lie in the activation block; fold what the shard completes. With
 * `last` the tree is complete, too. A shard of one block that is added or used up at once never reaches its slot.
 */
static void gradient_of(const struct walk *k, const struct ls_context *c, const struct block *b,
                        const struct ls_unit *u, bool last)
{
    struct ls_engine *e = k->e;
    const bool passing = b->opens && b->closes && (b->additions || (last && e->reduce == LS_OWNERS));
    struct ls_gradient sum = passing ? (struct ls_gradient){e->scratch + k->w->t * e->scratch_stride, true}
                                     : (struct ls_gradient){ls_engine_slot(e, k->set, b->slot), false};

    ls_unit_chains(e, c, u, sum, b->opens);
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

/* The next unit of a phase: of the team's shares or, alone, of all in turn, *i counting up from -1. */
static bool next_unit(const struct walk *k, size_t *i)
{
    return k->together ? take(k, i) : ++*i < k->e->g->n_units;
}

static void gradient_phase(const struct walk *k, const struct block *b, bool last)
{
    struct series s = {.c = context_of_block(k, b, 0, b->end - b->first)};

    s.skip = s.c.skip;
    for (size_t i = (size_t)-1; next_unit(k, &i);) {
        const struct ls_unit *u = &k->e->g->unit[i];

        choose_skip(k, &s, u);
        gradient_of(k, &s.c, b, u, last);
    }
}

/* This worker's units, for behind the next barrier. */
static void deal_units(const struct walk *k)
{
    size_t first, end;

    ls_engine_units(k->e, k->w, &first, &end);
    ls_share_fill(k->e->share, k->w, k->w->phase + 1, first, end);
}

/* Call run(k, block, last shard's last block) for each block of shards [s0, s1) until one says false: the result. An
 * empty shard is one block without rows. */
static bool each_block(struct walk *k, size_t s0, size_t s1, bool (*run)(struct walk *, const struct block *, bool),
                       struct ls_stack *stack)
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

static bool owners_block(struct walk *k, const struct block *b, bool last)
{
    size_t r0, r1;
    bool finite;

    ls_span(b->end - b->first, k->w->T, k->w->t, &r0, &r1);
    run_part(k, b, r0, r1);
    deal_units(k);
    wait(k);
    finite = !last || k->b->mode != LS_TRAIN || all_finite(k);
    if (finite)
        gradient_phase(k, b, last);
    wait(k);
    return finite;
}

static bool replicas_block(struct walk *k, const struct block *b, bool last)
{
    (void)last;
    run_part(k, b, 0, b->end - b->first);
    gradient_phase(k, b, false);
    return true;
}

/* Push the parts that every worker left onto one stack; all additions land in the left operand. */
static void fold_replicas(const struct walk *k)
{
    struct ls_engine *e = k->e;
    size_t i;

    while (take(k, &i)) {
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
    deal_units(k);
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

    k->together = true;
    k->own_input = ls_columns_own_input(k->e, k->w->T);
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
        forward_nodes(&k, &c, &c);
        if (done)
            done(user, e, &c);
    }
}
