/* SPDX-License-Identifier: MIT
 * The gradient check: what the kernels compute for a random batch against the definitions of the ops in plain double,
 * gradients against their central differences. */
#ifndef LS_GRADCHECK_H
#define LS_GRADCHECK_H

#include "cpu.h"
#include "graph/graph.h"

/* How to check: nothing here changes what is right. */
struct ls_check {
    const struct lk_table *kernels;
    unsigned threads;
    uint32_t seed;
    lockstep_checked_fn *tensor; /* hears of each tensor; may be NULL */
    void *user;
    size_t tensors, failed;      /* so far */
    struct lockstep_error first; /* the first tensor that failed, as an error line */
};

/* What is checked. With classes 0 and no loss in the text the objective is a random weighted sum of the last value. */
struct ls_check_model {
    const char *name, *text;
    size_t channels, length, classes, rows;
    bool every_node; /* values and gradients of every node; else gradients of the input and the parameters */
};

/*
 * Check a model; tensors that fail are counted, and LOCKSTEP_OK is returned all the same. cost may be NULL. E_USAGE for
 * the text, E_MEMORY.
 */
enum lockstep_status ls_gradcheck(struct ls_check *check, const struct ls_check_model *model,
                                  struct lockstep_check_cost *cost, struct lockstep_error *err);

/* Check an op on its example. */
enum lockstep_status ls_gradcheck_op(struct ls_check *check, const struct ls_op *op, struct lockstep_error *err);

/* Check a model text: rows of 28 x 28 and 10 classes, unless its input(...) says otherwise. */
enum lockstep_status ls_gradcheck_text(struct ls_check *check, const char *name, const char *text,
                                       struct lockstep_check_cost *cost, struct lockstep_error *err);

#endif
