/* SPDX-License-Identifier: MIT
 * Graphs without data through the public interface: every row of the lecture notes' table "Graphs" with its worked
 * numbers, in float and by `define` in double; names, edges and errors of such graphs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "graph/define.h"
#include "train/model.h"

enum { VALUES = 8, ELEMENTS = 4, NODES = 32 };

/* A free name and its value; rank 0 stands for a number. */
struct given {
    const char *name;
    double x[ELEMENTS];
    size_t rank, shape[2];
};

/* A node, its value and gradient. */
struct expected {
    const char *name;
    double value[ELEMENTS], grad[ELEMENTS];
};

static struct lockstep_model *graph_of(const char *text, const struct given *given, const char *isa)
{
    const struct lockstep_options options = {.threads = 1, .isa = isa};
    struct lockstep_value value[VALUES];
    float x[VALUES][ELEMENTS];
    struct lockstep_model *m;
    struct lockstep_error err;
    size_t n = 0;

    for (; given && given[n].name; n++) {
        for (size_t i = 0; i < ELEMENTS; i++)
            x[n][i] = (float)given[n].x[i];
        value[n] = (struct lockstep_value){given[n].name, 1, {1, 1}, x[n]};
        if (given[n].rank)
            value[n] =
                (struct lockstep_value){given[n].name, given[n].rank, {given[n].shape[0], given[n].shape[1]}, x[n]};
    }
    if (lockstep_graph_new(text, value, n, &options, &m, &err))
        fail_msg("%s: %s", text, err.text);
    return m;
}

static void near_all(const char *text, const char *name, const float *got, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= 1e-6 * fabs(expected[i])))
            fail_msg("%s: %s: element %zu: expected %.9g, got %.9g", text, name, i, expected[i], (double)got[i]);
}

static size_t count_of(const struct lockstep_node *n)
{
    return n->rank > 1 ? n->shape[0] * n->shape[1] : n->shape[0];
}

/* Every node of that name; at least one. */
static void check_node(const struct lockstep_model *m, const char *text, const struct expected *e)
{
    size_t found = 0;

    for (size_t i = 0; i < lockstep_nodes(m); i++) {
        struct lockstep_node n;
        struct lockstep_error err;
        float x[ELEMENTS];

        lockstep_node_at(m, i, &n);
        if (strcmp(n.name, e->name) != 0)
            continue;
        found++;
        assert_true(count_of(&n) <= ELEMENTS);
        assert_int_equal(lockstep_node_get(m, i, x, count_of(&n), &err), LOCKSTEP_OK);
        near_all(text, n.name, x, e->value, count_of(&n));
        assert_int_equal(lockstep_node_grad(m, i, x, count_of(&n), &err), LOCKSTEP_OK);
        near_all(text, n.name, x, e->grad, count_of(&n));
    }
    if (!found)
        fail_msg("%s: no node %s", text, e->name);
}

static const double *given_values(const struct given *given, const char *name)
{
    for (; given->name; given++)
        if (!strcmp(given->name, name))
            return given->x;
    return NULL;
}

/* The same values by `define`, in double. */
static void check_define(const struct lockstep_model *m, const char *text, const struct given *given,
                         const struct expected *e)
{
    double storage[NODES][ELEMENTS], *values[NODES];
    const double *params[NODES];
    size_t n_params = 0;

    assert_true(m->graph.n <= NODES);
    for (size_t i = 0; i < m->graph.n; i++) {
        values[i] = storage[i];
        if (m->graph.node[i].n_params)
            params[n_params++] = given_values(given, m->graph.node[i].name);
    }
    ls_define(&m->graph, &(struct ls_define_input){.rows = 1, .params = params}, values);
    for (; e->name; e++)
        for (size_t i = 0; i < m->graph.n; i++)
            for (size_t k = 0; !strcmp(m->graph.node[i].name, e->name) && k < m->graph.node[i].features; k++)
                if (!(fabs(values[i][k] - e->value[k]) <= 1e-15 * fabs(e->value[k])))
                    fail_msg("%s: %s: expected %.17g, defined as %.17g", text, e->name, e->value[k], values[i][k]);
}

