/* SPDX-License-Identifier: MIT
 * Where the time of a training step goes: steps with a clock for every worker in turn with steps without, on shuffled
 * rows as in training. */
#include "core/mem.h"
#include "core/rng.h"
#include "train/columns.h"
#include "train/evaluate.h"
#include "train/explained.h"

#include <string.h>

enum { STEPS_LEAST = 5, STEPS_MOST = 1000, WARM_UP = 3, PEAK_ROUNDS = 20, BANDWIDTH_ROUNDS = 5 };

struct run {
    struct lockstep_model *m;
    struct ls_findings found;
    double seconds;
    uint32_t *index;
    float *loss;
    uint8_t *hit;
    struct ls_probe_cell *cell;
    float *kept;     /* parameters and states from before */
    float *plain_ns; /* [STEPS_MOST]: of the steps without clocks */
    size_t steps;
    bool finite;
};

/* ---- memory ---- */

static size_t kept_arrays(const struct run *r)
{
    return 1 + r->m->engine.optim->states;
}

static float *kept_array(const struct run *r, size_t i)
{
    return i ? r->m->engine.state[i - 1] : r->m->engine.w;
}

static void keep(const struct run *r)
{
    const size_t n = r->m->graph.params;

    for (size_t i = 0; i < kept_arrays(r); i++)
        memcpy(r->kept + i * n, kept_array(r, i), n * sizeof(float));
}

static void restore(const struct run *r)
{
    const size_t n = r->m->graph.params;

    for (size_t i = 0; i < kept_arrays(r); i++)
        memcpy(kept_array(r, i), r->kept + i * n, n * sizeof(float));
    ls_engine_weights_changed(&r->m->engine);
}

/* All or E_MEMORY. */
static enum lockstep_status alloc_run(struct run *r, struct lockstep_error *err)
{
    const size_t batch = r->m->recipe.batch;

    if (!(r->index = ls_alloc(r->found.data->rows, sizeof *r->index, err)) ||
        !(r->loss = ls_alloc(batch, sizeof *r->loss, err)) || !(r->hit = ls_alloc(batch, 1, err)) ||
        !(r->cell = ls_alloc(r->m->engine.threads, sizeof *r->cell, err)) ||
        !(r->kept = ls_alloc(kept_arrays(r) * r->m->graph.params, sizeof *r->kept, err)) ||
        !(r->plain_ns = ls_alloc(STEPS_MOST, sizeof *r->plain_ns, err)))
        return err->status;
    return ls_laps_init(&r->found.laps, &r->m->engine, STEPS_MOST, err);
}

static void free_run(struct run *r)
{
    ls_free(r->index);
    ls_free(r->loss);
    ls_free(r->hit);
    ls_free(r->cell);
    ls_free(r->kept);
    ls_free(r->plain_ns);
    ls_laps_free(&r->found.laps);
}

/* ---- measuring, by the team ---- */

/* The peak is the best of those before and after the steps: the clock moves. */
static void measure_peak(struct run *r, struct ls_worker *w)
{
    const double peak = ls_peak(&r->m->engine.kernels.k, w, r->cell, PEAK_ROUNDS), barrier = ls_barrier_ns(w);

    if (w->t == 0) {
        r->found.limits.peak_gflops = peak;
        r->found.barrier_ns = barrier;
    }
}

/* Step t of the run; every whole batch of the data in turn. */
static struct ls_batch batch_of(const struct run *r, size_t t, bool clocked)
{
    const struct lockstep_recipe *c = &r->m->recipe;
    const struct lockstep_data *data = r->found.data;
    const size_t first = t % (data->rows / c->batch) * c->batch;
    struct ls_batch b = {.source = ls_data_source(data, r->index + first, c->batch),
                         .mode = LS_TRAIN,
                         .loss = r->loss,
                         .hit = r->hit,
                         .step = (uint32_t)(r->m->steps + t),
                         .clock = clocked ? r->found.laps.clock : NULL};

