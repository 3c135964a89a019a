/* SPDX-License-Identifier: MIT
 * A model as named tensors: save, load, digest. The file format lies in tensors.c. */
#include "core/mem.h"
#include "graph/build.h"
#include "train/model.h"
#include "train/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format[] = "lockstep-1";

static size_t count_tensors(const struct ls_graph *g)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++)
        n += g->node[i].n_params;
    return n;
}

/* All parameters in model order and PyTorch's shapes; one block (ls_free). */
static struct ls_tensor *export_tensors(const struct lockstep_model *m, struct lockstep_error *err)
{
    const struct ls_graph *g = &m->graph;
    const size_t n = count_tensors(g);
    struct ls_tensor *t = ls_alloc(n * sizeof *t + g->params_dense * sizeof(float), 1, err);
    float *data = t ? (float *)(void *)(t + n) : NULL;
    size_t k = 0;

    for (size_t i = 0; t && i < g->n; i++)
        for (size_t j = 0; j < g->node[i].n_params; j++, k++) {
            const struct ls_param *p = &g->node[i].param[j];

            ls_param_name(&g->node[i], j, t[k].name);
            t[k].rank = p->rank;
            for (size_t d = 0; d < p->rank; d++)
                t[k].shape[d] = ls_param_dim(p, d);
            t[k].data = data;
            for (size_t e = 0; e < p->rows * p->cols; e++)
                data[e] = m->engine.w[p->offset + ls_param_index(p, e)];
            data += p->rows * p->cols;
        }
    return t;
}

enum lockstep_status lockstep_model_save(const struct lockstep_model *m, const char *path, struct lockstep_error *err)
{
    char input[64], classes[32];
    const struct ls_meta meta[] = {{"format", format}, {"model", m->text}, {"input", input}, {"classes", classes}};
    struct ls_tensor *t;
    enum lockstep_status s;

    if (!m->channels)
        return ls_fail(err, LOCKSTEP_E_USAGE, "%s: not saved: expected a model of data, got a graph without", path);
    if (!ls_engine_finite(&m->engine))
        return ls_fail(err, LOCKSTEP_E_NONFINITE, "%s: not saved: weights are not finite", path);
    t = export_tensors(m, err);
    if (!t)
        return err->status;
    snprintf(input, sizeof input, "%zu,%zu", m->channels, m->length);
    snprintf(classes, sizeof classes, "%zu", m->graph.classes);
    s = ls_tensors_save(path, t, count_tensors(&m->graph), meta, sizeof meta / sizeof *meta, err);
    ls_free(t);
    return s;
}

enum lockstep_status lockstep_save_check(const char *path, struct lockstep_error *err)
{
    return ls_tensors_save_check(path, err);
}

void lockstep_model_digest(const struct lockstep_model *m, char hex[33])
{
    struct lockstep_error err;
    struct ls_tensor *t = export_tensors(m, &err);

    memset(hex, 0, 33);
    if (t)
        ls_tensors_digest(t, count_tensors(&m->graph), hex);
    ls_free(t);
}

/* A shape as text: "(64, 28, 3)". */
static void shape_text(size_t rank, const size_t *dim, char text[96])
{
    size_t at = 0;

    for (size_t i = 0; i < rank; i++)
        at += (size_t)snprintf(text + at, 96 - at, "%s%zu", i ? ", " : "(", dim[i]);
    snprintf(text + at, 96 - at, "%s", rank ? ")" : "()");
}

static enum lockstep_status check_shape(const struct ls_param *p, const struct ls_tensor *t, const char *path,
                                        struct lockstep_error *err)
{
    size_t dim[LS_TENSOR_RANK] = {0};
    char expected[96], got[96];
    bool equal = t->rank == p->rank;

    for (size_t d = 0; d < p->rank; d++) {
        dim[d] = ls_param_dim(p, d);
        equal = equal && t->shape[d] == dim[d];
    }
    if (equal)
        return LOCKSTEP_OK;
    shape_text(p->rank, dim, expected);
    shape_text(t->rank, t->shape, got);
    return ls_fail(err, LOCKSTEP_E_CHECKPOINT, "%s: tensor %s: expected shape %s, got %s", path, t->name, expected,
                   got);
}

