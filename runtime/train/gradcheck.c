/* SPDX-License-Identifier: MIT
 * The check of one model. Rounding errors of a float chain of k terms grow as sqrt(k): 2e-5 of the largest element
 * holds for 64 terms, sqrt(k / 64) times that for longer ones. */
#include "train/gradcheck.h"

#include "core/rng.h"
#include "core/team.h"
#include "train/differences.h"
#include "train/subject.h"

#include <math.h>
#include <stdio.h>

enum { ALL_BELOW = 10000, SAMPLES = 200, TENSOR_SHAPE = 3 };
static const double VALUE_TOLERANCE = 1e-5, GRADIENT_TOLERANCE = 2e-5, CHAIN = 64.0;

/* A gradient below this share of the output's largest is compared with that share instead: it may be 0 but for
 * rounding.
 */
static const double VANISHED = 1e-3;

/* ---- a tensor ---- */

/* The value of a node or one of its parameters. */
struct tensor {
    const struct ls_node *node;
    const struct ls_param *param; /* NULL: the value */
    double *at;                   /* in double */
    size_t count, number;
};

static struct tensor value_tensor(const struct ls_subject *s, size_t i)
{
    const struct ls_node *n = &s->g.node[i];

    return (struct tensor){n, NULL, s->value[i], s->model->rows * n->features, i};
}

/* Element e of a node's value or gradient. */
static double in_buffer(const struct ls_subject *s, const struct ls_node *n, struct ls_buffer b, size_t e)
{
    const float *at = s->e.act + b.offset + b.halo * LK_PANEL;

    return (double)at[ls_at(n, b, e / n->features, e % n->features)];
}

static double float_value(const struct ls_subject *s, const struct tensor *t, size_t e)
{
    return t->node->op->loss ? (double)s->loss[e] : in_buffer(s, t->node, t->node->y, e);
}

static double float_gradient(const struct ls_subject *s, const struct tensor *t, size_t e)
{
    return t->param ? (double)s->e.root[t->param->offset + ls_param_index(t->param, e)]
                    : in_buffer(s, t->node, t->node->d, e);
}

/* Largest difference and largest element so far. */
struct worst {
    double difference, most;
    size_t checked;
    bool few; /* too few to tell */
};

static void compare(struct worst *w, double got, double expected)
{
    const double d = fabs(got - expected), m = fabs(expected);

    w->difference = d > w->difference || d != d ? d : w->difference;
    w->most = m > w->most ? m : w->most;
    w->checked++;
}

static void describe_shape(const struct ls_subject *s, const struct tensor *t, struct lockstep_checked *out)
{
    _Static_assert((int)TENSOR_SHAPE == (int)(sizeof out->shape / sizeof *out->shape), "dimensions of a tensor");
    if (t->param) {
        out->rank = t->param->rank;
        for (size_t d = 0; d < out->rank; d++)
            out->shape[d] = ls_param_dim(t->param, d);
        return;
    }
    out->rank = 1 + (t->node->op->loss ? 0 : t->node->shape.rank);
    out->shape[0] = s->model->rows;
    for (size_t d = 1; d < out->rank; d++)
        out->shape[d] = t->node->shape.dim[d - 1];
}

/* Why a tensor failed, of the first one. */
static void fail_first(struct ls_check *check, const struct lockstep_checked *row, const struct worst *w)
{
    const char *kind = row->gradient ? "gradient" : "value";

    if (w->few)
        ls_fail(&check->first, LOCKSTEP_E_INTERNAL,
                "gradcheck: %s: %s of %s: expected finite values away from corners, got %zu coordinates to compare",
                row->model, kind, row->tensor, row->checked);
    else
        ls_fail(&check->first, LOCKSTEP_E_INTERNAL,
                "gradcheck: %s: %s of %s: expected an error of at most %.1e of its largest element, got %.1e",
                row->model, kind, row->tensor, row->tolerance, row->error);
}

/* Tell the caller of a tensor; keep the first that failed. */
static void report(const struct ls_subject *s, const struct tensor *t, const struct worst *w, bool gradient,
                   double tolerance)
{
    struct ls_check *check = s->check;
    struct lockstep_checked row = {
        .model = s->model->name,
        .gradient = gradient,
        .checked = w->checked,
        .error = w->difference > 0.0 || w->difference != w->difference ? w->difference / w->most : 0.0,
        .tolerance = tolerance};
    char name[64];

    snprintf(name, sizeof name, "%s", t->node->name);
    if (t->param)
        ls_param_name(t->node, (size_t)(t->param - t->node->param), name);
    row.tensor = name;
    row.ok = row.error <= tolerance;
    describe_shape(s, t, &row);
    check->tensors++;
    if (!row.ok && !check->failed++)
        fail_first(check, &row, w);
    if (check->tensor)
        check->tensor(check->user, &row);
}

static void check_value(const struct ls_subject *s, size_t i)
{
    const struct tensor t = value_tensor(s, i);
    struct worst w = {0};

    ls_define(&s->g, &s->in, s->value);
    for (size_t e = 0; e < t.count; e++)
        compare(&w, float_value(s, &t, e), t.at[e]);
    report(s, &t, &w, false, VALUE_TOLERANCE);
}

