/* SPDX-License-Identifier: MIT
 * Steps computed twice: the same answer as without, no allocation, and a bit that flips once in a kernel is caught and
 * named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/rng.h"
#include "data/data.h"
#include "train/model.h"

enum { ROWS = 230, C = 6, L = 9, CLASSES = 5, BATCH = 40 }; /* 230 = 5 * 40 + 30: six steps an epoch */

static const char net[] =
    "conv1d(7, kernel_size=3, groups=1) | relu | dropout(0.2) | flatten | linear(19) | relu | linear(5)";

static uint8_t pixels[ROWS * C * L], labels[ROWS];
static struct lockstep_data data = {ROWS, C, L, CLASSES, pixels, labels};

static int draw(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ROWS * C * L; i++) {
        uint32_t word[4];

        ls_philox(3, LS_STREAM_TEST, (uint32_t[4]){i, 0, 0, 0}, word);
        pixels[i] = (uint8_t)word[0];
        labels[i % ROWS] = (uint8_t)(word[1] % CLASSES);
    }
    return 0;
}

static struct lockstep_recipe recipe(void)
{
    struct lockstep_recipe r;

    lockstep_recipe_init(&r);
    r.batch = BATCH;
    r.epochs = 2;
    r.lr = 0.01;
    r.shards = 4;
    return r;
}

