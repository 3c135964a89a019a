/* SPDX-License-Identifier: MIT
 * The steps of an epoch, computed once or twice, in rounds of some of the workers. */
#include "train/lr.h"
#include "train/run.h"

/* Is step t computed twice? */
static bool verified(const struct ls_run *r, size_t t)
{
    return r->m->verify && !((t + 1) % r->m->verify);
}

/* Is each work of step t, with so many rows, timed? Evenly spread steps are, of whole batches computed once by all. */
static bool timed(const struct ls_run *r, size_t t, size_t rows)
{
    const size_t steps = r->batches * r->m->recipe.epochs, apart = (steps + LS_RUN_SAMPLES - 1) / LS_RUN_SAMPLES;

    return r->events->explain && t % apart == 0 && rows == r->m->recipe.batch && !verified(r, t) &&
           r->pace.now == r->pace.most;
}

/* Batch `step` of the epoch; t counts all steps of the run. */
static struct ls_batch batch_of(const struct ls_run *r, size_t step, size_t t)
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

/* Worker 0, before step t: has the caller asked to stop after it? The others learn by the barriers of the step. */
static void poll_stop(struct ls_run *r, long t)
{
    if (r->events->stop && *r->events->stop && atomic_load_explicit(&r->stop_after, memory_order_relaxed) == LS_NO_STOP)
        atomic_store_explicit(&r->stop_after, t, memory_order_relaxed);
}

static bool stopped(struct ls_run *r, long t)
{
    const long after = atomic_load_explicit(&r->stop_after, memory_order_relaxed);

    return after != LS_NO_STOP && after <= t;
}

/* Workers meet for a step that is computed twice. False when the loss is not finite. */
static bool run_twice(struct ls_run *r, const struct ls_crew *c)
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
static bool run_step(struct ls_run *r, const struct ls_crew *c, size_t t, const struct ls_batch *b)
{
    if (!verified(r, t))
        return ls_step(&r->m->engine, c->first, b);
    if (c->all->t == 0)
        r->twice = *b;
    ls_barrier_wait(c->all);
    return run_twice(r, c);
}

void ls_run_second(struct ls_run *r, const struct ls_crew *c)
{
    for (ls_barrier_wait(c->all); !r->ended; ls_barrier_wait(c->all))
        run_twice(r, c);
}

void ls_run_end_second(struct ls_run *r, const struct ls_crew *c)
{
    if (c->all->t == 0)
        r->ended = true;
    if (r->m->verify)
        ls_barrier_wait(c->all);
}

/* A step of the epoch; false when the run ends with it: stopped, not finite, or not the same twice. */
static bool run_counted(struct ls_run *r, const struct ls_crew *c, struct ls_account *a, size_t step)
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
        ls_account_step(r, w, a, &b);
        a->steps++;
        a->workers += w->T;
        r->steps_done = t + 1;
    }
    return !stopped(r, (long)t);
}

/* Steps [first, end) of the epoch. */
static bool run_round(struct ls_run *r, const struct ls_crew *c, struct ls_account *a, size_t first, size_t end)
{
    const unsigned met = c->first->phase;
    bool more = true;

    while (more && first < end)
        more = run_counted(r, c, a, first++);
    a->barriers += c->first->phase - met;
    return more;
}

/* The part of the team that the pace wants runs a round. */
static void run_paced(struct ls_run *r, const struct ls_crew *c, struct ls_account *a, size_t first, size_t end)
{
    struct ls_worker w = ls_team_part(c->first, r->pace.now);
    const struct ls_crew part = {.all = c->all, .first = &w};
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
static void set_pace(struct ls_run *r, size_t steps)
{
    const double others = r->pace.now > 1 ? r->pace.now - 1 : 1;
    const size_t wanted = ls_pace_steps(&r->pace);

    if (steps == (wanted < r->batches ? wanted : r->batches))
        ls_pace_round(&r->pace, r->round_ns / (double)steps, r->slept_ns / r->round_ns / others, ls_now());
}

bool ls_run_steps(struct ls_run *r, const struct ls_crew *c, struct ls_account *a)
{
    if (r->pace.most == 1) {
        const bool more = run_round(r, c, a, 0, r->batches);

        ls_barrier_wait(c->first); /* worker 0 still reads what the others report of the last step */
        return more;
    }
    for (size_t first = 0, end; first < r->batches; first = end) {
        const size_t rest = r->batches - first, steps = ls_pace_steps(&r->pace);

        end = first + (steps < rest ? steps : rest);
        if (c->first->t < r->pace.now)
            run_paced(r, c, a, first, end);
        ls_barrier_wait(c->first);
        if (!r->more)
            return false;
        if (c->first->t == 0)
            set_pace(r, end - first);
        ls_barrier_wait(c->first);
    }
    return true;
}
