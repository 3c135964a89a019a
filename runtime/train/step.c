/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include <string.h>

/* A flag on a line of its own. */
struct ls_thread_flag {
    _Alignas(64) bool set;
};

/* What one worker needs while a batch runs. */
struct walk {
    struct ls_engine *e;
    struct ls_worker *w;
    const struct ls_batch *b;
    struct ls_shards shards;
    size_t set;    /* activation block and slots in use */
    bool resident; /* the batch fits the activation block: rows keep their place in it, so that values can be read */
};

/* One gradient of a unit: in a flat array of all parameters, or packed in a scratch block. */
struct gradient {
    float *base;
    bool packed;
};

/* A contiguous run of parameters: `at` in a flat array, `packed` in a scratch block. */
struct segment {
    size_t at, packed, n;
};

enum { SEGMENTS = 4 };

/* ---- units ---- */

/* The runs of a unit: one for each panel of the weight, one for the bias (owned with the first rows). */
static size_t segments_of(const struct ls_graph *g, const struct ls_unit *u, struct segment s[SEGMENTS])
{
    const struct ls_node *n = &g->node[u->node];
    const size_t panels = lk_panels(u->cols), panel = u->col / LK_PANEL, run = u->rows * LK_PANEL;
    size_t count = 0;

    for (size_t p = 0; p < panels; p++)
        s[count++] =
            (struct segment){n->param[0].offset + ((panel + p) * n->param[0].rows + u->row) * LK_PANEL, p * run, run};
    if (n->n_params > 1 && u->row == 0)
        s[count++] = (struct segment){n->param[1].offset + panel * LK_PANEL, panels * run, panels * LK_PANEL};
    return count;
}

static float *segment_in(struct gradient g, const struct segment *s)
{
    return g.base + (g.packed ? s->packed : s->at);
}

/* Slot of a set: a flat array of all parameters. */
static float *slot_at(const struct ls_engine *e, size_t set, size_t slot)
{
    return e->slot + (set * e->slots + slot) * e->g->params;
}

/* Continue the chains of a unit over the rows in context. */
static void unit_chains(const struct walk *k, const struct ls_context *c, const struct ls_unit *u, struct gradient g,
                        bool first)
{
    const struct ls_node *n = &k->e->g->node[u->node];
    struct segment s[SEGMENTS];
    const size_t panels = lk_panels(u->cols);
    const bool bias = segments_of(k->e->g, u, s) > panels;

    n->op->grad(n, c, u, segment_in(g, &s[0]), (g.packed ? u->rows : n->param[0].rows) * LK_PANEL,
                bias ? segment_in(g, &s[panels]) : NULL, first);
}

/* left += right */
static void unit_add(const struct ls_engine *e, const struct ls_unit *u, struct gradient left, struct gradient right)
{
    struct segment s[SEGMENTS];

    for (size_t i = 0, n = segments_of(e->g, u, s); i < n; i++)
        e->kernels.k.add(s[i].n, segment_in(left, &s[i]), segment_in(right, &s[i]), segment_in(left, &s[i]));
}

static void unit_transpose(struct ls_engine *e, const struct ls_unit *u)
{
    const struct ls_node *n = &e->g->node[u->node];
    const struct ls_param *p = &n->param[0];

    if (n->backward)
        e->kernels.k.transpose(
            u->rows, u->cols, e->w + p->offset + (u->col / LK_PANEL * p->rows + u->row) * LK_PANEL, p->rows * LK_PANEL,
            e->wt + n->wt_offset + (u->row / LK_PANEL * p->cols + u->col) * LK_PANEL, p->cols * LK_PANEL);
}

