/* SPDX-License-Identifier: MIT
 * The team: a barrier that holds when there are more threads than CPUs, spans, the floating-point environment. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "core/team.h"

enum { TEAM = 16, ROUNDS = 2000 };

/* ---- barrier ---- */

/* Workers count in; behind the barrier each must see all of them. Plain cells show that writes before are visible. Both
 * by the parity of the round: nobody can be two rounds ahead. */
struct rounds {
    atomic_uint count[2];
    atomic_uint wrong;
    atomic_uint ran; /* workers of the team */
    struct {
        _Alignas(64) unsigned round[2];
    } cell[TEAM];
};

static void round_worker(void *arg, struct ls_worker *w)
{
    struct rounds *r = arg;

    if (w->t == 0)
        atomic_store(&r->ran, w->T);
    for (unsigned i = 0; i < ROUNDS; i++) {
        r->cell[w->t].round[i % 2] = i;
        atomic_fetch_add_explicit(&r->count[i % 2], 1, memory_order_relaxed);
        ls_barrier_wait(w);
        if (atomic_load_explicit(&r->count[i % 2], memory_order_relaxed) != (i / 2 + 1) * w->T)
            atomic_fetch_add(&r->wrong, 1);
        for (unsigned t = 0; t < w->T; t++)
            if (r->cell[t].round[i % 2] != i)
                atomic_fetch_add(&r->wrong, 1);
    }
}

static void barrier_holds(void **state)
{
    (void)state;
    alarm(100); /* a hang is a failure */
    for (unsigned threads = 1; threads <= TEAM; threads++) {
        struct rounds r = {.wrong = 0};

        ls_team_run(threads, round_worker, &r);
        assert_int_equal(atomic_load(&r.ran), threads);
        assert_int_equal(atomic_load(&r.wrong), 0);
        assert_int_equal(atomic_load(&r.count[0]) + atomic_load(&r.count[1]), threads * ROUNDS);
    }
    alarm(0);
}

/* One worker comes late, so the others give up spinning and sleep: a voluntary switch each; all wake. */
struct late {
    atomic_uint passed, slept;
};

static long voluntary_switches(void)
{
    struct rusage u;

    getrusage(RUSAGE_THREAD, &u);
    return u.ru_nvcsw;
}

static void late_worker(void *arg, struct ls_worker *w)
{
    struct late *l = arg;

    for (int i = 0; i < 5; i++) {
        const bool late = w->t == (unsigned)i % w->T;
        const long before = voluntary_switches();

        if (late)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        ls_barrier_wait(w);
        if (!late && voluntary_switches() > before)
            atomic_fetch_add(&l->slept, 1);
    }
    atomic_fetch_add(&l->passed, 1);
}

static void barrier_sleeps_and_wakes(void **state)
{
    struct late l = {0};

    (void)state;
    alarm(100);
    ls_team_run(4, late_worker, &l);
    alarm(0);
    assert_int_equal(atomic_load(&l.passed), 4);
    assert_true(atomic_load(&l.slept) > 0);
}

/* Half of a team meets at its own barrier, more often than the whole meets. */
struct parts {
    struct rounds whole, part;
};

static void part_worker(void *arg, struct ls_worker *w)
{
    struct parts *p = arg;
    struct ls_worker part = {0};

    if (w->t < 2)
        part = ls_team_part(w, 2);
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned k = 0; w->t < 2 && k < 20; k++) {
            const unsigned n = 20 * i + k;

            atomic_fetch_add(&p->part.count[n % 2], 1);
            ls_barrier_wait(&part);
            if (part.T != 2 || part.t != w->t || atomic_load(&p->part.count[n % 2]) != (n / 2 + 1) * 2)
                atomic_fetch_add(&p->part.wrong, 1);
        }
        atomic_fetch_add(&p->whole.count[i % 2], 1);
        ls_barrier_wait(w);
        if (atomic_load(&p->whole.count[i % 2]) != (i / 2 + 1) * w->T)
            atomic_fetch_add(&p->whole.wrong, 1);
    }
}

static void a_part_meets_alone(void **state)
{
    struct parts p = {.whole.wrong = 0};

    (void)state;
    alarm(100);
    ls_team_run(4, part_worker, &p);
    alarm(0);
    assert_int_equal(atomic_load(&p.part.wrong), 0);
    assert_int_equal(atomic_load(&p.whole.wrong), 0);
    assert_int_equal(atomic_load(&p.part.count[0]), 2000);
}

/* ---- the probe ---- */

static void probe_worker(void *arg, struct ls_worker *w)
{
    double *ns = arg;

    for (int again = 0; again < 3; again++)
        ns[w->t] = ls_barrier_ns(w);
}

