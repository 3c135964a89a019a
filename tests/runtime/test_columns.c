/* SPDX-License-Identifier: MIT
 * Sharing by columns: the rectangles of a team cover a result once and evenly; the same weights for any team. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/team.h"
#include "train/columns.h"
#include "train/model.h"

enum { ROWS = 60 };
#include "drawn_digits.h"

enum { PANELS_MOST = 42, ROWS_MOST = 420, TEAM_MOST = 6 };

/* Mark what a worker computes when nobody helps it; a place is marked once. */
static size_t mark(const struct ls_shared *s, unsigned T, unsigned t, char *marked)
{
    const size_t pieces = ls_columns_pieces(s, &(struct ls_worker){.t = t, .T = T}), panels = s->panels, rows = s->rows;
    size_t places = 0;

    assert_true(pieces <= LS_COLUMNS_PIECES);
    for (size_t i = 0; i < pieces; i++) {
        const struct ls_rectangle r = ls_columns_piece(s, T, t * (size_t)LS_COLUMNS_PIECES + i);

        assert_true(r.panels > 0 && r.panel + r.panels <= panels && r.rows > 0 && r.row + r.rows <= rows);
        for (size_t p = r.panel; p < r.panel + r.panels; p++)
            for (size_t m = r.row; m < r.row + r.rows; m++) {
                assert_false(marked[p * rows + m]);
                marked[p * rows + m] = 1;
                places++;
            }
    }
    return places;
}

static void covered_once(void **state)
{
    (void)state;
    for (size_t panels = 1; panels <= PANELS_MOST; panels += panels < 13 ? 1 : 29)
        for (size_t rows = 0; rows <= ROWS_MOST; rows += rows < 33 ? 1 : 43)
            for (unsigned T = 1; T <= TEAM_MOST; T++)
                for (int skips = 0; skips < 2; skips++) {
                    const struct ls_shared s = {panels, rows, skips};
                    const size_t even = panels * rows / T, row = skips ? 4 : 2, few = rows / 4 < 20 ? rows / 4 : 20;
                    const size_t most = 2 * row * (few + 1);
                    char marked[PANELS_MOST * ROWS_MOST] = {0};
                    size_t sum = 0;

                    for (unsigned t = 0; t < T; t++) {
                        const size_t places = mark(&s, T, t, marked);

                        /* even, but for parts of a row and a few rows at two edges of strips */
                        assert_true(places + most >= even && places <= even + most);
                        sum += places;
                    }
                    assert_int_equal(sum, panels * rows);
                }
}

static void assert_pieces(struct ls_shared s, unsigned t, size_t pieces)
{
    assert_int_equal(ls_columns_pieces(&s, &(struct ls_worker){.t = t, .T = 2}), pieces);
}

static void assert_piece(struct ls_shared s, size_t piece, struct ls_rectangle expected)
{
    const struct ls_rectangle r = ls_columns_piece(&s, 2, piece);

    assert_memory_equal(&r, &expected, sizeof r);
}

/* Few calls: whole strips at once, half of 100 rows where zeros are left out and else half of 256 columns; of 100
 * columns for two workers a strip, and three quarters of the rows of the next; strips twice as wide are not cut for an
 * eighth of their rows. */
