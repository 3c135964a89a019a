/* SPDX-License-Identifier: MIT
 * max_pool1d, avg_pool1d(kernel_size, stride=kernel_size, padding=0, ...) and adaptive_avg_pool1d(1): the maximum or
 * mean of windows along the length, each channel apart, as torch.nn. */
#include "graph/graph.h"

enum { KERNEL, STRIDE, PADDING, CEIL_MODE, COUNT_INCLUDE_PAD };
enum { OUTPUT_SIZE };

static enum lockstep_status check_rank(const struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_shape x = n->input[0]->shape;

    if (x.rank == 2)
        return LOCKSTEP_OK;
    return ls_node_fail(n, err, "%s: expected (channels, length), got a flat value of %zu (put it before flatten)",
                        n->op->name, x.dim[0]);
}

static struct lk_pool geometry(const struct ls_node *n, size_t rows)
{
    const struct ls_shape x = n->input[0]->shape;
    const size_t kernel = n->attr[KERNEL].n;

    return (struct lk_pool){.B = rows,
                            .C = x.dim[0],
                            .L = x.dim[1],
                            .T = n->shape.dim[1],
                            .kernel = kernel,
                            .stride = n->attr[STRIDE].n ? n->attr[STRIDE].n : kernel,
                            .padding = n->attr[PADDING].n,
                            .count_include_pad = n->attr[COUNT_INCLUDE_PAD].n != 0};
}

/* ceil_mode: the last window may reach beyond the padding, but must begin in the input or in the padding before it. */
static enum lockstep_status windows_shape(struct ls_node *n, struct lockstep_error *err)
{
    struct lk_pool g;
    size_t room;

    if (check_rank(n, err))
        return err->status;
    g = geometry(n, 1);
    if (g.padding > g.kernel / 2)
        return ls_node_fail(n, err, "%s: padding: expected at most half of kernel_size %zu, got %zu", n->op->name,
                            g.kernel, g.padding);
    room = g.L + 2 * g.padding + (n->attr[CEIL_MODE].n ? g.stride - 1 : 0);
    if (room < g.kernel)
        return ls_node_fail(n, err, "%s: expected a window no longer than the padded input, %zu, got %zu", n->op->name,
                            g.L + 2 * g.padding, g.kernel);
    g.T = (room - g.kernel) / g.stride + 1;
    g.T -= (g.T - 1) * g.stride >= g.L + g.padding;
    n->shape = (struct ls_shape){2, {g.C, g.T}};
    return LOCKSTEP_OK;
}

/* Window t among the rows counted from the first one of the padding: [begin, end) of the input, and positions counted.
 */
struct window {
    size_t begin, end, count;
};

static struct window window_of(const struct lk_pool *g, size_t t)
{
    const size_t first = t * g->stride, padded = g->L + 2 * g->padding;
    const size_t last = first + g->kernel < padded ? first + g->kernel : padded;
    struct window w = {.begin = first > g->padding ? first : g->padding,
                       .end = last < g->padding + g->L ? last : g->padding + g->L};

    w.count = g->count_include_pad ? last - first : w.end - w.begin;
    return w;
}

/* ---- max_pool1d ---- */

static enum lockstep_status max_shape(struct ls_node *n, struct lockstep_error *err)
{
    if (windows_shape(n, err))
        return err->status;
    n->work =
        lk_panels(n->shape.dim[0]) * n->shape.dim[1] * LK_PANEL * lk_pool_index_size(n->attr[KERNEL].n) / sizeof(float);
    return LOCKSTEP_OK;
}

static void max_forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_pool g = geometry(n, c->rows);

    c->k->max_pool_fwd(&g, ls_cview(c, n->input[0]->y), ls_view(c, n->y),
                       c->train && n->backward ? ls_work(c, n) : NULL);
}

static void max_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_pool g = geometry(n, c->rows);

    c->k->max_pool_bwd(&g, ls_work(c, n), ls_cview(c, n->d), ls_view(c, n->dx[0]));
}

static void max_define(const struct ls_node *n, const struct ls_reference *r)
{
    const struct lk_pool g = geometry(n, r->rows);

    for (size_t i = 0; i < g.B * g.C * g.T; i++) {
        const double *x = r->x[0] + i / g.T * g.L;
        const struct window w = window_of(&g, i % g.T);

        r->y[i] = x[w.begin - g.padding];
        for (size_t l = w.begin; l < w.end; l++)
            r->y[i] = x[l - g.padding] > r->y[i] ? x[l - g.padding] : r->y[i];
    }
}

/* How near does another element of a window come to its maximum? */
static double max_corner(const struct ls_node *n, const struct ls_reference *r)
{
    const struct lk_pool g = geometry(n, r->rows);
    double nearest = 1.0;

    for (size_t i = 0; i < g.B * g.C * g.T; i++) {
        const double *x = r->x[0] + i / g.T * g.L;
        const struct window w = window_of(&g, i % g.T);
        size_t best = w.begin;

        for (size_t l = w.begin; l < w.end; l++)
            best = x[l - g.padding] > x[best - g.padding] ? l : best;
        for (size_t l = w.begin; l < w.end; l++) {
            const double below = l == best ? 1.0 : x[best - g.padding] - x[l - g.padding];

            nearest = below < nearest ? below : nearest;
        }
    }
    return nearest;
}

/* ---- avg_pool1d ---- */

static void avg_forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_pool g = geometry(n, c->rows);

    c->k->avg_pool_fwd(&g, ls_cview(c, n->input[0]->y), ls_view(c, n->y));
}

