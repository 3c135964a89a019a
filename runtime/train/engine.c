/* SPDX-License-Identifier: MIT */
#include "train/engine.h"

#include "train/columns.h"
#include "train/units.h"

/* A block of the input that has room in L2 beside weights: half of 1 MB. The same on any machine, and so are the
 * barriers of a step. */
enum { OWN_INPUT_FLOATS = 1 << 17 };

const char *ls_reduce_name(enum ls_reduce reduce)
{
    return reduce == LS_REPLICAS ? "replicas" : "owners";
}

/*
 * Multiply-adds of a unit per row, and so its share of the gradient phase; the small constant stands for its fixed
 * cost. Without the zeros of digits a unit takes three eighths of its time, the update included.
 */
static size_t unit_cost(const struct ls_engine *e, const struct ls_unit *u)
{
    const struct ls_node *n = &e->g->node[u->node];
    const size_t dense = u->rows * (lk_panels(u->cols) * LK_PANEL) * n->length;

    return (e->skip && n->skips ? dense * 3 / 8 : dense) + 64;
}

/* Contiguous units of about equal cost for each thread. */
static void share_units(struct ls_engine *e, unsigned threads)
{
    size_t total = 0, sum = 0, t = 0;

    for (size_t i = 0; i < e->g->n_units; i++)
        total += unit_cost(e, &e->g->unit[i]);
    for (size_t i = 0; i < e->g->n_units; i++) {
        while (t + 1 < threads && sum + unit_cost(e, &e->g->unit[i]) / 2 >= total / threads * (t + 1))
            e->unit_end[t++] = i;
        sum += unit_cost(e, &e->g->unit[i]);
    }
    while (t < threads)
        e->unit_end[t++] = e->g->n_units;
}

void ls_engine_units(const struct ls_engine *e, const struct ls_worker *w, size_t *first, size_t *end)
{
    *first = w->t ? e->unit_end[w->t - 1] : 0;
    *end = e->unit_end[w->t];
}

/* Slots of each set when T workers share the shards. */
static size_t slots_of(const struct ls_engine *e, size_t T)
{
    size_t most = 1;

    for (size_t t = 0; t < T; t++) {
        const size_t d = ls_stack_depth(e->shards * t / T, e->shards * (t + 1) / T);

        most = d > most ? d : most;
    }
    return most;
}

void ls_engine_join(struct ls_engine *e, struct ls_worker *w)
{
    if (w->t == 0) {
        share_units(e, w->T);
        e->slots = slots_of(e, e->reduce == LS_REPLICAS ? w->T : 1);
    }
    e->report[w->t] = (struct ls_report){0};
    ls_share_fill(e->share, w, w->phase, 0, 0); /* a step of an earlier team may have ended before all was taken */
    ls_barrier_wait(w);
}

static size_t scratch_floats(const struct ls_graph *g)
{
    size_t most = 0;

    for (size_t i = 0; i < g->n_units; i++) {
        const size_t n = (g->unit[i].rows + 1) * lk_panels(g->unit[i].cols) * LK_PANEL;

        most = n > most ? n : most;
    }
    return most;
}

/* Slots of all sets, enough for any team up to the one asked for: the system may give fewer threads. */
static size_t slots_needed(const struct ls_engine *e)
{
    size_t most = 1;

    for (size_t T = 1; T <= e->sets; T++)
        most = T * slots_of(e, T) > most ? T * slots_of(e, T) : most;
    return most;
}

/* Workers that gather the input into memory of their own, of the largest team that does. */
static size_t copies_needed(const struct ls_engine *e)
{
    unsigned T = e->threads;

    while (T > 1 && !ls_columns_own_input(e, T))
        T--;
    return T - 1;
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
    const size_t own = ls_arena_book_2d(a, copies_needed(e), g->own, f);
    const size_t label = ls_arena_book_2d(a, e->sets, e->label_stride, 1);
    const size_t slot = ls_arena_book_2d(a, slots_needed(e), g->params, f);
    const size_t scratch = ls_arena_book_2d(a, e->threads, e->scratch_stride, f);
    const size_t unit_end = ls_arena_book(a, e->threads, sizeof *e->unit_end);
    const size_t share = ls_arena_book(a, e->threads, sizeof *e->share);
    const size_t report = ls_arena_book(a, e->threads, sizeof *e->report);

    if (ls_arena_commit(a, err))
        return err->status;
    e->w = ls_arena_at(a, w);
    e->wt = ls_arena_at(a, wt);
    e->root = ls_arena_at(a, root);
    e->state[0] = ls_arena_at(a, state0);
    e->state[1] = e->optim->states > 1 ? ls_arena_at(a, state1) : NULL;
    e->act = ls_arena_at(a, act);
    e->own = ls_arena_at(a, own);
    e->label = ls_arena_at(a, label);
    e->slot = ls_arena_at(a, slot);
    e->scratch = ls_arena_at(a, scratch);
    e->unit_end = ls_arena_at(a, unit_end);
    e->share = ls_arena_at(a, share);
    e->report = ls_arena_at(a, report);
    return LOCKSTEP_OK;
}

enum lockstep_status ls_engine_init(struct ls_engine *e, const struct ls_graph *g, const struct lk_table *kernels,
                                    unsigned threads, enum ls_reduce reduce, size_t shards,
                                    const struct ls_optim *optim, uint32_t seed, struct lockstep_error *err)
{
    *e = (struct ls_engine){.g = g,
                            .kernels = *kernels,
                            .threads = threads,
                            .reduce = reduce,
                            .shards = shards,
                            .seed = seed,
                            .optim = optim,
                            .columns = true,
                            .own_input = reduce == LS_OWNERS && g->input && g->own <= OWN_INPUT_FLOATS,
                            .sets = reduce == LS_REPLICAS ? threads : 1,
                            .label_stride = (g->block + 63) / 64 * 64,
                            .scratch_stride = scratch_floats(g)};
    return allocate(e, err);
}

void ls_engine_free(struct ls_engine *e)
{
    ls_arena_free(&e->arena);
}

void ls_engine_weights_changed(struct ls_engine *e)
{
    for (size_t i = 0; i < e->g->n; i++)
        for (size_t k = 0; k < e->g->node[i].n_params; k++) {
            const struct ls_param *p = &e->g->node[i].param[k];

            ls_unit_transpose(e, &(struct ls_unit){.node = i, .param = k, .rows = p->rows, .cols = p->cols});
        }
    atomic_store(&e->bad_weights, !ls_engine_finite(e));
}

bool ls_engine_finite(const struct ls_engine *e)
{
    return e->kernels.k.finite(e->g->params, e->w);
}
