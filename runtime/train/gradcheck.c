/* SPDX-License-Identifier: MIT
 * The check of one model. Rounding errors of a float chain of k terms grow as sqrt(k): 2e-5 of the largest element holds
 * for 64 terms, sqrt(k / 64) times that for longer ones. */
#include "train/gradcheck.h"

#include "core/mem.h"
#include "core/rng.h"
#include "core/team.h"
#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ALL_BELOW = 10000, SAMPLES = 200, TRIES = 60, TENSOR_SHAPE = 3 };
static const double VALUE_TOLERANCE = 1e-5, GRADIENT_TOLERANCE = 2e-5, CHAIN = 64.0, STEP = 1e-5;

/* A gradient below this share of the output's largest is compared with that share instead: it may be 0 but for rounding.
 */
static const double VANISHED = 1e-3;

/* Uses of random numbers: second word of the counter, behind them one for each parameter. */
enum { DRAW_INPUT, DRAW_SEEDS, DRAW_PLACE, DRAW_PARAMS };

struct subject {
    struct ls_check *check;
    const struct ls_check_model *model;
    struct ls_graph g;
    struct ls_engine e;
    struct ls_define_input in;
    struct ls_batch batch;
    double *reals, *x, *seeds, **value, **param; /* param: one for each tensor, in node order */
    float *floats, *x_float, *seeds_float, *loss;
    uint8_t *bytes, *label, *hit;
    size_t tensors; /* parameters */
    double least;   /* see VANISHED */
};

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* ---- the batch ---- */

static double uniform(const struct subject *s, uint32_t attempt, uint32_t use, size_t i)
{
    uint32_t w[4];

    ls_philox(s->check->seed, LS_STREAM_CHECK, (uint32_t[4]){(uint32_t)i, use, attempt, 0}, w);
    return 2.0 * ls_uniform(w[0], w[1]) - 1.0;
}

/* Numbers that a float holds, -1.1..1.1 but not near 0. */
static void fill(const struct subject *s, uint32_t attempt, uint32_t use, size_t n, double *x, float *x_float)
{
    for (size_t i = 0; i < n; i++) {
        const double r = uniform(s, attempt, use, i);

        x_float[i] = (float)(r + (r < 0.0 ? -0.1 : 0.1));
        x[i] = (double)x_float[i];
    }
}

static void fill_params(struct subject *s, uint32_t attempt)
{
    size_t k = 0;

    for (size_t i = 0; i < s->g.n; i++)
        for (size_t j = 0; j < s->g.node[i].n_params; j++, k++) {
            const struct ls_param *p = &s->g.node[i].param[j];
            const double scale = 1.0 / __builtin_sqrt((double)p->rows);

            for (size_t e = 0; e < p->rows * p->cols; e++) {
                float *w = &s->e.w[p->offset + ls_param_index(p, e)];

                *w = (float)(scale * uniform(s, attempt, DRAW_PARAMS + (uint32_t)k, e));
                s->param[k][e] = (double)*w;
            }
        }
    ls_engine_weights_changed(&s->e);
}

/* A batch away from the corners of the ops, so that no float is on the other side of one. How far is enough shrinks with
 * the tries, to about the error of a float; a model that is always at a corner takes the last batch. */
static void draw(struct subject *s)
{
    const double shrink = 0.9;
    double far = 1e-3;

    for (uint32_t attempt = 0; attempt < TRIES; attempt++, far *= shrink) {
        if (s->g.input)
            fill(s, attempt, DRAW_INPUT, s->model->rows * s->g.input->features, s->x, s->x_float);
        fill(s, attempt, DRAW_SEEDS, s->model->rows * s->g.output->features, s->seeds, s->seeds_float);
        fill_params(s, attempt);
        ls_define(&s->g, &s->in, s->value);
        if (ls_corner(&s->g, &s->in, s->value) >= far)
            return;
    }
}

/* ---- set-up ---- */

