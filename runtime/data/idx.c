/* SPDX-License-Identifier: MIT
 * MNIST's IDX files. No number of a header is believed before the size of the file agrees; only what is returned gets
 * memory. */
#include "core/mem.h"
#include "data/data.h"
#include "data/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GZIP_RATIO = 1032,  /* deflate cannot shrink further */
    PIXELS_CAP = 65536, /* rows * columns of one image */
    CLASSES = 10,
    SHOWN_NAME = 80
};

/* The two forms of IDX file read here. */
struct form {
    uint32_t magic;
    size_t header;
    const char *items, *count;
};
static const struct form images_form = {0x00000803, 16, "images", "number of images"};
static const struct form labels_form = {0x00000801, 8, "labels", "number of labels"};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- header ---- */

struct header {
    size_t count, rows, columns;
    size_t bytes; /* of all items */
    size_t whole; /* of header and items */
};

/* What a wrong magic number most likely means and what to do. */
static const char *magic_hint(const struct form *form, uint32_t got)
{
    const struct form *other = form == &images_form ? &labels_form : &images_form;

    if (got == other->magic)
        return form == &images_form ? "this is a label file: are the two files swapped?"
                                    : "this is an image file: are the two files swapped?";
    if (__builtin_bswap32(got) == form->magic || __builtin_bswap32(got) == other->magic)
        return "the header is little-endian: IDX numbers are big-endian";
    if (got >> 16 == 0x1f8b)
        return "packed twice: unpack it once";
    if (got >> 16 != 0)
        return "not an IDX file";
    if ((got >> 8 & 0xff) != 0x08)
        return "only elements of type 0x08, unsigned byte, are read";
    return "the last byte is the number of dimensions";
}

static enum lockstep_status read_word(struct ls_file *f, const struct form *form, uint32_t *word)
{
    uint8_t b[4];
    size_t got;
    enum lockstep_status status = ls_file_read(f, b, sizeof b, &got);

    if (status != LOCKSTEP_OK)
        return status;
    if (got < sizeof b)
        return ls_file_refuse(f->err, f->path,
                              "header ends early at byte %zu%s: expected %zu bytes, got %zu (download it again)",
                              f->pos, ls_file_unpacked(f), form->header, f->pos);
    *word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return LOCKSTEP_OK;
}

static enum lockstep_status read_magic(struct ls_file *f, const struct form *form)
{
    uint32_t magic = 0;
    enum lockstep_status status = read_word(f, form, &magic);

    if (status != LOCKSTEP_OK || magic == form->magic)
        return status;
    return ls_file_refuse(f->err, f->path, "magic number at byte 0%s: expected 0x%08x (%s), got 0x%08x (%s)",
                          ls_file_unpacked(f), form->magic, form->items, magic, magic_hint(form, magic));
}

static enum lockstep_status read_size(struct ls_file *f, const struct form *form, const char *what, size_t *size)
{
    uint32_t word = 0;
    enum lockstep_status status = read_word(f, form, &word);

    if (status != LOCKSTEP_OK)
        return status;
    *size = word;
    return word ? LOCKSTEP_OK
                : ls_file_refuse(f->err, f->path, "%s at byte %zu%s: expected 1 or more, got 0 (download it again)",
                                 what, f->pos - 4, ls_file_unpacked(f));
}

/* Could a file of this size hold what its header announces? Asked before anything is allocated. */
static enum lockstep_status check_size(struct ls_file *f, const struct form *form, const struct header *h)
{
    if (f->gzip && h->whole / GZIP_RATIO > f->size)
        return ls_file_refuse(
            f->err, f->path,
            "sizes at byte 4%s: expected at most %d times the %zu bytes of the file, got %zu bytes (download it again)",
            ls_file_unpacked(f), GZIP_RATIO, f->size, h->whole);
    if (!f->gzip && f->size < h->whole)
        return ls_file_refuse(f->err, f->path,
                              "data end early at byte %zu: expected %zu bytes for %zu %s, got %zu (download it again)",
                              f->size, h->whole, h->count, form->items, f->size);
    if (!f->gzip && f->size > h->whole)
        return ls_file_refuse(
            f->err, f->path,
            "bytes left over at byte %zu: expected the end of the file after %zu %s, got %zu more (download it again)",
            h->whole, h->count, form->items, f->size - h->whole);
    return LOCKSTEP_OK;
}

static enum lockstep_status read_header(struct ls_file *f, const struct form *form, struct header *h)
{
    size_t pixels = 1;
    enum lockstep_status status = read_magic(f, form);

    *h = (struct header){.rows = 1, .columns = 1};
    if (status == LOCKSTEP_OK)
        status = read_size(f, form, form->count, &h->count);
    if (status == LOCKSTEP_OK && form == &images_form)
        status = read_size(f, form, "number of rows", &h->rows);
    if (status == LOCKSTEP_OK && form == &images_form)
        status = read_size(f, form, "number of columns", &h->columns);
    if (status != LOCKSTEP_OK)
        return status;
    if (!ls_mul(h->rows, h->columns, &pixels) || pixels > PIXELS_CAP)
        return ls_file_refuse(
            f->err, f->path,
            "image size at byte 8%s: expected at most %d pixels, got %zu x %zu (download it again, or use "
            "smaller images)",
            ls_file_unpacked(f), PIXELS_CAP, h->rows, h->columns);
    if (!ls_mul(h->count, pixels, &h->bytes) || !ls_add(form->header, h->bytes, &h->whole))
        return ls_file_refuse(f->err, f->path,
                              "sizes at byte 4%s: expected fewer than 2^64 bytes, got more (download it again)",
                              ls_file_unpacked(f));
    return check_size(f, form, h);
}

/* ---- items ---- */

