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
    printf("\n\n%-14s%-12s%-10s%22s%15u thread%s\n", "instructions", "supported", "chosen", "FMA peak of 1 thread",
           m.threads, m.threads == 1 ? "" : "s");
    for (size_t i = 0; i < m.isas; i++) {
        printf("%-14s%-12s%-10s", m.isa[i].name, m.isa[i].supported ? "yes" : "no", m.isa[i].chosen ? "yes" : "");
        if (m.isa[i].supported)
            printf("%14.1f GFLOP/s%14.1f GFLOP/s", m.isa[i].peak_gflops, m.isa[i].peak_gflops_threads);
        putchar('\n');
    }
    return LOCKSTEP_OK;
}
