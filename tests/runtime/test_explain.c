/* SPDX-License-Identifier: MIT
 * lockstep_explain and the report of a training: every work of a step is there once with its kernel, FLOPs add up, the
 * model is as without; and the slots that ops say they call are those that they call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/evaluate.h"
#include "train/explained.h"
#include "train/gradcheck.h"
#include "train/machine.h"
#include "train/model.h"

enum { ROWS = 700, BATCH = 260, STEPS = (ROWS + BATCH - 1) / BATCH };

#include "drawn_digits.h"
#include "graph/build.h"

static struct lockstep_error err;
static struct lockstep_model *model_of(const char *text, const struct lockstep_options *o, unsigned shards)
{
    struct lockstep_recipe r;
    struct lockstep_model *m;

    lockstep_recipe_init(&r);
    r.batch = BATCH;
    r.shards = shards;
    r.epochs = 1;
    if (lockstep_model_new(text, SIDE, SIDE, 10, &r, o, &m, &err))
        fail_msg("%s: %s", text, err.text);
    return m;
}

static struct lockstep_explained *explain(struct lockstep_model *m)
{
    struct lockstep_explained *e;

    if (lockstep_explain(m, &digits, 0.0, &e, &err))
        fail_msg("%s", err.text);
    return e;
}

/* The work of a node and a phase; NULL: none. Never two. */
static const struct lockstep_work *find(const struct lockstep_explained *e, const char *node, const char *phase)
{
    const struct lockstep_work *found = NULL;

    for (size_t i = 0; i < e->works; i++)
        if (!strcmp(e->work[i].node, node) && !strcmp(e->work[i].phase, phase)) {
            assert_null(found);
            found = &e->work[i];
        }
    return found;
}

/* timed: with what steps took. */
static void check_works(const struct lockstep_model *m, const struct lockstep_explained *e, bool timed)
{
    static const char *const phase[LS_PHASES] = {"forward", "branches", "backward", "grad", "add", "update"};
    size_t works = 2;
    double flops = 0.0;

    for (size_t i = 0; i < m->graph.n; i++)
        for (int p = 0; p < LS_PHASES; p++) {
            const struct ls_node *n = &m->graph.node[i];
            const struct lockstep_work *w = find(e, n->name, phase[p]);

            assert_int_equal(w != NULL, ls_cost_any(&m->engine, n, (enum ls_phase)p));
            if (!w)
                continue;
            works++;
            flops += w->flops;
            assert_true((w->seconds > 0.0) == timed && w->roof_seconds > 0.0 && w->bytes > 0.0 && *w->roof);
            assert_true(w->threads > 0 && w->threads <= m->engine.threads);
            assert_true(w->flops_done > 0.0 ? w->flops_done <= w->flops : w->flops == 0.0);
            assert_string_equal(w->isa, *w->kernel ? lockstep_model_isa(m) : "");
        }
    assert_int_equal(e->works, works);
    assert_true(flops == (double)(m->graph.flops_train * BATCH));
    assert_true(e->flops == flops);
    assert_non_null(find(e, "", "waiting"));
    assert_non_null(find(e, "", "other"));
    assert_true((e->step_seconds > 0.0) == timed && (e->steps > 0) == timed);
}

/* The digest after explaining, and after a training behind it, is that of a model that was never explained. */
static void check_untouched(struct lockstep_model *explained, struct lockstep_model *other)
{
    char a[33], b[33];

    for (int trained = 0; trained < 2; trained++) {
        lockstep_model_digest(explained, a);
        lockstep_model_digest(other, b);
        assert_string_equal(a, b);
        if (!trained &&
            (lockstep_train(explained, &digits, NULL, NULL, &err) || lockstep_train(other, &digits, NULL, NULL, &err)))
            fail_msg("%s", err.text);
    }
}

static void every_work(void **state)
{
    static const char *const texts[] = {"flatten | linear(40) | relu | linear(10)", "conv1d", "residual",
                                        "h = input | flatten\nparameter(784) * h | dropout | linear(10) | sigmoid"};
    static const char *const reduces[] = {"owners", "replicas"};

    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        for (unsigned run = 0; run < 4; run++) {
            const struct lockstep_options o = {.threads = 1 + run / 2, .reduce = reduces[run % 2]};
            struct lockstep_model *m = model_of(texts[t], &o, run % 3 ? 4 : 1), *other;
            struct lockstep_explained *e = explain(m);

            other = model_of(texts[t], &o, run % 3 ? 4 : 1);
            check_works(m, e, true);
            assert_true(e->plain_seconds > 0.0);
            check_untouched(m, other);
            lockstep_explained_free(e);
            lockstep_model_free(m);
            lockstep_model_free(other);
        }
}

