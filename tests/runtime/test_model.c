/* SPDX-License-Identifier: MIT
 * The public API as a user meets it: values by name, single steps, recipes and options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "small_model.h"

static void usage(enum lockstep_status got, const char *line)
{
    assert_int_equal(got, LOCKSTEP_E_USAGE);
    assert_int_equal(err.status, LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, line);
}

/* ---- values by name ---- */

static void names_and_counts(void **state)
{
    struct lockstep_model *m = ready_model(NULL);

    (void)state;
    assert_int_equal(lockstep_count(m, "input"), ROWS * FEATURES);
    assert_int_equal(lockstep_count(m, "label"), ROWS);
    assert_int_equal(lockstep_count(m, "0"), ROWS * FEATURES);
    assert_int_equal(lockstep_count(m, "1"), ROWS * HIDDEN);
    assert_int_equal(lockstep_count(m, "1.weight"), HIDDEN * FEATURES);
    assert_int_equal(lockstep_count(m, "1.bias"), HIDDEN);
    assert_int_equal(lockstep_count(m, "3.weight"), CLASSES * HIDDEN);
    assert_int_equal(lockstep_count(m, "loss"), 1);
    assert_int_equal(lockstep_count(m, "2.weight"), 0);
    assert_int_equal(lockstep_count(m, "nobody"), 0);
    assert_int_equal(lockstep_model_parameters(m), HIDDEN * FEATURES + HIDDEN + CLASSES * HIDDEN + CLASSES);
    assert_string_equal(lockstep_model_text(m), text);
    set_batch(m, 5);
    assert_int_equal(lockstep_count(m, "input"), 5 * FEATURES);
    assert_int_equal(lockstep_count(m, "label"), 5);
    lockstep_model_free(m);
}

static void wrong_names_and_counts(void **state)
{
    struct lockstep_model *m = ready_model(&(struct lockstep_options){.keep_values = true});
    float v[ROWS * FEATURES] = {0.0f};

    (void)state;
    usage(lockstep_set(m, "inputs", v, FEATURES, &err), "inputs: no such value in the model (did you mean \"input\"?)");
    usage(lockstep_get(m, "nobody", v, 1, &err), "nobody: no such value in the model");
    usage(lockstep_grad(m, "1.weights", v, 1, &err), "1.weights: no such value in the model");
    usage(lockstep_set(m, "input", v, FEATURES + 1, &err), "input: expected a multiple of 20 elements, got 21");
    usage(lockstep_set(m, "input", v, 0, &err), "input: expected a multiple of 20 elements, got 0");
    usage(lockstep_set(m, "label", v, ROWS + 1, &err), "label: expected 12 elements, got 13");
    usage(lockstep_set(m, "1.bias", v, HIDDEN - 1, &err), "1.bias: expected 8 elements, got 7");
    usage(lockstep_get(m, "1.bias", v, HIDDEN + 1, &err), "1.bias: expected 8 elements, got 9");
    usage(lockstep_set(m, "1", v, ROWS * HIDDEN, &err),
          "1: expected input, label or a parameter, got a computed value");
    assert_int_equal(lockstep_backward(m, NULL, &err), LOCKSTEP_OK);
    usage(lockstep_grad(m, "1.weight", v, 3, &err), "1.weight: expected 160 elements, got 3");
    usage(lockstep_get(m, "1", v, 1, &err), "1: expected 96 elements, got 1");
    usage(lockstep_grad(m, "input", v, 1, &err), "input: expected 240 elements, got 1");
    lockstep_model_free(m);
}

static void wrong_labels(void **state)
{
    static const float bad[] = {-1.0f, 3.0f, 0.5f, 1e30f, 0.0f / 0.0f};
    struct lockstep_model *m = ready_model(NULL);
    float label[ROWS] = {0.0f};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        label[7] = bad[i];
        assert_int_equal(lockstep_set(m, "label", label, ROWS, &err), LOCKSTEP_E_USAGE);
        assert_non_null(strstr(err.text, "label: expected a whole number 0..2, got "));
        assert_non_null(strstr(err.text, " at row 7"));
    }
    lockstep_model_free(m);
}