/* What is handed out of one block. */
static double *take(double **from, size_t n)
{
    double *at = *from;

    *from += n;
    return at;
}

static size_t input_count(const struct subject *s)
{
    return s->g.input ? s->model->rows * s->g.input->features : 0;
}

static enum lockstep_status allocate(struct subject *s, struct lockstep_error *err)
{
    const size_t rows = s->model->rows, seeds = rows * s->g.output->features, inputs = input_count(s);
    size_t count = inputs + seeds + s->g.params_dense;
    double *rest;

    for (size_t i = 0; i < s->g.n; i++) {
        count += rows * s->g.node[i].features;
        s->tensors += s->g.node[i].n_params;
    }
    s->reals = ls_alloc(count, sizeof *s->reals, err);
    s->value = s->reals ? ls_alloc(s->g.n, sizeof *s->value, err) : NULL;
    s->param = s->value ? ls_alloc(s->tensors, sizeof *s->param, err) : NULL;
    s->floats = s->param ? ls_alloc(inputs + seeds + rows, sizeof *s->floats, err) : NULL;
    s->bytes = s->floats ? ls_alloc(2 * rows, 1, err) : NULL;
    if (!s->bytes)
        return err->status;
    rest = s->reals;
    s->x = take(&rest, inputs);
    s->seeds = take(&rest, seeds);
    for (size_t i = 0, k = 0; i < s->g.n; i++) {
        s->value[i] = take(&rest, rows * s->g.node[i].features);
        for (size_t j = 0; j < s->g.node[i].n_params; j++)
            s->param[k++] = take(&rest, s->g.node[i].param[j].rows * s->g.node[i].param[j].cols);
    }
    s->x_float = s->floats;
    s->seeds_float = s->x_float + inputs;
    s->loss = s->seeds_float + seeds;
    s->label = s->bytes;
    s->hit = s->label + rows;
    return LOCKSTEP_OK;
}

static enum lockstep_status set_up(struct subject *s, struct lockstep_error *err)
{
    const struct ls_check_model *m = s->model;

    if (ls_graph_build(m->text, m->channels, m->length, m->classes, &s->g, err) || ls_plan(&s->g, m->rows, true, err) ||
        ls_engine_init(&s->e, &s->g, s->check->kernels, s->check->threads, LS_OWNERS, 1, ls_optim_find("sgd"),
                       s->check->seed, err) ||
        allocate(s, err))
        return err->status;
    for (size_t i = 0; i < m->rows; i++)
        s->label[i] = (uint8_t)(m->classes ? i * 7 % m->classes : 0);
    s->in = (struct ls_define_input){.rows = m->rows,
                                     .x = s->x,
                                     .params = (const double *const *)s->param,
                                     .label = s->label,
                                     .seeds = s->seeds,
                                     .seed = s->check->seed};
    s->batch = (struct ls_batch){.source = {.floats = s->x_float, .label = s->label, .rows = m->rows},
                                 .mode = LS_GRADIENT,
                                 .loss = s->loss,
                                 .hit = s->hit,
                                 .seeds = s->seeds_float};
    draw(s);
    return LOCKSTEP_OK;
}

static void clean_up(struct subject *s)
{
    ls_engine_free(&s->e);
    ls_graph_free(&s->g);
    ls_free(s->reals);
    ls_free(s->value);
    ls_free(s->param);
    ls_free(s->floats);
    ls_free(s->bytes);
}

static void step_worker(void *arg, struct ls_worker *w)
{
    struct subject *s = arg;

    ls_engine_join(&s->e, w);
    ls_step(&s->e, w, &s->batch);
}

/* ---- a tensor ---- */

/* The value of a node or one of its parameters. */
struct tensor {
    const struct ls_node *node;
    const struct ls_param *param; /* NULL: the value */
    double *at;                   /* in double */
    size_t count, number;
};

static struct tensor value_tensor(const struct subject *s, size_t i)
{
    const struct ls_node *n = &s->g.node[i];

