/* SPDX-License-Identifier: MIT
 * The plan: what it fuses, shares and leaves out, and that this changes no bit; how it cuts parameters and batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"
#include "graph/build.h"
#include "graph/plan.h"

enum { SIDE = 28, CLASSES = 10, BLOCK = 100 };

static struct ls_graph build(const char *text)
{
    struct lockstep_error err = {0};
    struct ls_graph g;

    if (ls_graph_build(text, SIDE, SIDE, CLASSES, &g, &err))
        fail_msg("%s: %s", text, err.text);
    return g;
}

static struct ls_graph plan(const char *text, bool keep_values)
{
    struct ls_graph g = build(text);
    struct lockstep_error err;

    assert_int_equal(ls_plan(&g, BLOCK, keep_values, &err), LOCKSTEP_OK);
    return g;
}

enum { INPUT, FLATTEN, FIRST, ACT, SECOND, LOSS }; /* nodes of two_layer */
static const char two_layer[] = "flatten | linear(40) | relu | linear(10)";

static void activations_are_fused(void **state)
{
    struct ls_graph g = plan(two_layer, false);
    const struct ls_node *n = g.node;

    (void)state;
    assert_int_equal(n[FIRST].act, LK_ACT_RELU);
    assert_int_equal(n[SECOND].act, LK_ACT_NONE);
    assert_true(n[FIRST].hidden_y && n[FIRST].forward && !n[ACT].forward && !n[ACT].hidden_y);
    assert_int_equal(n[ACT].y.offset, n[FIRST].y.offset);
    assert_int_equal(n[SECOND].dx_act, LK_ACT_RELU);
    assert_int_equal(n[FIRST].dx_act, LK_ACT_NONE);
    assert_true(n[ACT].hidden_d && n[SECOND].backward && !n[ACT].backward);
    assert_int_equal(n[ACT].d.offset, n[FIRST].d.offset);
    ls_graph_free(&g);
}

static void what_nobody_wants_is_not_computed(void **state)
{
    struct ls_graph g = plan(two_layer, false);
    const struct ls_node *n = g.node;

    (void)state;
    assert_false(n[INPUT].wants_grad || n[FLATTEN].wants_grad || n[FIRST].backward);
    assert_true(n[FIRST].wants_grad && n[SECOND].wants_grad);
    assert_false(n[FLATTEN].forward || n[FLATTEN].backward);
    assert_int_equal(n[FLATTEN].y.offset, n[INPUT].y.offset);
    assert_int_equal(g.flops_forward, 2 * (784 * 40 + 40 * 10));
    assert_int_equal(g.flops_train, 2 * (2 * 784 * 40 + 3 * 40 * 10));
    assert_int_equal(g.params_dense, 784 * 40 + 40 + 40 * 10 + 10);
    ls_graph_free(&g);
}

static void keep_values_fuses_nothing(void **state)
{
    struct ls_graph g = plan(two_layer, true);

    (void)state;
    for (size_t i = 0; i < g.n; i++) {
        const struct ls_node *n = &g.node[i];

        assert_true(n->act == LK_ACT_NONE && n->dx_act == LK_ACT_NONE && !n->hidden_y && !n->hidden_d);
        assert_true(n->wants_grad);
        assert_int_equal(n->forward, i != FLATTEN);
        assert_int_equal(n->backward, i == FIRST || i == ACT || i == SECOND);
    }
    assert_int_equal(g.node[FLATTEN].d.offset, g.node[INPUT].d.offset);
    assert_int_not_equal(g.node[ACT].y.offset, g.node[FIRST].y.offset);
    ls_graph_free(&g);
}

