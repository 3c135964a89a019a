/* SPDX-License-Identifier: MIT
 * The public model: its options, its parts, its life. Values by name lie in values.c, single steps in single.c,
 * saving in checkpoint.c, training in trainer.c. */
#include "train/model.h"

#include "core/mem.h"
#include "data/data.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "train/init.h"
#include "train/machine.h"

#include <string.h>

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

    if (r->batch < 1 || r->batch > LS_BATCH_MAX)
        return ls_fail(err, LOCKSTEP_E_USAGE, "batch: expected 1..%d, got %zu", LS_BATCH_MAX, r->batch);
    if (r->epochs < 1 || r->epochs > 1000000)
        return ls_fail(err, LOCKSTEP_E_USAGE, "epochs: expected 1..1000000, got %zu", r->epochs);
    if (!ls_optim_find(r->optimizer))
        return ls_fail(err, LOCKSTEP_E_USAGE, "optimizer: expected one of %s, got \"%.32s\"", ls_optim_names(),
                       r->optimizer);
    if (!ls_lr_find(r->lr_schedule))
        return ls_fail(err, LOCKSTEP_E_USAGE, "lr-schedule: expected one of %s, got \"%.32s\"", ls_lr_names(),
                       r->lr_schedule);
    if (!in_range(r->lr, 0.0, most, false))
        return ls_fail(err, LOCKSTEP_E_USAGE, "lr: expected a number above 0, up to %g, got %g", most, r->lr);
    if (!in_range(r->momentum, 0.0, 1.0, true))
        return ls_fail(err, LOCKSTEP_E_USAGE, "momentum: expected 0..1, got %g", r->momentum);
    if (!in_range(r->weight_decay, 0.0, most, true))
        return ls_fail(err, LOCKSTEP_E_USAGE, "weight-decay: expected a number 0..%g, got %g", most, r->weight_decay);
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

/* The most rows of an activation block: one shard, at most LS_BLOCK_ROWS; as many as can be read when values are
 * kept. */
static size_t block_rows(const struct lockstep_recipe *r, size_t shards, bool keep_values)
{
    const size_t shard = (r->batch + shards - 1) / shards;

    return keep_values || shard > LS_BLOCK_ROWS ? LS_BLOCK_ROWS : shard;
}

/* Workers who share a block; the second engine of --verify runs the same blocks the other way. */
static unsigned sharing(const struct lockstep_model *m, unsigned threads)
{
    return m->choice.reduce == LS_REPLICAS || m->verify ? 1 : threads;
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
        (automatic && choose_reduce(m, &table.k, shards, threads, err)))
        return err->status;
    m->verify = options ? options->verify : 0;
    if (!keep)
        ls_plan_block(&m->graph, ls_plan_rows(&m->graph, sharing(m, threads)));
    if (ls_engine_init(&m->engine, &m->graph, &table, threads, m->choice.reduce, shards, ls_optim_find(r->optimizer),
                       r->seed, err))
        return err->status;
    m->isa_why = ls_machine_isa_why(options);
    m->threads_why = ls_threads_why(options);
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
