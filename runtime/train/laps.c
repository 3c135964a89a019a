/* SPDX-License-Identifier: MIT */
#include "train/laps.h"

#include "core/mem.h"
#include "train/cost.h"

#include <stdlib.h>

/* ---- what works there are, in the order of a step ---- */

static void append(struct ls_laps *l, const struct ls_engine *e, size_t node, enum ls_phase phase)
{
    if (ls_cost_any(e, &e->g->node[node], phase))
        l->item[l->items++] = (struct ls_item){node, phase};
}

static void list_works(struct ls_laps *l, const struct ls_engine *e)
{
    const size_t n = e->g->n;

    for (size_t i = 0; i < n; i++)
        append(l, e, i, LS_PHASE_FORWARD);
    for (size_t i = n; i-- > 0;) {
        append(l, e, i, LS_PHASE_BRANCHES);
        append(l, e, i, LS_PHASE_BACKWARD);
    }
    for (size_t i = 0; i < n; i++)
        for (int phase = LS_PHASE_GRAD; phase < LS_PHASES; phase++)
            append(l, e, i, (enum ls_phase)phase);
}

/* ---- memory ---- */

enum lockstep_status ls_laps_init(struct ls_laps *l, const struct ls_engine *e, size_t room, struct lockstep_error *err)
{
    const size_t T = e->threads, laps = e->g->n * LS_PHASES;

    *l = (struct ls_laps){.room = room};
    l->item = ls_alloc(laps, sizeof *l->item, err);
    if (!l->item)
        return err->status;
    list_works(l, e);
    if (!(l->clock = ls_alloc(T, sizeof *l->clock, err)) || !(l->lap = ls_alloc(T * laps, sizeof *l->lap, err)) ||
        !(l->samples = ls_alloc(T, sizeof *l->samples, err)) ||
        !(l->ns = ls_alloc(T * (l->items + 2) * room, sizeof *l->ns, err)) ||
        !(l->skipped = ls_alloc(T * l->items, sizeof *l->skipped, err)))
        return err->status;
    for (size_t t = 0; t < T; t++)
        l->clock[t].lap = l->lap + t * laps;
    return LOCKSTEP_OK;
}

void ls_laps_free(struct ls_laps *l)
{
    ls_free(l->item);
    ls_free(l->clock);
    ls_free(l->lap);
    ls_free(l->samples);
    ls_free(l->ns);
    ls_free(l->skipped);
}

/* ---- samples ---- */

/* Of worker t: its samples of row i. */
static float *row_of(const struct ls_laps *l, size_t t, size_t i)
{
    return l->ns + (t * (l->items + 2) + i) * l->room;
}

static uint64_t reset(struct ls_lap *lap)
{
    const uint64_t ns = lap->ns;

    *lap = (struct ls_lap){0};
    return ns;
}

void ls_laps_take(struct ls_laps *l, const struct ls_worker *w)
{
    struct ls_clock *clock = &l->clock[w->t];
    const size_t sample = l->samples[w->t]++;
    const uint64_t wait = reset(&clock->wait);
    uint64_t step = wait + reset(&clock->rest);

    for (size_t i = 0; i < l->items; i++) {
        struct ls_lap *lap = &clock->lap[l->item[i].node * LS_PHASES + l->item[i].phase];

        l->skipped[w->t * l->items + i] += (double)lap->skipped;
        step += lap->ns;
        row_of(l, w->t, i)[sample] = (float)reset(lap);
    }
    row_of(l, w->t, l->items)[sample] = (float)wait;
    row_of(l, w->t, l->items + 1)[sample] = (float)step;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

double ls_median_seconds(float *ns, size_t n)
{
    qsort(ns, n, sizeof *ns, by_value);
    return ((double)ns[(n - 1) / 2] + (double)ns[n / 2]) / 2.0 * 1e-9;
}

/* Of the means of T workers, which take the place of worker 0's samples. */
static double median(struct ls_laps *l, unsigned T, size_t i)
{
    const size_t n = l->samples[0];
    float *mean = row_of(l, 0, i);

    for (size_t s = 0; s < n; s++) {
        for (unsigned t = 1; t < T; t++)
            mean[s] += row_of(l, t, i)[s];
        mean[s] /= (float)T;
    }
    return n ? ls_median_seconds(mean, n) : 0.0;
}

double ls_laps_item(struct ls_laps *l, unsigned T, size_t item)
{
    return median(l, T, item);
}

double ls_laps_waiting(struct ls_laps *l, unsigned T)
{
    return median(l, T, l->items);
}

double ls_laps_step(struct ls_laps *l, unsigned T)
{
    return median(l, T, l->items + 1);
}

double ls_laps_skipped(const struct ls_laps *l, unsigned T, size_t item)
{
    double sum = 0.0;

    for (unsigned t = 0; t < T; t++)
        sum += l->skipped[t * l->items + item];
    return l->samples[0] ? sum / (double)l->samples[0] : 0.0;
}
