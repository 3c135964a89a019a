/* SPDX-License-Identifier: MIT
 * Philox against Random123's own header, uniform and normal numbers by their range and moments, math64 against libm,
 * the words of dropout against Philox. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

#include "cpu.h"

#include "core/math64.h"
#include "core/rng.h"

enum { SEED = 7 };

/* Four random words, a function of i. */
static void words(uint32_t i, uint32_t out[4])
{
    uint32_t counter[4] = {i, 0, 0, 0};
    ls_philox(SEED, LS_STREAM_TEST, counter, out);
}

static double between(uint32_t i, double low, double high)
{
    uint32_t w[4];
    words(i, w);
    return low + (high - low) * ls_uniform(w[0], w[1]);
}

static void check_philox(const uint32_t counter[4], const uint32_t key[2])
{
    philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
    philox4x32_key_t k = {{key[0], key[1]}};
    philox4x32_ctr_t expected = philox4x32_R(10, c, k);
    uint32_t got[4];

    ls_philox(key[0], key[1], counter, got);
    assert_memory_equal(got, expected.v, sizeof got);
}

static void philox_is_random123(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t counter[4], key[4];
        words(2 * i, counter);
        words(2 * i + 1, key);
        check_philox(counter, key);
    }
    check_philox((uint32_t[4]){0, 0, 0, 0}, (uint32_t[2]){0, 0});
    check_philox((uint32_t[4]){~0u, ~0u, ~0u, ~0u}, (uint32_t[2]){~0u, ~0u});
}

static void philox_may_work_in_place(void **state)
{
    (void)state;
    uint32_t counter[4] = {1, 2, 3, 4}, out[4];
    ls_philox(5, 6, counter, out);
    ls_philox(5, 6, counter, counter);
    assert_memory_equal(counter, out, sizeof out);
}

/* An element is dropped where its word, that of its place in PyTorch's order, is below the threshold: with the word as
 * threshold it stays, with the word + 1 it goes. */
static void check_dropout(const struct lk_kernels *k, struct lk_dropout p, size_t b, size_t c, size_t l)
{
    enum { B = 3, C = 21, L = 5, ROWS = B * L * LK_PANEL };
    float x[2 * ROWS], y[2 * ROWS];
    const struct lk_cview in = {x, ROWS, L};
    const struct lk_view out = {y, ROWS, L};
    const uint32_t counter[4] = {(uint32_t)(c * L + l), p.row + (uint32_t)b, p.step, 0};
    const size_t at = c / LK_PANEL * ROWS + (b * L + l) * LK_PANEL + c % LK_PANEL;
    uint32_t word[4];

    for (size_t i = 0; i < 2 * (size_t)ROWS; i++)
        x[i] = 1;
    ls_philox(p.seed, p.stream, counter, word);
    p.threshold = word[0];
    k->dropout(&p, B, C, L, in, out);
    assert_true(y[at] == p.scale);
    p.threshold = word[0] + 1;
    k->dropout(&p, B, C, L, in, out);
    assert_true(y[at] == 0);
}

static void dropout_takes_its_words(void **state)
{
    (void)state;
    for (int isa = 0; isa < LK_ISA_COUNT; isa++) {
        struct lk_table table;

        if (!lk_isa_supported((enum lk_isa)isa, lk_cpu_features()))
            continue;
        lk_table_init(&table, (enum lk_isa)isa, lk_cpu_features());
        for (uint32_t i = 0; i < 500; i++) {
            uint32_t key[4], at[4];
            words(2 * i, key);
            words(2 * i + 1, at);
            check_dropout(&table.k, (struct lk_dropout){key[0], key[1], key[2], key[3], 0, 2.0f}, at[0] % 3, at[1] % 21,
                          at[2] % 5);
        }
    }
}

static void uniform_is_in_range(void **state)
{
    (void)state;
    assert_true(ls_uniform(0, 0) == 0);
    assert_true(ls_uniform(~0u, ~0u) == 1 - 0x1p-53);
    assert_true(ls_uniform(0x80000000u, 0) == 0.5);
    assert_true(ls_uniform(0, 0x800) == 0x1p-53);

    double sum = 0, square = 0;
    const uint32_t n = 100000;
    for (uint32_t i = 0; i < n; i++) {
        double u = between(i, 0, 1);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
    }
    assert_true(fabs(sum / n - 1.0 / 2) < 0.004);
    assert_true(fabs(square / n - 1.0 / 3) < 0.004);
}

