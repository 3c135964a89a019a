/* SPDX-License-Identifier: MIT
 * The model behind --reduce auto: what it chooses, as a table; words for barriers; what a model reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "train/model.h"
#include "train/reduce.h"

/* Of two threads, as measured. */
enum { NEAR = 70, FAR = 270, SLEPT = 25000 };

/* mlp and conv1d as ls_plan lays them out; gflops of AVX-512 on two cores. */
static struct ls_load mlp(unsigned threads, size_t batch, size_t shards, double barrier_ns)
{
    const size_t shard = (batch + shards - 1) / shards;

    return (struct ls_load){.threads = threads,
                            .shards = shards,
                            .batch = batch,
                            .block = shard < 512 ? shard : 512,
                            .own = shard < 512 ? shard : 512,
                            .values = 2381,
                            .params = 537360,
                            .flops = 2407424,
                            .l3 = 1 << 25,
                            .barrier_ns = barrier_ns,
                            .gflops = 237.0 * threads};
}

static struct ls_load conv1d(unsigned threads, size_t batch, size_t shards, double barrier_ns)
{
    struct ls_load l = mlp(threads, batch, shards, barrier_ns);

    l.block = 64;
    l.own = 32;
    l.values = 18032;
    l.params = 147024;
    l.flops = 3362304;
    return l;
}

