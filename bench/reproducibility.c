/* SPDX-License-Identifier: MIT
 *
 * lockstep-bench-reproducibility [ROUNDS]: what "one answer, any schedule" costs. Training steps of mlp with adam on
 * the built-in digits, at batch 100, 1024 and 8192, by 1 thread and by 2: the product against variants that give it up.
 *
 *   shards = threads   the batch in as many parts as threads, not in parts that follow from its size
 *   copies, one sum    a copy of the gradient for each thread, their plain sum, no tree
 *   four chains        every sum over k of the matrix products in four chains (split.h)
 *
 * A round runs all four in turn, some 30 ms each, begun by another one each time. Printed: the median time of a step,
 * and of each variant the median over the rounds of its time / the product's in the same round, with quartiles. Below 1
 * the product pays for reproducibility.
 */
#include "cpu.h"
#include "runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIANTS = 4, ROUNDS_MAX = 1000 };

void bench_split_avx2(struct lk_kernels *k);
void bench_split_avx512(struct lk_kernels *k);

static const struct variant {
    const char *name, *reduce;
    bool by_threads, split;
} variants[VARIANTS] = {
    {"product", "owners", false, false},
    {"shards = threads", "owners", true, false},
    {"copies, one sum", "replicas", true, false},
    {"four chains", "owners", false, true},
};

static void fail(const char *why)
{
    fprintf(stderr, "lockstep-bench-reproducibility: %s\n", why);
    exit(1);
}

static struct bench_steps *open_variant(const struct variant *v, size_t batch, unsigned threads,
                                        const struct lockstep_data *data)
{
    const enum lk_isa isa = lk_isa_preferred(lk_cpu_features());
    const struct lockstep_options options = {
        .threads = threads, .isa = lk_isa_name(isa), .reduce = v->reduce, .zero_skip = "off"};
    struct lockstep_recipe recipe;
    struct lockstep_error err;
    struct bench_steps *s;

    lockstep_recipe_init(&recipe);
    recipe.batch = batch;
    recipe.shards = v->by_threads ? threads : 0;
    s = bench_steps_open("mlp", &recipe, &options, data, &err);
    if (!s)
        fail(err.text);
    if (v->split && isa == LK_ISA_avx512)
        bench_split_avx512(bench_steps_kernels(s));
    else if (v->split)
        bench_split_avx2(bench_steps_kernels(s));
    return s;
}

static double step_seconds(struct bench_steps *s, size_t steps)
{
    double seconds, peak;

    bench_steps_run(s, steps, &seconds, &peak);
    return seconds / (double)steps;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Quantile q of n values, which are sorted. */
static double quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, ascending);
    return v[(size_t)(q * (double)(n - 1) + 0.5)];
}

/* Do all variants learn the same? Their losses differ by rounding only. */
static void check_losses(struct bench_steps *const s[VARIANTS])
{
    const double loss = bench_steps_loss(s[0]);

    for (int v = 1; v < VARIANTS; v++)
        if (!(fabs(bench_steps_loss(s[v]) - loss) < 0.05 * loss + 0.01))
            fail("a variant trains to another loss");
}

static void print_row(size_t batch, unsigned threads, double time[VARIANTS][ROUNDS_MAX], size_t rounds)
{
    double product[ROUNDS_MAX];

    memcpy(product, time[0], sizeof product);
    printf("| %zu, %u | %.3f ms |", batch, threads, 1e3 * quantile(product, rounds, 0.5));
    for (int v = 1; v < VARIANTS; v++) {
        for (size_t r = 0; r < rounds; r++)
            time[v][r] /= time[0][r];
        printf(" %.3f (%.3f .. %.3f) |", quantile(time[v], rounds, 0.5), quantile(time[v], rounds, 0.25),
               quantile(time[v], rounds, 0.75));
    }
    putchar('\n');
    fflush(stdout);
}

static void compare(size_t batch, unsigned threads, size_t rounds, const struct lockstep_data *data)
{
    static double time[VARIANTS][ROUNDS_MAX];
    struct bench_steps *s[VARIANTS];
    size_t steps;

    for (int v = 0; v < VARIANTS; v++) {
        s[v] = open_variant(&variants[v], batch, threads, data);
        step_seconds(s[v], 2);
    }
    check_losses(s);
    steps = 1 + (size_t)(0.03 / step_seconds(s[0], 1));
    for (size_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < VARIANTS; i++)
            time[(r + i) % VARIANTS][r] = step_seconds(s[(r + i) % VARIANTS], steps);
    print_row(batch, threads, time, rounds);
    for (int v = 0; v < VARIANTS; v++)
        bench_steps_close(s[v]);
}

int main(int argc, char **argv)
{
    const unsigned features = lk_cpu_features(), most = bench_threads();
    const long rounds = argc > 1 ? atol(argv[1]) : 40;
    struct lockstep_error err;
    struct lockstep_data *data;

    if (argc > 2 || rounds < 1 || rounds > ROUNDS_MAX)
        fail("expected at most one argument, 1 to 1000 rounds");
    if (!lk_isa_supported(LK_ISA_avx2, features))
        fail("this CPU has no AVX2: nothing to compare");
    if (lockstep_data_open("digits", LOCKSTEP_TRAIN, NULL, &data, &err))
        fail(err.text);
    printf("| batch, threads | product |");
    for (int v = 1; v < VARIANTS; v++)
        printf(" %s |", variants[v].name);
    printf("\n| --- | --- | --- | --- | --- |\n");
    for (unsigned threads = 1; threads <= 2 && threads <= most; threads++)
        for (size_t batch = 100; batch <= 8192; batch = batch == 100 ? 1024 : batch * 8)
            compare(batch, threads, (size_t)rounds, data);
    lockstep_data_free(data);
    return 0;
}