/* Only the first activation behind a matrix product is its own, and only where nobody else reads the value between. */
static void fusion_knows_its_limits(void **state)
{
    struct ls_graph twice = plan("flatten | linear(20) | relu | tanh | linear(10)", false);
    struct ls_graph shared =
        plan("h = flatten | linear(10)\na = h | relu\nz = h | linear(10)\ncross_entropy(z, label)", false);
    struct ls_graph ahead = plan("flatten | sigmoid | linear(10)", false);
    struct ls_graph last = plan("flatten | linear(10) | sigmoid", false);

    (void)state;
    assert_int_equal(twice.node[2].act, LK_ACT_RELU);
    assert_true(twice.node[4].forward && !twice.node[4].backward && twice.node[3].backward);
    assert_int_equal(twice.node[5].dx_act, LK_ACT_TANH);
    assert_true(shared.node[2].act == LK_ACT_NONE && shared.node[3].forward && !shared.node[2].hidden_y);
    assert_true(!shared.node[3].on_path && !shared.node[3].wants_grad && !shared.node[3].backward);
    assert_true(ahead.node[2].forward && !ahead.node[2].backward && !ahead.node[2].wants_grad);
    assert_true(ahead.node[3].dx_act == LK_ACT_NONE && !ahead.node[3].backward);
    assert_int_equal(last.node[2].act, LK_ACT_SIGMOID);
    assert_true(!last.node[3].forward && last.node[3].backward && !last.node[3].hidden_d);
    assert_int_not_equal(last.node[3].d.offset, last.node[2].d.offset);
    ls_graph_free(&twice);
    ls_graph_free(&shared);
    ls_graph_free(&ahead);
    ls_graph_free(&last);
}

/* A relu's derivative passes max_pool1d and flatten; that of others does not, nor does one pass an average or a value
 * read twice. */
static void a_relu_passes_what_only_chooses(void **state)
{
    struct ls_graph g = plan("conv1d(20, kernel_size=3) | relu | max_pool1d(2) | flatten | linear(10)", false);
    struct ls_graph tanh = plan("conv1d(20, kernel_size=3) | tanh | max_pool1d(2) | flatten | linear(10)", false);
    struct ls_graph mean = plan("conv1d(20, kernel_size=3) | relu | avg_pool1d(2) | flatten | linear(10)", false);
    struct ls_graph twice = plan("h = conv1d(20, kernel_size=3) | relu | max_pool1d(2)\n"
                                 "h + (h | conv1d(20, kernel_size=3, padding=1)) | flatten | linear(10)",
                                 false);

    (void)state;
    assert_int_equal(g.node[5].dx_act, LK_ACT_RELU);
    assert_true(!g.node[2].backward && g.node[3].backward && g.node[4].backward);
    assert_true(g.node[2].hidden_d && g.node[3].hidden_d && g.node[4].hidden_d && !g.node[1].hidden_d);
    assert_int_equal(g.node[2].d.offset, g.node[1].d.offset);
    assert_int_not_equal(g.node[3].d.offset, g.node[2].d.offset);
    assert_true(tanh.node[5].dx_act == LK_ACT_NONE && tanh.node[2].backward);
    assert_true(mean.node[5].dx_act == LK_ACT_NONE && mean.node[2].backward);
    for (size_t i = 0; i < twice.n; i++)
        assert_int_equal(twice.node[i].dx_act, LK_ACT_NONE);
    ls_graph_free(&g);
    ls_graph_free(&tanh);
    ls_graph_free(&mean);
    ls_graph_free(&twice);
}

static void views_share_buffers(void **state)
{
    struct ls_graph g = plan("flatten | linear(20) | flatten | linear(10)", false);
    const struct ls_node *n = g.node;

    (void)state;
    assert_int_equal(n[3].y.offset, n[2].y.offset);
    assert_int_equal(n[3].d.offset, n[2].d.offset);
    assert_false(n[3].forward || n[3].backward || n[2].hidden_y || n[2].hidden_d);
    ls_graph_free(&g);
}

struct range {
    size_t first, end;
};

/* Two buffers are the same or apart; all lie inside the activation block. */
static void buffers_do_not_overlap(void **state)
{
    for (int keep = 0; keep < 2; keep++) {
        struct ls_graph g =
            plan("flatten | linear(33) | relu | linear(20) | flatten | tanh | linear(10) | softmax", keep);
        struct range r[40];
        size_t n = 0;

        (void)state;
        for (size_t i = 0; i + 1 < g.n; i++) {
            const size_t floats = lk_panels(g.node[i].features) * g.node[i].y.ld;

            assert_true(g.node[i].y.ld >= LK_PANEL * BLOCK);
            r[n++] = (struct range){g.node[i].y.offset, g.node[i].y.offset + floats};
            if (g.node[i].wants_grad)
                r[n++] = (struct range){g.node[i].d.offset, g.node[i].d.offset + floats};
        }
        for (size_t i = 0; i < n; i++) {
            assert_true(r[i].end <= g.activations);
            for (size_t k = 0; k < i; k++)
                assert_true(r[i].end <= r[k].first || r[k].end <= r[i].first ||
                            (r[i].first == r[k].first && r[i].end == r[k].end));
        }
        ls_graph_free(&g);
    }
}