static struct lockstep_model *model(const struct lockstep_recipe *r, unsigned threads, const char *reduce,
                                    size_t verify)
{
    const struct lockstep_options o = {.threads = threads, .reduce = reduce, .verify = verify};
    struct lockstep_model *m;
    struct lockstep_error err;

    if (lockstep_model_new(net, C, L, CLASSES, r, &o, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

/* ---- without a fault ---- */

struct listener {
    struct lockstep_start start;
    size_t epochs, first, last; /* allocations at the first and at the last call */
    volatile sig_atomic_t stop;
    bool stop_at_once;
};

static void on_start(void *user, const struct lockstep_start *s)
{
    struct listener *l = user;

    l->start = *s;
    l->first = ls_mem_allocations();
}

static void on_epoch(void *user, const struct lockstep_epoch *e)
{
    struct listener *l = user;

    (void)e;
    l->epochs++;
    l->last = ls_mem_allocations();
    l->stop = l->stop_at_once;
}

static struct listener train(struct lockstep_model *m, struct listener l)
{
    struct lockstep_events events = {.user = &l, .epoch = on_epoch, .start = on_start};
    struct lockstep_error err;

    events.stop = &l.stop;
    if (lockstep_train(m, &data, &data, &events, &err))
        fail_msg("%s", err.text);
    return l;
}

static void same_answer_without_allocations(void **state)
{
    static const unsigned threads[] = {1, 2, 3};
    static const char *const optimizer[] = {"sgd", "adam"}, *const reduce[] = {"owners", "replicas"};
    const size_t every[] = {0, 1, 5, 1000};

    (void)state;
    alarm(120); /* a hang is a failure */
    for (int o = 0; o < 2; o++) {
        struct lockstep_recipe r = recipe();
        char expected[33] = "", got[33];

        r.optimizer = optimizer[o];
        for (int i = 0; i < 24; i++) {
            struct lockstep_model *m = model(&r, threads[i % 3], reduce[i / 3 % 2], every[i / 6]);
            const struct listener l = train(m, (struct listener){.epochs = 0});

            assert_int_equal(l.epochs, 2);
            assert_int_equal(l.first, l.last);
            assert_int_equal(l.start.verify, every[i / 6]);
            assert_string_equal(l.start.reduce, reduce[i / 3 % 2]);
            if (l.start.verify) {
                assert_string_equal(l.start.verify_reduce, reduce[!(i / 3 % 2)]);
                assert_int_not_equal(l.start.verify_threads, threads[i % 3]);
            }
            lockstep_model_digest(m, i ? got : expected);
            if (i)
                assert_string_equal(got, expected);
            lockstep_model_free(m);
        }
    }
    alarm(0);
}

/* Weights set after the model was built, a second training, a stop: the second engine goes along, its workers end. */
static void trained_again_and_stopped(void **state)
{
    (void)state;
    alarm(60);
    for (unsigned threads = 1; threads <= 2; threads++) {
        char digest[2][33];

        for (size_t verify = 0; verify < 2; verify++) {
            const struct lockstep_recipe r = recipe();
            struct lockstep_model *m = model(&r, threads, NULL, verify);
            const float bias[CLASSES] = {0.5f, -1.0f, 0.25f};
            struct lockstep_error err;

            train(m, (struct listener){.stop_at_once = true});
            assert_int_equal(m->steps, 7); /* an epoch and a step */
            assert_int_equal(lockstep_set(m, "6.bias", bias, CLASSES, &err), LOCKSTEP_OK);
            train(m, (struct listener){.epochs = 0});
            lockstep_model_digest(m, digest[verify]);
            lockstep_model_free(m);
        }
        assert_string_equal(digest[0], digest[1]);
    }
    alarm(0);
}

/* A loss that is not finite is not finite twice: what stops the run is that. */
static void nonfinite_is_no_difference(void **state)
{
    (void)state;
    alarm(60);
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct lockstep_recipe r = recipe();
        struct lockstep_model *m;
        struct lockstep_error err;

        r.optimizer = "sgd";
        r.lr = 1e30;
        m = model(&r, threads, NULL, 1);
        assert_int_equal(lockstep_train(m, &data, NULL, NULL, &err), LOCKSTEP_E_NONFINITE);
        assert_non_null(strstr(err.text, "is not finite"));
        lockstep_model_free(m);
    }
    alarm(0);
}

/* ---- with a fault: a kernel of the model's table that goes wrong once ---- */

static struct {
    struct lk_kernels true_kernels;
    const struct ls_engine *engine; /* of the model */
    bool elsewhere;                 /* hit the second engine instead, the first update of the call */
    const float *target;            /* a weight or state of the model */
    unsigned at;                    /* update of the target that goes wrong, from 1 */
    atomic_uint seen;
} fault;

static void flip_low_bit(const float *x)
{
    uint32_t u;

    memcpy(&u, x, sizeof u);
    u ^= 1;
    memcpy((void *)(uintptr_t)x, &u, sizeof u);
}

static bool inside(const float *x, const float *a, size_t n)
{
    return (uintptr_t)x >= (uintptr_t)a && (uintptr_t)x < (uintptr_t)(a + n);
}

static int flaky_adam(size_t n, const float *g, float *w, float *m, float *v, const struct lk_adam *s)
{
    const int finite = fault.true_kernels.adam(n, g, w, m, v, s);

    if (fault.elsewhere) {
        if (!inside(w, fault.engine->w, fault.engine->g->params) && ++fault.seen == fault.at)
            flip_low_bit(w);
    } else if ((inside(fault.target, w, n) || inside(fault.target, v, n)) && ++fault.seen == fault.at) {
        flip_low_bit(fault.target);
    }
    return finite;
}

/* Transposed weights of the first engine go wrong: the weights themselves never do. */
static void flaky_transpose(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    fault.true_kernels.transpose(rows, cols, x, ldx, y, ldy);
    if (inside(x, fault.engine->w, fault.engine->g->params) && ++fault.seen == fault.at)
        flip_low_bit(y);
}

static void plant(struct lockstep_model *m, unsigned at)
{
    fault.true_kernels = m->engine.kernels.k;
    fault.engine = &m->engine;
    fault.elsewhere = false;
    fault.at = at;
    atomic_store(&fault.seen, 0);
}

/* Element i, in PyTorch's order, of a parameter in an array of the engine. */
static const float *element(const struct lockstep_model *m, const float *array, size_t node, size_t param, size_t i)
{
    const struct ls_param *p = &m->graph.node[node].param[param];

    return array + p->offset + ls_param_index(p, i);
}

/* Train with the fault planted; the line that stopped it, "" when nothing did. */
static const char *stopped_by(struct lockstep_model *m)
{
    static struct lockstep_error err;

    err.text[0] = 0;
    lockstep_train(m, &data, NULL, NULL, &err);
    if (err.status)
        assert_int_equal(err.status, LOCKSTEP_E_NONFINITE);
    return err.status ? err.text : "";
}

static void starts_with(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)))
        fail_msg("expected \"%s...\", got \"%s\"", start, text);
}

