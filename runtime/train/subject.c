/* SPDX-License-Identifier: MIT */
#include "train/subject.h"

#include "core/rng.h"
#include "core/team.h"
#include "graph/build.h"
#include "graph/plan.h"

enum { TRIES = 60 };

static double uniform(const struct ls_subject *s, uint32_t attempt, uint32_t use, size_t i)
{
    uint32_t w[4];

    ls_philox(s->check->seed, LS_STREAM_CHECK, (uint32_t[4]){(uint32_t)i, use, attempt, 0}, w);
    return 2.0 * ls_uniform(w[0], w[1]) - 1.0;
}

/* Numbers that a float holds, -1.1..1.1 but not near 0. */
static void fill(const struct ls_subject *s, uint32_t attempt, uint32_t use, size_t n, double *x, float *x_float)
{
    for (size_t i = 0; i < n; i++) {
        const double r = uniform(s, attempt, use, i);

        x_float[i] = (float)(r + (r < 0.0 ? -0.1 : 0.1));
        x[i] = (double)x_float[i];
    }
}

static void fill_params(struct ls_subject *s, uint32_t attempt)
{
    size_t k = 0;

    for (size_t i = 0; i < s->g.n; i++)
        for (size_t j = 0; j < s->g.node[i].n_params; j++, k++) {
            const struct ls_param *p = &s->g.node[i].param[j];
            const double scale = 1.0 / __builtin_sqrt((double)p->rows);

            for (size_t e = 0; e < p->rows * p->cols; e++) {
                float *w = &s->e.w[p->offset + ls_param_index(p, e)];

                *w = (float)(scale * uniform(s, attempt, LS_DRAW_PARAMS + (uint32_t)k, e));
                s->param[k][e] = (double)*w;
            }
        }
    ls_engine_weights_changed(&s->e);
}

static size_t input_count(const struct ls_subject *s)
{
    return s->g.input ? s->model->rows * s->g.input->features : 0;
}

/* A batch away from the corners of the ops, so that no float is on the other side of one. How far is enough shrinks
 * with the tries, to about the error of a float; a model that is always at a corner takes the last batch. */
static void draw(struct ls_subject *s)
{
    const double shrink = 0.9;
    double far = 1e-3;

    for (uint32_t attempt = 0; attempt < TRIES; attempt++, far *= shrink) {
        fill(s, attempt, LS_DRAW_INPUT, input_count(s), s->x, s->x_float);
        fill(s, attempt, LS_DRAW_SEEDS, s->model->rows * s->g.output->features, s->seeds, s->seeds_float);
        fill_params(s, attempt);
        ls_define(&s->g, &s->in, s->value);
        if (ls_corner(&s->g, &s->in, s->value) >= far)
            return;
    }
}

/* What is handed out of one block. */
static double *take(double **from, size_t n)
{
    double *at = *from;

    *from += n;
    return at;
}

static enum lockstep_status allocate(struct ls_subject *s, struct lockstep_error *err)
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

enum lockstep_status ls_subject_open(struct ls_subject *s, struct ls_check *check, const struct ls_check_model *m,
                                     struct lockstep_error *err)
{
    *s = (struct ls_subject){.check = check, .model = m};
    if (ls_graph_build(m->text, m->channels, m->length, m->classes, &s->g, err) || ls_plan(&s->g, m->rows, true, err) ||
        ls_engine_init(&s->e, &s->g, check->kernels, check->threads, LS_OWNERS, 1, ls_optim_find("sgd"), check->seed,
                       err) ||
        allocate(s, err))
        return err->status;
    for (size_t i = 0; i < m->rows; i++)
        s->label[i] = (uint8_t)(m->classes ? i * 7 % m->classes : 0);
    s->in = (struct ls_define_input){.rows = m->rows,
                                     .x = s->x,
                                     .params = (const double *const *)s->param,
                                     .label = s->label,
                                     .seeds = s->seeds,
                                     .seed = check->seed};
    s->batch = (struct ls_batch){.source = {.floats = s->x_float, .label = s->label, .rows = m->rows},
                                 .mode = LS_GRADIENT,
                                 .loss = s->loss,
                                 .hit = s->hit,
                                 .seeds = s->seeds_float};
    draw(s);
    return LOCKSTEP_OK;
}

void ls_subject_close(struct ls_subject *s)
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
    struct ls_subject *s = arg;

    ls_engine_join(&s->e, w);
    ls_step(&s->e, w, &s->batch);
}

void ls_subject_step(struct ls_subject *s, unsigned threads)
{
    ls_team_run(threads, step_worker, s);
}
