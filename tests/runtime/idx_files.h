/* SPDX-License-Identifier: MIT
 * Small IDX files, good and bad, for groups of cmocka tests of the reader, and what it must say to them. All files live
 * in a temporary folder, the working directory of the tests, so that messages can be compared literally; good ones are
 * images, labels, images.gz and labels.gz. Include cmocka.h first. */
#ifndef IDX_FILES_H
#define IDX_FILES_H

#include <ctype.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/mem.h"
#include "data/data.h"

enum { N = 3, ROWS = 2, COLS = 2, PIXELS = N * ROWS * COLS, IMAGES = 16 + PIXELS, LABELS = 8 + N };

static const uint8_t good_images[IMAGES] = {0, 0,    8, 3, 0, 0, 0, N,   0, 0,   0, ROWS, 0,  0,
                                            0, COLS, 1, 2, 3, 4, 0, 255, 7, 128, 9, 10,   11, 12};
static const uint8_t good_labels[LABELS] = {0, 0, 8, 1, 0, 0, 0, N, 5, 0, 9};

/* A byte string that grows by appending. */
struct bytes {
    size_t n;
    uint8_t at[4096];
};

static inline void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->n + n <= sizeof b->at);
    memcpy(b->at + b->n, p, n);
    b->n += n;
}

static inline void write_file(const char *name, const void *p, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Append one gzip member that holds p. */
static inline void put_gzip(struct bytes *b, const void *p, size_t n)
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

static inline void write_gzip(const char *name, const void *p, size_t n)
{
    struct bytes b = {0};
    put_gzip(&b, p, n);
    write_file(name, b.at, b.n);
}

static inline void assert_good(const struct lockstep_data *d)
{
    assert_int_equal(d->rows, N);
    assert_int_equal(d->channels, ROWS);
    assert_int_equal(d->length, COLS);
    assert_int_equal(d->classes, 10);
    assert_memory_equal(d->x, good_images + 16, PIXELS);
    assert_memory_equal(d->label, good_labels + 8, N);
}

static inline void drop(struct lockstep_data *d)
{
    ls_free(d->x);
    ls_free(d->label);
}

static inline void assert_empty(const struct lockstep_data *d)
{
    static const struct lockstep_data empty;
    assert_memory_equal(d, &empty, sizeof empty);
}

/* One printable line "FILE: ... (what to do)". */
static inline void assert_line(const char *text)
{
    size_t n = strlen(text);
    assert_non_null(strstr(text, ": "));
    assert_true(n > 0 && n < sizeof((struct lockstep_error *)0)->text - 1);
    assert_int_equal(text[n - 1], ')');
    for (size_t i = 0; i < n; i++)
        assert_true(isprint((unsigned char)text[i]));
}

/* The right data, or the test fails with the message. */
static inline void check_read(enum lockstep_status status, struct lockstep_data *d, const struct lockstep_error *err)
{
    if (status != LOCKSTEP_OK)
        fail_msg("%s", err->text);
    assert_good(d);
    drop(d);
}

/* E_DATA and an empty result; line, where given, is the whole message. */
static inline void check_refused(enum lockstep_status status, const struct lockstep_data *d,
                                 const struct lockstep_error *err, const char *line)
{
    assert_int_equal(status, LOCKSTEP_E_DATA);
    assert_int_equal(err->status, LOCKSTEP_E_DATA);
    assert_empty(d);
    assert_line(err->text);
    if (line)
        assert_string_equal(err->text, line);
}

static inline void accepts(const char *images, const char *labels)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    check_read(ls_idx_read(images, labels, &d, &err), &d, &err);
}

static inline void refuses(const char *images, const char *labels, const char *line)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    memset(&d, 0x55, sizeof d);
    check_refused(ls_idx_read(images, labels, &d, &err), &d, &err, line);
}

static inline void refuses_bytes(const void *images, size_t n, const char *line)
{
    write_file("bad", images, n);
    refuses("bad", "labels", line);
}

/* Every file cut short is refused, as images and as labels. */
static inline void refuses_cut(void write(const char *name, const void *p, size_t n), const void *images,
                               size_t images_size, const void *labels, size_t labels_size)
{
    for (size_t n = 0; n < images_size; n++) {
        write("cut", images, n);
        refuses("cut", "labels", NULL);
    }
    for (size_t n = 0; n < labels_size; n++) {
        write("cut", labels, n);
        refuses("images", "cut", NULL);
    }
}

/* ---- set-up ---- */

static char home[] = "/tmp/test_idx.XXXXXX";
static size_t descriptors;

static inline size_t count_descriptors(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* The last of every group. */
static inline void test_no_descriptor_left(void **state)
{
    (void)state;
    assert_int_equal(count_descriptors(), descriptors);
}

static inline int set_up(void **state)
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

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int tear_down(void **state)
{
    (void)state;
    return chdir("/") != 0 ? -1 : nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
