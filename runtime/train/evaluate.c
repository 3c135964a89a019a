/* SPDX-License-Identifier: MIT */
#include "train/evaluate.h"

#include "core/math64.h"
#include "core/mem.h"

struct ls_source ls_data_source(const struct lockstep_data *d, const uint32_t *index, size_t rows)
{
    return (struct ls_source){.bytes = d->x, .index = index, .label = d->label, .rows = rows};
}

enum lockstep_status ls_pass_alloc(struct ls_pass *p, const struct lockstep_data *data, struct lockstep_error *err)
{
    *p = (struct ls_pass){.data = data};
    p->index = ls_alloc(data->rows, sizeof *p->index, err);
    p->loss = p->index ? ls_alloc(data->rows, sizeof *p->loss, err) : NULL;
    p->hit = p->loss ? ls_alloc(data->rows, 1, err) : NULL;
    if (!p->hit)
        return err->status;
    for (size_t i = 0; i < data->rows; i++)
        p->index[i] = (uint32_t)i;
    return LOCKSTEP_OK;
}

void ls_pass_free(struct ls_pass *p)
{
    ls_free(p->index);
    ls_free(p->loss);
    ls_free(p->hit);
}

void ls_pass_run(struct ls_engine *e, struct ls_worker *w, const struct ls_pass *p, ls_chunk_fn *done, void *user)
{
    const struct ls_batch b = {
        .source = ls_data_source(p->data, p->index, p->data->rows), .mode = LS_FORWARD, .loss = p->loss, .hit = p->hit};

    ls_forward_rows(e, w, &b, done, user);
}

void ls_pass_sum(const struct ls_pass *p, double *loss, double *accuracy)
{
    size_t hits = 0;
    double sum = 0.0;

    for (size_t i = 0; i < p->data->rows; i++) {
        sum += (double)p->loss[i];
        hits += p->hit[i];
    }
    *loss = ls_one_nan(sum / (double)p->data->rows);
    *accuracy = (double)hits / (double)p->data->rows;
}

enum lockstep_status ls_data_check(const struct lockstep_model *m, const struct lockstep_data *d,
                                   struct lockstep_error *err)
{
    if (!m->channels)
        return ls_fail(err, LOCKSTEP_E_USAGE, "data: expected a model of data, got a graph without");
    if (d->channels != m->channels || d->length != m->length)
        return ls_fail(err, LOCKSTEP_E_USAGE, "data: expected rows of %zu x %zu as in the model, got %zu x %zu",
                       m->channels, m->length, d->channels, d->length);
    for (size_t i = 0; i < d->rows; i++)
        if (d->label[i] >= m->graph.classes)
            return ls_fail(err, LOCKSTEP_E_USAGE, "data: expected labels below %zu as in the model, got %u at row %zu",
                           m->graph.classes, (unsigned)d->label[i], i);
    return LOCKSTEP_OK;
}

struct evaluation {
    struct lockstep_model *m;
    struct ls_pass pass;
    uint8_t *label; /* predict */
    float *probability;
};

static void evaluate_worker(void *arg, struct ls_worker *w)
{
    struct evaluation *v = arg;

    ls_engine_join(&v->m->engine, w);
    ls_pass_run(&v->m->engine, w, &v->pass, NULL, NULL);
}

enum lockstep_status lockstep_evaluate(struct lockstep_model *m, const struct lockstep_data *data, double *loss,
                                       double *accuracy, struct lockstep_error *err)
{
    struct evaluation v = {.m = m};
    unsigned host_fpenv;

    if (ls_data_check(m, data, err))
        return err->status;
    ls_model_choose_skip(m, data);
    if (!ls_pass_alloc(&v.pass, data, err)) {
        m->forwarded = m->differentiated = false;
        ls_team_run(m->engine.threads, evaluate_worker, &v);
        host_fpenv = lk_fpenv_enter(); /* the sum does not depend on how the caller rounds */
        ls_pass_sum(&v.pass, loss, accuracy);
        lk_fpenv_leave(host_fpenv);
        err->status = LOCKSTEP_OK;
    }
    ls_pass_free(&v.pass);
    return err->status;
}

/* What makes probabilities of the output. */
static enum ls_link link_of(const struct ls_graph *g)
{
    return g->output->op->link == LS_LINK_NONE ? LS_LINK_NONE : g->loss->op->link;
}

/* The outputs of a chunk's rows become probabilities, in place. */
static void link_rows(const struct ls_node *n, const struct ls_context *c, enum ls_link link)
{
    float *y = ls_rows(c, n->y);

    if (link == LS_LINK_SOFTMAX)
        c->k->softmax_fwd(c->rows, n->features, y, n->y.ld, y, n->y.ld);
    for (size_t p = 0; link == LS_LINK_SIGMOID && p < lk_panels(n->features); p++)
        c->k->sigmoid_fwd(c->rows * LK_PANEL, y + p * n->y.ld, y + p * n->y.ld);
}

/* Most probable class of a chunk's rows: the first maximum of the output, and its probability. */
static void predict_chunk(void *user, const struct ls_engine *e, const struct ls_context *c)
{
    struct evaluation *v = user;
    const struct ls_node *n = e->g->output;
    const float *y = ls_rows(c, n->y);

    for (size_t m = 0; m < c->rows; m++) {
        size_t best = 0;

        for (size_t i = 1; i < n->features; i++)
            if (y[ls_at(n, n->y, m, i)] > y[ls_at(n, n->y, m, best)])
                best = i;
        v->label[c->batch_row + m] = (uint8_t)best;
    }
    link_rows(n, c, link_of(e->g));
    for (size_t m = 0; m < c->rows; m++)
        v->probability[c->batch_row + m] = y[ls_at(n, n->y, m, v->label[c->batch_row + m])];
}

static void predict_worker(void *arg, struct ls_worker *w)
{
    struct evaluation *v = arg;

    ls_engine_join(&v->m->engine, w);
    ls_pass_run(&v->m->engine, w, &v->pass, predict_chunk, v);
}

enum lockstep_status lockstep_predict(struct lockstep_model *m, const struct lockstep_data *data, uint8_t *label,
                                      float *probability, struct lockstep_error *err)
{
    struct evaluation v = {.m = m, .label = label, .probability = probability};
    const struct ls_node *n = m->graph.output;

    if (ls_data_check(m, data, err))
        return err->status;
    ls_model_choose_skip(m, data);
    if (!n->flat || n->features != m->graph.classes)
        return ls_fail(err, LOCKSTEP_E_USAGE, "predict: expected a model with %zu outputs, one for each class, got %zu",
                       m->graph.classes, n->features);
    if (!ls_pass_alloc(&v.pass, data, err)) {
        m->forwarded = m->differentiated = false;
        ls_team_run(m->engine.threads, predict_worker, &v);
        err->status = LOCKSTEP_OK;
    }
    ls_pass_free(&v.pass);
    return err->status;
}
