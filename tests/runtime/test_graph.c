/* SPDX-License-Identifier: MIT
 * Model text to graph: golden error lines, names, the implied input and loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "graph/build.h"

enum { SIDE = 28, CLASSES = 10 };

static struct ls_graph build(const char *text)
{
    struct lockstep_error err = {0};
    struct ls_graph g;

    if (ls_graph_build(text, SIDE, SIDE, CLASSES, &g, &err))
        fail_msg("%s: %s", text, err.text);
    return g;
}

/* ---- errors ---- */

static void expect_error(const char *text, const char *line)
{
    struct lockstep_error err = {0};
    struct ls_graph g;

    if (!ls_graph_build(text, SIDE, SIDE, CLASSES, &g, &err))
        fail_msg("accepted: %s", text);
    assert_int_equal(err.status, LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, line);
    assert_null(g.node);
}

static void unknown_names(void **state)
{
    (void)state;
    expect_error("flatten | lineer(10)",
                 "model text: line 1, column 11: expected an op, got \"lineer\" (did you mean \"linear\"?)");
    expect_error("flatten | foo | linear(10)", "model text: line 1, column 11: expected an op, got \"foo\"");
    expect_error("x = flatten\ny = z | linear(10)",
                 "model text: line 2, column 5: expected a value or an op, got \"z\"");
    expect_error("flatten(inputs) | linear(10)",
                 "model text: line 1, column 9: expected a value or an op, got \"inputs\" (did you mean \"input\"?)");
    expect_error("relu(z)", "model text: line 1, column 6: expected a value or an op, got \"z\"");
    expect_error("flatten | linear(10) | softmax | Relu",
                 "model text: line 1, column 34: expected an op, got \"Relu\" (did you mean \"relu\"?)");
}

static void attributes(void **state)
{
    (void)state;
    expect_error("flatten | linear(10, width=1)",
                 "model text: line 1, column 28: linear: unexpected argument width (it takes out_features bias)");
    expect_error("flatten | linear(10, true, 2)",
                 "model text: line 1, column 28: linear: unexpected argument (it takes out_features bias)");
    expect_error(
        "flatten | linear(10, out_features=10)",
        "model text: line 1, column 35: linear: unexpected argument out_features (it takes out_features bias)");
    expect_error("flatten | linear(10) | relu(1)",
                 "model text: line 1, column 29: relu: unexpected argument (it takes none)");
    expect_error("flatten | linear(10, bias=3)",
                 "model text: line 1, column 27: linear: bias: expected true or false, got 3");
    expect_error("flatten | linear", "model text: line 1, column 11: linear: expected out_features, got nothing");
    expect_error("flatten | linear(bias=true)",
                 "model text: line 1, column 11: linear: expected out_features, got nothing");
    for (int i = 0; i < 5; i++) {
        static const char *const size[] = {"0", "1.5", "-3", "16777217", "true"};
        char text[64], line[128];

        snprintf(text, sizeof text, "flatten | linear(%s)", size[i]);
        snprintf(line, sizeof line,
                 "model text: line 1, column 18: linear: out_features: expected a whole number 1..16777216, got %s",
                 size[i]);
        expect_error(text, line);
    }
}

static void shapes(void **state)
{
    (void)state;
    expect_error("linear(10)",
                 "model text: line 1, column 1: linear: expected a flat value, got (28, 28) (put flatten before it)");
    expect_error("softmax",
                 "model text: line 1, column 1: softmax: expected a flat value, got (28, 28) (put flatten before it)");
    expect_error("relu", "model text: line 1, column 1: cross_entropy: expected flat logits, got (28, 28) (put flatten "
                         "before it)");
    expect_error("flatten | linear(9)",
                 "model text: line 1, column 11: expected 10 outputs, one for each class, got 9");
    expect_error("flatten |\nlinear(20)",
                 "model text: line 1, column 10: expected the name of an op, got the end of the "
                 "line (begin the next line with \"|\" instead)");
    expect_error("flatten | linear(257)",
                 "model text: line 1, column 11: cross_entropy: expected at most 256 classes, got "
                 "257");
    expect_error("flatten | linear(16000000) | linear(10)",
                 "model text: line 1, column 11: linear: expected at most 2^31 elements in weight");
}

