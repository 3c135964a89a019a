/* SPDX-License-Identifier: MIT
 * Saving tensors as a safetensors file, and their digest. */
#include "train/tensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL /* the state can lie on the stack: no allocation that could fail */
#include <xxhash.h>

#include "core/mem.h"
#include "core/output.h"

enum { LENGTH_BYTES = 8 }; /* the file begins with the header's length */

bool ls_tensor_elements(const struct ls_tensor *t, size_t *elements)
{
    size_t n = 1;

    for (size_t d = 0; d < t->rank; d++)
        if (!ls_mul(n, t->shape[d], &n))
            return false;
    *elements = n;
    return true;
}

bool ls_tensor_bytes(const struct ls_tensor *t, size_t *bytes)
{
    return ls_tensor_elements(t, bytes) && ls_mul(*bytes, sizeof(float), bytes);
}
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
        ok = ls_tensor_bytes(&tensor[i], &bytes) && ls_add(begin, bytes, &end) && *tensor[i].name &&
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
    bool ok = used && padded <= LS_TENSORS_HEADER_MAX;
    unsigned char *block = ls_alloc(LENGTH_BYTES + padded, 1, err);

    if (block) {
        for (size_t i = 0; i < LENGTH_BYTES; i++)
            block[i] = (unsigned char)(padded >> 8 * i);
        memset(block + LENGTH_BYTES, ' ', padded);
        *bytes = LENGTH_BYTES + padded;
        if (!ok || json_dumpb(root, (char *)block + LENGTH_BYTES, used, JSON_COMPACT) != used) {
            ls_output_fail(err, path, "no header can be made",
                           "names must be short, unique and UTF-8, or memory ran out");
            ls_free(block);
            block = NULL;
        }
    }
    json_decref(root);
    return block;
}
enum lockstep_status ls_tensors_save(const char *path, const struct ls_tensor *tensor, size_t n,
                                     const struct ls_meta *meta, size_t metas, struct lockstep_error *err)
{
    size_t bytes;
    unsigned char *header = make_header(path, tensor, n, meta, metas, &bytes, err);
    struct ls_output o;
    bool ok;

    if (!header)
        return err->status;
    ok = ls_output_begin(&o, path, err) && ls_output_write(&o, header, bytes);
    for (size_t i = 0; ok && i < n; i++)
        ok = ls_tensor_bytes(&tensor[i], &bytes) && ls_output_write(&o, tensor[i].data, bytes);
    ok = ok && ls_output_finish(&o) && ls_output_publish(&o);
    ls_output_end(&o);
    ls_free(header);
    return ok ? LOCKSTEP_OK : err->status;
}
enum lockstep_status ls_tensors_save_check(const char *path, struct lockstep_error *err)
{
    struct ls_output o;
    bool ok = ls_output_begin(&o, path, err) && ls_output_write(&o, "lockstep", LENGTH_BYTES) && ls_output_finish(&o);

    ls_output_end(&o);
    return ok ? LOCKSTEP_OK : err->status;
}
void ls_tensors_digest(const struct ls_tensor *tensor, size_t n, char hex[33])
{
    enum { CHUNK = 1024 };
    const uint32_t any_nan = 0x7fc00000;
    uint32_t chunk[CHUNK];
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < n; i++) {
        size_t elements = 0;

        ls_tensor_elements(&tensor[i], &elements);
        for (size_t k = 0; k < elements; k += CHUNK) {
            size_t m = elements - k < CHUNK ? elements - k : CHUNK;

            memcpy(chunk, tensor[i].data + k, m * sizeof *chunk);
            for (size_t j = 0; j < m; j++)
                chunk[j] = isnan(tensor[i].data[k + j]) ? any_nan : chunk[j];
            XXH3_128bits_update(&state, chunk, m * sizeof *chunk);
        }
    }
    hash = XXH3_128bits_digest(&state);
    snprintf(hex, 33, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}
