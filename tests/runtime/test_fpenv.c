/* SPDX-License-Identifier: MIT
 * The floating-point environment of a program that uses Lockstep: whatever it is, the weights are those of anybody
 * else; it is as it was after every call, in callbacks, and in the program's own OpenMP threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "data/data.h"
#include "lockstep.h"

enum { STICKY = 0x3f, DEFAULT = 0x1f80, FTZ = 0x8000, DAZ = 0x0040, DOWN = 0x2000, UP = 0x4000, CUT = 0x6000 };
enum { TRAPS = 0x0680 }; /* the masks of invalid, division by zero and overflow */

static const unsigned environments[] = {DEFAULT,         DEFAULT | FTZ, DEFAULT | DAZ, DEFAULT | FTZ | DAZ,
                                        DEFAULT | DOWN,  DEFAULT | UP,  DEFAULT | CUT, DEFAULT | UP | FTZ | DAZ,
                                        DEFAULT & ~TRAPS};
enum { ENVIRONMENTS = sizeof environments / sizeof *environments };

/* As a program linked with -ffast-math starts: before main, and all threads begin with it. */
static unsigned at_start;
__attribute__((constructor)) static void fast_math(void)
{
    at_start = (_mm_getcsr() & ~(unsigned)STICKY) | FTZ | DAZ;
    _mm_setcsr(at_start);
}

/* Data whose first pixel is always 0: the gradient of the weights there is 0, only FTZ and DAZ change them. */
enum { ROWS = 500, CHANNELS = 4, LENGTH = 9, PIXELS = CHANNELS * LENGTH, CLASSES = 5, HIDDEN = 20, WORKERS = 3 };

static struct lockstep_error err;
static struct lockstep_data data = {.rows = ROWS, .channels = CHANNELS, .length = LENGTH, .classes = CLASSES};

static int make_data(void **state)
{
    (void)state;
    data.x = malloc((size_t)ROWS * PIXELS);
    data.label = malloc(ROWS);
    if (!data.x || !data.label)
        abort();
    for (unsigned i = 0; i < ROWS; i++) {
        data.label[i] = (uint8_t)(i % CLASSES);
        for (unsigned k = 0; k < PIXELS; k++)
            data.x[i * PIXELS + k] = (uint8_t)(k ? (i * PIXELS + k) * 2654435761u >> 24 : 0);
    }
    return 0;
}

static int free_data(void **state)
{
    (void)state;
    free(data.x);
    free(data.label);
    return 0;
}

static unsigned environment(void)
{
    return _mm_getcsr() & ~(unsigned)STICKY;
}

/* ---- one training ---- */

struct heard {
    unsigned epochs, reports, wrong, expected;
    bool slow; /* the first epoch lasts until progress is due */
};

static void on_epoch(void *user, const struct lockstep_epoch *e)
{
    struct heard *h = user;

    (void)e;
    if (!h->epochs++ && h->slow)
        usleep(110000);
    h->wrong += environment() != h->expected;
}

static void on_progress(void *user, const struct lockstep_progress *p)
{
    struct heard *h = user;

    (void)p;
    h->reports++;
    h->wrong += environment() != h->expected;
}

struct answer {
    char digest[33];
    double loss, accuracy;
};

/* Statuses are asserted by the caller under its own environment; a call that changes the environment counts in
 * *wrong. */
static struct answer train(unsigned mxcsr, unsigned threads, const char *isa, unsigned *wrong)
{
    const struct lockstep_options o = {.threads = threads, .isa = isa};
    struct heard heard = {.expected = mxcsr, .slow = !isa && threads > 1};
    const struct lockstep_events events = {.user = &heard, .epoch = on_epoch, .progress = on_progress};
    float w[HIDDEN * PIXELS], p[ROWS];
    uint8_t label[ROWS];
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct answer a = {.loss = -1.0};
    unsigned failed = 0;