/* What is asked for too early is an error, and so is what a new batch or weight has made stale. */
static void order_of_calls(void **state)
{
    struct lockstep_model *m = model_with(NULL, &(struct lockstep_options){.keep_values = true});
    float v[ROWS * FEATURES] = {0.0f};
    double loss = -1.0;

    (void)state;
    usage(lockstep_forward(m, NULL, &err), "input: not set (call lockstep_set with \"input\" first)");
    assert_int_equal(lockstep_set(m, "input", v, ROWS * FEATURES, &err), LOCKSTEP_OK);
    usage(lockstep_backward(m, NULL, &err), "label: not set (call lockstep_set with \"label\" after \"input\")");
    usage(lockstep_step(m, NULL, &err), "label: not set (call lockstep_set with \"label\" after \"input\")");
    assert_int_equal(lockstep_forward(m, &loss, &err), LOCKSTEP_OK);
    assert_true(loss == 0.0);
    assert_int_equal(lockstep_get(m, "3", v, ROWS * CLASSES, &err), LOCKSTEP_OK);
    usage(lockstep_grad(m, "3", v, ROWS * CLASSES, &err),
          "3: not computed yet for this batch (call lockstep_backward first)");
    set_batch(m, ROWS);
    usage(lockstep_get(m, "3", v, ROWS * CLASSES, &err),
          "3: not computed yet for this batch (call lockstep_backward first)");
    assert_int_equal(lockstep_backward(m, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_grad(m, "1.weight", v, HIDDEN * FEATURES, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_set(m, "1.bias", v, HIDDEN, &err), LOCKSTEP_OK);
    usage(lockstep_grad(m, "1.weight", v, HIDDEN * FEATURES, &err),
          "1.weight: not computed yet for this batch (call lockstep_backward first)");
    lockstep_model_free(m);
}

static void parameters_come_back_as_set(void **state)
{
    struct lockstep_model *m = model_with(NULL, NULL);
    float in[HIDDEN * FEATURES], out[HIDDEN * FEATURES];
    char before[33], after[33];

    (void)state;
    lockstep_model_digest(m, before);
    for (unsigned i = 0; i < HIDDEN * FEATURES; i++)
        in[i] = number(i + 1000);
    assert_int_equal(lockstep_set(m, "1.weight", in, HIDDEN * FEATURES, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_get(m, "1.weight", out, HIDDEN * FEATURES, &err), LOCKSTEP_OK);
    assert_memory_equal(in, out, sizeof in);
    lockstep_model_digest(m, after);
    assert_int_equal(strlen(after), 32);
    assert_string_not_equal(before, after);
    lockstep_model_free(m);
}

/* A fused node has no rows of its own without keep_values; parameters and their gradients are the same bits. */
static void keep_values_or_not(void **state)
{
    struct lockstep_model *m[2] = {ready_model(NULL), ready_model(&(struct lockstep_options){.keep_values = true})};
    float v[ROWS * FEATURES], g[2][HIDDEN * FEATURES];
    double loss[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lockstep_backward(m[i], &loss[i], &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_grad(m[i], "1.weight", g[i], HIDDEN * FEATURES, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_get(m[i], "3", v, ROWS * CLASSES, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_grad(m[i], "3", v, ROWS * CLASSES, &err), LOCKSTEP_OK);
    }
    assert_true(loss[0] == loss[1]);
    assert_memory_equal(g[0], g[1], sizeof g[0]);
    usage(lockstep_get(m[0], "1", v, ROWS * HIDDEN, &err),
          "1: not kept (set options.keep_values, and use a batch of at most 512 rows)");
    usage(lockstep_grad(m[0], "input", v, ROWS * FEATURES, &err),
          "input: not kept (set options.keep_values, and use a batch of at most 512 rows)");
    assert_int_equal(lockstep_get(m[1], "1", v, ROWS * HIDDEN, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_grad(m[1], "input", v, ROWS * FEATURES, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_grad(m[1], "loss", v, 1, &err), LOCKSTEP_OK);
    assert_true(v[0] == 1.0f);
    lockstep_model_free(m[0]);
    lockstep_model_free(m[1]);
}

/* Values can be read whatever way a training would reduce. */
static void read_with_replicas(void **state)
{
    struct lockstep_model *m[2] = {ready_model(&(struct lockstep_options){.threads = 3, .reduce = "replicas"}),
                                   ready_model(&(struct lockstep_options){.threads = 1, .reduce = "owners"})};
    float v[2][ROWS * CLASSES], g[2][ROWS * CLASSES];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lockstep_backward(m[i], NULL, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_get(m[i], "3", v[i], ROWS * CLASSES, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_grad(m[i], "3", g[i], ROWS * CLASSES, &err), LOCKSTEP_OK);
        lockstep_model_free(m[i]);
    }
    assert_memory_equal(v[0], v[1], sizeof v[0]);
    assert_memory_equal(g[0], g[1], sizeof g[0]);
}

/* ---- single steps ---- */

static void forward_and_backward_agree(void **state)
{
    static const char *const reduce[] = {"owners", "replicas"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lockstep_model *m = ready_model(&(struct lockstep_options){.threads = 3, .reduce = reduce[i]});
        double forward, backward, again;
        char before[33], after[33];

        lockstep_model_digest(m, before);
        assert_int_equal(lockstep_forward(m, &forward, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_backward(m, &backward, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_forward(m, &again, &err), LOCKSTEP_OK);
        assert_true(forward == backward && forward == again && forward > 0.0);
        lockstep_model_digest(m, after);
        assert_string_equal(before, after);
        lockstep_model_free(m);
    }
}

static void steps_reduce_the_loss(void **state)
{
    static const char *const optimizer[] = {"sgd", "adam", "adamw"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct lockstep_recipe r;
        struct lockstep_model *m;
        double first, last, after;

        lockstep_recipe_init(&r);
        r.optimizer = optimizer[i];
        r.lr = i ? 0.01 : 0.1;
        m = model_with(&r, NULL);
        set_batch(m, ROWS);
        assert_int_equal(lockstep_step(m, &first, &err), LOCKSTEP_OK);
        for (int k = 0; k < 30; k++)
            assert_int_equal(lockstep_step(m, &last, &err), LOCKSTEP_OK);
        assert_int_equal(lockstep_forward(m, &after, &err), LOCKSTEP_OK);
        assert_true(last < 0.7 * first && after < last);
        lockstep_model_free(m);
    }
}

static void step_stops_at_a_loss_that_is_not_finite(void **state)
{
    struct lockstep_model *m = ready_model(NULL);
    float bias[CLASSES] = {0.0f, 1.0f / 0.0f};
    char before[33], after[33];
    double loss;

    (void)state;
    assert_int_equal(lockstep_set(m, "3.bias", bias, CLASSES, &err), LOCKSTEP_OK);
    lockstep_model_digest(m, before);
    assert_int_equal(lockstep_step(m, &loss, &err), LOCKSTEP_E_NONFINITE);
    assert_string_equal(err.text, "loss: not finite at step 1 (a smaller lr may help)");
    lockstep_model_digest(m, after);
    assert_string_equal(before, after);
    bias[1] = 0.0f;
    assert_int_equal(lockstep_set(m, "3.bias", bias, CLASSES, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_step(m, &loss, &err), LOCKSTEP_OK);
    lockstep_model_free(m);
}

/* ---- recipes and options ---- */

static void refuse_recipe(const struct lockstep_recipe *r, const char *line)
{
    struct lockstep_model *m = (struct lockstep_model *)1;

    usage(lockstep_model_new(text, CHANNELS, LENGTH, CLASSES, r, NULL, &m, &err), line);
    assert_null(m);
}

static struct lockstep_recipe sound(void)
{
    struct lockstep_recipe r;

    lockstep_recipe_init(&r);
    return r;
}

#define REFUSE(field, bad, line)                                                                                       \
    do {                                                                                                               \
        struct lockstep_recipe r_ = sound();                                                                           \
        r_.field = bad;                                                                                                \
        refuse_recipe(&r_, line);                                                                                      \
    } while (0)

static void recipes_are_checked(void **state)
{
    const double nan = 0.0 / 0.0, inf = 1.0 / 0.0;

    (void)state;
    REFUSE(batch, 0, "batch: expected 1..16777216, got 0");
    REFUSE(batch, 16777217, "batch: expected 1..16777216, got 16777217");
    REFUSE(epochs, 0, "epochs: expected 1..1000000, got 0");
    REFUSE(optimizer, "sdg", "optimizer: expected one of sgd, adam, adamw, got \"sdg\"");
    REFUSE(lr_schedule, "step", "lr-schedule: expected one of constant, cosine, got \"step\"");
    REFUSE(lr, 0.0, "lr: expected a number above 0, up to 1e+30, got 0");
    REFUSE(lr, -1.0, "lr: expected a number above 0, up to 1e+30, got -1");
    REFUSE(lr, __builtin_fabs(nan), "lr: expected a number above 0, up to 1e+30, got nan");
    REFUSE(lr, inf, "lr: expected a number above 0, up to 1e+30, got inf");
    REFUSE(lr, 1e31, "lr: expected a number above 0, up to 1e+30, got 1e+31");
    REFUSE(momentum, -0.5, "momentum: expected 0..1, got -0.5");
    REFUSE(momentum, 1.5, "momentum: expected 0..1, got 1.5");
    REFUSE(weight_decay, -1.0, "weight-decay: expected a number 0..1e+30, got -1");
    REFUSE(weight_decay, 1e31, "weight-decay: expected a number 0..1e+30, got 1e+31");
    REFUSE(shards, 3, "shards: expected a power of two up to 4096, got 3");
    REFUSE(shards, 8192, "shards: expected a power of two up to 4096, got 8192");
    REFUSE(init, "his", "init: expected he, xavier or normal(STD) with 0 < STD <= 1e6, got \"his\"");
    REFUSE(init, "normal(0)", "init: expected he, xavier or normal(STD) with 0 < STD <= 1e6, got \"normal(0)\"");
    REFUSE(init, "normal(1", "init: expected he, xavier or normal(STD) with 0 < STD <= 1e6, got \"normal(1\"");
}

static void refuse_options(const struct lockstep_options *o, const char *line)
{
    struct lockstep_model *m;

    usage(lockstep_model_new(text, CHANNELS, LENGTH, CLASSES, NULL, o, &m, &err), line);
    assert_null(m);
}

static void options_are_checked(void **state)
{
    struct lockstep_model *m;

    (void)state;
    refuse_options(&(struct lockstep_options){.isa = "sse9"}, "isa: expected one of ref, avx2, avx512, got \"sse9\"");
    refuse_options(&(struct lockstep_options){.threads = 2000}, "threads: expected 1..1024, got 2000");
    refuse_options(&(struct lockstep_options){.reduce = "rings"},
                   "reduce: expected auto, owners or replicas, got \"rings\"");
    m = model_with(NULL, &(struct lockstep_options){.isa = "ref", .threads = 5, .reduce = "replicas"});
    assert_string_equal(lockstep_model_isa(m), "ref");
    assert_int_equal(lockstep_model_threads(m), 5);
    assert_string_equal(lockstep_model_reduce(m), "replicas");
    assert_int_equal(lockstep_model_shards(m), 1);
    lockstep_model_free(m);
}

static void hidden_features_are_not_used(void **state)
{
    struct lockstep_model *m;

    (void)state;
    setenv("LOCKSTEP_CPU", "-avx512,-avx2,-fma", 1);
    m = model_with(NULL, NULL);
    assert_string_equal(lockstep_model_isa(m), "ref");
    lockstep_model_free(m);
    assert_int_equal(
        lockstep_model_new(text, CHANNELS, LENGTH, CLASSES, NULL, &(struct lockstep_options){.isa = "avx2"}, &m, &err),
        LOCKSTEP_E_ENV);
    assert_string_equal(err.text, "isa: this CPU does not support avx2 (it supports ref)");
    unsetenv("LOCKSTEP_CPU");
}

static void shapes_of_data_are_checked(void **state)
{
    struct lockstep_model *m;

    (void)state;
    assert_int_equal(lockstep_model_new(text, 0, LENGTH, CLASSES, NULL, NULL, &m, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_model_new(text, CHANNELS, 0, CLASSES, NULL, NULL, &m, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_model_new(text, CHANNELS, LENGTH, 0, NULL, NULL, &m, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_model_new(text, (size_t)1 << 40, (size_t)1 << 40, CLASSES, NULL, NULL, &m, &err),
                     LOCKSTEP_E_USAGE);
    assert_null(m);
}

static void model_text_has_three_forms(void **state)
{
    char path[] = "/tmp/lockstep-model-XXXXXX";
    int fd = mkstemp(path);
    struct lockstep_model *m;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(lockstep_model_new(path, CHANNELS, LENGTH, CLASSES, NULL, NULL, &m, &err), LOCKSTEP_OK);
    assert_string_equal(lockstep_model_text(m), text);
    lockstep_model_free(m);
    unlink(path);
    assert_int_equal(lockstep_model_new("two-layer", 28, 28, 10, NULL, NULL, &m, &err), LOCKSTEP_OK);
    assert_string_equal(lockstep_model_text(m), "flatten | linear(100) | relu | linear(10)");
    lockstep_model_free(m);
    usage(lockstep_model_new("two-layr", 28, 28, 10, NULL, NULL, &m, &err),
          "model: expected a built-in name (two-layer, mlp, conv1d, residual), a model text or a file, got "
          "\"two-layr\" (did you mean "
          "\"two-layer\"?)");
    assert_int_equal(lockstep_model_new("/nowhere", 28, 28, 10, NULL, NULL, &m, &err), LOCKSTEP_E_USAGE);
    assert_non_null(strstr(err.text, "No such file or directory"));
}

/* ---- one model beside another ---- */

static void a_failed_model_leaves_others_alone(void **state)
{
    struct lockstep_model *good = ready_model(NULL), *bad;
    double before, after;

    (void)state;
    assert_int_equal(lockstep_forward(good, &before, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_model_new("flatten | linear(4)", CHANNELS, LENGTH, CLASSES, NULL, NULL, &bad, &err),
                     LOCKSTEP_E_USAGE);
    assert_null(bad);
    lockstep_model_free(bad);
    assert_int_equal(lockstep_model_load("/nowhere", NULL, &bad, &err), LOCKSTEP_E_CHECKPOINT);
    usage(lockstep_set(good, "label", (const float[]){0.0f}, 1, &err), "label: expected 12 elements, got 1");
    assert_int_equal(lockstep_forward(good, &after, &err), LOCKSTEP_OK);
    assert_true(before == after);
    lockstep_model_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_counts),
        cmocka_unit_test(wrong_names_and_counts),
        cmocka_unit_test(wrong_labels),
        cmocka_unit_test(order_of_calls),
        cmocka_unit_test(parameters_come_back_as_set),
        cmocka_unit_test(keep_values_or_not),
        cmocka_unit_test(read_with_replicas),
        cmocka_unit_test(forward_and_backward_agree),
        cmocka_unit_test(steps_reduce_the_loss),
        cmocka_unit_test(step_stops_at_a_loss_that_is_not_finite),
        cmocka_unit_test(recipes_are_checked),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(hidden_features_are_not_used),
        cmocka_unit_test(shapes_of_data_are_checked),
        cmocka_unit_test(model_text_has_three_forms),
        cmocka_unit_test(a_failed_model_leaves_others_alone),
    };

    unsetenv("LOCKSTEP_ISA");
    unsetenv("LOCKSTEP_CPU");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
