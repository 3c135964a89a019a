/* SPDX-License-Identifier: MIT
 * conv1d, conv_transpose1d and the pools: worked numbers with every gradient, shapes, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "graph/build.h"
#include "runtime/run_op.h"

enum { MOST = 16 };

/* One row of one channel through an op: what goes in and what must come out. */
struct worked {
    const char *text;
    size_t length, taps, outputs;
    float x[MOST], w[MOST], bias[1], g[MOST];
    double y[MOST], dx[MOST], dw[MOST], db[1];
};

static void near_all(const char *what, const float *got, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= 1e-6 * fmax(1.0, fabs(expected[i]))))
            fail_msg("%s %zu: expected %.9g, got %.9g", what, i, expected[i], (double)got[i]);
}

/* The definition in double gives y, too. */
static void check_definition(const struct run_op *r, const struct worked *t)
{
    double x[MOST], w[MOST], y[MOST], bias[1] = {(double)t->bias[0]};
    const struct ls_reference ref = {.rows = 1, .x = {x}, .p = {w, bias}, .y = y};

    for (size_t i = 0; i < MOST; i++) {
        x[i] = (double)t->x[i];
        w[i] = (double)t->w[i];
    }
    r->g.output->op->define(r->g.output, &ref);
    for (size_t i = 0; i < t->outputs; i++)
        assert_true(fabs(y[i] - t->y[i]) <= 1e-15 * fmax(1.0, fabs(t->y[i])));
}

static void check_gradient(const struct run_op *r, size_t param, const char *what, const double *expected, size_t n)
{
    float *got = run_param_gradient(r, param);

    near_all(what, got, expected, n);
    free(got);
}

static void check_on(const struct worked *t, const char *isa)
{
    struct run_op r;
    const struct ls_node *n;
    float *y, *dx;

    run_open(&r, t->text, 1, t->length, 1, isa);
    n = r.g.output;
    assert_int_equal(n->features, t->outputs);
    if (n->n_params) {
        run_set_param(&r, 0, t->w);
        run_set_param(&r, 1, t->bias);
    }
    run_backward(&r, t->x, t->g);
    y = run_rows(&r, n, n->y);
    dx = run_rows(&r, r.g.input, r.g.input->d);
    near_all("y", y, t->y, t->outputs);
    near_all("dx", dx, t->dx, t->length);
    if (n->n_params) {
        check_gradient(&r, 0, "dw", t->dw, t->taps);
        check_gradient(&r, 1, "db", t->db, 1);
    }
    check_definition(&r, t);
    free(y);
    free(dx);
    run_close(&r);
}

static void check(const struct worked *t)
{
    check_on(t, "ref");
    check_on(t, NULL);
}

/* MATH "conv1d with zero padding, stride, dilation, groups" */
static void math_conv1d(void **state)
{
    (void)state;
    check(&(struct worked){.text = "conv1d(1, kernel_size=3, padding=1)",
                           .length = 4,
                           .taps = 3,
                           .outputs = 4,
                           .x = {1, 2, 3, 4},
                           .w = {1, 0, -1},
                           .g = {1, 1, 1, 1},
                           .y = {-2, -2, -2, 3},
                           .dx = {1, 0, 0, -1},
                           .dw = {6, 10, 9},
                           .db = {4}});
}

/* Of an odd total of zeros `same` puts the smaller half before the input, causal all. */
static void paddings_by_name(void **state)
{
    struct worked t = {.text = "conv1d(1, kernel_size=2, padding=same)",
                       .length = 4,
                       .taps = 2,
                       .outputs = 4,
                       .x = {1, 2, 3, 4},
                       .w = {1, 10},
                       .bias = {0.5f},
                       .g = {1, 2, 3, 4},
                       .y = {21.5, 32.5, 43.5, 4.5},
                       .dx = {1, 12, 23, 34},
                       .dw = {30, 20},
                       .db = {10}};

    (void)state;
    check(&t);
    t.text = "conv1d(1, kernel_size=2, padding=causal)";
    memcpy(t.y, (const double[4]){10.5, 21.5, 32.5, 43.5}, 4 * sizeof *t.y);
    memcpy(t.dx, (const double[4]){12, 23, 34, 40}, 4 * sizeof *t.dx);
    memcpy(t.dw, (const double[2]){20, 30}, 2 * sizeof *t.dw);
    check(&t);
    t.text = "conv1d(1, kernel_size=2, padding=valid)";
    t.outputs = 3;
    memcpy(t.y, (const double[3]){21.5, 32.5, 43.5}, 3 * sizeof *t.y);
    memcpy(t.dx, (const double[4]){1, 12, 23, 30}, 4 * sizeof *t.dx);
    memcpy(t.dw, (const double[2]){14, 20}, 2 * sizeof *t.dw);
    t.db[0] = 6;
    check(&t);
}