/* What is before "|" is a value, a number, too, and no argument. */
static void piped(void **state)
{
    struct lockstep_error err = {0};
    struct ls_graph g;

    (void)state;
    if (ls_graph_build("flatten | linear(10) | add(2 | leaky_relu(0.5))", SIDE, SIDE, CLASSES, &g, &err))
        fail_msg("%s", err.text);
    assert_string_equal(g.node[3].op->name, "constant");
    assert_ptr_equal(g.node[4].input[0], &g.node[3]);
    assert_true(g.node[4].attr[0].x == 0.5);
    ls_graph_free(&g);
    expect_error("2 | conv1d(10, kernel_size=1) | flatten",
                 "model text: line 1, column 5: conv1d: expected (channels, length), got a flat value of 1 (put it "
                 "before flatten)");
    expect_error("flatten | parameter(3) | linear(10)",
                 "model text: line 1, column 11: parameter: expected no value, got one before \"|\"");
}

static void inputs(void **state)
{
    (void)state;
    expect_error("input(28, 27) | flatten | linear(10)",
                 "model text: line 1, column 1: input: expected (28, 28) as in the data, got (28, 27)");
    expect_error("input(783) | linear(10)",
                 "model text: line 1, column 1: input: expected (28, 28) as in the data, got (783, 1)");
    expect_error(
        "a = input(28, 28)\nb = input(28, 28)\nflatten(a) | linear(10)",
        "model text: line 2, column 5: input: expected once, got a second one (name the first to use it again)");
    expect_error(
        "a = flatten | linear(10)\nb = input(28, 28)",
        "model text: line 2, column 5: input: expected once, got a second one (name the first to use it again)");
}

static void losses_and_labels(void **state)
{
    (void)state;
    expect_error("z = flatten | linear(10)\na = cross_entropy(z, label)\nb = cross_entropy(z, label)",
                 "model text: line 3, column 5: cross_entropy: expected one loss, got a second one");
    expect_error("flatten | linear(10) | cross_entropy(label) | relu",
                 "model text: line 1, column 47: relu: expected a value of the batch, got the loss");
    expect_error("z = flatten | linear(10)\ncross_entropy(z)",
                 "model text: line 2, column 1: cross_entropy: expected label as the last argument");
    expect_error("z = flatten | linear(10)\ncross_entropy(z, z)",
                 "model text: line 2, column 1: cross_entropy: expected label as the last argument");
    expect_error("label | linear(10)",
                 "model text: line 1, column 1: label: expected only as the last argument of cross_entropy or one_hot");
    expect_error(
        "z = flatten(label) | linear(10)",
        "model text: line 1, column 13: label: expected only as the last argument of cross_entropy or one_hot");
    expect_error("x = label", "model text: line 1, column 1: expected a value, got the labels");
}

static void statement_names(void **state)
{
    (void)state;
    expect_error("linear = flatten | linear(10)",
                 "model text: line 1, column 1: expected a name that is no op and not label");
    expect_error("label = flatten | linear(10)",
                 "model text: line 1, column 1: expected a name that is no op and not label");
    expect_error("a = flatten | linear(10)\nb = a",
                 "model text: line 2, column 1: expected an op, got another name for a value");
    expect_error("a123456789b123456789c123456789d123456789e1234567 = flatten | linear(10)",
                 "model text: line 1, column 1: expected a name of at most 47 letters");
    expect_error("label; linear(10)", "model text: line 1, column 1: expected a value, got the labels");
    expect_error("flatten | linear(10) | leaky_relu(1e39)",
                 "model text: line 1, column 35: leaky_relu: negative_slope: expected a number, got 1e39");
    expect_error("1e39 * relu", "model text: line 1, column 1: expected a number of at most 3.4e38, got 1e+39");
    expect_error("a = 3", "model text: line 1, column 5: expected 10 outputs, one for each class, got 1");
    expect_error("flatten | linear(5) | relu\nlinear(10)",
                 "model text: line 1, column 1: a value without a name that nothing uses (give it a name, or begin the "
                 "next line with |)");
}

/* ---- names ---- */

static void expect_names(const char *text, const char *expected)
{
    struct ls_graph g = build(text);
    char all[512] = "";

    for (size_t i = 0; i < g.n; i++) {
        strcat(strcat(all, i ? " " : ""), g.node[i].name);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(g.node[i].name, g.node[k].name);
    }
    assert_string_equal(all, expected);
    ls_graph_free(&g);
}

