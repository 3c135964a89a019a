/* SPDX-License-Identifier: MIT
 * Two steps of training; `step REDUCE planted` does them with a barrier that orders nothing (the linker puts the
 * functions below in place of the runtime's: --wrap): races to be reported. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "data/data.h"
#include "train/step.h"

/* __real_f: the function of the runtime; __wrap_f: what its callers get. */
__typeof__(ls_step) __real_ls_step, __wrap_ls_step;
__typeof__(ls_barrier_wait) __real_ls_barrier_wait, __wrap_ls_barrier_wait;

static bool planted;
static _Thread_local bool stepping;

bool __wrap_ls_step(struct ls_engine *e, struct ls_worker *w, const struct ls_batch *b)
{
    const unsigned phase = w->phase;
    bool finite;

    stepping = true;
    finite = __real_ls_step(e, w, b);
    stepping = false;
    if (planted)
        w->phase = phase; /* the team's barrier passed none of those */
    return finite;
}

/* All meet, but by relaxed atomics: what one wrote before is not made visible to the others. */
static void meet(struct ls_worker *w)
{
    static atomic_uint arrived;
    static _Thread_local unsigned rounds;
    const unsigned all = ++rounds * w->T;

    w->phase++;
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
    while (atomic_load_explicit(&arrived, memory_order_relaxed) < all)
        sched_yield();
}

void __wrap_ls_barrier_wait(struct ls_worker *w)
{
    if (stepping && planted)
        meet(w);
    else
        __real_ls_barrier_wait(w);
}

int main(int argc, char **argv)
{
    enum { ROWS = 64, SIDE = 6, CLASSES = 4 };
    static uint8_t x[ROWS * SIDE * SIDE], label[ROWS];
    const struct lockstep_data data = {
        .rows = ROWS, .channels = SIDE, .length = SIDE, .classes = CLASSES, .x = x, .label = label};
    const struct lockstep_options o = {
        .threads = 3, .isa = "ref", .reduce = argc > 1 ? argv[1] : NULL, .zero_skip = "on"};
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;
    int status;

    planted = argc > 2;
    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (uint8_t)(i * i);
    for (size_t i = 0; i < ROWS; i++)
        label[i] = i % CLASSES;
    lockstep_recipe_init(&r);
    r.batch = ROWS / 2;
    r.epochs = 1;
    r.shards = 4;
    status = lockstep_model_new("flatten | linear(20) | relu | linear(4)", SIDE, SIDE, CLASSES, &r, &o, &m, &err) ||
             lockstep_train(m, &data, NULL, NULL, &err);
    if (status)
        fprintf(stderr, "%s\n", err.text);
    lockstep_model_free(m);
    return status;
}
