/* SPDX-License-Identifier: MIT
 * The IDX reader on packed files: members, damage of every kind, and what unpacks to too much or to nothing. */
#define _GNU_SOURCE /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "idx_files.h"

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

static void test_truncated_gzip(void **state)
{
    struct bytes images = {0}, labels = {0};

    (void)state;
    put_gzip(&images, good_images, IMAGES);
    put_gzip(&labels, good_labels, LABELS);
    refuses_cut(write_file, images.at, images.n, labels.at, labels.n);
}

/* Sound gzip files that hold too little. */
static void test_truncated_inside_gzip(void **state)
{
    (void)state;
    refuses_cut(write_gzip, good_images, IMAGES, good_labels, LABELS);
    refuses("images", "cut",
            "cut: data end early at byte 10 of the unpacked data: expected 11 bytes for 3 labels, got 10 (download it "
            "again)");
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

/* ---- sizes ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_truncated_gzip),
        cmocka_unit_test(test_truncated_inside_gzip),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_packed_twice),
        cmocka_unit_test(test_gzip_trailer),
        cmocka_unit_test(test_gzip_header),
        cmocka_unit_test(test_gzip_blocks),
        cmocka_unit_test(test_gzip_without_output),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_boast),
        cmocka_unit_test(test_no_descriptor_left),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
