/* SPDX-License-Identifier: MIT
 *
 * lockstep-peers: Lockstep beside other libraries.
 *
 *   gemm THREADS ROUNDS      the matrix products of mlp and those of 2048 x 2048 matrices, of all libraries in turn: a
 *                            table of their time / ours
 *   train WHO MODEL BATCH THREADS DATA   for each line on stdin one epoch of whole batches; prints "SECONDS LOSS".
 *                            WHO lockstep, lockstep-skip (zeros of the pixels left out): a built-in MODEL;
 *                            openblas, blis or onednn (loop.c): two-layer or mlp; sgd with momentum
 *   versions
 *
 * Ours takes operands in panels, as in a step; theirs row-major, as they are specified, and packs them inside.
 */
#include "loop.h"

#include "core/team.h"
#include "runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *why)
{
    fprintf(stderr, "lockstep-peers: %s\n", why);
    exit(1);
}

static float *noise(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    uint64_t state = 1;

    if (!p)
        fail("out of memory");
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    return p;
}

/* ---- matrix products ---- */

enum kind { FORWARD, DX, DW };

/* A layer's product: batch, inputs, outputs. */
struct shape {
    enum kind kind;
    size_t b, i, o;
};

/* Operands large enough for either form. */
struct operands {
    float *a, *w, *c, *bias;
};

static void ours_worker(const struct lk_kernels *k, const struct shape *s, const struct operands *m, size_t T, size_t t)
{
    const size_t ld = (s->b | 1) * LK_PANEL; /* as place.c places values */
    size_t r0, r1;

    if (s->kind == DW) { /* rows of the gradient, whole panels */
        ls_span(lk_panels(s->i), T, t, &r0, &r1);
        const size_t end = r1 * LK_PANEL < s->i ? r1 * LK_PANEL : s->i;

        k->gemm_dw(end - r0 * LK_PANEL, s->o, s->b, m->a + r0 * ld, ld, m->w, ld, m->c + r0 * LK_PANEL * LK_PANEL,
                   s->i * LK_PANEL, NULL, 1, NULL);
        return;
    }
    ls_span(s->b, T, t, &r0, &r1);
    if (s->kind == FORWARD)
        k->gemm_fwd(r1 - r0, s->o, s->i, m->a + r0 * LK_PANEL, ld, m->w, NULL, m->c + r0 * LK_PANEL, ld, LK_ACT_NONE);
    else
        k->gemm_dx(r1 - r0, s->i, s->o, m->a + r0 * LK_PANEL, ld, m->w, NULL, 0, LK_ACT_NONE, m->c + r0 * LK_PANEL, ld);
}

static void ours(const struct lk_kernels *k, const struct shape *s, const struct operands *m, int threads)
{
    if (threads == 1) {
        ours_worker(k, s, m, 1, 0);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; t++)
        ours_worker(k, s, m, (size_t)threads, (size_t)t);
}

static void theirs(enum peer p, const struct shape *s, const struct operands *m)
{
    if (s->kind == FORWARD)
        peer_sgemm(p, false, false, s->b, s->o, s->i, m->a, s->i, m->w, s->o, m->c, s->o);
    else if (s->kind == DX)
        peer_sgemm(p, false, true, s->b, s->i, s->o, m->a, s->o, m->w, s->o, m->c, s->i);
    else
        peer_sgemm(p, true, false, s->i, s->o, s->b, m->a, s->i, m->w, s->o, m->c, s->o);
}

/* Contestant 0 is ours, then the peers. */
static double seconds_of(int who, const struct lk_kernels *k, const struct shape *s, const struct operands *m,
                         int threads, size_t times)
{
    uint64_t start;

    if (who)
        peer_threads((enum peer)(who - 1), threads);
    start = ls_now();
    for (size_t i = 0; i < times; i++)
        if (who)
            theirs((enum peer)(who - 1), s, m);
        else
            ours(k, s, m, threads);
    return (double)(ls_now() - start) * 1e-9 / (double)times;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, ascending);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static void compare(const struct shape *s, const bool there[PEERS], int threads, size_t rounds,
                    const struct lk_kernels *k)
{
    static const char *const names[] = {"forward", "dX", "dW"};
    const size_t wide = (s->i > s->o ? s->i : s->o) + LK_PANEL, most = wide * ((s->b > wide ? s->b : wide) | 1);
    const struct operands m = {noise(most), noise(most), noise(most), NULL};
    double(*time)[rounds] = malloc((PEERS + 1) * sizeof *time);
    double flops = 2.0 * (double)s->b * (double)s->i * (double)s->o, first[rounds];
    size_t times[PEERS + 1] = {0};

    if (!time)
        fail("out of memory");
    for (int who = 0; who <= PEERS; who++)
        if (!who || there[who - 1]) {
            seconds_of(who, k, s, &m, threads, 1);
            times[who] = 1 + (size_t)(0.005 / seconds_of(who, k, s, &m, threads, 1));
        }
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i <= PEERS; i++) {
            const int who = (int)((r + (size_t)i) % (PEERS + 1));

            if (times[who])
                time[who][r] = seconds_of(who, k, s, &m, threads, times[who]);
        }
    memcpy(first, time[0], sizeof first);
    printf("| %s, %zu, %zu -> %zu | %.1f |", names[s->kind], s->b, s->i, s->o, flops / median(first, rounds) * 1e-9);
    for (int who = 1; who <= PEERS; who++) {
        for (size_t r = 0; r < rounds; r++)
            time[who][r] /= time[0][r];
        if (times[who])
            printf(" %.2f |", median(time[who], rounds));
        else
            printf(" - |");
    }
    putchar('\n');
    fflush(stdout);
    free(time);
    free(m.a), free(m.w), free(m.c);
}