static void graph_is(const char *text, const struct given *given, const struct expected *expected)
{
    static const struct given none[] = {{.name = NULL}};
    static const char *const isa[] = {"ref", NULL}; /* NULL: the preferred one */

    for (size_t i = 0; i < 2; i++) {
        struct lockstep_model *m = graph_of(text, given ? given : none, isa[i]);
        struct lockstep_error err;

        assert_int_equal(lockstep_backward(m, NULL, &err), LOCKSTEP_OK);
        for (const struct expected *e = expected; e->name; e++)
            check_node(m, text, e);
        check_define(m, text, given ? given : none, expected);
        lockstep_model_free(m);
    }
}

#define AT(n, v)                                                                                                       \
    {                                                                                                                  \
        .name = n, .x = { v }                                                                                          \
    }
#define GIVEN(...)    ((const struct given[]){__VA_ARGS__, {.name = NULL}})
#define EXPECTED(...) ((const struct expected[]){__VA_ARGS__, {.name = NULL}})

/* ---- the table "Graphs", row by row ---- */

static void row_chain_rule(void **state)
{
    (void)state;
    graph_is("t = x + y\nz = square(t)", GIVEN(AT("x", 1.0), AT("y", 2.0)),
             EXPECTED({"x", {1.0}, {6.0}}, {"y", {2.0}, {6.0}}, {"t", {3.0}, {6.0}}, {"z", {9.0}, {1.0}}));
    graph_is("t = x + y\nz = t * t", GIVEN(AT("x", 1.0), AT("y", 2.0)),
             EXPECTED({"x", {1.0}, {6.0}}, {"y", {2.0}, {6.0}}, {"t", {3.0}, {6.0}}, {"z", {9.0}, {1.0}}));
}

static void row_add_gate_distributes(void **state)
{
    (void)state;
    graph_is("f = (x + y) * z", GIVEN(AT("x", -2.0), AT("y", 5.0), AT("z", -4.0)),
             EXPECTED({"x", {-2.0}, {-4.0}}, {"y", {5.0}, {-4.0}}, {"x + y", {3.0}, {-4.0}}, {"f", {-12.0}, {1.0}}));
}

static void row_mul_gate_switches(void **state)
{
    (void)state;
    graph_is("q = x + y\nf = q * z", GIVEN(AT("x", -2.0), AT("y", 5.0), AT("z", -4.0)),
             EXPECTED({"q", {3.0}, {-4.0}}, {"z", {-4.0}, {3.0}}, {"f", {-12.0}, {1.0}}));
}

static void row_max_gate_routes(void **state)
{
    (void)state;
    graph_is("2 * maximum(4, -1)", NULL,
             EXPECTED({"4", {4.0}, {2.0}}, {"-1", {-1.0}, {0.0}}, {"maximum(4, -1)", {4.0}, {2.0}}));
    graph_is("2 * minimum(x, y)", GIVEN(AT("x", 4.0), AT("y", -1.0)),
             EXPECTED({"x", {4.0}, {0.0}}, {"y", {-1.0}, {2.0}}));
    graph_is("maximum(3, 3)", NULL, EXPECTED({"3", {3.0}, {0.5}}, {"maximum(3, 3)", {3.0}, {1.0}}));
    graph_is("minimum(x, x)", GIVEN(AT("x", 3.0)), EXPECTED({"x", {3.0}, {1.0}}));
}

static void row_branches_add_up(void **state)
{
    (void)state;
    graph_is("f = x * x", GIVEN(AT("x", 3.0)), EXPECTED({"x", {3.0}, {6.0}}, {"f", {9.0}, {1.0}}));
    graph_is("f = x * y + x", GIVEN(AT("x", 2.0), AT("y", 3.0)),
             EXPECTED({"x", {2.0}, {4.0}}, {"y", {3.0}, {2.0}}, {"f", {8.0}, {1.0}}));
}

