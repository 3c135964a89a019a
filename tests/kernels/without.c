/* SPDX-License-Identifier: MIT
 * A build that forgot the kernels of its instruction sets. */
#include "cpu.h"

const struct lk_kernels lk_kernels_avx2, lk_kernels_avx512;
