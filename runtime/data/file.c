/* SPDX-License-Identifier: MIT */
#include "data/file.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_PATH = 180 }; /* so that a long path leaves room for the message */

enum lockstep_status ls_file_refuse(struct lockstep_error *err, const char *path, const char *format, ...)
{
    char text[sizeof err->text - SHOWN_PATH - 8];
    size_t length = strlen(path), skip = length > SHOWN_PATH ? length - SHOWN_PATH : 0;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ls_fail(err, LOCKSTEP_E_DATA, "%s%s: %s", skip ? "..." : "", path + skip, text);
}

static enum lockstep_status refill(struct ls_file *f)
{
    ssize_t n;

    if (f->z.avail_in)
        return LOCKSTEP_OK;
    do
        n = read(f->fd, f->buffer, sizeof f->buffer);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ls_file_refuse(f->err, f->path,
                              "cannot be read at byte %zu: expected %zu bytes, got \"%s\" (check the disk)", f->read,
                              f->size, strerror(errno));
    f->read += (size_t)n;
    if (f->read > f->size || (n == 0 && f->read < f->size))
        return ls_file_refuse(
            f->err, f->path,
            "file changed while it was read at byte %zu: expected %zu bytes, got %s (wait until it is written)",
            f->read, f->size, n ? "more" : "its end");
    f->z.next_in = f->buffer;
    f->z.avail_in = (uInt)n;
    return LOCKSTEP_OK;
}

static size_t copy(struct ls_file *f, uint8_t *to, size_t n)
{
    size_t k = n < f->z.avail_in ? n : f->z.avail_in;

    memcpy(to, f->z.next_in, k);
    f->z.next_in += k;
    f->z.avail_in -= (uInt)k;
    return k;
}

/* Inflate what the buffer holds, at most n bytes. zlib checks CRC and length at the end of each member. */
static enum lockstep_status unpack(struct ls_file *f, uint8_t *to, size_t n, size_t *got)
{
    uInt room = n < INT_MAX ? (uInt)n : INT_MAX;
    int result;

    if (!f->in_member) {
        size_t used = f->read - f->z.avail_in;
        if (*f->z.next_in != 0x1f)
            return ls_file_refuse(
                f->err, f->path,
                "bytes left over at byte %zu: expected the end of the file after the gzip data, got %zu more "
                "(download it again)",
                used, f->size - used);
        inflateReset(&f->z);
        f->in_member = true;
    }
    f->z.next_out = to;
    f->z.avail_out = room;
    result = inflate(&f->z, Z_NO_FLUSH);
    *got = room - f->z.avail_out;
    if (result == Z_STREAM_END)
        f->in_member = false;
    else if (result == Z_MEM_ERROR)
        return f->err->status;
    else if (result != Z_OK)
        return ls_file_refuse(f->err, f->path,
                              "gzip data damaged at byte %zu: expected a sound stream, got \"%s\" (download it again)",
                              f->read - f->z.avail_in, f->z.msg ? f->z.msg : "no progress");
    return LOCKSTEP_OK;
}

enum lockstep_status ls_file_read(struct ls_file *f, uint8_t *to, size_t n, size_t *got)
{
    *got = 0;
    while (*got < n) {
        size_t k = 0;
        enum lockstep_status status = refill(f);
        if (status != LOCKSTEP_OK)
            return status;
        if (!f->z.avail_in && f->in_member)
            return ls_file_refuse(
                f->err, f->path,
                "gzip data end early at byte %zu: expected more, got the end of the file (download it again)", f->size);
        if (!f->z.avail_in)
            return LOCKSTEP_OK;
        if (f->gzip)
            status = unpack(f, to + *got, n - *got, &k);
        else
            k = copy(f, to + *got, n - *got);
        if (status != LOCKSTEP_OK)
            return status;
        *got += k;
        f->pos += k;
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

static enum lockstep_status begin_unpacking(struct ls_file *f)
{
    const int result = inflateInit2(&f->z, 16 + MAX_WBITS);

    if (result == Z_MEM_ERROR)
        return f->err->status;
    if (result != Z_OK)
        return ls_fail(f->err, LOCKSTEP_E_INTERNAL, "zlib %s, but %s was built against", zlibVersion(), ZLIB_VERSION);
    f->gzip = f->in_member = true;
    return LOCKSTEP_OK;
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISFIFO(mode)                 ? "a pipe"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                            : "another thing";
}

enum lockstep_status ls_file_open(struct ls_file *f, const char *path, struct lockstep_error *err)
{
    struct stat st;
    enum lockstep_status status;

    f->path = path;
    f->err = err;
    f->z = (z_stream){.zalloc = z_alloc, .zfree = z_free, .opaque = err};
    f->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return ls_file_refuse(err, path,
                              "cannot be opened: expected an IDX file, got \"%s\" (check name and permissions)",
                              strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ls_file_refuse(err, path, "not a file: expected an IDX file, got %s (give a regular file)",
                              kind_of(st.st_mode));
    if (st.st_size == 0)
        return ls_file_refuse(err, path,
                              "file is empty at byte 0: expected an IDX header, got 0 bytes (download it again)");
    f->size = (size_t)st.st_size;
    status = refill(f);
    if (status != LOCKSTEP_OK || f->z.avail_in < 2 || f->buffer[0] != 0x1f || f->buffer[1] != 0x8b)
        return status;
    return begin_unpacking(f);
}

void ls_file_close(struct ls_file *f)
{
    if (f->gzip)
        inflateEnd(&f->z);
    if (f->fd >= 0)
        close(f->fd);
}
