/* SPDX-License-Identifier: MIT
 * The pace: when a team becomes smaller and larger again; the same weights whatever it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/team.h"
#include "train/model.h"
#include "train/pace.h"

enum { ROWS = 60 };
#include "drawn_digits.h"

void __real_ls_pace_round(struct ls_pace *p, double step_ns, double slept, uint64_t now);
size_t __real_ls_pace_steps(const struct ls_pace *p);
void __wrap_ls_pace_round(struct ls_pace *p, double step_ns, double slept, uint64_t now);
size_t __wrap_ls_pace_steps(const struct ls_pace *p);

/* ---- the rule ---- */

static const double ms = 1e6;
enum { MS = 1000000 };

/* One round of a step of so many milliseconds ends at so many milliseconds. */
static unsigned round_at(struct ls_pace *p, double step, double slept, unsigned at)
{
    __real_ls_pace_round(p, step * ms, slept, (uint64_t)at * MS);
    return p->now;
}

static void undisturbed_stays(void **state)
{
    struct ls_pace p;

    (void)state;
    ls_pace_init(&p, 4);
    assert_int_equal(p.now, 4);
    assert_int_equal(__real_ls_pace_steps(&p), 1);
    assert_int_equal(round_at(&p, 9, 0.9, 10), 4); /* the first step of a run is slow */
    for (unsigned at = 40; at < 20000; at += 30)
        assert_int_equal(round_at(&p, 1, 0.2, at), 4);
    assert_int_equal(__real_ls_pace_steps(&p), 30);
    ls_pace_init(&p, 1);
    for (unsigned at = 40; at < 2000; at += 30)
        assert_int_equal(round_at(&p, 1, 0, at), 1);
}

/* A busy CPU: one fewer, tried again after 1, 2, 4, 8, 8 seconds; then the CPU is free. */
static void one_fewer_and_back(void **state)
{
    const unsigned wait[] = {1, 2, 4, 8, 8};
    struct ls_pace p;
    unsigned at = 100;

    (void)state;
    ls_pace_init(&p, 2);
    round_at(&p, 2, 0.5, 30);
    assert_int_equal(round_at(&p, 2, 0.5, 60), 1); /* a trial */
    assert_int_equal(round_at(&p, 1, 0, 90), 2);   /* faster: is it the CPU? */
    assert_int_equal(round_at(&p, 2, 0.5, at), 1); /* it is */
    for (size_t i = 0; i < sizeof wait / sizeof wait[0]; i++) {
        const unsigned end = at + 1000 * wait[i];

        for (at += 30; at < end; at += 30)
            assert_int_equal(round_at(&p, 1, 0, at), 1);
        assert_int_equal(round_at(&p, 1, 0, at), 2); /* is the CPU free again? */
        assert_int_equal(round_at(&p, 2, 0.5, at += 30), 1);
    }
    for (const unsigned end = at + 8000; at < end; at += 30)
        assert_int_equal(round_at(&p, 1, 0, at), 1);
    assert_int_equal(round_at(&p, 1, 0, at), 2);
    assert_int_equal(round_at(&p, 0.6, 0, at += 30), 2);
    assert_int_equal(round_at(&p, 0.6, 0, at += 30), 2);
}

/* A round slow by chance: the check behind the trial tells. Then no trial for two seconds. */
static void one_slow_round(void **state)
{
    struct ls_pace p;

    (void)state;
    ls_pace_init(&p, 2);
    round_at(&p, 1, 0, 30);
    assert_int_equal(round_at(&p, 3, 0.5, 60), 1); /* a trial */
    assert_int_equal(round_at(&p, 2, 0, 90), 2);   /* faster: is it the CPU? */
    assert_int_equal(round_at(&p, 1, 0, 120), 2);  /* no */
    for (unsigned at = 150; at < 2120; at += 30)
        assert_int_equal(round_at(&p, 3, 0.5, at), 2);
    assert_int_equal(round_at(&p, 3, 0.5, 2150), 1);
}

/* Workers that sleep because there is little to do are not fewer for long. */
static void sleep_alone_is_no_reason(void **state)
{
    unsigned fewer = 0, rounds = 0;
    struct ls_pace p;

    (void)state;
    ls_pace_init(&p, 3);
    for (unsigned at = 30; at < 60000; at += 30, rounds++)
        fewer += round_at(&p, p.now == 3 ? 1 : 0.98, 0.4, at) < 3;
    assert_in_range(fewer, 1, rounds / 100);
}

