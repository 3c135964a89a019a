/* SPDX-License-Identifier: MIT
 *
 * The step: one batch through the graph by a team, gradients reduced over shards, parameters updated. All memory is
 * planned by ls_engine_init; a step allocates nothing. Two schedules give the same bits: owners    block after block of
 * at most 512 rows: every thread runs its rows forward and backward; barrier; every thread continues the chains of the
 * units it owns over the whole block, folds the tree, updates; barrier replicas  every thread runs whole shards alone
 * into its own slots; barrier; every thread folds and updates its units
 */
#ifndef LS_STEP_H
#define LS_STEP_H

#include "core/team.h"
#include "cpu.h"
#include "graph/graph.h"
#include "train/optim.h"
#include "train/shards.h"

enum { LS_BLOCK_ROWS = 512, LS_THREADS_MAX = 1024 };

enum ls_reduce { LS_OWNERS, LS_REPLICAS };

/* What a step does with the gradient. */
enum ls_mode { LS_FORWARD, LS_GRADIENT, LS_TRAIN };

struct ls_engine {
    const struct ls_graph *g;
    struct lk_table kernels;
    unsigned threads;
    enum ls_reduce reduce;
    size_t shards;
    const struct ls_optim *optim;

    struct ls_arena arena;
    float *w, *wt, *state[2];
    size_t sets;       /* activation blocks and slot sets: 1 (owners) or threads (replicas) */
    size_t slots;      /* gradients of all parameters in a set */
    float *act, *slot; /* [sets][activations], [sets][slots][params] */
    size_t label_stride, scratch_stride;
    uint8_t *label;                   /* [sets][label_stride] */
    float *scratch;                   /* [threads][scratch_stride]: the gradient of one unit */
    float *root;                      /* gradient of the last LS_GRADIENT step, flat */
    size_t *unit_end;                 /* [threads], for the team that joined last */
    struct ls_thread_flag *nonfinite; /* [threads] */
};

/* One batch, the same for every worker of the team. loss and hit hold at least source->rows. */
struct ls_batch {
    struct ls_source source;
    enum ls_mode mode;
    float *loss;
    uint8_t *hit;
    struct ls_optim_step optim;
};

/*
 * Plan and allocate for batches of up to `batch` rows. The graph is planned (ls_plan) with a block of at least
 * min(LS_BLOCK_ROWS, batch). Parameters start at +0; call ls_engine_weights_changed after writing w. E_MEMORY.
 */
enum lockstep_status ls_engine_init(struct ls_engine *e, const struct ls_graph *g, const struct lk_table *kernels,
                                    unsigned threads, enum ls_reduce reduce, size_t shards,
                                    const struct ls_optim *optim, struct lockstep_error *err);
void ls_engine_free(struct ls_engine *e);

/* Rewrite the transposed weights from w. */
void ls_engine_weights_changed(struct ls_engine *e);

/* Prepare for a team; called by every worker first, in its parallel region. */
void ls_engine_join(struct ls_engine *e, struct ls_worker *w);

/*
 * Run a batch; called by every worker of the team with the same batch. Returns with every worker past a barrier that
 * follows the last write. LS_TRAIN: false when a row's loss is not finite; nothing is then updated.
 */
bool ls_step(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b);

/*
 * Forward of this worker's span of the rows of a source, without a barrier; loss and hit as in ls_batch. For each chunk
 * of rows `done` (may be NULL) is called with the context of the chunk.
 */
typedef void ls_chunk_fn(void *user, const struct ls_engine *e, const struct ls_context *c);
void ls_forward_rows(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b, ls_chunk_fn *done, void *user);

#endif
