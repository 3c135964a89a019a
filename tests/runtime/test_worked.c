/* SPDX-License-Identifier: MIT
 * The worked numbers of the lecture notes: values, losses, and gradients for an upstream gradient g = dL/dy put in by
 * hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "graph/define.h"
#include "train/model.h"

enum { NODES = 24 };

static float number(uint32_t seed, uint32_t i)
{
    uint32_t w[4];

    ls_philox(seed, LS_STREAM_TEST, (uint32_t[4]){i, 0, 0, 0}, w);
    return (float)(2.0 * ls_uniform(w[0], w[1]) - 1.0);
}

static void *zeros(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);

    assert_non_null(p);
    return p;
}

/* ---- a model, its batch, and the same in double ---- */

struct bench {
    struct lockstep_model *m;
    struct ls_graph *g;
    size_t rows;
    double *x, *param[2 * NODES], *value[NODES];
    uint8_t label[64];
};

static struct lockstep_model *try_model(const char *text, size_t channels, size_t length, size_t classes)
{
    const struct lockstep_options options = {.threads = 2, .keep_values = true};
    struct lockstep_model *m;
    struct lockstep_error err;

    return lockstep_model_new(text, channels, length, classes, NULL, &options, &m, &err) ? NULL : m;
}

static void set(struct lockstep_model *m, const char *name, const float *values, size_t n)
{
    struct lockstep_error err;

    if (lockstep_set(m, name, values, n, &err))
        fail_msg("%s", err.text);
}

/* Random parameters; also biases. */
static void set_params(struct bench *b)
{
    size_t k = 0;

    for (size_t i = 0; i < b->g->n; i++)
        for (size_t j = 0; j < b->g->node[i].n_params; j++, k++) {
            const struct ls_param *p = &b->g->node[i].param[j];
            const size_t n = p->rows * p->cols;
            const double scale = 1.0 / sqrt((double)p->rows);
            float *w = zeros(n, sizeof *w);
            char name[64];

            b->param[k] = zeros(n, sizeof(double));
            for (size_t e = 0; e < n; e++) {
                w[e] = (float)(scale * (double)number((uint32_t)k, (uint32_t)e));
                b->param[k][e] = (double)w[e];
            }
            ls_param_name(&b->g->node[i], j, name);
            set(b->m, name, w, n);
            free(w);
        }
}

static double define(struct bench *b)
{
    const struct ls_define_input in = {
        .rows = b->rows, .x = b->x, .params = (const double *const *)b->param, .label = b->label, .seed = 1};

    return ls_define(b->g, &in, b->value);
}

/* A model with the batch x (rows, features) and labels. */
static struct bench bench_of(struct lockstep_model *m, size_t rows, const float *x, const uint8_t *label)
{
    struct bench b = {.m = m, .g = &m->graph, .rows = rows};
    const size_t n = rows * m->graph.input->features;
    float labels[64];

    assert_true(m->graph.n <= NODES && rows <= 64);
    b.x = zeros(n, sizeof *b.x);
    for (size_t i = 0; i < n; i++)
        b.x[i] = (double)x[i];
    for (size_t i = 0; i < rows; i++) {
        b.label[i] = (uint8_t)(label ? label[i] : i * 7 % m->graph.classes);
        labels[i] = (float)b.label[i];
    }
    set(m, "input", x, n);
    set(m, "label", labels, rows);
    set_params(&b);
    for (size_t i = 0; i < b.g->n; i++)
        b.value[i] = zeros(rows * b.g->node[i].features, sizeof(double));
    define(&b);
    return b;
}

static void bench_free(struct bench *b)
{
    free(b->x);
    for (size_t i = 0; i < NODES; i++)
        free(b->value[i]);
    for (size_t i = 0; i < 2 * NODES; i++)
        free(b->param[i]);
    lockstep_model_free(b->m);
}

static void backward(struct bench *b)
{
    struct lockstep_error err;

    if (lockstep_backward(b->m, NULL, &err))
        fail_msg("%s", err.text);
}

static float *fetch(const struct lockstep_model *m, const char *name, bool gradient)
{
    const size_t n = lockstep_count(m, name);
    float *v = zeros(n, sizeof *v);
    struct lockstep_error err;

    if ((gradient ? lockstep_grad : lockstep_get)(m, name, v, n, &err))
        fail_msg("%s: %s", m->text, err.text);
    return v;
}

