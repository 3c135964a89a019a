/* SPDX-License-Identifier: MIT
 * safetensors files: saving (atomic, by a temporary file in the same folder), loading (every size is checked against
 * the file before it is used) and the digest. */
#include "train/tensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL /* the state can lie on the stack: no allocation that could fail */
#include <xxhash.h>

#include "core/mem.h"

enum {
    LENGTH_BYTES = 8,      /* the file begins with the header's length */
    MAX_HEADER = 16 << 20, /* bytes of JSON */
    MAX_SHOWN = 200,       /* characters of a path in an error line */
    MAX_TEMPORARIES = 16,
    TEMPORARY_ROOM = 48 /* ".tmp.PID.N" or "./" and NUL */
};

static const uint32_t EXPONENT_BITS = 0x7f800000, SIGN_BIT = 0x80000000, ANY_NAN = 0x7fc00000;

static bool tensor_elements(const struct ls_tensor *t, size_t *elements)
{
    size_t n = 1;

    for (size_t d = 0; d < t->rank; d++)
        if (!ls_mul(n, t->shape[d], &n))
            return false;
    *elements = n;
    return true;
}

static bool tensor_bytes(const struct ls_tensor *t, size_t *bytes)
{
    return tensor_elements(t, bytes) && ls_mul(*bytes, sizeof(float), bytes);
}

/* The path as error lines show it: of a long one the tail. */
static const char *shown(const char *path)
{
    size_t n = strlen(path);
    return n > MAX_SHOWN ? path + n - MAX_SHOWN : path;
}

/* ---- saving: errors ---- */

static bool fail_output(struct lockstep_error *err, const char *path, const char *reason, const char *hint)
{
    ls_fail(err, LOCKSTEP_E_OUTPUT, "%s: cannot write: %s (%s)", shown(path), reason, hint);
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
            return fail_output(err, path, known[i].reason, known[i].hint);
    return fail_output(err, path, strerror(errno), "save elsewhere");
}

/* ---- saving: header ---- */

static json_t *metadata_object(const struct ls_meta *meta, size_t metas)
{
    json_t *o = json_object();

    for (size_t i = 0; o && i < metas; i++)
        if (json_object_get(o, meta[i].key) || json_object_set_new(o, meta[i].key, json_string(meta[i].value))) {
            json_decref(o);
            return NULL;
        }
    return o;
}

static json_t *tensor_object(const struct ls_tensor *t, size_t begin, size_t end)
{
    json_t *shape = json_array();

    for (size_t d = 0; d < t->rank; d++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[d]))) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)end);
}

/* The JSON header; NULL when a name or value is not UTF-8 or comes twice, when a size wraps, or when memory ran out. */
static json_t *header_object(const struct ls_tensor *tensor, size_t n, const struct ls_meta *meta, size_t metas)
{
    json_t *root = json_object();
    bool ok = root && (!metas || !json_object_set_new(root, "__metadata__", metadata_object(meta, metas)));
    size_t begin = 0, end, bytes;

    for (size_t i = 0; ok && i < n; i++) {
        ok = tensor_bytes(&tensor[i], &bytes) && ls_add(begin, bytes, &end) && *tensor[i].name &&
             strcmp(tensor[i].name, "__metadata__") != 0 && !json_object_get(root, tensor[i].name) &&
             !json_object_set_new(root, tensor[i].name, tensor_object(&tensor[i], begin, end));
        begin = ok ? end : 0;
    }
    if (!ok) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* Length and header as they begin the file. */
static unsigned char *make_header(const char *path, const struct ls_tensor *tensor, size_t n,
                                  const struct ls_meta *meta, size_t metas, size_t *bytes, struct lockstep_error *err)
{
    json_t *root = header_object(tensor, n, meta, metas);
    size_t used = root ? json_dumpb(root, NULL, 0, JSON_COMPACT) : 0, padded = (used + 7) / 8 * 8;
    bool ok = used && padded <= MAX_HEADER;
    unsigned char *block = ls_alloc(LENGTH_BYTES + padded, 1, err);

    if (block) {
        for (size_t i = 0; i < LENGTH_BYTES; i++)
            block[i] = (unsigned char)(padded >> 8 * i);
        memset(block + LENGTH_BYTES, ' ', padded);
        *bytes = LENGTH_BYTES + padded;
        if (!ok || json_dumpb(root, (char *)block + LENGTH_BYTES, used, JSON_COMPACT) != used) {
            fail_output(err, path, "no header can be made", "names must be short, unique and UTF-8, or memory ran out");
            ls_free(block);
            block = NULL;
        }
    }
    json_decref(root);
    return block;
}

/* ---- saving: file ---- */

/* A file being written under a temporary name. */
struct output {
    const char *path, *name; /* name: the last part of path */
    char *temporary;         /* its name beside path; empty while there is none */
    int folder, file;
    struct lockstep_error *err;
};

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

static bool open_folder(struct output *o)
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
        return fail_output(o->err, o->path, "it is a folder", "give a file name");
    if (!fstatat(o->folder, o->name, &st, 0) && !S_ISREG(st.st_mode))
        return fail_output(o->err, o->path, "it is not a regular file", "give another name");
    return true;
}