/* ---- gradients ---- */

/* Place of the i-th coordinate to check. */
static size_t place(const struct ls_subject *s, const struct tensor *t, size_t i, bool all)
{
    uint32_t w[4];

    if (all)
        return i;
    ls_philox(s->check->seed, LS_STREAM_CHECK, (uint32_t[4]){(uint32_t)i, LS_DRAW_PLACE, 0, (uint32_t)t->number}, w);
    return (size_t)(ls_uniform(w[0], w[1]) * (double)t->count);
}

/* Longest chain of the model's products. */
static double tolerance_of(const struct ls_subject *s)
{
    double most = CHAIN;

    for (size_t i = 0; i < s->g.n; i++)
        for (size_t j = 0; j < s->g.node[i].n_params; j++) {
            const struct ls_node *n = &s->g.node[i];
            const double forward = (double)n->param[j].rows, back = (double)ls_transposed_rows(&n->param[j]);
            const double batch = (double)(s->model->rows * n->length);

            most = forward > most ? forward : most;
            most = back > most ? back : most;
            most = batch > most ? batch : most;
        }
    return GRADIENT_TOLERANCE * __builtin_sqrt(most / CHAIN);
}

/* A tensor of which more than half the coordinates lie at corners fails. least: see VANISHED. */
static void check_gradient(const struct ls_subject *s, const struct tensor *t, double least)
{
    const bool all = s->g.params_dense <= ALL_BELOW || t->count <= SAMPLES;
    const size_t wanted = all ? t->count : SAMPLES, draws = all ? wanted : 2 * wanted;
    const double f = ls_define(&s->g, &s->in, s->value);
    const size_t first = (size_t)(t->node - s->g.node) + (t->param ? 0 : 1); /* that an element changes */
    const struct ls_differences d = {&s->g, &s->in, s->value, first};
    struct worst w = {.most = least};
    double scale = least;

    for (size_t e = 0; e < t->count; e++)
        scale = fabs(float_gradient(s, t, e)) > scale ? fabs(float_gradient(s, t, e)) : scale;
    for (size_t i = 0; i < draws && w.checked < wanted; i++) {
        const size_t e = place(s, t, i, all);
        double expected;

        if (ls_derivative(&d, t->at + e, f, scale, &expected))
            compare(&w, float_gradient(s, t, e), expected);
    }
    w.few = 2 * w.checked < wanted;
    if (w.few)
        w.difference = INFINITY;
    report(s, t, &w, true, tolerance_of(s));
}

/* A share of the largest gradient of the output. */
static double vanished(const struct ls_subject *s)
{
    const struct tensor t = value_tensor(s, (size_t)(s->g.output - s->g.node));
    double most = 0.0;

    for (size_t e = 0; e < t.count && t.node->wants_grad; e++)
        most = fabs(float_gradient(s, &t, e)) > most ? fabs(float_gradient(s, &t, e)) : most;
    return VANISHED * most;
}

static void check_node(const struct ls_subject *s, size_t i, double least, size_t *number)
{
    const struct ls_node *n = &s->g.node[i];
    const struct tensor value = value_tensor(s, i);

    if (s->model->every_node)
        check_value(s, i);
    if ((s->model->every_node || n == s->g.input) && n->wants_grad && !n->op->loss && !n->feeds_constant)
        check_gradient(s, &value, least);
    for (size_t j = 0; j < n->n_params; j++, ++*number) {
        const struct ls_param *p = &n->param[j];
        const struct tensor t = {n, p, s->param[*number], p->rows * p->cols, s->g.n + *number};

        if (n->on_path)
            check_gradient(s, &t, least);
    }
}

/* ---- what differences of every parameter would cost, beside a step, both on one thread ---- */

static void measure(struct ls_subject *s, struct lockstep_check_cost *cost)
{
    enum { ROUNDS = 3 };
    uint64_t define = UINT64_MAX, step = UINT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t t0 = ls_now(), t1, t2;

        ls_define(&s->g, &s->in, s->value);
        t1 = ls_now();
        ls_subject_step(s, 1);
        t2 = ls_now();
        define = t1 - t0 < define ? t1 - t0 : define;
        step = t2 - t1 < step ? t2 - t1 : step;
    }
    cost->parameters = s->g.params_dense;
    cost->differences_seconds = 2e-9 * (double)define * (double)s->g.params_dense;
    cost->backward_seconds = 1e-9 * (double)step;
}

enum lockstep_status ls_gradcheck(struct ls_check *check, const struct ls_check_model *model,
                                  struct lockstep_check_cost *cost, struct lockstep_error *err)
{
    struct ls_subject s;
    size_t number = 0;

    err->status = LOCKSTEP_OK;
    if (!ls_subject_open(&s, check, model, err)) {
        ls_subject_step(&s, check->threads);
        const double least = vanished(&s);

        for (size_t i = 0; i < s.g.n; i++)
            check_node(&s, i, least, &number);
        if (cost)
            measure(&s, cost);
    }
    ls_subject_close(&s);
    return err->status;
}
