/* SPDX-License-Identifier: MIT
 * Leaving out the multiplications by pixels of 0: the same bits in every case, also where a weight or a gradient is not
 * finite, so that a 0 counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "lockstep.h"

enum { ROWS = 1200 };

#include "drawn_digits.h"

static struct lockstep_error err;

/* What one training says and leaves. */
struct outcome {
    enum lockstep_status status;
    char digest[33];
    double gflops, effective;
};

static void on_epoch(void *user, const struct lockstep_epoch *e)
{
    struct outcome *o = user;

    o->gflops = e->gflops;
    o->effective = e->effective_gflops;
}

static struct lockstep_model *model_of(const char *text, const struct lockstep_data *d, const struct lockstep_recipe *r,
                                       const struct lockstep_options *o)
{
    struct lockstep_model *m;

    assert_int_equal(lockstep_model_new(text, d->channels, d->length, d->classes, r, o, &m, &err), LOCKSTEP_OK);
    return m;
}

static struct outcome train(struct lockstep_model *m, const struct lockstep_data *d)
{
    struct outcome o = {0};
    const struct lockstep_events events = {.user = &o, .epoch = on_epoch};

    o.status = lockstep_train(m, d, NULL, &events, &err);
    lockstep_model_digest(m, o.digest);
    return o;
}

/* ---- digits ---- */

static void same_digest_and_less_work(void **state)
{
    static const char *const texts[] = {"two-layer", "linear(300) | sigmoid | linear(10)",
                                        "flatten | dropout | linear(17) | relu | linear(10)", "conv1d"};
    static const bool skips[] = {true, true, false, false};
    static const char *const reduces[] = {"owners", "replicas"};
    struct lockstep_recipe r;

    (void)state;
    lockstep_recipe_init(&r);
    r.epochs = 1;
    r.batch = 203;
    r.shards = 4;
    for (size_t t = 0; t < 4; t++) {
        char text[80];
        struct lockstep_options o = {.threads = 1, .zero_skip = "off"};
        struct lockstep_model *m;
        struct outcome off;

        snprintf(text, sizeof text, "%s%s", t == 1 ? "flatten | " : "", texts[t]);
        m = model_of(text, &digits, &r, &o);
        off = train(m, &digits);
        lockstep_model_free(m);
        assert_true(off.gflops == off.effective);
        for (unsigned run = 0; run < 4; run++) {
            struct outcome on;

            o = (struct lockstep_options){
                .threads = 1 + run, .reduce = reduces[run % 2], .zero_skip = run < 2 ? "on" : NULL};
            m = model_of(text, &digits, &r, &o);
            on = train(m, &digits);
            lockstep_model_free(m);
            assert_string_equal(on.digest, off.digest);
            assert_int_equal(on.gflops < 0.8 * on.effective, skips[t]);
        }
    }
}

/* A layer that no loss depends on has no gradient to look at. */
static void layer_off_the_path(void **state)
{
    static const char text[] = "x = input(28, 28) | flatten; b = x | linear(10); a = x | linear(32); "
                               "loss = cross_entropy(b, label)";
    struct lockstep_recipe r;
    char digest[2][33];

    (void)state;
    lockstep_recipe_init(&r);
    r.epochs = 1;
    for (int i = 0; i < 2; i++) {
        struct lockstep_model *m =
            model_of(text, &digits, &r, &(struct lockstep_options){.threads = 3, .zero_skip = i ? "on" : "off"});
        const struct outcome o = train(m, &digits);

        assert_int_equal(o.status, LOCKSTEP_OK);
        memcpy(digest[i], o.digest, sizeof o.digest);
        lockstep_model_free(m);
    }
    assert_string_equal(digest[0], digest[1]);
}

/* ---- numbers that are not finite ---- */

/* One pixel of four is lit. */
static uint8_t lit[4] = {255, 0, 0, 0}, label[1] = {1};
static const struct lockstep_data one = {.rows = 1, .channels = 4, .length = 1, .classes = 2, .x = lit, .label = label};

static struct lockstep_model *tiny(const char *zero_skip)
{
    struct lockstep_recipe r;
    const struct lockstep_options o = {.threads = 1, .zero_skip = zero_skip};

    lockstep_recipe_init(&r);
    r.batch = r.epochs = 1;
    r.optimizer = "sgd";
    r.lr = 0.1;
    return model_of("flatten | linear(1) | relu | linear(2)", &one, &r, &o);
}

