/* SPDX-License-Identifier: MIT */
#include "train/explained.h"

#include "core/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- kernels ---- */

enum { SLOTS_MOST = 8 };

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
    snprintf(text, 48, "%s%s", slots, phase != LS_PHASE_BACKWARD && leaves_zeros_out(e, n) ? "_skip" : "");
    return text;
}

/* Their numbers; how many. */
static size_t read_slots(const char *text, enum lk_slot slot[SLOTS_MOST])
{
    size_t n = 0;

    for (const char *s = text; *s && n < SLOTS_MOST; s += strcspn(s, " "), s += *s == ' ')
        for (int i = 0; i < LK_SLOTS; i++) {
            const char *name = lk_slot_name((enum lk_slot)i);

            if (strlen(name) == strcspn(s, " ") && !strncmp(name, s, strlen(name)))
                slot[n++] = (enum lk_slot)i;
        }
    return n;
}

/* Columns of what a product computes: of the value, of the input's gradient, or of most units. */
static size_t columns_of(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase)
{
    if (phase == LS_PHASE_FORWARD)
        return n->channels;
    if (phase == LS_PHASE_BACKWARD)
        return n->input[0]->channels;
    for (const struct ls_unit *u = e->g->unit; u < e->g->unit + e->g->n_units; u++)
        if (&e->g->node[u->node] == n)
            return u->cols;
    return 0;
}

/* Terms of the chains of forward and backward; 0: not told. With a stride those of a data gradient may be fewer. */
static size_t terms_of(const struct ls_node *n, enum ls_phase phase)
{
    const struct ls_param *w = &n->param[0];

    if (!n->n_params)
        return 0;
    return (phase == LS_PHASE_FORWARD) == (w->transposed == LS_ALWAYS) ? ls_transposed_rows(w) : w->rows;
}

/* The tile of the product among the slots; of two products none is told. */
static void name_tile(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase, const enum lk_slot *slot,
                      size_t slots, struct lockstep_work *out)
{
    const size_t columns = columns_of(e, n, phase), terms = terms_of(n, phase);
    const size_t groups = n->n_params ? ls_groups(&n->param[0]) : 1;
    struct lk_tile tile = {0, 0};
    size_t products = 0;

    for (size_t i = 0; i < slots; i++) {
        lk_tile_fn *tile_of = e->kernels.tile[slot[i]];
        const struct lk_tile t = tile_of ? tile_of(slot[i], columns, terms, groups) : (struct lk_tile){0, 0};

        if (t.rows) {
            tile = t;
            products++;
        }
    }
    if (products == 1)
        snprintf(out->tile, sizeof out->tile, "%zu x %zu", tile.rows, tile.cols);
}

/* The lowest instruction set that serves one of the slots. */
static const char *isa_of(const struct lk_table *k, const enum lk_slot *slot, size_t slots)
{
    enum lk_isa isa = k->isa;

    for (size_t i = 0; i < slots; i++)
        isa = k->origin[slot[i]] < isa ? k->origin[slot[i]] : isa;
    return lk_isa_name(isa);
}

static void name_kernel(const struct ls_engine *e, const struct ls_node *n, enum ls_phase phase,
                        struct lockstep_work *out)
{
    static const char *const act[] = {
        [LK_ACT_NONE] = "", [LK_ACT_RELU] = " + relu", [LK_ACT_SIGMOID] = " + sigmoid", [LK_ACT_TANH] = " + tanh"};
    char text[48];
    const char *names = slots_of(e, n, phase, text);
    enum lk_slot slot[SLOTS_MOST];
    size_t slots;

    out->isa = "";
    if (!names)
        return;
    slots = read_slots(names, slot);
    out->isa = isa_of(&e->kernels, slot, slots);
    name_tile(e, n, phase, slot, slots, out);
    snprintf(out->kernel, sizeof out->kernel, "%s%s%s", names,
             phase == LS_PHASE_FORWARD    ? act[n->act]
             : phase == LS_PHASE_BACKWARD ? act[n->dx_act]
                                          : "",
             phase == LS_PHASE_BACKWARD && n->dx_act ? "'" : "");
}

