/* SPDX-License-Identifier: MIT
 * The whole graph by the `define` of its ops, in double. */
#include "graph/graph.h"

double ls_define(const struct ls_graph *g, size_t rows, const double *x, const double *const *params,
                 const uint8_t *label, double *const *values)
{
    double sum = 0.0;

    for (size_t i = 0; i < g->n; i++) {
        const struct ls_node *n = &g->node[i];
        const double *in[LS_INPUTS] = {x};

        for (size_t k = 0; k < n->n_inputs; k++)
            in[k] = values[n->input[k] - g->node];
        n->op->define(n, rows, in, params, label, values[i]);
        params += n->n_params;
    }
    for (size_t m = 0; m < rows; m++)
        sum += values[g->loss - g->node][m];
    return sum / (double)rows;
}
