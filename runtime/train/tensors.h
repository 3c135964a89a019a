/* SPDX-License-Identifier: MIT
 * Named float tensors in a safetensors file, and their digest. Knows the file format, not the model. */
#ifndef LS_TENSORS_H
#define LS_TENSORS_H

#include "core/status.h"

enum { LS_TENSOR_RANK = 4 };

struct ls_tensor {
    char name[64];
    size_t rank, shape[LS_TENSOR_RANK];
    float *data; /* row-major, product(shape) elements */
};

/* A file read into memory; owned by the caller of ls_tensors_load. */
struct ls_tensors {
    size_t n;
    struct ls_tensor *tensor;
    char *metadata_json; /* the __metadata__ object as JSON text; "{}" when absent */
    void *storage;
};

/* Longest JSON header of a file. */
enum { LS_TENSORS_HEADER_MAX = 16 << 20 };

/* Elements and bytes of a tensor; false when the product wraps. */
bool ls_tensor_elements(const struct ls_tensor *t, size_t *elements);
bool ls_tensor_bytes(const struct ls_tensor *t, size_t *bytes);

/* Key and value of __metadata__ (both strings). */
struct ls_meta {
    const char *key, *value;
};

/*
 * Write tensors in the given order as safetensors: 8-byte header length, JSON header padded with spaces to 8 bytes, F32
 * data without holes. No time stamps: equal input gives equal bytes. Temporary file beside path, fsync, rename, fsync
 * of the directory; on error the old file is untouched and the temporary file removed. E_OUTPUT.
 */
enum lockstep_status ls_tensors_save(const char *path, const struct ls_tensor *tensor, size_t n,
                                     const struct ls_meta *meta, size_t metas, struct lockstep_error *err);

/* Check that ls_tensors_save to path would work: create, write, rename-able, unlink a temporary file. E_OUTPUT. */
enum lockstep_status ls_tensors_save_check(const char *path, struct lockstep_error *err);

/*
 * Read a safetensors file of F32 tensors. Checked before anything is allocated from it: header length against the file,
 * JSON (no duplicate keys), names, dtype, shapes (checked multiply), offsets contiguous from 0 and covering the file,
 * no NaN or Inf. E_CHECKPOINT names file, tensor or byte, expected, got. E_MEMORY.
 */
enum lockstep_status ls_tensors_load(const char *path, struct ls_tensors *out, struct lockstep_error *err);
void ls_tensors_free(struct ls_tensors *t);

/* The string value of key in __metadata__, NULL when absent. Owned by t. */
const char *ls_tensors_meta(struct ls_tensors *t, const char *key);

/* XXH3-128 of the data of all tensors in order (the data part of the file), every NaN mapped to 0x7fc00000: 32 hex
 * digits. */
void ls_tensors_digest(const struct ls_tensor *tensor, size_t n, char hex[33]);

#endif
