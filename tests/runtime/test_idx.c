/* SPDX-License-Identifier: MIT
 * The IDX reader: small good pairs in every spelling, and every kind of bad file. All files live in a temporary folder,
 * the working directory of the tests, so that messages can be compared literally. */
#define _GNU_SOURCE /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/mem.h"
#include "data/data.h"

#include <ctype.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif

enum { N = 3, ROWS = 2, COLS = 2, PIXELS = N * ROWS * COLS, IMAGES = 16 + PIXELS, LABELS = 8 + N };

static const uint8_t good_images[IMAGES] = {0, 0,    8, 3, 0, 0, 0, N,   0, 0,   0, ROWS, 0,  0,
                                            0, COLS, 1, 2, 3, 4, 0, 255, 7, 128, 9, 10,   11, 12};
static const uint8_t good_labels[LABELS] = {0, 0, 8, 1, 0, 0, 0, N, 5, 0, 9};

/* A byte string that grows by appending. */
struct bytes {
    size_t n;
    uint8_t at[4096];
};

static void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->n + n <= sizeof b->at);
    memcpy(b->at + b->n, p, n);
    b->n += n;
}

static void write_file(const char *name, const void *p, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Append one gzip member that holds p. */
static void put_gzip(struct bytes *b, const void *p, size_t n)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p,
                  .avail_in = (uInt)n,
                  .next_out = b->at + b->n,
                  .avail_out = (uInt)(sizeof b->at - b->n)};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    b->n += z.total_out;
    deflateEnd(&z);
}

static void write_gzip(const char *name, const void *p, size_t n)
{
    struct bytes b = {0};
    put_gzip(&b, p, n);
    write_file(name, b.at, b.n);
}

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

static void assert_good(const struct lockstep_data *d)
{
    assert_int_equal(d->rows, N);
    assert_int_equal(d->channels, ROWS);
    assert_int_equal(d->length, COLS);
    assert_int_equal(d->classes, 10);
    assert_memory_equal(d->x, good_images + 16, PIXELS);
    assert_memory_equal(d->label, good_labels + 8, N);
}

static void drop(struct lockstep_data *d)
{
    ls_free(d->x);
    ls_free(d->label);
}

static void accepts(const char *images, const char *labels)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    if (ls_idx_read(images, labels, &d, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
    assert_good(&d);
    drop(&d);
}

static void assert_empty(const struct lockstep_data *d)
{
    static const struct lockstep_data empty;
    assert_memory_equal(d, &empty, sizeof empty);
}

/* One printable line "FILE: ... (what to do)". */
static void assert_line(const char *text)
{
    size_t n = strlen(text);
    assert_non_null(strstr(text, ": "));
    assert_true(n > 0 && n < sizeof((struct lockstep_error *)0)->text - 1);
    assert_int_equal(text[n - 1], ')');
    for (size_t i = 0; i < n; i++)
        assert_true(isprint((unsigned char)text[i]));
}

/* E_DATA and an empty result; line, where given, is the whole message. */
static void refuses(const char *images, const char *labels, const char *line)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    memset(&d, 0x55, sizeof d);
    assert_int_equal(ls_idx_read(images, labels, &d, &err), LOCKSTEP_E_DATA);
    assert_int_equal(err.status, LOCKSTEP_E_DATA);
    assert_empty(&d);
    assert_line(err.text);
    if (line)
        assert_string_equal(err.text, line);
}

static void refuses_bytes(const void *images, size_t n, const char *line)
{
    write_file("bad", images, n);
    refuses("bad", "labels", line);
}

/* ---- good files ---- */

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

static void test_members(void **state)
{
    struct bytes b = {0};

    (void)state;
    put_gzip(&b, good_images, 5);
    put_gzip(&b, "", 0);
    put_gzip(&b, good_images + 5, 12);
    put_gzip(&b, good_images + 17, IMAGES - 17);
    put_gzip(&b, "", 0);
    write_file("members", b.at, b.n);
    accepts("members", "labels");
}

