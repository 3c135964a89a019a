/* SPDX-License-Identifier: MIT */
#include "train/optim.h"

#include "core/math64.h"

#include <string.h>

static const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8; /* PyTorch's defaults */

static void sgd_scalars(const struct lockstep_recipe *r, double lr, size_t t, struct ls_optim_step *s)
{
    (void)t;
    s->sgd = (struct lk_sgd){(float)lr, (float)r->momentum, (float)r->weight_decay, r->nesterov};
}

static bool sgd_apply(const struct lk_kernels *k, const struct ls_optim_step *s, size_t n, const float *g, float *w,
                      float *const state[2])
{
    return k->sgd(n, g, w, state[0], &s->sgd);
}

/* t counts from 1. */
static void adam_scalars(const struct lockstep_recipe *r, double lr, size_t t, struct ls_optim_step *s)
{
    const double bias1 = 1.0 - ls_powi(beta1, t), bias2 = 1.0 - ls_powi(beta2, t);

    s->adam = (struct lk_adam){.step = (float)(lr / bias1),
                               .beta1c = (float)(1.0 - beta1),
                               .beta2 = (float)beta2,
                               .beta2c = (float)(1.0 - beta2),
                               .rbias2 = (float)(1.0 / __builtin_sqrt(bias2)),
                               .eps = (float)epsilon,
                               .weight_decay = (float)r->weight_decay,
                               .decay = 1.0f};
}

static void adamw_scalars(const struct lockstep_recipe *r, double lr, size_t t, struct ls_optim_step *s)
{
    adam_scalars(r, lr, t, s);
    s->adam.weight_decay = 0.0f;
    s->adam.decay = (float)(1.0 - lr * r->weight_decay);
}

static bool adam_apply(const struct lk_kernels *k, const struct ls_optim_step *s, size_t n, const float *g, float *w,
                       float *const state[2])
{
    return k->adam(n, g, w, state[0], state[1], &s->adam);
}

static const struct ls_optim optims[] = {
    {"sgd", "sgd", 1, sgd_scalars, sgd_apply},
    {"adam", "adam", 2, adam_scalars, adam_apply},
    {"adamw", "adam", 2, adamw_scalars, adam_apply},
};

const struct ls_optim *ls_optim_find(const char *name)
{
    for (size_t i = 0; i < sizeof optims / sizeof *optims; i++)
        if (!strcmp(optims[i].name, name))
            return &optims[i];
    return NULL;
}

const char *ls_optim_names(void)
{
    return "sgd, adam, adamw";
}
