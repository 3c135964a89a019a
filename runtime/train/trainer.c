/* SPDX-License-Identifier: MIT
 * Training: epochs of steps in one parallel region, from the first batch to the last evaluation. */
#include "core/mem.h"
#include "core/rng.h"
#include "train/columns.h"
#include "train/evaluate.h"
#include "train/explained.h"
#include "train/pace.h"
#include "train/verify.h"

#include <stdatomic.h>
#include <string.h>

enum { NO_STOP = -1, PEAK_ROUNDS_FIRST = 30, PEAK_ROUNDS = 10, SAMPLES = 100, BANDWIDTH_ROUNDS = 3 };

struct run {
    struct lockstep_model *m;
    const struct lockstep_data *train, *test;
    const struct lockstep_events *events;
    uint32_t *index; /* rows of the epoch in order */
    float *loss[2];  /* by parity of the step, so that one is read while the other is written */
    uint8_t *hit[2];
    struct ls_pass eval;
    struct ls_probe_cell *cell;
    size_t batches, steps_done;
    double peak, barrier_ns;
    uint64_t told;          /* last progress */
    atomic_long stop_after; /* step of the run, or NO_STOP */
    bool finite;

    struct ls_verify verify;
    struct ls_batch twice; /* the step that all workers of the region are to compute twice */
    bool same;             /* ... and its bits */
    bool ended;            /* no more of them */

    struct ls_pace pace;       /* of how many workers run the steps */
    double round_ns, slept_ns; /* of their last round; of all of them at its barriers */
    bool more;                 /* the run goes on behind it */

    struct ls_findings found; /* for events->explain */
};

/* A worker of the region, and in the teams of the two engines: `second` only with --verify. NULL: in none. */
struct crew {
    struct ls_worker *all, *first, *second;
};

/* Is step t computed twice? */
static bool verified(const struct run *r, size_t t)
{
    return r->m->verify && !((t + 1) % r->m->verify);
}

/* Is each work of step t, with so many rows, timed? Evenly spread steps are, of whole batches computed once by all. */
static bool timed(const struct run *r, size_t t, size_t rows)
{
    const size_t steps = r->batches * r->m->recipe.epochs, apart = (steps + SAMPLES - 1) / SAMPLES;

    return r->events->explain && t % apart == 0 && rows == r->m->recipe.batch && !verified(r, t) &&
           r->pace.now == r->pace.most;
}

/* Batch `step` of the epoch; t counts all steps of the run. */
static struct ls_batch batch_of(const struct run *r, size_t step, size_t t)
{
    const struct lockstep_recipe *c = &r->m->recipe;
    const size_t first = step * c->batch, rest = r->train->rows - first;
    struct ls_batch b = {.source = ls_data_source(r->train, r->index + first, rest < c->batch ? rest : c->batch),
                         .mode = LS_TRAIN,
                         .loss = r->loss[t & 1],
                         .hit = r->hit[t & 1],
                         .step = (uint32_t)(r->m->steps + t)};
    const double lr = ls_lr(r->m->lr_rule, c->lr, c->warmup, t, r->batches * c->epochs);

    if (timed(r, t, b.source.rows))
        b.clock = r->found.laps.clock;
    r->m->engine.optim->scalars(c, lr, r->m->steps + t + 1, &b.optim);
    return b;
}

static void tell_progress(const struct run *r, struct ls_worker *w, const struct lockstep_progress *p)
{
    lk_fpenv_leave(w->host_fpenv);
    r->events->progress(r->events->user, p);
    lk_fpenv_enter();
}

/* What worker 0 keeps during an epoch. */
struct account {
    size_t epoch, rows;
    double loss;                     /* sum over rows */
    double skipped;                  /* multiply-adds left out */
    size_t steps, workers, barriers; /* workers: sum over the steps; barriers of all of them */
    uint64_t start;
    struct lockstep_counts counts;
};

/* The running counters now. */
static struct lockstep_counts counters(void)
{
    return (struct lockstep_counts){.regions = ls_team_regions(), .allocations = ls_mem_allocations()};
}

