/* SPDX-License-Identifier: MIT
 * Training: one answer over threads, ways to reduce and instruction sets; what stops it; its memory; learning rates;
 * and a trajectory computed independently in plain double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/rng.h"
#include "data/data.h"
#include "train/lr.h"
#include "train/model.h"

/* Of each digit only the middle lines, which keeps the plain C of ref short. */
enum { TRAIN = 2000, TEST = 500, SIDE = LS_DIGITS_SIDE, LINES = SIDE / 2, PIXELS = LINES * SIDE, PATIENCE = 300 };

static const char net[] = "flatten | linear(20) | relu | linear(36) | sigmoid | linear(10)";

static struct lockstep_data train_part, test_part;

static struct lockstep_data draw(enum lockstep_part part, size_t rows)
{
    struct lockstep_data d = {.rows = rows, .channels = LINES, .length = SIDE, .classes = 10};
    uint8_t whole[SIDE * SIDE];

    d.x = malloc(rows * PIXELS);
    d.label = malloc(rows);
    if (!d.x || !d.label)
        abort();
    for (size_t i = 0; i < rows; i++) {
        d.label[i] = ls_digits_draw(part, i, whole);
        memcpy(d.x + i * PIXELS, whole + (SIDE - LINES) / 2 * SIDE, PIXELS);
    }
    return d;
}

static int open_data(void **state)
{
    (void)state;
    train_part = draw(LOCKSTEP_TRAIN, TRAIN);
    test_part = draw(LOCKSTEP_TEST, TEST);
    return 0;
}

static int free_data(void **state)
{
    (void)state;
    free(train_part.x);
    free(train_part.label);
    free(test_part.x);
    free(test_part.label);
    return 0;
}

static struct lockstep_recipe recipe_of(const char *optimizer)
{
    struct lockstep_recipe r;

    lockstep_recipe_init(&r);
    r.batch = 203; /* 2000 = 9 * 203 + 173 */
    r.epochs = 1;
    r.optimizer = optimizer;
    r.lr = 0.002;
    if (!strcmp(optimizer, "sgd")) {
        r.lr = 0.05;
        r.momentum = 0.9;
        r.nesterov = true;
    }
    r.weight_decay = !strcmp(optimizer, "adam") ? 0.0 : 0.01;
    return r;
}

static struct lockstep_model *model_of(const char *text, const struct lockstep_recipe *r, unsigned threads,
                                       const char *isa, const char *reduce)
{
    const struct lockstep_options o = {.threads = threads, .isa = isa, .reduce = reduce};
    struct lockstep_model *m;
    struct lockstep_error err;

    if (lockstep_model_new(text, LINES, SIDE, 10, r, &o, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

/* ---- one answer ---- */

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

/* ---- events ---- */

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

/* ---- learning rate and memory ---- */

static void near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-14))
        fail_msg("expected %.17g, got %.17g", expected, got);
}

