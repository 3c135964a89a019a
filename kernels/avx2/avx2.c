/* SPDX-License-Identifier: MIT
 * AVX2 + FMA: tile sizes and the table. 6 x 16 uses 12 accumulators, 2 vectors of weights and 1 broadcast of 16
 * registers. */
#include "avx2/vec.h"

#define LK_VREG(x)          "x"(x)
#define LK_MR               6
#define LK_MR_1             12
#define LK_MR_DW            6
#define LK_MR_DW_1          12
#define LK_KB_DW            2048
#define LK_HEIGHTS(X)       X(1) X(2) X(3) X(4) X(5) X(6)
#define LK_HEIGHTS_1(X)     X(7) X(8) X(9) X(10) X(11) X(12)
#define LK_HEIGHTS_DW(X)    LK_HEIGHTS(X)
#define LK_HEIGHTS_DW_1(X)  LK_HEIGHTS_1(X)
#define LK_FEW_TERMS        10
#define LK_FEW_CHAINS       2
#define LK_FEW(X)           X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10)
#define LK_MR_DB            5
#define LK_HEIGHTS_DB(X)    X(1) X(2) X(3) X(4) X(5)
#define LK_MR_SKIP          6
#define LK_MR_DW_SKIP       4
#define LK_NV_SKIP          2
#define LK_SKIP_ROW(X, mr)  X(mr, 1) X(mr, 2)
#define LK_DW_SKIP_TILES(X) LK_SKIP_ROW(X, 1) LK_SKIP_ROW(X, 2) LK_SKIP_ROW(X, 3) LK_SKIP_ROW(X, 4)
#define LK_SKIP_TILES(X)    LK_DW_SKIP_TILES(X) LK_SKIP_ROW(X, 5) LK_SKIP_ROW(X, 6)

#include "simd/slots.h"

extern const struct lk_kernels lk_kernels_avx2;
const struct lk_kernels lk_kernels_avx2 = {LK_SIMD_SLOTS(LK_SIMD_SLOT)};