/* All items into a block of their own; nothing may follow them. */
static enum lockstep_status read_items(struct ls_file *f, const struct form *form, const struct header *h,
                                       uint8_t **out)
{
    size_t got;
    uint8_t more;
    enum lockstep_status status;

    *out = ls_alloc(h->bytes, 1, f->err);
    if (!*out)
        return f->err->status;
    status = ls_file_read(f, *out, h->bytes, &got);
    if (status != LOCKSTEP_OK)
        return status;
    if (got < h->bytes)
        return ls_file_refuse(
            f->err, f->path, "data end early at byte %zu%s: expected %zu bytes for %zu %s, got %zu (download it again)",
            f->pos, ls_file_unpacked(f), h->whole, h->count, form->items, f->pos);
    status = ls_file_read(f, &more, 1, &got);
    if (status != LOCKSTEP_OK || !got)
        return status;
    return ls_file_refuse(f->err, f->path,
                          "bytes left over at byte %zu%s: expected the end after %zu %s, got more (download it again)",
                          h->whole, ls_file_unpacked(f), h->count, form->items);
}

static enum lockstep_status check_labels(const struct ls_file *f, const uint8_t *label, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (label[i] >= CLASSES)
            return ls_file_refuse(f->err, f->path,
                                  "label %zu at byte %zu%s: expected 0..%d, got %d (only %d classes are read)", i,
                                  labels_form.header + i, ls_file_unpacked(f), CLASSES - 1, label[i], CLASSES);
    return LOCKSTEP_OK;
}

/* Both headers first, then the labels, the smaller part, then the images. */
static enum lockstep_status read_pair(struct ls_file *images, struct ls_file *labels, struct lockstep_data *out)
{
    struct header ih, lh;
    enum lockstep_status status = read_header(images, &images_form, &ih);

    if (status == LOCKSTEP_OK)
        status = read_header(labels, &labels_form, &lh);
    if (status != LOCKSTEP_OK)
        return status;
    if (lh.count != ih.count)
        return ls_file_refuse(
            labels->err, labels->path,
            "number of labels at byte 4%s: expected %zu (as in %.*s), got %zu (give two files of the same part)",
            ls_file_unpacked(labels), ih.count, SHOWN_NAME, base_name(images->path), lh.count);
    *out = (struct lockstep_data){.rows = ih.count, .channels = ih.rows, .length = ih.columns, .classes = CLASSES};
    status = read_items(labels, &labels_form, &lh, &out->label);
    if (status == LOCKSTEP_OK)
        status = check_labels(labels, out->label, lh.count);
    if (status == LOCKSTEP_OK)
        status = read_items(images, &images_form, &ih, &out->x);
    return status;
}

enum lockstep_status ls_idx_read(const char *images, const char *labels, struct lockstep_data *out,
                                 struct lockstep_error *err)
{
    struct ls_file is = {.fd = -1}, ls = {.fd = -1};
    enum lockstep_status status = ls_file_open(&is, images, err);

    *out = (struct lockstep_data){0};
    if (status == LOCKSTEP_OK)
        status = ls_file_open(&ls, labels, err);
    if (status == LOCKSTEP_OK)
        status = read_pair(&is, &ls, out);
    ls_file_close(&is);
    ls_file_close(&ls);
    if (status != LOCKSTEP_OK) {
        ls_free(out->x);
        ls_free(out->label);
        *out = (struct lockstep_data){0};
    }
    return status;
}

/* ---- folder ---- */

/* Put the path of FOLDER/NAME, of one of the four spellings, into path. */
static enum lockstep_status find(const char *folder, const char *part, const char *items, int dimensions,
                                 char path[PATH_MAX], struct lockstep_error *err)
{
    static const char *const spelling[][2] = {{"-", ""}, {".", ""}, {"-", ".gz"}, {".", ".gz"}};

    for (size_t i = 0; i < sizeof spelling / sizeof spelling[0]; i++) {
        int n = snprintf(path, PATH_MAX, "%s/%s-%s%sidx%d-ubyte%s", folder, part, items, spelling[i][0], dimensions,
                         spelling[i][1]);
        if (n < 0 || n >= PATH_MAX)
            return ls_file_refuse(err, folder,
                                  "name of the folder: expected fewer than %d bytes, got more (use a shorter one)",
                                  PATH_MAX);
        if (access(path, F_OK) == 0 || errno != ENOENT)
            return LOCKSTEP_OK;
    }
    return ls_file_refuse(err, folder,
                          "file missing: expected %s-%s-idx%d-ubyte or %s-%s-idx%d-ubyte.gz, got neither (get it with "
                          "toolchain/get-mnist)",
                          part, items, dimensions, part, items, dimensions);
}

enum lockstep_status ls_idx_open(const char *folder, enum lockstep_part part, struct lockstep_data *out,
                                 struct lockstep_error *err)
{
    char images[PATH_MAX], labels[PATH_MAX];
    const char *prefix = part == LOCKSTEP_TRAIN ? "train" : "t10k";
    struct stat st;
    enum lockstep_status status;

    *out = (struct lockstep_data){0};
    if (stat(folder, &st) != 0 && errno == ENOENT)
        return ls_file_refuse(err, folder, "no such folder (give a folder with the four MNIST files, or digits)");
    if (stat(folder, &st) != 0)
        return ls_file_refuse(err, folder,
                              "cannot be opened: expected a folder, got \"%s\" (check name and permissions)",
                              strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return ls_file_refuse(err, folder,
                              "not a folder: expected one with the four MNIST files, got a file (give its folder)");
    status = find(folder, prefix, "images", 3, images, err);
    if (status == LOCKSTEP_OK)
        status = find(folder, prefix, "labels", 1, labels, err);
    return status == LOCKSTEP_OK ? ls_idx_read(images, labels, out, err) : status;
}
