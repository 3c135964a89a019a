/* SPDX-License-Identifier: MIT
 * Optimisers: one entry each in optim.c. Scalars of a step are computed in double and rounded once. */
#ifndef LS_OPTIM_H
#define LS_OPTIM_H

#include "kernels.h"
#include "lockstep.h"

struct ls_optim_step; /* scalars of one step */

struct ls_optim {
    const char *name, *kernel; /* kernel: the slot that apply calls */
    unsigned states;           /* float arrays kept for each parameter: 1 (momentum) or 2 (m, v) */
    void (*scalars)(const struct lockstep_recipe *r, double lr, size_t t, struct ls_optim_step *s);
    /* Update n parameters; returns whether all of them are finite. */
    bool (*apply)(const struct lk_kernels *k, const struct ls_optim_step *s, size_t n, const float *g, float *w,
                  float *const state[2]);
};

struct ls_optim_step {
    struct lk_sgd sgd;
    struct lk_adam adam;
};

/* By name; NULL when there is none. */
const struct ls_optim *ls_optim_find(const char *name);

/* The known names as one text, "sgd, adam, adamw". */
const char *ls_optim_names(void);

#endif