/* After the steps of an epoch: from the counters at its start to what the steps did. */
static void count_steps(const struct run *r, struct account *a)
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
static double effective_gflops(const struct run *r, const struct account *a, double s)
{
    return (double)r->m->graph.flops_train * (double)a->rows / s * 1e-9;
}

static double gflops(const struct run *r, const struct account *a, double s)
{
    return effective_gflops(r, a, s) - 2.0 * a->skipped / s * 1e-9;
}

/* Worker 0, after a step: the loss, and what the caller hears. */
static void account_step(struct run *r, struct ls_worker *w, struct account *a, const struct ls_batch *b)
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

static void tell_epoch(const struct run *r, struct ls_worker *w, const struct account *a, uint64_t end, uint64_t now)
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

/* Worker 0, before step t: has the caller asked to stop after it? The others learn by the barriers of the step. */
static void poll_stop(struct run *r, long t)
{
    if (r->events->stop && *r->events->stop && atomic_load_explicit(&r->stop_after, memory_order_relaxed) == NO_STOP)
        atomic_store_explicit(&r->stop_after, t, memory_order_relaxed);
}

static bool stopped(struct run *r, long t)
{
    const long after = atomic_load_explicit(&r->stop_after, memory_order_relaxed);

    return after != NO_STOP && after <= t;
}

/* Workers meet for a step that is computed twice. False when the loss is not finite. */
static bool run_twice(struct run *r, const struct crew *c)
{
    bool finite = true, same;

    ls_verify_take(&r->verify, c->all);
    if (c->first)
        finite = ls_step(&r->m->engine, c->first, &r->twice);
    if (c->second)
        ls_verify_step(&r->verify, c->second, &r->twice);
    same = ls_verify_same(&r->verify, c->all);
    if (c->all->t == 0)
        r->same = same;
    return finite && same;
}

/* Step t: false when it ends the run. */
static bool run_step(struct run *r, const struct crew *c, size_t t, const struct ls_batch *b)
{
    if (!verified(r, t))
        return ls_step(&r->m->engine, c->first, b);
    if (c->all->t == 0)
        r->twice = *b;
    ls_barrier_wait(c->all);
    return run_twice(r, c);
}

/* A worker of the second team only, and what lets it go. */
static void run_second(struct run *r, const struct crew *c)
{
    for (ls_barrier_wait(c->all); !r->ended; ls_barrier_wait(c->all))
        run_twice(r, c);
}

static void end_second(struct run *r, const struct crew *c)
{
    if (c->all->t == 0)
        r->ended = true;
    if (r->m->verify)
        ls_barrier_wait(c->all);
}

/* A step of the epoch; false when the run ends with it: stopped, not finite, or not the same twice. */
static bool run_counted(struct run *r, const struct crew *c, struct account *a, size_t step)
{
    struct ls_worker *w = c->first;
    const size_t t = (a->epoch - 1) * r->batches + step;
    const struct ls_batch b = batch_of(r, step, t);

    if (w->t == 0)
        poll_stop(r, (long)t);
    if (!run_step(r, c, t, &b)) {
        if (w->t == 0)
            r->finite = false;
        return false;
    }
    if (b.clock)
        ls_laps_take(&r->found.laps, w);
    if (w->t == 0) {
        account_step(r, w, a, &b);
        a->steps++;
        a->workers += w->T;
        r->steps_done = t + 1;
    }
    return !stopped(r, (long)t);
}

/* Steps [first, end) of the epoch. */
static bool run_round(struct run *r, const struct crew *c, struct account *a, size_t first, size_t end)
{
    const unsigned met = c->first->phase;
    bool more = true;

    while (more && first < end)
        more = run_counted(r, c, a, first++);
    a->barriers += c->first->phase - met;
    return more;
}

/* The part of the team that the pace wants runs a round. */
static void run_part(struct run *r, const struct crew *c, struct account *a, size_t first, size_t end)
{
    struct ls_worker w = ls_team_part(c->first, r->pace.now);
    const struct crew part = {.all = c->all, .first = &w};
    uint64_t start, slept;
    bool more;

    ls_engine_join(&r->m->engine, &w);
    start = ls_now();
    slept = ls_team_slept(&w);
    more = run_round(r, &part, a, first, end);
    if (w.t == 0) {
        r->more = more;
        r->round_ns = (double)(ls_now() - start);
        r->slept_ns = (double)(ls_team_slept(&w) - slept);
    }
}

