/* SPDX-License-Identifier: MIT
 * Random settings of the ops of one dimension against PyTorch: values and all gradients, which make_cases.py left in
 * cases.txt and cases.f32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "core/rng.h"
#include "runtime/run_op.h"

enum { STREAM = 4, LEAST_CASES = 200, TEXT = 256 };
static const double TOLERANCE = 1e-5; /* of the largest expected value */

static FILE *open_file(const char *name)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", LS_TORCH_CASES, name);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: cannot open", path);
    return f;
}

/* The numbers of make_cases.py: array 0: input, 1: weight, 2: bias, 3: gradient of the value. */
static float *numbers(uint32_t seed, uint32_t array, size_t count)
{
    float *v = malloc(count * sizeof *v);

    assert_non_null(v);
    for (size_t i = 0; i < count; i++) {
        uint32_t w[4];

        ls_philox(seed, STREAM, (uint32_t[4]){(uint32_t)i, array, 0, 0}, w);
        v[i] = (float)(2.0 * ls_uniform(w[0], w[1]) - 1.0);
    }
    return v;
}

/* The next `count` results of the file against got, which is freed. */
static void compare(FILE *results, float *got, size_t count, const char *line, const char *what)
{
    float *expected = malloc(count * sizeof *expected);
    double most = 0.0;

    assert_non_null(expected);
    assert_int_equal(fread(expected, sizeof *expected, count, results), count);
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= TOLERANCE * most))
            fail_msg("%s: %s: element %zu: expected %.9g, got %.9g", line, what, i, (double)expected[i],
                     (double)got[i]);
    free(expected);
    free(got);
}

static void check_case(const char *line, const char *isa, FILE *results)
{
    size_t rows, channels, length;
    uint32_t seed;
    char text[TEXT];
    struct run_op r;
    const struct ls_node *n;
    float *x, *seeds;

    if (sscanf(line, "%zu %zu %zu %u %255[^\n]", &rows, &channels, &length, &seed, text) != 5)
        fail_msg("cases.txt: expected rows channels length seed text, got %s", line);
    run_open(&r, text, channels, length, rows, isa);
    n = r.g.output;
    x = numbers(seed, 0, rows * channels * length);
    seeds = numbers(seed, 3, rows * n->features);
    for (uint32_t k = 0; k < n->n_params; k++) {
        float *w = numbers(seed, 1 + k, n->param[k].rows * n->param[k].cols);

        run_set_param(&r, k, w);
        free(w);
    }
    run_backward(&r, x, seeds);
    compare(results, run_rows(&r, n, n->y), rows * n->features, line, "value");
    compare(results, run_rows(&r, r.g.input, r.g.input->d), rows * channels * length, line, "gradient of the input");
    for (size_t k = 0; k < n->n_params; k++)
        compare(results, run_param_gradient(&r, k), n->param[k].rows * n->param[k].cols, line, n->param[k].name);
    free(x);
    free(seeds);
    run_close(&r);
}

static void as_pytorch(const char *isa)
{
    FILE *lines = open_file("cases.txt"), *results = open_file("cases.f32");
    char line[TEXT + 64];
    size_t cases = 0;

    for (; fgets(line, sizeof line, lines); cases++)
        check_case(line, isa, results);
    assert_true(cases >= LEAST_CASES);
    assert_int_equal(fgetc(results), EOF);
    fclose(lines);
    fclose(results);
}

static void reference(void **state)
{
    (void)state;
    as_pytorch("ref");
}

static void preferred(void **state)
{
    (void)state;
    as_pytorch(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reference), cmocka_unit_test(preferred)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
