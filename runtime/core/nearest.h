/* SPDX-License-Identifier: MIT
 * "Did you mean": for error messages. */
#ifndef LS_NEAREST_H
#define LS_NEAREST_H

#include <stddef.h>

/* The candidate nearest to word by edit distance, if at most a third of its letters differ; else NULL. */
const char *ls_nearest(const char *word, const char *const *candidates, size_t n);

#endif
