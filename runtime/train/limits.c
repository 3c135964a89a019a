/* SPDX-License-Identifier: MIT */
#include "train/limits.h"

#include "core/mem.h"

struct run {
    struct ls_limits *limits;
    const struct lk_kernels *k;
    const struct lockstep_data *data;
    const bool *wanted;
    int rounds;
    struct ls_probe_cell *cell;
    float *memory;
};

static void measure(void *arg, struct ls_worker *w)
{
    const struct run *r = arg;
    const double data_read = ls_read_rate(r->k, w, r->cell, r->data, r->rounds);

    if (w->t == 0)
        r->limits->data_read = data_read;
    for (int i = 0; i < LOCKSTEP_LEVELS; i++) {
        struct lockstep_bandwidth b;

        if (!r->wanted[i])
            continue;
        b = ls_bandwidth(r->k, w, r->cell, r->memory, (enum lockstep_level)i, r->rounds);
        if (w->t == 0)
            r->limits->memory[i] = b;
    }
}

/* Bytes that the wanted levels need for one worker. */
static size_t memory_bytes(const bool wanted[LOCKSTEP_LEVELS], unsigned threads)
{
    size_t most = 0;

    for (int i = 0; i < LOCKSTEP_LEVELS; i++) {
        const size_t bytes = wanted[i] ? ls_level_bytes((enum lockstep_level)i, threads) : 0;

        most = bytes > most ? bytes : most;
    }
    return most + LS_LEVEL_SLACK;
}

enum lockstep_status ls_limits_measure(struct ls_limits *l, const struct lk_kernels *k, unsigned threads,
                                       const struct lockstep_data *data, const bool wanted[LOCKSTEP_LEVELS], int rounds,
                                       struct lockstep_error *err)
{
    struct run r = {l, k, data, wanted, rounds, ls_alloc(threads, sizeof *r.cell, err), NULL};

    r.memory = r.cell ? ls_alloc(threads, memory_bytes(wanted, threads), err) : NULL;
    if (r.memory)
        ls_team_run(threads, measure, &r);
    ls_free(r.cell);
    if (!r.memory)
        return err->status;
    ls_free(r.memory);
    return LOCKSTEP_OK;
}
