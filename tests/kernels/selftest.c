/* SPDX-License-Identifier: MIT
 * The checker checks itself: each kernel of broken_*.c breaks its contract in one way and must be caught. */
#include "broken.h"

#include <stdio.h>

enum { TRIES = 400 };

const struct lk_kernels *kc_good;

static bool caught(struct kc *c, const struct kc_broken *b, uint64_t seed)
{
    for (unsigned id = 0; id < TRIES; id++)
        if (kc_prepare(c, b->slot, seed, id, kc_good) && !kc_check(c, b->slot, &b->k))
            return true;
    return false;
}

/* Caught, or passed where nothing is broken? */
static bool right_answer(struct kc *c, const struct kc_broken *b, uint64_t seed)
{
    const bool found = caught(c, b, seed), right = found != b->right;

    printf("%s%s %-13s %-48s", right ? "" : "WRONG: ", found ? "caught" : "passed", lk_slot_name(b->slot), b->what);
    if (found)
        printf(" case %3u: %s", c->id, c->what);
    putchar('\n');
    return right;
}

int kc_selftest(struct kc *c, const struct lk_kernels *ref, uint64_t seed)
{
    static const struct kc_broken *const list[] = {kc_broken_act,   kc_broken_gemm, kc_broken_conv,  kc_broken_loss,
                                                   kc_broken_order, kc_broken_pool, kc_broken_optim, kc_broken_probe};
    size_t broken = 0;
    int wrong = 0;

    kc_good = ref;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        for (const struct kc_broken *b = list[i]; b->what; b++) {
            broken += !b->right;
            wrong += !right_answer(c, b, seed);
        }
    printf("kc: %zu broken kernels, %d wrong answers\n", broken, wrong);
    return wrong;
}
