/* SPDX-License-Identifier: MIT
 * Training: one answer over threads, ways to reduce and instruction sets, another one for each recipe; its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <unistd.h>

#include "train_digits.h"

enum { PATIENCE = 300 };

struct result {
    char digest[33];
    struct lockstep_epoch last;
    double loss, accuracy; /* by lockstep_evaluate */
};

static void keep_epoch(void *user, const struct lockstep_epoch *e)
{
    *(struct lockstep_epoch *)user = *e;
}

static struct result train(const struct lockstep_recipe *r, unsigned threads, const char *isa, const char *reduce)
{
    struct lockstep_model *m = model_of(net, r, threads, isa, reduce);
    struct result out = {.loss = -1.0};
    struct lockstep_error err;

    if (lockstep_train(m, &train_part, &test_part, &(struct lockstep_events){.user = &out.last, .epoch = keep_epoch},
                       &err) ||
        lockstep_evaluate(m, &test_part, &out.loss, &out.accuracy, &err))
        fail_msg("%s", err.text);
    lockstep_model_digest(m, out.digest);
    lockstep_model_free(m);
    return out;
}

static void same(const struct result *a, const struct result *b)
{
    assert_string_equal(a->digest, b->digest);
    assert_true(a->last.train_loss == b->last.train_loss);
    assert_true(a->last.test_loss == b->last.test_loss && a->last.test_accuracy == b->last.test_accuracy);
    assert_true(a->loss == b->loss && a->accuracy == b->accuracy);
    assert_true(a->last.test_loss == a->loss && a->last.test_accuracy == a->accuracy);
}

/* All schedules of one recipe. */
static struct result any_schedule(const struct lockstep_recipe *r)
{
    static const unsigned threads[] = {1, 2, 3, 7};
    static const char *const isa[] = {"ref", NULL}, *const reduce[] = {"owners", "replicas"};
    const struct result first = train(r, 1, NULL, "owners");

    for (int t = 0; t < 4; t++)
        for (int i = 0; i < 2; i++)
            for (int k = 0; k < 2; k++) {
                const struct result other = train(r, threads[t], isa[i], reduce[k]);

                same(&first, &other);
            }
    return first;
}

/* The sum of a batch is cut otherwise: the bits differ, the numbers hardly. */
static void one_answer(const char *optimizer)
{
    static const unsigned shards[] = {1, 4, 8};
    struct lockstep_recipe r = recipe_of(optimizer);
    struct result of[3];

    alarm(PATIENCE);
    for (int s = 0; s < 3; s++) {
        r.shards = shards[s];
        of[s] = any_schedule(&r);
    }
    alarm(0);
    assert_string_not_equal(of[0].digest, of[1].digest);
    assert_string_not_equal(of[1].digest, of[2].digest);
    assert_true(fabs(of[0].last.train_loss - of[2].last.train_loss) < 1e-4);
    assert_true(of[0].last.train_loss > 0.0 && of[0].last.train_loss < log(10.0) + 0.3);
}

static void one_answer_sgd(void **state)
{
    (void)state;
    one_answer("sgd");
}

/* An optimiser sees whole gradients: for the others one number of shards is enough. */
static void one_answer_adam_adamw(void **state)
{
    static const char *const optimizer[] = {"adam", "adamw"};
    struct result of[2];

    (void)state;
    alarm(PATIENCE);
    for (int i = 0; i < 2; i++) {
        struct lockstep_recipe r = recipe_of(optimizer[i]);

        r.shards = 4;
        of[i] = any_schedule(&r);
        assert_true(of[i].last.train_loss > 0.0 && of[i].last.train_loss < log(10.0) + 0.3);
    }
    alarm(0);
    assert_string_not_equal(of[0].digest, of[1].digest);
}

static void seed_and_recipe_change_the_answer(void **state)
{
    struct lockstep_recipe r = recipe_of("sgd"), other[4];
    const struct result base = train(&r, 1, NULL, NULL);

    (void)state;
    for (int i = 0; i < 4; i++)
        other[i] = r;
    other[0].seed = 2;
    other[1].nesterov = false;
    other[2].weight_decay = 0.0;
    other[3].momentum = 0.5;
    for (int i = 0; i < 4; i++) {
        const struct result changed = train(&other[i], 1, NULL, NULL);

        assert_string_not_equal(base.digest, changed.digest);
    }
}

