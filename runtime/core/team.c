/* SPDX-License-Identifier: MIT */
#include "core/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <omp.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Arrivals and the phase lie on lines of their own: arriving threads do not disturb the spinning ones. */
struct ls_barrier {
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint phase;
    _Alignas(64) atomic_uint sleepers;
    atomic_uint_fast64_t slept; /* nanoseconds, of all workers */
    _Alignas(64) double ns;     /* ls_barrier_ns: the best so far, by worker 0 */
    bool again;                 /* ... another round follows */
};

uint64_t ls_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void futex(atomic_uint *word, int op, unsigned value)
{
    syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Spin about 20 us; true when the phase has moved on. */
static bool spin(const atomic_uint *phase, unsigned old)
{
    enum { SPIN_NS = 20000, PAUSES = 32 };

    for (uint64_t end = 0;;) {
        for (int i = 0; i < PAUSES; i++) {
            if (atomic_load_explicit(phase, memory_order_acquire) != old)
                return true;
            lk_pause();
        }
        if (!end)
            end = ls_now() + SPIN_NS;
        else if (ls_now() > end)
            return false;
    }
}

void ls_barrier_wait(struct ls_worker *w)
{
    struct ls_barrier *b = w->barrier;
    const unsigned old = w->phase++;
    uint64_t start;

    if (w->T == 1)
        return;
    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) + 1 == w->T) {
        atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
        atomic_store(&b->phase, old + 1);
        if (atomic_load(&b->sleepers))
            futex(&b->phase, FUTEX_WAKE, INT_MAX);
        return;
    }
    if (spin(&b->phase, old))
        return;
    start = ls_now();
    atomic_fetch_add(&b->sleepers, 1);
    while (atomic_load(&b->phase) == old)
        futex(&b->phase, FUTEX_WAIT, old);
    atomic_fetch_sub(&b->sleepers, 1);
    atomic_fetch_add_explicit(&b->slept, ls_now() - start, memory_order_relaxed);
}

uint64_t ls_team_slept(const struct ls_worker *w)
{
    return atomic_load_explicit(&w->barrier->slept, memory_order_relaxed);
}

struct ls_worker ls_team_part(const struct ls_worker *w, unsigned threads)
{
    struct ls_barrier *part = w->barrier + 1;

    return (struct ls_worker){.t = w->t,
                              .T = threads < w->T ? threads : w->T,
                              .barrier = part,
                              .phase = atomic_load(&part->phase),
                              .host_fpenv = w->host_fpenv};
}

/*
 * Rounds of 1, 2, 4, ... barriers, as long as an oversubscribed team lets them grow. Only rounds of the longest length
 * count: in a short one worker 0 may come last, find the others there and pass at once.
 */
double ls_barrier_ns(struct ls_worker *w)
{
    enum { LONGEST = 256, ENOUGH = 64, TOTAL_NS = 1000000, MOST_NS = 4000000 };
    struct ls_barrier *b = w->barrier;
    const uint64_t begin = ls_now();
    unsigned n = 1;

    if (w->T == 1)
        return 0.0;
    do {
        uint64_t start;

        ls_barrier_wait(w);
        start = ls_now();
        for (unsigned i = 0; i < n; i++)
            ls_barrier_wait(w);
        if (w->t == 0) {
            const uint64_t now = ls_now();
            const double ns = (double)(now - start) / n;

            b->ns = n < LONGEST || b->ns == 0.0 || ns < b->ns ? ns : b->ns;
            b->again = now - begin < (n < ENOUGH ? MOST_NS : TOTAL_NS);
        }
        ls_barrier_wait(w);
        n = n < LONGEST ? 2 * n : n;
    } while (b->again);
    return b->ns;
}

static atomic_size_t regions;

size_t ls_team_regions(void)
{
    return atomic_load_explicit(&regions, memory_order_relaxed);
}

void ls_team_run(unsigned threads, ls_work_fn *fn, void *arg)
{
    struct ls_barrier barrier[2] = {0}; /* of the team, of a part of it */

    atomic_fetch_add_explicit(&regions, 1, memory_order_relaxed);
#pragma omp parallel num_threads((int)threads)
    {
        struct ls_worker w = {
            .t = (unsigned)omp_get_thread_num(), .T = (unsigned)omp_get_num_threads(), .barrier = barrier};

        w.host_fpenv = lk_fpenv_enter();
        fn(arg, &w);
        lk_fpenv_leave(w.host_fpenv);
    }
}
