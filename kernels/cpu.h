/* SPDX-License-Identifier: MIT
 *
 * What this CPU and operating system allow, the instruction sets Lockstep has, and the floating-point environment of a
 * worker. No kernel code here.
 */
#ifndef LK_CPU_H
#define LK_CPU_H

#include "kernels.h"

#include <stdbool.h>

/* One row per CPU feature: name for LOCKSTEP_CPU. */
#define LK_FEATURES(X) X(avx) X(fma) X(avx2) X(avx512f) X(avx512vl) X(avx512bw) X(avx512dq)

enum lk_feature_bit {
#define X(f) LK_BIT_##f,
    LK_FEATURES(X)
#undef X
        LK_FEATURE_BITS
};
enum {
#define X(f) LK_HAS_##f = 1 << LK_BIT_##f,
    LK_FEATURES(X)
#undef X
        LK_NEEDS_ref = 0,
    LK_NEEDS_avx2 = LK_HAS_avx | LK_HAS_fma | LK_HAS_avx2,
    LK_NEEDS_avx512 = LK_NEEDS_avx2 | LK_HAS_avx512f | LK_HAS_avx512vl | LK_HAS_avx512bw | LK_HAS_avx512dq
};

/* One row per instruction set, lowest first; needs are LK_NEEDS_<name>, its table is lk_kernels_<name>. */
#define LK_ISAS(X) X(ref) X(avx2) X(avx512)

enum lk_isa {
#define X(i) LK_ISA_##i,
    LK_ISAS(X)
#undef X
        LK_ISA_COUNT
};

/* A complete table for one instruction set. origin[slot] is the instruction set that serves the slot, tile[slot] what
 * tells of its tiles, or NULL. */
struct lk_table {
    struct lk_kernels k;
    enum lk_isa isa;
    enum lk_isa origin[LK_SLOTS];
    lk_tile_fn *tile[LK_SLOTS];
};

/* Features that both the CPU (cpuid) and the operating system (xgetbv) support, as LK_HAS_* bits. */
unsigned lk_cpu_features(void);

/*
 * Remove features by text, e.g. "-avx512,-fma" ("avx512" removes all of avx512*). A feature others need takes them
 * along. Returns false when text is not a list of -NAME; *features is then unchanged.
 */
bool lk_cpu_hide(const char *text, unsigned *features);

/* Names of the CPU as cpuid gives it (at most 48 characters and NUL). */
void lk_cpu_name(char name[64]);

/* Cache sizes in bytes by cpuid; 0 where unknown. level 1 (data), 2, 3. */
size_t lk_cpu_cache(int level);

const char *lk_isa_name(enum lk_isa isa);
bool lk_isa_find(const char *name, enum lk_isa *isa);
bool lk_isa_supported(enum lk_isa isa, unsigned features);

/* The instruction set to use by default: the highest supported one. */
enum lk_isa lk_isa_preferred(unsigned features);

/* Build the table of isa for these features: ref, overlaid by each instruction set up to isa. isa must be supported. */
void lk_table_init(struct lk_table *t, enum lk_isa isa, unsigned features);

const char *lk_slot_name(enum lk_slot slot);

/* Hint to the core that the caller spins. */
static inline void lk_pause(void)
{
    __builtin_ia32_pause();
}

/* Set round to nearest, FTZ and DAZ for the calling thread; returns what to hand to lk_fpenv_leave. */
unsigned lk_fpenv_enter(void);
void lk_fpenv_leave(unsigned saved);

#endif
