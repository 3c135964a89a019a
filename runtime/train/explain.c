/* SPDX-License-Identifier: MIT
 * Where the time of a training step goes: steps with a clock for every worker in turn with steps without, on shuffled
 * rows as in training. */
#include "core/mem.h"
#include "core/rng.h"
#include "train/cost.h"
#include "train/evaluate.h"
#include "train/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_LEAST = 5, STEPS_MOST = 2000, WARM_UP = 3, PEAK_ROUNDS = 20, BANDWIDTH_ROUNDS = 5 };

/* A work of the report but the last two. */
struct item {
    size_t node;
    enum ls_phase phase;
};

struct run {
    struct lockstep_model *m;
    const struct lockstep_data *data;
    struct lockstep_explained *out;
    double seconds;
    uint32_t *index;
    float *loss;
    uint8_t *hit;
    struct item *item;
    size_t items;
    struct ls_clock *clock; /* [threads] */
    struct ls_lap *lap;     /* [threads][nodes][LS_PHASES] */
    struct ls_probe_cell *cell;
    float *memory;     /* to measure bandwidth */
    float *kept;       /* parameters and states from before */
    float *ns;         /* [items + 1][STEPS_MOST]: of each work, then of waiting */
    float *step_ns[2]; /* [STEPS_MOST]: without the clocks, with them */
    double *skipped;   /* [items] multiply-adds left out, over all steps */
    double peak, barrier_ns;
    size_t steps;
    unsigned threads; /* of the team that ran */
    bool finite;
};

/* ---- what works there are, in the order of a step ---- */

static void append(struct run *r, size_t node, enum ls_phase phase)
{
    if (ls_cost_any(&r->m->engine, &r->m->graph.node[node], phase))
        r->item[r->items++] = (struct item){node, phase};
}

static void list_items(struct run *r)
{
    const size_t n = r->m->graph.n;

    for (size_t i = 0; i < n; i++)
        append(r, i, LS_PHASE_FORWARD);
    for (size_t i = n; i-- > 0;) {
        append(r, i, LS_PHASE_BRANCHES);
        append(r, i, LS_PHASE_BACKWARD);
    }
    for (size_t i = 0; i < n; i++)
        for (int phase = LS_PHASE_GRAD; phase < LS_PHASES; phase++)
            append(r, i, (enum ls_phase)phase);
}

/* ---- memory ---- */

static size_t kept_arrays(const struct run *r)
{
    return 1 + r->m->engine.optim->states;
}

static float *kept_array(const struct run *r, size_t i)
{
    return i ? r->m->engine.state[i - 1] : r->m->engine.w;
}

static void keep(const struct run *r)
{
    const size_t n = r->m->graph.params;

    for (size_t i = 0; i < kept_arrays(r); i++)
        memcpy(r->kept + i * n, kept_array(r, i), n * sizeof(float));
}

static void restore(const struct run *r)
{
    const size_t n = r->m->graph.params;

    for (size_t i = 0; i < kept_arrays(r); i++)
        memcpy(kept_array(r, i), r->kept + i * n, n * sizeof(float));
    ls_engine_weights_changed(&r->m->engine);
}

/* Everything but the report; all or E_MEMORY. */
static enum lockstep_status alloc_run(struct run *r, struct lockstep_error *err)
{
    const size_t T = r->m->engine.threads, laps = r->m->graph.n * LS_PHASES;

    r->item = ls_alloc(laps, sizeof *r->item, err);
    if (!r->item)
        return err->status;
    list_items(r);
    if (!(r->index = ls_alloc(r->data->rows, sizeof *r->index, err)) ||
        !(r->loss = ls_alloc(r->m->recipe.batch, sizeof *r->loss, err)) ||
        !(r->hit = ls_alloc(r->m->recipe.batch, 1, err)) || !(r->clock = ls_alloc(T, sizeof *r->clock, err)) ||
        !(r->lap = ls_alloc(T * laps, sizeof *r->lap, err)) || !(r->cell = ls_alloc(T, sizeof *r->cell, err)) ||
        !(r->memory = ls_alloc(T, ls_level_bytes(LOCKSTEP_DRAM, (unsigned)T), err)) ||
        !(r->kept = ls_alloc(kept_arrays(r) * r->m->graph.params, sizeof *r->kept, err)) ||
        !(r->ns = ls_alloc((r->items + 1) * STEPS_MOST, sizeof *r->ns, err)) ||
        !(r->step_ns[0] = ls_alloc(STEPS_MOST, sizeof(float), err)) ||
        !(r->step_ns[1] = ls_alloc(STEPS_MOST, sizeof(float), err)) ||
        !(r->skipped = ls_alloc(r->items, sizeof *r->skipped, err)))
        return err->status;
    for (size_t t = 0; t < T; t++)
        r->clock[t].lap = r->lap + t * laps;
    return LOCKSTEP_OK;
}

