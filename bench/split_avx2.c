/* SPDX-License-Identifier: MIT */
#include "avx2/vec.h"

enum { SPLIT_NV = 1, SPLIT_KB = 128 };
#define SPLIT_NAME bench_split_avx2

#include "split.h"
