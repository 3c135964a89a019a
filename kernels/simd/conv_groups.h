/* SPDX-License-Identifier: MIT
 *
 * Convolutions with groups of channels, which begin at any lane: one vector of rows at a time, all lanes computed and
 * those of the group stored; depthwise, both operands are vectors.
 */
#ifndef LK_SIMD_CONV_GROUPS_H
#define LK_SIMD_CONV_GROUPS_H

#include "simd/conv_tiles.h"

enum { CONV_ROWS = 8 }; /* chains in registers */

/* Columns lo..hi-1 of the vector at column n take x, others keep what is there, those from N on become +0. */
LK_INLINE void store_columns(float *p, vf x, size_t n, size_t lo, size_t hi, size_t N)
{
    const vf old = v_load(p);

    if (hi < n + VL)
        x = v_keep(x, hi > n ? hi - n : 0, old);
    if (lo > n)
        x = v_keep(old, lo - n, x);
    if (N < n + VL)
        x = v_keep(x, N > n ? N - n : 0, v_zero());
    v_store(p, x);
}

/* Columns lo..hi-1 are those of a group with channels from q on; depthwise, all columns, each with its channel. */
struct group {
    size_t lo, hi, q;
};

/* The vector at column n of mr rows from m on. */
LK_INLINE void group_rows(const int mr, const int depthwise, const struct product *g, struct group j, size_t m,
                          size_t n)
{
    const float *a = g->a + m * g->ars, *b = g->b + n / P * g->ldb + n % P;
    const vf start = g->bias ? v_load_n(g->bias + n, rest_at(g->N, n)) : v_zero();
    vf acc[CONV_ROWS];

    LK_UNROLL for (int i = 0; i < mr; i++) acc[i] = start;
    for (size_t part = 0; part < g->parts; part++, a += g->a_part, b += g->b_part)
        for (size_t k = 0; k < g->K; k++) {
            const size_t channel = depthwise ? n : j.q + k;
            const float *x = a + channel / P * g->lda + channel % P;
            const vf w = v_load(b + k * P);

            LK_UNROLL for (int i = 0; i < mr; i++)
            {
                const float *xi = x + (size_t)i * g->ars;

                acc[i] = v_fma(depthwise ? v_load(xi) : v_set1(*xi), w, acc[i]);
            }
        }
    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        const size_t row = (m + (size_t)i) * g->crs + n % P;

        store_columns(g->c + n / P * g->ldc + row,
                      whole_finish(g->backward, g->act, acc[i], g->y + n / P * g->ldy + row), n, j.lo, j.hi, g->N);
    }
}

/* All rows of the vector at column n. */
LK_INLINE void group_vector(const int depthwise, const struct product *g, struct group j, size_t n)
{
    size_t m = 0;

    for (; m + CONV_ROWS <= g->M; m += CONV_ROWS)
        group_rows(CONV_ROWS, depthwise, g, j, m, n);
    for (; m + 4 <= g->M; m += 4)
        group_rows(4, depthwise, g, j, m, n);
    for (; m < g->M; m++)
        group_rows(1, depthwise, g, j, m, n);
}

/* The end of the vectors of a group: the last one writes the pad of its panel, too. */
LK_INLINE size_t group_end(struct group j, size_t N)
{
    return j.hi < N ? j.hi : lk_panels(N) * P;
}

static void conv_groups(const struct conv_product *p)
{
    const int depthwise = p->g.K == 1 && p->columns == 1;
    const size_t columns = depthwise ? p->g.N : p->columns;
    struct product g = p->g;

    for (size_t b = 0; b < p->samples; b++, g.a += p->a, g.c += p->c, g.y += p->y)
        for (struct group j = {0, columns, 0}; j.lo < g.N; j.lo += columns, j.hi += columns, j.q += g.K)
            for (size_t n = j.lo / VL * VL; n < group_end(j, g.N); n += VL) {
                if (depthwise)
                    group_vector(1, &g, j, n);
                else
                    group_vector(0, &g, j, n);
            }
}