/* The gradient of a unit is complete: update its parameters, or keep it. */
static void unit_finish(const struct walk *k, const struct ls_unit *u, struct gradient g)
{
    struct ls_engine *e = k->e;
    struct segment s[SEGMENTS];
    const size_t n = segments_of(e->g, u, s);

    for (size_t i = 0; i < n; i++) {
        float *const state[2] = {e->state[0] + s[i].at, e->state[1] ? e->state[1] + s[i].at : NULL};

        if (k->b->mode == LS_TRAIN)
            e->optim->apply(&e->kernels.k, &k->b->optim, s[i].n, segment_in(g, &s[i]), e->w + s[i].at, state);
        else
            memcpy(e->root + s[i].at, segment_in(g, &s[i]), s[i].n * sizeof(float));
    }
    if (k->b->mode == LS_TRAIN)
        unit_transpose(e, u);
}

/* Multiply-adds of a unit per row, and so its share of the gradient phase; the small constant stands for its fixed
 * cost. */
static size_t unit_cost(const struct ls_unit *u)
{
    return u->rows * (lk_panels(u->cols) * LK_PANEL) + 64;
}

/* Contiguous units of about equal cost for each thread. */
static void share_units(struct ls_engine *e, unsigned threads)
{
    size_t total = 0, sum = 0, t = 0;

    for (size_t i = 0; i < e->g->n_units; i++)
        total += unit_cost(&e->g->unit[i]);
    for (size_t i = 0; i < e->g->n_units; i++) {
        while (t + 1 < threads && sum + unit_cost(&e->g->unit[i]) / 2 >= total / threads * (t + 1))
            e->unit_end[t++] = i;
        sum += unit_cost(&e->g->unit[i]);
    }
    while (t < threads)
        e->unit_end[t++] = e->g->n_units;
}

/* Units of this worker when they are spread over the whole team. */
static void own_units(const struct walk *k, size_t *first, size_t *end)
{
    *first = k->w->t ? k->e->unit_end[k->w->t - 1] : 0;
    *end = k->e->unit_end[k->w->t];
}

/* ---- rows ---- */

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
                               .source = &k->b->source,
                               .label = e->label + k->set * e->label_stride,
                               .loss = k->b->loss,
                               .hit = k->b->hit,
                               .scale = (float)(1.0 / (double)k->b->source.rows),
                               .train = k->b->mode != LS_FORWARD};
}

/* Is any loss of these rows NaN or infinite? */
static bool any_nonfinite(const float *loss, size_t n)
{
    uint32_t found = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t u;

        memcpy(&u, &loss[i], sizeof u);
        found |= (u & 0x7f800000u) == 0x7f800000u;
    }
    return found;
}

static void forward_nodes(const struct walk *k, const struct ls_context *c)
{
    const struct ls_graph *g = k->e->g;

    for (size_t i = 0; i < g->n; i++)
        if (g->node[i].forward && !(g->node[i].op->loss && !c->source->label))
            g->node[i].op->forward(&g->node[i], c);
}

/* Rows [row, row + rows) of the block, rows batch_row... of the batch: forward, loss, gradients of the values. */
static void run_rows(const struct walk *k, size_t row, size_t rows, size_t batch_row)
{
    const struct ls_graph *g = k->e->g;
    const struct ls_context c = context_of(k, row, rows, batch_row);

    forward_nodes(k, &c);
    if (any_nonfinite(k->b->loss + batch_row, rows))
        k->e->nonfinite[k->w->t].set = true;
    for (size_t i = g->n; i-- > 0;)
        if (g->node[i].backward)
            g->node[i].op->backward(&g->node[i], &c);
}

/* ---- the two schedules ---- */

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

/*
 * Continue the chains of units [u0, u1) over a block whose rows lie in the activation block; fold what the shard
 * completes. With `last` the tree is complete, too. A shard of one block that is added or used up at once never reaches
 * its slot.
 */