static void set(struct lockstep_model *m, const char *name, const float *x, size_t n)
{
    assert_int_equal(lockstep_set(m, name, x, n, &err), LOCKSTEP_OK);
}

/* The weights of the first layer after one step, and its status. */
static enum lockstep_status step(const char *zero_skip, const float first[4], const float second[2], float after[4])
{
    struct lockstep_model *m = tiny(zero_skip);
    enum lockstep_status status;

    set(m, "1.weight", first, 4);
    set(m, "3.weight", second, 2);
    status = train(m, &one).status;
    assert_int_equal(lockstep_get(m, "1.weight", after, 4, &err), LOCKSTEP_OK);
    lockstep_model_free(m);
    return status;
}

static void check_step(const float first[4], const float second[2])
{
    float on[4], off[4];

    assert_int_equal(step("off", first, second, off), LOCKSTEP_E_NONFINITE);
    assert_int_equal(step("on", first, second, on), LOCKSTEP_E_NONFINITE);
    for (size_t i = 0; i < 4; i++)
        assert_true(isnan(on[i]) ? isnan(off[i]) : !memcmp(&on[i], &off[i], sizeof on[i]));
}

/* The loss is 12, but its gradient overflows on the way back: 0 * inf is NaN in the weights of the dark pixels. */
static void gradient_overflows(void **state)
{
    const float first[4] = {2e-38f, 1, 1, 1}, second[2] = {3e38f, -3e38f};
    float after[4];

    (void)state;
    check_step(first, second);
    step("on", first, second, after);
    assert_true(isnan(after[1]) && isnan(after[3]));
}

/* A dark pixel's weight is infinite: the loss is NaN. */
static void weight_is_infinite(void **state)
{
    (void)state;
    check_step((const float[]){1, INFINITY, 1, 1}, (const float[]){1, -1});
}

/* The update of one row makes the weight of its pixel infinite, which is dark in the other: the loss of that is NaN. */
static void update_is_infinite(void **state)
{
    static uint8_t x[8] = {255, 0, 0, 0, 0, 255, 0, 0}, labels[2] = {1, 1};
    static const struct lockstep_data two = {
        .rows = 2, .channels = 4, .length = 1, .classes = 2, .x = x, .label = labels};
    struct lockstep_recipe r;

    (void)state;
    lockstep_recipe_init(&r);
    r.batch = r.epochs = 1;
    r.optimizer = "sgd";
    r.lr = 1e6;
    for (int i = 0; i < 2; i++) {
        const struct lockstep_options o = {.threads = 1, .zero_skip = i ? "on" : "off"};
        struct lockstep_model *m = model_of("flatten | linear(1, bias=false) | relu | linear(2)", &two, &r, &o);

        set(m, "1.weight", (const float[]){1, 1, 1, 1}, 4);
        set(m, "3.weight", (const float[]){1e33f, -1e33f}, 2);
        assert_int_equal(train(m, &two).status, LOCKSTEP_E_NONFINITE);
        assert_non_null(strstr(err.text, "the loss of step 2 "));
        lockstep_model_free(m);
    }
}

/* ---- the choice ---- */

static void sparse_data_only(void **state)
{
    enum { N = 50, CHANNELS = 8, LENGTH = 8 };
    static uint8_t x[N * CHANNELS * LENGTH];
    struct lockstep_data d = {.rows = N, .channels = CHANNELS, .length = LENGTH, .x = x};

    (void)state;
    assert_true(ls_data_sparse(&digits));
    assert_true(ls_data_sparse(&d));
    memset(x, 1, sizeof x);
    assert_false(ls_data_sparse(&d));
    d.rows = 5; /* too few to tell */
    memset(x, 0, sizeof x);
    assert_false(ls_data_sparse(&d));
}

static void unknown_name(void **state)
{
    struct lockstep_model *m;
    const struct lockstep_options o = {.zero_skip = "maybe"};

    (void)state;
    assert_int_equal(lockstep_model_new("two-layer", 28, 28, 10, NULL, &o, &m, &err), LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, "zero-skip: expected auto, on or off, got \"maybe\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_digest_and_less_work),
        cmocka_unit_test(layer_off_the_path),
        cmocka_unit_test(gradient_overflows),
        cmocka_unit_test(weight_is_infinite),
        cmocka_unit_test(update_is_infinite),
        cmocka_unit_test(sparse_data_only),
        cmocka_unit_test(unknown_name),
    };

    return cmocka_run_group_tests(tests, draw, free_digits);
}
