/* SPDX-License-Identifier: MIT
 * The public model: build, values by name, single steps. Saving lies in checkpoint.c, training in trainer.c. */
#include "train/model.h"

#include "core/mem.h"
#include "data/data.h"
#include "core/nearest.h"
#include "train/init.h"
#include "train/machine.h"

#include <string.h>

enum { BATCH_MAX = 1 << 24 };

const char *lockstep_version(void)
{
    return LOCKSTEP_VERSION;
}

void lockstep_recipe_init(struct lockstep_recipe *recipe)
{
    *recipe = (struct lockstep_recipe){.batch = 128,
                                       .epochs = 5,
                                       .optimizer = "adam",
                                       .lr = 0.001,
                                       .lr_schedule = "constant",
                                       .init = "he",
                                       .seed = 1};
}

/* lo < value <= hi, or lo <= value when closed; false for NaN. */
static bool in_range(double value, double lo, double hi, bool closed)
{
    return (value > lo || (closed && value == lo)) && value <= hi;
}

static enum lockstep_status check_recipe(const struct lockstep_recipe *r, struct lockstep_error *err)
{
    const double most = 1e30;

    if (r->batch < 1 || r->batch > BATCH_MAX)
        return ls_fail(err, LOCKSTEP_E_USAGE, "batch: expected 1..%d, got %zu", BATCH_MAX, r->batch);
    if (r->epochs < 1 || r->epochs > 1000000)
        return ls_fail(err, LOCKSTEP_E_USAGE, "epochs: expected 1..1000000, got %zu", r->epochs);
    if (!ls_optim_find(r->optimizer))
        return ls_fail(err, LOCKSTEP_E_USAGE, "optimizer: expected one of %s, got \"%.32s\"", ls_optim_names(),
                       r->optimizer);
    if (!ls_lr_find(r->lr_schedule))
        return ls_fail(err, LOCKSTEP_E_USAGE, "lr-schedule: expected one of %s, got \"%.32s\"", ls_lr_names(),
                       r->lr_schedule);
    if (!in_range(r->lr, 0.0, most, false))
        return ls_fail(err, LOCKSTEP_E_USAGE, "lr: expected a number above 0, got %g", r->lr);
    if (!in_range(r->momentum, 0.0, 1.0, true))
        return ls_fail(err, LOCKSTEP_E_USAGE, "momentum: expected 0..1, got %g", r->momentum);
    if (!in_range(r->weight_decay, 0.0, most, true))
        return ls_fail(err, LOCKSTEP_E_USAGE, "weight-decay: expected a number of at least 0, got %g", r->weight_decay);
    if (r->shards > LS_SHARDS_MAX || (r->shards & (r->shards - 1)))
        return ls_fail(err, LOCKSTEP_E_USAGE, "shards: expected a power of two up to %d, got %u", LS_SHARDS_MAX,
                       r->shards);
    return ls_init_check(r->init, err);
}

/* The way to reduce by name; what *automatic leaves open is LS_OWNERS. */
static enum lockstep_status parse_reduce(const struct lockstep_options *o, struct ls_choice *out, bool *automatic,
                                         struct lockstep_error *err)
{
    const char *name = o && o->reduce ? o->reduce : "auto";
    const bool keep = o && o->keep_values;

    *automatic = !strcmp(name, "auto") && !keep;
    *out = (struct ls_choice){.why = keep ? "values are kept" : "as asked"};
    out->reduce = !strcmp(name, "replicas") && !keep ? LS_REPLICAS : LS_OWNERS;
    if (!strcmp(name, "auto") || !strcmp(name, "owners") || !strcmp(name, "replicas"))
        return LOCKSTEP_OK;
    return ls_fail(err, LOCKSTEP_E_USAGE, "reduce: expected auto, owners or replicas, got \"%.32s\"", name);
}

/* The faster way for the planned graph; the machine is only measured where there is something to choose. */
static enum lockstep_status choose_reduce(struct lockstep_model *m, const struct lk_kernels *k, size_t shards,
                                          unsigned threads, struct lockstep_error *err)
{
    struct ls_load load = ls_load_of(&m->graph, m->recipe.batch, shards, threads);

    if (ls_reduce_open(&load, &m->choice) && ls_load_measure(&load, k, err))
        return err->status;
    m->choice = ls_reduce_choose(&load);
    return LOCKSTEP_OK;
}

static enum lockstep_status parse_zero_skip(const struct lockstep_options *o, enum ls_zero_skip *out,
                                            struct lockstep_error *err)
{
    static const char *const names[] = {[LS_ZERO_AUTO] = "auto", [LS_ZERO_ON] = "on", [LS_ZERO_OFF] = "off"};
    const char *name = o && o->zero_skip ? o->zero_skip : names[LS_ZERO_AUTO];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum ls_zero_skip)i;
            return LOCKSTEP_OK;
        }
    return ls_fail(err, LOCKSTEP_E_USAGE, "zero-skip: expected auto, on or off, got \"%.32s\"", name);
}