static void choices(void **state)
{
    const struct {
        struct ls_load load;
        enum ls_reduce expected;
    } table[] = {
        {mlp(2, 100, 2, NEAR), LS_OWNERS},
        {mlp(2, 1024, 2, NEAR), LS_OWNERS},
        {mlp(2, 1024, 8, NEAR), LS_OWNERS},
        {mlp(2, 4096, 8, NEAR), LS_OWNERS},
        {mlp(2, 8192, 16, NEAR), LS_OWNERS},
        {mlp(2, 100, 2, FAR), LS_OWNERS},
        {mlp(2, 1024, 2, FAR), LS_REPLICAS},
        {mlp(2, 1024, 8, FAR), LS_REPLICAS},
        {mlp(2, 4096, 8, FAR), LS_REPLICAS},
        {mlp(2, 8192, 16, FAR), LS_REPLICAS},
        {mlp(2, 8192, 2, FAR), LS_REPLICAS},
        {mlp(2, 100, 2, SLEPT), LS_OWNERS},
        {mlp(2, 1024, 2, SLEPT), LS_OWNERS},
        {conv1d(2, 1024, 2, FAR), LS_REPLICAS},
        {conv1d(2, 128, 1, FAR), LS_OWNERS},
        /* fewer shards than threads; 16 shards for 3 threads, one of which has 6; more threads */
        {mlp(4, 1024, 2, 2 * FAR), LS_OWNERS},
        {mlp(3, 8192, 16, 1.5 * NEAR), LS_OWNERS},
        {mlp(16, 8192, 16, 8 * NEAR), LS_OWNERS},
        {mlp(16, 8192, 16, 8 * FAR), LS_OWNERS},
        {mlp(4, 8192, 16, 2 * FAR), LS_REPLICAS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct ls_choice c = ls_reduce_choose(&table[i].load);

        if (c.reduce != table[i].expected)
            fail_msg("row %zu: %s: owners %.0f ns, replicas %.0f ns", i, c.why, c.owners_ns, c.replicas_ns);
    }
}

/* One shard, or fewer than threads, or one thread: never replicas, and nothing is compared. */
static void never_with_few_shards(void **state)
{
    const double barrier[] = {NEAR, FAR, SLEPT};

    (void)state;
    for (unsigned threads = 1; threads <= 64; threads++)
        for (size_t shards = 1; shards <= 64; shards *= 2)
            for (int b = 0; b < 3; b++) {
                const struct ls_load l = mlp(threads, 60000, shards, barrier[b] * threads / 2);
                const struct ls_choice c = ls_reduce_choose(&l);
                const bool open = threads > 1 && threads <= 4 && shards >= threads; /* copies of more: above L3 */

                assert_int_equal(c.owners_ns > 0.0, open);
                assert_int_equal(c.replicas_ns > 0.0, open);
                if (open)
                    assert_string_equal(c.why, "predicted");
                else
                    assert_int_equal(c.reduce, LS_OWNERS);
                if (threads == 1)
                    assert_string_equal(c.why, "one thread");
                else if (shards < threads)
                    assert_string_equal(c.why, "fewer shards than threads");
            }
}

/* Copies that L3 cannot hold are not made, whether its size is known or not. */
static void copies_fit_l3(void **state)
{
    struct ls_load l = mlp(2, 8192, 16, FAR);

    (void)state;
    for (size_t known = 0; known < 2; known++) {
        l.l3 = known << 25;
        l.params = 1 << 20;
        assert_int_equal(ls_reduce_choose(&l).reduce, LS_REPLICAS);
        l.params = 1 << 22;
        assert_int_equal(ls_reduce_choose(&l).reduce, LS_OWNERS);
        assert_string_equal(ls_reduce_choose(&l).why, "the copies of replicas do not fit L3");
    }
}

/* Between CPUs, a dearer barrier never makes owners better against replicas. */
static void far_favours_replicas(void **state)
{
    double last = -1e300;

    (void)state;
    for (double ns = 20.0; ns < 4900.0; ns *= 1.1) {
        const struct ls_load l = mlp(2, 4096, 8, ns);
        const struct ls_choice c = ls_reduce_choose(&l);

        assert_true(c.owners_ns - c.replicas_ns >= last);
        last = c.owners_ns - c.replicas_ns;
    }
}

static void kinds_of_barriers(void **state)
{
    (void)state;
    assert_string_equal(ls_barrier_kind(0.0, 1), "none");
    assert_string_equal(ls_barrier_kind(149.0, 2), "near");
    assert_string_equal(ls_barrier_kind(175.0, 2), "between");
    assert_string_equal(ls_barrier_kind(201.0, 2), "far");
    assert_string_equal(ls_barrier_kind(24000.0, 2), "shared CPUs");
    assert_string_equal(ls_barrier_kind(500.0, 8), "near");
    assert_string_equal(ls_barrier_kind(1000.0, 8), "far");
}

/* ---- a model's own choice ---- */

static struct lockstep_model *model(const char *text, size_t batch, unsigned shards, unsigned threads,
                                    const char *reduce, bool keep)
{
    const struct lockstep_options o = {.threads = threads, .reduce = reduce, .keep_values = keep};
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;

    lockstep_recipe_init(&r);
    r.batch = batch;
    r.shards = shards;
    if (lockstep_model_new(text, 28, 28, 10, &r, &o, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

static void models_say_why(void **state)
{
    static const struct {
        size_t batch;
        unsigned shards, threads;
        const char *reduce;
        bool keep;
        const char *expected, *why; /* expected NULL: as predicted */
    } table[] = {
        {128, 0, 2, NULL, false, "owners", "fewer shards than threads"},
        {4096, 0, 1, "auto", false, "owners", "one thread"},
        {4096, 0, 2, "owners", false, "owners", "as asked"},
        {128, 0, 2, "replicas", false, "replicas", "as asked"},
        {400, 2, 2, "auto", true, "owners", "values are kept"},
        {4096, 0, 2, NULL, false, NULL, "predicted"},
        {4096, 0, 2, "auto", false, NULL, "predicted"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct lockstep_model *m = model("flatten | linear(16) | linear(10)", table[i].batch, table[i].shards,
                                         table[i].threads, table[i].reduce, table[i].keep);
        const struct ls_choice *c = &m->choice;
        const bool replicas = c->replicas_ns < 0.98 * c->owners_ns;

        assert_string_equal(c->why, table[i].why);
        assert_int_equal(c->reduce, m->engine.reduce);
        assert_string_equal(lockstep_model_reduce(m), table[i].expected ? table[i].expected
                                                      : replicas        ? "replicas"
                                                                        : "owners");
        assert_int_equal(c->barrier_ns > 0.0, !table[i].expected);
        lockstep_model_free(m);
    }
}

/* What the table above calls mlp is what a model asks for. */
static void load_of_a_model(void **state)
{
    struct lockstep_model *m = model("mlp", 4096, 8, 2, "owners", false);
    const struct ls_load got = ls_load_of(&m->graph, 4096, 8, 2), expected = mlp(2, 4096, 8, 0.0);

    (void)state;
    assert_int_equal(got.block, expected.block);
    assert_int_equal(got.own, expected.own);
    assert_int_equal(got.values, expected.values);
    assert_int_equal(got.params, expected.params);
    assert_int_equal(got.flops, expected.flops);
    lockstep_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices),           cmocka_unit_test(never_with_few_shards),
        cmocka_unit_test(copies_fit_l3),     cmocka_unit_test(far_favours_replicas),
        cmocka_unit_test(kinds_of_barriers), cmocka_unit_test(models_say_why),
        cmocka_unit_test(load_of_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