/* Units cover every element of every weight and every bias of its own on the path once, each a part of a tap or whole
 * taps. */
static void units_cover_the_parameters(void **state)
{
    struct ls_graph g = plan("t = conv_transpose1d(40, kernel_size=3, groups=2)\nh = t | max_pool1d(30) | flatten | "
                             "linear(70)\ndead = h | linear(3)\nz = h | relu | linear(10)\ncross_entropy(z, label)",
                             false);
    uint8_t *seen = calloc(g.params, 1);
    size_t count = 0;

    (void)state;
    assert_non_null(seen);
    for (size_t i = 0; i < g.n_units; i++) {
        const struct ls_unit *u = &g.unit[i];
        const struct ls_param *p = &g.node[u->node].param[u->param];
        const size_t tap = p->rows / ls_taps(p);

        assert_true(u->col % LK_PANEL == 0 && u->rows && u->cols);
        assert_true(u->row + u->rows <= p->rows && u->col + u->cols <= p->cols);
        assert_true(u->row / tap == (u->row + u->rows - 1) / tap || (u->row % tap == 0 && u->rows % tap == 0));
        assert_string_not_equal(g.node[u->node].name, "dead");
        for (size_t c = u->col; c < u->col + u->cols; c++)
            for (size_t r = u->row; r < u->row + u->rows; r++, count++)
                assert_int_equal(seen[p->offset + ls_param_index(p, c * p->rows + r)]++, 0);
    }
    assert_int_equal(count, 28 * 20 * 3 + 40 + 40 * 70 + 70 * 10);
    free(seen);
    ls_graph_free(&g);
}

/* ---- one answer, fused or not ---- */

enum { ROWS = 37 };

static float number(uint32_t i)
{
    uint32_t w[4];

    ls_philox(11, LS_STREAM_TEST, (uint32_t[4]){i, 0, 0, 0}, w);
    return (float)(2.0 * ls_uniform(w[0], w[1]) - 1.0);
}

static struct lockstep_model *differentiated(const char *text, bool keep)
{
    static float x[ROWS * 15], label[ROWS];
    const struct lockstep_recipe recipe = {.batch = ROWS,
                                           .epochs = 1,
                                           .optimizer = "sgd",
                                           .lr = 0.1,
                                           .init = "xavier",
                                           .lr_schedule = "constant",
                                           .seed = 3,
                                           .shards = 4};
    struct lockstep_model *m;
    struct lockstep_error err = {0};

    for (uint32_t i = 0; i < ROWS * 15; i++)
        x[i] = number(i);
    for (uint32_t i = 0; i < ROWS; i++)
        label[i] = (float)(i % CLASSES);
    if (lockstep_model_new(text, 3, 5, CLASSES, &recipe, &(struct lockstep_options){.keep_values = keep}, &m, &err) ||
        lockstep_set(m, "input", x, ROWS * 15, &err) || lockstep_set(m, "label", label, ROWS, &err) ||
        lockstep_backward(m, NULL, &err))
        fail_msg("%s: %s", text, err.text);
    return m;
}