static void free_run(struct run *r)
{
    ls_free(r->item);
    ls_free(r->index);
    ls_free(r->loss);
    ls_free(r->hit);
    ls_free(r->clock);
    ls_free(r->lap);
    ls_free(r->cell);
    ls_free(r->memory);
    ls_free(r->kept);
    ls_free(r->ns);
    ls_free(r->step_ns[0]);
    ls_free(r->step_ns[1]);
    ls_free(r->skipped);
}

/* ---- measuring, by the team ---- */

static void measure_machine(struct run *r, struct ls_worker *w)
{
    const struct lk_kernels *k = &r->m->engine.kernels.k;

    for (int level = 0; level < LOCKSTEP_LEVELS; level++) {
        const struct lockstep_bandwidth b =
            ls_bandwidth(k, w, r->cell, r->memory, (enum lockstep_level)level, BANDWIDTH_ROUNDS);

        if (w->t == 0)
            r->out->memory[level] = b;
    }
    r->cell[w->t].best = 0.0;
}

/* The peak is the best of those before and after the steps: the clock moves. */
static void measure_peak(struct run *r, struct ls_worker *w)
{
    const double peak = ls_peak(&r->m->engine.kernels.k, w, r->cell, PEAK_ROUNDS), barrier = ls_barrier_ns(w);

    if (w->t == 0) {
        r->peak = peak;
        r->barrier_ns = barrier;
    }
}

/* Step t of the run; every whole batch of the data in turn. */
static struct ls_batch batch_of(const struct run *r, size_t t, bool clocked)
{
    const struct lockstep_recipe *c = &r->m->recipe;
    const size_t first = t % (r->data->rows / c->batch) * c->batch;
    struct ls_batch b = {.source = ls_data_source(r->data, r->index + first, c->batch),
                         .mode = LS_TRAIN,
                         .loss = r->loss,
                         .hit = r->hit,
                         .step = (uint32_t)(r->m->steps + t),
                         .clock = clocked ? r->clock : NULL};

    r->m->engine.optim->scalars(c, c->lr, r->m->steps + t + 1, &b.optim);
    return b;
}

/* Worker 0: the laps of all workers become row `step` of the report, and start again. */
static void collect(struct run *r, unsigned T, size_t step)
{
    uint64_t wait = 0;

    for (size_t i = 0; i < r->items; i++) {
        uint64_t ns = 0;

        for (unsigned t = 0; t < T; t++) {
            struct ls_lap *lap = &r->clock[t].lap[r->item[i].node * LS_PHASES + r->item[i].phase];

            ns += lap->ns;
            r->skipped[i] += (double)lap->skipped;
            *lap = (struct ls_lap){0};
        }
        r->ns[i * STEPS_MOST + step] = (float)ns / (float)T;
    }
    for (unsigned t = 0; t < T; t++) {
        wait += r->clock[t].wait.ns;
        r->clock[t].wait = (struct ls_lap){0};
    }
    r->ns[r->items * STEPS_MOST + step] = (float)wait / (float)T;
}

/* One step, begun together; worker 0 gets its nanoseconds. False when a loss is not finite. */
static bool timed_step(struct run *r, struct ls_worker *w, size_t t, bool clocked, float *ns)
{
    const struct ls_batch b = batch_of(r, t, clocked);
    uint64_t start;
    bool finite;

    ls_barrier_wait(w);
    start = ls_now();
    finite = ls_step(&r->m->engine, w, &b);
    if (w->t == 0)
        *ns = (float)(ls_now() - start);
    ls_barrier_wait(w);
    return finite;
}

/* So many steps of each kind as the time allows. */
static size_t steps_for(double seconds, float step_ns)
{
    const double n = seconds * 1e9 / (2.0 * (double)step_ns);

    return n < STEPS_LEAST ? STEPS_LEAST : n > STEPS_MOST ? STEPS_MOST : (size_t)n;
}

/* False when a loss is not finite. */
static bool measure_steps(struct run *r, struct ls_worker *w)
{
    size_t t = 0;
    float ns = 0.0f;

    for (; t < WARM_UP; t++)
        if (!timed_step(r, w, t, false, &ns))
            return false;
    if (w->t == 0)
        r->steps = steps_for(r->seconds, ns);
    ls_barrier_wait(w);
    for (size_t i = 0; i < r->steps; i++)
        for (int clocked = 0; clocked < 2; clocked++) {
            if (!timed_step(r, w, t++, clocked, &r->step_ns[clocked][i]))
                return false;
            if (clocked && w->t == 0)
                collect(r, w->T, i);
        }
    return true;
}

