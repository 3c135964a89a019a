/* SPDX-License-Identifier: MIT
 * Shards: their number, their rows, and the tree of their gradients, spelt out as text for every cut of the shards into
 * contiguous ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/shards.h"

enum { MOST = 64, TERM = 512 }; /* shards in the symbolic tests; letters of a sum of that many */

static void default_table(void **state)
{
    static const struct {
        size_t batch;
        unsigned shards;
    } row[] = {{1, 1},    {100, 1},  {511, 1},  {512, 1},  {1023, 1},  {1024, 2},   {2047, 2},
               {2048, 4}, {4095, 4}, {4096, 8}, {8191, 8}, {8192, 16}, {16384, 16}, {60000, 16}};

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        assert_int_equal(ls_shards_default(row[i].batch), row[i].shards);
}

/* clamp(pow2floor(batch / 512), 1, 16), by bits. */
static void default_is_the_formula(void **state)
{
    (void)state;
    for (size_t batch = 1; batch <= 60000; batch++) {
        size_t q = batch / 512, s = q ? (size_t)1 << (63 - __builtin_clzll((unsigned long long)q)) : 1;

        assert_int_equal(ls_shards_default(batch), s > 16 ? 16 : s);
    }
}

/* Every row lies in exactly one shard, in order; only the last ones are short or empty. */
static void shards_cover(size_t n, size_t count)
{
    const struct ls_shards s = ls_shards_of(n, count);
    size_t at = 0;

    assert_int_equal(s.n, n);
    assert_int_equal(s.count, count);
    for (size_t i = 0; i < count; i++) {
        size_t first, end;

        ls_shard_rows(&s, i, &first, &end);
        assert_int_equal(first, at);
        assert_true(end >= first && end <= n);
        assert_true(end - first == (n + count - 1) / count || end == n);
        at = end;
    }
    assert_int_equal(at, n);
}

static void rows_cover_the_batch(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 64; count *= 2)
        for (size_t n = 1; n <= 300; n++)
            shards_cover(n, count);
    shards_cover(60000, 16);
    shards_cover(1, LS_SHARDS_MAX);
    shards_cover(16777216, LS_SHARDS_MAX);
}

/* ---- the tree as text: "((0+1)+(2+3))" ---- */

static void spell_tree(size_t first, size_t count, char *out)
{
    char left[TERM], right[TERM];

    if (count == 1) {
        snprintf(out, TERM, "%zu", first);
        return;
    }
    spell_tree(first, count / 2, left);
    spell_tree(first + count / 2, count / 2, right);
    assert_true((size_t)snprintf(out, TERM, "(%.254s+%.254s)", left, right) < TERM);
}

/* A stack whose slots hold the text of their sums. */
struct symbolic {
    struct ls_stack stack;
    size_t deepest;
    char slot[LS_STACK_MAX][TERM];
};

static void push(struct symbolic *s, struct ls_part part, const char *sum)
{
    size_t at = s->stack.n, additions;

    assert_true(at < LS_STACK_MAX);
    s->deepest = at + 1 > s->deepest ? at + 1 : s->deepest;
    snprintf(s->slot[at], TERM, "%s", sum);
    for (additions = ls_stack_push(&s->stack, part); additions; additions--, at--) {
        char both[TERM];

        assert_true(at > 0);
        assert_true((size_t)snprintf(both, TERM, "(%.254s+%.254s)", s->slot[at - 1], s->slot[at]) < TERM);
        memcpy(s->slot[at - 1], both, TERM);
    }
    assert_int_equal(s->stack.n, at + 1);
}

static unsigned log2_of(size_t power)
{
    return (unsigned)__builtin_ctzll((unsigned long long)power);
}

/* Shards [first, end) into an empty stack; the depth is as planned and at most 2 log2 S parts are left. */
static void push_range(struct symbolic *s, size_t first, size_t end, size_t shards)
{
    memset(s, 0, sizeof *s);
    for (size_t i = first; i < end; i++) {
        char name[24];

        snprintf(name, sizeof name, "%zu", i);
        push(s, (struct ls_part){i, 1}, name);
    }
    if (end > first)
        assert_int_equal(s->deepest, ls_stack_depth(first, end));
    assert_true(s->stack.n <= (shards > 2 ? 2 * log2_of(shards) : 2));
}

