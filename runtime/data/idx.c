/* SPDX-License-Identifier: MIT
 * MNIST's IDX files, plain or gzip. A source delivers the bytes of either through one small buffer; the parser above it
 * believes no number of a header before the size of the file agrees, and allocates only what is returned. */
#include "data/data.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    BUFFER = 32768,
    GZIP_RATIO = 1032,  /* deflate cannot shrink further */
    PIXELS_CAP = 65536, /* rows * columns of one image */
    CLASSES = 10,
    SHOWN_PATH = 180, /* so that a long path leaves room for the message */
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

/* An open file; z.next_in and z.avail_in are the bytes read but not yet used, also of a plain file. */
struct source {
    const char *path;
    struct lockstep_error *err;
    int fd;
    bool gzip, in_member;
    size_t size; /* of the file */
    size_t read; /* bytes read from the file */
    size_t pos;  /* bytes delivered */
    z_stream z;
    uint8_t buffer[BUFFER];
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* E_DATA with "PATH: " before the text; a long path keeps its end. */
static enum lockstep_status refuse(struct lockstep_error *err, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum lockstep_status refuse(struct lockstep_error *err, const char *path, const char *format, ...)
{
    char text[sizeof err->text - SHOWN_PATH - 8];
    size_t length = strlen(path), skip = length > SHOWN_PATH ? length - SHOWN_PATH : 0;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ls_fail(err, LOCKSTEP_E_DATA, "%s%s: %s", skip ? "..." : "", path + skip, text);
}

/* What follows "at byte N" when N counts the unpacked bytes. */
static const char *unpacked(const struct source *s)
{
    return s->gzip ? " of the unpacked data" : "";
}

/* ---- source ---- */

static enum lockstep_status refill(struct source *s)
{
    ssize_t n;

    if (s->z.avail_in)
        return LOCKSTEP_OK;
    do
        n = read(s->fd, s->buffer, sizeof s->buffer);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return refuse(s->err, s->path, "cannot be read at byte %zu: expected %zu bytes, got \"%s\" (check the disk)",
                      s->read, s->size, strerror(errno));
    s->read += (size_t)n;
    if (s->read > s->size || (n == 0 && s->read < s->size))
        return refuse(
            s->err, s->path,
            "file changed while it was read at byte %zu: expected %zu bytes, got %s (wait until it is written)",
            s->read, s->size, n ? "more" : "its end");
    s->z.next_in = s->buffer;
    s->z.avail_in = (uInt)n;
    return LOCKSTEP_OK;
}

static size_t copy(struct source *s, uint8_t *to, size_t n)
{
    size_t k = n < s->z.avail_in ? n : s->z.avail_in;

    memcpy(to, s->z.next_in, k);
    s->z.next_in += k;
    s->z.avail_in -= (uInt)k;
    return k;
}

/* Inflate what the buffer holds, at most n bytes. zlib checks CRC and length at the end of each member. */
static enum lockstep_status unpack(struct source *s, uint8_t *to, size_t n, size_t *got)
{
    uInt room = n < INT_MAX ? (uInt)n : INT_MAX;
    int result;

    if (!s->in_member) {
        size_t used = s->read - s->z.avail_in;
        if (*s->z.next_in != 0x1f)
            return refuse(s->err, s->path,
                          "bytes left over at byte %zu: expected the end of the file after the gzip data, got %zu more "
                          "(download it again)",
                          used, s->size - used);
        inflateReset(&s->z);
        s->in_member = true;
    }
    s->z.next_out = to;
    s->z.avail_out = room;
    result = inflate(&s->z, Z_NO_FLUSH);
    *got = room - s->z.avail_out;
    if (result == Z_STREAM_END)
        s->in_member = false;
    else if (result == Z_MEM_ERROR)
        return s->err->status;
    else if (result != Z_OK)
        return refuse(s->err, s->path,
                      "gzip data damaged at byte %zu: expected a sound stream, got \"%s\" (download it again)",
                      s->read - s->z.avail_in, s->z.msg ? s->z.msg : "no progress");
    return LOCKSTEP_OK;
}

/* Deliver n bytes; *got < n only where the data end. */
static enum lockstep_status deliver(struct source *s, uint8_t *to, size_t n, size_t *got)
{
    *got = 0;
    while (*got < n) {
        size_t k = 0;
        enum lockstep_status status = refill(s);
        if (status != LOCKSTEP_OK)
            return status;
        if (!s->z.avail_in && s->in_member)
            return refuse(s->err, s->path,
                          "gzip data end early at byte %zu: expected more, got the end of the file (download it again)",
                          s->size);
        if (!s->z.avail_in)
            return LOCKSTEP_OK;
        if (s->gzip)
            status = unpack(s, to + *got, n - *got, &k);
        else
            k = copy(s, to + *got, n - *got);
        if (status != LOCKSTEP_OK)
            return status;
        *got += k;
        s->pos += k;
    }
    return LOCKSTEP_OK;
}

/* zlib's memory comes from core/mem.h; opaque is the error to fill. */
static voidpf z_alloc(voidpf opaque, uInt count, uInt size)
{
    return ls_alloc(count, size, opaque);
}

static void z_free(voidpf opaque, voidpf p)
{
    (void)opaque;
    ls_free(p);
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISFIFO(mode)                 ? "a pipe"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                            : "another thing";
}

/* Open and see by the first bytes whether it is gzip. A source that failed to open still goes to source_close. */
static enum lockstep_status source_open(struct source *s, const char *path, struct lockstep_error *err)
{
    struct stat st;
    enum lockstep_status status;
    int result;

    s->path = path;
    s->err = err;
    s->z = (z_stream){.zalloc = z_alloc, .zfree = z_free, .opaque = err};
    s->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        return refuse(err, path, "cannot be opened: expected an IDX file, got \"%s\" (check name and permissions)",
                      strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(err, path, "not a file: expected an IDX file, got %s (give a regular file)", kind_of(st.st_mode));
    if (st.st_size == 0)
        return refuse(err, path, "file is empty at byte 0: expected an IDX header, got 0 bytes (download it again)");
    s->size = (size_t)st.st_size;
    status = refill(s);
    if (status != LOCKSTEP_OK || s->z.avail_in < 2 || s->buffer[0] != 0x1f || s->buffer[1] != 0x8b)
        return status;
    result = inflateInit2(&s->z, 16 + MAX_WBITS);
    if (result == Z_MEM_ERROR)
        return err->status;
    if (result != Z_OK)
        return ls_fail(err, LOCKSTEP_E_INTERNAL, "zlib %s, but %s was built against", zlibVersion(), ZLIB_VERSION);
    s->gzip = s->in_member = true;
    return LOCKSTEP_OK;
}

static void source_close(struct source *s)
{
    if (s->gzip)
        inflateEnd(&s->z);
    if (s->fd >= 0)
        close(s->fd);
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

static enum lockstep_status read_word(struct source *s, const struct form *form, uint32_t *word)
{
    uint8_t b[4];
    size_t got;
    enum lockstep_status status = deliver(s, b, sizeof b, &got);

    if (status != LOCKSTEP_OK)
        return status;
    if (got < sizeof b)
        return refuse(s->err, s->path,
                      "header ends early at byte %zu%s: expected %zu bytes, got %zu (download it again)", s->pos,
                      unpacked(s), form->header, s->pos);
    *word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return LOCKSTEP_OK;
}

static enum lockstep_status read_magic(struct source *s, const struct form *form)
{
    uint32_t magic = 0;
    enum lockstep_status status = read_word(s, form, &magic);

    if (status != LOCKSTEP_OK || magic == form->magic)
        return status;
    return refuse(s->err, s->path, "magic number at byte 0%s: expected 0x%08x (%s), got 0x%08x (%s)", unpacked(s),
                  form->magic, form->items, magic, magic_hint(form, magic));
}

static enum lockstep_status read_size(struct source *s, const struct form *form, const char *what, size_t *size)
{
    uint32_t word = 0;
    enum lockstep_status status = read_word(s, form, &word);

    if (status != LOCKSTEP_OK)
        return status;
    *size = word;
    return word ? LOCKSTEP_OK
                : refuse(s->err, s->path, "%s at byte %zu%s: expected 1 or more, got 0 (download it again)", what,
                         s->pos - 4, unpacked(s));
}

/* Could a file of this size hold what its header announces? Asked before anything is allocated. */
static enum lockstep_status check_size(struct source *s, const struct form *form, const struct header *h)
{
    if (s->gzip && h->whole / GZIP_RATIO > s->size)
        return refuse(
            s->err, s->path,
            "sizes at byte 4%s: expected at most %d times the %zu bytes of the file, got %zu bytes (download it again)",
            unpacked(s), GZIP_RATIO, s->size, h->whole);
    if (!s->gzip && s->size < h->whole)
        return refuse(s->err, s->path,
                      "data end early at byte %zu: expected %zu bytes for %zu %s, got %zu (download it again)", s->size,
                      h->whole, h->count, form->items, s->size);
    if (!s->gzip && s->size > h->whole)
        return refuse(
            s->err, s->path,
            "bytes left over at byte %zu: expected the end of the file after %zu %s, got %zu more (download it again)",
            h->whole, h->count, form->items, s->size - h->whole);
    return LOCKSTEP_OK;
}

static enum lockstep_status read_header(struct source *s, const struct form *form, struct header *h)
{
    size_t pixels = 1;
    enum lockstep_status status = read_magic(s, form);

    *h = (struct header){.rows = 1, .columns = 1};
    if (status == LOCKSTEP_OK)
        status = read_size(s, form, form->count, &h->count);
    if (status == LOCKSTEP_OK && form == &images_form)
        status = read_size(s, form, "number of rows", &h->rows);
    if (status == LOCKSTEP_OK && form == &images_form)
        status = read_size(s, form, "number of columns", &h->columns);
    if (status != LOCKSTEP_OK)
        return status;
    if (!ls_mul(h->rows, h->columns, &pixels) || pixels > PIXELS_CAP)
        return refuse(s->err, s->path,
                      "image size at byte 8%s: expected at most %d pixels, got %zu x %zu (download it again, or use "
                      "smaller images)",
                      unpacked(s), PIXELS_CAP, h->rows, h->columns);
    if (!ls_mul(h->count, pixels, &h->bytes) || !ls_add(form->header, h->bytes, &h->whole))
        return refuse(s->err, s->path,
                      "sizes at byte 4%s: expected fewer than 2^64 bytes, got more (download it again)", unpacked(s));
    return check_size(s, form, h);
}

/* ---- items ---- */

/* All items into a block of their own; nothing may follow them. */
static enum lockstep_status read_items(struct source *s, const struct form *form, const struct header *h, uint8_t **out)
{
    size_t got;
    uint8_t more;
    enum lockstep_status status;

    *out = ls_alloc(h->bytes, 1, s->err);
    if (!*out)
        return s->err->status;
    status = deliver(s, *out, h->bytes, &got);
    if (status != LOCKSTEP_OK)
        return status;
    if (got < h->bytes)
        return refuse(s->err, s->path,
                      "data end early at byte %zu%s: expected %zu bytes for %zu %s, got %zu (download it again)",
                      s->pos, unpacked(s), h->whole, h->count, form->items, s->pos);
    status = deliver(s, &more, 1, &got);
    if (status != LOCKSTEP_OK || !got)
        return status;
    return refuse(s->err, s->path,
                  "bytes left over at byte %zu%s: expected the end after %zu %s, got more (download it again)",
                  h->whole, unpacked(s), h->count, form->items);
}

static enum lockstep_status check_labels(const struct source *s, const uint8_t *label, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (label[i] >= CLASSES)
            return refuse(s->err, s->path, "label %zu at byte %zu%s: expected 0..%d, got %d (only %d classes are read)",
                          i, labels_form.header + i, unpacked(s), CLASSES - 1, label[i], CLASSES);
    return LOCKSTEP_OK;
}

/* Both headers first, then the labels, the smaller part, then the images. */
static enum lockstep_status read_pair(struct source *images, struct source *labels, struct lockstep_data *out)
{
    struct header ih, lh;
    enum lockstep_status status = read_header(images, &images_form, &ih);

    if (status == LOCKSTEP_OK)
        status = read_header(labels, &labels_form, &lh);
    if (status != LOCKSTEP_OK)
        return status;
    if (lh.count != ih.count)
        return refuse(
            labels->err, labels->path,
            "number of labels at byte 4%s: expected %zu (as in %.*s), got %zu (give two files of the same part)",
            unpacked(labels), ih.count, SHOWN_NAME, base_name(images->path), lh.count);
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
    struct source is = {.fd = -1}, ls = {.fd = -1};
    enum lockstep_status status = source_open(&is, images, err);

    *out = (struct lockstep_data){0};
    if (status == LOCKSTEP_OK)
        status = source_open(&ls, labels, err);
    if (status == LOCKSTEP_OK)
        status = read_pair(&is, &ls, out);
    source_close(&is);
    source_close(&ls);
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
            return refuse(err, folder, "name of the folder: expected fewer than %d bytes, got more (use a shorter one)",
                          PATH_MAX);
        if (access(path, F_OK) == 0 || errno != ENOENT)
            return LOCKSTEP_OK;
    }
    return refuse(err, folder,
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
        return refuse(err, folder, "no such folder (give a folder with the four MNIST files, or digits)");
    if (stat(folder, &st) != 0)
        return refuse(err, folder, "cannot be opened: expected a folder, got \"%s\" (check name and permissions)",
                      strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return refuse(err, folder,
                      "not a folder: expected one with the four MNIST files, got a file (give its folder)");
    status = find(folder, prefix, "images", 3, images, err);
    if (status == LOCKSTEP_OK)
        status = find(folder, prefix, "labels", 1, labels, err);
    return status == LOCKSTEP_OK ? ls_idx_read(images, labels, out, err) : status;
}