void ls_model_choose_skip(struct lockstep_model *m, const struct lockstep_data *data)
{
    m->engine.skip = m->graph.input && m->graph.input->has_bits &&
                     (m->zero_skip == LS_ZERO_ON || (m->zero_skip == LS_ZERO_AUTO && ls_data_sparse(data)));
}

struct lockstep_start ls_model_start(const struct lockstep_model *m, unsigned T, double barrier_ns, double peak_gflops)
{
    const struct ls_choice *c = &m->choice;
    const double barrier = c->barrier_ns > 0.0 ? c->barrier_ns : barrier_ns;

    return (struct lockstep_start){.isa_why = m->isa_why,
                                   .threads_why = m->threads_why,
                                   .reduce = ls_reduce_name(c->reduce),
                                   .reduce_why = c->why,
                                   .owners_seconds = c->owners_ns * 1e-9,
                                   .replicas_seconds = c->replicas_ns * 1e-9,
                                   .barrier_ns = barrier,
                                   .barrier = ls_barrier_kind(barrier, T),
                                   .peak_gflops = peak_gflops,
                                   .zero_skip = m->engine.skip,
                                   .verify = m->verify};
}

/* Rows of an activation block: one shard, at most LS_BLOCK_ROWS; as many as can be read when values are kept. */
static size_t block_rows(const struct lockstep_recipe *r, size_t shards, bool keep_values)
{
    const size_t shard = (r->batch + shards - 1) / shards;

    return keep_values || shard > LS_BLOCK_ROWS ? LS_BLOCK_ROWS : shard;
}

