/* SPDX-License-Identifier: MIT
 *
 * What the gate must find: linked into copies of lockstep-canary by -DLOCKSTEP_GATE_SLOWDOWN=ON, never into anything
 * that is installed. The linker puts these functions between callers and the real ones (--wrap).
 *
 *     GATE_KERNEL   gemm_fwd takes so many percent longer: it spins
 *     GATE_BARRIER  after each barrier the team meets again and again, for so many percent of the time since the last
 *     GATE_PASS     every worker walks over 256 KiB of memory instead
 *     GATE_THREAD   one worker spins and the others wait for it
 *     GATE_AVX2     AVX2 kernels where AVX-512 is preferred
 *     GATE_ENVIRONMENT  nothing is slower, the process runs with 4 KiB more environment
 */
#include "core/team.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void __real_lk_table_init(struct lk_table *t, enum lk_isa isa, unsigned features);
void __wrap_lk_table_init(struct lk_table *t, enum lk_isa isa, unsigned features);
void __real_ls_barrier_wait(struct ls_worker *w);
void __wrap_ls_barrier_wait(struct ls_worker *w);

static inline uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

#ifdef GATE_KERNEL
static lk_gemm_fwd_fn *gemm_fwd;

static void slow_gemm_fwd(size_t M, size_t N, size_t K, const float *a, size_t lda, const float *w, const float *bias,
                          float *y, size_t ldy, enum lk_act act)
{
    const uint64_t start = ticks();

    gemm_fwd(M, N, K, a, lda, w, bias, y, ldy, act);
    for (const uint64_t end = ticks() + (ticks() - start) * GATE_KERNEL / 100; ticks() < end;)
        ;
}
#endif

void __wrap_lk_table_init(struct lk_table *t, enum lk_isa isa, unsigned features)
{
#ifdef GATE_AVX2
    isa = isa > LK_ISA_avx2 ? LK_ISA_avx2 : isa;
#endif
    __real_lk_table_init(t, isa, features);
#ifdef GATE_KERNEL
    gemm_fwd = t->k.gemm_fwd;
    t->k.gemm_fwd = slow_gemm_fwd;
#endif
}

/* Percent of the time since the last barrier to lose after each one. */
#if defined(GATE_BARRIER)
enum { PERCENT = GATE_BARRIER };
#elif defined(GATE_PASS)
enum { PERCENT = GATE_PASS };
#elif defined(GATE_THREAD)
enum { PERCENT = GATE_THREAD };
#else
enum { PERCENT = 0 };
#endif

static void lose(struct ls_worker *w, uint64_t end)
{
#if defined(GATE_BARRIER)
    static volatile int more;

    do {
        if (w->t == 0)
            more = ticks() < end;
        __real_ls_barrier_wait(w);
        const int again = more;
        __real_ls_barrier_wait(w);
        if (!again)
            return;
    } while (1);
#elif defined(GATE_PASS)
    enum { BYTES = 256 << 10, PIECE = 4096 };
    static _Thread_local char memory[BYTES];

    (void)w;
    for (size_t at = 0; ticks() < end; at = (at + PIECE) % BYTES)
        for (size_t i = 0; i < PIECE; i += 64)
            *(volatile char *)(memory + at + i) += 1;
#elif defined(GATE_THREAD)
    while (w->t + 1 == w->T && ticks() < end)
        ;
    __real_ls_barrier_wait(w);
#else
    (void)w;
    (void)end;
#endif
}

void __wrap_ls_barrier_wait(struct ls_worker *w)
{
    enum { PAUSE = 100000000 }; /* ticks between two steps that do not follow each other */
    static _Thread_local uint64_t last;
    uint64_t now;

    __real_ls_barrier_wait(w);
    now = ticks();
    if (PERCENT && last)
        lose(w, now + (now - last < PAUSE ? (now - last) * PERCENT / 100 : 0));
    last = ticks();
}

#ifdef GATE_ENVIRONMENT
static char more_environment[4096];

__attribute__((constructor)) static void grow(int argc, char **argv)
{
    (void)argc;
    if (getenv("GATE_MORE"))
        return;
    memset(more_environment, 'x', sizeof more_environment - 1);
    if (!setenv("GATE_MORE", more_environment, 1))
        execv("/proc/self/exe", argv);
}
#endif
