/* SPDX-License-Identifier: MIT
 * What a training counts, and what its caller hears. */
#include "core/mem.h"
#include "train/run.h"

/* The running counters now. */
static struct lockstep_counts counters(void)
{
    return (struct lockstep_counts){.regions = ls_team_regions(), .allocations = ls_mem_allocations()};
}

void ls_account_begin(struct ls_account *a)
{
    a->counts = counters();
    a->start = ls_now();
}

void ls_account_end(const struct ls_run *r, struct ls_account *a)
{
    const struct ls_graph *g = &r->m->graph;
    const struct lockstep_counts start = a->counts, end = counters();

    a->counts = (struct lockstep_counts){.flops = g->flops_train * a->rows,
                                         .packed_bytes = g->transposed * sizeof(float) * r->batches,
                                         .regions = end.regions - start.regions,
                                         .barriers = a->barriers,
                                         .allocations = end.allocations - start.allocations,
                                         .peak_bytes = ls_mem_peak()};
}

static double seconds(uint64_t from, uint64_t to)
{
    return (double)(to - from) * 1e-9;
}

/* Of the matrix products: done, and as if no term was left out. */
static double effective_gflops(const struct ls_run *r, const struct ls_account *a, double s)
{
    return (double)r->m->graph.flops_train * (double)a->rows / s * 1e-9;
}

static double gflops(const struct ls_run *r, const struct ls_account *a, double s)
{
    return effective_gflops(r, a, s) - 2.0 * a->skipped / s * 1e-9;
}

static void tell_progress(const struct ls_run *r, struct ls_worker *w, const struct lockstep_progress *p)
{
    lk_fpenv_leave(w->host_fpenv);
    r->events->progress(r->events->user, p);
    lk_fpenv_enter();
}

void ls_account_step(struct ls_run *r, struct ls_worker *w, struct ls_account *a, const struct ls_batch *b)
{
    const struct ls_shards s = ls_shards_of(b->source.rows, r->m->engine.shards);
    const uint64_t now = ls_now(), tenth = 100000000;

    a->loss += ls_mean_loss(&s, b->loss) * (double)b->source.rows;
    a->rows += b->source.rows;
    a->skipped += (double)ls_step_skipped(&r->m->engine, w, b);
    if (r->events->progress && now - r->told >= tenth) {
        const double t = seconds(a->start, now);

        r->told = now;
        tell_progress(r, w,
                      &(struct lockstep_progress){.epoch = a->epoch,
                                                  .epochs = r->m->recipe.epochs,
                                                  .row = a->rows,
                                                  .rows = r->train->rows,
                                                  .loss = a->loss / (double)a->rows,
                                                  .seconds = t,
                                                  .gflops = gflops(r, a, t),
                                                  .peak_gflops = r->peak});
    }
}

void ls_tell_epoch(const struct ls_run *r, struct ls_worker *w, const struct ls_account *a, uint64_t end, uint64_t now)
{
    struct lockstep_epoch e = {.epoch = a->epoch,
                               .train_loss = a->loss / (double)a->rows,
                               .seconds = seconds(a->start, end),
                               .eval_seconds = seconds(end, now)};

    if (r->test)
        ls_pass_sum(&r->eval, &e.test_loss, &e.test_accuracy);
    e.samples_per_second = (double)a->rows / e.seconds;
    e.gflops = gflops(r, a, e.seconds);
    e.effective_gflops = effective_gflops(r, a, e.seconds);
    e.peak_share = e.gflops / r->peak;
    e.barrier_ns = r->barrier_ns;
    e.threads = (double)a->workers / (double)a->steps;
    e.counts = a->counts;
    if (!r->events->epoch)
        return;
    lk_fpenv_leave(w->host_fpenv);
    r->events->epoch(r->events->user, &e);
    lk_fpenv_enter();
}

void ls_tell_start(const struct ls_run *r, struct ls_worker *w)
{
    struct lockstep_start s = ls_model_start(r->m, w->T, r->barrier_ns, r->peak);

    if (s.verify) {
        s.verify_reduce = ls_reduce_name(r->verify.second.reduce);
        s.verify_threads = r->verify.second.threads;
    }
    if (!r->events->start)
        return;
    lk_fpenv_leave(w->host_fpenv);
    r->events->start(r->events->user, &s);
    lk_fpenv_enter();
}