static const struct ls_tensor *find_tensor(const struct ls_tensors *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->tensor[i].name, name))
            return &f->tensor[i];
    return NULL;
}

/* Do the tensors of a file have the names and shapes of a graph's parameters, in any order? */
static enum lockstep_status check_tensors(const struct ls_graph *g, const struct ls_tensors *f, const char *path,
                                          struct lockstep_error *err)
{
    const size_t n = count_tensors(g);

    if (f->n != n)
        return ls_fail(err, LOCKSTEP_E_CHECKPOINT, "%s: expected %zu tensors as in its model text, got %zu", path, n,
                       f->n);
    for (size_t i = 0; i < g->n; i++)
        for (size_t j = 0; j < g->node[i].n_params; j++) {
            const struct ls_tensor *t;
            char name[64];

            ls_param_name(&g->node[i], j, name);
            t = find_tensor(f, name);
            if (!t)
                return ls_fail(err, LOCKSTEP_E_CHECKPOINT, "%s: expected tensor %s as in its model text, got none",
                               path, name);
            if (check_shape(&g->node[i].param[j], t, path, err))
                return err->status;
        }
    return LOCKSTEP_OK;
}

/* Copy checked tensors into the model's parameters. */
static void import_tensors(struct lockstep_model *m, const struct ls_tensors *f)
{
    for (size_t i = 0; i < m->graph.n; i++)
        for (size_t j = 0; j < m->graph.node[i].n_params; j++) {
            const struct ls_param *p = &m->graph.node[i].param[j];
            const struct ls_tensor *t;
            char name[64];

            ls_param_name(&m->graph.node[i], j, name);
            t = find_tensor(f, name);
            for (size_t e = 0; e < p->rows * p->cols; e++)
                m->engine.w[p->offset + ls_param_index(p, e)] = t->data[e];
        }
    ls_engine_weights_changed(&m->engine);
}

/* A decimal number up to `max`, ended by `end`; 0 otherwise. */
static size_t parse_size(const char *text, char end, size_t max)
{
    size_t n = 0;

    while (*text >= '0' && *text <= '9' && n <= max)
        n = n * 10 + (size_t)(*text++ - '0');
    return *text == end && n <= max ? n : 0;
}

static enum lockstep_status load_from(struct ls_tensors *f, const char *path, const struct lockstep_options *options,
                                      struct lockstep_model **out, struct lockstep_error *err)
{
    enum { SIZE_LIMIT = 1 << 24 };
    const char *text = ls_tensors_meta(f, "model"), *input = ls_tensors_meta(f, "input");
    const char *classes = ls_tensors_meta(f, "classes"), *version = ls_tensors_meta(f, "format");
    const char *comma = input ? strchr(input, ',') : NULL;
    size_t c = comma ? parse_size(input, ',', SIZE_LIMIT) : 0, l = comma ? parse_size(comma + 1, 0, SIZE_LIMIT) : 0;
    size_t n = classes ? parse_size(classes, 0, LS_CLASSES) : 0;
    struct lockstep_error inner;
    enum lockstep_status status;
    struct ls_graph g;

    if (!version || strcmp(version, format) || !text || !strpbrk(text, "(|=\n") || !c || !l || !n)
        return ls_fail(err, LOCKSTEP_E_CHECKPOINT,
                       "%s: expected the metadata of a model saved by lockstep (format %s), got other tensors", path,
                       format);
    if (ls_graph_build(text, c, l, n, &g, &inner)) /* before anything as large as the text says is allocated */
        return ls_fail(err, inner.status == LOCKSTEP_E_USAGE ? LOCKSTEP_E_CHECKPOINT : inner.status, "%s: %.400s", path,
                       inner.text);
    status = check_tensors(&g, f, path, err);
    ls_graph_free(&g);
    if (status || lockstep_model_new(text, c, l, n, NULL, options, out, err))
        return err->status;
    import_tensors(*out, f);
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_model_load(const char *path, const struct lockstep_options *options,
                                         struct lockstep_model **out, struct lockstep_error *err)
{
    struct ls_tensors f;
    enum lockstep_status s;

    *out = NULL;
    if (ls_tensors_load(path, &f, err))
        return err->status;
    s = load_from(&f, path, options, out, err);
    ls_tensors_free(&f);
    return s;
}
