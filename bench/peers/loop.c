/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include "core/team.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

struct layer {
    size_t in, out;
    float *w, *b, *mw, *mb, *gw; /* (in, out) row-major, (out) */
    float *y, *d;                /* (batch, out): values, gradients of the sums */
};

struct loop {
    enum peer peer;
    int n, threads;
    size_t batch;
    struct layer layer[LOOP_LAYERS];
    float *x, *loss; /* (batch, in), (batch) */
};

static float *zeros(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);

    for (size_t i = 0; p && i < n; i++)
        p[i] = 0.0f;
    return p;
}

/* He: uniform of the same variance. */
static void init(float *w, size_t in, size_t out)
{
    const float limit = sqrtf(6.0f / (float)in);
    uint64_t state = 1;

    for (size_t i = 0; i < in * out; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        w[i] = limit * (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
}

struct loop *loop_open(enum peer p, const size_t *sizes, int n, size_t batch, int threads)
{
    struct loop *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    *l = (struct loop){
        .peer = p, .n = n, .threads = threads, .batch = batch, .x = zeros(batch * sizes[0]), .loss = zeros(batch)};
    for (int i = 0; i < n; i++) {
        const size_t in = sizes[i], out = sizes[i + 1];

        l->layer[i] = (struct layer){in,
                                     out,
                                     zeros(in * out),
                                     zeros(out),
                                     zeros(in * out),
                                     zeros(out),
                                     zeros(in * out),
                                     zeros(batch * out),
                                     zeros(batch * out)};
        init(l->layer[i].w, in, out);
    }
    return l;
}

void loop_close(struct loop *l)
{
    for (int i = 0; i < l->n; i++) {
        struct layer *a = &l->layer[i];

        free(a->w), free(a->b), free(a->mw), free(a->mb), free(a->gw), free(a->y), free(a->d);
    }
    free(l->x);
    free(l->loss);
    free(l);
}

static void gather(struct loop *l, const uint8_t *x, const uint32_t *index, size_t r0, size_t r1)
{
    const size_t in = l->layer[0].in;

    for (size_t r = r0; r < r1; r++)
        for (size_t i = 0; i < in; i++)
            l->x[r * in + i] = (float)x[index[r] * in + i] * (1.0f / 255);
}

/* Input of layer i. */
static float *input(struct loop *l, int i)
{
    return i ? l->layer[i - 1].y : l->x;
}

static void forward(struct loop *l, size_t r0, size_t r1)
{
    for (int i = 0; i < l->n; i++) {
        struct layer *a = &l->layer[i];
        float *y = a->y + r0 * a->out;

        peer_sgemm(l->peer, false, false, r1 - r0, a->out, a->in, input(l, i) + r0 * a->in, a->in, a->w, a->out, y,
                   a->out);
        for (size_t r = 0; r < r1 - r0; r++)
            for (size_t o = 0; o < a->out; o++) {
                const float v = y[r * a->out + o] + a->b[o];

                y[r * a->out + o] = i + 1 < l->n && v < 0.0f ? 0.0f : v;
            }
    }
}

/* Gradient of the logits and loss of each row. */
static void cross_entropy(struct loop *l, const uint8_t *label, const uint32_t *index, size_t r0, size_t r1)
{
    const struct layer *a = &l->layer[l->n - 1];

    for (size_t r = r0; r < r1; r++) {
        const float *z = a->y + r * a->out;
        const size_t right = label[index[r]];
        float *d = a->d + r * a->out, max = z[0], sum = 0.0f;

        for (size_t o = 1; o < a->out; o++)
            max = z[o] > max ? z[o] : max;
        for (size_t o = 0; o < a->out; o++)
            sum += d[o] = expf(z[o] - max);
        l->loss[r] = logf(sum) - (z[right] - max);
        for (size_t o = 0; o < a->out; o++)
            d[o] = (d[o] / sum - (o == right ? 1.0f : 0.0f)) / (float)l->batch;
    }
}

static void backward(struct loop *l, size_t r0, size_t r1)
{
    for (int i = l->n - 1; i > 0; i--) {
        struct layer *a = &l->layer[i], *before = &l->layer[i - 1];
        float *d = before->d + r0 * a->in;
        const float *y = before->y + r0 * a->in;

        peer_sgemm(l->peer, false, true, r1 - r0, a->in, a->out, a->d + r0 * a->out, a->out, a->w, a->out, d, a->in);
        for (size_t j = 0; j < (r1 - r0) * a->in; j++)
            d[j] = y[j] > 0.0f ? d[j] : 0.0f;
    }
}

static void momentum(size_t n, const float *g, float *w, float *m)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + g[i];
        w[i] -= 0.05f * m[i];
    }
}

/* Worker t: its rows of the weight gradient of each layer and their update; the last one the biases, too. */
static void update(struct loop *l, int t)
{
    for (int i = 0; i < l->n; i++) {
        struct layer *a = &l->layer[i];
        size_t i0, i1;

        ls_span(a->in, (size_t)l->threads, (size_t)t, &i0, &i1);
        peer_sgemm(l->peer, true, false, i1 - i0, a->out, l->batch, input(l, i) + i0, a->in, a->d, a->out,
                   a->gw + i0 * a->out, a->out);
        momentum((i1 - i0) * a->out, a->gw + i0 * a->out, a->w + i0 * a->out, a->mw + i0 * a->out);
        ls_span(a->out, (size_t)l->threads, (size_t)t, &i0, &i1);
        for (size_t o = i0; o < i1; o++)
            a->mb[o] *= 0.9f;
        for (size_t r = 0; r < l->batch; r++)
            for (size_t o = i0; o < i1; o++)
                a->mb[o] += a->d[r * a->out + o];
        for (size_t o = i0; o < i1; o++)
            a->b[o] -= 0.05f * a->mb[o];
    }
}

double loop_run(struct loop *l, const uint8_t *x, const uint8_t *label, const uint32_t *index, size_t steps)
{
    const uint64_t start = ls_now();

    peer_threads(l->peer, 1); /* each worker calls for itself */
#pragma omp parallel num_threads(l->threads)
    {
        const int t = omp_get_thread_num();
        const unsigned saved = lk_fpenv_enter();
        size_t r0, r1;

        ls_span(l->batch, (size_t)l->threads, (size_t)t, &r0, &r1);
        for (size_t s = 0; s < steps; s++) {
            const uint32_t *rows = index + s * l->batch;

            gather(l, x, rows, r0, r1);
            forward(l, r0, r1);
            cross_entropy(l, label, rows, r0, r1);
            backward(l, r0, r1);
#pragma omp barrier
            update(l, t);
#pragma omp barrier
        }
        lk_fpenv_leave(saved);
    }
    return (double)(ls_now() - start) * 1e-9;
}

double loop_loss(const struct loop *l)
{
    double sum = 0.0;

    for (size_t r = 0; r < l->batch; r++)
        sum += (double)l->loss[r];
    return sum / (double)l->batch;
}