    return (struct tensor){n, NULL, s->value[i], s->model->rows * n->features, i};
}

/* Element e of a node's value or gradient. */
static double in_buffer(const struct subject *s, const struct ls_node *n, struct ls_buffer b, size_t e)
{
    const float *at = s->e.act + b.offset + b.halo * LK_PANEL;

    return (double)at[ls_at(n, b, e / n->features, e % n->features)];
}

static double float_value(const struct subject *s, const struct tensor *t, size_t e)
{
    return t->node->op->loss ? (double)s->loss[e] : in_buffer(s, t->node, t->node->y, e);
}

static double float_gradient(const struct subject *s, const struct tensor *t, size_t e)
{
    return t->param ? (double)s->e.root[t->param->offset + ls_param_index(t->param, e)]
                    : in_buffer(s, t->node, t->node->d, e);
}

/* Largest difference and largest element so far. */
struct worst {
    double difference, most;
    size_t checked;
};

static void compare(struct worst *w, double got, double expected)
{
    const double d = magnitude(got - expected), m = magnitude(expected);

    w->difference = d > w->difference || d != d ? d : w->difference;
    w->most = m > w->most ? m : w->most;
    w->checked++;
}

static void describe_shape(const struct subject *s, const struct tensor *t, struct lockstep_checked *out)
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

/* Tell the caller of a tensor; keep the first that failed. */
static void report(const struct subject *s, const struct tensor *t, const struct worst *w, bool gradient,
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
        ls_fail(&check->first, LOCKSTEP_E_INTERNAL,
                "gradcheck: %s: %s of %s: expected an error of at most %.1e of its largest element, got %.1e",
                row.model, gradient ? "gradient" : "value", name, tolerance, row.error);
    if (check->tensor)
        check->tensor(check->user, &row);
}

static void check_value(const struct subject *s, size_t i)
{
    const struct tensor t = value_tensor(s, i);
    struct worst w = {0};

    ls_define(&s->g, &s->in, s->value);
    for (size_t e = 0; e < t.count; e++)
        compare(&w, float_value(s, &t, e), t.at[e]);
    report(s, &t, &w, false, VALUE_TOLERANCE);
}

/* ---- central differences ---- */

/* The first node that an element of a tensor changes. */
static size_t first_node(const struct subject *s, const struct tensor *t)
{
    return (size_t)(t->node - s->g.node) + (t->param ? 0 : 1);
}

/* Objective with element *at moved. */
static double moved(const struct subject *s, const struct tensor *t, double *at, double to)
{
    const double x = *at;
    double objective;

    *at = to;
    objective = ls_define_from(&s->g, &s->in, s->value, first_node(s, t));
    *at = x;
    return objective;
}

/* (f(x + h) - f(x - h)) / 2h; *bend: by how much its two halves differ. */
static double central(const struct subject *s, const struct tensor *t, double *at, double f, double h, double *bend)
{
    const double up = *at + h, down = *at - h;
    const double above = moved(s, t, at, up), below = moved(s, t, at, down);

    *bend = (above - f) / (up - *at) - (f - below) / (*at - down);
    return (above - below) / (up - down);
}

/*
 * Derivative of the objective f by an element. Where f is smooth the bend is small, or halves with the step: then two
 * steps together cancel the h^2 of the error (Richardson). At a corner it does not, and a corner within the step is left
 * behind with a smaller one. False: a corner at x itself.
 */
static bool derivative(const struct subject *s, const struct tensor *t, double *at, double f, double scale, double *out)
{
    enum { STEPS = 3 };
    const double agree = 1e-5, shrink = 1.0 / 16.0;
    double h = STEP * (magnitude(*at) > 1.0 ? magnitude(*at) : 1.0), bend, half;

    for (int i = 0; i < STEPS; i++, h *= shrink) {
        double most, finer;

        *out = central(s, t, at, f, h, &bend);
        most = magnitude(*out) > scale ? magnitude(*out) : scale;
        if (magnitude(bend) <= agree * most)
            return true;
        finer = central(s, t, at, f, 0.5 * h, &half);
        *out = (4.0 * finer - *out) / 3.0;
        if (magnitude(bend - 2.0 * half) <= agree * most)
            return true;
    }
    return false;
}

