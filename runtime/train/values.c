/* SPDX-License-Identifier: MIT
 * Values by name: the batch and the parameters that a caller sets, what a step has computed. */
#include "train/model.h"

#include "core/mem.h"
#include "core/nearest.h"

#include <string.h>

/* What a name stands for: a node's value, or one of its parameters. */
struct named {
    const struct ls_node *node;
    const struct ls_param *param; /* NULL: the value */
};

static struct named find(const struct lockstep_model *m, const char *name)
{
    for (size_t i = 0; i < m->graph.n; i++)
        for (size_t k = 0; k < m->graph.node[i].n_params; k++) {
            char full[64];

            ls_param_name(&m->graph.node[i], k, full);
            if (!strcmp(full, name))
                return (struct named){&m->graph.node[i], &m->graph.node[i].param[k]};
        }
    return (struct named){!strcmp(name, "input") ? m->graph.input : ls_graph_find(&m->graph, name), NULL};
}

static enum lockstep_status unknown_name(const struct lockstep_model *m, const char *name, struct lockstep_error *err)
{
    const char *names[256], *near;
    size_t n = 0;

    for (; n < m->graph.n && n < 256; n++)
        names[n] = m->graph.node[n].name;
    near = ls_nearest(name, names, n);
    return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: no such value in the model%s%s%s", name,
                   near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static size_t count_of(const struct lockstep_model *m, const struct ls_node *n)
{
    return n->op->loss ? 1 : m->rows * n->features;
}

size_t lockstep_count(const struct lockstep_model *m, const char *name)
{
    const struct named v = find(m, name);

    if (!strcmp(name, "label"))
        return m->rows;
    if (!v.node)
        return 0;
    return v.param ? v.param->rows * v.param->cols : count_of(m, v.node);
}

static enum lockstep_status wrong_count(const char *name, size_t wanted, size_t count, struct lockstep_error *err)
{
    return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: expected %zu elements, got %zu", name, wanted, count);
}

enum lockstep_status ls_model_resize(struct lockstep_model *m, size_t rows, struct lockstep_error *err)
{
    const size_t features = m->graph.input ? m->graph.input->features : 0;
    float *input = ls_alloc(rows * features, sizeof *input, err), *loss = ls_alloc(rows, sizeof *loss, err);
    uint8_t *label = ls_alloc(rows, 1, err), *hit = ls_alloc(rows, 1, err);

    if (!input || !loss || !label || !hit) {
        ls_free(input);
        ls_free(loss);
        ls_free(label);
        ls_free(hit);
        return err->status;
    }
    ls_free(m->input);
    ls_free(m->loss);
    ls_free(m->label);
    ls_free(m->hit);
    m->input = input;
    m->loss = loss;
    m->label = label;
    m->hit = hit;
    m->rows = rows;
    m->labelled = false;
    return LOCKSTEP_OK;
}

static enum lockstep_status set_input(struct lockstep_model *m, const float *values, size_t count,
                                      struct lockstep_error *err)
{
    const size_t features = m->graph.input->features;

    if (!count || count % features || count / features > LS_BATCH_MAX)
        return ls_fail(err, LOCKSTEP_E_USAGE, "input: expected a multiple of %zu elements, got %zu", features, count);
    if (count / features != m->rows && ls_model_resize(m, count / features, err))
        return err->status;
    memcpy(m->input, values, count * sizeof *values);
    m->forwarded = m->differentiated = false;
    return LOCKSTEP_OK;
}

static enum lockstep_status set_label(struct lockstep_model *m, const float *values, size_t count,
                                      struct lockstep_error *err)
{
    if (count != m->rows)
        return wrong_count("label", m->rows, count, err);
    for (size_t i = 0; i < count; i++)
        if (!(values[i] >= 0.0f && values[i] < (float)m->graph.classes && values[i] == (float)(uint8_t)values[i]))
            return ls_fail(err, LOCKSTEP_E_USAGE, "label: expected a whole number 0..%zu, got %g at row %zu",
                           m->graph.classes - 1, (double)values[i], i);
    for (size_t i = 0; i < count; i++)
        m->label[i] = (uint8_t)values[i];
    m->labelled = true;
    m->forwarded = m->differentiated = false;
    return LOCKSTEP_OK;
}

/* Copy between PyTorch's order and the panels of a parameter. */
static void export_param(const struct ls_param *p, const float *flat, float *values)
{
    for (size_t i = 0; i < p->rows * p->cols; i++)
        values[i] = flat[p->offset + ls_param_index(p, i)];
}

static void import_param(const struct ls_param *p, const float *values, float *flat)
{
    for (size_t i = 0; i < p->rows * p->cols; i++)
        flat[p->offset + ls_param_index(p, i)] = values[i];
}

enum lockstep_status lockstep_set(struct lockstep_model *m, const char *name, const float *values, size_t count,
                                  struct lockstep_error *err)
{
    const struct named v = find(m, name);

