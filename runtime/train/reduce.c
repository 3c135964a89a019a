/* SPDX-License-Identifier: MIT */
#include "train/reduce.h"

#include "core/mem.h"
#include "graph/plan.h"
#include "train/probe.h"

/* Handover between two threads, ns: no dearer than L3; where near ends, far begins, a worker must have slept. */
static const double handover_l3 = 20.0, handover_near = 75.0, handover_far = 100.0, handover_slept = 2500.0;
static const double handover_most = 300.0;    /* between sockets: what is above it is no transfer */
static const double lines_at_once = 16.0;     /* on their way to a core, in the stream of a block */
static const double lines_alone = 150.0;      /* at the begin of a block: nothing has fetched them ahead */
static const double copy_bytes_per_ns = 80.0; /* of a gradient, written or read */
static const double margin = 0.98;

static double handover(double barrier_ns, unsigned threads)
{
    return barrier_ns / threads;
}

bool ls_barrier_slept(double barrier_ns, unsigned threads)
{
    return handover(barrier_ns, threads) > handover_slept;
}

const char *ls_barrier_kind(double barrier_ns, unsigned threads)
{
    const double ns = handover(barrier_ns, threads);

    if (threads == 1)
        return "none";
    if (ls_barrier_slept(barrier_ns, threads))
        return "shared CPUs";
    return ns < handover_near ? "near" : ns > handover_far ? "far" : "between";
}

struct ls_load ls_load_of(const struct ls_graph *g, size_t batch, size_t shards, unsigned threads)
{
    return (struct ls_load){.threads = threads,
                            .shards = shards,
                            .batch = batch,
                            .block = ls_plan_rows(g, threads),
                            .own = ls_plan_rows(g, 1),
                            .values = g->activations / g->block,
                            .params = g->params,
                            .flops = g->flops_train,
                            .l3 = lk_cpu_cache(3)};
}

/* Bytes of the copies: a block of values and the gradients of at least one shard for each thread. */
static double copies_bytes(const struct ls_load *l)
{
    return 4.0 * l->threads * ((double)l->values * (double)l->own + (double)l->params);
}

bool ls_reduce_open(const struct ls_load *l, struct ls_choice *out)
{
    const double usual_l3 = 0x1p25;
    const char *why = l->threads == 1                                        ? "one thread"
                      : l->shards < l->threads                               ? "fewer shards than threads"
                      : copies_bytes(l) > (l->l3 ? (double)l->l3 : usual_l3) ? "the copies of replicas do not fit L3"
                                                                             : NULL;

    *out = (struct ls_choice){.reduce = LS_OWNERS, .why = why};
    return !why;
}

struct probe {
    struct ls_load *load;
    const struct lk_kernels *k;
    struct ls_probe_cell *cell;
};

static void probe_worker(void *arg, struct ls_worker *w)
{
    const struct probe *p = arg;
    const double barrier = ls_barrier_ns(w), peak = ls_peak(p->k, w, p->cell, 1);

    if (w->t == 0) {
        p->load->barrier_ns = barrier;
        p->load->gflops = peak;
    }
}

enum lockstep_status ls_load_measure(struct ls_load *load, const struct lk_kernels *k, struct lockstep_error *err)
{
    struct probe p = {load, k, ls_alloc(load->threads, sizeof *p.cell, err)};

    if (!p.cell)
        return err->status;
    ls_team_run(load->threads, probe_worker, &p);
    ls_free(p.cell);
    return LOCKSTEP_OK;
}

/* What so many floats cost that a worker reads from the others, and lines that come one by one. Workers that share a
 * CPU share its cache. */
static double crossing(const struct ls_load *l, double floats, double alone)
{
    const double ns = handover(l->barrier_ns, l->threads), capped = ns < handover_most ? ns : handover_most;
    const double lines = floats / LK_PANEL * (1.0 - 1.0 / l->threads);

    return ns < handover_slept && capped > handover_l3 ? (lines / lines_at_once + alone) * (capped - handover_l3) : 0.0;
}

/* Of a step of all rows by all threads. */
static double work(const struct ls_load *l)
{
    return (double)l->batch * (double)l->flops / l->gflops;
}

static double owners(const struct ls_load *l)
{
    const size_t shard = (l->batch + l->shards - 1) / l->shards;
    const size_t blocks = l->shards * ((shard + l->block - 1) / l->block);

    return work(l) + 2.0 * (double)blocks * l->barrier_ns +
           crossing(l, (double)l->batch * (double)l->values, lines_alone * (double)blocks);
}

static double replicas(const struct ls_load *l)
{
    const size_t most = (l->shards + l->threads - 1) / l->threads;
    const double copy = 2.0 * 4.0 * (double)l->params / copy_bytes_per_ns;

    return work(l) * (double)(most * l->threads) / (double)l->shards + 2.0 * l->barrier_ns + copy +
           crossing(l, (double)l->params, 0.0);
}

struct ls_choice ls_reduce_choose(const struct ls_load *l)
{
    struct ls_choice c;

    if (!ls_reduce_open(l, &c))
        return c;
    c.why = "predicted";
    c.barrier_ns = l->barrier_ns;
    c.owners_ns = owners(l);
    c.replicas_ns = replicas(l);
    c.reduce = c.replicas_ns < margin * c.owners_ns ? LS_REPLICAS : LS_OWNERS;
    return c;
}