/* Chains of mr rows of one vector, or depthwise of mr vectors: x[i] is the first element of the left operand. */
LK_INLINE void group_chains(const int mr, const int depthwise, const struct product *g, const float *const *x,
                            const float *d, vf *acc)
{
    for (size_t b = 0; b < g->parts; b++)
        for (size_t t = 0; t < g->K; t++) {
            const ptrdiff_t at = (ptrdiff_t)b * g->a_part + (ptrdiff_t)t * g->acs;
            const float *row = d + b * g->b_part + t * P;
            const vf r = v_load(row);

            LK_UNROLL for (int i = 0; i < mr; i++)
            {
                if (depthwise)
                    acc[i] = v_fma(v_load(x[i] + at), v_load(row + vector_at(i, g->ldb)), acc[i]);
                else
                    acc[i] = v_fma(v_set1(x[i][at]), r, acc[i]);
            }
        }
}

/* Gradients of mr rows from m on of the vector at column n; depthwise, of mr vectors. */
LK_INLINE void dw_group_rows(const int mr, const int depthwise, const struct product *g, struct group j, size_t m,
                             size_t n)
{
    float *c = g->c + n / P * g->ldc + m * P + n % P;
    const float *x[CONV_ROWS];
    vf acc[CONV_ROWS];

    LK_UNROLL for (int i = 0; i < mr; i++)
    {
        const size_t channel = j.q + (depthwise ? n + (size_t)i * VL : m + (size_t)i);

        x[i] = g->a + channel / P * g->lda + channel % P;
        acc[i] = g->from_c ? v_load(c + (depthwise ? vector_at(i, g->ldc) : (size_t)i * P)) : v_zero();
    }
    group_chains(mr, depthwise, g, x, g->b + n / P * g->ldb + n % P, acc);
    LK_UNROLL for (int i = 0; i < mr; i++)
        store_columns(c + (depthwise ? vector_at(i, g->ldc) : (size_t)i * P), v_add(acc[i], v_zero()),
                      depthwise ? n + (size_t)i * VL : n, j.lo, j.hi, g->N);
}

static void dw_groups(const struct product *g, struct group j)
{
    for (size_t n = j.lo / VL * VL; n < group_end(j, g->N); n += VL) {
        size_t m = 0;

        for (; m + CONV_ROWS <= g->M; m += CONV_ROWS)
            dw_group_rows(CONV_ROWS, 0, g, j, m, n);
        for (; m + 4 <= g->M; m += 4)
            dw_group_rows(4, 0, g, j, m, n);
        for (; m < g->M; m++)
            dw_group_rows(1, 0, g, j, m, n);
    }
}

static void dw_depthwise(const struct product *g, struct group all)
{
    const size_t end = lk_panels(g->N) * P;
    size_t n = 0;

    for (; g->M && n + CONV_ROWS * VL <= end; n += CONV_ROWS * VL)
        dw_group_rows(CONV_ROWS, 1, g, all, 0, n);
    for (; g->M && n + 4 * VL <= end; n += 4 * VL)
        dw_group_rows(4, 1, g, all, 0, n);
    for (; g->M && n < end; n += P)
        dw_group_rows(VPP, 1, g, all, 0, n);
}

/* Groups that columns o0..o0+N-1 belong to, from c0 on: j counts columns from o0. */
static void dw_all_groups(const struct lk_conv *c, const struct product *g, size_t c0, size_t o0)
{
    const size_t Cg = c->C / c->groups, Og = c->O / c->groups;

    if (Cg == 1 && Og == 1) {
        dw_depthwise(g, (struct group){0, g->N, o0});
        return;
    }
    for (size_t o = o0; o < o0 + g->N;) {
        const size_t next = (o / Og + 1) * Og, end = next < o0 + g->N ? next : o0 + g->N;

        dw_groups(g, (struct group){o - o0, end - o0, o / Og * Cg + c0});
        o = end;
    }
}

/* With groups, tap by tap. */
static void dw_grouped(const struct lk_conv *c, struct product *g, size_t r, size_t M, size_t o0)
{
    const size_t Cg = c->C / c->groups, end = r + M;
    const float *a = g->a;

    for (; r < end; r += g->M) {
        g->M = smaller(Cg - r % Cg, end - r);
        g->a = a + r / Cg * c->dilation * P;
        dw_all_groups(c, g, r % Cg, o0);
        g->c += g->M * P;
    }
}

#endif