static void nodes_have_unique_names(void **state)
{
    (void)state;
    expect_names("flatten | linear(5) | relu | linear(10)", "input 0 1 2 3 loss");
    expect_names("input(28, 28) | flatten | linear(10) | cross_entropy(label)", "input 0 1 loss");
    expect_names("h = flatten | linear(5) | relu\nz = h | linear(10)\nl = cross_entropy(z, label)",
                 "input flatten linear h z l");
    expect_names("h = flatten | linear(5) | linear(6)\nz = h | linear(7) | linear(10)",
                 "input flatten linear h linear1 z loss");
    expect_names("h = flatten\nlinear1 = h | linear(4) | linear(10) | linear(10)",
                 "input h linear linear2 linear1 loss");
    expect_names("loss = flatten | linear(10);", "input 0 loss loss1");
}

/* A name for the whole pipeline does not change what is saved. */
static void pipelines_save_sequential_names(void **state)
{
    struct ls_graph g = build("net = flatten | linear(5) | relu | linear(10)");
    char name[64];

    (void)state;
    ls_param_name(ls_graph_find(&g, "net"), 1, name);
    assert_string_equal(name, "3.bias");
    ls_graph_free(&g);
}

/* Rebinding makes a new node; the name is then the latest's. */
static void rebinding_makes_a_new_node(void **state)
{
    struct ls_graph g = build("h = flatten | linear(5)\nh = h | relu\nh = h | linear(10)");
    const struct ls_node *h = ls_graph_find(&g, "h");

    (void)state;
    assert_int_equal(g.n, 6);
    assert_ptr_equal(h, &g.node[4]);
    assert_ptr_equal(h->input[0], &g.node[3]);
    assert_string_equal(h->input[0]->op->name, "relu");
    assert_ptr_equal(h->input[0]->input[0], &g.node[2]);
    assert_ptr_equal(g.output, h);
    ls_graph_free(&g);
    expect_names("h = flatten | linear(5)\nh = h | relu\nh = h | linear(10)", "input flatten linear relu h loss");
}

static void parameters_have_full_names(void **state)
{
    struct ls_graph g = build("flatten | linear(5) | relu | linear(10, bias=false)"),
                    d = build("z = flatten | linear(10)\n"
                              "cross_entropy(z, label)");
    char name[64];

    (void)state;
    ls_param_name(&g.node[2], 0, name);
    assert_string_equal(name, "1.weight");
    ls_param_name(&g.node[2], 1, name);
    assert_string_equal(name, "1.bias");
    ls_param_name(&g.node[4], 0, name);
    assert_string_equal(name, "3.weight");
    assert_int_equal(g.node[4].n_params, 1);
    ls_param_name(&d.node[2], 1, name);
    assert_string_equal(name, "z.bias");
    ls_graph_free(&g);
    ls_graph_free(&d);
}

static void input_and_loss_are_implied(void **state)
{
    struct ls_graph g = build("flatten | linear(10)"),
                    w = build("x = input(28, 28)\nz = flatten(x) | linear(10)\n"
                              "cross_entropy(z, label)"),
                    f = build("input(784) | linear(10)");

    (void)state;
    assert_int_equal(g.n, 4);
    assert_int_equal(w.n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(g.node[i].op, w.node[i].op);
    assert_ptr_equal(g.input, &g.node[0]);
    assert_ptr_equal(g.loss, &g.node[3]);
    assert_ptr_equal(g.output, &g.node[2]);
    assert_int_equal(g.input->shape.rank, 2);
    assert_int_equal(f.input->shape.rank, 1);
    assert_int_equal(f.input->features, 784);
    ls_graph_free(&g);
    ls_graph_free(&w);
    ls_graph_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(attributes),
        cmocka_unit_test(shapes),
        cmocka_unit_test(piped),
        cmocka_unit_test(inputs),
        cmocka_unit_test(losses_and_labels),
        cmocka_unit_test(statement_names),
        cmocka_unit_test(nodes_have_unique_names),
        cmocka_unit_test(pipelines_save_sequential_names),
        cmocka_unit_test(rebinding_makes_a_new_node),
        cmocka_unit_test(parameters_have_full_names),
        cmocka_unit_test(input_and_loss_are_implied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