static void explain_worker(void *arg, struct ls_worker *w)
{
    struct run *r = arg;
    bool finite;

    ls_engine_join(&r->m->engine, w);
    measure_machine(r, w);
    measure_peak(r, w);
    finite = measure_steps(r, w);
    measure_peak(r, w);
    if (w->t == 0) {
        r->finite = finite;
        r->threads = w->T;
    }
}

/* ---- the report ---- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* In seconds; sorts. */
static double median(float *ns, size_t n)
{
    qsort(ns, n, sizeof *ns, by_value);
    return ((double)ns[(n - 1) / 2] + (double)ns[n / 2]) / 2.0 * 1e-9;
}

static bool leaves_zeros_out(const struct ls_engine *e, const struct ls_node *n)
{
    return e->skip && n->skips;
}

/* The slots that a work calls, a space between two; NULL: none. */
static const char *slots_of(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase, char text[48])
{
    static const int call[] = {
        [LS_PHASE_FORWARD] = LS_CALL_FORWARD, [LS_PHASE_BACKWARD] = LS_CALL_BACKWARD, [LS_PHASE_GRAD] = LS_CALL_GRAD};
    const char *slots;

    if (phase == LS_PHASE_BRANCHES || phase == LS_PHASE_ADD)
        return "add";
    if (phase == LS_PHASE_UPDATE) {
        snprintf(text, 48, "%s%s", e->optim->kernel, n->param[0].transposed ? " transpose" : "");
        return text;
    }
    slots = n->kernels[call[phase]];
    if (!slots)
        return NULL;
    snprintf(text, 48, "%s%s", slots,
             n->has_bits && e->skip                                 ? " nonzero"
             : phase != LS_PHASE_BACKWARD && leaves_zeros_out(e, n) ? "_skip"
                                                                    : "");
    return text;
}

/* The lowest instruction set that serves one of the slots. */
static const char *isa_of(const struct lk_table *k, const char *slots)
{
    enum lk_isa isa = k->isa;

    for (const char *s = slots; *s; s += strcspn(s, " "), s += *s == ' ')
        for (int i = 0; i < LK_SLOTS; i++) {
            const char *name = lk_slot_name((enum lk_slot)i);

            if (strlen(name) == strcspn(s, " ") && !strncmp(name, s, strlen(name)) && k->origin[i] < isa)
                isa = k->origin[i];
        }
    return lk_isa_name(isa);
}

static void name_kernel(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase,
                        struct lockstep_work *out)
{
    static const char *const act[] = {
        [LK_ACT_NONE] = "", [LK_ACT_RELU] = " + relu", [LK_ACT_SIGMOID] = " + sigmoid", [LK_ACT_TANH] = " + tanh"};
    char text[48];
    const char *slots = slots_of(e, n, phase, text);

    out->isa = "";
    if (!slots)
        return;
    out->isa = isa_of(&e->kernels, slots);
    snprintf(out->kernel, sizeof out->kernel, "%s%s%s", slots,
             phase == LS_PHASE_FORWARD    ? act[n->act]
             : phase == LS_PHASE_BACKWARD ? act[n->dx_act]
                                          : "",
             phase == LS_PHASE_BACKWARD && n->dx_act ? "'" : "");
}

/* Rows of a call, or how many units there are and the size of most. */
static void tell_how(const struct ls_flow *f, size_t node, enum ls_phase phase, char text[48])
{
    const struct ls_graph *g = f->e->g;
    const size_t rows = f->rows / ls_cost_blocks(f) / (f->e->reduce == LS_OWNERS ? f->threads : 1);
    const struct ls_unit *first = NULL;
    size_t units = 0;

    for (size_t i = 0; i < g->n_units; i++)
        if (g->unit[i].node == node) {
            first = first ? first : &g->unit[i];
            units++;
        }
    if (phase < LS_PHASE_GRAD)
        snprintf(text, 48, "%zu rows a call", rows ? rows : 1);
    else if (first)
        snprintf(text, 48, "%zu unit%s of %zu x %zu", units, units == 1 ? "" : "s", first->rows, first->cols);
}