static void kernel_is(const struct lockstep_explained *e, const char *node, const char *phase, const char *kernel)
{
    const struct lockstep_work *w = find(e, node, phase);

    assert_non_null(w);
    assert_string_equal(w->kernel, kernel);
}

static void names_kernels(void **state)
{
    const char *text = "flatten | linear(40) | relu | linear(20) | gelu(approximate=tanh) | linear(10)";

    (void)state;
    for (int on = 0; on < 2; on++) {
        const struct lockstep_options o = {.threads = 1, .zero_skip = on ? "on" : "off"};
        struct lockstep_model *m = model_of(text, &o, 1);
        struct lockstep_explained *e = explain(m);

        kernel_is(e, "input", "forward", "gather_u8");
        kernel_is(e, "1", "forward", on ? "gemm_fwd_skip + relu" : "gemm_fwd + relu");
        kernel_is(e, "1", "grad", on ? "gemm_dw_skip" : "gemm_dw");
        kernel_is(e, "1", "update", "adam");
        kernel_is(e, "3", "backward", "gemm_dx + relu'");
        kernel_is(e, "3", "update", "adam transpose");
        kernel_is(e, "4", "forward", "gelu_tanh_fwd");
        assert_true(on ? e->flops_done < 0.9 * e->flops : e->flops_done == e->flops);
        assert_true(find(e, "3", "forward")->flops_done == find(e, "3", "forward")->flops);
        lockstep_explained_free(e);
        lockstep_model_free(m);
    }
}

/* Products are told their tile, of one vector with more rows, of short chains with few. Only those; ref has none. */
static void names_tiles(void **state)
{
    (void)state;
    for (int i = 0; i < LK_ISA_COUNT; i++) {
        const struct lockstep_options o = {.threads = 1, .isa = lk_isa_name((enum lk_isa)i), .zero_skip = "off"};
        struct lockstep_model *m;
        struct lockstep_explained *e;
        size_t rows[2], cols[2];

        if (!lk_isa_supported((enum lk_isa)i, lk_cpu_features()))
            continue;
        m = model_of("flatten | linear(40) | relu | linear(7) | relu | linear(10)", &o, 1);
        e = explain(m);
        for (size_t k = 0; k < e->works; k++)
            assert_int_equal(*e->work[k].tile != 0, i != LK_ISA_ref && e->work[k].flops > 0.0);
        if (i != LK_ISA_ref) {
            assert_int_equal(sscanf(find(e, "1", "forward")->tile, "%zu x %zu", &rows[0], &cols[0]), 2);
            assert_int_equal(sscanf(find(e, "3", "forward")->tile, "%zu x %zu", &rows[1], &cols[1]), 2);
            assert_true(rows[0] * cols[0] == rows[1] * cols[1] && rows[0] < rows[1]);
            assert_int_equal(sscanf(find(e, "5", "forward")->tile, "%zu x %zu", &rows[0], &cols[0]), 2);
            assert_true(2 * rows[0] * cols[0] <= rows[1] * cols[1]);
            assert_int_equal(sscanf(find(e, "5", "backward")->tile, "%zu x %zu", &rows[0], &cols[0]), 2);
            assert_true(2 * rows[0] * cols[0] <= rows[1] * cols[1]);
            assert_int_equal(sscanf(find(e, "5", "grad")->tile, "%zu x %zu", &rows[0], &cols[0]), 2);
            assert_true(cols[0] <= 10 && rows[0] > 10); /* turned */
        }
        lockstep_explained_free(e);
        lockstep_model_free(m);
    }
}

static void least_steps(void **state)
{
    const double seconds[] = {0.0, -1.0, __builtin_nan("")};
    struct lockstep_model *m = model_of("two-layer", NULL, 1);
    struct lockstep_explained *e;

    (void)state;
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        assert_int_equal(lockstep_explain(m, &digits, seconds[i], &e, &err), LOCKSTEP_OK);
        assert_int_equal(e->steps, 5);
        lockstep_explained_free(e);
    }
    lockstep_model_free(m);
}