/* Worker 0: what a round tells the pace, unless the end of the epoch cut it short. */
static void set_pace(struct run *r, size_t steps)
{
    const double others = r->pace.now > 1 ? r->pace.now - 1 : 1;
    const size_t wanted = ls_pace_steps(&r->pace);

    if (steps == (wanted < r->batches ? wanted : r->batches))
        ls_pace_round(&r->pace, r->round_ns / (double)steps, r->slept_ns / r->round_ns / others, ls_now());
}

/* The steps of an epoch; false when the run ends with one. */
static bool run_steps(struct run *r, const struct crew *c, struct account *a)
{
    if (r->pace.most == 1)
        return run_round(r, c, a, 0, r->batches);
    for (size_t first = 0, end; first < r->batches; first = end) {
        const size_t rest = r->batches - first, steps = ls_pace_steps(&r->pace);

        end = first + (steps < rest ? steps : rest);
        if (c->first->t < r->pace.now)
            run_part(r, c, a, first, end);
        ls_barrier_wait(c->first);
        if (!r->more)
            return false;
        if (c->first->t == 0)
            set_pace(r, end - first);
        ls_barrier_wait(c->first);
    }
    return true;
}

/* More rounds of the peak probe, and the barrier; worker 0 keeps the results. */
static void probe(struct run *r, struct ls_worker *w, int rounds)
{
    const double peak = ls_peak(&r->m->engine.kernels.k, w, r->cell, rounds), barrier = ls_barrier_ns(w);

    if (w->t == 0) {
        r->peak = peak;
        r->barrier_ns = barrier;
    }
}

static void tell_start(const struct run *r, struct ls_worker *w)
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

/* All epochs, on the first team. */
static void run_epochs(struct run *r, const struct crew *c)
{
    struct ls_engine *e = &r->m->engine;
    struct ls_worker *w = c->first;

    ls_engine_join(e, w);
    probe(r, w, PEAK_ROUNDS_FIRST);
    if (w->t == 0) {
        ls_pace_init(&r->pace, r->m->verify || !ls_threads_dynamic() ? 1 : w->T);
        r->found.threads = w->T;
        tell_start(r, w);
    }
    for (size_t epoch = 1; epoch <= r->m->recipe.epochs; epoch++) {
        struct account a = {.epoch = epoch};
        uint64_t end, evaluated;

        if (w->t == 0) {
            ls_columns_choose(e, r->barrier_ns, w->T);
            ls_shuffle(r->index, r->train->rows, r->m->recipe.seed, (uint32_t)epoch);
        }
        ls_barrier_wait(w);
        a.counts = counters();
        a.start = ls_now();
        if (!run_steps(r, c, &a))
            return;
        end = ls_now();
        count_steps(r, &a);
        if (r->test) {
            ls_pass_run(e, w, &r->eval, NULL, NULL);
            ls_barrier_wait(w);
        }
        evaluated = ls_now();
        probe(r, w, PEAK_ROUNDS);
        if (w->t == 0)
            tell_epoch(r, w, &a, end, evaluated);
    }
}

static void train_worker(void *arg, struct ls_worker *w)
{
    struct run *r = arg;
    const unsigned first = r->m->engine.threads, second = r->verify.second.threads; /* 0: no --verify */
    const bool second_larger = second > first;
    struct ls_worker part;
    struct crew c = {w, second_larger ? NULL : w, second_larger ? w : NULL};

    if (w->t < (second_larger ? first : second)) {
        part = ls_team_part(w, second_larger ? first : second);
        *(second_larger ? &c.first : &c.second) = &part;
    }
    if (c.second)
        ls_engine_join(&r->verify.second, c.second);
    if (!c.first) {
        run_second(r, &c);
        return;
    }
    run_epochs(r, &c);
    ls_engine_join(&r->m->engine, c.first); /* all of the team once more: what is told afterwards is of it */
    end_second(r, &c);
}

static enum lockstep_status alloc_run(struct run *r, struct lockstep_error *err)
{
    const size_t batch = r->m->recipe.batch;

