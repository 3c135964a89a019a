/* SPDX-License-Identifier: MIT
 * The bytes of an IDX file, plain or gzip by its first bytes, through one small buffer. */
#ifndef LS_FILE_H
#define LS_FILE_H

#include "core/status.h"

#include <zlib.h>

enum { LS_FILE_BUFFER = 32768 };

/* An open file; z.next_in and z.avail_in are the bytes read but not yet used, also of a plain file. */
struct ls_file {
    const char *path;
    struct lockstep_error *err;
    int fd;
    bool gzip, in_member;
    size_t size; /* of the file */
    size_t read; /* bytes read from the file */
    size_t pos;  /* bytes delivered */
    z_stream z;
    uint8_t buffer[LS_FILE_BUFFER];
};

/* Open a regular file with at least one byte. E_DATA, E_MEMORY. Begin with {.fd = -1}: then one that failed to open, or
 * was never opened, still goes to ls_file_close. */
enum lockstep_status ls_file_open(struct ls_file *f, const char *path, struct lockstep_error *err);

/* Deliver n bytes; *got < n only where the data end. E_DATA, E_MEMORY. */
enum lockstep_status ls_file_read(struct ls_file *f, uint8_t *to, size_t n, size_t *got);

void ls_file_close(struct ls_file *f);

/* What follows "at byte N" when N counts the unpacked bytes. */
static inline const char *ls_file_unpacked(const struct ls_file *f)
{
    return f->gzip ? " of the unpacked data" : "";
}

/* E_DATA with "PATH: " before the text; a long path keeps its end. */
enum lockstep_status ls_file_refuse(struct lockstep_error *err, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