/* ---- schedule ---- */

static unsigned smaller(size_t a, unsigned b)
{
    return a < b ? (unsigned)a : b;
}

/* Units of a node; *first: one of them, or NULL. */
static size_t count_units(const struct ls_graph *g, size_t node, const struct ls_unit **first)
{
    size_t units = 0;

    *first = NULL;
    for (size_t i = 0; i < g->n_units; i++)
        if (g->unit[i].node == node) {
            *first = units ? *first : &g->unit[i];
            units++;
        }
    return units;
}

/* Workers that own units of a node. */
static unsigned owners_of(const struct ls_flow *f, size_t node)
{
    unsigned owners = 0;

    for (unsigned t = 0; t < f->threads; t++) {
        const struct ls_worker w = {.t = t, .T = f->threads};
        size_t u, end;

        for (ls_engine_units(f->e, &w, &u, &end); u < end && f->e->g->unit[u].node != node; u++)
            ;
        owners += u < end;
    }
    return owners;
}

/* Workers that have a part of a work to begin with. With replicas each runs its shards from forward to their sum, and
 * what is left to add belongs to the owners. */
static unsigned workers_of(const struct ls_flow *f, size_t node, enum ls_phase phase)
{
    const bool replicas = f->e->reduce == LS_REPLICAS;

    if (phase == LS_PHASE_UPDATE || (phase >= LS_PHASE_GRAD && !replicas) ||
        (phase == LS_PHASE_ADD && f->e->shards <= f->threads))
        return owners_of(f, node);
    return smaller(replicas ? f->e->shards : f->rows / ls_cost_blocks(f), f->threads);
}

/* Rows of a call, or columns of it and their rows, or how many units there are and the size of most. */
static void tell_schedule(const struct ls_flow *f, size_t node, enum ls_phase phase, struct lockstep_work *out)
{
    const size_t block = f->rows / ls_cost_blocks(f), columns = ls_cost_columns(f, &f->e->g->node[node], phase);
    const bool whole = f->e->reduce == LS_REPLICAS || ls_cost_whole(f, &f->e->g->node[node], phase);
    const size_t rows = whole ? block : block / f->threads;
    const struct ls_unit *first;
    const size_t units = count_units(f->e->g, node, &first);

    out->threads = columns ? f->threads : workers_of(f, node, phase);
    if (columns)
        snprintf(out->how, sizeof out->how, "%zu columns of %zu rows", columns / f->threads, block);
    else if (phase < LS_PHASE_GRAD)
        snprintf(out->how, sizeof out->how, "%zu rows a call", rows ? rows : 1);
    else if (first)
        snprintf(out->how, sizeof out->how, "%zu unit%s of %zu x %zu", units, units == 1 ? "" : "s", first->rows,
                 first->cols);
}

/* ---- the report ---- */

static struct ls_flow flow_of(const struct ls_findings *f)
{
    return (struct ls_flow){&f->m->engine, f->m->recipe.batch, f->threads};
}

void ls_findings_levels(const struct ls_findings *f, bool level[LOCKSTEP_LEVELS])
{
    const struct ls_flow flow = flow_of(f);

    for (size_t i = 0; i < f->laps.items; i++) {
        const struct ls_item *item = &f->laps.item[i];
        const struct ls_cost cost = ls_cost_of(&flow, &f->m->graph.node[item->node], item->phase);

        level[ls_cost_level(&flow, &cost)] = true;
    }
}

static void report_item(struct ls_findings *f, const struct ls_flow *flow, size_t i, struct lockstep_work *out)
{
    static const char *const phase[LS_PHASES] = {"forward", "branches", "backward", "grad", "add", "update"};
    const struct ls_item *item = &f->laps.item[i];
    const struct ls_node *n = &f->m->graph.node[item->node];
    const struct ls_cost cost = ls_cost_of(flow, n, item->phase);
    struct ls_roof roof;

    *out = (struct lockstep_work){.node = n->name, .text = n->text, .phase = phase[item->phase], .flops = cost.flops};
    out->flops_done = cost.flops - 2.0 * ls_laps_skipped(&f->laps, f->threads, i);
    out->bytes = ls_cost_bytes(&cost);
    roof = ls_cost_roof(flow, &cost, out->flops_done, &f->limits);
    out->roof = roof.name;
    out->roof_seconds = roof.seconds;
    out->seconds = ls_laps_item(&f->laps, f->threads, i);
    name_kernel(&f->m->engine, n, item->phase, out);
    tell_schedule(flow, item->node, item->phase, out);
}

