/* SPDX-License-Identifier: MIT
 * The built-in digits: the committed hash of every byte for any number of threads, and what a data set must be:
 * balanced, never empty, mostly background, no image twice. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "core/mem.h"
#include "data/data.h"

enum { PIXELS = LS_DIGITS_SIDE * LS_DIGITS_SIDE, ALL = LS_DIGITS_TRAIN + LS_DIGITS_TEST };

/* XXH3-128 of images and labels of the training part, then of the test part. A change of it changes everybody's
 * results. */
static const char EXPECTED[] = "068b3216f76bf1c1967a374a7bb86415";

static struct lockstep_data parts[2];

static void open_both(unsigned threads, struct lockstep_data data[2])
{
    struct lockstep_error err;
    assert_int_equal(ls_digits_open(LOCKSTEP_TRAIN, threads, &data[0], &err), LOCKSTEP_OK);
    assert_int_equal(ls_digits_open(LOCKSTEP_TEST, threads, &data[1], &err), LOCKSTEP_OK);
}

static void free_both(struct lockstep_data data[2])
{
    for (int i = 0; i < 2; i++) {
        ls_free(data[i].x);
        ls_free(data[i].label);
    }
}

static int open_group(void **state)
{
    (void)state;
    open_both(2, parts);
    return 0;
}

static int free_group(void **state)
{
    (void)state;
    free_both(parts);
    return 0;
}

static void hash(const struct lockstep_data data[2], char text[33])
{
    XXH3_state_t *h = XXH3_createState();
    assert_non_null(h);
    XXH3_128bits_reset(h);
    for (int i = 0; i < 2; i++) {
        XXH3_128bits_update(h, data[i].x, data[i].rows * PIXELS);
        XXH3_128bits_update(h, data[i].label, data[i].rows);
    }
    XXH128_hash_t value = XXH3_128bits_digest(h);
    XXH3_freeState(h);
    snprintf(text, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)value.high64, (uint64_t)value.low64);
}

static void shapes_are_mnists(void **state)
{
    (void)state;
    assert_int_equal(parts[0].rows, 60000);
    assert_int_equal(parts[1].rows, 10000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(parts[i].channels, 28);
        assert_int_equal(parts[i].length, 28);
        assert_int_equal(parts[i].classes, 10);
    }
}

static void bytes_are_the_committed_ones(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct lockstep_data data[2];
        char got[33];

        open_both(threads, data);
        hash(data, got);
        free_both(data);
        if (strcmp(got, EXPECTED))
            fail_msg("digits drawn by %u threads: expected %s, got %s", threads, EXPECTED, got);
    }
}

static void a_row_can_be_drawn_alone(void **state)
{
    (void)state;
    for (size_t row = 0; row < LS_DIGITS_TEST; row += 77) {
        uint8_t x[PIXELS];
        assert_int_equal(ls_digits_draw(LOCKSTEP_TEST, row, x), parts[1].label[row]);
        assert_memory_equal(x, parts[1].x + row * PIXELS, PIXELS);
    }
}

static void classes_are_balanced(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        size_t seen[10] = {0};
        for (size_t row = 0; row < parts[i].rows; row++) {
            assert_in_range(parts[i].label[row], 0, 9);
            seen[parts[i].label[row]]++;
        }
        for (int c = 0; c < 10; c++)
            assert_in_range(seen[c], parts[i].rows / 10 * 9 / 10, parts[i].rows / 10 * 11 / 10);
    }
}

static void images_are_ink_on_an_empty_sheet(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        size_t inked = 0;
        for (size_t row = 0; row < parts[i].rows; row++) {
            size_t here = 0, brightest = 0;
            for (size_t p = 0; p < PIXELS; p++) {
                uint8_t grey = parts[i].x[row * PIXELS + p];
                here += grey > 0;
                brightest = grey > brightest ? grey : brightest;
            }
            assert_in_range(here, 25, PIXELS / 2);
            assert_in_range(brightest, 80, 255);
            inked += here;
        }
        assert_in_range(inked * 100 / (parts[i].rows * PIXELS), 10, 25);
    }
}

static void no_image_comes_twice(void **state)
{
    (void)state;
    XXH128_hash_t *image = malloc(ALL * sizeof *image), *next = image;
    assert_non_null(image);
    for (int i = 0; i < 2; i++)
        for (size_t row = 0; row < parts[i].rows; row++)
            *next++ = XXH3_128bits(parts[i].x + row * PIXELS, PIXELS);
    qsort(image, ALL, sizeof *image, XXH128_cmp);
    for (size_t i = 1; i < ALL; i++)
        assert_false(XXH128_isEqual(image[i - 1], image[i]));
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_mnists),
        cmocka_unit_test(bytes_are_the_committed_ones),
        cmocka_unit_test(a_row_can_be_drawn_alone),
        cmocka_unit_test(classes_are_balanced),
        cmocka_unit_test(images_are_ink_on_an_empty_sheet),
        cmocka_unit_test(no_image_comes_twice),
    };
    return cmocka_run_group_tests(tests, open_group, free_group);
}
