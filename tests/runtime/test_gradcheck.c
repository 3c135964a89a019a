/* SPDX-License-Identifier: MIT
 * The gradient check sees what is wrong: planted faults of the kinds that a new op has; and says what it looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "train/gradcheck.h"
#include "train/machine.h"

static const struct lk_kernels *right;

/* Tensors that were told of, as "name" or "name!" when they failed. */
struct heard {
    char text[512];
    size_t tensors, least, most; /* coordinates */
};

static void hear(void *user, const struct lockstep_checked *t)
{
    struct heard *h = user;

    if (t->gradient)
        strcat(strcat(strcat(h->text, h->tensors++ ? " " : ""), t->tensor), t->ok ? "" : "!");
    assert_true(t->ok == (t->error <= t->tolerance));
    h->least = h->tensors == 1 || t->checked < h->least ? t->checked : h->least;
    h->most = t->checked > h->most ? t->checked : h->most;
}

static struct lk_table reference(void)
{
    static struct lk_table table;
    struct lockstep_error err;

    assert_int_equal(ls_machine_table(&(struct lockstep_options){.isa = "ref"}, &table, &err), LOCKSTEP_OK);
    right = &table.k;
    return table;
}

static struct heard gradients(const struct lk_table *table, const char *text, bool every_node)
{
    const struct ls_check_model m = {
        .name = "net", .text = text, .channels = 16, .length = 1, .classes = 0, .rows = 5, .every_node = every_node};
    struct heard h = {.text = ""};
    struct ls_check check = {.kernels = table, .threads = 1, .seed = 3, .tensor = hear, .user = &h};
    struct lockstep_error err;

    if (ls_gradcheck(&check, &m, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(check.failed != 0, strchr(h.text, '!') != NULL);
    if (check.failed)
        assert_non_null(strstr(check.first.text, "gradcheck: net: gradient of "));
    return h;
}

/* ---- a missing branch: of two gradients only the first arrives ---- */

static void add_first_only(size_t n, const float *a, const float *b, float *y)
{
    (void)b;
    memmove(y, a, n * sizeof *y);
}

static void a_missing_branch_is_seen(void **state)
{
    static const char text[] = "h = tanh\np = h | linear(3)\nq = h | linear(3)\nloss = mse_loss(p, q)";
    struct lk_table table = reference();

    (void)state;
    assert_string_equal(gradients(&table, text, true).text, "input h p p.weight p.bias q q.weight q.bias");
    table.k.add = add_first_only;
    assert_string_equal(gradients(&table, text, true).text, "input! h! p p.weight p.bias q q.weight q.bias");
}

/* ---- a transposed weight ---- */

static void transpose_copies(size_t M, size_t N, const float *W, size_t ldw, float *WT, size_t ldwt)
{
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++)
            WT[n / LK_PANEL * ldwt + m * LK_PANEL + n % LK_PANEL] = W[n / LK_PANEL * ldw + m * LK_PANEL + n % LK_PANEL];
}

static void a_transposed_weight_is_seen(void **state)
{
    struct lk_table table = reference();

    (void)state;
    assert_string_equal(gradients(&table, "linear(16) | tanh", false).text, "input 0.weight 0.bias");
    table.k.transpose = transpose_copies;
    assert_string_equal(gradients(&table, "linear(16) | tanh", false).text, "input! 0.weight 0.bias");
}

/* ---- an off-by-one tap ---- */

static void conv_dw_next_tap(const struct lk_conv *g, size_t r, size_t M, size_t o0, size_t N, struct lk_cview x,
                             struct lk_cview d, float *G, size_t ldg, float *db, int first)
{
    const size_t tap = g->C / g->groups;

