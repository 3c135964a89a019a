/* SPDX-License-Identifier: MIT
 * matmul: the product of two values, as torch.matmul without a batch, sample by sample. In memory a value lies
 * transposed, its first dimension in the lanes; so Y = A B is the product Y^T = B^T A^T of panels. A vector A is a row
 * as it lies: y = a B, the transpose of B the weights. */
#include "graph/graph.h"

#include <string.h>

/* (N, K) x (K, M); a vector in front has N = 1, one behind M = 1. */
struct sizes {
    size_t N, K, M;
    bool row; /* A is a vector */
};

/* One sample of a value, as panels. */
struct sample {
    float *p;
    size_t ld;
};

static struct sizes sizes_of(const struct ls_node *n)
{
    const struct ls_shape a = n->input[0]->shape, b = n->input[1]->shape;
    const bool row = a.rank == 1;

    return (struct sizes){row ? 1 : a.dim[0], a.dim[a.rank - 1], b.rank == 1 ? 1 : b.dim[1], row};
}

static struct sample sample_of(const struct ls_context *c, struct ls_buffer b, size_t m)
{
    return (struct sample){ls_rows(c, b) + m * b.pitch * LK_PANEL, b.ld};
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static enum lockstep_status shape(struct ls_node *n, struct lockstep_error *err)
{
    const struct ls_shape a = n->input[0]->shape, b = n->input[1]->shape;
    const struct sizes s = sizes_of(n);
    char text[2][LS_SHAPE_TEXT];
    size_t multiplied, forward, backward;

    if (s.K != b.dim[0])
        return ls_node_fail(n, err, "matmul: expected (n, k) and (k, m), got %s and %s", ls_shape_text(a, text[0]),
                            ls_shape_text(b, text[1]));
    n->shape =
        a.rank == 2 && b.rank == 2 ? (struct ls_shape){2, {s.N, s.M}} : (struct ls_shape){1, {s.row ? s.M : s.N}};
    if (!ls_mul(s.N * s.M, 2 * s.K, &multiplied))
        return ls_node_fail(n, err, "matmul: expected a smaller product than %s x %s", ls_shape_text(a, text[0]),
                            ls_shape_text(b, text[1]));
    n->flops = multiplied;
    forward = LK_PANEL * s.K * lk_panels(s.row ? s.M : s.N);
    backward = LK_PANEL * lk_panels(s.K) * (s.row ? s.M : s.N);
    n->work = larger(forward, backward);
    return LOCKSTEP_OK;
}

/* Dense panels of R rows and C columns. */
static void pack(size_t R, size_t C, struct sample from, float *to)
{
    for (size_t p = 0; p < lk_panels(C); p++)
        memcpy(to + p * R * LK_PANEL, from.p + p * from.ld, R * LK_PANEL * sizeof *to);
}

static void forward(const struct ls_node *n, const struct ls_context *c)
{
    const struct sizes s = sizes_of(n);
    float *w = ls_work(c, n);

    for (size_t m = 0; m < c->rows; m++) {
        const struct sample a = sample_of(c, n->input[0]->y, m), b = sample_of(c, n->input[1]->y, m),
                            y = sample_of(c, n->y, m);

        if (s.row) {
            c->k->transpose(s.M, s.K, b.p, b.ld, w, s.K * LK_PANEL);
            c->k->gemm_fwd(1, s.M, s.K, a.p, a.ld, w, NULL, y.p, y.ld, LK_ACT_NONE);
        } else {
            pack(s.K, s.N, a, w);
            c->k->gemm_fwd(s.M, s.N, s.K, b.p, b.ld, w, NULL, y.p, y.ld, LK_ACT_NONE);
        }
    }
}

/* dA = G B^T. */
static void gradient_a(const struct ls_context *c, struct sizes s, struct sample b, struct sample g, float *w,
                       struct sample da)
{
    if (s.row) {
        pack(s.M, s.K, b, w);
        c->k->gemm_dx(1, s.K, s.M, g.p, g.ld, w, NULL, 0, LK_ACT_NONE, da.p, da.ld);
    } else {
        c->k->gemm_dw(s.K, s.N, s.M, b.p, b.ld, g.p, g.ld, da.p, da.ld, NULL, 1, NULL);
    }
}

/* dB = A^T G. */
static void gradient_b(const struct ls_context *c, struct sizes s, struct sample a, struct sample g, float *w,
                       struct sample db)
{
    if (s.row) {
        c->k->gemm_dw(s.M, s.K, 1, g.p, g.ld, a.p, a.ld, db.p, db.ld, NULL, 1, NULL);
    } else {
        c->k->transpose(s.K, s.N, a.p, a.ld, w, s.N * LK_PANEL);
        c->k->gemm_dx(s.M, s.K, s.N, g.p, g.ld, w, NULL, 0, LK_ACT_NONE, db.p, db.ld);
    }
}

static void backward(const struct ls_node *n, const struct ls_context *c)
{
    const struct sizes s = sizes_of(n);
    float *w = ls_work(c, n);

    for (size_t m = 0; m < c->rows; m++) {
        const struct sample g = sample_of(c, n->d, m);

        if (n->wants_dx[0])
            gradient_a(c, s, sample_of(c, n->input[1]->y, m), g, w, sample_of(c, n->dx[0], m));
        if (n->wants_dx[1])
            gradient_b(c, s, sample_of(c, n->input[0]->y, m), g, w, sample_of(c, n->dx[1], m));
    }
}

static void define(const struct ls_node *n, const struct ls_reference *r)
{
    const struct sizes s = sizes_of(n);

    for (size_t b = 0; b < r->rows; b++)
        for (size_t i = 0; i < s.N; i++)
            for (size_t j = 0; j < s.M; j++) {
                double sum = 0.0;

                for (size_t k = 0; k < s.K; k++)
                    sum += r->x[0][(b * s.N + i) * s.K + k] * r->x[1][(b * s.K + k) * s.M + j];
                r->y[(b * s.N + i) * s.M + j] = sum;
            }
}

const struct ls_op ls_op_matmul = {
    .name = "matmul",
    .example = "matmul(parameter(5, 3), input(3, 4))",
    .formula = "Y = A B",
    .gradient = "dA = G B^T, dB = A^T G",
    .shapes = "(n, k), (k, m) -> (n, m); (n, k), (k) -> (n); (k), (k, m) -> (m); (k), (k) -> (1)",
    .kernels = {"transpose gemm_fwd", "transpose gemm_dx gemm_dw"},
    .inputs = 2,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .define = define,
};