    r->m->engine.optim->scalars(c, c->lr, r->m->steps + t + 1, &b.optim);
    return b;
}

/* One step, begun together; worker 0 gets its nanoseconds. False when a loss is not finite. */
static bool timed_step(struct run *r, struct ls_worker *w, size_t t, bool clocked, float *ns)
{
    const struct ls_batch b = batch_of(r, t, clocked);
    uint64_t start;
    bool finite;

    ls_barrier_wait(w);
    start = ls_now();
    finite = ls_step(&r->m->engine, w, &b);
    if (w->t == 0)
        *ns = (float)(ls_now() - start);
    if (clocked)
        ls_laps_take(&r->found.laps, w);
    ls_barrier_wait(w);
    return finite;
}

/* So many steps of each kind as the time allows; the least where it is no number. */
static size_t steps_for(double seconds, float step_ns)
{
    const double n = seconds * 1e9 / (2.0 * (double)step_ns);

    return !(n > STEPS_LEAST) ? STEPS_LEAST : n > STEPS_MOST ? STEPS_MOST : (size_t)n;
}

/* False when a loss is not finite. */
static bool measure_steps(struct run *r, struct ls_worker *w)
{
    size_t t = 0;
    float ns = 0.0f;

    for (; t < WARM_UP; t++)
        if (!timed_step(r, w, t, false, &ns))
            return false;
    if (w->t == 0)
        r->steps = steps_for(r->seconds, ns);
    ls_barrier_wait(w);
    for (size_t i = 0; i < r->steps; i++) {
        if (!timed_step(r, w, t++, false, &r->plain_ns[i]) || !timed_step(r, w, t++, true, &ns))
            return false;
    }
    return true;
}

static void explain_worker(void *arg, struct ls_worker *w)
{
    struct run *r = arg;
    bool finite;

    ls_engine_join(&r->m->engine, w);
    measure_peak(r, w);
    if (w->t == 0)
        ls_columns_choose(&r->m->engine, r->found.barrier_ns, w->T);
    finite = measure_steps(r, w);
    measure_peak(r, w);
    if (w->t == 0) {
        r->finite = finite;
        r->found.threads = w->T;
    }
}

static enum lockstep_status measure(struct run *r, struct lockstep_error *err)
{
    static const bool all[LOCKSTEP_LEVELS] = {true, true, true, true};
    const struct ls_engine *e = &r->m->engine;

    if (ls_limits_measure(&r->found.limits, &e->kernels.k, e->threads, r->found.data, all, BANDWIDTH_ROUNDS, err))
        return err->status;
    keep(r);
    ls_shuffle(r->index, r->found.data->rows, r->m->recipe.seed, 1);
    r->m->forwarded = r->m->differentiated = false;
    ls_team_run(e->threads, explain_worker, r);
    restore(r);
    if (!r->finite)
        ls_fail(err, LOCKSTEP_E_NONFINITE, "explain: a loss is not finite while steps are timed (try a smaller lr)");
    return err->status;
}

enum lockstep_status lockstep_explain(struct lockstep_model *m, const struct lockstep_data *data, double seconds,
                                      struct lockstep_explained **out, struct lockstep_error *err)
{
    struct run r = {.m = m, .found = {.m = m, .data = data}, .seconds = seconds};

    *out = NULL;
    if (m->recipe.batch > data->rows)
        return ls_fail(err, LOCKSTEP_E_USAGE, "batch: expected at most the %zu rows of the data, got %zu", data->rows,
                       m->recipe.batch);
    if (ls_data_check(m, data, err))
        return err->status;
    ls_model_choose_skip(m, data);
    err->status = LOCKSTEP_OK;
    if (!alloc_run(&r, err) && !measure(&r, err) && !ls_explained_new(&r.found, out, err))
        (*out)->plain_seconds = ls_median_seconds(r.plain_ns, r.steps);
    free_run(&r);
    return err->status;
}