/* Barriers of a step: two with replicas; with owners two a block, one before works shared by columns that follow others
 * and one behind. */
static size_t barriers_of(const struct ls_findings *f, const struct ls_flow *flow)
{
    bool rows = false, columns = false; /* since the last one */
    size_t n = 2;

    if (f->m->engine.reduce == LS_REPLICAS)
        return n;
    for (size_t i = 0; i < f->laps.items && f->laps.item[i].phase < LS_PHASE_GRAD; i++) {
        const struct ls_item *item = &f->laps.item[i];
        const struct ls_node *node = &f->m->graph.node[item->node];
        const bool shared = ls_cost_columns(flow, node, item->phase);

        if (ls_cost_whole(flow, node, item->phase))
            continue;
        if (columns || (shared && rows)) {
            n++;
            rows = columns = false;
        }
        *(shared ? &columns : &rows) = true;
    }
    return n * ls_cost_blocks(flow);
}

static void report_waiting(struct ls_findings *f, const struct ls_flow *flow, struct lockstep_work *out)
{
    const size_t barriers = barriers_of(f, flow);

    *out = (struct lockstep_work){.node = "", .text = "", .phase = "waiting", .isa = "", .roof = ""};
    out->threads = f->threads;
    out->seconds = ls_laps_waiting(&f->laps, f->threads);
    if (f->threads == 1)
        return;
    snprintf(out->how, sizeof out->how, "%zu barriers", barriers);
    out->roof = "barrier";
    out->roof_seconds = (double)barriers * f->barrier_ns * 1e-9;
}

static void report_rest(const struct ls_findings *f, double seconds, struct lockstep_work *out)
{
    *out = (struct lockstep_work){.node = "", .text = "", .phase = "other", .isa = "", .roof = ""};
    out->threads = f->threads;
    out->seconds = seconds > 0.0 ? seconds : 0.0;
}

static void report(struct ls_findings *f, struct lockstep_explained *out)
{
    const struct ls_flow flow = flow_of(f);
    double rest;

    out->start = ls_model_start(f->m, f->threads, f->barrier_ns, f->limits.peak_gflops);
    memcpy(out->memory, f->limits.memory, sizeof out->memory);
    out->data_read = f->limits.data_read;
    out->batch = f->m->recipe.batch;
    out->block = out->batch / ls_cost_blocks(&flow);
    out->steps = f->laps.samples[0];
    out->step_seconds = rest = ls_laps_step(&f->laps, f->threads);
    for (size_t i = 0; i < f->laps.items; i++)
        report_item(f, &flow, i, &out->work[out->works++]);
    report_waiting(f, &flow, &out->work[out->works++]);
    for (size_t i = 0; i < out->works; i++) {
        rest -= out->work[i].seconds;
        out->flops += out->work[i].flops;
        out->flops_done += out->work[i].flops_done;
    }
    report_rest(f, rest, &out->work[out->works++]);
}

enum lockstep_status ls_explained_new(struct ls_findings *f, struct lockstep_explained **out,
                                      struct lockstep_error *err)
{
    struct lockstep_explained *e = ls_alloc(1, sizeof *e, err);

    *out = NULL;
    if (e)
        e->work = ls_alloc(f->laps.items + 2, sizeof *e->work, err);
    if (!e || !e->work) {
        lockstep_explained_free(e);
        return err->status;
    }
    report(f, e);
    *out = e;
    return LOCKSTEP_OK;
}

void lockstep_explained_free(struct lockstep_explained *explained)
{
    if (!explained)
        return;
    ls_free(explained->work);
    ls_free(explained);
}