    r->index = ls_alloc(r->train->rows, sizeof *r->index, err);
    r->cell = r->index ? ls_alloc(r->m->engine.threads, sizeof *r->cell, err) : NULL;
    if (!r->cell)
        return err->status;
    for (int i = 0; i < 2; i++) {
        r->loss[i] = ls_alloc(batch, sizeof(float), err);
        r->hit[i] = r->loss[i] ? ls_alloc(batch, 1, err) : NULL;
        if (!r->hit[i])
            return err->status;
    }
    if ((r->test && ls_pass_alloc(&r->eval, r->test, err)) ||
        (r->events->explain && ls_laps_init(&r->found.laps, &r->m->engine, SAMPLES, err)))
        return err->status;
    return r->m->verify ? ls_verify_init(&r->verify, &r->m->engine, batch, err) : LOCKSTEP_OK;
}

static void free_run(struct run *r)
{
    ls_free(r->index);
    ls_free(r->cell);
    for (int i = 0; i < 2; i++) {
        ls_free(r->loss[i]);
        ls_free(r->hit[i]);
    }
    ls_pass_free(&r->eval);
    ls_laps_free(&r->found.laps);
    ls_verify_free(&r->verify);
}

/* Behind the training: what its sampled steps tell. */
static void tell_explained(struct run *r)
{
    const struct ls_engine *e = &r->m->engine;
    bool level[LOCKSTEP_LEVELS] = {false};
    struct lockstep_explained *explained;
    struct lockstep_error err;

    r->found.limits.peak_gflops = r->peak;
    r->found.barrier_ns = r->barrier_ns;
    ls_findings_levels(&r->found, level);
    if (ls_limits_measure(&r->found.limits, &e->kernels.k, e->threads, r->train, level, BANDWIDTH_ROUNDS, &err) ||
        ls_explained_new(&r->found, &explained, &err))
        return;
    r->events->explain(r->events->user, explained);
    lockstep_explained_free(explained);
}

/* Workers of the region: the larger of the two teams. */
static unsigned region_threads(const struct run *r)
{
    const unsigned first = r->m->engine.threads, second = r->verify.second.threads;

    return first > second ? first : second;
}

enum lockstep_status lockstep_train(struct lockstep_model *m, const struct lockstep_data *train,
                                    const struct lockstep_data *test, const struct lockstep_events *events,
                                    struct lockstep_error *err)
{
    static const struct lockstep_events silent;
    struct run r = {.m = m,
                    .train = train,
                    .test = test,
                    .events = events ? events : &silent,
                    .finite = true,
                    .same = true,
                    .found = {.m = m, .data = train}};

    if (m->recipe.batch > train->rows)
        return ls_fail(err, LOCKSTEP_E_USAGE, "batch: expected at most the %zu rows of the data, got %zu", train->rows,
                       m->recipe.batch);
    if (ls_data_check(m, train, err) || (test && ls_data_check(m, test, err)))
        return err->status;
    ls_model_choose_skip(m, train);
    r.batches = (train->rows + m->recipe.batch - 1) / m->recipe.batch;
    r.told = ls_now();
    atomic_init(&r.stop_after, NO_STOP);
    err->status = LOCKSTEP_OK;
    if (!alloc_run(&r, err)) {
        m->forwarded = m->differentiated = false;
        ls_team_run(region_threads(&r), train_worker, &r);
        m->steps += r.steps_done;
        if (!r.same)
            ls_verify_fail(&r.verify, r.steps_done + 1, r.steps_done / r.batches + 1, err);
        else if (!r.finite)
            ls_fail(err, LOCKSTEP_E_NONFINITE,
                    "training stopped: the loss of step %zu (epoch %zu) is not finite; the weights are those before it "
                    "(try a smaller lr)",
                    r.steps_done + 1, r.steps_done / r.batches + 1);
        else if (!ls_engine_finite(&m->engine))
            ls_fail(err, LOCKSTEP_E_NONFINITE,
                    "training stopped: weights are not finite after step %zu (try a smaller lr)", r.steps_done);
        else if (r.events->explain)
            tell_explained(&r);
    }
    free_run(&r);
    return err->status;
}
