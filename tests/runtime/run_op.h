/* SPDX-License-Identifier: MIT
 * A graph without a loss, its batch and the gradient of its last value, put in by hand: everything that forward and
 * backward compute. Shared by the tests of single ops; include cmocka.h first. */
#ifndef RUN_OP_H
#define RUN_OP_H

#include <stdlib.h>

#include "core/mem.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "train/machine.h"
#include "train/step.h"

struct run_op {
    struct ls_graph g;
    struct ls_engine e;
    struct ls_batch batch;
};

/* Prepare `text` for rows of channels x length on an instruction set (NULL: the preferred one). */
static inline void run_open(struct run_op *r, const char *text, size_t channels, size_t length, size_t rows,
                            const char *isa)
{
    const struct lockstep_options options = {.isa = isa};
    struct lockstep_error err;
    struct lk_table table;

    *r = (struct run_op){.batch = {.source.rows = rows, .mode = LS_GRADIENT}};
    if (ls_machine_table(&options, &table, &err) || ls_graph_build(text, channels, length, 0, &r->g, &err) ||
        ls_plan(&r->g, rows, true, &err) ||
        ls_engine_init(&r->e, &r->g, &table, 2, LS_OWNERS, 1, ls_optim_find("sgd"), 1, &err))
        fail_msg("%s: %s", text, err.text);
}

static inline void run_close(struct run_op *r)
{
    ls_engine_free(&r->e);
    ls_graph_free(&r->g);
}

/* Values of parameter i of the last node, in PyTorch's shape. */
static inline void run_set_param(struct run_op *r, size_t i, const float *values)
{
    const struct ls_param *p = &r->g.output->param[i];

    for (size_t e = 0; e < p->rows * p->cols; e++)
        r->e.w[p->offset + ls_param_index(p, e)] = values[e];
    ls_engine_weights_changed(&r->e);
}

static inline void run_worker(void *arg, struct ls_worker *w)
{
    struct run_op *r = arg;

    ls_engine_join(&r->e, w);
    ls_step(&r->e, w, &r->batch);
}

/* Forward of x (rows, features) and backward of seeds (rows, features of the last value). */
static inline void run_backward(struct run_op *r, const float *x, const float *seeds)
{
    const unsigned host_fpenv = lk_fpenv_enter();

    r->batch.source.floats = x;
    r->batch.seeds = seeds;
    ls_team_run(2, run_worker, r);
    lk_fpenv_leave(host_fpenv);
}

/* Row-major (rows, features) of a buffer of a node. The caller frees it. */
static inline float *run_rows(const struct run_op *r, const struct ls_node *n, struct ls_buffer b)
{
    const size_t rows = r->batch.source.rows;
    float *values = malloc(rows * n->features * sizeof *values);

    assert_non_null(values);
    for (size_t m = 0; m < rows; m++)
        for (size_t i = 0; i < n->features; i++)
            values[m * n->features + i] = r->e.act[b.offset + b.halo * LK_PANEL + ls_at(n, b, m, i)];
    return values;
}

/* Gradient of parameter i of the last node, in PyTorch's shape. The caller frees it. */
static inline float *run_param_gradient(const struct run_op *r, size_t i)
{
    const struct ls_param *p = &r->g.output->param[i];
    float *values = malloc(p->rows * p->cols * sizeof *values);

    assert_non_null(values);
    for (size_t e = 0; e < p->rows * p->cols; e++)
        values[e] = r->e.root[p->offset + ls_param_index(p, e)];
    return values;
}

#endif
