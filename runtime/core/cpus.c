/* SPDX-License-Identifier: MIT
 * How many CPUs this process may use: online, affinity mask, cgroup quota (version 2, then 1). */
#define _GNU_SOURCE
#include "core/team.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

unsigned ls_cpus_online(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (unsigned)n : 1;
}

unsigned ls_cpus_affinity(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set))
        return ls_cpus_online();
    return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* First line of a file without its newline; false when there is none. */
static bool first_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(line, size, f);

    if (f)
        fclose(f);
    if (ok)
        line[strcspn(line, "\n")] = 0;
    return ok;
}

/* Our group's path in the version 2 hierarchy, "" for the root. */
static void own_group(char *path, size_t size)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[1024];

    path[0] = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "0::/", 4)) {
            line[strcspn(line, "\n")] = 0;
            snprintf(path, size, "%s", line + 3);
        }
    if (f)
        fclose(f);
    if (!strcmp(path, "/"))
        path[0] = 0;
}

/* Smallest quota / period of our group and its ancestors. */
static double quota_v2(void)
{
    char group[1024], path[1200], line[128];
    double best = 0.0;

    for (own_group(group, sizeof group);;) {
        long long quota, period;

        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        if (first_line(path, line, sizeof line) && sscanf(line, "%lld %lld", &quota, &period) == 2 && quota > 0 &&
            period > 0) {
            double q = (double)quota / (double)period;

            best = best > 0.0 && best < q ? best : q;
        }
        if (!group[0])
            return best;
        *strrchr(group, '/') = 0;
    }
}

static double quota_v1(void)
{
    char quota[64], period[64];
    long long q, p;

    if (!first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) ||
        !first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period) || sscanf(quota, "%lld", &q) != 1 ||
        sscanf(period, "%lld", &p) != 1 || q <= 0 || p <= 0)
        return 0.0;
    return (double)q / (double)p;
}

double ls_cpus_quota(void)
{
    double q = quota_v2();

    return q > 0.0 ? q : quota_v1();
}

unsigned ls_threads_default(void)
{
    unsigned n = ls_cpus_affinity();
    double q = ls_cpus_quota();

    if (q > 0.0 && q < (double)n) {
        unsigned whole = (unsigned)q;

        n = whole + ((double)whole < q);
    }
    return n < LS_THREADS_MAX ? n : LS_THREADS_MAX;
}

bool ls_threads_dynamic(void)
{
    const char *dynamic = getenv("OMP_DYNAMIC");

    return !dynamic || strcasecmp(dynamic, "false");
}

/* Is it for the options to say how many? */
static bool as_asked(const struct lockstep_options *options)
{
    return options && options->threads && (options->threads <= ls_threads_default() || !ls_threads_dynamic());
}

enum lockstep_status ls_threads(const struct lockstep_options *options, unsigned *threads, struct lockstep_error *err)
{
    if (options && options->threads > LS_THREADS_MAX)
        return ls_fail(err, LOCKSTEP_E_USAGE, "threads: expected 1..%d, got %u", LS_THREADS_MAX, options->threads);
    *threads = as_asked(options) ? options->threads : ls_threads_default();
    return LOCKSTEP_OK;
}

const char *ls_threads_why(const struct lockstep_options *options)
{
    const double quota = ls_cpus_quota();

    if (as_asked(options))
        return "as asked";
    if (quota > 0.0 && quota < (double)ls_cpus_affinity())
        return "CPU quota";
    return ls_cpus_affinity() < ls_cpus_online() ? "affinity mask" : "all CPUs";
}