static void copy_as(const char *folder, const char *name, const void *p, size_t n, bool gzip)
{
    char path[128];
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (gzip)
        write_gzip(path, p, n);
    else
        write_file(path, p, n);
}

static void opens(const char *folder, enum lockstep_part part)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    if (ls_idx_open(folder, part, &d, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
    assert_good(&d);
    drop(&d);
}

static void test_folder(void **state)
{
    (void)state;
    copy_as("one", "train-images-idx3-ubyte", good_images, IMAGES, false);
    copy_as("one", "train-labels.idx1-ubyte.gz", good_labels, LABELS, true);
    copy_as("one", "t10k-images.idx3-ubyte", good_images, IMAGES, false);
    copy_as("one", "t10k-labels-idx1-ubyte.gz", good_labels, LABELS, true);
    opens("one", LOCKSTEP_TRAIN);
    opens("one/", LOCKSTEP_TEST);
}

static void test_folder_prefers_plain(void **state)
{
    (void)state;
    copy_as("two", "train-images-idx3-ubyte", good_images, IMAGES, false);
    copy_as("two", "train-images-idx3-ubyte.gz", "broken", 6, false);
    copy_as("two", "train-labels.idx1-ubyte", good_labels, LABELS, false);
    copy_as("two", "train-labels-idx1-ubyte.gz", "broken", 6, false);
    opens("two", LOCKSTEP_TRAIN);
}

/* ---- exhaustive damage ---- */

static void test_truncated_plain(void **state)
{
    (void)state;
    for (size_t n = 0; n < IMAGES; n++) {
        write_file("cut", good_images, n);
        refuses("cut", "labels", NULL);
    }
    for (size_t n = 0; n < LABELS; n++) {
        write_file("cut", good_labels, n);
        refuses("images", "cut", NULL);
    }
}

static void test_truncated_gzip(void **state)
{
    struct bytes images = {0}, labels = {0};

    (void)state;
    put_gzip(&images, good_images, IMAGES);
    put_gzip(&labels, good_labels, LABELS);
    for (size_t n = 0; n < images.n; n++) {
        write_file("cut", images.at, n);
        refuses("cut", "labels", NULL);
    }
    for (size_t n = 0; n < labels.n; n++) {
        write_file("cut", labels.at, n);
        refuses("images", "cut", NULL);
    }
}

/* Sound gzip files that hold too little. */
static void test_truncated_inside_gzip(void **state)
{
    (void)state;
    for (size_t n = 0; n < IMAGES; n++) {
        write_gzip("short.gz", good_images, n);
        refuses("short.gz", "labels", NULL);
    }
    for (size_t n = 0; n < LABELS; n++) {
        write_gzip("short.gz", good_labels, n);
        refuses("images", "short.gz", NULL);
    }
    refuses("images", "short.gz",
            "short.gz: data end early at byte 10 of the unpacked data: expected 11 bytes for 3 labels, got 10 "
            "(download it again)");
}

/* Refused, or read as the same data: a flip in an unused field of the gzip header or in padding. */
static void test_bit_flips(void **state)
{
    struct bytes b = {0};
    size_t read = 0;

    (void)state;
    put_gzip(&b, good_images, IMAGES);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        struct lockstep_data d;
        struct lockstep_error err = {0};
        enum lockstep_status status;

        b.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_file("flip", b.at, b.n);
        b.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        status = ls_idx_read("flip", "labels", &d, &err);
        if (status == LOCKSTEP_OK) {
            assert_good(&d);
            read++;
        } else {
            assert_int_equal(status, LOCKSTEP_E_DATA);
            assert_empty(&d);
            assert_line(err.text);
        }
        drop(&d);
    }
    assert_true(read > 0);
}

/* ---- header ---- */

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

