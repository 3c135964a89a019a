/* SPDX-License-Identifier: MIT
 * Loading a safetensors file: every size is checked against the file before it is used. */
#include "train/tensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/output.h"

enum { LENGTH_BYTES = 8 }; /* the file begins with the header's length */

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
    ls_fail(r->err, LOCKSTEP_E_CHECKPOINT, "%s: %s", ls_path_shown(r->path), text);
    return false;
}

static bool fail_memory(struct reader *r)
{
    ls_fail(r->err, LOCKSTEP_E_MEMORY, "out of memory: reading the header of %s", ls_path_shown(r->path));
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
    most = r->size - LENGTH_BYTES < LS_TENSORS_HEADER_MAX ? r->size - LENGTH_BYTES : LS_TENSORS_HEADER_MAX;
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
    if (!ls_tensor_bytes(&s->tensor, &bytes))
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

static bool read_data(struct reader *r, struct ls_tensors *out)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct ls_tensor *t = &out->tensor[i];
        size_t bytes = r->span[i].end - r->span[i].begin;

        if (!read_all(r, t->data, bytes))
            return false;
        for (size_t k = 0; k < bytes / sizeof(float); k++)
            if (!isfinite(t->data[k]))
                return refuse(r, "tensor \"%s\": expected finite values, got %s at element %zu", t->name,
                              isnan(t->data[k]) ? "NaN" : "Inf", k);
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