/* A killed program may have left its temporary file, and a container may give out its number again: try a few names. */
static bool open_temporary(struct output *o)
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

static bool begin_output(struct output *o, const char *path, struct lockstep_error *err)
{
    *o = (struct output){.path = path, .folder = -1, .file = -1, .err = err};
    return open_folder(o) && open_temporary(o);
}

static bool write_all(struct output *o, const void *data, size_t bytes)
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
static bool finish_file(struct output *o)
{
    int file = o->file;

    if (fsync(file))
        return fail_errno(o->err, o->path);
    o->file = -1;
    return !close(file) || errno == EINTR || fail_errno(o->err, o->path);
}

static bool publish(struct output *o)
{
    if (renameat(o->folder, o->temporary, o->folder, o->name))
        return fail_errno(o->err, o->path);
    *o->temporary = '\0';
    return !fsync(o->folder) || errno == EINVAL || fail_errno(o->err, o->path); /* EINVAL: not for folders here */
}

static void end_output(struct output *o)
{
    if (o->file >= 0)
        close(o->file);
    if (o->temporary && *o->temporary)
        unlinkat(o->folder, o->temporary, 0);
    if (o->folder >= 0)
        close(o->folder);
    ls_free(o->temporary);
}

enum lockstep_status ls_tensors_save(const char *path, const struct ls_tensor *tensor, size_t n,
                                     const struct ls_meta *meta, size_t metas, struct lockstep_error *err)
{
    size_t bytes;
    unsigned char *header = make_header(path, tensor, n, meta, metas, &bytes, err);
    struct output o;
    bool ok;

    if (!header)
        return err->status;
    ok = begin_output(&o, path, err) && write_all(&o, header, bytes);
    for (size_t i = 0; ok && i < n; i++)
        ok = tensor_bytes(&tensor[i], &bytes) && write_all(&o, tensor[i].data, bytes);
    ok = ok && finish_file(&o) && publish(&o);
    end_output(&o);
    ls_free(header);
    return ok ? LOCKSTEP_OK : err->status;
}

enum lockstep_status ls_tensors_save_check(const char *path, struct lockstep_error *err)
{
    struct output o;
    bool ok = begin_output(&o, path, err) && write_all(&o, "lockstep", LENGTH_BYTES) && finish_file(&o);

    end_output(&o);
    return ok ? LOCKSTEP_OK : err->status;
}

/* ---- loading ---- */

/* A tensor and the bytes of the data part that the header gives it. */
struct span {
    size_t begin, end;
    struct ls_tensor tensor;
};

struct reader {
    const char *path;
    int file;
    size_t size, data; /* of the file; of its data part */
    json_t *header;
    struct span *span;
    size_t n;
    struct lockstep_error *err;
};