static struct bench example(const char *text, size_t features, size_t classes, size_t rows, const float *x,
                            const uint8_t *label)
{
    struct lockstep_model *m = try_model(text, features, 1, classes);
    struct bench b;
    struct lockstep_error err;

    if (!m)
        fail_msg("%s: no model", text);
    b = bench_of(m, rows, x, label);
    if (lockstep_forward(m, NULL, &err))
        fail_msg("%s", err.text);
    return b;
}

static struct ls_context context_of(const struct bench *b)
{
    const struct ls_engine *e = &b->m->engine;

    return (struct ls_context){
        .k = &e->kernels.k, .act = e->act, .w = e->w, .wt = e->wt, .rows = b->rows, .train = true};
}

/* Backward of one node for the gradient g of its value: dx (rows, features of its input). */
static void local_gradient(struct bench *b, const char *name, const float *g, float *dx)
{
    const struct ls_node *n = ls_graph_find(b->g, name), *in = n->input[0];
    const struct ls_context c = context_of(b);
    unsigned saved;

    for (size_t r = 0; r < b->rows; r++)
        for (size_t i = 0; i < n->features; i++)
            ls_rows(&c, n->d)[ls_at(n, n->d, r, i)] = g[r * n->features + i];
    saved = lk_fpenv_enter();
    n->op->backward(n, &c);
    lk_fpenv_leave(saved);
    for (size_t r = 0; r < b->rows; r++)
        for (size_t i = 0; i < in->features; i++)
            dx[r * in->features + i] = ls_rows(&c, in->d)[ls_at(in, in->d, r, i)];
}

static void near_all(const float *got, const double *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= tolerance * fmax(1.0, fabs(expected[i]))))
            fail_msg("element %zu: expected %.9g, got %.9g", i, expected[i], (double)got[i]);
}

static void value_is(const struct bench *b, const char *name, const double *expected, size_t n)
{
    float *got = fetch(b->m, name, false);

    assert_int_equal(lockstep_count(b->m, name), n);
    near_all(got, expected, n, 1e-6);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(b->value[ls_graph_find(b->g, name) - b->g->node][i] - expected[i]) <=
                    1e-15 * fmax(1.0, fabs(expected[i])));
    free(got);
}

static void math_relu(void **state)
{
    const float x[6] = {1.0f, -0.5f, -2.0f, 3.0f, 0.0f, -0.0f}, g[6] = {5.0f, 6.0f, 7.0f, 8.0f, 9.0f, 10.0f};
    struct bench b = example("relu()", 2, 2, 3, x, NULL);
    float dx[6];

    (void)state;
    value_is(&b, "0", (const double[6]){1.0, 0.0, 0.0, 3.0, 0.0, 0.0}, 6);
    local_gradient(&b, "0", g, dx);
    near_all(dx, (const double[6]){5.0, 0.0, 0.0, 8.0, 0.0, 0.0}, 6, 0.0); /* 0 at x = 0 */
    bench_free(&b);
}

static void math_sigmoid(void **state)
{
    const float x[2] = {1.0f, -1.0f}, g[2] = {1.0f, -0.5344f};
    struct bench b = example("sigmoid()", 2, 2, 1, x, NULL);
    float dx[2];

    (void)state;
    value_is(&b, "0", (const double[2]){0.7310585786300049, 0.2689414213699951}, 2);
    local_gradient(&b, "0", g, dx);
    near_all(dx, (const double[2]){0.19661193324148185, -0.5344 * 0.19661193324148185}, 2, 1e-6);
    assert_true(fabs((double)dx[0] - 0.1966) < 5e-5);
    bench_free(&b);
}

static void math_tanh(void **state)
{
    const float x[2] = {0.5f, -2.0f}, g[2] = {1.0f, 3.0f};
    const double y[2] = {0.46211715726000973, -0.9640275800758169};
    struct bench b = example("tanh()", 2, 2, 1, x, NULL);
    float dx[2];

    (void)state;
    value_is(&b, "0", y, 2);
    local_gradient(&b, "0", g, dx);
    near_all(dx, (const double[2]){1.0 - y[0] * y[0], 3.0 * (1.0 - y[1] * y[1])}, 2, 1e-6);
    bench_free(&b);
}

