/* SPDX-License-Identifier: MIT
 * Graphs without data, whose free names have values; and the nodes of any model. */
#include "core/mem.h"
#include "core/nearest.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "train/init.h"
#include "train/machine.h"
#include "train/model.h"

#include <stdio.h>
#include <string.h>

/* A text need not look like one here: "x - y" with values for x and y. */
static enum lockstep_status find_text(const char *text, bool surely, char **out, struct lockstep_error *err)
{
    if (!ls_model_text(text, out, err) || !(surely || strpbrk(text, "+*")))
        return err->status;
    *out = ls_strdup(text, err);
    if (*out)
        err->status = LOCKSTEP_OK;
    return err->status;
}

bool lockstep_text_reads_data(const char *text, size_t *channels, size_t *length, size_t *classes)
{
    struct lockstep_error err = {0};
    char *whole;
    bool reads = false;

    if (!find_text(text, false, &whole, &err)) {
        reads = ls_graph_reads_data(whole, channels, length, classes);
        ls_free(whole);
    }
    return reads;
}

/* ---- build ---- */

static bool is_name(const char *name)
{
    static const char digits[] = "0123456789",
                      letters[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    return name[0] && !strchr(digits, name[0]) && !name[strspn(name, letters)] && strlen(name) < LS_NAME;
}

static bool is_reserved(const char *name)
{
    return ls_op_find(name) || !strcmp(name, "label") || !strcmp(name, "true") || !strcmp(name, "false");
}

static enum lockstep_status check_value(const struct lockstep_value *v, size_t i, struct lockstep_error *err)
{
    if (!is_name(v[i].name))
        return ls_fail(err, LOCKSTEP_E_USAGE, "\"%.64s\": expected a name of at most %d letters, digits and _",
                       v[i].name, LS_NAME - 1);
    if (is_reserved(v[i].name))
        return ls_fail(err, LOCKSTEP_E_USAGE, "%s: expected a name that is no op and not label, true or false",
                       v[i].name);
    if (v[i].rank < 1 || v[i].rank > 2 || !v[i].shape[0] || !v[i].shape[v[i].rank - 1])
        return ls_fail(err, LOCKSTEP_E_USAGE, "%s: expected one or two dimensions of at least 1", v[i].name);
    for (size_t k = 0; k < i; k++)
        if (!strcmp(v[k].name, v[i].name))
            return ls_fail(err, LOCKSTEP_E_USAGE, "%s: given twice", v[i].name);
    return LOCKSTEP_OK;
}

static enum lockstep_status bind(const struct lockstep_value *v, size_t n, struct ls_binding *b,
                                 struct lockstep_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (check_value(v, i, err))
            return err->status;
        b[i] = (struct ls_binding){v[i].name, {v[i].rank, {v[i].shape[0], v[i].rank > 1 ? v[i].shape[1] : 0}}};
    }
    return LOCKSTEP_OK;
}

/* The node of value i; NULL: the text does not use it. */
static const struct ls_node *node_of(const struct ls_graph *g, size_t i)
{
    for (const struct ls_node *n = g->node; n < g->node + g->n; n++)
        if (n->binding == i + 1)
            return n;
    return NULL;
}

static enum lockstep_status check_used(const struct ls_graph *g, const struct lockstep_value *v, size_t n,
                                       struct lockstep_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!node_of(g, i))
            return ls_fail(err, LOCKSTEP_E_USAGE, "%s: the model text has no free name %s", v[i].name, v[i].name);
    return LOCKSTEP_OK;
}

static void set_values(struct lockstep_model *m, const struct lockstep_value *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct ls_param *p = &node_of(&m->graph, i)->param[0];

        for (size_t e = 0; e < p->rows * p->cols; e++)
            m->engine.w[p->offset + ls_param_index(p, e)] = v[i].values[e];
    }
    ls_engine_weights_changed(&m->engine);
}

static enum lockstep_status build(struct lockstep_model *m, const struct lockstep_value *value, size_t values,
                                  const struct ls_binding *binding, const struct lockstep_options *options,
                                  struct lockstep_error *err)
{
    struct lk_table table;
    unsigned threads, host_fpenv;

