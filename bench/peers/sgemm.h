/* SPDX-License-Identifier: MIT
 * sgemm of other libraries, found at run time by dlopen: a library that is not installed is not there, and no two of
 * them meet in the linker. */
#ifndef BENCH_SGEMM_H
#define BENCH_SGEMM_H

#include <stdbool.h>
#include <stddef.h>

enum peer { PEER_OPENBLAS, PEER_BLIS, PEER_ONEDNN, PEERS };

extern const char *const peer_names[PEERS];

/* Load a library; false when it is not there. */
bool peer_open(enum peer p);

/* Version, of OpenBLAS also the CPU it takes this one for. */
void peer_version(enum peer p, char *text, size_t size);

void peer_threads(enum peer p, int threads);

/* C = op(A) op(B), row-major, op a transposition or not; C (M, N), K the sum. */
void peer_sgemm(enum peer p, bool ta, bool tb, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
                size_t ldb, float *C, size_t ldc);

#endif
