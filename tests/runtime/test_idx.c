/* SPDX-License-Identifier: MIT
 * The IDX reader: the two files, their headers and items. */
#define _GNU_SOURCE /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "idx_files.h"

static void test_pairs(void **state)
{
    (void)state;
    accepts("images", "labels");
    accepts("images.gz", "labels.gz");
    accepts("images", "labels.gz");
    accepts("images.gz", "labels");
}

static void test_form_by_content_not_name(void **state)
{
    (void)state;
    write_file("plain.gz", good_images, IMAGES);
    write_gzip("packed", good_images, IMAGES);
    accepts("plain.gz", "labels");
    accepts("packed", "labels");
}

static void test_truncated_plain(void **state)
{
    (void)state;
    refuses_cut(write_file, good_images, IMAGES, good_labels, LABELS);
}

/* ---- header ---- */

/* The good image file with the four header words given. */
static void write_header(const char *name, uint32_t magic, uint32_t count, uint32_t rows, uint32_t cols)
{
    uint32_t words[4] = {magic, count, rows, cols};
    uint8_t file[IMAGES];

    memcpy(file, good_images, sizeof file);
    for (int i = 0; i < 16; i++)
        file[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
    write_file(name, file, sizeof file);
}

static void test_magic(void **state)
{
    (void)state;
    refuses("labels", "images",
            "labels: magic number at byte 0: expected 0x00000803 (images), got 0x00000801 (this is a label file: are "
            "the two "
            "files swapped?)");
    refuses("images", "images",
            "images: magic number at byte 0: expected 0x00000801 (labels), got 0x00000803 (this is an image file: are "
            "the two "
            "files swapped?)");
    refuses("labels.gz", "labels",
            "labels.gz: magic number at byte 0 of the unpacked data: expected 0x00000803 (images), got 0x00000801 "
            "(this is a "
            "label file: are the two files swapped?)");
    write_header("bad", 0x03080000, 3u << 24, 2u << 24, 2u << 24);
    refuses(
        "bad", "labels",
        "bad: magic number at byte 0: expected 0x00000803 (images), got 0x03080000 (the header is little-endian: IDX "
        "numbers are big-endian)");
    write_header("bad", 0x00000d03, N, ROWS, COLS);
    refuses("bad", "labels",
            "bad: magic number at byte 0: expected 0x00000803 (images), got 0x00000d03 (only elements of type 0x08, "
            "unsigned "
            "byte, are read)");
    write_header("bad", 0x00000804, N, ROWS, COLS);
    refuses("bad", "labels",
            "bad: magic number at byte 0: expected 0x00000803 (images), got 0x00000804 (the last byte is the number of "
            "dimensions)");
    write_header("bad", 0x89504e47, N, ROWS, COLS);
    refuses("bad", "labels",
            "bad: magic number at byte 0: expected 0x00000803 (images), got 0x89504e47 (not an IDX file)");
}

static void test_header_cut(void **state)
{
    (void)state;
    refuses_bytes("", 0, "bad: file is empty at byte 0: expected an IDX header, got 0 bytes (download it again)");
    refuses_bytes(good_images, 7, "bad: header ends early at byte 7: expected 16 bytes, got 7 (download it again)");
    write_gzip("bad", good_labels, 6);
    refuses("images", "bad",
            "bad: header ends early at byte 6 of the unpacked data: expected 8 bytes, got 6 (download it again)");
    write_gzip("bad", "", 0);
    refuses("bad", "labels", NULL);
}

static void test_counts(void **state)
{
    uint8_t labels[LABELS + 1] = {0, 0, 8, 1, 0, 0, 0, N + 1, 5, 0, 9, 3};

    (void)state;
    write_file("bad", labels, sizeof labels);
    refuses("images", "bad",
            "bad: number of labels at byte 4: expected 3 (as in images), got 4 (give two files of the same part)");
    labels[7] = N - 1;
    write_file("bad", labels, LABELS - 1);
    refuses("images", "bad", NULL);
    write_gzip("bad", labels, LABELS - 1);
    refuses(
        "./images", "bad",
        "bad: number of labels at byte 4 of the unpacked data: expected 3 (as in images), got 2 (give two files of the "
        "same part)");
    for (uint32_t count = N - 1; count <= N + 1; count += 2) {
        write_header("bad", 0x803, count, ROWS, COLS);
        refuses("bad", "labels", NULL);
    }
}

static void test_zero_sizes(void **state)
{
    static const uint8_t none[8] = {0, 0, 8, 1};

    (void)state;
    write_header("bad", 0x803, 0, ROWS, COLS);
    refuses("bad", "labels", "bad: number of images at byte 4: expected 1 or more, got 0 (download it again)");
    write_header("bad", 0x803, N, 0, COLS);
    refuses("bad", "labels", "bad: number of rows at byte 8: expected 1 or more, got 0 (download it again)");
    write_header("bad", 0x803, N, ROWS, 0);
    refuses("bad", "labels", "bad: number of columns at byte 12: expected 1 or more, got 0 (download it again)");
    write_file("bad", none, sizeof none);
    refuses("images", "bad", "bad: number of labels at byte 4: expected 1 or more, got 0 (download it again)");
}

/* Refused before anything is allocated. */
static void test_huge_sizes(void **state)
{
    static const uint32_t size[][3] = {
        {N, 65536, 65536},      {UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {1, UINT32_MAX, 1},     {1, 1, 65537},
        {UINT32_MAX, 256, 256}, {N, 256, 256},
    };
    size_t before = ls_mem_allocations();

    (void)state;
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        write_header("bad", 0x803, size[i][0], size[i][1], size[i][2]);
        refuses("bad", "labels", NULL);
    }
    assert_int_equal(ls_mem_allocations(), before);
    write_header("bad", 0x803, N, 65536, 65536);
    refuses("bad", "labels",
            "bad: image size at byte 8: expected at most 65536 pixels, got 65536 x 65536 (download it again, or use "
            "smaller "
            "images)");
    write_header("bad", 0x803, N, 28, 28);
    refuses("bad", "labels",
            "bad: data end early at byte 28: expected 2368 bytes for 3 images, got 28 (download it again)");
}

/* ---- items ---- */

static void test_left_over(void **state)
{
    struct bytes b = {0};
    uint8_t *big = calloc(1, IMAGES + 1000000);

    (void)state;
    assert_non_null(big);
    memcpy(big, good_images, IMAGES);
    refuses_bytes(
        big, IMAGES + 1,
        "bad: bytes left over at byte 28: expected the end of the file after 3 images, got 1 more (download it "
        "again)");
    refuses_bytes(big, IMAGES + 1000000, NULL);
    write_gzip("bad", big, IMAGES + 1);
    refuses(
        "bad", "labels",
        "bad: bytes left over at byte 28 of the unpacked data: expected the end after 3 images, got more (download it "
        "again)");
    free(big);

    put_gzip(&b, good_images, IMAGES);
    put(&b, "x", 1);
    refuses_bytes(b.at, b.n, NULL);
    b.at[b.n - 1] = 0x1f;
    refuses_bytes(b.at, b.n, NULL);
    b.at[b.n - 1] = 0;
    refuses_bytes(b.at, b.n, NULL);
    b.n--;
    put_gzip(&b, "x", 1);
    refuses_bytes(b.at, b.n, NULL);
}

static void test_label_range(void **state)
{
    uint8_t labels[LABELS];

    (void)state;
    memcpy(labels, good_labels, LABELS);
    labels[9] = 10;
    write_file("bad", labels, LABELS);
    refuses("images", "bad", "bad: label 1 at byte 9: expected 0..9, got 10 (only 10 classes are read)");
    labels[9] = 255;
    write_gzip("bad", labels, LABELS);
    refuses("images", "bad",
            "bad: label 1 at byte 9 of the unpacked data: expected 0..9, got 255 (only 10 classes are read)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_form_by_content_not_name),
        cmocka_unit_test(test_truncated_plain),
        cmocka_unit_test(test_magic),
        cmocka_unit_test(test_header_cut),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_zero_sizes),
        cmocka_unit_test(test_huge_sizes),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_label_range),
        cmocka_unit_test(test_no_descriptor_left),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
