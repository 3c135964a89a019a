/* SPDX-License-Identifier: MIT
 * Workers write one cell, one after the other; `cell planted` leaves the barrier between them out: a race to be
 * reported. */
#include <stdbool.h>

#include "core/team.h"

static unsigned cell;
static bool planted;

static void write_cell(void *arg, struct ls_worker *w)
{
    (void)arg;
    for (unsigned t = 0; t < w->T; t++) {
        if (w->t == t)
            cell += t;
        if (!planted)
            ls_barrier_wait(w);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    planted = argc > 1;
    ls_team_run(3, write_cell, NULL);
    return 0;
}
