/* SPDX-License-Identifier: MIT
 * A unit of the parameters: what is read at its places next lies where its gradient ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "run_op.h"
#include "train/units.h"

enum { ROWS = 5 };

static const char *const models[] = {
    "flatten | linear(40) | relu | linear(100) | relu | linear(300, bias=false)",
    "conv1d(20, kernel_size=3) | relu | conv1d(12, kernel_size=5, groups=2) | flatten | linear(33)",
};

/* The elements of an array at the places of unit u are those that its gradient of 1 went to; returns how many. */
static size_t places_of(const struct ls_unit *u, const float *array, size_t ld)
{
    size_t n = 0;

    for (size_t p = 0; p < lk_panels(u->cols); p++)
        for (size_t i = 0; i < u->rows * LK_PANEL; i++, n++)
            assert_true(array[p * ld + i] == 1.0f);
    return n;
}

static void places_are_those_of_the_gradient(struct run_op *r)
{
    float *ones = calloc(r->g.params, sizeof *ones);

    assert_non_null(ones);
    for (size_t i = 0; i < r->g.params; i++)
        ones[i] = 1.0f;
    for (size_t i = 0; i < r->g.n_units; i++) {
        const struct ls_unit *u = &r->g.unit[i];
        const struct lk_next next = ls_unit_next(&r->e, u, r->e.root, false);
        size_t places = 0, bias;

        memset(r->e.root, 0, r->g.params * sizeof *r->e.root);
        ls_unit_finish(&r->e, u, (struct ls_gradient){ones, false}, NULL);
        for (size_t at = 0; at < r->g.params; at++)
            places += r->e.root[at] == 1.0f;
        bias = places - places_of(u, next.p[0], next.ld);
        assert_int_equal(next.n, 1);
        assert_true(bias == 0 || (u->row == 0 && bias == lk_panels(u->cols) * LK_PANEL));
    }
    free(ones);
}

static void what_is_read_next_lies_at_the_places_of_the_gradient(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct run_op r;

        run_open(&r, models[i], 6, 30, ROWS, NULL);
        places_are_those_of_the_gradient(&r);
        run_close(&r);
    }
}

/* All arrays at the same place: what the gradient is added to, weights, the momentum of sgd. */
static void an_update_reads_weights_and_state(void **state)
{
    struct run_op r;

    (void)state;
    run_open(&r, models[0], 6, 30, ROWS, NULL);
    for (size_t i = 0; i < r.g.n_units; i++) {
        const struct lk_next both = ls_unit_next(&r.e, &r.g.unit[i], r.e.root, true);
        const struct lk_next update = ls_unit_next(&r.e, &r.g.unit[i], NULL, true);

        assert_int_equal(both.n, 3);
        assert_int_equal(update.n, 2);
        assert_ptr_equal(both.p[1], r.e.w + (both.p[0] - r.e.root));
        assert_ptr_equal(both.p[2], r.e.state[0] + (both.p[0] - r.e.root));
        assert_ptr_equal(update.p[0], both.p[1]);
        assert_ptr_equal(update.p[1], both.p[2]);
    }
    assert_int_equal(ls_unit_next(&r.e, &r.g.unit[0], NULL, false).n, 0);
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_next_lies_at_the_places_of_the_gradient),
        cmocka_unit_test(an_update_reads_weights_and_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
