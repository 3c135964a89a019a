/* SPDX-License-Identifier: MIT
 * Numbers, vectors and matrices as text: -2, [1, 2], [[1, 2], [3, 4]]; rows of a matrix are its first dimension. */
#ifndef LS_TENSOR_TEXT_H
#define LS_TENSOR_TEXT_H

#include "core/status.h"

#include <stdio.h>

/* Read "name=value" into *out; name and values are one block (ls_free(out->name)). E_USAGE, E_MEMORY. */
enum lockstep_status tensor_parse(const char *text, struct lockstep_value *out, char **block,
                                  struct lockstep_error *err);

/* Write the values of a shape in six digits, one without brackets; for JSON in nine, what is not finite as null. */
void tensor_print(FILE *f, bool json, size_t rank, const size_t *shape, const float *values);

#endif
