/* SPDX-License-Identifier: MIT
 * The whole graph by the `define` of its ops, in double. */
#include "graph/define.h"

/* What node i reads and writes; *param moves past its parameters. */
static struct ls_reference reference_of(const struct ls_graph *g, const struct ls_define_input *in,
                                        double *const *values, size_t i, const double *const **param)
{
    const struct ls_node *n = &g->node[i];
    struct ls_reference r = {
        .rows = in->rows, .x = {in->x}, .label = in->label, .seed = in->seed, .step = in->step, .y = values[i]};

    for (size_t k = 0; k < n->n_inputs; k++)
        r.x[k] = values[n->input[k] - g->node];
    for (size_t k = 0; k < n->n_params; k++)
        r.p[k] = *(*param)++;
    return r;
}

double ls_define_from(const struct ls_graph *g, const struct ls_define_input *in, double *const *values, size_t first)
{
    const double *const *param = in->params;
    const struct ls_node *end = g->loss ? g->loss : g->output;
    const double *y = values[end - g->node];
    double sum = 0.0;

    for (size_t i = 0; i < g->n; i++) {
        const struct ls_reference r = reference_of(g, in, values, i, &param);

        if (i >= first)
            g->node[i].op->define(&g->node[i], &r);
    }
    for (size_t i = 0; i < in->rows * end->features; i++)
        sum += y[i] * (!g->loss && in->seeds ? in->seeds[i] : 1.0);
    return g->loss ? sum / (double)in->rows : sum;
}

double ls_define(const struct ls_graph *g, const struct ls_define_input *in, double *const *values)
{
    return ls_define_from(g, in, values, 0);
}

double ls_corner(const struct ls_graph *g, const struct ls_define_input *in, double *const *values)
{
    const double *const *param = in->params;
    double nearest = 1.0;

    for (size_t i = 0; i < g->n; i++) {
        const struct ls_reference r = reference_of(g, in, values, i, &param);
        const double distance = g->node[i].op->corner ? g->node[i].op->corner(&g->node[i], &r) : 1.0;

        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}
