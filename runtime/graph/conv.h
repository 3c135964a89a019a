/* SPDX-License-Identifier: MIT
 * How far the convolution kernels read beyond a sample: the halos that conv1d and conv_transpose1d ask for. */
#ifndef LS_CONV_H
#define LS_CONV_H

#include "graph/graph.h"

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

#endif
