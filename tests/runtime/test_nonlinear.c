/* SPDX-License-Identifier: MIT
 * Activations from their input, log_softmax and the losses of values against PyTorch 2 in double (rows "leaky_relu,
 * gelu, silu", "softmax", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss" of the lecture notes'
 * tables); models that need no labels; predictions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/math64.h"
#include "data/data.h"
#include "graph/build.h"
#include "graph/define.h"
#include "train/model.h"

enum { N = 6 };

static void near_all(const float *got, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= 1e-6 * fmax(1.0, fabs(expected[i]))))
            fail_msg("element %zu: expected %.9g, got %.9g", i, expected[i], (double)got[i]);
}

static void defined_as(const double *got, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - expected[i]) <= 1e-15 * fmax(1.0, fabs(expected[i]))))
            fail_msg("element %zu: expected %.17g, got %.17g", i, expected[i], got[i]);
}

static void ok(enum lockstep_status s, const struct lockstep_error *err)
{
    if (s)
        fail_msg("%s", err->text);
}

/* ---- activations: x, its value y and dy/dx ---- */

static const double X[N] = {-3.0, -1.0, -0.5, 0.0, 0.5, 2.0};

static void check_definition(const char *text, const double *x, size_t rows, const double *expected)
{
    double in[2 * N], out[2 * N], loss[2], *value[4] = {in, out, out, loss};
    struct ls_graph g;
    struct lockstep_error err;

    ok(ls_graph_build(text, N, 1, 0, &g, &err), &err);
    assert_int_equal(g.n, 2);
    ls_define(&g, &(struct ls_define_input){.rows = rows, .x = x}, value);
    defined_as(out, expected, rows * N);
    ls_graph_free(&g);
}

static void check_activation(const char *op, const double y[N], const double dx[N])
{
    char text[64];
    float x[N], got[N];
    const struct lockstep_value value = {"x", 1, {N}, x};
    struct lockstep_model *m;
    struct lockstep_error err;

    for (int i = 0; i < N; i++)
        x[i] = (float)X[i];
    strcat(strcpy(text, "y = x | "), op);
    ok(lockstep_graph_new(text, &value, 1, NULL, &m, &err), &err);
    ok(lockstep_backward(m, NULL, &err), &err);
    ok(lockstep_get(m, "y", got, N, &err), &err);
    near_all(got, y, N);
    ok(lockstep_grad(m, "x", got, N, &err), &err);
    near_all(got, dx, N);
    lockstep_model_free(m);
    check_definition(op, X, 1, y);
}

static void gelu_is_pytorchs(void **state)
{
    (void)state;
    check_activation("gelu",
                     (const double[N]){-0.00404969409489031, -0.15865525393145702, -0.15426876936299344, 0.0,
                                       0.34573123063700656, 1.9544997361036416},
                     (const double[N]){-0.01194564720418392, -0.08331547058768635, 0.13250487534383712, 0.5,
                                       0.8674951246561629, 1.085231801078197});
    check_activation("gelu(approximate=none)",
                     (const double[N]){-0.00404969409489031, -0.15865525393145702, -0.15426876936299344, 0.0,
                                       0.34573123063700656, 1.9544997361036416},
                     (const double[N]){-0.01194564720418392, -0.08331547058768635, 0.13250487534383712, 0.5,
                                       0.8674951246561629, 1.085231801078197});
    check_activation("gelu(approximate=tanh)",
                     (const double[N]){-0.0036373920817729943, -0.15880800939172324, -0.15428599017485606, 0.0,
                                       0.34571400982514394, 1.954597694087775},
                     (const double[N]){-0.011584166630969648, -0.08296408384578252, 0.13263009646535764, 0.5,
                                       0.8673699035346424, 1.0860992566236183});
}

static void silu_is_pytorchs(void **state)
{
    (void)state;
    check_activation("silu",
                     (const double[N]){-0.14227761953270035, -0.2689414213699951, -0.1887703343990727, 0.0,
                                       0.3112296656009273, 1.7615941559557646},
                     (const double[N]){-0.08810410601516962, 0.07232948812851325, 0.2600388126973482, 0.5,
                                       0.7399611873026519, 1.0907842487848955});
}