static void row_reciprocal_exp_and_constants(void **state)
{
    const double e = 0.36787944117144233, f = 0.7310585786300049, s = 0.19661193324148185;

    (void)state;
    graph_is("dot = w0 * x0 + w1 * x1 + w2\nf = 1 / (1 + exp(-dot))",
             GIVEN(AT("w0", 2.0), AT("x0", -1.0), AT("w1", -3.0), AT("x1", -2.0), AT("w2", -3.0)),
             EXPECTED({"dot", {1.0}, {s}}, {"-dot", {-1.0}, {-s}}, {"exp(-dot)", {e}, {-f * f}},
                      {"1 + exp(-dot)", {1.0 + e}, {-f * f}}, {"f", {f}, {1.0}}, {"w0", {2.0}, {-s}},
                      {"x0", {-1.0}, {2.0 * s}}, {"w1", {-3.0}, {-2.0 * s}}, {"x1", {-2.0}, {-3.0 * s}},
                      {"w2", {-3.0}, {s}}));
    graph_is("y = log(x) - -x * 0.5", GIVEN(AT("x", 2.0)),
             EXPECTED({"log(x)", {0.6931471805599453}, {1.0}}, {"x", {2.0}, {1.0}}));
}

static void row_vectors(void **state)
{
    (void)state;
    graph_is("q = matmul(W, x)\nf = sum(square(q))",
             GIVEN({"W", {0.1, 0.5, -0.3, 0.8}, 2, {2, 2}}, {"x", {0.2, 0.4}, 1, {2, 0}}),
             EXPECTED({"q", {0.22, 0.26}, {0.44, 0.52}}, {"f", {0.116}, {1.0}},
                      {"W", {0.1, 0.5, -0.3, 0.8}, {0.088, 0.176, 0.104, 0.208}}, {"x", {0.2, 0.4}, {-0.112, 0.636}}));
    graph_is("q = matmul(x, V)\nf = sum(square(q))",
             GIVEN({"V", {0.1, -0.3, 0.5, 0.8}, 2, {2, 2}}, {"x", {0.2, 0.4}, 1, {2, 0}}),
             EXPECTED({"q", {0.22, 0.26}, {0.44, 0.52}}, {"V", {0.1, -0.3, 0.5, 0.8}, {0.088, 0.104, 0.176, 0.208}},
                      {"x", {0.2, 0.4}, {-0.112, 0.636}}));
}

static void row_shopping(void **state)
{
    (void)state;
    graph_is("total = (apples * apple_price + oranges * orange_price) * tax",
             GIVEN(AT("apples", 2.0), AT("apple_price", 100.0), AT("oranges", 3.0), AT("orange_price", 150.0),
                   AT("tax", 1.1)),
             EXPECTED({"apples", {2.0}, {110.0}}, {"apple_price", {100.0}, {2.2}}, {"oranges", {3.0}, {165.0}},
                      {"orange_price", {150.0}, {3.3}}, {"tax", {1.1}, {650.0}}, {"total", {715.0}, {1.0}}));
}

/* ---- the interface ---- */

static void mean_and_matrices(void **state)
{
    (void)state;
    graph_is("mean(A * 2 - 1)", GIVEN({"A", {1.0, 2.0, 3.0, 4.0}, 2, {2, 2}}),
             EXPECTED({"A", {1.0, 2.0, 3.0, 4.0}, {0.5, 0.5, 0.5, 0.5}},
                      {"A * 2", {2.0, 4.0, 6.0, 8.0}, {0.25, 0.25, 0.25, 0.25}}, {"2", {2.0}, {2.5}},
                      {"1", {1.0}, {-1.0}}));
    graph_is("matmul(A, B)", GIVEN({"A", {1.0, 2.0}, 2, {2, 1}}, {"B", {3.0, 4.0}, 2, {1, 2}}),
             EXPECTED({"A", {1.0, 2.0}, {7.0, 7.0}}, {"B", {3.0, 4.0}, {3.0, 3.0}},
                      {"matmul(A, B)", {3.0, 4.0, 6.0, 8.0}, {1.0, 1.0, 1.0, 1.0}}));
    graph_is("matmul(a, b)", GIVEN({"a", {1.0, 2.0}, 1, {2, 0}}, {"b", {3.0, 4.0}, 1, {2, 0}}),
             EXPECTED({"a", {1.0, 2.0}, {3.0, 4.0}}, {"b", {3.0, 4.0}, {1.0, 2.0}}, {"matmul(a, b)", {11.0}, {1.0}}));
}