    lockstep_recipe_init(&r);
    r.batch = 203; /* 500 = 2 * 203 + 94 */
    r.epochs = 2;
    r.optimizer = "sgd";
    r.lr = 0.25;
    r.weight_decay = 1.0;
    r.lr_schedule = "cosine";
#define KEEPS(call) failed += (call) != LOCKSTEP_OK, *wrong += environment() != mxcsr
    KEEPS(
        lockstep_model_new("flatten | linear(20) | sigmoid | linear(5)", CHANNELS, LENGTH, CLASSES, &r, &o, &m, &err));
    if (failed)
        fail_msg("%s", err.text);
    KEEPS(lockstep_get(m, "1.weight", w, HIDDEN * PIXELS, &err));
    for (unsigned i = 0; i < HIDDEN; i++) /* subnormal */
        w[i * PIXELS] = i & 1 ? 0x1p-130f : -0x1.8p-127f;
    KEEPS(lockstep_set(m, "1.weight", w, HIDDEN * PIXELS, &err));
    KEEPS(lockstep_train(m, &data, &data, &events, &err));
    KEEPS(lockstep_evaluate(m, &data, &a.loss, &a.accuracy, &err));
    KEEPS(lockstep_predict(m, &data, label, p, &err));
    for (unsigned i = 0; i < HIDDEN; i++) /* times a subnormal input that is 0; less a quarter of it, also 0 */
        w[i * PIXELS] = i & 1 ? 0x1p126f : 0x1p-126f;
    KEEPS(lockstep_set(m, "1.weight", w, HIDDEN * PIXELS, &err));
    w[0] = 0x1p-127f;
    KEEPS(lockstep_set(m, "input", w, PIXELS, &err));
    KEEPS(lockstep_set(m, "label", (const float[]){3.0f}, 1, &err));
    KEEPS(lockstep_forward(m, NULL, &err));
    KEEPS(lockstep_backward(m, NULL, &err));
    KEEPS(lockstep_step(m, NULL, &err));
#undef KEEPS
    lockstep_model_digest(m, a.digest);
    lockstep_model_free(m);
    *wrong += heard.wrong + failed + (heard.epochs != 2) + (heard.slow && !heard.reports);
    return a;
}

static void same(const struct answer *a, const struct answer *b)
{
    assert_string_equal(a->digest, b->digest);
    assert_true(a->loss == b->loss && a->accuracy == b->accuracy);
}

/* What a program gets that never touched its environment. */
static struct answer plain(void)
{
    const unsigned mine = _mm_getcsr();
    unsigned wrong = 0;
    struct answer a;

    _mm_setcsr(DEFAULT);
    a = train(DEFAULT, 1, NULL, &wrong);
    _mm_setcsr(mine);
    assert_int_equal(wrong, 0);
    return a;
}

/* ---- tests ---- */

/* Runs first: the team's threads start in it. */
static void a_program_of_fast_math(void **state)
{
    unsigned wrong = 0;
    const struct answer a = train(at_start, WORKERS, NULL, &wrong), b = plain();

    (void)state;
    assert_int_equal(environment(), at_start);
    assert_int_equal(at_start & (FTZ | DAZ), FTZ | DAZ);
    assert_int_equal(wrong, 0);
    same(&a, &b);
}

static void any_environment(void **state)
{
    static const struct {
        unsigned threads;
        const char *isa;
    } how[] = {{1, NULL}, {WORKERS, NULL}, {2, "ref"}};
    const struct answer expected = plain();
    const unsigned mine = _mm_getcsr();

    (void)state;
    for (unsigned e = 0; e < ENVIRONMENTS; e++)
        for (unsigned i = 0; i < 3; i++) {
            unsigned wrong = 0;
            struct answer a;

            _mm_setcsr(environments[e]);
            a = train(environments[e], how[i].threads, how[i].isa, &wrong);
            _mm_setcsr(mine);
            if (wrong)
                fail_msg("MXCSR 0x%x, %u threads: changed %u times", environments[e], how[i].threads, wrong);
            same(&a, &expected);
        }
}

/* In the threads of the program's own team, which the OpenMP runtime shares with Lockstep. */
static void set_team(const unsigned mxcsr[WORKERS])
{
#pragma omp parallel for num_threads(WORKERS) schedule(static, 1)
    for (int t = 0; t < WORKERS; t++)
        _mm_setcsr(mxcsr[t]);
    _mm_setcsr(mxcsr[0]); /* some runtimes end a region with what it began with */
}

static void get_team(unsigned mxcsr[WORKERS])
{
#pragma omp parallel for num_threads(WORKERS) schedule(static, 1)
    for (int t = 0; t < WORKERS; t++)
        mxcsr[t] = environment();
}

/* Another environment in each thread: no other answer, and afterwards what a program without Lockstep would see. */
static void threads_of_the_program(void **state)
{
    static const unsigned odd[WORKERS] = {DEFAULT | DOWN, DEFAULT | UP, DEFAULT | CUT | DAZ};
    const struct answer expected = plain();
    const unsigned mine = _mm_getcsr();
    unsigned wrong = 0, before[WORKERS], after[WORKERS];
    struct answer a;

    (void)state;
    set_team(odd);
    get_team(before);
    set_team(odd);
    a = train(odd[0], WORKERS, NULL, &wrong);
    get_team(after);
    set_team((const unsigned[WORKERS]){mine, mine, mine});
    assert_int_equal(wrong, 0);
    assert_memory_equal(after, before, sizeof after);
    same(&a, &expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_of_fast_math),
        cmocka_unit_test(any_environment),
        cmocka_unit_test(threads_of_the_program),
    };

    return cmocka_run_group_tests(tests, make_data, free_data);
}