/* The rule reaches the steps: a run with a cosine is another answer; warm-up over all steps, too. */
static void schedules_change_the_answer(void **state)
{
    struct lockstep_recipe r = recipe_of("sgd");
    const struct result constant = train(&r, 1, NULL, NULL);
    struct result cosine, warm;

    (void)state;
    r.lr_schedule = "cosine";
    cosine = train(&r, 1, NULL, NULL);
    r.lr_schedule = "constant";
    r.warmup = 5;
    warm = train(&r, 1, NULL, NULL);
    assert_string_not_equal(constant.digest, cosine.digest);
    assert_string_not_equal(constant.digest, warm.digest);
    assert_string_not_equal(cosine.digest, warm.digest);
}

/* Batches smaller than the team: some workers have no rows, of the batch as of an evaluation's block. */
static void batches_smaller_than_the_team(void **state)
{
    static const char *const reduce[] = {"owners", "replicas"};
    const struct lockstep_data few = {50, LINES, SIDE, 10, train_part.x, train_part.label};
    struct lockstep_recipe r = recipe_of("sgd");
    char digest[2][33];
    double loss[2], accuracy;
    uint8_t label[50];
    float probability[50];
    struct lockstep_error err;

    (void)state;
    alarm(60); /* a hang is a failure */
    for (r.batch = 1; r.batch <= 5; r.batch += 2)
        for (int k = 0; k < 2; k++) {
            for (unsigned i = 0; i < 2; i++) {
                struct lockstep_model *m = model_of(net, &r, i ? 7 : 1, NULL, reduce[k]);

                assert_int_equal(lockstep_train(m, &few, &few, NULL, &err), LOCKSTEP_OK);
                assert_int_equal(lockstep_evaluate(m, &few, &loss[i], &accuracy, &err), LOCKSTEP_OK);
                assert_int_equal(lockstep_predict(m, &few, label, probability, &err), LOCKSTEP_OK);
                lockstep_model_digest(m, digest[i]);
                lockstep_model_free(m);
            }
            assert_string_equal(digest[0], digest[1]);
            assert_true(loss[0] == loss[1]);
        }
    alarm(0);
}

static void predictions_are_one_answer(void **state)
{
    struct lockstep_recipe r = recipe_of("adam");
    struct lockstep_model *a = model_of(net, &r, 1, "ref", NULL), *b = model_of(net, &r, 3, NULL, "replicas");
    uint8_t label[2][TEST];
    float p[2][TEST];
    double loss, accuracy;
    size_t hits = 0;
    struct lockstep_error err;

    (void)state;
    assert_int_equal(lockstep_train(a, &train_part, NULL, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_train(b, &train_part, NULL, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_predict(a, &test_part, label[0], p[0], &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_predict(b, &test_part, label[1], p[1], &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_evaluate(a, &test_part, &loss, &accuracy, &err), LOCKSTEP_OK);
    assert_memory_equal(label[0], label[1], TEST);
    assert_memory_equal(p[0], p[1], sizeof p[0]);
    for (int i = 0; i < TEST; i++) {
        hits += label[0][i] == test_part.label[i];
        assert_true(p[0][i] >= 0.1f && p[0][i] <= 1.0f);
    }
    assert_true((double)hits / TEST == accuracy);
    lockstep_model_free(a);
    lockstep_model_free(b);
}

/* ---- memory ---- */

static size_t arena_of(size_t batch, unsigned threads, const char *reduce)
{
    struct lockstep_recipe r = recipe_of("adam");
    struct lockstep_model *m;
    size_t size;

    r.batch = batch;
    m = model_of("mlp", &r, threads, NULL, reduce);
    size = m->engine.arena.size;
    lockstep_model_free(m);
    return size;
}

static void memory_does_not_grow_with_the_batch(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 7; threads += 6)
        for (int i = 0; i < 2; i++) {
            const char *reduce = i ? "replicas" : "owners";

            assert_true((double)arena_of(60000, threads, reduce) <= 1.1 * (double)arena_of(8192, threads, reduce));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer_sgd),
        cmocka_unit_test(one_answer_adam_adamw),
        cmocka_unit_test(seed_and_recipe_change_the_answer),
        cmocka_unit_test(schedules_change_the_answer),
        cmocka_unit_test(predictions_are_one_answer),
        cmocka_unit_test(batches_smaller_than_the_team),
        cmocka_unit_test(memory_does_not_grow_with_the_batch),
    };

    return cmocka_run_group_tests(tests, open_data, free_data);
}