static void avg_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_pool g = geometry(n, c->rows);

    c->k->avg_pool_bwd(&g, ls_cview(c, n->d), ls_view(c, n->dx[0]));
}

static void avg_define(const struct ls_node *n, const struct ls_reference *r)
{
    const struct lk_pool g = geometry(n, r->rows);

    for (size_t i = 0; i < g.B * g.C * g.T; i++) {
        const double *x = r->x[0] + i / g.T * g.L;
        const struct window w = window_of(&g, i % g.T);
        double sum = 0.0;

        for (size_t l = w.begin; l < w.end; l++)
            sum += x[l - g.padding];
        r->y[i] = sum / (double)w.count;
    }
}

/* ---- adaptive_avg_pool1d ---- */

static enum lockstep_status adaptive_shape(struct ls_node *n, struct lockstep_error *err)
{
    if (check_rank(n, err))
        return err->status;
    if (n->attr[OUTPUT_SIZE].n != 1)
        return ls_node_fail(n, err, "adaptive_avg_pool1d: output_size: expected 1, got %zu (avg_pool1d has windows)",
                            n->attr[OUTPUT_SIZE].n);
    n->shape = (struct ls_shape){2, {n->input[0]->shape.dim[0], 1}};
    return LOCKSTEP_OK;
}

/* One window: the whole length. */
static struct lk_pool whole(const struct ls_node *n, size_t rows)
{
    const struct ls_shape x = n->input[0]->shape;

    return (struct lk_pool){.B = rows, .C = x.dim[0], .L = x.dim[1], .T = 1, .kernel = x.dim[1], .stride = x.dim[1]};
}

static void adaptive_forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_pool g = whole(n, c->rows);

    c->k->avg_pool_fwd(&g, ls_cview(c, n->input[0]->y), ls_view(c, n->y));
}

static void adaptive_backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct lk_pool g = whole(n, c->rows);

    c->k->avg_pool_bwd(&g, ls_cview(c, n->d), ls_view(c, n->dx[0]));
}

static void adaptive_define(const struct ls_node *n, const struct ls_reference *r)
{
    const size_t L = n->input[0]->shape.dim[1];

    for (size_t i = 0; i < r->rows * n->features; i++) {
        double sum = 0.0;

        for (size_t l = 0; l < L; l++)
            sum += r->x[0][i * L + l];
        r->y[i] = sum / (double)L;
    }
}

const struct ls_op ls_op_max_pool1d = {
    .name = "max_pool1d",
    .example = "input(3, 8) | max_pool1d(3, stride=2, padding=1, ceil_mode=true)",
    .formula = "y[c, t] = the maximum of x[c, l] over t stride - padding <= l < t stride - padding + k",
    .gradient = "dx[c, l] = sum of g[c, t] over the windows whose first maximum is l",
    .shapes = "(C, L) -> (C, T), T = (L + 2 padding - k) / stride + 1, rounded down, with ceil_mode up",
    .kernels = {"max_pool_fwd", "max_pool_bwd"},
    .inputs = 1,
    .attr = {{.name = "kernel_size", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "stride", .kind = LS_ATTR_SIZE},
             {.name = "padding", .kind = LS_ATTR_COUNT},
             {.name = "ceil_mode", .kind = LS_ATTR_BOOL}},
    .chooses = true,
    .shape = max_shape,
    .forward = max_forward,
    .backward = max_backward,
    .define = max_define,
    .corner = max_corner,
};
const struct ls_op ls_op_avg_pool1d = {
    .name = "avg_pool1d",
    .example = "input(3, 8) | avg_pool1d(3, stride=2, padding=1, ceil_mode=true)",
    .formula = "y[c, t] = the mean of x[c, l] over t stride - padding <= l < t stride - padding + k; the zeros of the "
               "padding count, unless count_include_pad=false",
    .gradient = "dx[c, l] = sum of g[c, t] / n[t] over the windows that hold l, n[t] the positions counted",
    .shapes = "(C, L) -> (C, T), T = (L + 2 padding - k) / stride + 1, rounded down, with ceil_mode up",
    .kernels = {"avg_pool_fwd", "avg_pool_bwd"},
    .inputs = 1,
    .attr = {{.name = "kernel_size", .kind = LS_ATTR_SIZE, .required = true},
             {.name = "stride", .kind = LS_ATTR_SIZE},
             {.name = "padding", .kind = LS_ATTR_COUNT},
             {.name = "ceil_mode", .kind = LS_ATTR_BOOL},
             {.name = "count_include_pad", .kind = LS_ATTR_BOOL, .value = 1}},
    .shape = windows_shape,
    .forward = avg_forward,
    .backward = avg_backward,
    .define = avg_define,
};
const struct ls_op ls_op_adaptive_avg_pool1d = {
    .name = "adaptive_avg_pool1d",
    .example = "input(3, 8) | adaptive_avg_pool1d(1)",
    .formula = "y[c] = the mean of x[c, l] over l",
    .gradient = "dx[c, l] = g[c] / L",
    .shapes = "(C, L) -> (C, 1)",
    .kernels = {"avg_pool_fwd", "avg_pool_bwd"},
    .inputs = 1,
    .attr = {{.name = "output_size", .kind = LS_ATTR_SIZE, .required = true}},
    .shape = adaptive_shape,
    .forward = adaptive_forward,
    .backward = adaptive_backward,
    .define = adaptive_define,
};
