/* SPDX-License-Identifier: MIT
 * Every op of the registry, alone and among others, by the gradient check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "train/gradcheck.h"
#include "train/machine.h"

static const char *const ISAS[] = {"ref", NULL}; /* NULL: the preferred one */

static struct ls_check check_of(const char *isa, struct lk_table *table)
{
    const struct lockstep_options options = {.isa = isa};
    struct lockstep_error err;

    assert_int_equal(ls_machine_table(&options, table, &err), LOCKSTEP_OK);
    return (struct ls_check){.kernels = table, .threads = 2, .seed = 1};
}

static void check_text(const char *text, size_t channels, size_t length, size_t classes)
{
    const struct ls_check_model m = {.name = text,
                                     .text = text,
                                     .channels = channels,
                                     .length = length,
                                     .classes = classes,
                                     .rows = 5,
                                     .every_node = true};

    for (int i = 0; i < 2; i++) {
        struct lk_table table;
        struct ls_check check = check_of(ISAS[i], &table);
        struct lockstep_error err;

        if (ls_gradcheck(&check, &m, NULL, &err))
            fail_msg("%s: %s", text, err.text);
        if (check.failed)
            fail_msg("%s: %s", ISAS[i] ? ISAS[i] : "preferred", check.first.text);
        assert_true(check.tensors > 2);
    }
}

/* ---- the registry ---- */

static void every_op_is_what_it_says(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; ls_ops[i]; i++) {
            struct lk_table table;
            struct ls_check check = check_of(ISAS[k], &table);
            struct lockstep_error err;

            assert_true(ls_ops[i]->define && ls_ops[i]->formula && ls_ops[i]->shapes && ls_ops[i]->example);
            assert_non_null(strstr(ls_ops[i]->example, ls_ops[i]->name));
            if (ls_gradcheck_op(&check, ls_ops[i], &err))
                fail_msg("%s: %s", ls_ops[i]->name, err.text);
            if (check.failed)
                fail_msg("%s", check.first.text);
        }
}

/* Several panels, tails, an op between, before and behind others. */
static void ops_work_together(void **state)
{
    (void)state;
    check_text("flatten | linear(33) | relu | linear(20) | sigmoid | linear(18) | tanh | linear(17, bias=false) | "
               "softmax | linear(10)",
               5, 7, 10);
    check_text("sigmoid | flatten | relu | linear(10) | tanh", 3, 6, 10);
    check_text("tanh | flatten | softmax | linear(16) | flatten | relu | sigmoid", 4, 4, 16);
    check_text(
        "conv1d(18, kernel_size=3, padding=same) | relu | conv1d(20, kernel_size=2, stride=2, groups=2) | tanh | "
        "max_pool1d(2, stride=1) | conv_transpose1d(6, kernel_size=3, stride=2) | sigmoid | avg_pool1d(3) | "
        "flatten | linear(5)",
        3, 7, 5);
    check_text("conv_transpose1d(17, kernel_size=3, padding=1) | relu | conv1d(4, kernel_size=4, padding=causal, "
               "dilation=2) | adaptive_avg_pool1d(1) | flatten | relu",
               3, 6, 4);
    check_text(
        "h = flatten | linear(12)\ndead = h | linear(3)\nz = h | relu | linear(4)\nloss = cross_entropy(z, label)\n", 2,
        9, 4);
    check_text("dead = conv_transpose1d(2, 3)\nz = flatten | linear(4)\nloss = cross_entropy(z, label)", 2, 9, 4);
}

/* Gates on every layout, of one value with itself and with numbers; products of matrices and vectors. */
static void gates_and_products(void **state)
{
    (void)state;
    check_text("x = input\na = x | sigmoid\ny = (x * x - a) / (2 + a * 0.5) + maximum(x, -x)\n"
               "flatten(-minimum(y, -y)) | linear(4)",
               3, 20, 4);
    check_text("x = input\ns = x | sum\ny = x * mean(x | square) - s\nlog(exp(y | flatten)) | linear(4)", 19, 2, 4);
    check_text("x = input\ny = matmul(parameter(18, 3), x)\nz = matmul(y, matmul(parameter(33, 5), parameter(5, 18)))\n"
               "flatten(z + 1) | linear(4)",
               3, 33, 4);
    check_text("x = input\nv = x | flatten | linear(17)\ny = matmul(x, v)\nz = matmul(y, x)\nlinear(z, 4)", 19, 17, 4);
    check_text("x = input(20)\nv = x | tanh\nmatmul(x, v) * matmul(v, v) * v | linear(4)", 20, 1, 4);
    check_text("h = flatten | linear(20) | relu\nr = h + (h | linear(20) | relu)\ng = r * (r | linear(20) | sigmoid)\n"
               "g | linear(4)",
               2, 9, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_is_what_it_says),
        cmocka_unit_test(ops_work_together),
        cmocka_unit_test(gates_and_products),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
