/* SPDX-License-Identifier: MIT */
#include "train/pace.h"

#define ROUND_NS 3e7
#define SECOND   1000000000u

static const uint64_t hold_most = 8 * (uint64_t)SECOND;
static const double much_sleep = 0.25, faster = 0.95;

void ls_pace_init(struct ls_pace *p, unsigned most)
{
    *p = (struct ls_pace){.most = most, .now = most, .hold = SECOND};
}

size_t ls_pace_steps(const struct ls_pace *p)
{
    return p->step_ns > 0.0 && p->step_ns < ROUND_NS ? (size_t)(ROUND_NS / p->step_ns) : 1;
}

/* The trial is over: its team stays, or not. */
static void settle(struct ls_pace *p, unsigned team, bool worth, uint64_t now)
{
    p->round = LS_PACE_STEADY;
    p->now = worth ? team : p->before;
    p->useless_fewer = !worth && team < p->before;
    p->hold = worth ? SECOND : p->hold < hold_most ? 2 * p->hold : hold_most;
    p->next = now + p->hold;
}

/* Fewer workers must be clearly faster, before a check and behind it, more must not be slower. */
static void judge(struct ls_pace *p, double step_ns, uint64_t now)
{
    if (p->round == LS_PACE_CHECK) {
        p->step_ns = step_ns;
        settle(p, p->before - 1, p->trial_ns < faster * step_ns, now);
    } else if (p->now < p->before && step_ns < faster * p->step_ns) {
        p->round = LS_PACE_CHECK;
        p->trial_ns = step_ns;
        p->now = p->before;
    } else {
        settle(p, p->now, p->now > p->before && step_ns < p->step_ns, now);
    }
}

void ls_pace_round(struct ls_pace *p, double step_ns, double slept, uint64_t now)
{
    const bool first = p->step_ns == 0.0;

    if (p->round != LS_PACE_STEADY) {
        judge(p, step_ns, now);
        return;
    }
    p->step_ns = step_ns;
    if (first || now < p->next)
        return;
    p->before = p->now;
    if (p->now < p->most && (p->useless_fewer || slept <= much_sleep || p->now == 1))
        p->now++;
    else if (slept > much_sleep && p->now > 1)
        p->now--;
    if (p->now != p->before)
        p->round = LS_PACE_TRIAL;
}