static void same_gradient(const struct lockstep_model *a, const struct lockstep_model *b, const char *name)
{
    const size_t n = lockstep_count(a, name);
    float *ga = malloc(n * sizeof *ga), *gb = malloc(n * sizeof *gb);
    struct lockstep_error err;
    bool any = false;

    assert_true(ga && gb && n);
    assert_int_equal(lockstep_grad(a, name, ga, n, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_grad(b, name, gb, n, &err), LOCKSTEP_OK);
    assert_memory_equal(ga, gb, n * sizeof *ga);
    for (size_t i = 0; i < n; i++)
        any |= ga[i] != 0.0f;
    assert_true(any);
    free(ga);
    free(gb);
}

static void plans_give_the_same_bits(void **state)
{
    static const char *const text[] = {
        "flatten | linear(33) | relu | linear(20) | sigmoid | linear(18) | tanh | linear(10)",
        "relu | flatten | linear(20) | softmax | linear(10) | tanh",
        "flatten | linear(17) | relu | sigmoid | linear(10, bias=false) | softmax",
        "conv1d(18, kernel_size=3, padding=same) | relu | conv1d(20, kernel_size=2, groups=2) | tanh | max_pool1d(2) | "
        "flatten | linear(10)",
        "conv_transpose1d(17, kernel_size=4, stride=2, padding=1) | relu | conv_transpose1d(18, kernel_size=3) | "
        "sigmoid | "
        "avg_pool1d(3) | flatten | linear(10)",
        "conv1d(18, kernel_size=3, padding=1) | relu | max_pool1d(3, stride=1, padding=1) | conv1d(20, kernel_size=2) "
        "| "
        "relu | max_pool1d(2) | flatten | linear(10)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct lockstep_model *fused = differentiated(text[i], false), *kept = differentiated(text[i], true);
        size_t tensors = 0;

        for (int layer = 0; layer < 9; layer++)
            for (int bias = 0; bias < 2; bias++) {
                char name[32];

                snprintf(name, sizeof name, "%d.%s", layer, bias ? "bias" : "weight");
                if (!lockstep_count(fused, name))
                    continue;
                same_gradient(fused, kept, name);
                tensors++;
            }
        assert_true(tensors >= 3);
        lockstep_model_free(fused);
        lockstep_model_free(kept);
    }
}

/* More units than a share can count, 2^19 a layer: an error, whatever memory there is. */
static void too_many_units(void **state)
{
    static const char line[] =
        "the model is too large: expected at most 16777215 units of at most 64 x 32 weights, got ";
    char text[1000] = "flatten | linear(10)";
    struct lockstep_error err = {0};
    struct ls_graph g;

    (void)state;
    for (int i = 0; i < 34; i++)
        strcat(text, " | linear(32768)");
    strcat(text, " | linear(10)");
    g = build(text);
    assert_int_equal(ls_plan(&g, 1, false, &err), LOCKSTEP_E_MEMORY);
    assert_memory_equal(err.text, line, strlen(line));
    ls_graph_free(&g);
}

/* Few rows where values are many and parameters few, more for more workers; all where parameters outweigh the
 * values. */
static void rows_of_a_block(void **state)
{
    static const struct {
        const char *text;
        size_t rows[3]; /* for 1, 2, 16 workers */
    } table[] = {
        {"conv1d(64, kernel_size=3, padding=same) | relu | max_pool1d(2) "
         "| conv1d(128, kernel_size=3, padding=same) | relu | max_pool1d(2) "
         "| flatten | linear(128) | relu | linear(10)",
         {32, 64, 512}},
        {"flatten | linear(100) | relu | linear(10)", {512, 512, 512}},
        {"flatten | linear(2048) | relu | linear(2048) | relu | linear(10)", {512, 512, 512}},
        {"conv1d(1024, kernel_size=1) | relu | conv1d(10, kernel_size=1) | flatten | linear(10)", {16, 16, 128}},
    };
    static const unsigned workers[] = {1, 2, 16};
    struct lockstep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ls_graph g = build(table[i].text);

        assert_int_equal(ls_plan(&g, 512, false, &err), LOCKSTEP_OK);
        const size_t row = g.activations / g.block;

        for (int k = 0; k < 3; k++)
            assert_int_equal(ls_plan_rows(&g, workers[k]), table[i].rows[k]);
        ls_plan_block(&g, table[i].rows[0]);
        assert_int_equal(g.block, table[i].rows[0]);
        assert_in_range(g.activations, row * g.block, row * (g.block + 16));
        ls_graph_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_fused),
        cmocka_unit_test(what_nobody_wants_is_not_computed),
        cmocka_unit_test(keep_values_fuses_nothing),
        cmocka_unit_test(fusion_knows_its_limits),
        cmocka_unit_test(a_relu_passes_what_only_chooses),
        cmocka_unit_test(views_share_buffers),
        cmocka_unit_test(buffers_do_not_overlap),
        cmocka_unit_test(units_cover_the_parameters),
        cmocka_unit_test(too_many_units),
        cmocka_unit_test(rows_of_a_block),
        cmocka_unit_test(plans_give_the_same_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
