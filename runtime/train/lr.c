/* SPDX-License-Identifier: MIT */
#include "train/lr.h"

#include "core/math64.h"

#include <string.h>

static double constant(size_t t, size_t steps)
{
    (void)t, (void)steps;
    return 1.0;
}

static double cosine(size_t t, size_t steps)
{
    const double pi = 3.14159265358979323846;

    return 0.5 * (1.0 + ls_cos(pi * (double)t / (double)steps));
}

static const struct {
    const char *name;
    ls_lr_fn *rule;
} rules[] = {{"constant", constant}, {"cosine", cosine}};

ls_lr_fn *ls_lr_find(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rules[i].name, name))
            return rules[i].rule;
    return NULL;
}

const char *ls_lr_names(void)
{
    return "constant, cosine";
}

double ls_lr(ls_lr_fn *rule, double base, size_t warmup, size_t t, size_t steps)
{
    if (t < warmup)
        return base * (double)(t + 1) / (double)warmup;
    return base * rule(t - warmup, steps > warmup ? steps - warmup : 1);
}