static void test_packed_twice(void **state)
{
    struct bytes b = {0};

    (void)state;
    put_gzip(&b, good_images, IMAGES);
    write_gzip("bad", b.at, b.n);
    refuses(
        "bad", "labels",
        "bad: magic number at byte 0 of the unpacked data: expected 0x00000803 (images), got 0x1f8b0800 (packed twice: "
        "unpack it once)");
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

/* ---- gzip ---- */

/* The good image file as one stored block, one byte counted from the end replaced by its complement. */
static void write_complemented(const char *name, size_t from_end)
{
    static const uint8_t head[15] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, IMAGES, 0, 0xff - IMAGES, 0xff};
    uint32_t trailer[2] = {(uint32_t)crc32(0, good_images, IMAGES), IMAGES};
    struct bytes b = {0};

    put(&b, head, sizeof head);
    put(&b, good_images, IMAGES);
    put(&b, trailer, sizeof trailer);
    b.at[b.n - from_end] ^= 0xff;
    write_file(name, b.at, b.n);
}

static void test_gzip_trailer(void **state)
{
    (void)state;
    write_complemented("bad.gz", 8);
    refuses("bad.gz", "labels",
            "bad.gz: gzip data damaged at byte 47: expected a sound stream, got \"incorrect data check\" (download it "
            "again)");
    write_complemented("bad.gz", 4);
    refuses("bad.gz", "labels",
            "bad.gz: gzip data damaged at byte 51: expected a sound stream, got \"incorrect length check\" (download "
            "it again)");
}

/* The good image file packed, with its gzip header changed: flags, then extra bytes after the fixed ten. */
static void write_flagged(const char *name, uint8_t method, uint8_t flags, const void *extra, size_t n)
{
    struct bytes b = {0}, packed = {0};

    put_gzip(&packed, good_images, IMAGES);
    put(&b, packed.at, 10);
    b.at[2] = method;
    b.at[3] = flags;
    put(&b, extra, n);
    put(&b, packed.at + 10, packed.n - 10);
    write_file(name, b.at, b.n);
}

static void test_gzip_header(void **state)
{
    uint8_t crc[2] = {0};
    char endless[2000];
    uLong c;
    uint8_t head[10] = {0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 2, 3};

    (void)state;
    c = crc32(0, head, sizeof head);
    crc[0] = (uint8_t)c;
    crc[1] = (uint8_t)(c >> 8);
    write_flagged("good.gz", 8, 2, crc, 2);
    accepts("good.gz", "labels");
    crc[1] ^= 1;
    write_flagged("bad.gz", 8, 2, crc, 2);
    refuses("bad.gz", "labels", NULL);
    write_flagged("good.gz", 8, 8, "name", 5);
    accepts("good.gz", "labels");
    write_flagged("bad.gz", 7, 0, "", 0);
    refuses("bad.gz", "labels", NULL);
    write_flagged("bad.gz", 8, 0x20, "", 0);
    refuses("bad.gz", "labels", NULL);
    memset(endless, 'x', sizeof endless);
    memcpy(endless, head, sizeof head);
    endless[3] = 8;
    write_file("bad.gz", endless, sizeof endless);
    refuses("bad.gz", "labels",
            "bad.gz: gzip data end early at byte 2000: expected more, got the end of the file (download it again)");
}

static void test_gzip_blocks(void **state)
{
    static const struct {
        size_t n;
        uint8_t at[12];
    } body[] = {
        {1, {0x07}},                         /* block type 3 */
        {5, {0x01, 0x01, 0x00, 0x00, 0x00}}, /* stored, length and complement differ */
        {5, {0x03, 0x02}},                   /* distance before the start */
        {11, {0x05, 0xe0, 0x93, 0x24, 0x49, 0x92, 0x24, 0x49, 0x92, 0x24, 0x49}}, /* over-subscribed code */
        {12, {0x05, 0x00, 0x02}},                                                 /* incomplete code */
    };

    (void)state;
    for (size_t i = 0; i < sizeof body / sizeof body[0]; i++) {
        struct bytes b = {.n = 10, .at = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}};
        struct lockstep_data d;
        struct lockstep_error err = {0};

        put(&b, body[i].at, body[i].n);
        write_file("bad", b.at, b.n);
        assert_int_equal(ls_idx_read("bad", "labels", &d, &err), LOCKSTEP_E_DATA);
        if (!strstr(err.text, "gzip data damaged"))
            fail_msg("body %zu: %s", i, err.text);
        assert_line(err.text);
    }
}

