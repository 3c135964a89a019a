/* SPDX-License-Identifier: MIT
 * What conv1d and conv_transpose1d share: what they refuse, their parameters, and how far the kernels read beyond a
 * sample. */
#ifndef LS_CONV_H
#define LS_CONV_H

#include "graph/graph.h"

/* E_USAGE: a flat value, or groups that do not divide the channels. */
static inline enum lockstep_status ls_conv_check(const struct ls_node *n, size_t out, size_t groups,
                                                 struct lockstep_error *err)
{
    const struct ls_shape x = n->input[0]->shape;

    if (x.rank != 2)
        return ls_node_fail(n, err, "%s: expected (channels, length), got a flat value of %zu (put it before flatten)",
                            n->op->name, x.dim[0]);
    if (x.dim[0] % groups || out % groups)
        return ls_node_fail(n, err, "%s: groups: expected a divisor of %zu channels in and %zu out, got %zu",
                            n->op->name, x.dim[0], out, groups);
    return LOCKSTEP_OK;
}

/* The larger of `before` and what `last` lies beyond `end`. */
static inline size_t ls_conv_reach(size_t before, size_t last, size_t end)
{
    const size_t behind = last > end ? last - end : 0;

    return before > behind ? before : behind;
}

/* Around (C, L), by conv_fwd and conv_dw. */
static inline size_t ls_conv_reach_x(const struct lk_conv *g)
{
    return ls_conv_reach(g->padding, (g->T - 1) * g->stride + (g->taps - 1) * g->dilation, g->padding + g->L - 1);
}

/* Around (O, T), by conv_dx. */
static inline size_t ls_conv_reach_d(const struct lk_conv *g)
{
    const size_t first = (g->taps - 1) * g->dilation;

    return ls_conv_reach(first > g->padding ? (first - g->padding) / g->stride : 0, (g->L - 1 + g->padding) / g->stride,
                         g->T - 1);
}

/* Weight (rows: taps times the channels of a group; columns: O), bias of so many columns, FLOPs. */
static inline void ls_conv_params(struct ls_node *n, const struct lk_conv *g, enum ls_transposed transposed,
                                  size_t bias_cols, bool with_bias)
{
    const size_t rows = g->taps * (g->C / g->groups);

    n->param[0] = (struct ls_param){.name = "weight",
                                    .rows = rows,
                                    .cols = g->O,
                                    .rank = 3,
                                    .taps = g->taps,
                                    .groups = g->groups,
                                    .transposed = transposed};
    n->param[1] = (struct ls_param){.name = "bias", .rows = 1, .cols = bias_cols, .rank = 1, .zero_init = true};
    n->n_params = with_bias ? 2 : 1;
    n->flops = 2 * g->T * rows * g->O;
}

#endif