static void leaky_relu_is_pytorchs(void **state)
{
    (void)state;
    check_activation("leaky_relu", (const double[N]){-0.03, -0.01, -0.005, 0.0, 0.5, 2.0},
                     (const double[N]){0.01, 0.01, 0.01, 0.01, 1.0, 1.0});
    check_activation("leaky_relu(0.25)", (const double[N]){-0.75, -0.25, -0.125, 0.0, 0.5, 2.0},
                     (const double[N]){0.25, 0.25, 0.25, 0.25, 1.0, 1.0});
    check_activation("leaky_relu(negative_slope=-1)", (const double[N]){3.0, 1.0, 0.5, 0.0, 0.5, 2.0},
                     (const double[N]){-1.0, -1.0, -1.0, -1.0, 1.0, 1.0});
}

static void log_softmax_is_pytorchs(void **state)
{
    const double y[N] = {-5.403513509895883, -3.403513509895883, -2.903513509895883,
                         -2.403513509895883, -1.903513509895883, -0.40351350989588314};
    double dx[N];

    (void)state;
    for (int i = 0; i < N; i++)
        dx[i] = 1.0 - N * exp(y[i]); /* g = 1 */
    check_activation("log_softmax", y, dx);
}

static void wrong_words(void **state)
{
    static const char *const text[] = {"input(6) | gelu(approximate=erf)", "input(6) | gelu(1)"};
    struct ls_graph g;
    struct lockstep_error err;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ls_graph_build(text[i], N, 1, 0, &g, &err), LOCKSTEP_E_USAGE);
        assert_non_null(strstr(err.text, "gelu: approximate: expected one of none|tanh"));
    }
    assert_int_equal(ls_graph_build("input(6) | dropout(1)", N, 1, 0, &g, &err), LOCKSTEP_E_USAGE);
    assert_non_null(strstr(err.text, "dropout: p: expected a number from 0 up to, not with, 1, got 1"));
    assert_int_equal(ls_graph_build("mse_loss(input, sum(input))", N, 1, 0, &g, &err), LOCKSTEP_E_USAGE);
    assert_non_null(
        strstr(err.text, "mse_loss: expected a prediction and a target of the same shape, got (6) and (1)"));
}

/* ---- losses of two rows: t = (0, 1, 0), (1, 0, 0) ---- */

static void check_loss(const char *text, const double x[N], const double row[2], const double dx[N])
{
    const uint8_t labels[2] = {1, 0};
    const float label[2] = {1.0f, 0.0f};
    double in[N], target[N], loss, *value[3] = {in, target, NULL}, rows[2];
    float batch[N], got[N];
    struct lockstep_model *m;
    struct lockstep_error err;

    for (int i = 0; i < N; i++)
        batch[i] = (float)x[i];
    ok(lockstep_model_new(text, 3, 1, 3, NULL, &(struct lockstep_options){.keep_values = true}, &m, &err), &err);
    ok(lockstep_set(m, "input", batch, N, &err), &err);
    ok(lockstep_set(m, "label", label, 2, &err), &err);
    ok(lockstep_backward(m, &loss, &err), &err);
    assert_true(fabs(loss - (row[0] + row[1]) / 2.0) <= 1e-6 * fmax(1.0, fabs(loss)));
    ok(lockstep_grad(m, "input", got, N, &err), &err);
    near_all(got, dx, N);
    value[2] = rows;
    ls_define(&m->graph, &(struct ls_define_input){.rows = 2, .x = x, .label = labels}, value);
    defined_as(rows, row, 2);
    lockstep_model_free(m);
}

static void binary_cross_entropy_is_pytorchs(void **state)
{
    (void)state;
    check_loss("loss = binary_cross_entropy(input, one_hot(label))",
               (const double[N]){0.25, 0.5, 0.875, 0.0, 1.0, 0.625},
               (const double[2]){1.0200902648971872, 66.99360975100392},
               (const double[N]){0.2222222222222222, -0.3333333333333333, 1.3333333333333333, -166666666666.66667,
                                 166666666666.66667, 0.4444444444444444});
}

static void binary_cross_entropy_with_logits_is_pytorchs(void **state)
{
    (void)state;
    check_loss("loss = binary_cross_entropy_with_logits(input, one_hot(label))",
               (const double[N]){-2.0, 0.5, 3.0, 100.0, -0.25, -100.0},
               (const double[2]){1.2165307822656073, 0.1919798066262812},
               (const double[N]){0.019867153670352924, -0.0629234447996909, 0.15876235447040557, 0.0,
                                 0.07297058318570032, 0.0});
}

static void mse_loss_is_pytorchs(void **state)
{
    (void)state;
    check_loss("loss = mse_loss(input, one_hot(label))", (const double[N]){-2.0, 0.5, 3.0, 1.5, -0.25, 4.0},
               (const double[2]){4.416666666666667, 5.4375},
               (const double[N]){-0.6666666666666666, -0.16666666666666666, 1.0, 0.16666666666666666,
                                 -0.08333333333333333, 1.3333333333333333});
}