    right->conv_dw(g, 0, 0, o0, N, x, d, NULL, 0, db, first);
    for (size_t m = 0; m < M; m++)
        right->conv_dw(g, (r + m + tap) % (g->taps * tap), 1, o0, N, x, d, G + m * LK_PANEL, ldg, NULL, first);
}

static void a_wrong_tap_is_seen(void **state)
{
    static const char text[] = "parameter(2, 8) | conv1d(4, kernel_size=3, padding=1) | tanh";
    struct lk_table table = reference();

    (void)state;
    assert_string_equal(gradients(&table, text, false).text, "parameter conv1d.weight conv1d.bias");
    table.k.conv_dw = conv_dw_next_tap;
    assert_string_equal(gradients(&table, text, false).text, "parameter conv1d.weight! conv1d.bias");
}

/* ---- one wrong derivative among right values ---- */

static void tanh_bwd_slope_1(size_t n, const float *y, const float *dy, float *dx)
{
    (void)y;
    memmove(dx, dy, n * sizeof *dx);
}

static void a_wrong_derivative_is_seen(void **state)
{
    struct lk_table table = reference();

    (void)state;
    table.k.tanh_bwd = tanh_bwd_slope_1;
    assert_string_equal(gradients(&table, "linear(4) | tanh | linear(2)", true).text,
                        "input! 0! 0.weight! 0.bias! 1 2 2.weight 2.bias");
}

/* ---- corners ---- */

/* A value against itself is a tie everywhere, x against -x and relu have corners that the batch keeps away from. */
static void corners_are_left_out(void **state)
{
    struct lk_table table = reference();

    (void)state;
    assert_string_equal(gradients(&table, "maximum(input, input) | relu", true).text, "input maximum relu");
    assert_string_equal(gradients(&table, "x = input\nmaximum(x, -x) | leaky_relu(0.5)", false).text, "x");
}

/* A tensor that lies at a corner with every element has nothing to compare: it fails, and does not pass unseen. */
static void nothing_to_compare_fails(void **state)
{
    struct lk_table table = reference();

    (void)state;
    assert_non_null(strstr(gradients(&table, "z = input * 0\nrelu(z)", true).text, "z!"));
}

/* ---- what is looked at ---- */

static void large_models_are_sampled(void **state)
{
    struct lk_table table = reference();
    const struct heard all = gradients(&table, "linear(20)", false),
                       some = gradients(&table, "linear(300) | relu | linear(40)", false);

    (void)state;
    assert_int_equal(all.most, 16 * 20);
    assert_int_equal(some.tensors, 5);
    assert_int_equal(some.most, 200);
    assert_int_equal(some.least, 40);
}

static void the_public_function(void **state)
{
    const struct lockstep_options options = {.threads = 2};
    struct lockstep_check_cost cost;
    struct heard h = {.text = ""};
    struct lockstep_error err;

    (void)state;
    assert_int_equal(lockstep_gradcheck(NULL, 1, &options, NULL, NULL, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(
        lockstep_gradcheck("input(9) | linear(6) | dropout | linear(7)", 1, &options, hear, &h, &cost, &err),
        LOCKSTEP_OK);
    assert_string_equal(h.text, "input 0.weight 0.bias 2.weight 2.bias");
    assert_int_equal(cost.parameters, 9 * 6 + 6 + 6 * 7 + 7);
    assert_true(cost.backward_seconds > 0.0 && cost.differences_seconds > 0.0);
    assert_int_equal(lockstep_gradcheck("flatten | lineer(3)", 1, &options, NULL, NULL, NULL, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(
        lockstep_gradcheck("loss = mse_loss(input(3), one_hot(label))", 1, &options, NULL, NULL, NULL, &err),
        LOCKSTEP_OK);
    assert_int_equal(lockstep_gradcheck("input(3) | log", 1, &options, NULL, NULL, NULL, &err), LOCKSTEP_E_INTERNAL);
    assert_string_equal(err.text,
                        "gradcheck: model: gradient of input: expected finite values away from corners, got 0 "
                        "coordinates to compare");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_branch_is_seen), cmocka_unit_test(a_transposed_weight_is_seen),
        cmocka_unit_test(a_wrong_tap_is_seen),      cmocka_unit_test(a_wrong_derivative_is_seen),
        cmocka_unit_test(corners_are_left_out),     cmocka_unit_test(nothing_to_compare_fails),
        cmocka_unit_test(large_models_are_sampled), cmocka_unit_test(the_public_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
