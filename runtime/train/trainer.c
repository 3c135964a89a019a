/* SPDX-License-Identifier: MIT
 * Training: epochs of steps in one parallel region, from the first batch to the last evaluation. */
#include "core/mem.h"
#include "core/rng.h"
#include "train/columns.h"
#include "train/run.h"

enum { PEAK_ROUNDS_FIRST = 30, PEAK_ROUNDS = 10, BANDWIDTH_ROUNDS = 3 };

/* More rounds of the peak probe, and the barrier; worker 0 keeps the results. */
static void probe(struct ls_run *r, struct ls_worker *w, int rounds)
{
    const double peak = ls_peak(&r->m->engine.kernels.k, w, r->cell, rounds), barrier = ls_barrier_ns(w);

    if (w->t == 0) {
        r->peak = peak;
        r->barrier_ns = barrier;
    }
}

/* All epochs, on the first team. */
static void run_epochs(struct ls_run *r, const struct ls_crew *c)
{
    struct ls_engine *e = &r->m->engine;
    struct ls_worker *w = c->first;

    ls_engine_join(e, w);
    probe(r, w, PEAK_ROUNDS_FIRST);
    if (w->t == 0) {
        ls_pace_init(&r->pace, r->m->verify || !ls_threads_dynamic() ? 1 : w->T);
        r->found.threads = w->T;
        ls_tell_start(r, w);
    }
    for (size_t epoch = 1; epoch <= r->m->recipe.epochs; epoch++) {
        struct ls_account a = {.epoch = epoch};
        uint64_t end, evaluated;

        if (w->t == 0) {
            ls_columns_choose(e, r->barrier_ns, w->T);
            ls_shuffle(r->index, r->train->rows, r->m->recipe.seed, (uint32_t)epoch);
        }
        ls_barrier_wait(w);
        ls_account_begin(&a);
        if (!ls_run_steps(r, c, &a))
            return;
        end = ls_now();
        ls_account_end(r, &a);
        if (r->test) {
            ls_pass_run(e, w, &r->eval, NULL, NULL);
            ls_barrier_wait(w);
        }
        evaluated = ls_now();
        probe(r, w, PEAK_ROUNDS);
        if (w->t == 0)
            ls_tell_epoch(r, w, &a, end, evaluated);
    }
}

static void train_worker(void *arg, struct ls_worker *w)
{
    struct ls_run *r = arg;
    const unsigned first = r->m->engine.threads, second = r->verify.second.threads; /* 0: no --verify */
    const bool second_larger = second > first;
    struct ls_worker part;
    struct ls_crew c = {w, second_larger ? NULL : w, second_larger ? w : NULL};

    if (w->t < (second_larger ? first : second)) {
        part = ls_team_part(w, second_larger ? first : second);
        *(second_larger ? &c.first : &c.second) = &part;
    }
    if (c.second)
        ls_engine_join(&r->verify.second, c.second);
    if (!c.first) {
        ls_run_second(r, &c);
        return;
    }
    run_epochs(r, &c);
    ls_engine_join(&r->m->engine, c.first); /* all of the team once more: what is told afterwards is of it */
    ls_run_end_second(r, &c);
}

static enum lockstep_status alloc_run(struct ls_run *r, struct lockstep_error *err)
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
        (r->events->explain && ls_laps_init(&r->found.laps, &r->m->engine, LS_RUN_SAMPLES, err)))
        return err->status;
    return r->m->verify ? ls_verify_init(&r->verify, &r->m->engine, batch, err) : LOCKSTEP_OK;
}

static void free_run(struct ls_run *r)
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
static void tell_explained(struct ls_run *r)
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
static unsigned region_threads(const struct ls_run *r)
{
    const unsigned first = r->m->engine.threads, second = r->verify.second.threads;

    return first > second ? first : second;
}

enum lockstep_status lockstep_train(struct lockstep_model *m, const struct lockstep_data *train,
                                    const struct lockstep_data *test, const struct lockstep_events *events,
                                    struct lockstep_error *err)
{
    static const struct lockstep_events silent;
    struct ls_run r = {.m = m,
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
    atomic_init(&r.stop_after, LS_NO_STOP);
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