static void math_softmax_of_ten_digit_scores(void **state)
{
    const float x[10] = {5.3f, 1.0f, 10.1f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    struct bench b = example("softmax()", 10, 10, 1, x, NULL);
    float *p = fetch(b.m, "0", false), dx[10], g[10] = {0.0f};

    (void)state;
    assert_true(fabs((double)p[0] - 0.00816) < 5e-6 && fabs((double)p[2] - 0.99096) < 5e-6);
    assert_true(fabs(b.value[1][0] - 0.00816) < 5e-6 && fabs(b.value[1][2] - 0.99096) < 5e-6);
    for (int j = 0; j < 10; j++) { /* row j of the Jacobian: p_j (1 - p_j), else -p_j p_k */
        double row[10];

        for (int k = 0; k < 10; k++) {
            row[k] = -b.value[1][j] * b.value[1][k] + (j == k ? b.value[1][j] : 0.0);
            g[k] = j == k ? 1.0f : 0.0f;
        }
        local_gradient(&b, "0", g, dx);
        near_all(dx, row, 10, 1e-6);
    }
    free(p);
    bench_free(&b);
}

static void math_cross_entropy(void **state)
{
    const float x[3] = {(float)log(0.3), (float)log(0.2), (float)log(0.5)};
    struct bench b = example("cross_entropy(input, label)", 3, 3, 1, x, (const uint8_t[]){1});
    const double p[3] = {log(0.3), log(0.2), log(0.5)};
    double loss, exact[1];
    float *d;
    struct lockstep_error err;

    (void)state;
    assert_int_equal(lockstep_backward(b.m, &loss, &err), LOCKSTEP_OK);
    assert_true(fabs(loss - 1.6094379124341003) <= 1e-6 * 1.6094379124341003);
    d = fetch(b.m, "input", true);
    near_all(d, (const double[3]){0.3, -0.8, 0.5}, 3, 1e-6);
    b.g->loss->op->define(b.g->loss,
                          &(struct ls_reference){.rows = 1, .x = {p}, .label = (const uint8_t[]){1}, .y = exact});
    assert_true(fabs(exact[0] - 1.6094379124341003) <= 1e-15 * 1.61);
    free(d);
    bench_free(&b);
}

/* (y - t) / n: three equal rows give a third each. */
static void math_cross_entropy_is_a_mean(void **state)
{
    const float l[3] = {(float)log(0.3), (float)log(0.2), (float)log(0.5)};
    const float x[9] = {l[0], l[1], l[2], l[0], l[1], l[2], l[0], l[1], l[2]};
    struct bench b = example("cross_entropy(input, label)", 3, 3, 3, x, (const uint8_t[]){1, 1, 1});
    float *d;

    (void)state;
    backward(&b);
    d = fetch(b.m, "input", true);
    for (int r = 0; r < 3; r++)
        near_all(d + 3 * r, (const double[3]){0.1, -0.8 / 3.0, 0.5 / 3.0}, 3, 1e-6);
    free(d);
    bench_free(&b);
}

static double loss_of(size_t features, size_t rows, const float *x, const uint8_t *label)
{
    struct bench b = example("cross_entropy(input, label)", features, features, rows, x, label);
    double loss;
    struct lockstep_error err;

    assert_int_equal(lockstep_forward(b.m, &loss, &err), LOCKSTEP_OK);
    bench_free(&b);
    return loss;
}

/* Labels distributed as the softmax: cross entropy = entropy. A true class of probability near 0: large, but finite. */
static void math_entropy_remarks(void **state)
{
    const double p[3] = {0.3, 0.2, 0.5}, entropy = -(0.3 * log(0.3) + 0.2 * log(0.2) + 0.5 * log(0.5));
    const uint8_t label[10] = {0, 0, 0, 1, 1, 2, 2, 2, 2, 2};
    float x[30];

    (void)state;
    for (int i = 0; i < 30; i++)
        x[i] = (float)log(p[i % 3]);
    assert_true(fabs(loss_of(3, 10, x, label) - entropy) < 1e-6);
    assert_true(fabs(loss_of(2, 1, (const float[]){0.0f, 100.0f}, (const uint8_t[]){0}) - 100.0) < 1e-4);
    assert_true(fabs(loss_of(2, 1, (const float[]){-1000.0f, 1000.0f}, (const uint8_t[]){0}) - 2000.0) < 1e-3);
    assert_true(loss_of(2, 1, (const float[]){-1000.0f, 1000.0f}, (const uint8_t[]){1}) == 0.0);
}

/* "vectors": f = sum(q^2), q = W x, df/dq = 2 q. */
static void math_vectors(void **state)
{
    const float w[4] = {0.1f, 0.5f, -0.3f, 0.8f}, x[2] = {0.2f, 0.4f}, zero[2] = {0.0f, 0.0f};
    struct bench b = example("linear(2)", 2, 2, 1, x, NULL);
    const struct ls_node *n = ls_graph_find(b.g, "0");
    const struct ls_context c = context_of(&b);
    float *q, g[2 * LK_PANEL], db[LK_PANEL], dx[2], up[2];
    struct lockstep_error err;

    (void)state;
    set(b.m, "0.weight", w, 4);
    set(b.m, "0.bias", zero, 2);
    assert_int_equal(lockstep_forward(b.m, NULL, &err), LOCKSTEP_OK);
    q = fetch(b.m, "0", false);
    near_all(q, (const double[2]){0.22, 0.26}, 2, 1e-7);
    assert_true(fabs((double)(q[0] * q[0] + q[1] * q[1]) - 0.116) < 1e-7);
    up[0] = 2.0f * q[0];
    up[1] = 2.0f * q[1];
    near_all(up, (const double[2]){0.44, 0.52}, 2, 1e-7);
    local_gradient(&b, "0", up, dx);
    near_all(dx, (const double[2]){-0.112, 0.636}, 2, 1e-7);
    n->op->grad(n, &c, &(struct ls_unit){.node = (size_t)(n - b.g->node), .rows = 2, .cols = 2}, g, 2 * LK_PANEL, db,
                true);
    near_all((const float[4]){g[0], g[LK_PANEL], g[1], g[LK_PANEL + 1]}, (const double[4]){0.088, 0.176, 0.104, 0.208},
             4, 1e-7);
    near_all(db, (const double[2]){0.44, 0.52}, 2, 1e-7);
    free(q);
    bench_free(&b);
}

/* dX = dY W^T, dW = X^T dY, db = column sums of dY, over two rows; W saved as (O, I). */
static void math_linear(void **state)
{
    const float w[6] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}, bias[2] = {0.5f, -0.5f};
    const float x[6] = {1.0f, 0.0f, -1.0f, 2.0f, 1.0f, 0.0f}, up[4] = {1.0f, -1.0f, 2.0f, 3.0f};
    struct bench b = example("linear(2)", 3, 2, 2, x, NULL);
    const struct ls_node *n = ls_graph_find(b.g, "0");
    const struct ls_context c = context_of(&b);
    float *y, g[3 * LK_PANEL], db[LK_PANEL], dx[6];
    struct lockstep_error err;

    (void)state;
    set(b.m, "0.weight", w, 6);
    set(b.m, "0.bias", bias, 2);
    assert_int_equal(lockstep_forward(b.m, NULL, &err), LOCKSTEP_OK);
    y = fetch(b.m, "0", false);
    near_all(y, (const double[4]){-1.5, -2.5, 4.5, 12.5}, 4, 0.0);
    local_gradient(&b, "0", up, dx);
    near_all(dx, (const double[6]){-3.0, -3.0, -3.0, 14.0, 19.0, 24.0}, 6, 0.0);
    n->op->grad(n, &c, &(struct ls_unit){.node = (size_t)(n - b.g->node), .rows = 3, .cols = 2}, g, 3 * LK_PANEL, db,
                true);
    for (int i = 0; i < 3; i++)
        near_all(g + i * LK_PANEL, (const double[3][2]){{5.0, 5.0}, {2.0, 3.0}, {-1.0, 1.0}}[i], 2, 0.0);
    near_all(db, (const double[2]){3.0, 2.0}, 2, 0.0);
    free(y);
    bench_free(&b);
}

static void math_flatten(void **state)
{
    const float x[12] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 9.0f, 10.0f, 11.0f, 12.0f};
    struct lockstep_model *m = try_model("flatten()", 2, 3, 6);
    struct bench b;
    float *y, *dy, *dx;

    (void)state;
    assert_non_null(m);
    b = bench_of(m, 2, x, NULL);
    backward(&b);
    y = fetch(m, "0", false);
    dy = fetch(m, "0", true);
    dx = fetch(m, "input", true);
    assert_memory_equal(y, x, sizeof x);
    assert_memory_equal(dx, dy, sizeof x);
    assert_true(dx[0] < 0.0f); /* the label of row 0 is 0 */
    free(y);
    free(dy);
    free(dx);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(math_relu),
        cmocka_unit_test(math_sigmoid),
        cmocka_unit_test(math_tanh),
        cmocka_unit_test(math_softmax_of_ten_digit_scores),
        cmocka_unit_test(math_cross_entropy),
        cmocka_unit_test(math_cross_entropy_is_a_mean),
        cmocka_unit_test(math_entropy_remarks),
        cmocka_unit_test(math_vectors),
        cmocka_unit_test(math_linear),
        cmocka_unit_test(math_flatten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