/* Place of the i-th coordinate to check. */
static size_t place(const struct subject *s, const struct tensor *t, size_t i, bool all)
{
    uint32_t w[4];

    if (all)
        return i;
    ls_philox(s->check->seed, LS_STREAM_CHECK, (uint32_t[4]){(uint32_t)i, DRAW_PLACE, 0, (uint32_t)t->number}, w);
    return (size_t)(ls_uniform(w[0], w[1]) * (double)t->count);
}

/* Longest chain of the model's products. */
static double tolerance_of(const struct subject *s)
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

/* A tensor of which more than half the coordinates lie at corners fails. */
static void check_gradient(const struct subject *s, const struct tensor *t)
{
    const bool all = s->g.params_dense <= ALL_BELOW || t->count <= SAMPLES;
    const size_t wanted = all ? t->count : SAMPLES, draws = all ? wanted : 2 * wanted;
    const double f = ls_define(&s->g, &s->in, s->value);
    struct worst w = {.most = s->least};
    double scale = s->least;

    for (size_t e = 0; e < t->count; e++)
        scale = magnitude(float_gradient(s, t, e)) > scale ? magnitude(float_gradient(s, t, e)) : scale;
    for (size_t i = 0; i < draws && w.checked < wanted; i++) {
        const size_t e = place(s, t, i, all);
        double expected;

        if (derivative(s, t, t->at + e, f, scale, &expected))
            compare(&w, float_gradient(s, t, e), expected);
    }
    if (2 * w.checked < wanted)
        w.difference = INFINITY;
    report(s, t, &w, true, tolerance_of(s));
}

/* A share of the largest gradient of the output. */
static double vanished(const struct subject *s)
{
    const struct tensor t = value_tensor(s, (size_t)(s->g.output - s->g.node));
    double most = 0.0;

    for (size_t e = 0; e < t.count && t.node->wants_grad; e++)
        most = magnitude(float_gradient(s, &t, e)) > most ? magnitude(float_gradient(s, &t, e)) : most;
    return VANISHED * most;
}

static void check_node(const struct subject *s, size_t i, size_t *number)
{
    const struct ls_node *n = &s->g.node[i];
    const struct tensor value = value_tensor(s, i);

    if (s->model->every_node)
        check_value(s, i);
    if ((s->model->every_node || n == s->g.input) && n->wants_grad && !n->op->loss && !n->feeds_constant)
        check_gradient(s, &value);
    for (size_t j = 0; j < n->n_params; j++, ++*number) {
        const struct ls_param *p = &n->param[j];
        const struct tensor t = {n, p, s->param[*number], p->rows * p->cols, s->g.n + *number};

        if (n->on_path)
            check_gradient(s, &t);
    }
}

/* ---- what differences of every parameter would cost, beside a step, both on one thread ---- */

static void measure(struct subject *s, struct lockstep_check_cost *cost)
{
    enum { ROUNDS = 3 };
    uint64_t define = UINT64_MAX, step = UINT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t t0 = ls_now(), t1, t2;

        ls_define(&s->g, &s->in, s->value);
        t1 = ls_now();
        ls_team_run(1, step_worker, s);
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
    struct subject s = {.check = check, .model = model};
    size_t number = 0;

    err->status = LOCKSTEP_OK;
    if (!set_up(&s, err)) {
        ls_team_run(check->threads, step_worker, &s);
        s.least = vanished(&s);
        for (size_t i = 0; i < s.g.n; i++)
            check_node(&s, i, &number);
        if (cost)
            measure(&s, cost);
    }
    clean_up(&s);
    return err->status;
}
