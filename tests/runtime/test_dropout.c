/* SPDX-License-Identifier: MIT
 * Dropout: a mask that no schedule changes, at the rate asked for, in training only; and one digest on every schedule
 * for nets with dropout and with each loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "data/data.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "train/machine.h"
#include "train/model.h"

static void ok(enum lockstep_status s, const struct lockstep_error *err)
{
    if (s)
        fail_msg("%s", err->text);
}

/* ---- the mask, seen through the losses of the rows ---- */

enum { ROWS = 100, C = 5, L = 7 };

struct run {
    struct ls_engine *e;
    struct ls_batch b;
};

static void worker(void *arg, struct ls_worker *w)
{
    struct run *r = arg;

    ls_engine_join(r->e, w);
    ls_step(r->e, w, &r->b);
}

/* The loss of each row of ones: it depends on how many elements passed, and with the weights on which. */
static void losses(const char *isa, size_t block, unsigned threads, enum ls_reduce reduce, uint32_t seed, uint32_t step,
                   float loss[ROWS])
{
    static const char text[] =
        "w = input | conv1d(18, kernel_size=2) | dropout(0.3)\nloss = mse_loss(w, dropout(w, 0.6))";
    float x[ROWS * C * L];
    uint8_t hit[ROWS];
    struct lk_table table;
    struct ls_graph g;
    struct ls_engine e;
    struct run r = {
        &e, {.source = {.floats = x, .rows = ROWS}, .mode = LS_GRADIENT, .loss = loss, .hit = hit, .step = step}};
    struct lockstep_error err;

    for (size_t i = 0; i < ROWS * C * L; i++)
        x[i] = 1.0f + (float)(i % 97) / 97.0f;
    ok(ls_machine_table(&(struct lockstep_options){.isa = isa}, &table, &err), &err);
    ok(ls_graph_build(text, C, L, 0, &g, &err), &err);
    ok(ls_plan(&g, block, false, &err), &err);
    ok(ls_engine_init(&e, &g, &table, threads, reduce, 4, ls_optim_find("sgd"), seed, &err), &err);
    for (size_t i = 0; i < g.node[1].param[0].rows * g.node[1].param[0].cols; i++)
        e.w[g.node[1].param[0].offset + ls_param_index(&g.node[1].param[0], i)] = 0.1f + (float)i / 64.0f;
    ls_engine_weights_changed(&e);
    ls_team_run(threads, worker, &r);
    ls_engine_free(&e);
    ls_graph_free(&g);
}

static void no_schedule_changes_the_mask(void **state)
{
    static const size_t block[] = {ROWS, 25, 16, 7};
    static const char *const isa[] = {"ref", NULL};
    float expected[ROWS], got[ROWS];

    (void)state;
    losses("ref", ROWS, 1, LS_OWNERS, 1, 0, expected);
    for (int i = 0; i < 2; i++)
        for (int b = 0; b < 4; b++)
            for (unsigned threads = 1; threads <= 3; threads++)
                for (int reduce = 0; reduce < 2; reduce++) {
                    losses(isa[i], block[b], threads, reduce ? LS_REPLICAS : LS_OWNERS, 1, 0, got);
                    assert_memory_equal(got, expected, sizeof got);
                }
}

static void seeds_and_steps_change_the_mask(void **state)
{
    float first[ROWS], other[ROWS];

    (void)state;
    losses(NULL, ROWS, 1, LS_OWNERS, 1, 0, first);
    losses(NULL, ROWS, 1, LS_OWNERS, 2, 0, other);
    assert_memory_not_equal(first, other, sizeof first);
    losses(NULL, ROWS, 1, LS_OWNERS, 1, 1, other);
    assert_memory_not_equal(first, other, sizeof first);
}

/* ---- rates ---- */

enum { MANY = 400, FEATURES = 250 };

/* A batch of ones through two dropouts; after backward, or forward only. */
static struct lockstep_model *ones(bool train)
{
    static float x[MANY * FEATURES];
    struct lockstep_model *m;
    struct lockstep_error err;

    for (int i = 0; i < MANY * FEATURES; i++)
        x[i] = 1.0f;
    ok(lockstep_model_new("a = dropout(input, 0.3)\nb = dropout(input, p=0.3)\nloss = mse_loss(a, b)", FEATURES, 1, 1,
                          NULL, &(struct lockstep_options){.keep_values = true}, &m, &err),
       &err);
    ok(lockstep_set(m, "input", x, MANY * FEATURES, &err), &err);
    ok((train ? lockstep_backward : lockstep_forward)(m, NULL, &err), &err);
    return m;
}

static float *values(const struct lockstep_model *m, const char *name)
{
    float *v = malloc(MANY * FEATURES * sizeof *v);
    struct lockstep_error err;

    assert_non_null(v);
    ok(lockstep_get(m, name, v, MANY * FEATURES, &err), &err);
    return v;
}