    if (!strcmp(name, "label") && m->graph.classes)
        return set_label(m, values, count, err);
    if (!v.node)
        return unknown_name(m, name, err);
    if (v.node == m->graph.input && !v.param)
        return set_input(m, values, count, err);
    if (!v.param)
        return ls_fail(err, LOCKSTEP_E_USAGE, "%s: expected input, label or a parameter, got a computed value", name);
    if (count != v.param->rows * v.param->cols)
        return wrong_count(name, v.param->rows * v.param->cols, count, err);
    import_param(v.param, values, m->engine.w);
    ls_engine_weights_changed(&m->engine);
    m->forwarded = m->differentiated = false;
    return LOCKSTEP_OK;
}

static void export_rows(const struct lockstep_model *m, const struct ls_node *n, struct ls_buffer b, float *values)
{
    const float *at = m->engine.act + b.offset + b.halo * LK_PANEL;

    for (size_t r = 0; r < m->rows; r++)
        for (size_t i = 0; i < n->features; i++)
            values[r * n->features + i] = at[ls_at(n, b, r, i)];
}

/* Do the rows still lie in the activation block? */
static enum lockstep_status check_kept(const struct lockstep_model *m, const struct ls_node *n, bool hidden,
                                       struct lockstep_error *err)
{
    if (m->rows > m->graph.block || hidden)
        return ls_fail(err, LOCKSTEP_E_USAGE,
                       "%.64s: not kept (set options.keep_values, and use a batch of at most %d rows)", n->name,
                       LS_BLOCK_ROWS);
    return LOCKSTEP_OK;
}

static float loss_value(const struct lockstep_model *m)
{
    const struct ls_shards s = ls_shards_of(m->rows, m->engine.shards);
    const unsigned host_fpenv = lk_fpenv_enter();
    const float loss = (float)ls_mean_loss(&s, m->loss);

    lk_fpenv_leave(host_fpenv);
    return loss;
}

static enum lockstep_status not_computed(const char *name, struct lockstep_error *err)
{
    return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: not computed yet for this batch (call lockstep_backward first)",
                   name);
}

enum lockstep_status ls_model_read(const struct lockstep_model *m, const struct ls_node *n, bool gradient,
                                   float *values, size_t count, struct lockstep_error *err)
{
    const bool ready = gradient ? m->differentiated : m->forwarded && (!n->labelled || m->labelled);

    if (count != count_of(m, n))
        return wrong_count(n->name, count_of(m, n), count, err);
    if (!ready)
        return not_computed(n->name, err);
    if (gradient && !n->on_path)
        return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: has no gradient: the loss does not depend on it", n->name);
    if (n->op->loss)
        values[0] = gradient ? 1.0f : loss_value(m);
    else if (check_kept(m, n, gradient ? n->hidden_d || !n->wants_grad : n->hidden_y, err))
        return err->status;
    else
        export_rows(m, n, gradient ? n->d : n->y, values);
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_get(const struct lockstep_model *m, const char *name, float *values, size_t count,
                                  struct lockstep_error *err)
{
    const struct named v = find(m, name);

    if (!v.node)
        return unknown_name(m, name, err);
    if (!v.param)
        return ls_model_read(m, v.node, false, values, count, err);
    if (count != v.param->rows * v.param->cols)
        return wrong_count(name, v.param->rows * v.param->cols, count, err);
    export_param(v.param, m->engine.w, values);
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_grad(const struct lockstep_model *m, const char *name, float *values, size_t count,
                                   struct lockstep_error *err)
{
    const struct named v = find(m, name);

    if (!v.node)
        return unknown_name(m, name, err);
    if (v.param && count != v.param->rows * v.param->cols)
        return wrong_count(name, v.param->rows * v.param->cols, count, err);
    if (!v.param)
        return ls_model_read(m, v.node, true, values, count, err);
    if (!m->differentiated)
        return not_computed(name, err);
    export_param(v.param, m->engine.root, values);
    return LOCKSTEP_OK;
}