static void expect_names(const char *text, const struct given *given, const char *expected)
{
    struct lockstep_model *m = graph_of(text, given, NULL);
    char all[512] = "";

    for (size_t i = 0; i < lockstep_nodes(m); i++) {
        struct lockstep_node n;

        lockstep_node_at(m, i, &n);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "; " : "", n.name);
    }
    assert_string_equal(all, expected);
    lockstep_model_free(m);
}

static void nodes_are_called_as_they_are_written(void **state)
{
    const struct given *const x = GIVEN({"x", {1.0, 2.0, 3.0, 4.0}, 1, {4, 0}});

    (void)state;
    expect_names("f = ( x+x )*2 # twice", x, "x; x+x; 2; f");
    expect_names("maximum( # two\n  x,\n\n x | relu)", x, "x; relu; maximum( x, x | relu)");
    expect_names("x = x + 1\nx = x * x\n-x", x, "x; 1; x + 1; x; -x");
    expect_names("(x - (x - 1)) * 1", x, "x; 1; x - 1; x - (x - 1); 1; (x - (x - 1)) * 1");
    expect_names("x | exp() | sum", x, "x; exp(); sum");
}

static void edges_pass_through_expansions(void **state)
{
    struct lockstep_model *m = graph_of("x * 2", GIVEN({"x", {1.0, 2.0, 3.0, 4.0}, 1, {4, 0}}), NULL);
    struct lockstep_node n;

    (void)state;
    assert_int_equal(m->graph.n, 4);
    assert_int_equal(lockstep_nodes(m), 3);
    lockstep_node_at(m, 2, &n);
    assert_string_equal(n.op, "mul");
    assert_true(n.inputs == 2 && n.input[0] == 0 && n.input[1] == 1 && n.objective);
    assert_true(n.rank == 1 && n.shape[0] == 4 && n.parameters == 0);
    lockstep_node_at(m, 0, &n);
    assert_string_equal(n.op, "parameter");
    assert_int_equal(n.parameters, 4);
    lockstep_model_free(m);
}

