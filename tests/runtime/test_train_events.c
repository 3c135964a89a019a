/* SPDX-License-Identifier: MIT
 * Training: what it tells its caller, and what stops it or never lets it begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "core/mem.h"
#include "train_digits.h"

struct listener {
    size_t epochs, progress, first, last; /* allocations at the first and at the last call */
    volatile sig_atomic_t stop;
    size_t stop_at; /* epoch that asks to stop; 0: none */
    bool stop_at_progress;
    struct lockstep_progress seen; /* the first */
};

static void count_allocations(struct listener *l)
{
    l->last = ls_mem_allocations();
    if (l->epochs + l->progress == 1)
        l->first = l->last;
}

static void on_epoch(void *user, const struct lockstep_epoch *e)
{
    struct listener *l = user;

    l->epochs++;
    assert_int_equal(e->epoch, l->epochs);
    count_allocations(l);
    l->stop = e->epoch == l->stop_at;
}

static void on_progress(void *user, const struct lockstep_progress *p)
{
    struct listener *l = user;

    if (!l->progress++)
        l->seen = *p;
    count_allocations(l);
    if (l->stop_at_progress)
        l->stop = 1;
}

static void train_with(struct lockstep_model *m, struct listener *l)
{
    const struct lockstep_events events = {.user = l, .progress = on_progress, .epoch = on_epoch, .stop = &l->stop};
    struct lockstep_error err;

    if (lockstep_train(m, &train_part, &test_part, &events, &err))
        fail_msg("%s", err.text);
}

static void training_allocates_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lockstep_recipe r = recipe_of("adamw");
        struct listener l = {.epochs = 0};
        struct lockstep_model *m;

        r.epochs = 5;
        r.shards = 4;
        m = model_of(net, &r, 3, NULL, i ? "replicas" : "owners");
        train_with(m, &l);
        assert_int_equal(l.epochs, 5);
        assert_true(l.first > 0);
        assert_int_equal(l.first, l.last);
        lockstep_model_free(m);
    }
}

/* Asked for in the callback of epoch 2 of 9: one more step, then the end, without an error. */
static void stop_ends_after_the_next_batch(void **state)
{
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct lockstep_recipe r = recipe_of("sgd");
        struct listener l = {.stop_at = 2};
        struct lockstep_model *m;

        (void)state;
        r.epochs = 9;
        m = model_of(net, &r, threads, NULL, NULL);
        train_with(m, &l);
        assert_int_equal(l.epochs, 2);
        assert_int_equal(m->steps, 2 * 10 + 1);
        lockstep_model_free(m);
    }
}

/* The plain C of ref is slow enough to be heard during an epoch. */
static void progress_is_told_and_can_stop(void **state)
{
    struct lockstep_recipe r = recipe_of("sgd");
    struct listener l = {.stop_at_progress = true};
    struct lockstep_model *m;

    (void)state;
    r.batch = 40;
    r.epochs = 20;
    m = model_of("flatten | linear(800) | relu | linear(10)", &r, 1, "ref", NULL);
    train_with(m, &l);
    assert_in_range(l.progress, 1, 2); /* the last batch may be told, too */
    assert_int_equal(l.epochs, 0);
    assert_int_equal(l.seen.epoch, 1);
    assert_int_equal(l.seen.epochs, 20);
    assert_int_equal(l.seen.rows, TRAIN);
    assert_int_equal(l.seen.row, 40 * (m->steps - 1));
    assert_true(l.seen.seconds > 0.0 && l.seen.loss > 0.0 && l.seen.gflops > 0.0 && l.seen.peak_gflops > 0.0);
    lockstep_model_free(m);
}

/* ---- errors ---- */

static void batch_larger_than_the_data(void **state)
{
    struct lockstep_recipe r = recipe_of("sgd");
    struct lockstep_model *m;
    char before[33], after[33];
    struct lockstep_error err;

    (void)state;
    r.batch = TRAIN + 1;
    m = model_of(net, &r, 1, NULL, NULL);
    lockstep_model_digest(m, before);
    assert_int_equal(lockstep_train(m, &train_part, NULL, NULL, &err), LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, "batch: expected at most the 2000 rows of the data, got 2001");
    lockstep_model_digest(m, after);
    assert_string_equal(before, after);
    lockstep_model_free(m);
}

