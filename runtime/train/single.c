/* SPDX-License-Identifier: MIT
 * Single steps, on the batch of lockstep_set. */
#include "train/model.h"

struct single {
    struct ls_engine *e;
    const struct ls_batch *b;
    bool finite;
};

static void single_worker(void *arg, struct ls_worker *w)
{
    struct single *s = arg;
    bool finite = true;

    ls_engine_join(s->e, w);
    if (s->b->mode == LS_FORWARD) {
        ls_forward_rows(s->e, w, s->b, NULL, NULL);
        ls_barrier_wait(w);
    } else {
        finite = ls_step(s->e, w, s->b);
    }
    if (w->t == 0)
        s->finite = finite;
}

/* The sum of the output, for a graph without a loss. */
static double output_sum(const struct lockstep_model *m)
{
    const struct ls_node *n = m->graph.output;
    const float *at = m->engine.act + n->y.offset + n->y.halo * LK_PANEL;
    double sum = 0.0;

    for (size_t i = 0; i < n->features; i++)
        sum += (double)at[ls_at(n, n->y, 0, i)];
    return sum;
}

/* The mean loss, or the sum of the output of a graph without data. */
static double objective(const struct lockstep_model *m)
{
    const struct ls_shards shards = ls_shards_of(m->rows, m->engine.shards);

    if (m->graph.loss)
        return ls_mean_loss(&shards, m->loss);
    return m->graph.input ? 0.0 : output_sum(m);
}

/* Run the batch of lockstep_set in a mode: by owners, whose rows lie in one block and can be read afterwards. */
static enum lockstep_status run_single(struct lockstep_model *m, enum ls_mode mode, double *loss,
                                       struct lockstep_error *err)
{
    const struct ls_node *end = m->graph.loss ? m->graph.loss : m->graph.output;
    const bool known = m->labelled || !end->labelled;
    struct ls_batch b = {.source = {.floats = m->input, .label = m->labelled ? m->label : NULL, .rows = m->rows},
                         .mode = mode,
                         .loss = m->loss,
                         .hit = m->hit,
                         .step = (uint32_t)m->steps};
    const enum ls_reduce reduce = m->engine.reduce;
    struct single s = {&m->engine, &b, true};
    unsigned host_fpenv;

    if (!m->rows)
        return ls_fail(err, LOCKSTEP_E_USAGE, "input: not set (call lockstep_set with \"input\" first)");
    if (mode != LS_FORWARD && !known)
        return ls_fail(err, LOCKSTEP_E_USAGE, "label: not set (call lockstep_set with \"label\" after \"input\")");
    host_fpenv = lk_fpenv_enter();
    m->engine.optim->scalars(&m->recipe, m->recipe.lr, m->steps + 1, &b.optim);
    m->engine.reduce = LS_OWNERS;
    ls_team_run(m->engine.threads, single_worker, &s);
    m->engine.reduce = reduce;
    if (loss)
        *loss = known ? objective(m) : 0.0;
    lk_fpenv_leave(host_fpenv);
    m->forwarded = true;
    m->differentiated = mode == LS_GRADIENT;
    if (mode == LS_TRAIN && !s.finite)
        return ls_fail(err, LOCKSTEP_E_NONFINITE, "loss: not finite at step %zu (a smaller lr may help)", m->steps + 1);
    m->steps += mode == LS_TRAIN;
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_forward(struct lockstep_model *m, double *loss, struct lockstep_error *err)
{
    return run_single(m, LS_FORWARD, loss, err);
}

enum lockstep_status lockstep_backward(struct lockstep_model *m, double *loss, struct lockstep_error *err)
{
    return run_single(m, LS_GRADIENT, loss, err);
}

enum lockstep_status lockstep_step(struct lockstep_model *m, double *loss, struct lockstep_error *err)
{
    return run_single(m, LS_TRAIN, loss, err);
}
