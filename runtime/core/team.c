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
    atomic_fetch_add(&b->sleepers, 1);
    while (atomic_load(&b->phase) == old)
        futex(&b->phase, FUTEX_WAIT, old);
    atomic_fetch_sub(&b->sleepers, 1);
}

void ls_team_run(unsigned threads, ls_work_fn *fn, void *arg)
{
    struct ls_barrier barrier = {0};

#pragma omp parallel num_threads((int)threads)
    {
        struct ls_worker w = {
            .t = (unsigned)omp_get_thread_num(), .T = (unsigned)omp_get_num_threads(), .barrier = &barrier};

        w.host_fpenv = lk_fpenv_enter();
        fn(arg, &w);
        lk_fpenv_leave(w.host_fpenv);
    }
}