static void whole_strips(void **state)
{
    const struct ls_shared wide = {32, 100, true}, dense = {32, 100, false}, high = {32, 512, false};
    const struct ls_shared narrow = {7, 100, false}, seven = {7, 100, true}, wider = {13, 100, true};

    (void)state;
    assert_pieces(wide, 0, 2);
    assert_piece(wide, 0, (struct ls_rectangle){0, 16, 0, 50});
    assert_piece(wide, 1, (struct ls_rectangle){0, 16, 50, 50});
    assert_pieces((struct ls_shared){32, 99, true}, 1, 1);
    assert_pieces(dense, 0, 2);
    assert_piece(dense, 0, (struct ls_rectangle){0, 8, 0, 100});
    assert_piece(dense, 1, (struct ls_rectangle){8, 8, 0, 100});
    assert_pieces((struct ls_shared){256, 512, false}, 1, 8);
    assert_pieces(high, 1, 8);
    assert_piece(high, LS_COLUMNS_PIECES + 7, (struct ls_rectangle){16, 16, 448, 64});
    assert_pieces(narrow, 0, 3);
    assert_piece(narrow, 2, (struct ls_rectangle){2, 2, 0, 75});
    assert_piece(narrow, LS_COLUMNS_PIECES, (struct ls_rectangle){2, 2, 75, 25});
    assert_pieces(seven, 0, 2);
    assert_piece(seven, 1, (struct ls_rectangle){0, 4, 50, 50});
    assert_pieces(seven, 1, 2);
    assert_piece(seven, LS_COLUMNS_PIECES, (struct ls_rectangle){4, 3, 0, 50});
    assert_pieces(wider, 0, 3);
    assert_piece(wider, 2, (struct ls_rectangle){4, 4, 0, 62});
    assert_pieces((struct ls_shared){4, 40, true}, 0, 1);
    assert_piece((struct ls_shared){4, 40, true}, 0, (struct ls_rectangle){0, 2, 0, 40}); /* too narrow for that */
}

static void digest(const char *net, unsigned threads, const char *isa, const char *zero_skip, char out[33])
{
    const struct lockstep_options o = {.threads = threads, .isa = isa, .reduce = "owners", .zero_skip = zero_skip};
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;

    lockstep_recipe_init(&r);
    r.batch = 23;
    r.epochs = 1;
    r.shards = 2;
    if (lockstep_model_new(net, SIDE, SIDE, 10, &r, &o, &m, &err))
        fail_msg("%s", err.text);
    m->engine.columns_fixed = true;
    if (lockstep_train(m, &digits, NULL, NULL, &err))
        fail_msg("%s", err.text);
    lockstep_model_digest(m, out);
    lockstep_model_free(m);
}

/* Only where each reader of the input is shared by columns, and its rows fit L2. */
static void own_input(void **state)
{
    static const struct {
        const char *net;
        bool own;
    } cases[] = {
        {"flatten | linear(100) | relu | linear(10)", true},
        {"flatten | linear(33) | relu | linear(100) | relu | linear(10)", false},
        {"conv1d(16, kernel_size=3) | relu | flatten | linear(100) | relu | linear(10)", false},
        {"x = input(784)\na = x | linear(100)\nb = x | linear(64)\na | linear(64) | add(b) | linear(10)", true},
        {"x = input(784)\na = x | linear(100)\nb = x | relu | linear(100)\na + b | linear(10)", false},
    };
    const struct lockstep_options o = {.threads = 2, .reduce = "owners"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lockstep_recipe r;
        struct lockstep_model *m;
        struct lockstep_error err;

        lockstep_recipe_init(&r);
        r.batch = 10;
        if (lockstep_model_new(cases[i].net, SIDE, SIDE, 10, &r, &o, &m, &err))
            fail_msg("%s", err.text);
        assert_int_equal(ls_columns_own_input(&m->engine, 2), cases[i].own);
        assert_false(ls_columns_own_input(&m->engine, 1));
        assert_false(ls_columns_own_input(&m->engine, 4));
        m->engine.own_input = false;
        assert_false(ls_columns_own_input(&m->engine, 2));
        lockstep_model_free(m);
    }
}

/* Widths that no team divides, next to layers too narrow for columns, values with two users, and without an
 * activation. */
