/* SPDX-License-Identifier: MIT
 * lockstep info: the machine as Lockstep sees it. */
#include "cli/args.h"

#include <stdio.h>

static void print_cache(const char *name, size_t bytes)
{
    if (!bytes)
        printf("  %s unknown", name);
    else if (bytes >= 1 << 20)
        printf("  %s %g MiB", name, (double)bytes / (1 << 20));
    else
        printf("  %s %g KiB", name, (double)bytes / (1 << 10));
}

/* FMA peaks and the clock; the operations in a cycle of one thread, which must be a power of two. */
static void print_peaks(const struct lockstep_machine *m)
{
    printf("%-14s%-12s%-10s%22s%15u thread%s%12s%12s\n", "instructions", "supported", "chosen", "FMA peak of 1 thread",
           m->threads, m->threads == 1 ? "" : "s", "clock", "FLOP/cycle");
    for (size_t i = 0; i < m->isas; i++) {
        const struct lockstep_rates *one = &m->isa[i].one;

        printf("%-14s%-12s%-10s", m->isa[i].name, m->isa[i].supported ? "yes" : "no", m->isa[i].chosen ? "yes" : "");
        if (m->isa[i].supported)
            printf("%14.1f GFLOP/s%14.1f GFLOP/s%8.2f GHz%12.1f", one->peak_gflops, m->isa[i].all.peak_gflops,
                   one->clock_ghz, one->peak_gflops / one->clock_ghz);
        putchar('\n');
    }
}

static void print_rates(const char *name, unsigned threads, const struct lockstep_rates *r)
{
    printf("%-8s%8u", name, threads);
    for (int level = 0; level < LOCKSTEP_LEVELS; level++)
        printf("%9.0f%6.0f%6.0f", r->memory[level].read, r->memory[level].write, r->memory[level].copy);
    putchar('\n');
}

/* GB/s by level of memory. */
static void print_memory(const struct lockstep_machine *m)
{
    static const char *const level[LOCKSTEP_LEVELS] = {"L1", "L2", "L3", "DRAM"};

    printf("\n%-16s", "GB/s");
    for (int i = 0; i < LOCKSTEP_LEVELS; i++)
        printf("%21s", level[i]);
    printf("\n%-8s%8s", "", "threads");
    for (int i = 0; i < LOCKSTEP_LEVELS; i++)
        printf("%9s%6s%6s", "read", "write", "copy");
    putchar('\n');
    for (size_t i = 0; i < m->isas; i++) {
        if (m->isa[i].supported)
            print_rates(m->isa[i].name, 1, &m->isa[i].one);
        if (m->isa[i].supported && m->threads > 1)
            print_rates("", m->threads, &m->isa[i].all);
    }
}

enum lockstep_status cmd_info(const struct cli *cli, struct lockstep_error *err)
{
    struct lockstep_machine m;
    enum lockstep_status status = lockstep_machine_info(&cli->options, &m, err);

    if (status)
        return status;
    printf("%-14s%s\n%-14s%u online, %u by the affinity mask\n%-14s", "CPU", m.cpu, "cores", m.cores, m.affinity,
           "cgroup quota");
    if (m.quota > 0)
        printf("%g CPUs\n", m.quota);
    else
        puts("none");
    printf("%-14s%u\n%-14s", "threads", m.threads, "caches");
    print_cache("L1d", m.l1d);
    print_cache("L2", m.l2);
    print_cache("L3", m.l3);
    if (m.barrier_ns > 0)
        printf("\n%-14s%.0f ns for %u threads to meet: %s\n%-14sauto: owners with fewer shards than threads, else by "
               "barrier, peak, L3, batch and model",
               "barrier", m.barrier_ns, m.threads, m.barrier, "reduce");
    printf("\n\n");
    print_peaks(&m);
    print_memory(&m);
    return LOCKSTEP_OK;
}