static void gemm(int threads, size_t rounds)
{
    static const size_t layers[][2] = {{784, 512}, {512, 256}, {256, 10}, {784, 100}}, batches[] = {100, 1024, 8192};
    struct lk_table table;
    bool there[PEERS];

    lk_table_init(&table, lk_isa_preferred(lk_cpu_features()), lk_cpu_features());
    lk_fpenv_enter();
    printf("| product, batch, layer | GFLOP/s of ours |");
    for (int p = 0; p < PEERS; p++) {
        there[p] = peer_open((enum peer)p);
        printf(" %s |", peer_names[p]);
    }
    printf("\n| --- | --- | --- | --- | --- |\n");
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
        for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
            for (enum kind kind = FORWARD; kind <= DW; kind++)
                compare(&(struct shape){kind, batches[b], layers[l][0], layers[l][1]}, there, threads, rounds,
                        &table.k);
    for (enum kind kind = FORWARD; kind <= DW; kind++)
        compare(&(struct shape){kind, 2048, 2048, 2048}, there, threads, rounds, &table.k);
}

/* ---- training ---- */

/* The same order for all. */
static uint32_t *scattered(size_t rows)
{
    uint32_t *index = malloc(rows * sizeof *index);

    if (!index)
        fail("out of memory");
    for (size_t i = 0; i < rows; i++)
        index[i] = (uint32_t)(i * 7919 % rows);
    return index;
}

static void train_ours(const char *zero_skip, const char *model, size_t batch, int threads,
                       const struct lockstep_data *data)
{
    const struct lockstep_options options = {.threads = (unsigned)threads, .zero_skip = zero_skip};
    struct lockstep_recipe recipe;
    struct lockstep_error err;
    struct bench_steps *s;
    char line[16];

    lockstep_recipe_init(&recipe);
    recipe.batch = batch;
    recipe.optimizer = "sgd";
    recipe.lr = 0.05;
    recipe.momentum = 0.9;
    s = bench_steps_open(model, &recipe, &options, data, &err);
    if (!s)
        fail(err.text);
    while (fgets(line, sizeof line, stdin)) {
        double seconds, peak;

        bench_steps_run(s, lockstep_data_rows(data) / batch, &seconds, &peak);
        printf("%.6f %.4f\n", seconds, bench_steps_loss(s));
        fflush(stdout);
    }
    bench_steps_close(s);
}

static void train_loop(enum peer p, const char *model, size_t batch, int threads, const struct lockstep_data *data)
{
    static const size_t mlp[] = {784, 512, 256, 10}, two[] = {784, 100, 10};
    const bool deep = !strcmp(model, "mlp");
    const size_t rows = lockstep_data_rows(data);
    uint32_t *index = scattered(rows);
    struct loop *l;
    char line[16];

    if (!deep && strcmp(model, "two-layer"))
        fail("train: expected two-layer or mlp of the loop over a library");
    if (!peer_open(p))
        fail("this library is not installed");
    l = loop_open(p, deep ? mlp : two, deep ? 3 : 2, batch, threads);
    if (!l)
        fail("out of memory");
    while (fgets(line, sizeof line, stdin)) {
        const double seconds = loop_run(l, bench_data_bytes(data), lockstep_data_labels(data), index, rows / batch);

        printf("%.6f %.4f\n", seconds, loop_loss(l));
        fflush(stdout);
    }
    loop_close(l);
    free(index);
}

static void train(char **argv)
{
    struct lockstep_data *data;
    struct lockstep_error err;
    const size_t batch = (size_t)atol(argv[2]);
    const int threads = atoi(argv[3]);

    if (batch < 1 || threads < 1)
        fail("train: expected WHO MODEL BATCH THREADS DATA");
    if (lockstep_data_open(argv[4], LOCKSTEP_TRAIN, NULL, &data, &err))
        fail(err.text);
    if (!strcmp(argv[0], "lockstep"))
        train_ours("off", argv[1], batch, threads, data);
    if (!strcmp(argv[0], "lockstep-skip"))
        train_ours("on", argv[1], batch, threads, data);
    for (int p = 0; p < PEERS; p++)
        if (!strcmp(argv[0], peer_names[p]))
            train_loop((enum peer)p, argv[1], batch, threads, data);
    lockstep_data_free(data);
}

int main(int argc, char **argv)
{
    char text[256];

    if (argc == 4 && !strcmp(argv[1], "gemm") && atoi(argv[2]) > 0 && atol(argv[3]) > 0)
        gemm(atoi(argv[2]), (size_t)atol(argv[3]));
    else if (argc == 7 && !strcmp(argv[1], "train"))
        train(argv + 2);
    else if (argc == 2 && !strcmp(argv[1], "versions"))
        for (int p = 0; p < PEERS; p++) {
            if (peer_open((enum peer)p))
                peer_version((enum peer)p, text, sizeof text);
            else
                snprintf(text, sizeof text, "not installed");
            printf("%s %s\n", peer_names[p], text);
        }
    else
        fail("expected gemm THREADS ROUNDS, train WHO MODEL BATCH THREADS DATA, or versions");
    return 0;
}