/* All workers hear the same, also when they are more than the CPUs. */
static void barrier_is_timed(void **state)
{
    (void)state;
    alarm(100);
    for (unsigned threads = 1; threads <= TEAM; threads++) {
        double ns[TEAM] = {0.0};

        ls_team_run(threads, probe_worker, ns);
        assert_int_equal(ns[0] > 0.0, threads > 1);
        for (unsigned t = 0; t < threads; t++)
            assert_true(ns[t] == ns[0]);
    }
    alarm(0);
}

static void one_worker_needs_no_team(void **state)
{
    struct ls_worker w = {.T = 1};

    (void)state;
    ls_barrier_wait(&w);
    assert_int_equal(w.phase, 1);
}

/* ---- spans ---- */

static void spans_cover(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 100; n++)
        for (size_t parts = 1; parts <= 20; parts++) {
            size_t at = 0;

            for (size_t i = 0; i < parts; i++) {
                size_t first, end;

                ls_span(n, parts, i, &first, &end);
                assert_int_equal(first, at);
                assert_in_range(end - first, n / parts, (n + parts - 1) / parts);
                at = end;
            }
            assert_int_equal(at, n);
        }
}

/* ---- the machine ---- */

static void defaults_are_sane(void **state)
{
    (void)state;
    assert_true(ls_threads_default() >= 1);
    assert_true(ls_cpus_online() >= 1);
    assert_in_range(ls_cpus_affinity(), 1, ls_cpus_online());
    assert_true(ls_threads_default() <= ls_cpus_affinity());
    assert_true(ls_cpus_quota() >= 0.0);
}

/* More threads than CPUs run only where OMP_DYNAMIC is false. */
static void no_more_threads_than_cpus(void **state)
{
    const struct {
        const char *dynamic;
        bool all;
    } cases[] = {{NULL, false}, {"true", false}, {"", false}, {"false", true}, {"FALSE", true}};
    const struct lockstep_options one = {.threads = 1}, many = {.threads = LS_THREADS_MAX};
    struct lockstep_error err;
    unsigned threads;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].dynamic)
            setenv("OMP_DYNAMIC", cases[i].dynamic, 1);
        else
            unsetenv("OMP_DYNAMIC");
        assert_int_equal(ls_threads(&many, &threads, &err), LOCKSTEP_OK);
        assert_int_equal(threads, cases[i].all ? LS_THREADS_MAX : ls_threads_default());
        assert_int_equal(!strcmp(ls_threads_why(&many), "as asked"),
                         cases[i].all || ls_threads_default() == LS_THREADS_MAX);
        assert_int_equal(ls_threads(&one, &threads, &err), LOCKSTEP_OK);
        assert_int_equal(threads, 1);
        assert_string_equal(ls_threads_why(&one), "as asked");
    }
}

static void clock_goes_forward(void **state)
{
    const uint64_t start = ls_now();
    uint64_t took;

    (void)state;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    took = ls_now() - start;
    assert_true(took >= 5000000 && took < 5000000000u);
}

/* ---- floating-point environment ---- */

enum { STICKY = 0x3f, DEFAULT = 0x1f80, FTZ = 0x8000, DAZ = 0x0040, ROUND_UP = 0x4000 };

struct environment {
    unsigned inside[TEAM], saved[TEAM];
    float tiny[TEAM]; /* FLT_MIN / 2: 0 under FTZ */
};

static void environment_worker(void *arg, struct ls_worker *w)
{
    struct environment *e = arg;
    volatile float least = 0x1p-126f;

    e->inside[w->t] = _mm_getcsr();
    e->saved[w->t] = w->host_fpenv;
    e->tiny[w->t] = least * 0.5f;
}

static void environment_is_set_and_restored(void **state)
{
    const unsigned before = _mm_getcsr(), odd = DEFAULT | ROUND_UP | 0x1; /* round up, one sticky flag */
    struct environment e;

    (void)state;
    memset(&e, 0xff, sizeof e);
    _mm_setcsr(odd);
    ls_team_run(4, environment_worker, &e);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);

    assert_int_equal(after, odd);
    assert_int_equal(e.saved[0], odd);
    for (int t = 0; t < 4; t++) {
        assert_int_equal(e.inside[t] & ~(unsigned)STICKY, DEFAULT | FTZ | DAZ);
        assert_true(e.tiny[t] == 0.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barrier_holds),
        cmocka_unit_test(barrier_sleeps_and_wakes),
        cmocka_unit_test(a_part_meets_alone),
        cmocka_unit_test(barrier_is_timed),
        cmocka_unit_test(one_worker_needs_no_team),
        cmocka_unit_test(spans_cover),
        cmocka_unit_test(defaults_are_sane),
        cmocka_unit_test(no_more_threads_than_cpus),
        cmocka_unit_test(clock_goes_forward),
        cmocka_unit_test(environment_is_set_and_restored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
