/* SPDX-License-Identifier: MIT */
#include "train/cost.h"

#include "train/columns.h"
#include "train/probe.h"

static bool has_params(const struct ls_node *n)
{
    return n->n_params && n->on_path;
}

bool ls_cost_any(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase)
{
    switch (phase) {
    case LS_PHASE_FORWARD:
        return n->forward;
    case LS_PHASE_BRANCHES:
        return n->n_extra;
    case LS_PHASE_BACKWARD:
        return n->backward;
    case LS_PHASE_ADD:
        return has_params(n) && e->shards > 1;
    default:
        return has_params(n);
    }
}

/* ---- sizes, in bytes ---- */

/* One row of a value or of its gradient. */
static double value(const struct ls_node *n)
{
    return n->op->loss ? sizeof(float) : (double)(lk_panels(n->channels) * LK_PANEL * n->length * sizeof(float));
}

/* One row of the inputs, or with `wanted` of those whose gradient is computed. */
static double inputs(const struct ls_node *n, bool wanted)
{
    double sum = 0.0;

    for (size_t k = 0; k < n->n_inputs; k++)
        sum += !wanted || n->wants_dx[k] ? value(n->input[k]) : 0.0;
    return sum;
}

static double params(const struct ls_node *n)
{
    size_t floats = 0;

    for (size_t k = 0; k < n->n_params; k++)
        floats += ls_param_floats(&n->param[k]);
    return (double)(floats * sizeof(float));
}

static double transposed(const struct ls_node *n)
{
    size_t floats = 0;

    for (size_t k = 0; k < n->n_params; k++)
        floats += n->param[k].transposed ? ls_transposed_floats(&n->param[k]) : 0;
    return (double)(floats * sizeof(float));
}

/* ---- rows phase ---- */

size_t ls_cost_blocks(const struct ls_flow *f)
{
    const size_t shard = (f->rows + f->e->shards - 1) / f->e->shards;

    return f->e->shards * ((shard + f->e->g->block - 1) / f->e->g->block);
}

/* Of a step: with owners every worker has a part of every block. */
static double calls(const struct ls_flow *f)
{
    return (double)(ls_cost_blocks(f) * (f->e->reduce == LS_OWNERS ? f->threads : 1));
}

size_t ls_cost_columns(const struct ls_flow *f, const struct ls_node *n, enum ls_phase phase)
{
    const size_t features = phase == LS_PHASE_FORWARD    ? n->features
                            : phase == LS_PHASE_BACKWARD ? n->input[0]->features
                                                         : 0;

    return f->e->reduce == LS_OWNERS && ls_columns_shared(f->e, n, features, f->threads) ? features : 0;
}

bool ls_cost_whole(const struct ls_flow *f, const struct ls_node *n, enum ls_phase phase)
{
    return n == f->e->g->input && phase == LS_PHASE_FORWARD && f->e->reduce == LS_OWNERS &&
           ls_columns_own_input(f->e, f->threads);
}

/* Of a row: FLOPs, what is read for each of its columns, what is read beside them, what is written. */
struct row {
    double flops, read, beside, written;
};

/* Shared by rows, each call reads all weights; by columns each reads all rows, and its weights. */
static struct ls_cost rows_cost(const struct ls_flow *f, const struct row *r, double weights, bool columns)
{
    const double rows = (double)f->rows, blocks = (double)ls_cost_blocks(f), parts = calls(f) / blocks;
    const double read = columns ? parts * r->read : r->read, weights_read = columns ? blocks : calls(f);

    return (struct ls_cost){.flops = rows * r->flops,
                            .read = rows * (read + r->beside) + weights_read * weights,
                            .written = rows * r->written,
                            .held = (rows * (read + r->beside + r->written) + weights_read * weights) / calls(f)};
}

/* A loss may write the gradient of its input at once. */
static struct ls_cost forward(const struct ls_flow *f, const struct ls_node *n)
{
    const double gradient = n->op->loss && !n->op->backward ? inputs(n, true) : 0.0;
    const struct row r = {.flops = (double)n->flops, .read = inputs(n, false), .written = value(n) + gradient};
    struct ls_cost c = rows_cost(f, &r, params(n), ls_cost_columns(f, n, LS_PHASE_FORWARD));

    if (n == f->e->g->input) {
        const double copies = ls_cost_whole(f, n, LS_PHASE_FORWARD) ? f->threads : 1.0;

        c.source = copies * (double)(f->rows * n->features);
        c.written *= copies;
        c.held *= copies;
    }
    return c;
}

