/* SPDX-License-Identifier: MIT */
#include "train/machine.h"

#include "core/mem.h"
#include "train/probe.h"
#include "train/reduce.h"

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

/* What LOCKSTEP_ISA asks for, or NULL. */
static const char *environment_isa(void)
{
    const char *name = getenv("LOCKSTEP_ISA");

    return name && *name ? name : NULL;
}

const char *ls_machine_isa_why(const struct lockstep_options *options)
{
    return options && options->isa ? "as asked" : environment_isa() ? "LOCKSTEP_ISA" : "the best here";
}

enum lockstep_status ls_machine_table(const struct lockstep_options *options, struct lk_table *out,
                                      struct lockstep_error *err)
{
    const char *name = options ? options->isa : NULL;
    const char *from = name ? "isa" : "LOCKSTEP_ISA";
    char list[64];
    unsigned features;
    enum lk_isa isa;

    if (ls_machine_features(&features, err))
        return err->status;
    if (!name)
        name = environment_isa();
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

/* The supported instruction sets, measured by one team. */
struct survey {
    struct lockstep_machine *m;
    unsigned features;
    bool all; /* not one thread */
    struct ls_probe_cell *cell;
    float *memory;
};

static void survey_worker(void *arg, struct ls_worker *w)
{
    const struct survey *s = arg;
    const double barrier = ls_barrier_ns(w);

    if (w->t == 0)
        s->m->barrier_ns = barrier;
    for (int i = 0; i < LK_ISA_COUNT; i++) {
        struct lk_table table;
        struct lockstep_rates rates;

        if (!s->m->isa[i].supported)
            continue;
        lk_table_init(&table, (enum lk_isa)i, s->features);
        rates = ls_rates(&table.k, w, s->cell, s->memory);
        if (w->t == 0)
            *(s->all ? &s->m->isa[i].all : &s->m->isa[i].one) = rates;
    }
}

/* Measure with that many threads. */
static enum lockstep_status survey(struct lockstep_machine *m, unsigned features, unsigned threads,
                                   struct lockstep_error *err)
{
    struct survey s = {.m = m, .features = features, .all = threads > 1};

    s.cell = ls_alloc(threads, sizeof *s.cell, err);
    s.memory = s.cell ? ls_alloc(threads, ls_level_bytes(LOCKSTEP_DRAM, threads) + LS_LEVEL_SLACK, err) : NULL;
    if (s.memory)
        ls_team_run(threads, survey_worker, &s);
    ls_free(s.cell);
    if (!s.memory)
        return err->status;
    ls_free(s.memory);
    return LOCKSTEP_OK;
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
    struct lk_table chosen;
    unsigned features;

    _Static_assert((int)LK_ISA_COUNT <= (int)LOCKSTEP_ISA_MAX, "raise LOCKSTEP_ISA_MAX");
    *out = (struct lockstep_machine){.isas = LK_ISA_COUNT};
    if (ls_machine_table(options, &chosen, err) || ls_machine_features(&features, err) ||
        ls_threads(options, &out->threads, err))
        return err->status;
    describe_cpu(out);
    for (int i = 0; i < LK_ISA_COUNT; i++) {
        out->isa[i].name = lk_isa_name((enum lk_isa)i);
        out->isa[i].supported = lk_isa_supported((enum lk_isa)i, features);
        out->isa[i].chosen = (enum lk_isa)i == chosen.isa;
    }
    if (survey(out, features, 1, err) || (out->threads > 1 && survey(out, features, out->threads, err)))
        return err->status;
    for (int i = 0; i < LK_ISA_COUNT && out->threads == 1; i++)
        out->isa[i].all = out->isa[i].one;
    out->barrier = ls_barrier_kind(out->barrier_ns, out->threads);
    return LOCKSTEP_OK;
}