static void values_change(void **state)
{
    struct lockstep_model *m = graph_of("a = x * 3\ny = x * x", GIVEN(AT("x", 2.0)), NULL);
    const struct lockstep_data data = {.rows = 128, .channels = 28, .length = 28};
    struct lockstep_error err;
    double objective;
    float y;

    (void)state;
    assert_int_equal(lockstep_node_get(m, 0, &y, 1, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_set(m, "x", (const float[]){5.0f}, 1, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_forward(m, &objective, &err), LOCKSTEP_OK);
    assert_true(objective == 25.0);
    assert_int_equal(lockstep_get(m, "a", &y, 1, &err), LOCKSTEP_OK);
    assert_true(y == 15.0f);
    assert_int_equal(lockstep_node_grad(m, 2, &y, 1, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_backward(m, &objective, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_node_grad(m, 2, &y, 1, &err), LOCKSTEP_OK);
    assert_true(y == 0.0f); /* a: nothing reads it */
    assert_int_equal(lockstep_grad(m, "x", &y, 1, &err), LOCKSTEP_OK);
    assert_true(y == 10.0f);
    assert_int_equal(lockstep_set(m, "input", &y, 1, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_set(m, "label", &y, 1, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_model_save(m, "graph.safetensors", &err), LOCKSTEP_E_USAGE);
    assert_int_equal(lockstep_train(m, &data, NULL, NULL, &err), LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, "data: expected a model of data, got a graph without");
    lockstep_model_free(m);
}

static void expect_error(const char *text, const struct lockstep_value *value, size_t n, const char *line)
{
    struct lockstep_model *m;
    struct lockstep_error err;

    assert_int_equal(lockstep_graph_new(text, value, n, NULL, &m, &err), LOCKSTEP_E_USAGE);
    assert_null(m);
    assert_string_equal(err.text, line);
}

static void errors(void **state)
{
    const float x[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    const struct lockstep_value a = {"a", 1, {3, 0}, x}, b = {"b", 1, {4, 0}, x}, c = {"c", 2, {2, 2}, x};

    (void)state;
    expect_error("a + b", &a, 1,
                 "model text: line 1, column 5: expected a value (NAME=VALUE beside the text) or an op, got \"b\"");
    expect_error("a + b", (const struct lockstep_value[]){a, b}, 2,
                 "model text: line 1, column 3: add: expected two values of one shape, got (3) and (4)");
    expect_error("c * b", (const struct lockstep_value[]){c, b}, 2,
                 "model text: line 1, column 3: mul: expected two values of one shape, got (2, 2) and (4)");
    expect_error("matmul(c, a)", (const struct lockstep_value[]){c, a}, 2,
                 "model text: line 1, column 1: matmul: expected (n, k) and (k, m), got (2, 2) and (3)");
    expect_error("cross_entropy(a, label)", &a, 1,
                 "model text: line 1, column 18: label: expected data with labels, got a text without data");
    expect_error("a * 2", (const struct lockstep_value[]){a, b}, 2, "b: the model text has no free name b");
    expect_error("a * 2", (const struct lockstep_value[]){a, a}, 2, "a: given twice");
    expect_error("a", &(struct lockstep_value){"a", 2, {3, 0}, x}, 1,
                 "a: expected one or two dimensions of at least 1");
    expect_error("a", &(struct lockstep_value){"a-b", 1, {1, 0}, x}, 1,
                 "\"a-b\": expected a name of at most 47 letters, digits and _");
    expect_error("a", &(struct lockstep_value){"relu", 1, {1, 0}, x}, 1,
                 "relu: expected a name that is no op and not label, true or false");
}

static void texts_that_read_data(void **state)
{
    size_t shape[3] = {28, 28, 10};

    (void)state;
    assert_false(lockstep_text_reads_data("(x + y) * z", &shape[0], &shape[1], &shape[2]));
    assert_false(lockstep_text_reads_data("x | relu", &shape[0], &shape[1], &shape[2]));
    assert_false(lockstep_text_reads_data("2 * maximum(4, -1)", &shape[0], &shape[1], &shape[2]));
    assert_true(lockstep_text_reads_data("mlp", &shape[0], &shape[1], &shape[2]));
    assert_true(shape[0] == 28 && shape[1] == 28 && shape[2] == 10);
    assert_true(lockstep_text_reads_data("h = input(3, 4) | flatten\nh | linear(7)", &shape[0], &shape[1], &shape[2]));
    assert_true(shape[0] == 3 && shape[1] == 4 && shape[2] == 7);
    assert_true(lockstep_text_reads_data("z = input(6) | linear(5)\nloss = cross_entropy(z, label)", &shape[0],
                                         &shape[1], &shape[2]));
    assert_true(shape[0] == 6 && shape[1] == 1 && shape[2] == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_chain_rule),
        cmocka_unit_test(row_add_gate_distributes),
        cmocka_unit_test(row_mul_gate_switches),
        cmocka_unit_test(row_max_gate_routes),
        cmocka_unit_test(row_branches_add_up),
        cmocka_unit_test(row_reciprocal_exp_and_constants),
        cmocka_unit_test(row_vectors),
        cmocka_unit_test(row_shopping),
        cmocka_unit_test(mean_and_matrices),
        cmocka_unit_test(nodes_are_called_as_they_are_written),
        cmocka_unit_test(edges_pass_through_expansions),
        cmocka_unit_test(values_change),
        cmocka_unit_test(errors),
        cmocka_unit_test(texts_that_read_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
