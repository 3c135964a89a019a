/* SPDX-License-Identifier: MIT
 * Build a kernel table: ref, overlaid by each instruction set up to the one wanted. */
#include "cpu.h"

#define X(i) extern const struct lk_kernels lk_kernels_##i;
LK_ISAS(X)
#undef X
extern const struct lk_kernels lk_kernels_ref_fma; /* ref, compiled with -mfma */

static const struct lk_kernels *const tables[] = {
#define X(i) &lk_kernels_##i,
    LK_ISAS(X)
#undef X
};

static const char *const slot_names[] = {
#define X(k) #k,
    LK_KERNELS(X)
#undef X
};

static void overlay(struct lk_table *t, enum lk_isa isa, const struct lk_kernels *k)
{
#define X(slot)                                                                                                        \
    if (k->slot) {                                                                                                     \
        t->k.slot = k->slot;                                                                                           \
        t->origin[LK_SLOT_##slot] = isa;                                                                               \
        t->tile[LK_SLOT_##slot] = k->tile;                                                                             \
    }
    LK_KERNELS(X)
#undef X
}

void lk_table_init(struct lk_table *t, enum lk_isa isa, unsigned features)
{
    const unsigned fma = LK_HAS_avx | LK_HAS_fma;

    t->isa = isa;
    t->k.tile = NULL; /* each slot has its own */
    overlay(t, LK_ISA_ref, (features & fma) == fma ? &lk_kernels_ref_fma : &lk_kernels_ref);
    for (int i = LK_ISA_ref + 1; i <= (int)isa; i++)
        overlay(t, (enum lk_isa)i, tables[i]);
}

const char *lk_slot_name(enum lk_slot slot)
{
    return slot_names[slot];
}