/* Two busy CPUs of four. */
static void two_fewer(void **state)
{
    struct ls_pace p;

    (void)state;
    ls_pace_init(&p, 4);
    for (unsigned at = 30; at < 3000; at += 30)
        round_at(&p, p.now > 2 ? 2 : p.now == 2 ? 1 : 1.6, p.now > 2 ? 0.5 : 0.02, at);
    assert_int_equal(p.now, 4); /* a team of three waits as much as one of four: no trial of it is any faster */
    for (unsigned at = 3000; at < 20000; at += 30)
        round_at(&p, p.now == 4 ? 2 : p.now == 3 ? 1.8 : p.now == 2 ? 1 : 1.6, p.now > 2 ? 0.5 : 0.02, at);
    assert_int_equal(p.now, 2);
}

/* Workers that always sleep a lot, and a CPU that is busy for ten seconds: all come back. */
static void back_in_spite_of_sleep(void **state)
{
    struct ls_pace p;

    (void)state;
    ls_pace_init(&p, 4);
    for (unsigned at = 30; at < 10000; at += 30)
        round_at(&p, p.now == 4 ? 2 : 4.0 / p.now, 0.4, at);
    assert_int_equal(p.now, 3);
    for (unsigned at = 10000; at < 40000; at += 30)
        round_at(&p, 4.0 / p.now, 0.4, at);
    while (p.round != LS_PACE_STEADY)
        round_at(&p, 4.0 / p.now, 0.4, 40000);
    assert_int_equal(p.now, 4);
}

/* ---- the same weights ---- */

static uint32_t drawn, rounds_run, sizes_seen;

static uint32_t draw_number(uint32_t below)
{
    uint32_t word[4];

    ls_philox(7, LS_STREAM_INIT, (uint32_t[4]){drawn++, 0, 0, 0}, word);
    return word[0] % below;
}

/* Any team, for one to three steps. */
void __wrap_ls_pace_round(struct ls_pace *p, double step_ns, double slept, uint64_t now)
{
    (void)slept;
    (void)now;
    assert_true(step_ns > 0.0);
    rounds_run++;
    sizes_seen |= 1u << p->now;
    p->now = 1 + draw_number(p->most);
    p->step_ns = 1 + draw_number(3);
}

size_t __wrap_ls_pace_steps(const struct ls_pace *p)
{
    return (size_t)p->step_ns > 0 ? (size_t)p->step_ns : 1;
}

static void digest(unsigned threads, const char *reduce, bool dynamic, char out[33])
{
    const struct lockstep_options o = {.threads = threads, .reduce = reduce};
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;

    lockstep_recipe_init(&r);
    r.batch = 7;
    r.epochs = 3;
    r.shards = 4;
    setenv("OMP_DYNAMIC", "false", 1);
    if (lockstep_model_new("input(28, 28) | flatten | linear(100) | relu | linear(70) | tanh | linear(10)", SIDE, SIDE,
                           10, &r, &o, &m, &err))
        fail_msg("%s", err.text);
    m->engine.columns_fixed = threads % 2;
    if (dynamic)
        unsetenv("OMP_DYNAMIC");
    if (lockstep_train(m, &digits, &digits, NULL, &err))
        fail_msg("%s", err.text);
    setenv("OMP_DYNAMIC", "false", 1);
    lockstep_model_digest(m, out);
    lockstep_model_free(m);
}

static void one_answer(void **state)
{
    static const char *const reduce[] = {"owners", "replicas"};
    char first[33], other[33];

    (void)state;
    digest(1, "owners", false, first);
    assert_int_equal(rounds_run, 0);
    for (int i = 0; i < 2; i++)
        for (unsigned threads = 2; threads <= 5; threads++) {
            rounds_run = sizes_seen = 0;
            digest(threads, reduce[i], true, other);
            assert_string_equal(first, other);
            assert_in_range(rounds_run, 6, 27);
            assert_true(sizes_seen & (sizes_seen - 1)); /* more than one */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undisturbed_stays),
        cmocka_unit_test(one_fewer_and_back),
        cmocka_unit_test(one_slow_round),
        cmocka_unit_test(sleep_alone_is_no_reason),
        cmocka_unit_test(back_in_spite_of_sleep),
        cmocka_unit_test(two_fewer),
        cmocka_unit_test(one_answer),
    };

    return cmocka_run_group_tests(tests, draw, free_digits);
}
