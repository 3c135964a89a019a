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

/* Was the trial worth it? Fewer workers must be clearly faster, more must not be slower. */
static void judge(struct ls_pace *p, double step_ns, uint64_t now)
{
    p->trial = p->useless_fewer = false;
    if (step_ns < (p->now < p->before ? faster : 1.0) * p->step_ns) {
        p->hold = SECOND;
    } else {
        p->useless_fewer = p->now < p->before;
        p->now = p->before;
        p->hold = p->hold < hold_most ? 2 * p->hold : hold_most;
    }
    p->next = now + p->hold;
}

void ls_pace_round(struct ls_pace *p, double step_ns, double slept, uint64_t now)
{
    const bool first = p->step_ns == 0.0;

    if (p->trial) {
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
    p->trial = p->now != p->before;
}