static size_t node_of(const struct lockstep_model *m, const char *op, size_t which)
{
    for (size_t i = 0;; i++)
        if (!strcmp(m->graph.node[i].op->name, op) && !which--)
            return i;
}

static void a_flipped_bit_is_named(void **state)
{
    static const char *const reduce[] = {"owners", "replicas"};

    (void)state;
    alarm(60);
    for (unsigned i = 0; i < 6; i++) {
        const unsigned threads = 1 + i % 3;
        const struct lockstep_recipe r = recipe();
        struct lockstep_model *m = model(&r, threads, reduce[i / 3], 1);

        m->engine.kernels.k.adam = (plant(m, 4), flaky_adam);
        fault.target = element(m, m->engine.w, node_of(m, "linear", 1), 0, 3 * 19 + 17);
        starts_with(stopped_by(m), "training stopped: step 4 (epoch 1) computed twice differs at 6.weight[3][17]: ");
        assert_int_equal(m->steps, 3);
        lockstep_model_free(m);

        m = model(&r, threads, reduce[i / 3], 1);
        m->engine.kernels.k.adam = (plant(m, 8), flaky_adam);
        fault.target = element(m, m->engine.state[1], node_of(m, "conv1d", 0), 0, (5 * C + 2) * 3 + 1);
        starts_with(stopped_by(m),
                    "training stopped: step 8 (epoch 2) computed twice differs at the optimiser's second "
                    "state of 0.weight[5][2][1]: ");
        lockstep_model_free(m);
    }
    alarm(0);
}

static void a_fault_of_the_second_engine_is_found(void **state)
{
    const struct lockstep_recipe r = recipe();

    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct lockstep_model *m = model(&r, threads, NULL, 3);

        m->engine.kernels.k.adam = (plant(m, 1), flaky_adam);
        fault.elsewhere = true;
        starts_with(stopped_by(m), "training stopped: step 3 (epoch 1) computed twice differs at ");
        lockstep_model_free(m);
    }
}

/* Only verified steps are: a fault between two of them becomes part of the weights. */
static void a_fault_between_verified_steps_is_not_seen(void **state)
{
    const struct lockstep_recipe r = recipe();

    (void)state;
    for (unsigned at = 4; at <= 6; at++) {
        struct lockstep_model *m = model(&r, 2, NULL, 3);

        m->engine.kernels.k.adam = (plant(m, at), flaky_adam);
        fault.target = element(m, m->engine.w, node_of(m, "linear", 0), 1, 2);
        starts_with(stopped_by(m),
                    at == 6 ? "training stopped: step 6 (epoch 1) computed twice differs at 4.bias[2]: " : "");
        assert_int_equal(m->steps, at == 6 ? 5 : 12);
        lockstep_model_free(m);
    }
}

/* ... but the transposed weights are made anew: one that went wrong before is found. */
static void wrong_transposed_weights_are_found(void **state)
{
    const struct lockstep_recipe r = recipe();
    struct lockstep_model *m = model(&r, 2, NULL, 2);

    (void)state;
    m->engine.kernels.k.transpose = (plant(m, 1), flaky_transpose);
    starts_with(stopped_by(m), "training stopped: step 2 (epoch 1) computed twice differs at ");
    lockstep_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_answer_without_allocations),
        cmocka_unit_test(trained_again_and_stopped),
        cmocka_unit_test(nonfinite_is_no_difference),
        cmocka_unit_test(a_flipped_bit_is_named),
        cmocka_unit_test(a_fault_of_the_second_engine_is_found),
        cmocka_unit_test(a_fault_between_verified_steps_is_not_seen),
        cmocka_unit_test(wrong_transposed_weights_are_found),
    };

    return cmocka_run_group_tests(tests, draw, NULL);
}
