/* SPDX-License-Identifier: MIT
 * Shares of a team: every piece is taken once, by its owner from the front, by others from the back, in its turn
 * only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "core/share.h"

enum { TEAM = 6, TURNS = 3000, PIECES_MOST = 40 };

/* ---- each piece once ---- */

/* How often each piece was taken over all turns. */
struct game {
    struct ls_share share[TEAM];
    atomic_uint taken[PIECES_MOST], strangers;
};

/* Pieces of a turn: from none to many, often fewer than workers. */
static size_t pieces_of(unsigned turn)
{
    return turn * 7 % (PIECES_MOST + 1);
}

/* The next turn is dealt out while others still take of this one. */
static void play(void *arg, struct ls_worker *w)
{
    struct game *g = arg;

    for (unsigned turn = 0; turn < TURNS; turn++) {
        size_t first, end, piece;

        ls_span(pieces_of(turn), w->T, w->t, &first, &end);
        ls_share_fill(g->share, w, turn, first, end);
        ls_barrier_wait(w);
        while (ls_share_take(g->share, w, turn, &piece)) {
            atomic_fetch_add(&g->taken[piece], 1);
            if (piece >= pieces_of(turn))
                atomic_fetch_add(&g->strangers, 1);
        }
    }
}

static void each_piece_once(void **state)
{
    (void)state;
    alarm(100); /* a hang is a failure */
    for (unsigned threads = 1; threads <= TEAM; threads++) {
        struct game g = {.strangers = 0};

        ls_team_run(threads, play, &g);
        assert_int_equal(g.strangers, 0);
        for (size_t i = 0; i < PIECES_MOST; i++) {
            unsigned turns = 0;

            for (unsigned turn = 0; turn < TURNS; turn++)
                turns += i < pieces_of(turn);
            assert_int_equal(g.taken[i], turns);
        }
    }
    alarm(0);
}

/* ---- the order, and turns: no threads, so that it is certain ---- */

static void assert_takes(struct ls_share *team, unsigned t, unsigned turn, const size_t *expected, size_t n)
{
    const struct ls_worker w = {.t = t, .T = 3};
    size_t piece;

    for (size_t i = 0; i < n; i++) {
        assert_true(ls_share_take(team, &w, turn, &piece));
        assert_int_equal(piece, expected[i]);
    }
    assert_false(ls_share_take(team, &w, turn, &piece));
}

static void fill(struct ls_share *team, unsigned turn)
{
    for (unsigned t = 0; t < 3; t++)
        ls_share_fill(team, &(struct ls_worker){.t = t, .T = 3}, turn, 3 * (size_t)t, 3 * (size_t)t + 3);
}

/* The own ones forwards, then those of the next worker and the one behind it, backwards. */
static void late_owners_are_helped(void **state)
{
    static const size_t of_1[] = {3, 4, 5, 8, 7, 6, 2, 1, 0};
    struct ls_share team[3];

    (void)state;
    fill(team, 1);
    assert_takes(team, 1, 1, of_1, 9);
    assert_takes(team, 0, 1, NULL, 0);
}

static void only_in_its_turn(void **state)
{
    static const size_t of_0[] = {0, 1, 2}, of_2[] = {6, 7, 8, 5, 4, 3};
    const unsigned last = ~0u; /* of a 32-bit count, which goes on at 0 */
    struct ls_share team[3];

    (void)state;
    for (unsigned turn = last - 1; turn != 2; turn++) {
        fill(team, turn + 1);
        assert_takes(team, 0, turn, NULL, 0);
        fill(team, turn);
        ls_share_fill(team, &(struct ls_worker){.t = 1, .T = 3}, turn + 1, 3, 6);
        ls_share_fill(team, &(struct ls_worker){.t = 2, .T = 3}, turn + 1, 6, 9);
        assert_takes(team, 0, turn, of_0, 3);
        assert_takes(team, 2, turn + 1, of_2, 6);
    }
}

/* The largest number that fits. */
static void large_numbers(void **state)
{
    static const size_t pieces[] = {LS_SHARE_MOST - 2, LS_SHARE_MOST - 1};
    struct ls_share team[3] = {{0}};

    (void)state;
    ls_share_fill(team, &(struct ls_worker){.t = 0, .T = 3}, 7, LS_SHARE_MOST - 2, LS_SHARE_MOST);
    assert_takes(team, 0, 7, pieces, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_once),
        cmocka_unit_test(late_owners_are_helped),
        cmocka_unit_test(only_in_its_turn),
        cmocka_unit_test(large_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