static void learning_rates(void **state)
{
    ls_lr_fn *constant = ls_lr_find("constant"), *cosine = ls_lr_find("cosine");

    (void)state;
    assert_null(ls_lr_find("linear"));
    for (size_t t = 0; t < 10; t++) {
        near(ls_lr(constant, 0.5, 0, t, 10), 0.5);
        near(ls_lr(cosine, 0.5, 0, t, 10), 0.25 * (1.0 + cos(3.14159265358979323846 * (double)t / 10.0)));
        near(ls_lr(constant, 0.5, 4, t, 10), t < 4 ? 0.125 * (double)(t + 1) : 0.5);
    }
    near(ls_lr(cosine, 1.0, 0, 5, 10), 0.5);
    near(ls_lr(cosine, 1.0, 2, 0, 10), 0.5);
    near(ls_lr(cosine, 1.0, 2, 1, 10), 1.0);
    near(ls_lr(cosine, 1.0, 2, 2, 10), 1.0);
    near(ls_lr(cosine, 1.0, 2, 6, 10), 0.5);
    near(ls_lr(cosine, 1.0, 20, 9, 10), 0.5);
    near(ls_lr(cosine, 1.0, 10, 9, 10), 1.0);
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

/* ---- an independent trajectory: 6 -> 5 -> 4, relu, five steps in plain double ---- */

enum { I = 6, H = 5, O = 4, B = 9, STEPS = 5, W1 = 0, B1 = W1 + H * I, W2 = B1 + H, B2 = W2 + O * H, P = B2 + O };

struct plain {
    double p[P], g[P], m[P], v[P];
    double x[B][I];
    int label[B];
};

/* Gradient of the mean cross entropy; returns the loss. */
static double plain_gradient(struct plain *s)
{
    double loss = 0.0;

    memset(s->g, 0, sizeof s->g);
    for (int r = 0; r < B; r++) {
        double h[H], z[O], dh[H] = {0.0}, sum = 0.0;

        for (int j = 0; j < H; j++) {
            h[j] = s->p[B1 + j];
            for (int i = 0; i < I; i++)
                h[j] += s->x[r][i] * s->p[W1 + j * I + i];
            h[j] = h[j] > 0.0 ? h[j] : 0.0;
        }
        for (int o = 0; o < O; o++) {
            z[o] = s->p[B2 + o];
            for (int j = 0; j < H; j++)
                z[o] += h[j] * s->p[W2 + o * H + j];
            sum += exp(z[o]);
        }
        loss += (log(sum) - z[s->label[r]]) / B;
        for (int o = 0; o < O; o++) {
            const double d = (exp(z[o]) / sum - (o == s->label[r])) / B;

            s->g[B2 + o] += d;
            for (int j = 0; j < H; j++) {
                s->g[W2 + o * H + j] += d * h[j];
                dh[j] += h[j] > 0.0 ? d * s->p[W2 + o * H + j] : 0.0;
            }
        }
        for (int j = 0; j < H; j++) {
            s->g[B1 + j] += dh[j];
            for (int i = 0; i < I; i++)
                s->g[W1 + j * I + i] += dh[j] * s->x[r][i];
        }
    }
    return loss;
}

/* As the textbook has them: SGD with momentum, Adam (L2), AdamW (decoupled). */
static void plain_update(struct plain *s, const struct lockstep_recipe *r, int t)
{
    for (int i = 0; i < P; i++) {
        if (!strcmp(r->optimizer, "sgd")) {
            const double g = s->g[i] + r->weight_decay * s->p[i];

            s->m[i] = r->momentum * s->m[i] + g;
            s->p[i] -= r->lr * (r->nesterov ? g + r->momentum * s->m[i] : s->m[i]);
        } else {
            const bool coupled = !strcmp(r->optimizer, "adam");
            const double g = s->g[i] + (coupled ? r->weight_decay * s->p[i] : 0.0);

            if (!coupled)
                s->p[i] -= r->lr * r->weight_decay * s->p[i];
            s->m[i] = 0.9 * s->m[i] + 0.1 * g;
            s->v[i] = 0.999 * s->v[i] + 0.001 * g * g;
            s->p[i] -= r->lr * (s->m[i] / (1.0 - pow(0.9, t))) / (sqrt(s->v[i] / (1.0 - pow(0.999, t))) + 1e-8);
        }
    }
}

static const struct {
    const char *name;
    int at, n;
} TENSORS[] = {{"0.weight", W1, H *I}, {"0.bias", B1, H}, {"2.weight", W2, O *H}, {"2.bias", B2, O}};

static void start_trajectory(struct plain *s, struct lockstep_model *m)
{
    float x[B * I], label[B], w[P];
    struct lockstep_error err;

    memset(s, 0, sizeof *s);
    for (int i = 0; i < B * I + P; i++) {
        uint32_t word[4];
        float u;

        ls_philox(5, LS_STREAM_TEST, (uint32_t[4]){(uint32_t)i, 0, 0, 0}, word);
        u = (float)(2.0 * ls_uniform(word[0], word[1]) - 1.0);
        if (i < B * I)
            s->x[i / I][i % I] = (double)(x[i] = u);
        else
            s->p[i - B * I] = (double)(w[i - B * I] = 0.7f * u);
    }
    for (int r = 0; r < B; r++)
        label[r] = (float)(s->label[r] = r % O);
    assert_int_equal(lockstep_set(m, "input", x, B * I, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_set(m, "label", label, B, &err), LOCKSTEP_OK);
    for (int k = 0; k < 4; k++)
        assert_int_equal(lockstep_set(m, TENSORS[k].name, w + TENSORS[k].at, (size_t)TENSORS[k].n, &err), LOCKSTEP_OK);
}

static void trajectory(const struct lockstep_recipe *r)
{
    static struct plain s;
    struct lockstep_model *m;
    struct lockstep_error err;
    double moved = 0.0, start[P];
    float w[P];

    assert_int_equal(lockstep_model_new("linear(5) | relu | linear(4)", I, 1, O, r, NULL, &m, &err), LOCKSTEP_OK);
    start_trajectory(&s, m);
    memcpy(start, s.p, sizeof start);
    for (int t = 1; t <= STEPS; t++) {
        const double expected = plain_gradient(&s);
        double loss;

        assert_int_equal(lockstep_step(m, &loss, &err), LOCKSTEP_OK);
        assert_true(fabs(loss - expected) < 1e-5);
        plain_update(&s, r, t);
        for (int k = 0; k < 4; k++)
            assert_int_equal(lockstep_get(m, TENSORS[k].name, w + TENSORS[k].at, (size_t)TENSORS[k].n, &err),
                             LOCKSTEP_OK);
        for (int i = 0; i < P; i++) {
            if (!(fabs((double)w[i] - s.p[i]) <= 1e-5))
                fail_msg("%s, step %d, parameter %d: expected %.9g, got %.9g", r->optimizer, t, i, s.p[i],
                         (double)w[i]);
            moved = fmax(moved, fabs(s.p[i] - start[i]));
        }
    }
    assert_true(moved > 0.02);
    lockstep_model_free(m);
}

static void trajectories_are_the_textbooks(void **state)
{
    struct lockstep_recipe r;

    (void)state;
    lockstep_recipe_init(&r);
    r.lr = 0.1;
    r.optimizer = "sgd";
    trajectory(&r);
    r.momentum = 0.9;
    trajectory(&r);
    r.nesterov = true;
    r.weight_decay = 0.05;
    r.shards = 4;
    trajectory(&r);
    r.lr = 0.01;
    r.optimizer = "adam";
    trajectory(&r);
    r.optimizer = "adamw";
    trajectory(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer_sgd),
        cmocka_unit_test(one_answer_adam_adamw),
        cmocka_unit_test(seed_and_recipe_change_the_answer),
        cmocka_unit_test(predictions_are_one_answer),
        cmocka_unit_test(training_allocates_nothing),
        cmocka_unit_test(stop_ends_after_the_next_batch),
        cmocka_unit_test(progress_is_told_and_can_stop),
        cmocka_unit_test(batch_larger_than_the_data),
        cmocka_unit_test(data_must_fit_the_model),
        cmocka_unit_test(nonfinite_loss_stops_training),
        cmocka_unit_test(infinite_weight_stops_the_first_step),
        cmocka_unit_test(learning_rates),
        cmocka_unit_test(schedules_change_the_answer),
        cmocka_unit_test(memory_does_not_grow_with_the_batch),
        cmocka_unit_test(trajectories_are_the_textbooks),
        cmocka_unit_test(batches_smaller_than_the_team),
    };

    return cmocka_run_group_tests(tests, open_data, free_data);
}
