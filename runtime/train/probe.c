/* SPDX-License-Identifier: MIT */
#include "train/probe.h"

/* What a worker does in a round: n times one thing; how much that was. */
struct probe {
    double (*run)(const struct probe *p, size_t n);
    const struct lk_kernels *k;
    const float *x; /* of this worker, floats of them */
    float *y;       /* the same, to be written */
    size_t floats;
};

/* Amount per nanosecond of a round that all workers have finished. */
static double round_rate(const struct ls_probe_cell *cell, unsigned T)
{
    uint64_t start = cell[0].start, end = cell[0].end;
    double done = 0.0;

    for (unsigned t = 0; t < T; t++) {
        start = cell[t].start < start ? cell[t].start : start;
        end = cell[t].end > end ? cell[t].end : end;
        done += cell[t].done;
    }
    return done / (double)(end - start);
}

/* The n that takes about a millisecond, at least 1. */
static size_t millisecond_of(const struct probe *p)
{
    const uint64_t half_ms = 500000;

    for (size_t n = 1;; n *= 2) {
        uint64_t t = ls_now();

        p->run(p, n);
        if (ls_now() - t >= half_ms)
            return n;
    }
}

static double best_rate(const struct probe *p, struct ls_worker *w, struct ls_probe_cell *cell, int rounds)
{
    struct ls_probe_cell *own = &cell[w->t];

    if (w->t == 0)
        own->n = millisecond_of(p);
    for (int i = 0; i < rounds; i++) {
        double rate;

        ls_barrier_wait(w);
        own->start = ls_now();
        own->done = p->run(p, cell[0].n);
        own->end = ls_now();
        ls_barrier_wait(w);
        rate = round_rate(cell, w->T);
        own->best = rate > own->best ? rate : own->best;
    }
    ls_barrier_wait(w);
    return own->best;
}

static double run_fma(const struct probe *p, size_t n)
{
    return p->k->peak_fma(n);
}

static double run_clock(const struct probe *p, size_t n)
{
    return p->k->peak_clock(n);
}

static double run_read(const struct probe *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p->k->peak_read(p->floats, p->x);
    return (double)(n * p->floats * sizeof(float));
}

static double run_write(const struct probe *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p->k->peak_write(p->floats, 1.0f, p->y);
    return (double)(n * p->floats * sizeof(float));
}

/* The first half to the second: as many bytes read and written together as in the others. */
static double run_copy(const struct probe *p, size_t n)
{
    const size_t half = p->floats / 2;

    for (size_t i = 0; i < n; i++)
        p->k->peak_copy(half, p->x, p->y + half);
    return (double)(n * 2 * half * sizeof(float));
}

static double run_update(const struct probe *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p->k->peak_copy(p->floats, p->x, p->y);
    return (double)(n * 2 * p->floats * sizeof(float));
}

double ls_peak(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell, int rounds)
{
    return best_rate(&(struct probe){.run = run_fma, .k = k}, w, cell, rounds);
}

/* The same without what the cell remembers. */
static double fresh_rate(const struct probe *p, struct ls_worker *w, struct ls_probe_cell *cell, int rounds)
{
    cell[w->t].best = 0.0;
    return best_rate(p, w, cell, rounds);
}

size_t ls_cache_bytes(enum lockstep_level level)
{
    static const size_t usual[] = {32 << 10, 1 << 20, 16 << 20};
    const size_t bytes = lk_cpu_cache((int)level + 1);

    return bytes ? bytes : usual[level];
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t ls_level_bytes(enum lockstep_level level, unsigned T)
{
    const size_t l3 = ls_cache_bytes(LOCKSTEP_L3), line = 64, most = (size_t)1 << 30;
    size_t bytes;

    if (level < LOCKSTEP_L3)
        bytes = ls_cache_bytes(level) / 2;
    else if (level == LOCKSTEP_L3)
        bytes = larger(l3 / 2 / T, 2 * ls_cache_bytes(LOCKSTEP_L2));
    else /* not all threads need share one L3 */
        bytes = larger(4 * l3 / T, l3 / 2 < most / T ? l3 / 2 : most / T);
    return bytes / (2 * line) * (2 * line);
}

/* Peak and clock in turn: the clock moves. */
static void measure_core(struct lockstep_rates *r, const struct lk_kernels *k, struct ls_worker *w,
                         struct ls_probe_cell *cell)
{
    const struct probe fma = {.run = run_fma, .k = k}, clock = {.run = run_clock, .k = k};

    for (int i = 0; i < 16; i++) {
        const double gflops = fresh_rate(&fma, w, cell, 2), ghz = fresh_rate(&clock, w, cell, 2) / w->T;

        r->peak_gflops = gflops > r->peak_gflops ? gflops : r->peak_gflops;
        r->clock_ghz = ghz > r->clock_ghz ? ghz : r->clock_ghz;
    }
}

struct lockstep_bandwidth ls_bandwidth(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell,
                                       float *memory, enum lockstep_level level, int rounds)
{
    const size_t floats = ls_level_bytes(level, w->T) / sizeof(float);
    struct probe p = {.k = k, .x = memory + w->t * floats, .y = memory + w->t * floats, .floats = floats};
    struct lockstep_bandwidth b;

    p.run = run_write; /* first: what is only read may never get memory of its own */
    b.write = fresh_rate(&p, w, cell, rounds);
    p.run = run_read;
    b.read = fresh_rate(&p, w, cell, rounds);
    p.run = run_copy;
    b.copy = fresh_rate(&p, w, cell, rounds);
    p.run = run_update;
    b.update = fresh_rate(&p, w, cell, rounds);
    return b;
}

double ls_read_rate(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell,
                    const struct lockstep_data *data, int rounds)
{
    const size_t odd = (uintptr_t)data->x % sizeof(float), before = odd ? sizeof(float) - odd : 0;
    const size_t all = data->rows * data->channels * data->length, bytes = all > before ? all - before : 0;
    struct probe p = {.run = run_read, .k = k};
    size_t first, end;

    ls_span(bytes / sizeof(float), w->T, w->t, &first, &end);
    p.x = (const float *)(const void *)(data->x + before) + first; /* only its bits count */
    p.floats = end - first;
    return fresh_rate(&p, w, cell, rounds);
}

struct lockstep_rates ls_rates(const struct lk_kernels *k, struct ls_worker *w, struct ls_probe_cell *cell,
                               float *memory)
{
    enum { ROUNDS = 5 };
    struct lockstep_rates r = {0};

    measure_core(&r, k, w, cell);
    for (int level = LOCKSTEP_L1; level < LOCKSTEP_LEVELS; level++)
        r.memory[level] = ls_bandwidth(k, w, cell, memory, (enum lockstep_level)level, ROUNDS);
    return r;
}