    if (ls_machine_table(options, &table, err) || ls_threads(options, &threads, err) ||
        ls_graph_build_free(m->text, binding, values, &m->graph, err) || check_used(&m->graph, value, values, err) ||
        ls_plan(&m->graph, 1, true, err) ||
        ls_engine_init(&m->engine, &m->graph, &table, threads, LS_OWNERS, 1, ls_optim_find(m->recipe.optimizer),
                       m->recipe.seed, err) ||
        ls_model_resize(m, 1, err))
        return err->status;
    host_fpenv = lk_fpenv_enter();
    ls_init(&m->graph, m->recipe.init, m->recipe.seed, m->engine.w); /* of linear and others; then the given ones */
    lk_fpenv_leave(host_fpenv);
    set_values(m, value, values);
    m->lr_rule = ls_lr_find(m->recipe.lr_schedule);
    m->labelled = true; /* a loss of a graph without data reads no label */
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_graph_new(const char *text, const struct lockstep_value *value, size_t values,
                                        const struct lockstep_options *options, struct lockstep_model **out,
                                        struct lockstep_error *err)
{
    struct lockstep_model *m;
    struct ls_binding *binding;

    *out = NULL;
    err->status = LOCKSTEP_OK;
    binding = ls_alloc(values, sizeof *binding, err);
    m = binding ? ls_alloc(1, sizeof *m, err) : NULL;
    if (m) {
        lockstep_recipe_init(&m->recipe);
        if (bind(value, values, binding, err) || find_text(text, values > 0, &m->text, err) ||
            build(m, value, values, binding, options, err)) {
            lockstep_model_free(m);
            m = NULL;
        }
    }
    ls_free(binding);
    *out = m;
    return m ? LOCKSTEP_OK : err->status;
}

/* ---- nodes ---- */

/* Expansions that the builder wrote are not shown. */
static bool is_shown(const struct ls_node *n)
{
    return n->text[0] != 0;
}

static const struct ls_node *shown(const struct lockstep_model *m, size_t index)
{
    const struct ls_node *n = m->graph.node;

    for (;; n++)
        if (is_shown(n) && !index--)
            return n;
}

static size_t index_of(const struct lockstep_model *m, const struct ls_node *n)
{
    size_t index = 0;

    while (!is_shown(n))
        n = n->input[0];
    while (n-- > m->graph.node)
        index += is_shown(n);
    return index;
}

size_t lockstep_nodes(const struct lockstep_model *m)
{
    size_t count = 0;

    for (size_t i = 0; i < m->graph.n; i++)
        count += is_shown(&m->graph.node[i]);
    return count;
}

void lockstep_node_at(const struct lockstep_model *m, size_t node, struct lockstep_node *out)
{
    const struct ls_node *n = shown(m, node);

    *out = (struct lockstep_node){.name = n->unnamed && !m->channels ? n->text : n->name,
                                  .text = n->text,
                                  .op = n->op->name,
                                  .rank = n->shape.rank,
                                  .shape = {n->shape.dim[0], n->shape.rank > 1 ? n->shape.dim[1] : 1},
                                  .flops = n->flops,
                                  .inputs = n->n_inputs,
                                  .objective = n == (m->graph.loss ? m->graph.loss : m->graph.output)};
    for (size_t i = 0; i < n->n_params; i++)
        out->parameters += n->param[i].rows * n->param[i].cols;
    for (size_t i = 0; i < n->n_inputs; i++)
        out->input[i] = index_of(m, n->input[i]);
}

enum lockstep_status lockstep_node_get(const struct lockstep_model *m, size_t node, float *values, size_t count,
                                       struct lockstep_error *err)
{
    return ls_model_read(m, shown(m, node), false, values, count, err);
}

enum lockstep_status lockstep_node_grad(const struct lockstep_model *m, size_t node, float *values, size_t count,
                                        struct lockstep_error *err)
{
    const struct ls_node *n = shown(m, node);

    if (n->on_path || !m->differentiated)
        return ls_model_read(m, n, true, values, count, err);
    memset(values, 0, count * sizeof *values);
    return LOCKSTEP_OK;
}