/* A megabyte of stored blocks of length 0 unpacks to nothing. */
static void test_gzip_without_output(void **state)
{
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, block[5] = {0, 0, 0, 0xff, 0xff};
    enum { BLOCKS = 200000 };
    uint8_t *file = malloc(sizeof head + BLOCKS * sizeof block);

    (void)state;
    assert_non_null(file);
    memcpy(file, head, sizeof head);
    for (size_t i = 0; i < BLOCKS; i++)
        memcpy(file + sizeof head + i * sizeof block, block, sizeof block);
    refuses_bytes(file, sizeof head + BLOCKS * sizeof block, NULL);
    free(file);
}

/* Announces 28 bytes and unpacks to 16 MiB. */
static void test_bomb(void **state)
{
    enum { SIZE = 1 << 24, PACKED = 1 << 16 };
    uint8_t *big = calloc(1, SIZE), *packed = malloc(PACKED);
    z_stream z = {.next_in = big, .avail_in = SIZE, .next_out = packed, .avail_out = PACKED};

    (void)state;
    assert_non_null(big);
    assert_non_null(packed);
    memcpy(big, good_images, IMAGES);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    write_file("bomb.gz", packed, z.total_out);
    deflateEnd(&z);
    free(packed);
    free(big);
    refuses("bomb.gz", "labels",
            "bomb.gz: bytes left over at byte 28 of the unpacked data: expected the end after 3 images, got more "
            "(download it "
            "again)");
}

/* A small file that announces much is refused before its items get memory: two blocks are zlib's own. */
static void test_boast(void **state)
{
    static const uint8_t head[16] = {0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28};
    size_t before = ls_mem_allocations();

    (void)state;
    write_gzip("boast.gz", head, sizeof head);
    refuses("boast.gz", "labels", NULL);
    assert_true(ls_mem_allocations() - before <= 2);
}

/* ---- things that are not files ---- */

static void test_not_a_file(void **state)
{
    (void)state;
    mkdir("folder", 0700);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    refuses("folder", "labels", "folder: not a file: expected an IDX file, got a folder (give a regular file)");
    refuses("images", "folder", NULL);
    refuses("pipe", "labels", "pipe: not a file: expected an IDX file, got a pipe (give a regular file)");
    refuses("/dev/zero", "labels", "/dev/zero: not a file: expected an IDX file, got a device (give a regular file)");
    refuses("/dev/null", "labels", NULL);
    refuses("loop", "labels", NULL);
    refuses("", "labels", NULL);
    refuses("missing", "labels",
            "missing: cannot be opened: expected an IDX file, got \"No such file or directory\" (check name and "
            "permissions)");
}

static void test_not_permitted(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip();
    write_file("secret", good_images, IMAGES);
    chmod("secret", 0);
    refuses("secret", "labels", NULL);
}

static void refuses_folder(const char *folder, const char *line)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    memset(&d, 0x55, sizeof d);
    assert_int_equal(ls_idx_open(folder, LOCKSTEP_TEST, &d, &err), LOCKSTEP_E_DATA);
    assert_empty(&d);
    assert_line(err.text);
    if (line)
        assert_string_equal(err.text, line);
}

