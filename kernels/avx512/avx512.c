/* SPDX-License-Identifier: MIT
 * AVX-512: tile sizes and the table. 14 x 32: 28 accumulators, 2 vectors of weights and 1 broadcast of 32 registers. */
#include "avx512/vec.h"

#ifndef LK_VREG /* the emulation has its own */
#define LK_VREG(x) "v"(x)
#endif
#define LK_MR               14
#define LK_MR_1             28
#define LK_MR_DW            8
#define LK_MR_DW_1          16
#define LK_KB_DW            2048
#define LK_HEIGHTS(X)       X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define LK_HEIGHTS_1(X)     X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28)
#define LK_HEIGHTS_DW_1(X)  X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define LK_HEIGHTS_DW(X)    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define LK_FEW_TERMS        12
#define LK_FEW_CHAINS       4
#define LK_FEW(X)           X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define LK_MR_DB            8
#define LK_HEIGHTS_DB(X)    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define LK_MR_SKIP          6
#define LK_MR_DW_SKIP       4
#define LK_NV_SKIP          4
#define LK_SKIP_ROW(X, mr)  X(mr, 1) X(mr, 2) X(mr, 3) X(mr, 4)
#define LK_DW_SKIP_TILES(X) LK_SKIP_ROW(X, 1) LK_SKIP_ROW(X, 2) LK_SKIP_ROW(X, 3) LK_SKIP_ROW(X, 4)
#define LK_SKIP_TILES(X)    LK_DW_SKIP_TILES(X) LK_SKIP_ROW(X, 5) LK_SKIP_ROW(X, 6)

#include "simd/slots.h"

extern const struct lk_kernels lk_kernels_avx512;
const struct lk_kernels lk_kernels_avx512 = {LK_SIMD_SLOTS(LK_SIMD_SLOT)};
