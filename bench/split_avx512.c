/* SPDX-License-Identifier: MIT */
#include "avx512/vec.h"

enum { SPLIT_NV = 2, SPLIT_KB = 256 };
#define SPLIT_NAME bench_split_avx512

#include "split.h"