static void gradient_phase(const struct walk *k, const struct block *b, size_t u0, size_t u1, bool last)
{
    struct ls_engine *e = k->e;
    const struct ls_context c = context_of(k, home_of(k, b), b->end - b->first, b->first);
    const bool passing = b->opens && b->closes && (b->additions || (last && k->e->reduce == LS_OWNERS));

    for (size_t i = u0; i < u1; i++) {
        const struct ls_unit *u = &e->g->unit[i];
        struct gradient sum = passing ? (struct gradient){e->scratch + k->w->t * e->scratch_stride, true}
                                      : (struct gradient){slot_at(e, k->set, b->slot), false};

        unit_chains(k, &c, u, sum, b->opens);
        for (size_t a = 0; b->closes && a < b->additions; a++) {
            const struct gradient left = {slot_at(e, k->set, b->slot - 1 - a), false};

            unit_add(e, u, left, sum);
            sum = left;
        }
        if (last)
            unit_finish(k, u, sum);
    }
}

/* Call run(k, block, last shard's last block) for each block of shards [s0, s1). An empty shard is one block without
 * rows. */
static void each_block(const struct walk *k, size_t s0, size_t s1,
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
                return;
            row = b.end;
            b.opens = false;
        } while (row < end);
    }
}

/* Has any worker met a loss that is not finite? Valid for all after a barrier. */
static bool all_finite(const struct walk *k)
{
    for (unsigned t = 0; t < k->w->T; t++)
        if (k->e->nonfinite[t].set)
            return false;
    return true;
}

static bool owners_block(const struct walk *k, const struct block *b, bool last)
{
    size_t r0, r1, u0, u1;

    ls_span(b->end - b->first, k->w->T, k->w->t, &r0, &r1);
    if (r1 > r0)
        run_rows(k, home_of(k, b) + r0, r1 - r0, b->first + r0);
    ls_barrier_wait(k->w);
    if (last && k->b->mode == LS_TRAIN && !all_finite(k))
        return false;
    own_units(k, &u0, &u1);
    gradient_phase(k, b, u0, u1, last);
    ls_barrier_wait(k->w);
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

    own_units(k, &u0, &u1);
    for (size_t i = u0; i < u1; i++) {
        struct ls_stack all = {0};
        float *sum[LS_STACK_MAX] = {NULL};

        for (unsigned t = 0; t < k->w->T; t++) {
            struct ls_stack parts = {0};

            for (size_t s = e->shards * t / k->w->T; s < e->shards * (t + 1) / k->w->T; s++)
                ls_stack_push(&parts, (struct ls_part){s, 1});
            for (size_t p = 0; p < parts.n; p++) {
                size_t at = all.n, additions = ls_stack_push(&all, parts.part[p]);

                sum[at] = slot_at(e, t, p);
                for (; additions; additions--, at--)
                    unit_add(e, &e->g->unit[i], (struct gradient){sum[at - 1], false},
                             (struct gradient){sum[at], false});
            }
        }
        unit_finish(k, &e->g->unit[i], (struct gradient){sum[0], false});
    }
}

static bool replicas_step(struct walk *k)
{
    struct ls_stack stack = {0};
    bool finite;

    k->set = k->w->t;
    each_block(k, k->e->shards * k->w->t / k->w->T, k->e->shards * (k->w->t + 1) / k->w->T, replicas_block, &stack);
    ls_barrier_wait(k->w);
    finite = all_finite(k);
    if (k->b->mode == LS_GRADIENT || finite)
        fold_replicas(k);
    ls_barrier_wait(k->w);
    return finite;
}

static bool owners_step(struct walk *k)
{
    struct ls_stack stack = {0};

    each_block(k, 0, k->e->shards, owners_block, &stack);
    return all_finite(k);
}

void ls_engine_join(struct ls_engine *e, struct ls_worker *w)
{
    if (w->t == 0)
        share_units(e, w->T);
    e->nonfinite[w->t].set = false;
    ls_barrier_wait(w);
}

bool ls_step(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b)
{
    struct walk k = {.e = e,
                     .w = w,
                     .b = b,
                     .shards = ls_shards_of(b->source.rows, e->shards),
                     .resident = b->source.rows <= e->g->block};

    return e->reduce == LS_OWNERS ? owners_step(&k) : replicas_step(&k);
}