static void report_item(const struct run *r, const struct ls_flow *f, size_t i, struct lockstep_work *out)
{
    static const char *const phase[LS_PHASES] = {"forward", "branches", "backward", "grad", "add", "update"};
    const struct item *item = &r->item[i];
    const struct ls_node *n = &r->m->graph.node[item->node];
    const struct ls_cost cost = ls_cost_of(f, n, item->phase);
    struct ls_roof roof;

    *out = (struct lockstep_work){.node = n->name, .text = n->text, .phase = phase[item->phase], .flops = cost.flops};
    out->flops_done = cost.flops - 2.0 * r->skipped[i] / (double)r->steps;
    out->bytes = ls_cost_bytes(&cost);
    roof = ls_cost_roof(f, &cost, out->flops_done, r->peak, r->out->memory);
    out->roof = roof.name;
    out->roof_seconds = roof.seconds;
    out->seconds = median(r->ns + i * STEPS_MOST, r->steps);
    name_kernel(&r->m->engine, n, item->phase, out);
    tell_how(f, item->node, item->phase, out->how);
}

/* Barriers of a step: two a block, or two with replicas. */
static void report_waiting(const struct run *r, const struct ls_flow *f, struct lockstep_work *out)
{
    const size_t barriers = 2 * (r->m->engine.reduce == LS_OWNERS ? ls_cost_blocks(f) : 1);

    *out = (struct lockstep_work){.node = "", .text = "", .phase = "waiting", .isa = "", .roof = ""};
    out->seconds = median(r->ns + r->items * STEPS_MOST, r->steps);
    if (r->threads == 1)
        return;
    snprintf(out->how, sizeof out->how, "%zu barriers", barriers);
    out->roof = "barrier";
    out->roof_seconds = (double)barriers * r->barrier_ns * 1e-9;
}

static void report(const struct run *r)
{
    const struct ls_flow f = {&r->m->engine, r->m->recipe.batch, r->threads,
                              r->data->rows * r->data->channels * r->data->length};
    struct lockstep_explained *out = r->out;
    double rest;

    out->start = ls_model_start(r->m, r->threads, r->barrier_ns, r->peak);
    out->batch = r->m->recipe.batch;
    out->block = out->batch / ls_cost_blocks(&f);
    out->steps = r->steps;
    out->plain_seconds = median(r->step_ns[0], r->steps);
    out->step_seconds = rest = median(r->step_ns[1], r->steps);
    for (size_t i = 0; i < r->items; i++)
        report_item(r, &f, i, &out->work[out->works++]);
    report_waiting(r, &f, &out->work[out->works++]);
    for (size_t i = 0; i < out->works; i++) {
        rest -= out->work[i].seconds;
        out->flops += out->work[i].flops;
        out->flops_done += out->work[i].flops_done;
    }
    out->work[out->works++] = (struct lockstep_work){
        .node = "", .text = "", .phase = "other", .isa = "", .roof = "", .seconds = rest > 0.0 ? rest : 0.0};
}

static enum lockstep_status alloc_report(struct run *r, struct lockstep_error *err)
{
    r->out = ls_alloc(1, sizeof *r->out, err);
    if (r->out)
        r->out->work = ls_alloc(r->items + 2, sizeof *r->out->work, err);
    return r->out && r->out->work ? LOCKSTEP_OK : err->status;
}

void lockstep_explained_free(struct lockstep_explained *explained)
{
    if (!explained)
        return;
    ls_free(explained->work);
    ls_free(explained);
}

static void measure(struct run *r, struct lockstep_error *err)
{
    keep(r);
    ls_shuffle(r->index, r->data->rows, r->m->recipe.seed, 1);
    r->m->forwarded = r->m->differentiated = false;
    ls_team_run(r->m->engine.threads, explain_worker, r);
    restore(r);
    if (r->finite)
        report(r);
    else
        ls_fail(err, LOCKSTEP_E_NONFINITE, "explain: a loss is not finite while steps are timed (try a smaller lr)");
}

enum lockstep_status lockstep_explain(struct lockstep_model *m, const struct lockstep_data *data, double seconds,
                                      struct lockstep_explained **out, struct lockstep_error *err)
{
    struct run r = {.m = m, .data = data, .seconds = seconds};

    *out = NULL;
    if (m->recipe.batch > data->rows)
        return ls_fail(err, LOCKSTEP_E_USAGE, "batch: expected at most the %zu rows of the data, got %zu", data->rows,
                       m->recipe.batch);
    if (ls_data_check(m, data, err))
        return err->status;
    ls_model_choose_skip(m, data);
    err->status = LOCKSTEP_OK;
    if (!alloc_run(&r, err) && !alloc_report(&r, err))
        measure(&r, err);
    free_run(&r);
    if (err->status)
        lockstep_explained_free(r.out);
    else
        *out = r.out;
    return err->status;
}
