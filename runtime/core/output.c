/* SPDX-License-Identifier: MIT */
#include "core/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

enum {
    MAX_SHOWN = 200, /* characters of a path in an error line */
    MAX_TEMPORARIES = 16,
    TEMPORARY_ROOM = 48 /* ".tmp.PID.N" or "./" and NUL */
};

/* The path as error lines show it: of a long one the tail. */
const char *ls_path_shown(const char *path)
{
    size_t n = strlen(path);
    return n > MAX_SHOWN ? path + n - MAX_SHOWN : path;
}
bool ls_output_fail(struct lockstep_error *err, const char *path, const char *reason, const char *hint)
{
    ls_fail(err, LOCKSTEP_E_OUTPUT, "%s: cannot write: %s (%s)", ls_path_shown(path), reason, hint);
    return false;
}

/* The same with the reason in errno. */
static bool fail_errno(struct lockstep_error *err, const char *path)
{
    static const struct {
        int number;
        const char *reason, *hint;
    } known[] = {
        {ENOENT, "its folder does not exist", "create the folder first"},
        {ENOTDIR, "a part of the path is not a folder", "check the path"},
        {EACCES, "permission denied", "check the rights of the folder or save elsewhere"},
        {EPERM, "permission denied", "check the rights of the folder or save elsewhere"},
        {EROFS, "the file system is read-only", "save elsewhere"},
        {ENOSPC, "no space left", "free some space or save elsewhere"},
        {EDQUOT, "disk quota reached", "free some space or save elsewhere"},
        {EFBIG, "file size limit reached", "raise it (ulimit -f) or save elsewhere"},
        {ENAMETOOLONG, "the name is too long", "use a shorter one"},
        {EEXIST, "old temporary files are in the way", "remove the files *.tmp.* beside it"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].number == errno)
            return ls_output_fail(err, path, known[i].reason, known[i].hint);
    return ls_output_fail(err, path, strerror(errno), "save elsewhere");
}
/* An open file must not get the number of a closed stdin, stdout or stderr. */
static int above_stderr(int fd)
{
    int high;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return high;
}

static bool open_folder(struct ls_output *o)
{
    const char *slash = strrchr(o->path, '/');
    size_t length = strlen(o->path);
    struct stat st;

    o->name = slash ? slash + 1 : o->path;
    o->temporary = ls_alloc(length + TEMPORARY_ROOM, 1, o->err);
    if (!o->temporary)
        return false;
    memcpy(o->temporary, slash ? o->path : "./", slash ? (size_t)(o->name - o->path) : 2);
    o->folder = above_stderr(open(o->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    memset(o->temporary, 0, length + 1);
    if (o->folder < 0)
        return fail_errno(o->err, o->path);
    if (!*o->name || (!fstatat(o->folder, o->name, &st, 0) && S_ISDIR(st.st_mode)))
        return ls_output_fail(o->err, o->path, "it is a folder", "give a file name");
    if (!fstatat(o->folder, o->name, &st, 0) && !S_ISREG(st.st_mode))
        return ls_output_fail(o->err, o->path, "it is not a regular file", "give another name");
    return true;
}

/* A killed program may have left its temporary file, and a container may give out its number again: try a few names. */
static bool open_temporary(struct ls_output *o)
{
    size_t room = strlen(o->path) + TEMPORARY_ROOM;

    for (unsigned attempt = 1; attempt <= MAX_TEMPORARIES; attempt++) {
        if (attempt == 1)
            snprintf(o->temporary, room, "%s.tmp.%ld", o->name, (long)getpid());
        else
            snprintf(o->temporary, room, "%s.tmp.%ld.%u", o->name, (long)getpid(), attempt);
        o->file = above_stderr(openat(o->folder, o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (o->file >= 0)
            return true;
        if (errno != EEXIST)
            break;
    }
    if (errno == EEXIST)
        *o->temporary = '\0'; /* not ours */
    return fail_errno(o->err, o->path);
}

bool ls_output_begin(struct ls_output *o, const char *path, struct lockstep_error *err)
{
    *o = (struct ls_output){.path = path, .folder = -1, .file = -1, .err = err};
    return open_folder(o) && open_temporary(o);
}

bool ls_output_write(struct ls_output *o, const void *data, size_t bytes)
{
    const char *at = data;

    while (bytes) {
        ssize_t n = write(o->file, at, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n ? errno : EIO;
            return fail_errno(o->err, o->path);
        }
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* A failed fsync is final: the kernel may have dropped the pages, so a second one would lie. */
bool ls_output_finish(struct ls_output *o)
{
    int file = o->file;

    if (fsync(file))
        return fail_errno(o->err, o->path);
    o->file = -1;
    return !close(file) || errno == EINTR || fail_errno(o->err, o->path);
}

bool ls_output_publish(struct ls_output *o)
{
    if (renameat(o->folder, o->temporary, o->folder, o->name))
        return fail_errno(o->err, o->path);
    *o->temporary = '\0';
    return !fsync(o->folder) || errno == EINVAL || fail_errno(o->err, o->path); /* EINVAL: not for folders here */
}

void ls_output_end(struct ls_output *o)
{
    if (o->file >= 0)
        close(o->file);
    if (o->temporary && *o->temporary)
        unlinkat(o->folder, o->temporary, 0);
    if (o->folder >= 0)
        close(o->folder);
    ls_free(o->temporary);
}
