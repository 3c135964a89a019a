/* SPDX-License-Identifier: MIT
 * Kernels that break their contract in one way each: selftest.c sees that the checker catches them. */
#ifndef BROKEN_H
#define BROKEN_H

#include "kc.h"

struct kc_broken {
    const char *what; /* NULL: the end of a list */
    enum lk_slot slot;
    struct lk_kernels k; /* the one broken kernel */
    bool right;          /* nothing is broken, so that the others are caught for what they do */
};

#define BROKEN(slot_name, function, text)                                                                              \
    {                                                                                                                  \
        .what = text, .slot = LK_SLOT_##slot_name, .k.slot_name = function                                             \
    }

#define RIGHT(slot_name, function)                                                                                     \
    {                                                                                                                  \
        .what = "right (must pass)", .slot = LK_SLOT_##slot_name, .k.slot_name = function, .right = true               \
    }

/* One list for each kind of kernels, in broken_*.c. */
extern const struct kc_broken kc_broken_act[], kc_broken_gemm[], kc_broken_conv[], kc_broken_loss[], kc_broken_order[],
    kc_broken_pool[], kc_broken_optim[], kc_broken_probe[];

/* The kernels that the broken ones are made of; set by kc_selftest. */
extern const struct lk_kernels *kc_good;

/* Kernels that must crash here, and not in a sanitizer. */
#define CRASHES __attribute__((no_sanitize("undefined")))

/* a * b + c rounded once, on any CPU: the momentum of one optimiser step (-0 * 0 + c is c, whatever its sign). */
static inline float fma1(float a, float b, float c)
{
    const struct lk_sgd p = {.momentum = a, .weight_decay = -0.0f};
    float w = 0.0f;

    kc_good->sgd(1, &c, &w, &b, &p);
    return b;
}

/* Where element (b, c, l) of a value in sample form lies. */
static inline size_t place(size_t ld, size_t pitch, size_t b, size_t c, size_t l)
{
    return c / LK_PANEL * ld + (b * pitch + l) * LK_PANEL + c % LK_PANEL;
}

#endif
