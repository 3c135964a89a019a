/* SPDX-License-Identifier: MIT
 * Everything a step needs in memory, planned and allocated once: parameters, optimiser state, activation blocks,
 * gradient slots; and which thread owns which units. */
#ifndef LS_ENGINE_H
#define LS_ENGINE_H

#include "core/share.h"
#include "graph/graph.h"
#include "train/optim.h"
#include "train/shards.h"

#include <stdatomic.h>

enum { LS_BLOCK_ROWS = 512 };

enum ls_reduce { LS_OWNERS, LS_REPLICAS };

/* "owners", "replicas" */
const char *ls_reduce_name(enum ls_reduce reduce);

/* What a worker tells the others and the trainer, on a line of its own. */
struct ls_report {
    _Alignas(64) bool bad_loss; /* a loss of its rows is not finite */
    size_t skipped[2];          /* multiply-adds left out in the last steps, by parity of the step */
    size_t uncounted;           /* ... outside steps */
};

struct ls_engine {
    const struct ls_graph *g;
    struct lk_table kernels;
    unsigned threads;
    enum ls_reduce reduce;
    size_t shards;
    uint32_t seed; /* of random masks */
    const struct ls_optim *optim;

    struct ls_arena arena;
    float *w, *wt, *state[2];
    size_t sets;       /* activation blocks and slot sets: 1 (owners) or threads (replicas) */
    size_t slots;      /* gradients of all parameters in a set, for the team that joined last */
    float *act, *slot; /* [sets][activations], [sets][slots][params] */
    float *own; /* [team - 1][graph's own] of the largest team in which workers gather the input for themselves: of all
                 * but worker 0; nothing without own_input */
    size_t label_stride, scratch_stride;
    uint8_t *label;           /* [sets][label_stride] */
    float *scratch;           /* [threads][scratch_stride]: the gradient of one unit */
    float *root;              /* gradient of the last LS_GRADIENT step, flat */
    size_t *unit_end;         /* [threads], for the team that joined last */
    struct ls_share *share;   /* [threads]: units, pieces of columns that nobody has taken */
    struct ls_report *report; /* [threads] */
    bool skip;                /* leave out terms where the input is 0 */
    bool columns;             /* share wide layers by columns (columns.h) */
    bool columns_fixed;       /* ... whatever a barrier takes */
    bool own_input;           /* ... whose workers may gather the input for themselves: a block of it is small */
    atomic_bool bad_weights;  /* a parameter is not finite, so that every term counts */
};

/*
 * Allocate for a planned graph (ls_plan); the batch may have any size, its rows run block by block. Parameters and
 * optimiser state start at +0; call ls_engine_weights_changed after writing w. E_MEMORY.
 */
enum lockstep_status ls_engine_init(struct ls_engine *e, const struct ls_graph *g, const struct lk_table *kernels,
                                    unsigned threads, enum ls_reduce reduce, size_t shards,
                                    const struct ls_optim *optim, uint32_t seed, struct lockstep_error *err);
void ls_engine_free(struct ls_engine *e);

/* Rewrite the transposed weights from w. */
void ls_engine_weights_changed(struct ls_engine *e);

/* Are all parameters finite? */
bool ls_engine_finite(const struct ls_engine *e);

/* Prepare for a team; called by every worker first, in its parallel region. */
void ls_engine_join(struct ls_engine *e, struct ls_worker *w);

/* Units [*first, *end) of a worker, when they are spread over the whole team. */
void ls_engine_units(const struct ls_engine *e, const struct ls_worker *w, size_t *first, size_t *end);

/* Slot of a set: a flat array of all parameters. */
static inline float *ls_engine_slot(const struct ls_engine *e, size_t set, size_t slot)
{
    return e->slot + (set * e->slots + slot) * e->g->params;
}

#endif
