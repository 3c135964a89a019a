/* SPDX-License-Identifier: MIT */
#include "train/verify.h"

#include "train/units.h"

#include <stdio.h>
#include <string.h>

/* Another number of threads: one fewer, or two instead of one. */
static unsigned other_threads(unsigned threads)
{
    return threads > 1 ? threads - 1 : 2;
}

enum lockstep_status ls_verify_init(struct ls_verify *v, const struct ls_engine *first, size_t batch,
                                    struct lockstep_error *err)
{
    const enum ls_reduce other = first->reduce == LS_OWNERS ? LS_REPLICAS : LS_OWNERS;

    *v = (struct ls_verify){.first = first};
    v->loss = ls_alloc(batch, sizeof *v->loss, err);
    v->hit = v->loss ? ls_alloc(batch, 1, err) : NULL;
    if (!v->hit || ls_engine_init(&v->second, first->g, &first->kernels, other_threads(first->threads), other,
                                  first->shards, first->optim, first->seed, err))
        return err->status;
    memcpy(v->second.w, first->w, first->g->params * sizeof *first->w);
    ls_engine_weights_changed(&v->second); /* also where a step changes none */
    return LOCKSTEP_OK;
}

void ls_verify_free(struct ls_verify *v)
{
    ls_engine_free(&v->second);
    ls_free(v->loss);
    ls_free(v->hit);
}

/* What a step changes: the weights, then each state of the optimiser. */
static const float *array_of(const struct ls_engine *e, unsigned i)
{
    return i ? e->state[i - 1] : e->w;
}

static unsigned arrays(const struct ls_engine *e)
{
    return 1 + e->optim->states;
}

void ls_verify_take(struct ls_verify *v, struct ls_worker *all)
{
    float *const to[] = {v->second.w, v->second.state[0], v->second.state[1]};
    size_t begin, end;

    ls_span(v->first->g->params, all->T, all->t, &begin, &end);
    for (unsigned i = 0; i < arrays(v->first); i++)
        memcpy(to[i] + begin, array_of(v->first, i) + begin, (end - begin) * sizeof(float));
    ls_barrier_wait(all);
}

void ls_verify_step(struct ls_verify *v, struct ls_worker *second, const struct ls_batch *b)
{
    struct ls_batch again = *b;
    size_t u0, u1;

    again.loss = v->loss;
    again.hit = v->hit;
    ls_engine_units(&v->second, second, &u0, &u1);
    for (size_t i = u0; i < u1; i++)
        ls_unit_transpose(&v->second, &v->second.g->unit[i]);
    ls_barrier_wait(second);
    ls_step(&v->second, second, &again);
}

/* The same number, or NaN both. */
static bool same_float(float a, float b)
{
    return !memcmp(&a, &b, sizeof a) || (__builtin_isnan(a) && __builtin_isnan(b));
}

static bool same_floats(const float *a, const float *b, size_t n)
{
    if (!memcmp(a, b, n * sizeof *a))
        return true;
    for (size_t i = 0; i < n; i++)
        if (!same_float(a[i], b[i]))
            return false;
    return true;
}

bool ls_verify_same(struct ls_verify *v, struct ls_worker *all)
{
    size_t begin, end;

    ls_barrier_wait(all);
    ls_span(v->first->g->params, all->T, all->t, &begin, &end);
    for (unsigned i = 0; i < arrays(v->first); i++)
        if (!same_floats(array_of(v->first, i) + begin, array_of(&v->second, i) + begin, end - begin))
            atomic_store(&v->differs, true);
    ls_barrier_wait(all);
    return !atomic_load(&v->differs);
}

/* "1.weight[3][17]": element i of a parameter, in PyTorch's shape. */
static void element_name(const struct ls_node *n, size_t param, size_t i, char text[128])
{
    const struct ls_param *p = &n->param[param];
    size_t at, place = p->rows * p->cols;
    char name[64];

    ls_param_name(n, param, name);
    at = (size_t)snprintf(text, 128, "%s", name);
    for (size_t d = 0; d < p->rank; d++) {
        place /= ls_param_dim(p, d);
        at += (size_t)snprintf(text + at, 128 - at, "[%zu]", i / place % ls_param_dim(p, d));
    }
}

/* The first element that differs in a parameter of array i; false when there is none. */
static bool find_element(const struct ls_verify *v, unsigned i, const struct ls_node *n, size_t param, size_t *element)
{
    const struct ls_param *p = &n->param[param];
    const float *a = array_of(v->first, i) + p->offset, *b = array_of(&v->second, i) + p->offset;

    for (*element = 0; *element < p->rows * p->cols; ++*element)
        if (!same_float(a[ls_param_index(p, *element)], b[ls_param_index(p, *element)]))
            return true;
    return false;
}

/* An element that differs: of array i, by name, the values of both engines. */
struct difference {
    unsigned i;
    char name[128];
    float first, second;
};

/* The first one of array i; false when there is none. */
static bool find_difference(const struct ls_verify *v, unsigned i, struct difference *d)
{
    const struct ls_graph *g = v->first->g;

    for (size_t k = 0; k < g->n; k++)
        for (size_t p = 0; p < g->node[k].n_params; p++) {
            size_t element, at;

            if (!find_element(v, i, &g->node[k], p, &element))
                continue;
            at = g->node[k].param[p].offset + ls_param_index(&g->node[k].param[p], element);
            *d = (struct difference){.i = i, .first = array_of(v->first, i)[at], .second = array_of(&v->second, i)[at]};
            element_name(&g->node[k], p, element, d->name);
            return true;
        }
    return false;
}

enum lockstep_status ls_verify_fail(const struct ls_verify *v, size_t step, size_t epoch, struct lockstep_error *err)
{
    static const char *const of[] = {"", "the optimiser's first state of ", "the optimiser's second state of "};
    struct difference d = {.name = "the padding of a parameter"};
    bool found = false;

    for (unsigned i = 0; i < arrays(v->first) && !found; i++)
        found = find_difference(v, i, &d);
    return ls_fail(err, LOCKSTEP_E_NONFINITE,
                   "training stopped: step %zu (epoch %zu) computed twice differs at %s%s: %.9g by %s, %.9g by %s (a "
                   "defect of the machine or of Lockstep: run the step again on another machine)",
                   step, epoch, of[d.i], d.name, (double)d.first, ls_reduce_name(v->first->reduce), (double)d.second,
                   ls_reduce_name(v->second.reduce));
}