/* MATH "conv_transpose1d": its data gradient is conv1d */
static void math_conv_transpose1d(void **state)
{
    (void)state;
    check(&(struct worked){.text = "conv_transpose1d(1, kernel_size=2, stride=2)",
                           .length = 2,
                           .taps = 2,
                           .outputs = 4,
                           .x = {1, 2},
                           .w = {1, 10},
                           .g = {1, 2, 3, 4},
                           .y = {1, 10, 2, 20},
                           .dx = {21, 43},
                           .dw = {7, 10},
                           .db = {10}});
}

/* MATH "max_pool1d" */
static void math_max_pool1d(void **state)
{
    struct worked t = {.text = "max_pool1d(2)",
                       .length = 4,
                       .outputs = 2,
                       .x = {1, 3, 2, 2},
                       .g = {1, 2},
                       .y = {3, 2},
                       .dx = {0, 1, 2, 0}};

    (void)state;
    check(&t);
    t.text = "max_pool1d(3, stride=1)"; /* overlapping windows add */
    t.y[1] = 3;
    memcpy(t.dx, (const double[4]){0, 3, 0, 0}, 4 * sizeof *t.dx);
    check(&t);
}

/* MATH "avg_pool1d (count_include_pad both ways)" */
static void math_avg_pool1d(void **state)
{
    struct worked t = {.text = "avg_pool1d(2)",
                       .length = 4,
                       .outputs = 2,
                       .x = {1, 3, 2, 2},
                       .g = {1, 2},
                       .y = {2, 2},
                       .dx = {0.5, 0.5, 1, 1}};

    (void)state;
    check(&t);
    t = (struct worked){.text = "avg_pool1d(2, padding=1)",
                        .length = 4,
                        .outputs = 3,
                        .x = {1, 3, 2, 2},
                        .g = {1, 2, 4},
                        .y = {0.5, 2.5, 1},
                        .dx = {0.5, 1, 1, 2}};
    check(&t);
    t.text = "avg_pool1d(2, padding=1, count_include_pad=false)";
    memcpy(t.y, (const double[3]){1, 2.5, 2}, 3 * sizeof *t.y);
    memcpy(t.dx, (const double[4]){1, 1, 1, 4}, 4 * sizeof *t.dx);
    check(&t);
}

static void global_average(void **state)
{
    (void)state;
    check(&(struct worked){.text = "adaptive_avg_pool1d(1)",
                           .length = 4,
                           .outputs = 1,
                           .x = {1, 3, 2, 2},
                           .g = {4},
                           .y = {2},
                           .dx = {1, 1, 1, 1}});
}

/* ---- shapes ---- */

