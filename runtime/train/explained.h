/* SPDX-License-Identifier: MIT
 * The report on the steps of a model: what each work asks for, who does it and how, what the machine allows, how long
 * it took. */
#ifndef LS_EXPLAINED_H
#define LS_EXPLAINED_H

#include "train/cost.h"
#include "train/laps.h"
#include "train/model.h"

/* What a report rests on. */
struct ls_findings {
    const struct lockstep_model *m;
    const struct lockstep_data *data;
    unsigned threads; /* of the team that ran */
    double barrier_ns;
    struct ls_limits limits;
    struct ls_laps laps;
};

/* Which levels of memory hold what the works touch? */
void ls_findings_levels(const struct ls_findings *f, bool level[LOCKSTEP_LEVELS]);

/* Those levels must be measured. Consumes the laps. plain_seconds is left to the caller. E_MEMORY. */
enum lockstep_status ls_explained_new(struct ls_findings *f, struct lockstep_explained **out,
                                      struct lockstep_error *err);

#endif