/* Where ls_tensors.storage points. */
struct storage {
    json_t *metadata;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *r, const char *format, ...)
{
    char text[sizeof r->err->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ls_fail(r->err, LOCKSTEP_E_CHECKPOINT, "%s: %s", shown(r->path), text);
    return false;
}

static bool fail_memory(struct reader *r)
{
    ls_fail(r->err, LOCKSTEP_E_MEMORY, "out of memory: reading the header of %s", shown(r->path));
    return false;
}

static bool open_file(struct reader *r)
{
    struct stat st;

    r->file = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (r->file < 0 && errno == ENOENT)
        return refuse(r, "no such file (check the path)");
    if (r->file < 0 || fstat(r->file, &st))
        return refuse(r, "cannot read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(r, "expected a regular file, got %s", S_ISDIR(st.st_mode) ? "a folder" : "something else");
    r->size = (size_t)st.st_size;
    return true;
}

static bool read_all(struct reader *r, void *data, size_t bytes)
{
    char *at = data;

    while (bytes) {
        ssize_t n = read(r->file, at, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse(r, "cannot read: %s", strerror(errno));
        if (n == 0)
            return refuse(r, "expected %zu more bytes, got the end of the file (it became shorter)", bytes);
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* jansson makes about 100 bytes of each "[": refuse a header with more than honest tensors (50 bytes, 3 brackets) need.
 */
static bool too_many_brackets(const char *s, size_t n)
{
    size_t brackets = 0;
    bool quoted = false;

    for (size_t i = 0; i < n; i++) {
        if (quoted && s[i] == '\\')
            i++;
        else if (s[i] == '"')
            quoted = !quoted;
        else if (!quoted && (s[i] == '[' || s[i] == '{'))
            brackets++;
    }
    return brackets > n / 16 + 4;
}

static bool parse_header(struct reader *r, const char *text, size_t n)
{
    json_error_t error = {0};
    const char *near;

    if (*text != '{')
        return refuse(r, "header at byte %d: expected \"{\", got byte 0x%02x", LENGTH_BYTES, (unsigned char)*text);
    if (too_many_brackets(text, n))
        return refuse(r, "header at byte %d: expected one object for each tensor, got more brackets", LENGTH_BYTES);
    r->header = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (r->header)
        return true;
    if (json_error_code(&error) == json_error_out_of_memory || !*error.text)
        return fail_memory(r);
    near = strstr(error.text, " near ");
    return refuse(r, "header at byte %d: expected JSON, got %.*s", LENGTH_BYTES + error.position,
                  near ? (int)(near - error.text) : (int)strlen(error.text), error.text);
}

static bool read_header(struct reader *r)
{
    unsigned char raw[LENGTH_BYTES];
    uint64_t length = 0;
    size_t most;
    char *text;
    bool ok;

    if (r->size < LENGTH_BYTES + 2)
        return refuse(r, "expected at least %d bytes, got %zu (not a safetensors file)", LENGTH_BYTES + 2, r->size);
    if (!read_all(r, raw, LENGTH_BYTES))
        return false;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)raw[i] << 8 * i;
    most = r->size - LENGTH_BYTES < MAX_HEADER ? r->size - LENGTH_BYTES : MAX_HEADER;
    if (length < 2 || length > most)
        return refuse(r,
                      "header length at byte 0: expected 2 to %zu, got %" PRIu64 " (cut off or not a safetensors file)",
                      most, length);
    text = ls_alloc(length, 1, r->err);
    if (!text)
        return false;
    r->data = r->size - LENGTH_BYTES - length;
    ok = read_all(r, text, length) && parse_header(r, text, length);
    ls_free(text);
    return ok;
}

static bool check_metadata(struct reader *r)
{
    json_t *metadata = json_object_get(r->header, "__metadata__");

    if (metadata && !json_is_object(metadata))
        return refuse(r, "__metadata__: expected an object");
    for (void *i = json_object_iter(metadata); i; i = json_object_iter_next(metadata, i))
        if (!json_is_string(json_object_iter_value(i)))
            return refuse(r, "__metadata__: expected strings only");
    return true;
}

static bool check_name(struct reader *r, const char *name)
{
    size_t n = strlen(name);
    bool printable = true;

    for (size_t i = 0; i < n; i++)
        printable = printable && name[i] > 0x20 && name[i] < 0x7f;
    if (n < 1 || n >= sizeof r->span->tensor.name || !printable)
        return refuse(r, "tensor name: expected 1 to %zu printable characters, got %zu bytes",
                      sizeof r->span->tensor.name - 1, n);
    return true;
}

static bool read_shape(struct reader *r, json_t *shape, struct ls_tensor *t)
{
    if (!json_is_array(shape) || json_array_size(shape) > LS_TENSOR_RANK)
        return refuse(r, "tensor \"%s\": shape: expected a list of at most %d numbers", t->name, LS_TENSOR_RANK);
    t->rank = json_array_size(shape);
    for (size_t d = 0; d < t->rank; d++) {
        json_int_t extent = json_integer_value(json_array_get(shape, d)); /* 0 when it is no integer */

        if (extent < 1)
            return refuse(r, "tensor \"%s\": shape: expected whole numbers from 1", t->name);
        t->shape[d] = (size_t)extent;
    }
    return true;
}

static bool read_offsets(struct reader *r, json_t *offsets, struct span *s)
{
    json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    size_t bytes;

    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return refuse(r, "tensor \"%s\": data_offsets: expected two whole numbers, begin and end", s->tensor.name);
    s->begin = (size_t)json_integer_value(begin);
    s->end = (size_t)json_integer_value(end);
    if (s->end > r->data)
        return refuse(r, "tensor \"%s\": data_offsets: expected an end of at most %zu, got %zu (is the file cut off?)",
                      s->tensor.name, r->data, s->end);
    if (!tensor_bytes(&s->tensor, &bytes))
        return refuse(r, "tensor \"%s\": shape: the product of its dimensions overflows", s->tensor.name);
    if (s->end - s->begin != bytes)
        return refuse(r, "tensor \"%s\": data_offsets: expected %zu bytes (by its shape), got %zu", s->tensor.name,
                      bytes, s->end - s->begin);
    return true;
}

static bool read_span(struct reader *r, void *member, struct span *s)
{
    const char *name = json_object_iter_key(member);
    json_t *entry = json_object_iter_value(member);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");

    if (!check_name(r, name))
        return false;
    memcpy(s->tensor.name, name, strlen(name) + 1);
    if (!dtype || !shape || !offsets || json_object_size(entry) != 3)
        return refuse(r, "tensor \"%s\": expected dtype, shape and data_offsets, got other keys", name);
    if (strcmp(dtype, "F32") != 0)
        return refuse(r, "tensor \"%s\": dtype: expected F32, got %.16s (save the weights as float32)", name, dtype);
    return read_shape(r, shape, &s->tensor) && read_offsets(r, offsets, s);
}

static int by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static bool read_spans(struct reader *r)
{
    size_t at = 0;

    r->span = ls_alloc(json_object_size(r->header), sizeof *r->span, r->err);
    if (!r->span)
        return false;
    for (void *i = json_object_iter(r->header); i; i = json_object_iter_next(r->header, i))
        if (strcmp(json_object_iter_key(i), "__metadata__") != 0 && !read_span(r, i, &r->span[r->n++]))
            return false;
    qsort(r->span, r->n, sizeof *r->span, by_begin);
    for (size_t i = 0; i < r->n; i++) {
        if (r->span[i].begin != at)
            return refuse(r, "tensor \"%s\": data_offsets: expected to begin at %zu, got %zu (a hole or an overlap)",
                          r->span[i].tensor.name, at, r->span[i].begin);
        at = r->span[i].end;
    }
    return at == r->data || refuse(r, "data: expected %zu bytes (by the header), got %zu", at, r->data);
}

/* One block: struct storage, the tensors, the metadata's text, the data. */
static bool make_tensors(struct reader *r, struct ls_tensors *out)
{
    json_t *metadata = json_object_get(r->header, "__metadata__");
    size_t text = metadata ? json_dumpb(metadata, NULL, 0, JSON_COMPACT) : 2;
    struct ls_arena arena = {0};
    size_t storage_at = ls_arena_book(&arena, 1, sizeof(struct storage));
    size_t tensor_at = ls_arena_book(&arena, r->n, sizeof *out->tensor);
    size_t text_at = ls_arena_book(&arena, text + 1, 1);
    size_t data_at = ls_arena_book(&arena, r->data, 1);

    if (ls_arena_commit(&arena, r->err) != LOCKSTEP_OK)
        return false;
    out->storage = ls_arena_at(&arena, storage_at);
    ((struct storage *)out->storage)->metadata = json_incref(metadata);
    out->metadata_json = ls_arena_at(&arena, text_at);
    if (!metadata)
        memcpy(out->metadata_json, "{}", 2);
    else if (!text || json_dumpb(metadata, out->metadata_json, text, JSON_COMPACT) != text)
        return fail_memory(r);
    out->tensor = ls_arena_at(&arena, tensor_at);
    out->n = r->n;
    for (size_t i = 0; i < r->n; i++) {
        out->tensor[i] = r->span[i].tensor;
        out->tensor[i].data = (float *)(void *)((char *)ls_arena_at(&arena, data_at) + r->span[i].begin);
    }
    return true;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static bool read_data(struct reader *r, struct ls_tensors *out)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct ls_tensor *t = &out->tensor[i];
        size_t bytes = r->span[i].end - r->span[i].begin;

        if (!read_all(r, t->data, bytes))
            return false;
        for (size_t k = 0; k < bytes / sizeof(float); k++)
            if ((bits_of(t->data[k]) & EXPONENT_BITS) == EXPONENT_BITS)
                return refuse(r, "tensor \"%s\": expected finite values, got %s at element %zu", t->name,
                              bits_of(t->data[k]) & ~(SIGN_BIT | EXPONENT_BITS) ? "NaN" : "Inf", k);
    }
    return true;
}

enum lockstep_status ls_tensors_load(const char *path, struct ls_tensors *out, struct lockstep_error *err)
{
    struct reader r = {.path = path, .file = -1, .err = err};
    bool ok;

    *out = (struct ls_tensors){0};
    ok = open_file(&r) && read_header(&r) && check_metadata(&r) && read_spans(&r) && make_tensors(&r, out) &&
         read_data(&r, out);
    if (!ok)
        ls_tensors_free(out);
    if (r.file >= 0)
        close(r.file);
    json_decref(r.header);
    ls_free(r.span);
    return ok ? LOCKSTEP_OK : err->status;
}

static json_t *metadata_of(const struct ls_tensors *t)
{
    return t->storage ? ((const struct storage *)t->storage)->metadata : NULL;
}

void ls_tensors_free(struct ls_tensors *t)
{
    json_decref(metadata_of(t));
    ls_free(t->storage);
    *t = (struct ls_tensors){0};
}

const char *ls_tensors_meta(struct ls_tensors *t, const char *key)
{
    return json_string_value(json_object_get(metadata_of(t), key));
}

/* ---- digest ---- */

void ls_tensors_digest(const struct ls_tensor *tensor, size_t n, char hex[33])
{
    enum { CHUNK = 1024 };
    uint32_t chunk[CHUNK];
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < n; i++) {
        size_t elements = 0;

        tensor_elements(&tensor[i], &elements);
        for (size_t k = 0; k < elements; k += CHUNK) {
            size_t m = elements - k < CHUNK ? elements - k : CHUNK;

            for (size_t j = 0; j < m; j++) {
                uint32_t bits = bits_of(tensor[i].data[k + j]);
                chunk[j] = (bits & ~SIGN_BIT) > EXPONENT_BITS ? ANY_NAN : bits;
            }
            XXH3_128bits_update(&state, chunk, m * sizeof *chunk);
        }
    }
    hash = XXH3_128bits_digest(&state);
    snprintf(hex, 33, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}
