/* SPDX-License-Identifier: MIT
 * The reference table: every slot, so a kernel without a definition does not link. */
#include "ref/ref.h"

#define TABLE LK_CAT(lk_, kernels, LK_REF)

extern const struct lk_kernels TABLE;
const struct lk_kernels TABLE = {
#define X(k) .k = LK_FN(k),
    LK_KERNELS(X)
#undef X
};
