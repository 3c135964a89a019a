/* SPDX-License-Identifier: MIT
 * What is done to one unit (graph.h) of the parameters: continue its chains, add two gradients, update. A unit belongs
 * to one thread at a time; everything here touches that unit only. */
#ifndef LS_UNITS_H
#define LS_UNITS_H

#include "train/engine.h"

/* The gradient of a unit: its place in a flat array of all parameters, or packed at the start of a scratch block. */
struct ls_gradient {
    float *base;
    bool packed;
};

/* What is read at the places of a unit once its chains are complete: the flat array that they are added to first (NULL:
 * none), with `update` weights and optimiser state. */
struct lk_next ls_unit_next(const struct ls_engine *e, const struct ls_unit *u, const float *left, bool update);

/* Continue the chains of a unit over the rows in context; first: from +0. */
void ls_unit_chains(const struct ls_engine *e, const struct ls_context *c, const struct ls_unit *u,
                    struct ls_gradient g, bool first);

/* left += right */
void ls_unit_add(const struct ls_engine *e, const struct ls_unit *u, struct ls_gradient left, struct ls_gradient right);

/* The gradient is complete: update the parameters by the scalars of a step, or, with step NULL, keep it in e->root. */
void ls_unit_finish(struct ls_engine *e, const struct ls_unit *u, struct ls_gradient g,
                    const struct ls_optim_step *step);

/* Rewrite the transposed weights of a unit. */
void ls_unit_transpose(struct ls_engine *e, const struct ls_unit *u);

#endif