/* ---- labels ---- */

/* The target may stand before the input in the text; a target of the loss has the negative gradient. */
static void target_and_prediction_may_swap(void **state)
{
    const float x[3] = {1.0f, 2.0f, 4.0f}, label = 1.0f;
    float got[3];
    double loss;
    struct lockstep_model *m;
    struct lockstep_error err;

    (void)state;
    ok(lockstep_model_new("t = one_hot(label)\nloss = mse_loss(t, input)", 3, 1, 3, NULL,
                          &(struct lockstep_options){.keep_values = true}, &m, &err),
       &err);
    ok(lockstep_set(m, "input", x, 3, &err), &err);
    ok(lockstep_set(m, "label", &label, 1, &err), &err);
    ok(lockstep_backward(m, &loss, &err), &err);
    assert_true(fabs(loss - (1.0 + 1.0 + 16.0) / 3.0) < 1e-6);
    ok(lockstep_grad(m, "input", got, 3, &err), &err);
    near_all(got, (const double[3]){2.0 / 3.0, 2.0 / 3.0, 8.0 / 3.0}, 3);
    ok(lockstep_grad(m, "t", got, 3, &err), &err);
    near_all(got, (const double[3]){-2.0 / 3.0, -2.0 / 3.0, -8.0 / 3.0}, 3);
    lockstep_model_free(m);
}

/* An autoencoder learns without labels. */
static void a_loss_without_labels(void **state)
{
    const float x[8] = {0.5f, -0.25f, 1.0f, 0.0f, -0.5f, 0.75f, 0.25f, -1.0f};
    double first, loss, forward;
    float l;
    struct lockstep_model *m;
    struct lockstep_recipe r;
    struct lockstep_error err;

    (void)state;
    lockstep_recipe_init(&r);
    r.lr = 0.01;
    ok(lockstep_model_new("d = input | linear(2) | tanh | linear(4)\nloss = mse_loss(d, input)", 4, 1, 10, &r, NULL, &m,
                          &err),
       &err);
    ok(lockstep_set(m, "input", x, 8, &err), &err);
    ok(lockstep_backward(m, &first, &err), &err);
    for (int i = 0; i < 200; i++)
        ok(lockstep_step(m, &loss, &err), &err);
    assert_true(first > 0.0 && loss < 0.5 * first);
    ok(lockstep_forward(m, &forward, &err), &err);
    ok(lockstep_get(m, "loss", &l, 1, &err), &err);
    assert_true(forward > 0.0 && forward <= loss && l == (float)forward);
    lockstep_model_free(m);
}