/* What replicas do: each of T threads pushes its range, then the parts of all go onto one stack. */
static void cut_gives_the_tree(size_t shards, size_t T)
{
    static struct symbolic range, all;
    char tree[TERM];

    memset(&all, 0, sizeof all);
    for (size_t t = 0; t < T; t++) {
        push_range(&range, shards * t / T, shards * (t + 1) / T, shards);
        for (size_t p = 0; p < range.stack.n; p++)
            push(&all, range.stack.part[p], range.slot[p]);
    }
    spell_tree(0, shards, tree);
    assert_int_equal(all.stack.n, 1);
    assert_int_equal(all.stack.part[0].first, 0);
    assert_int_equal(all.stack.part[0].size, shards);
    assert_string_equal(all.slot[0], tree);
}

static void spelt_tree_is_balanced(void **state)
{
    char tree[TERM];

    (void)state;
    spell_tree(0, 4, tree);
    assert_string_equal(tree, "((0+1)+(2+3))");
}

static void every_cut_gives_the_tree(void **state)
{
    (void)state;
    for (size_t shards = 1; shards <= MOST; shards *= 2)
        for (size_t T = 1; T <= 9; T++)
            cut_gives_the_tree(shards, T);
}

/* All ways to cut in two and in three, not only even ones. */
static void uneven_cuts_give_the_tree(void **state)
{
    static struct symbolic range, all;
    char tree[TERM];
    const size_t S = 16;

    (void)state;
    spell_tree(0, S, tree);
    for (size_t a = 0; a <= S; a++)
        for (size_t b = a; b <= S; b++) {
            const size_t cut[4] = {0, a, b, S};

            memset(&all, 0, sizeof all);
            for (int i = 0; i < 3; i++) {
                push_range(&range, cut[i], cut[i + 1], S);
                for (size_t p = 0; p < range.stack.n; p++)
                    push(&all, range.stack.part[p], range.slot[p]);
            }
            assert_int_equal(all.stack.n, 1);
            assert_string_equal(all.slot[0], tree);
        }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    for (size_t S = 1; S <= LS_SHARDS_MAX; S *= 2) {
        assert_int_equal(ls_stack_depth(0, S), log2_of(S) + 1);
        for (size_t T = 1; T <= 9; T++)
            for (size_t t = 0; t < T; t++)
                assert_true(ls_stack_depth(S * t / T, S * (t + 1) / T) <= 2 * log2_of(S) + 1);
    }
    for (size_t first = 0; first <= 256; first++)
        for (size_t end = first; end <= 256; end++)
            assert_in_range(ls_stack_depth(first, end), 1, 2 * 8 + 1);
    assert_true(2 * log2_of(LS_SHARDS_MAX) + 1 < LS_STACK_MAX);
}

/* Chains in double for each shard, then the tree: values chosen so that every other order gives other bits. */
static void mean_loss_follows_the_tree(void **state)
{
    float loss[7] = {1e8f, 1.0f, 3e-9f, -1e8f, 0.1f, 7e7f, 0.3f};
    const struct ls_shards four = ls_shards_of(7, 4), one = ls_shards_of(7, 1), empty = ls_shards_of(2, 4);
    const double shard[4] = {(double)loss[0] + (double)loss[1], (double)loss[2] + (double)loss[3],
                             (double)loss[4] + (double)loss[5], (double)loss[6]};
    double chain = 0.0;

    (void)state;
    for (int i = 0; i < 7; i++)
        chain += (double)loss[i];
    assert_true(ls_mean_loss(&four, loss) == ((shard[0] + shard[1]) + (shard[2] + shard[3])) / 7.0);
    assert_true(ls_mean_loss(&one, loss) == chain / 7.0);
    assert_true(ls_mean_loss(&empty, loss) == ((double)loss[0] + (double)loss[1]) / 2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_table),
        cmocka_unit_test(default_is_the_formula),
        cmocka_unit_test(rows_cover_the_batch),
        cmocka_unit_test(spelt_tree_is_balanced),
        cmocka_unit_test(every_cut_gives_the_tree),
        cmocka_unit_test(uneven_cuts_give_the_tree),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(mean_loss_follows_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
