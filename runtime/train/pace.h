/* SPDX-License-Identifier: MIT
 *
 * How many workers of a team run the steps. One whose CPU is busy with another program holds all up at every barrier,
 * and fewer are faster then; no schedule changes a bit, so they may.
 *
 * Steps run in rounds of about 30 ms. Where the others slept at barriers for more than a quarter of a round, the next
 * one is a trial with one worker fewer. When its steps are 5 % faster than those of the round before and of one behind
 * it, which has all workers again, fewer are kept: a single slow round of the larger team is no reason. After a second
 * a trial with one more tells whether the CPU is free again. After a trial that was useless, or refuted by its check,
 * the next one comes in two, four, eight seconds. Who leaves is the last worker: the system moves the others to the
 * CPUs that are free. A few rounds are a guess, so a team may be a few percent slower than the best one.
 */
#ifndef LS_PACE_H
#define LS_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ls_pace {
    unsigned most, now, before; /* workers: of the team, of the next round, of the one before a trial */
    enum { LS_PACE_STEADY, LS_PACE_TRIAL, LS_PACE_CHECK } round; /* the next; CHECK: of `before` again */
    bool useless_fewer;  /* the last trial had fewer workers and was useless: the next has more, if there are */
    double step_ns;      /* of a round that was no trial; 0: there was none */
    double trial_ns;     /* of a trial with fewer workers, for its check */
    uint64_t next, hold; /* no trial before this time; how long none after a useless one */
};

/* A team of `most`; with a pace of one worker nothing ever changes. */
void ls_pace_init(struct ls_pace *p, unsigned most);

/* How many steps the next round has: 1 or more. */
size_t ls_pace_steps(const struct ls_pace *p);

/*
 * Behind a round, at time `now`: nanoseconds of a step, share of the time that each of the other workers slept in the
 * mean. Sets p->now for the next.
 */
void ls_pace_round(struct ls_pace *p, double step_ns, double slept, uint64_t now);

#endif