/* What needs the labels is not there without them; what does not is. */
static void values_behind_unknown_labels(void **state)
{
    const float x[3] = {1.0f, 2.0f, 4.0f};
    float got[3];
    double loss;
    struct lockstep_model *m;
    struct lockstep_error err;

    (void)state;
    ok(lockstep_model_new("y = input | softmax\nt = one_hot(label)\nloss = mse_loss(y, t)", 3, 1, 3, NULL,
                          &(struct lockstep_options){.keep_values = true}, &m, &err),
       &err);
    ok(lockstep_set(m, "input", x, 3, &err), &err);
    ok(lockstep_forward(m, &loss, &err), &err);
    assert_true(loss == 0.0);
    ok(lockstep_get(m, "y", got, 3, &err), &err);
    assert_true(got[2] > 0.8f);
    assert_int_equal(lockstep_get(m, "t", got, 3, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_backward(m, &loss, &err), LOCKSTEP_E_USAGE);
    assert_non_null(strstr(err.text, "label: not set"));
    lockstep_model_free(m);
}

/* ---- hits and predictions ---- */

enum { ROWS = 4 };
static uint8_t bytes[3 * ROWS] = {255, 0, 51, 0, 102, 51, 51, 51, 0, 0, 0, 204};
static uint8_t classes[ROWS] = {0, 1, 1, 2}; /* row 2: a tie, whose first maximum is class 0 */

static struct lockstep_data rows_of_bytes(void)
{
    return (struct lockstep_data){.x = bytes, .label = classes, .rows = ROWS, .channels = 3, .length = 1, .classes = 3};
}

static void predict(const char *text, double accuracy, const double p[ROWS])
{
    const struct lockstep_data data = rows_of_bytes();
    double loss, got;
    float probability[ROWS];
    uint8_t label[ROWS];
    struct lockstep_model *m;
    struct lockstep_error err;

    ok(lockstep_model_new(text, 3, 1, 3, NULL, NULL, &m, &err), &err);
    ok(lockstep_evaluate(m, &data, &loss, &got, &err), &err);
    assert_true(got == accuracy);
    ok(lockstep_predict(m, &data, label, probability, &err), &err);
    assert_memory_equal(label, ((const uint8_t[ROWS]){0, 1, 0, 2}), ROWS);
    near_all(probability, p, ROWS);
    lockstep_model_free(m);
}

static double softmax_of(const double *x, int k)
{
    return exp(x[k]) / (exp(x[0]) + exp(x[1]) + exp(x[2]));
}

static void predictions_are_probabilities(void **state)
{
    const double x[ROWS][3] = {{1.0, 0.0, 0.2}, {0.0, 0.4, 0.2}, {0.2, 0.2, 0.0}, {0.0, 0.0, 0.8}};
    const int best[ROWS] = {0, 1, 0, 2};
    double p[ROWS], top[ROWS], s[ROWS];

    (void)state;
    for (int i = 0; i < ROWS; i++) {
        top[i] = x[i][best[i]];
        p[i] = softmax_of(x[i], best[i]);
        s[i] = 1.0 / (1.0 + exp(-top[i]));
    }
    predict("loss = cross_entropy(input, label)", 0.75, p);
    predict("y = input | softmax\nloss = mse_loss(y, one_hot(label))", 0.75, p);
    predict("y = input | log_softmax\nloss = mse_loss(y, one_hot(label))", 0.75, p);
    predict("y = input | sigmoid\nloss = mse_loss(y, one_hot(label))", 0.75, s);
    predict("loss = binary_cross_entropy_with_logits(input, one_hot(label))", 0.75, s);
    predict("loss = binary_cross_entropy(input, one_hot(label))", 0.75, top);
}

/* No hits and no prediction where the output has no element for each class. */
static void outputs_that_are_no_classes(void **state)
{
    const struct lockstep_data data = rows_of_bytes();
    double loss, accuracy;
    float probability[ROWS];
    uint8_t label[ROWS];
    struct lockstep_model *m;
    struct lockstep_error err;

    (void)state;
    ok(lockstep_model_new("x = input | linear(2)\nloss = mse_loss(x, x)", 3, 1, 3, NULL, NULL, &m, &err), &err);
    ok(lockstep_evaluate(m, &data, &loss, &accuracy, &err), &err);
    assert_true(loss == 0.0 && accuracy == 0.0);
    assert_int_equal(lockstep_predict(m, &data, label, probability, &err), LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, "predict: expected a model with 3 outputs, one for each class, got 2");
    lockstep_model_free(m);
    assert_int_equal(lockstep_model_new("loss = mse_loss(input, input)", 3, 1, 257, NULL, NULL, &m, &err),
                     LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, "classes: expected 1..256, got 257"); /* a label is a byte */
}

/* ---- functions of math64 ---- */

static void tanh_and_erfc_match_libm(void **state)
{
    (void)state;
    for (int i = -4000; i <= 4000; i++) {
        const double x = i * 0.003 + i * 1e-7;

        assert_true(fabs(ls_tanh(x) - tanh(x)) <= 1.5e-15 * fabs(tanh(x)));
        assert_true(fabs(ls_erfc(x) - erfc(x)) <= 1e-15 * fmax(1.0, erfc(x)));
    }
    assert_true(ls_tanh(0.0) == 0.0 && ls_tanh(1000.0) == 1.0 && ls_tanh(-1000.0) == -1.0);
    assert_true(ls_erfc(0.0) == 1.0 && ls_erfc(40.0) == 0.0 && ls_erfc(-40.0) == 2.0);
    assert_true(ls_exp(-1000.0) == 0.0 && ls_exp(1000.0) == (double)INFINITY && isnan(ls_exp((double)NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_is_pytorchs),
        cmocka_unit_test(silu_is_pytorchs),
        cmocka_unit_test(leaky_relu_is_pytorchs),
        cmocka_unit_test(log_softmax_is_pytorchs),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(binary_cross_entropy_is_pytorchs),
        cmocka_unit_test(binary_cross_entropy_with_logits_is_pytorchs),
        cmocka_unit_test(mse_loss_is_pytorchs),
        cmocka_unit_test(target_and_prediction_may_swap),
        cmocka_unit_test(a_loss_without_labels),
        cmocka_unit_test(values_behind_unknown_labels),
        cmocka_unit_test(predictions_are_probabilities),
        cmocka_unit_test(outputs_that_are_no_classes),
        cmocka_unit_test(tanh_and_erfc_match_libm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
