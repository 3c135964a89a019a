/* SPDX-License-Identifier: MIT
 * Derivatives of a graph's objective by central differences of its definition in plain double. */
#ifndef LS_DIFFERENCES_H
#define LS_DIFFERENCES_H

#include "graph/define.h"

/* By elements that node `first` and those behind it depend on, and no node before it. */
struct ls_differences {
    const struct ls_graph *g;
    const struct ls_define_input *in;
    double *const *values; /* of all nodes: those before `first` are read, the others written */
    size_t first;
};

/*
 * Derivative of the objective, f, by element *at. Where f is smooth the bend is small, or halves with the step: then
 * two steps together cancel the h^2 of the error (Richardson). At a corner it does not, and a corner within the step is
 * left behind with a smaller one. scale: a bend is small beside the derivative or beside this. False: a corner at *at
 * itself.
 */
bool ls_derivative(const struct ls_differences *d, double *at, double f, double scale, double *out);

#endif