static void wrong_batch(void **state)
{
    struct lockstep_data few = digits;
    struct lockstep_model *m = model_of("two-layer", NULL, 1);
    struct lockstep_explained *e;

    (void)state;
    few.rows = BATCH - 1;
    assert_int_equal(lockstep_explain(m, &few, 0.0, &e, &err), LOCKSTEP_E_USAGE);
    assert_null(e);
    lockstep_model_free(m);
}

/* ---- the report of a training ---- */

struct heard {
    struct lockstep_model *m;
    bool timed;
    size_t reports, barriers, allocations;
    size_t told; /* barriers of a step by the report */
};

static void hear_epoch(void *user, const struct lockstep_epoch *e)
{
    struct heard *h = user;

    h->barriers = e->counts.barriers;
    h->allocations += e->counts.allocations;
}

static void hear_report(void *user, const struct lockstep_explained *e)
{
    struct heard *h = user;

    h->reports++;
    check_works(h->m, e, h->timed);
    assert_true(e->steps <= 100 && e->plain_seconds == 0.0 && e->data_read > 0.0);
    sscanf(find(e, "", "waiting")->how, "%zu barriers", &h->told);
}

/* Train; the digest. */
static struct heard train(const struct lockstep_options *o, bool report, char digest[33])
{
    /* Of layers too narrow to be shared by columns, which a busy machine decides anew from epoch to epoch. */
    struct lockstep_model *m = model_of("flatten | linear(40) | relu | linear(10)", o, 2);
    struct heard h = {.m = m, .timed = o->verify != 1};
    const struct lockstep_events events = {.user = &h, .epoch = hear_epoch, .explain = report ? hear_report : NULL};

    m->recipe.epochs = 3;
    if (lockstep_train(m, &digits, NULL, &events, &err))
        fail_msg("%s", err.text);
    lockstep_model_digest(m, digest);
    lockstep_model_free(m);
    return h;
}

/* A training that reports does what one does that does not: the same bits, no barrier more, no memory. Steps computed
 * twice are not timed. */
static void training_reports(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 8; run++) {
        const struct lockstep_options o = {
            .threads = 1 + run % 2, .reduce = run & 2 ? "replicas" : "owners", .verify = run & 4 ? run % 2 + 1 : 0};
        char with[33], without[33];
        const struct heard a = train(&o, true, with), b = train(&o, false, without);

        assert_string_equal(with, without);
        assert_int_equal(a.reports, 1);
        assert_int_equal(b.reports, 0);
        assert_int_equal(a.barriers, b.barriers);
        assert_int_equal(a.allocations, 0);
        if (o.threads > 1 && !o.verify)
            assert_int_equal(a.barriers, STEPS * a.told);
    }
}

/* ---- shared by columns ---- */

struct stepped {
    struct lockstep_model *m;
    uint32_t index[BATCH];
    float loss[BATCH];
    uint8_t hit[BATCH];
    size_t barriers;
};

static void step_once(void *arg, struct ls_worker *w)
{
    struct stepped *s = arg;
    const struct ls_batch b = {
        .source = ls_data_source(&digits, s->index, BATCH), .mode = LS_GRADIENT, .loss = s->loss, .hit = s->hit};
    unsigned before;

    ls_engine_join(&s->m->engine, w);
    before = w->phase;
    ls_step(&s->m->engine, w, &b);
    if (w->t == 0)
        s->barriers = w->phase - before;
}