static void shapes(void **state)
{
    static const struct {
        const char *text;
        size_t channels, length; /* of the value made from (6, 10) */
    } rule[] = {
        {"conv1d(4, 3)", 4, 8},
        {"conv1d(4, 3, 2, 1)", 4, 5},
        {"conv1d(4, kernel_size=3, padding=same, dilation=3)", 4, 10},
        {"conv1d(4, kernel_size=4, padding=causal, stride=3, dilation=2)", 4, 4},
        {"conv1d(9, kernel_size=10, groups=3)", 9, 1},
        {"conv1d(4, kernel_size=1, padding=5)", 4, 20},
        {"conv_transpose1d(4, 3)", 4, 12},
        {"conv_transpose1d(4, 3, 2, 1, 1)", 4, 20},
        {"conv_transpose1d(4, kernel_size=2, stride=3, padding=2, dilation=4)", 4, 28},
        {"max_pool1d(3)", 6, 3},
        {"max_pool1d(3, ceil_mode=true)", 6, 4},
        {"max_pool1d(2, stride=5, ceil_mode=true)", 6, 2}, /* ceil_mode changes nothing where all is covered */
        {"max_pool1d(1, stride=9, ceil_mode=true)", 6, 2}, /* the last window begins inside */
        {"max_pool1d(2, stride=4, padding=1, ceil_mode=true)", 6, 3},  /* ... */
        {"max_pool1d(2, stride=11, padding=1, ceil_mode=true)", 6, 1}, /* ... would begin behind the input */
        {"avg_pool1d(4, stride=3, padding=2)", 6, 4},
        {"avg_pool1d(12, padding=1, count_include_pad=false)", 6, 1},
        {"avg_pool1d(11, stride=2, ceil_mode=true)", 6, 1}, /* longer than the input, but for ceil_mode */
        {"adaptive_avg_pool1d(1)", 6, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++) {
        struct lockstep_error err;
        struct ls_graph g;

        if (ls_graph_build(rule[i].text, 6, 10, 0, &g, &err))
            fail_msg("%s: %s", rule[i].text, err.text);
        if (g.output->shape.rank != 2 || g.output->shape.dim[0] != rule[i].channels ||
            g.output->shape.dim[1] != rule[i].length)
            fail_msg("%s: expected (%zu, %zu), got (%zu, %zu)", rule[i].text, rule[i].channels, rule[i].length,
                     g.output->shape.dim[0], g.output->shape.dim[1]);
        ls_graph_free(&g);
    }
}

static void errors(void **state)
{
    static const struct {
        const char *text, *line;
    } wrong[] = {
        {"flatten | conv1d(4, 3)",
         "column 11: conv1d: expected (channels, length), got a flat value of 60 (put it before flatten)"},
        {"flatten | conv_transpose1d(4, 3)",
         "column 11: conv_transpose1d: expected (channels, length), got a flat value of 60 (put it before flatten)"},
        {"flatten | avg_pool1d(2)",
         "column 11: avg_pool1d: expected (channels, length), got a flat value of 60 (put it before flatten)"},
        {"flatten | adaptive_avg_pool1d(1)",
         "column 11: adaptive_avg_pool1d: expected (channels, length), got a flat value of 60 (put it before flatten)"},
        {"conv1d(4, 11)", "column 1: conv1d: expected a kernel no longer than the padded input, 10, got 11 (more "
                          "padding may help)"},
        {"conv1d(4, 4, padding=1, dilation=4)", "column 1: conv1d: expected a kernel no longer than the padded input, "
                                                "12, got 13 (more padding may help)"},
        {"conv1d(4, 3, groups=4)", "column 1: conv1d: groups: expected a divisor of 6 channels in and 4 out, got 4"},
        {"conv1d(4, 3, groups=3)", "column 1: conv1d: groups: expected a divisor of 6 channels in and 4 out, got 3"},
        {"conv1d(4, 3, stride=2, padding=same)",
         "column 1: conv1d: padding=same: expected stride 1, got 2 (give padding as a number)"},
        {"conv1d(4, 3, padding=full)", "column 22: conv1d: padding: expected a whole number 0..16777216 or one of "
                                       "same|valid|causal, got full"},
        {"conv1d(4)", "column 1: conv1d: expected kernel_size, got nothing"},
        {"conv_transpose1d(4, 3, groups=4)",
         "column 1: conv_transpose1d: groups: expected a divisor of 6 channels in and 4 out, got 4"},
        {"conv_transpose1d(4, 3, padding=6)",
         "column 1: conv_transpose1d: padding: expected less than half of the full output, 12, got 6"},
        {"conv_transpose1d(4, 3, stride=2, output_padding=2)",
         "column 1: conv_transpose1d: output_padding: expected less than stride 2 or dilation 1, got 2"},
        {"max_pool1d(3, padding=2)", "column 1: max_pool1d: padding: expected at most half of kernel_size 3, got 2"},
        {"avg_pool1d(11)", "column 1: avg_pool1d: expected a window no longer than the padded input, 10, got 11"},
        {"adaptive_avg_pool1d(2)",
         "column 1: adaptive_avg_pool1d: output_size: expected 1, got 2 (avg_pool1d has windows)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct lockstep_error err = {0};
        struct ls_graph g;

        if (!ls_graph_build(wrong[i].text, 6, 10, 0, &g, &err))
            fail_msg("accepted: %s", wrong[i].text);
        assert_int_equal(err.status, LOCKSTEP_E_USAGE);
        assert_string_equal(strstr(err.text, "column"), wrong[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(math_conv1d),     cmocka_unit_test(paddings_by_name), cmocka_unit_test(math_conv_transpose1d),
        cmocka_unit_test(math_max_pool1d), cmocka_unit_test(math_avg_pool1d),  cmocka_unit_test(global_average),
        cmocka_unit_test(shapes),          cmocka_unit_test(errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