static void data_must_fit_the_model(void **state)
{
    struct lockstep_data other = train_part;
    struct lockstep_recipe r = recipe_of("sgd");
    struct lockstep_model *m = model_of(net, &r, 1, NULL, NULL), *nine;
    double loss, accuracy;
    struct lockstep_error err;

    (void)state;
    other.length = 27;
    assert_int_equal(lockstep_train(m, &other, NULL, NULL, &err), LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, "data: expected rows of 14 x 28 as in the model, got 14 x 27");
    assert_int_equal(lockstep_train(m, &train_part, &other, NULL, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_evaluate(m, &other, &loss, &accuracy, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_model_new("flatten | linear(9)", LINES, SIDE, 9, &r, NULL, &nine, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_train(nine, &train_part, NULL, NULL, &err), LOCKSTEP_E_USAGE);
    assert_non_null(strstr(err.text, "data: expected labels below 9 as in the model, got 9 at row "));
    lockstep_model_free(nine);
    lockstep_model_free(m);
}

/* A rate that throws the weights out of range: the run ends with the weights of the last good step. */
static void nonfinite_loss_stops_training(void **state)
{
    static const char *const reduce[] = {"owners", "replicas"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct lockstep_recipe r = recipe_of("sgd");
        struct lockstep_model *good, *bad;
        char expected[33], got[33], line[160];
        struct lockstep_error err;

        r.batch = TRAIN; /* one step an epoch */
        r.lr = 1e30;
        r.shards = 4;
        r.epochs = 9;
        bad = model_of(net, &r, i < 2 ? 1 : 3, NULL, reduce[i % 2]);
        assert_int_equal(lockstep_train(bad, &train_part, NULL, NULL, &err), LOCKSTEP_E_NONFINITE);
        r.epochs = bad->steps;
        assert_in_range(r.epochs, 1, 4);
        snprintf(
            line, sizeof line,
            "training stopped: the loss of step %zu (epoch %zu) is not finite; the weights are those before it (try a "
            "smaller lr)",
            r.epochs + 1, r.epochs + 1);
        assert_string_equal(err.text, line);
        good = model_of(net, &r, 1, NULL, NULL);
        if (lockstep_train(good, &train_part, NULL, NULL, &err)) /* its last update may have overflowed */
            assert_non_null(strstr(err.text, "weights are not finite after step"));
        lockstep_model_digest(good, expected);
        lockstep_model_digest(bad, got);
        assert_string_equal(got, expected);
        lockstep_model_free(good);
        lockstep_model_free(bad);
    }
}

static void infinite_weight_stops_the_first_step(void **state)
{
    static const unsigned threads[] = {1, 2, 3};

    (void)state;
    for (int i = 0; i < 6; i++) {
        struct lockstep_recipe r = recipe_of("adam");
        struct lockstep_model *m = model_of(net, &r, threads[i / 2], NULL, i % 2 ? "replicas" : "owners");
        float bias[10] = {0.0f, INFINITY};
        char before[33], after[33];
        struct lockstep_error err;

        assert_int_equal(lockstep_set(m, "5.bias", bias, 10, &err), LOCKSTEP_OK);
        lockstep_model_digest(m, before);
        assert_int_equal(lockstep_train(m, &train_part, &test_part, NULL, &err), LOCKSTEP_E_NONFINITE);
        lockstep_model_digest(m, after);
        assert_string_equal(before, after);
        assert_int_equal(m->steps, 0);
        bias[1] = 0.0f; /* the same model trains again */
        assert_int_equal(lockstep_set(m, "5.bias", bias, 10, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_train(m, &train_part, &test_part, NULL, &err), LOCKSTEP_OK);
        lockstep_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_allocates_nothing),
        cmocka_unit_test(stop_ends_after_the_next_batch),
        cmocka_unit_test(progress_is_told_and_can_stop),
        cmocka_unit_test(batch_larger_than_the_data),
        cmocka_unit_test(data_must_fit_the_model),
        cmocka_unit_test(nonfinite_loss_stops_training),
        cmocka_unit_test(infinite_weight_stops_the_first_step),
    };

    return cmocka_run_group_tests(tests, open_data, free_data);
}
