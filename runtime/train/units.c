/* SPDX-License-Identifier: MIT */
#include "train/units.h"

#include <string.h>

/* A contiguous run of parameters: `at` in a flat array, `packed` in a scratch block. */
struct segment {
    size_t at, packed, n;
};

enum { SEGMENTS = LS_UNIT_COLS_MOST / LK_PANEL + 1 };

/* Where the first weight of a unit lies in a flat array. */
static size_t place_of(const struct ls_param *w, const struct ls_unit *u)
{
    return w->offset + (u->col / LK_PANEL * w->rows + u->row) * LK_PANEL;
}

/* The runs of a unit: one for each panel of its matrix, one for the bias (owned with the first rows). */
static size_t segments_of(const struct ls_graph *g, const struct ls_unit *u, struct segment s[SEGMENTS])
{
    const struct ls_node *n = &g->node[u->node];
    const struct ls_param *w = &n->param[u->param], *bias = &n->param[1];
    const size_t panels = lk_panels(u->cols), panel = u->col / LK_PANEL, run = u->rows * LK_PANEL;
    size_t count = 0;

    for (size_t p = 0; p < panels; p++)
        s[count++] = (struct segment){place_of(w, u) + p * w->rows * LK_PANEL, p * run, run};
    if (n->n_params > 1 && !bias->apart && u->row == 0)
        s[count++] = (struct segment){bias->offset + panel * LK_PANEL, panels * run, panels * LK_PANEL};
    return count;
}

static float *segment_in(struct ls_gradient g, const struct segment *s)
{
    return g.base + (g.packed ? s->packed : s->at);
}

struct lk_next ls_unit_next(const struct ls_engine *e, const struct ls_unit *u, const float *left, bool update)
{
    const struct ls_param *w = &e->g->node[u->node].param[u->param];
    const float *const flat[LK_NEXT] = {left, update ? e->w : NULL, update ? e->state[0] : NULL,
                                        update ? e->state[1] : NULL};
    struct lk_next next = {.ld = w->rows * LK_PANEL};

    for (size_t i = 0; i < LK_NEXT; i++)
        if (flat[i])
            next.p[next.n++] = flat[i] + place_of(w, u);
    return next;
}

/* Continue the chains of a unit over the rows in context. */
void ls_unit_chains(const struct ls_engine *e, const struct ls_context *c, const struct ls_unit *u,
                    struct ls_gradient g, bool first)
{
    const struct ls_node *n = &e->g->node[u->node];
    struct segment s[SEGMENTS];
    const size_t panels = lk_panels(u->cols);
    const bool bias = segments_of(e->g, u, s) > panels;

    n->op->grad(n, c, u, segment_in(g, &s[0]), (g.packed ? u->rows : n->param[u->param].rows) * LK_PANEL,
                bias ? segment_in(g, &s[panels]) : NULL, first);
}

/* left += right */
void ls_unit_add(const struct ls_engine *e, const struct ls_unit *u, struct ls_gradient left, struct ls_gradient right)
{
    struct segment s[SEGMENTS];

    for (size_t i = 0, n = segments_of(e->g, u, s); i < n; i++)
        e->kernels.k.add(s[i].n, segment_in(left, &s[i]), segment_in(right, &s[i]), segment_in(left, &s[i]));
}

/* Weights whose groups do not begin with a panel, element by element. */
static void transpose_groups(const struct ls_param *p, const struct ls_unit *u, const float *w, float *wt)
{
    const size_t inputs = p->rows / ls_taps(p), outputs = p->cols / ls_groups(p), rows = ls_transposed_rows(p);

    for (size_t r = u->row; r < u->row + u->rows; r++)
        for (size_t o = u->col; o < u->col + u->cols; o++) {
            const size_t c = o / outputs * inputs + r % inputs, k = r / inputs * outputs + o % outputs;

            wt[(c / LK_PANEL * rows + k) * LK_PANEL + c % LK_PANEL] =
                w[(o / LK_PANEL * p->rows + r) * LK_PANEL + o % LK_PANEL];
        }
}

void ls_unit_transpose(struct ls_engine *e, const struct ls_unit *u)
{
    const struct ls_param *p = &e->g->node[u->node].param[u->param];
    const float *w = e->w + p->offset;
    float *wt = e->wt + p->wt_offset;
    const size_t inputs = p->rows / ls_taps(p), panel = u->col / LK_PANEL, ldwt = ls_transposed_rows(p) * LK_PANEL;

    if (!p->transposed)
        return;
    if (ls_groups(p) > 1) {
        transpose_groups(p, u, w, wt);
        return;
    }
    for (size_t r = u->row, rows; r < u->row + u->rows; r += rows) {
        const size_t tap = r / inputs, c = r % inputs, left = u->row + u->rows - r;

        rows = left < inputs - c ? left : inputs - c;
        e->kernels.k.transpose(rows, u->cols, w + (panel * p->rows + r) * LK_PANEL, p->rows * LK_PANEL,
                               wt + c / LK_PANEL * ldwt + (tap * p->cols + u->col) * LK_PANEL, ldwt);
    }
}

/* The gradient of a unit is complete: update its parameters, or keep it. */
void ls_unit_finish(struct ls_engine *e, const struct ls_unit *u, struct ls_gradient g,
                    const struct ls_optim_step *step)
{
    struct segment s[SEGMENTS];
    const size_t n = segments_of(e->g, u, s);
    bool finite = true;

    for (size_t i = 0; i < n; i++) {
        float *const state[2] = {e->state[0] + s[i].at, e->state[1] ? e->state[1] + s[i].at : NULL};

        if (step)
            finite &= e->optim->apply(&e->kernels.k, step, s[i].n, segment_in(g, &s[i]), e->w + s[i].at, state);
        else
            memcpy(e->root + s[i].at, segment_in(g, &s[i]), s[i].n * sizeof(float));
    }
    if (!step)
        return;
    ls_unit_transpose(e, u);
    /* With zeros left out a weight that is not finite would go unseen by the rows where its input is 0. */
    if (e->skip && e->g->node[u->node].skips && !finite)
        atomic_store_explicit(&e->bad_weights, true, memory_order_relaxed);
}