void ls_forward_rows(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b, ls_chunk_fn *done, void *user)
{
    struct walk k = {.e = e, .w = w, .b = b, .set = e->sets > 1 ? w->t : 0};
    size_t first, end, row = 0, room = e->g->block; /* rows of the block that are this worker's */

    ls_span(b->source.rows, w->T, w->t, &first, &end);
    if (b->source.rows <= e->g->block) {
        row = first;
    } else if (e->sets == 1) { /* the team shares one block */
        ls_span(e->g->block, w->T, w->t, &row, &room);
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

/* ---- memory ---- */

static size_t scratch_floats(const struct ls_graph *g)
{
    size_t most = 0;

    for (size_t i = 0; i < g->n_units; i++) {
        const size_t n = (g->unit[i].rows + 1) * lk_panels(g->unit[i].cols) * LK_PANEL;

        most = n > most ? n : most;
    }
    return most;
}

/* Slots that the deepest range of shards needs, for any team up to the one asked for: the system may give fewer
 * threads. */
static size_t slots_needed(const struct ls_engine *e)
{
    size_t most = 1;

    for (size_t T = 1; T <= e->sets; T++)
        for (size_t t = 0; t < T; t++) {
            const size_t d = ls_stack_depth(e->shards * t / T, e->shards * (t + 1) / T);

            most = d > most ? d : most;
        }
    return most;
}

static enum lockstep_status allocate(struct ls_engine *e, struct lockstep_error *err)
{
    const struct ls_graph *g = e->g;
    struct ls_arena *a = &e->arena;
    const size_t f = sizeof(float);
    const size_t w = ls_arena_book(a, g->params, f), wt = ls_arena_book(a, g->transposed, f);
    const size_t root = ls_arena_book(a, g->params, f), state0 = ls_arena_book(a, g->params, f);
    const size_t state1 = ls_arena_book(a, e->optim->states > 1 ? g->params : 0, f);
    const size_t act = ls_arena_book_2d(a, e->sets, g->activations, f);
    const size_t label = ls_arena_book_2d(a, e->sets, e->label_stride, 1);
    const size_t slot = ls_arena_book_2d(a, e->sets * e->slots, g->params, f);
    const size_t scratch = ls_arena_book_2d(a, e->threads, e->scratch_stride, f);
    const size_t unit_end = ls_arena_book(a, e->threads, sizeof *e->unit_end);
    const size_t flag = ls_arena_book(a, e->threads, sizeof *e->nonfinite);

    if (ls_arena_commit(a, err))
        return err->status;
    e->w = ls_arena_at(a, w);
    e->wt = ls_arena_at(a, wt);
    e->root = ls_arena_at(a, root);
    e->state[0] = ls_arena_at(a, state0);
    e->state[1] = e->optim->states > 1 ? ls_arena_at(a, state1) : NULL;
    e->act = ls_arena_at(a, act);
    e->label = ls_arena_at(a, label);
    e->slot = ls_arena_at(a, slot);
    e->scratch = ls_arena_at(a, scratch);
    e->unit_end = ls_arena_at(a, unit_end);
    e->nonfinite = ls_arena_at(a, flag);
    return LOCKSTEP_OK;
}

enum lockstep_status ls_engine_init(struct ls_engine *e, const struct ls_graph *g, const struct lk_table *kernels,
                                    unsigned threads, enum ls_reduce reduce, size_t shards,
                                    const struct ls_optim *optim, struct lockstep_error *err)
{
    *e = (struct ls_engine){.g = g,
                            .kernels = *kernels,
                            .threads = threads,
                            .reduce = reduce,
                            .shards = shards,
                            .optim = optim,
                            .sets = reduce == LS_REPLICAS ? threads : 1,
                            .label_stride = (g->block + 63) / 64 * 64,
                            .scratch_stride = scratch_floats(g)};
    e->slots = slots_needed(e);
    return allocate(e, err);
}

void ls_engine_free(struct ls_engine *e)
{
    ls_arena_free(&e->arena);
}

void ls_engine_weights_changed(struct ls_engine *e)
{
    for (size_t i = 0; i < e->g->n_units; i++)
        unit_transpose(e, &e->g->unit[i]);
}