static void rates_and_scale(void **state)
{
    const double n = MANY * FEATURES, keep = 0.7, sigma = sqrt(keep * (1.0 - keep) / n);
    struct lockstep_model *m = ones(true);
    float *a = values(m, "a"), *b = values(m, "b");
    double kept = 0.0, both = 0.0;

    (void)state;
    for (int i = 0; i < MANY * FEATURES; i++) {
        uint32_t word[4];

        ls_philox(1, LS_STREAM_DROPOUT, (uint32_t[4]){(uint32_t)(i % FEATURES), (uint32_t)(i / FEATURES), 0, 0}, word);
        assert_true(a[i] == (word[0] >= 1288490189u ? (float)(1.0 / 0.7) : 0.0f));
        kept += a[i] != 0.0f;
        both += a[i] != 0.0f && b[i] != 0.0f;
    }
    assert_true(fabs(kept / n - keep) < 5.0 * sigma);
    assert_true(fabs(both / n - keep * keep) < 5.0 * sigma); /* two dropouts are independent */
    free(a);
    free(b);
    lockstep_model_free(m);
}

static void all_pass_without_training(void **state)
{
    struct lockstep_model *m = ones(false);
    float *a = values(m, "a");

    (void)state;
    for (int i = 0; i < MANY * FEATURES; i++)
        assert_true(a[i] == 1.0f);
    free(a);
    lockstep_model_free(m);
}

/* ---- digests ---- */

enum { DATA_ROWS = 300 };

static struct lockstep_data random_rows(void)
{
    static uint8_t x[DATA_ROWS * C * L], label[DATA_ROWS];

    for (uint32_t i = 0; i < DATA_ROWS * C * L; i++) {
        uint32_t w[4];

        ls_philox(7, LS_STREAM_TEST, (uint32_t[4]){i, 0, 0, 0}, w);
        x[i] = (uint8_t)w[0];
        label[i % DATA_ROWS] = (uint8_t)(w[1] % 4);
    }
    return (struct lockstep_data){.x = x, .label = label, .rows = DATA_ROWS, .channels = C, .length = L, .classes = 4};
}

/* Three steps, the last one shorter, and the loss of an evaluation. */
static double train(const char *text, const char *isa, unsigned threads, const char *reduce, char digest[33])
{
    const struct lockstep_options options = {.threads = threads, .isa = isa, .reduce = reduce};
    const struct lockstep_data data = random_rows();
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;
    double loss, accuracy;

    lockstep_recipe_init(&r);
    r.epochs = 1;
    r.shards = 4;
    ok(lockstep_model_new(text, C, L, 4, &r, &options, &m, &err), &err);
    ok(lockstep_train(m, &data, NULL, NULL, &err), &err);
    ok(lockstep_evaluate(m, &data, &loss, &accuracy, &err), &err);
    lockstep_model_digest(m, digest);
    lockstep_model_free(m);
    return loss;
}

static void one_digest(void **state)
{
    static const char *const text[] = {
        "flatten | linear(20) | gelu | dropout(0.4) | linear(17) | relu | dropout(0.1) | linear(4)",
        "conv1d(6, kernel_size=3, padding=1) | dropout | gelu(approximate=tanh) | flatten | linear(4) | log_softmax",
        "y = flatten | linear(18) | silu | linear(4) | softmax\nloss = mse_loss(y, one_hot(label))",
        "y = flatten | linear(18) | leaky_relu(0.2) | linear(4) | sigmoid\nloss = binary_cross_entropy(y, "
        "one_hot(label))",
        "y = conv1d(20, kernel_size=2) | leaky_relu | flatten | linear(4)\n"
        "loss = binary_cross_entropy_with_logits(y, one_hot(label))",
        "y = conv1d(8, kernel_size=3, padding=1) | silu | conv1d(5, kernel_size=3, padding=1)\nloss = mse_loss(y, "
        "input)",
        "h = flatten | linear(6) | tanh\na = h | linear(9) | dropout\nb = h | linear(9)\nloss = mse_loss(a, b)"};
    static const char *const isa[] = {"ref", NULL}, *const reduce[] = {"owners", "replicas"};

    (void)state;
    for (size_t t = 0; t < sizeof text / sizeof *text; t++) {
        char expected[33], got[33];
        const double loss = train(text[t], "ref", 1, "owners", expected);

        for (int i = 0; i < 2; i++)
            for (unsigned threads = 1; threads <= 3; threads++)
                for (int k = 0; k < 2; k++) {
                    assert_true(train(text[t], isa[i], threads, reduce[k], got) == loss);
                    assert_string_equal(got, expected);
                }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_schedule_changes_the_mask),
        cmocka_unit_test(seeds_and_steps_change_the_mask),
        cmocka_unit_test(rates_and_scale),
        cmocka_unit_test(all_pass_without_training),
        cmocka_unit_test(one_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