static void test_bad_folders(void **state)
{
    char longest[5000];

    (void)state;
    mkdir("empty", 0700);
    refuses_folder("nowhere", "nowhere: no such folder (give a folder with the four MNIST files, or digits)");
    refuses_folder("images",
                   "images: not a folder: expected one with the four MNIST files, got a file (give its folder)");
    refuses_folder(
        "empty", "empty: file missing: expected t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz, got neither (get "
                 "it with toolchain/get-mnist)");
    copy_as("half", "t10k-images-idx3-ubyte", good_images, IMAGES, false);
    refuses_folder(
        "half", "half: file missing: expected t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz, got neither (get it "
                "with toolchain/get-mnist)");
    refuses_folder("", NULL);
    memset(longest, '/', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    refuses_folder(longest, NULL);
    longest[4080] = 0;
    refuses_folder(longest, NULL);
}

/* The message survives a long name and hides control characters. */
static void test_odd_names(void **state)
{
    char path[1100] = "";

    (void)state;
    for (int i = 0; i < 500; i++)
        strcat(path, "./");
    strcat(path, "labels");
    refuses(path, "labels", NULL);
    write_file("a\n\033[31mb", good_labels, LABELS);
    refuses("a\n\033[31mb", "labels", NULL);
}

/* ---- memory ---- */

/* An honest file of 4 GiB, with holes, under a limit of 1 GiB. */
static void test_out_of_memory(void **state)
{
    static const uint8_t images[16] = {0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0},
                         labels[8] = {0, 0, 8, 1, 0, 1, 0, 0};
    struct lockstep_data d;
    struct lockstep_error err = {0};
    struct rlimit old, low;
    enum lockstep_status status;

    (void)state;
#ifdef SANITIZED
    skip();
#endif
    write_file("large", images, sizeof images);
    write_file("many", labels, sizeof labels);
    if (truncate("large", 16 + (off_t)65536 * 65536) != 0)
        skip();
    assert_int_equal(truncate("many", 8 + 65536), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    low = (struct rlimit){.rlim_cur = 1u << 30, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    status = ls_idx_read("large", "many", &d, &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_int_equal(status, LOCKSTEP_E_MEMORY);
    assert_int_equal(err.status, LOCKSTEP_E_MEMORY);
    assert_empty(&d);
}

/* ---- the real files, where there are any ---- */

static char *mnist;

static void test_mnist(void **state)
{
    static const uint8_t train[] = {5, 0, 4, 1, 9}, test[] = {7, 2, 1, 0, 4};
    struct lockstep_data d;
    struct lockstep_error err = {0};

    (void)state;
    if (!mnist)
        skip();
    if (ls_idx_open(mnist, LOCKSTEP_TRAIN, &d, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(d.rows, 60000);
    assert_int_equal(d.channels, 28);
    assert_int_equal(d.length, 28);
    assert_memory_equal(d.label, train, sizeof train);
    drop(&d);
    if (ls_idx_open(mnist, LOCKSTEP_TEST, &d, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(d.rows, 10000);
    assert_memory_equal(d.label, test, sizeof test);
    drop(&d);
}

/* ---- set-up ---- */

static char home[] = "/tmp/test_idx.XXXXXX";
static size_t descriptors;

static size_t count_descriptors(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static void test_no_descriptor_left(void **state)
{
    (void)state;
    assert_int_equal(count_descriptors(), descriptors);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(home) || chdir(home) != 0)
        return -1;
    write_file("images", good_images, IMAGES);
    write_file("labels", good_labels, LABELS);
    write_gzip("images.gz", good_images, IMAGES);
    write_gzip("labels.gz", good_labels, LABELS);
    descriptors = count_descriptors();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") != 0 ? -1 : nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_form_by_content_not_name),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_folder_prefers_plain),
        cmocka_unit_test(test_truncated_plain),
        cmocka_unit_test(test_truncated_gzip),
        cmocka_unit_test(test_truncated_inside_gzip),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_magic),
        cmocka_unit_test(test_packed_twice),
        cmocka_unit_test(test_header_cut),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_zero_sizes),
        cmocka_unit_test(test_huge_sizes),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_label_range),
        cmocka_unit_test(test_gzip_trailer),
        cmocka_unit_test(test_gzip_header),
        cmocka_unit_test(test_gzip_blocks),
        cmocka_unit_test(test_gzip_without_output),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_boast),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_not_permitted),
        cmocka_unit_test(test_bad_folders),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_mnist),
        cmocka_unit_test(test_no_descriptor_left),
    };
    const char *named = getenv("LOCKSTEP_MNIST_DIR");

    mnist = named && *named ? realpath(named, NULL) : NULL;
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    free(mnist);
    return failed;
}