/* Mean, variance, skewness, kurtosis and correlation of the pairs, within 5 standard errors. */
static void normal_has_its_moments(void **state)
{
    (void)state;
    const uint32_t pairs = 200000;
    double sum[5] = {0}, cross = 0, n = 2.0 * pairs;

    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t w[4];
        double z[2];
        words(i, w);
        ls_normal(w, z);
        cross += z[0] * z[1];
        for (int j = 0; j < 2; j++)
            for (int k = 1; k < 5; k++)
                sum[k] += ls_powi(z[j], (unsigned long)k);
    }
    assert_true(fabs(sum[1] / n) < 5 * sqrt(1 / n));
    assert_true(fabs(sum[2] / n - 1) < 5 * sqrt(2 / n));
    assert_true(fabs(sum[3] / n) < 5 * sqrt(15 / n));
    assert_true(fabs(sum[4] / n - 3) < 5 * sqrt(96 / n));
    assert_true(fabs(cross / pairs) < 5 * sqrt(1.0 / pairs));
}

static void normal_at_the_edges_is_finite(void **state)
{
    (void)state;
    double z[2];
    ls_normal((uint32_t[4]){0, 0, 0, 0}, z);
    assert_true(z[0] == 0 && z[1] == 0);
    ls_normal((uint32_t[4]){~0u, ~0u, ~0u, ~0u}, z);
    assert_true(z[0] > 8 && z[0] < 9 && isfinite(z[1]));
}

static void near(double x, double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-15 * fabs(expected)))
        fail_msg("at %a: got %.17g, libm has %.17g", x, got, expected);
}

static void sin_and_cos_match_libm(void **state)
{
    (void)state;
    const double ranges[] = {1e-8, 1, 4, 100, 0x1p20};
    for (uint32_t r = 0; r < 5; r++)
        for (uint32_t i = 0; i < 40000; i++) {
            double x = between(i + 40000 * r, -ranges[r], ranges[r]);
            near(x, ls_sin(x), sin(x));
            near(x, ls_cos(x), cos(x));
        }
    for (int k = -660000; k <= 660000; k += 37) {
        double x = k * 1.57079632679489661923;
        near(x, ls_sin(x), sin(x));
        near(x, ls_cos(x), cos(x));
    }
    assert_true(ls_sin(0) == 0 && ls_cos(0) == 1);
}

static void log_matches_libm(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t w[4];
        words(i, w);
        double wide = ldexp(1 + ls_uniform(w[0], w[1]), (int)(w[2] % 2046) - 1022);
        near(wide, ls_log(wide), log(wide));
        double close = 1 + ldexp(ls_uniform(w[0], w[1]) - 0.5, -(int)(w[2] % 50));
        near(close, ls_log(close), log(close));
    }
    assert_true(ls_log(1) == 0);
}

static void exp_matches_libm(void **state)
{
    (void)state;
    const double ranges[] = {1e-6, 1, 20, 700};
    for (uint32_t r = 0; r < 4; r++)
        for (uint32_t i = 0; i < 40000; i++) {
            double x = between(i + 40000 * r, -ranges[r], ranges[r]);
            near(x, ls_exp(x), exp(x));
        }
    assert_true(ls_exp(0) == 1);
}

static void powi_multiplies(void **state)
{
    (void)state;
    assert_true(ls_powi(2, 0) == 1 && ls_powi(0, 0) == 1 && ls_powi(3, 5) == 243 && ls_powi(-2, 31) == -0x1p31);
    double power = ls_powi(0.999, 10000), expected = pow(0.999, 10000);
    assert_true(fabs(power - expected) < 1e-11 * expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_is_random123),     cmocka_unit_test(philox_may_work_in_place),
        cmocka_unit_test(dropout_takes_its_words), cmocka_unit_test(uniform_is_in_range),
        cmocka_unit_test(normal_has_its_moments),  cmocka_unit_test(normal_at_the_edges_is_finite),
        cmocka_unit_test(sin_and_cos_match_libm),  cmocka_unit_test(log_matches_libm),
        cmocka_unit_test(exp_matches_libm),        cmocka_unit_test(powi_multiplies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