static enum lockstep_status build(struct lockstep_model *m, const char *model, size_t classes,
                                  const struct lockstep_options *options, struct lockstep_error *err)
{
    const struct lockstep_recipe *r = &m->recipe;
    const bool keep = options && options->keep_values;
    const size_t shards = r->shards ? r->shards : ls_shards_default(r->batch);
    struct lk_table table;
    bool automatic;
    unsigned threads, host_fpenv;

    if (!m->channels || !m->length)
        return ls_fail(err, LOCKSTEP_E_USAGE, "data: expected rows of at least 1 x 1, got %zu x %zu", m->channels,
                       m->length);
    if (!classes || classes > LS_CLASSES)
        return ls_fail(err, LOCKSTEP_E_USAGE, "classes: expected 1..%d, got %zu", LS_CLASSES, classes);
    if (check_recipe(r, err) || parse_reduce(options, &m->choice, &automatic, err) ||
        parse_zero_skip(options, &m->zero_skip, err) || ls_machine_table(options, &table, err) ||
        ls_threads(options, &threads, err) || ls_model_text(model, &m->text, err) ||
        ls_graph_build(m->text, m->channels, m->length, classes, &m->graph, err) ||
        ls_plan(&m->graph, block_rows(r, shards, keep), keep, err) ||
        (automatic && choose_reduce(m, &table.k, shards, threads, err)) ||
        ls_engine_init(&m->engine, &m->graph, &table, threads, m->choice.reduce, shards, ls_optim_find(r->optimizer),
                       r->seed, err))
        return err->status;
    m->isa_why = ls_machine_isa_why(options);
    m->threads_why = ls_threads_why(options);
    m->verify = options ? options->verify : 0;
    m->lr_rule = ls_lr_find(r->lr_schedule);
    host_fpenv = lk_fpenv_enter(); /* the answer does not depend on how the caller rounds */
    ls_init(&m->graph, r->init, r->seed, m->engine.w);
    lk_fpenv_leave(host_fpenv);
    ls_engine_weights_changed(&m->engine);
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_model_new(const char *text, size_t channels, size_t length, size_t classes,
                                        const struct lockstep_recipe *recipe, const struct lockstep_options *options,
                                        struct lockstep_model **out, struct lockstep_error *err)
{
    struct lockstep_model *m;

    *out = NULL;
    m = ls_alloc(1, sizeof *m, err);
    if (!m)
        return err->status;
    m->channels = channels;
    m->length = length;
    lockstep_recipe_init(&m->recipe);
    if (recipe)
        m->recipe = *recipe;
    if (build(m, text, classes, options, err)) {
        lockstep_model_free(m);
        return err->status;
    }
    m->recipe.optimizer = m->engine.optim->name; /* strings of the caller end with the call */
    m->recipe.init = m->recipe.lr_schedule = NULL;
    *out = m;
    return LOCKSTEP_OK;
}

void lockstep_model_free(struct lockstep_model *m)
{
    if (!m)
        return;
    ls_engine_free(&m->engine);
    ls_graph_free(&m->graph);
    ls_free(m->text);
    ls_free(m->input);
    ls_free(m->label);
    ls_free(m->loss);
    ls_free(m->hit);
    ls_free(m);
}

const char *lockstep_model_text(const struct lockstep_model *m)
{
    return m->text;
}

size_t lockstep_model_parameters(const struct lockstep_model *m)
{
    return m->graph.params_dense;
}

const char *lockstep_model_isa(const struct lockstep_model *m)
{
    return lk_isa_name(m->engine.kernels.isa);
}

unsigned lockstep_model_threads(const struct lockstep_model *m)
{
    return m->engine.threads;
}

const char *lockstep_model_reduce(const struct lockstep_model *m)
{
    return ls_reduce_name(m->engine.reduce);
}

unsigned lockstep_model_shards(const struct lockstep_model *m)
{
    return (unsigned)m->engine.shards;
}

/* ---- values by name ---- */

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

    if (!count || count % features || count / features > BATCH_MAX)
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

/* The sum of the output, for a graph without a loss. */
static double output_sum(const struct lockstep_model *m)
{
    const struct ls_node *n = m->graph.output;
    const float *at = m->engine.act + n->y.offset + n->y.halo * LK_PANEL;
    double sum = 0.0;

    for (size_t i = 0; i < n->features; i++)
        sum += (double)at[ls_at(n, n->y, 0, i)];
    return sum;
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

/* ---- single steps ---- */

struct single {
    struct ls_engine *e;
    const struct ls_batch *b;
    bool finite;
};

static void single_worker(void *arg, struct ls_worker *w)
{
    struct single *s = arg;
    bool finite = true;

    ls_engine_join(s->e, w);
    if (s->b->mode == LS_FORWARD) {
        ls_forward_rows(s->e, w, s->b, NULL, NULL);
        ls_barrier_wait(w);
    } else {
        finite = ls_step(s->e, w, s->b);
    }
    if (w->t == 0)
        s->finite = finite;
}

/* The mean loss, or the sum of the output of a graph without data. */
static double objective(const struct lockstep_model *m)
{
    const struct ls_shards shards = ls_shards_of(m->rows, m->engine.shards);

    if (m->graph.loss)
        return ls_mean_loss(&shards, m->loss);
    return m->graph.input ? 0.0 : output_sum(m);
}

/* Run the batch of lockstep_set in a mode: by owners, whose rows lie in one block and can be read afterwards. */
static enum lockstep_status run_single(struct lockstep_model *m, enum ls_mode mode, double *loss,
                                       struct lockstep_error *err)
{
    const struct ls_node *end = m->graph.loss ? m->graph.loss : m->graph.output;
    const bool known = m->labelled || !end->labelled;
    struct ls_batch b = {.source = {.floats = m->input, .label = m->labelled ? m->label : NULL, .rows = m->rows},
                         .mode = mode,
                         .loss = m->loss,
                         .hit = m->hit,
                         .step = (uint32_t)m->steps};
    const enum ls_reduce reduce = m->engine.reduce;
    struct single s = {&m->engine, &b, true};
    unsigned host_fpenv;

    if (!m->rows)
        return ls_fail(err, LOCKSTEP_E_USAGE, "input: not set (call lockstep_set with \"input\" first)");
    if (mode != LS_FORWARD && !known)
        return ls_fail(err, LOCKSTEP_E_USAGE, "label: not set (call lockstep_set with \"label\" after \"input\")");
    host_fpenv = lk_fpenv_enter();
    m->engine.optim->scalars(&m->recipe, m->recipe.lr, m->steps + 1, &b.optim);
    m->engine.reduce = LS_OWNERS;
    ls_team_run(m->engine.threads, single_worker, &s);
    m->engine.reduce = reduce;
    if (loss)
        *loss = known ? objective(m) : 0.0;
    lk_fpenv_leave(host_fpenv);
    m->forwarded = true;
    m->differentiated = mode == LS_GRADIENT;
    if (mode == LS_TRAIN && !s.finite)
        return ls_fail(err, LOCKSTEP_E_NONFINITE, "loss: not finite at step %zu (a smaller lr may help)", m->steps + 1);
    m->steps += mode == LS_TRAIN;
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_forward(struct lockstep_model *m, double *loss, struct lockstep_error *err)
{
    return run_single(m, LS_FORWARD, loss, err);
}

enum lockstep_status lockstep_backward(struct lockstep_model *m, double *loss, struct lockstep_error *err)
{
    return run_single(m, LS_GRADIENT, loss, err);
}

enum lockstep_status lockstep_step(struct lockstep_model *m, double *loss, struct lockstep_error *err)
{
    return run_single(m, LS_TRAIN, loss, err);
}
