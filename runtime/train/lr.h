/* SPDX-License-Identifier: MIT
 * Learning-rate rules: one entry each in lr.c. */
#ifndef LS_LR_H
#define LS_LR_H

#include <stddef.h>

/* Factor of the base rate at step t of `steps` (after warm-up), both from 0. */
typedef double ls_lr_fn(size_t t, size_t steps);

/* By name; NULL when there is none. */
ls_lr_fn *ls_lr_find(const char *name);
const char *ls_lr_names(void);

/* Rate of step t of `steps`: linear from base / warmup over the first `warmup` steps, then the rule over the rest. */
double ls_lr(ls_lr_fn *rule, double base, size_t warmup, size_t t, size_t steps);

#endif
