/* SPDX-License-Identifier: MIT
 * The team: one OpenMP parallel region, our own barrier, spans. The only OpenMP outside train/. */
#ifndef LS_TEAM_H
#define LS_TEAM_H

#include "core/status.h"
#include "cpu.h"

struct ls_barrier;

/* One worker of a running team. */
struct ls_worker {
    unsigned t, T; /* this worker, team size: 0 <= t < T */
    struct ls_barrier *barrier;
    unsigned phase;      /* barriers passed */
    unsigned host_fpenv; /* the caller's, for lk_fpenv_leave around calls into its code */
};

typedef void ls_work_fn(void *arg, struct ls_worker *w);

/*
 * Run fn(arg, worker) on `threads` workers in one parallel region, with FTZ, DAZ and round to nearest set in each and
 * restored afterwards. The system may give fewer threads: fn must use w->T. Not re-entrant from inside fn.
 */
void ls_team_run(unsigned threads, ls_work_fn *fn, void *arg);

/* Regions begun since the process began. */
size_t ls_team_regions(void);

/*
 * This worker in a smaller team of the workers 0 .. threads - 1 (no more than there are), with a barrier of its own,
 * while all go on as w. A running team has one such part at a time: each of its workers asks for it once, the others do
 * not, and the whole team meets before the next part.
 */
struct ls_worker ls_team_part(const struct ls_worker *w, unsigned threads);

/* Meet all workers: everything written before is visible after. Spins about 20 us, then sleeps in a futex. */
void ls_barrier_wait(struct ls_worker *w);

/* Nanoseconds that the workers of this team have slept at barriers, all together. */
uint64_t ls_team_slept(const struct ls_worker *w);

/*
 * Nanoseconds that a barrier of this team takes, the same for every worker; 0 for a team of one. Best of the rounds of
 * about a millisecond: a worker that lost its CPU spoils one round only. Called by every worker; with more workers
 * than CPUs it takes 4 ms, or longer where a single round does.
 */
double ls_barrier_ns(struct ls_worker *w);

/* Part i of n things cut into `parts` contiguous spans of almost equal length: [*first, *end). */
static inline void ls_span(size_t n, size_t parts, size_t i, size_t *first, size_t *end)
{
    size_t q = n / parts, r = n % parts;
    *first = i * q + (i < r ? i : r);
    *end = *first + q + (i < r);
}

/* CPUs online, allowed by the affinity mask, and by the cgroup (0: no quota). */
unsigned ls_cpus_online(void);
unsigned ls_cpus_affinity(void);
double ls_cpus_quota(void);

/* Threads to use when nothing is asked for: min(affinity, ceil(quota)), at least 1. */
unsigned ls_threads_default(void);

enum { LS_THREADS_MAX = 1024 };

/* May fewer threads run than are asked for? Unless OMP_DYNAMIC=false (OpenMP 5.0, 6.3) is in the environment. */
bool ls_threads_dynamic(void);

/*
 * options->threads checked, or the default: also where more are asked for than the default and the number is dynamic,
 * for a team that shares CPUs waits for itself at each barrier. E_USAGE.
 */
enum lockstep_status ls_threads(const struct lockstep_options *options, unsigned *threads, struct lockstep_error *err);

/* Why so many: "as asked", "CPU quota", "affinity mask", "all CPUs". */
const char *ls_threads_why(const struct lockstep_options *options);

/* Nanoseconds on the monotonic clock. */
uint64_t ls_now(void);

#endif