/* What a report without laps says of a step that shares layers by columns, and how many barriers the step took. */
static void columns_told(void **state)
{
    static const char *const reduces[] = {"owners", "replicas"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stepped s = {.m = model_of("flatten | linear(100) | relu | linear(80) | relu | linear(10)",
                                          &(struct lockstep_options){.threads = 2, .reduce = reduces[i]}, 2)};
        struct ls_findings f = {.m = s.m, .data = &digits, .threads = 2};
        struct lockstep_explained *e;
        char text[48];

        for (int level = 0; level < LOCKSTEP_LEVELS; level++)
            f.limits.memory[level] = (struct lockstep_bandwidth){1.0, 1.0, 1.0, 1.0};
        f.limits.peak_gflops = f.limits.data_read = 1.0;
        s.m->engine.columns = true;
        ls_team_run(2, step_once, &s);
        assert_int_equal(ls_laps_init(&f.laps, &s.m->engine, 1, &err), LOCKSTEP_OK);
        assert_int_equal(ls_explained_new(&f, &e, &err), LOCKSTEP_OK);
        check_works(s.m, e, false);
        assert_string_equal(find(e, "1", "forward")->how, i ? "130 rows a call" : "50 columns of 130 rows");
        assert_string_equal(find(e, "3", "backward")->how, i ? "130 rows a call" : "50 columns of 130 rows");
        assert_string_equal(find(e, "5", "backward")->how, i ? "130 rows a call" : "40 columns of 130 rows");
        assert_string_equal(find(e, "5", "forward")->how, i ? "130 rows a call" : "65 rows a call");
        snprintf(text, sizeof text, "%zu barriers", s.barriers);
        assert_string_equal(find(e, "", "waiting")->how, text);
        lockstep_explained_free(e);
        ls_laps_free(&f.laps);
        lockstep_model_free(s.m);
    }
}

/* ---- the slots of ops ---- */

static bool word_in(const char *words, const char *word)
{
    const size_t n = strlen(word);

    for (const char *w = words; w && *w; w += strcspn(w, " "), w += *w == ' ')
        if (strcspn(w, " ") == n && !strncmp(w, word, n))
            return true;
    return false;
}

/* May a node call the slot? Add, transpose and finite are the runtime's, too. */
static bool says(const struct ls_graph *g, const char *slot)
{
    bool said = word_in("add transpose finite", slot);

    for (size_t i = 0; i < g->n; i++)
        for (int call = 0; call < LS_CALLS; call++)
            said |= word_in(g->node[i].kernels[call], slot);
    return said;
}

/* The graph of an op's example, with as few classes as it can have. */
static struct ls_graph example_of(const struct ls_op *op)
{
    size_t channels = 1, length = 1, classes = 0;
    struct ls_graph g;

    ls_graph_reads_data(op->example, &channels, &length, &classes);
    for (classes = 0; ls_graph_build(op->example, channels, length, classes, &g, &err); classes++)
        assert_true(classes < LS_CLASSES);
    return g;
}

/* Every op on its example, with no other slot in the table: another call would crash. */
static void no_other_slot(void **state)
{
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++) {
        struct ls_graph g = example_of(ls_ops[i]);
        struct lk_table table;
        struct ls_check check = {.kernels = &table, .threads = 1, .seed = 1};

        print_message("%s\n", ls_ops[i]->name);
        assert_int_equal(ls_machine_table(NULL, &table, &err), LOCKSTEP_OK);
#define X(slot)                                                                                                        \
    if (!says(&g, #slot))                                                                                              \
        table.k.slot = NULL;
        LK_KERNELS(X)
#undef X
        ls_graph_free(&g);
        assert_int_equal(ls_gradcheck_op(&check, ls_ops[i], &err), LOCKSTEP_OK);
        assert_int_equal(check.failed, 0);
    }
}

/* Every word is a slot. */
static void slots_exist(void **state)
{
    (void)state;
    for (size_t i = 0; ls_ops[i]; i++)
        for (int call = 0; call < LS_CALLS; call++)
            for (const char *w = ls_ops[i]->kernels[call]; w && *w; w += strcspn(w, " "), w += *w == ' ') {
                bool known = false;

                for (int s = 0; s < LK_SLOTS; s++) {
                    const char *name = lk_slot_name((enum lk_slot)s);

                    known |= strlen(name) == strcspn(w, " ") && !strncmp(name, w, strlen(name));
                }
                if (!known)
                    fail_msg("%s: no such slot: %s", ls_ops[i]->name, w);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_work),   cmocka_unit_test(names_kernels), cmocka_unit_test(names_tiles),
        cmocka_unit_test(least_steps),  cmocka_unit_test(wrong_batch),   cmocka_unit_test(training_reports),
        cmocka_unit_test(columns_told), cmocka_unit_test(slots_exist),   cmocka_unit_test(no_other_slot),
    };

    return cmocka_run_group_tests(tests, draw, free_digits);
}
