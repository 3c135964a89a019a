/* SPDX-License-Identifier: MIT */
#include "runtime.h"

#include "core/mem.h"
#include "data/data.h"
#include "graph/graph.h"
#include "train/evaluate.h"
#include "train/model.h"
#include "train/probe.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

const char *bench_level_name(enum lockstep_level level)
{
    static const char *const name[LOCKSTEP_LEVELS] = {"L1", "L2", "L3", "DRAM"};

    return name[level];
}

void bench_digits(size_t rows, uint8_t *x)
{
    for (size_t i = 0; i < rows; i++)
        ls_digits_draw(LOCKSTEP_TRAIN, i, x + i * LS_DIGITS_SIDE * LS_DIGITS_SIDE);
}

size_t bench_level_bytes(enum lockstep_level level)
{
    return ls_level_bytes(level, 1);
}

size_t bench_cache_bytes(enum lockstep_level level)
{
    return 2 * ls_level_bytes(level, 1);
}

struct roof {
    const struct lk_kernels *k;
    enum lockstep_level level;
    float *memory;
    double peak;
    struct lockstep_bandwidth bandwidth;
};

static void peak_worker(void *arg, struct ls_worker *w)
{
    struct ls_probe_cell cell = {0};
    struct roof *r = arg;

    r->peak = ls_peak(r->k, w, &cell, 5);
}

double bench_peak(const struct lk_kernels *k)
{
    struct roof r = {.k = k};

    ls_team_run(1, peak_worker, &r);
    return r.peak;
}

static void bandwidth_worker(void *arg, struct ls_worker *w)
{
    struct ls_probe_cell cell = {0};
    struct roof *r = arg;

    r->bandwidth = ls_bandwidth(r->k, w, &cell, r->memory, r->level, 4);
}

struct lockstep_bandwidth bench_bandwidth(const struct lk_kernels *k, enum lockstep_level level)
{
    static float *memory; /* touched once, kept */
    struct lockstep_error err;
    struct roof r = {.k = k, .level = level};

    if (!memory)
        memory = ls_alloc(1, bench_level_bytes(LOCKSTEP_DRAM), &err);
    must(memory);
    r.memory = memory;
    ls_team_run(1, bandwidth_worker, &r);
    return r.bandwidth;
}

unsigned bench_threads(void)
{
    return ls_threads_default();
}

const uint8_t *bench_data_bytes(const struct lockstep_data *data)
{
    return data->x;
}

struct bench_steps {
    struct lockstep_model *m;
    const struct lockstep_data *data;
    uint32_t *index;
    float *loss;
    uint8_t *hit;
    struct ls_probe_cell *cell;
    size_t batch, next; /* first row of the next step */
    size_t steps;
    uint64_t start, end;
    double peak;
};

/* All rows in an order without two neighbours. */
static void scatter(uint32_t *index, size_t rows)
{
    const size_t prime = 7919;

    for (size_t i = 0; i < rows; i++)
        index[i] = (uint32_t)(i * prime % rows);
}

struct bench_steps *bench_steps_open(const char *model, const struct lockstep_recipe *recipe,
                                     const struct lockstep_options *options, const struct lockstep_data *data,
                                     struct lockstep_error *err)
{
    const size_t batch = recipe->batch;
    struct bench_steps *s = ls_alloc(1, sizeof *s, err);

    must(s);
    s->data = data;
    s->batch = batch;
    if (lockstep_model_new(model, data->channels, data->length, data->classes, recipe, options, &s->m, err)) {
        bench_steps_close(s);
        return NULL;
    }
    ls_model_choose_skip(s->m, data);
    s->index = ls_alloc(data->rows, sizeof *s->index, err);
    s->loss = ls_alloc(batch, sizeof *s->loss, err);
    s->hit = ls_alloc(batch, sizeof *s->hit, err);
    s->cell = ls_alloc(s->m->engine.threads, sizeof *s->cell, err);
    must(s->index && s->loss && s->hit && s->cell);
    scatter(s->index, data->rows);
    return s;
}

void bench_steps_close(struct bench_steps *s)
{
    lockstep_model_free(s->m);
    ls_free(s->index);
    ls_free(s->loss);
    ls_free(s->hit);
    ls_free(s->cell);
    ls_free(s);
}

struct lk_kernels *bench_steps_kernels(struct bench_steps *s)
{
    return &s->m->engine.kernels.k;
}

double bench_steps_loss(const struct bench_steps *s)
{
    const struct ls_shards shards = ls_shards_of(s->batch, s->m->engine.shards);

    return ls_mean_loss(&shards, s->loss);
}

double bench_steps_flops(const struct bench_steps *s)
{
    return (double)s->m->graph.flops_train * (double)s->batch;
}

static void steps_worker(void *arg, struct ls_worker *w)
{
    enum { ROUNDS = 4 };
    struct bench_steps *s = arg;
    struct lockstep_model *m = s->m;
    size_t row = s->next;

    s->cell[w->t].best = 0.0;
    ls_engine_join(&m->engine, w);
    ls_peak(&m->engine.kernels.k, w, s->cell, ROUNDS);
    if (w->t == 0)
        s->start = ls_now();
    for (size_t i = 0; i < s->steps; i++) {
        struct ls_batch b = {.source = ls_data_source(s->data, s->index + row, s->batch),
                             .mode = LS_TRAIN,
                             .loss = s->loss,
                             .hit = s->hit,
                             .step = (uint32_t)(m->steps + i)};

        m->engine.optim->scalars(&m->recipe, m->recipe.lr, m->steps + i + 1, &b.optim);
        ls_step(&m->engine, w, &b);
        row = row + 2 * s->batch <= s->data->rows ? row + s->batch : 0;
    }
    if (w->t == 0)
        s->end = ls_now();
    const double peak = ls_peak(&m->engine.kernels.k, w, s->cell, ROUNDS);
    if (w->t == 0) {
        s->peak = peak;
        s->next = row;
    }
}

void bench_steps_run(struct bench_steps *s, size_t steps, double *seconds, double *peak_gflops)
{
    s->steps = steps;
    ls_team_run(s->m->engine.threads, steps_worker, s);
    s->m->steps += steps;
    *seconds = (double)(s->end - s->start) * 1e-9;
    *peak_gflops = s->peak;
}