static void one_answer(void **state)
{
    static const char *const net[] = {
        "input(28, 28) | flatten | linear(100) | relu | linear(211) | linear(70) | tanh | linear(10)",
        "x = input(784)\na = x | linear(130) | relu\nb = a | linear(130)\na + b | linear(97) | gelu | linear(10)",
    };
    static const char *const skip[] = {"on", "off"}, *const isa[] = {NULL, "ref"};
    char first[33], other[33];

    (void)state;
    for (size_t i = 0; i < sizeof net / sizeof *net; i++) {
        digest(net[i], 1, NULL, "off", first);
        for (unsigned threads = 1; threads <= 5; threads++)
            for (int k = 0; k < 4; k++) {
                digest(net[i], threads, isa[k / 2], skip[k % 2], other);
                assert_string_equal(first, other);
            }
    }
}

/* One step of lockstep_step, whose schedule is that of owners whatever a training would take. */
static void step_digest(unsigned threads, const char *reduce, unsigned shards, char out[33])
{
    const struct lockstep_options o = {.threads = threads, .reduce = reduce};
    float pixels[ROWS * SIDE * SIDE], label[ROWS];
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;

    for (size_t i = 0; i < ROWS * SIDE * SIDE; i++)
        pixels[i] = (float)(i % 251) / 251.0f;
    for (size_t i = 0; i < ROWS; i++)
        label[i] = (float)(i % 10);
    lockstep_recipe_init(&r);
    r.batch = ROWS;
    r.shards = shards;
    if (lockstep_model_new("two-layer", SIDE, SIDE, 10, &r, &o, &m, &err))
        fail_msg("%s", err.text);
    m->engine.columns_fixed = true;
    for (int step = 0; step < 3; step++)
        if (lockstep_set(m, "input", pixels, ROWS * SIDE * SIDE, &err) || lockstep_set(m, "label", label, ROWS, &err) ||
            lockstep_step(m, NULL, &err))
            fail_msg("%s", err.text);
    lockstep_model_digest(m, out);
    lockstep_model_free(m);
}

static void one_answer_of_single_steps(void **state)
{
    static const char *const reduce[] = {"owners", "replicas"};
    static const unsigned shards[] = {1, 4, 64}; /* of 60 rows: some are empty */
    char first[33], other[33];

    (void)state;
    for (size_t s = 0; s < sizeof shards / sizeof *shards; s++) {
        step_digest(1, "owners", shards[s], first);
        for (unsigned threads = 2; threads <= 4; threads++)
            for (int i = 0; i < 2; i++) {
                step_digest(threads, reduce[i], shards[s], other);
                assert_string_equal(first, other);
            }
    }
}

static void join_and_take(void *arg, struct ls_worker *w)
{
    struct ls_engine *e = arg;
    size_t piece;

    ls_engine_join(e, w);
    for (unsigned turn = 0; turn < 100; turn++)
        if (ls_share_take(e->share, w, turn, &piece))
            atomic_store(&e->bad_weights, true); /* a flag at hand: workers cannot assert */
}

/* A step that ends at a loss which is not finite leaves what it dealt out; no later team may take of it. */
static void nothing_left_for_the_next_team(void **state)
{
    const struct lockstep_options o = {.threads = 2, .reduce = "owners"};
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;

    (void)state;
    lockstep_recipe_init(&r);
    if (lockstep_model_new("two-layer", SIDE, SIDE, 10, &r, &o, &m, &err))
        fail_msg("%s", err.text);
    for (unsigned turn = 0; turn < 100; turn++) {
        ls_share_fill(m->engine.share, &(struct ls_worker){.t = turn % 2, .T = 2}, turn, 0, 1000);
        ls_team_run(2, join_and_take, &m->engine);
        assert_false(m->engine.bad_weights);
    }
    lockstep_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_left_for_the_next_team),
        cmocka_unit_test(covered_once),
        cmocka_unit_test(whole_strips),
        cmocka_unit_test(own_input),
        cmocka_unit_test(one_answer),
        cmocka_unit_test(one_answer_of_single_steps),
    };

    return cmocka_run_group_tests(tests, draw, free_digits);
}
