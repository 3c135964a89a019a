/* SPDX-License-Identifier: MIT
 * What a gradient check looks at: a model with random parameters and a random batch, the same numbers in float and in
 * double. */
#ifndef LS_SUBJECT_H
#define LS_SUBJECT_H

#include "graph/define.h"
#include "train/gradcheck.h"
#include "train/step.h"

/* Uses of random numbers: second word of the counter, behind them one for each parameter. */
enum { LS_DRAW_INPUT, LS_DRAW_SEEDS, LS_DRAW_PLACE, LS_DRAW_PARAMS };

struct ls_subject {
    struct ls_check *check;
    const struct ls_check_model *model;
    struct ls_graph g;
    struct ls_engine e;
    struct ls_define_input in;
    struct ls_batch batch;
    double *reals, *x, *seeds, **value, **param; /* param: one for each tensor, in node order */
    float *floats, *x_float, *seeds_float, *loss;
    uint8_t *bytes, *label, *hit;
    size_t tensors; /* parameters */
};

/* Build the model and draw its numbers. E_USAGE for the text, E_MEMORY; ls_subject_close follows all the same. */
enum lockstep_status ls_subject_open(struct ls_subject *s, struct ls_check *check, const struct ls_check_model *m,
                                     struct lockstep_error *err);
void ls_subject_close(struct ls_subject *s);

/* Values and gradients in float. */
void ls_subject_step(struct ls_subject *s, unsigned threads);

#endif
