/* SPDX-License-Identifier: MIT */
#include "train/machine.h"

#include "core/mem.h"
#include "train/step.h"

#include <stdio.h>
#include <stdlib.h>

enum lockstep_status ls_machine_features(unsigned *features, struct lockstep_error *err)
{
    const char *hide = getenv("LOCKSTEP_CPU");

    *features = lk_cpu_features();
    if (hide && *hide && !lk_cpu_hide(hide, features))
        return ls_fail(err, LOCKSTEP_E_ENV,
                       "LOCKSTEP_CPU: expected features to hide, such as -avx512,-avx2,-fma, got \"%.64s\"", hide);
    return LOCKSTEP_OK;
}

/* Names of all, or of the supported, instruction sets. */
static void isa_list(char *text, size_t size, bool all, unsigned features)
{
    size_t at = 0;

    text[0] = 0;
    for (int i = 0; i < LK_ISA_COUNT; i++)
        if (all || lk_isa_supported((enum lk_isa)i, features))
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", lk_isa_name((enum lk_isa)i));
}

enum lockstep_status ls_machine_table(const struct lockstep_options *options, struct lk_table *out,
                                      struct lockstep_error *err)
{
    const char *name = options ? options->isa : NULL, *env = getenv("LOCKSTEP_ISA");
    const char *from = name ? "isa" : "LOCKSTEP_ISA";
    char list[64];
    unsigned features;
    enum lk_isa isa;

    if (ls_machine_features(&features, err))
        return err->status;
    if (!name && env && *env)
        name = env;
    isa = lk_isa_preferred(features);
    if (name && !lk_isa_find(name, &isa)) {
        isa_list(list, sizeof list, true, features);
        return ls_fail(err, options && options->isa ? LOCKSTEP_E_USAGE : LOCKSTEP_E_ENV,
                       "%s: expected one of %s, got \"%.32s\"", from, list, name);
    }
    if (!lk_isa_supported(isa, features)) {
        isa_list(list, sizeof list, false, features);
        return ls_fail(err, LOCKSTEP_E_ENV, "%s: this CPU does not support %s (it supports %s)", from, name, list);
    }
    lk_table_init(out, isa, features);
    return LOCKSTEP_OK;
}

/* GFLOP/s of a round that all workers have finished. */
static double round_gflops(const struct ls_peak_cell *cell, unsigned T)
{
    uint64_t start = cell[0].start, end = cell[0].end;
    double flops = 0.0;

    for (unsigned t = 0; t < T; t++) {
        start = cell[t].start < start ? cell[t].start : start;
        end = cell[t].end > end ? cell[t].end : end;
        flops += cell[t].flops;
    }
    return flops / (double)(end - start);
}

/* Rounds of the kernel that take about a millisecond. */
static size_t millisecond_of(lk_peak_fma_fn *peak_fma)
{
    const uint64_t quarter_ms = 250000;
    size_t n = 1000;

    for (uint64_t took = 0; took < quarter_ms; n *= 2) {
        uint64_t t = ls_now();

        peak_fma(n);
        took = ls_now() - t;
    }
    return n;
}

double ls_peak(const struct lk_kernels *k, struct ls_worker *w, struct ls_peak_cell *cell, int rounds)
{
    struct ls_peak_cell *own = &cell[w->t];

    if (w->t == 0)
        own->n = millisecond_of(k->peak_fma);
    for (int i = 0; i < rounds; i++) {
        double gflops;

        ls_barrier_wait(w);
        own->start = ls_now();
        own->flops = k->peak_fma(cell[0].n);
        own->end = ls_now();
        ls_barrier_wait(w);
        gflops = round_gflops(cell, w->T);
        own->best = gflops > own->best ? gflops : own->best;
    }
    ls_barrier_wait(w);
    return own->best;
}

struct probe {
    const struct lk_kernels *k;
    struct ls_peak_cell *cell;
    double gflops;
};

static void probe_worker(void *arg, struct ls_worker *w)
{
    struct probe *p = arg;
    double gflops;

    p->cell[w->t].best = 0.0;
    gflops = ls_peak(p->k, w, p->cell, 20);

    if (w->t == 0)
        p->gflops = gflops;
}

static void describe_cpu(struct lockstep_machine *m)
{
    lk_cpu_name(m->cpu);
    m->cores = ls_cpus_online();
    m->affinity = ls_cpus_affinity();
    m->quota = ls_cpus_quota();
    m->l1d = lk_cpu_cache(1);
    m->l2 = lk_cpu_cache(2);
    m->l3 = lk_cpu_cache(3);
}

enum lockstep_status lockstep_machine_info(const struct lockstep_options *options, struct lockstep_machine *out,
                                           struct lockstep_error *err)
{
    struct lk_table chosen, table;
    struct probe p;
    unsigned features;

    _Static_assert((int)LK_ISA_COUNT <= (int)LOCKSTEP_ISA_MAX, "raise LOCKSTEP_ISA_MAX");
    *out = (struct lockstep_machine){.isas = LK_ISA_COUNT};
    if (ls_machine_table(options, &chosen, err) || ls_machine_features(&features, err) ||
        ls_threads(options, &out->threads, err))
        return err->status;
    p.cell = ls_alloc(out->threads, sizeof *p.cell, err);
    if (!p.cell)
        return err->status;
    describe_cpu(out);
    for (int i = 0; i < LK_ISA_COUNT; i++) {
        out->isa[i].name = lk_isa_name((enum lk_isa)i);
        out->isa[i].supported = lk_isa_supported((enum lk_isa)i, features);
        out->isa[i].chosen = (enum lk_isa)i == chosen.isa;
        if (!out->isa[i].supported)
            continue;
        lk_table_init(&table, (enum lk_isa)i, features);
        p.k = &table.k;
        ls_team_run(1, probe_worker, &p);
        out->isa[i].peak_gflops = p.gflops;
        ls_team_run(out->threads, probe_worker, &p);
        out->isa[i].peak_gflops_threads = p.gflops;
    }
    ls_free(p.cell);
    return LOCKSTEP_OK;
}