static struct ls_cost branches(const struct ls_flow *f, const struct ls_node *n)
{
    const struct row r = {.read = (double)n->n_extra * value(n)};
    struct ls_cost c = rows_cost(f, &r, 0.0, false);

    c.updated = 2.0 * (double)f->rows * r.read;
    return c;
}

static struct ls_cost backward(const struct ls_flow *f, const struct ls_node *n)
{
    const struct row r = {.flops = (double)(n->flops * (size_t)(n->wants_dx[0] + n->wants_dx[1])),
                          .read = n->op->loss ? inputs(n, false) : value(n),
                          .beside = n->dx_act != LK_ACT_NONE ? value(n->input[0]) : 0.0,
                          .written = inputs(n, true)};

    return rows_cost(f, &r, transposed(n), ls_cost_columns(f, n, LS_PHASE_BACKWARD));
}

/* ---- gradient phase ---- */

/* Values and gradients of the rows; what is added to them stays near. */
static struct ls_cost grad(const struct ls_flow *f, const struct ls_node *n)
{
    const double rows = (double)f->rows, block = rows / (double)ls_cost_blocks(f);
    const double workers = f->e->reduce == LS_OWNERS ? f->threads : 1;

    return (struct ls_cost){.flops = rows * (double)n->flops,
                            .read = rows * (inputs(n, false) + value(n)),
                            .held = block * (inputs(n, false) / workers + value(n)) + params(n) / workers};
}

static struct ls_cost add(const struct ls_flow *f, const struct ls_node *n)
{
    const double times = (double)(f->e->shards - 1);

    return (struct ls_cost){
        .read = times * params(n), .updated = 2.0 * times * params(n), .held = 2.0 * params(n) / f->threads};
}

static struct ls_cost update(const struct ls_flow *f, const struct ls_node *n)
{
    const double kept = (1.0 + f->e->optim->states) * params(n);

    return (struct ls_cost){
        .updated = 2.0 * kept, .written = transposed(n), .held = (kept + transposed(n)) / f->threads};
}

struct ls_cost ls_cost_of(const struct ls_flow *f, const struct ls_node *n, enum ls_phase phase)
{
    static struct ls_cost (*const of[LS_PHASES])(const struct ls_flow *, const struct ls_node *) = {
        [LS_PHASE_FORWARD] = forward, [LS_PHASE_BRANCHES] = branches, [LS_PHASE_BACKWARD] = backward,
        [LS_PHASE_GRAD] = grad,       [LS_PHASE_ADD] = add,           [LS_PHASE_UPDATE] = update};

    return of[phase](f, n);
}

/* ---- the roof ---- */

double ls_cost_bytes(const struct ls_cost *c)
{
    return c->source + c->read + c->written + c->updated;
}

/* L1 and L2 are a worker's own, L3 is one for all. */
enum lockstep_level ls_cost_level(const struct ls_flow *f, const struct ls_cost *c)
{
    if (c->held <= (double)ls_cache_bytes(LOCKSTEP_L1))
        return LOCKSTEP_L1;
    if (c->held <= (double)ls_cache_bytes(LOCKSTEP_L2))
        return LOCKSTEP_L2;
    return c->held * f->threads <= (double)ls_cache_bytes(LOCKSTEP_L3) ? LOCKSTEP_L3 : LOCKSTEP_DRAM;
}

/* As many reads as writes at the speed of a copy, the rest at that of what is left. */
static double memory_ns(const struct ls_cost *c, const struct lockstep_bandwidth *b)
{
    const double copied = c->read < c->written ? c->read : c->written;

    return c->updated / b->update + 2.0 * copied / b->copy + (c->read - copied) / b->read +
           (c->written - copied) / b->write;
}

struct ls_roof ls_cost_roof(const struct ls_flow *f, const struct ls_cost *c, double flops_done,
                            const struct ls_limits *limits)
{
    static const char *const name[LOCKSTEP_LEVELS] = {"L1", "L2", "L3", "DRAM"};
    const enum lockstep_level level = ls_cost_level(f, c);
    const double data_ns = limits->data_read > 0.0 ? c->source / limits->data_read : 0.0;
    const double bytes_ns = data_ns + memory_ns(c, &limits->memory[level]);
    const double flops_ns = flops_done / limits->peak_gflops;

    if (flops_ns >= bytes_ns)
        return (struct ls_roof){flops_ns > 0.0 ? "FMA" : "", flops_ns * 1e-9};
    return (struct ls_roof){data_ns > bytes_ns / 2.0 ? "data" : name[level], bytes_ns * 1e-9};
}
