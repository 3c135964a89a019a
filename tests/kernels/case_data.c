/* SPDX-License-Identifier: MIT
 * Checker case of the gather of byte rows. */
#include "kc.h"

enum { SRC, INDEX, X };

static void setup(struct kc *c)
{
    size_t rows = 1 + kc_below(c, 60), lds, ldx;
    uint32_t *index;

    c->M = kc_dim(c, 64);
    c->K = kc_below(c, 20) ? kc_dim(c, 100) : 784;
    c->scale = kc_below(c, 3) ? 1.0f / 255 : kc_float(c);
    lds = kc_ld_of(c, c->K);
    ldx = kc_ld_of(c, c->M * LK_PANEL);
    kc_bytes(c, KC_IN, "src", rows, c->K, lds);
    kc_u32(c, KC_IN, "index", c->M);
    kc_panels(c, KC_OUT, "X", c->M, c->K, ldx);
    index = kc_contents(c, INDEX);
    for (size_t m = 0; m < c->M; m++)
        index[m] = (uint32_t)(kc_below(c, 8) ? kc_below(c, rows) : rows - 1);
    kc_shape(c, "M=%zu K=%zu lds=%zu ldx=%zu rows=%zu scale=%a", c->M, c->K, lds, ldx, rows, (double)c->scale);
}

static void call(const struct lk_kernels *k, struct kc *c)
{
    k->gather_u8(c->M, c->K, kc_p(c, SRC), kc_ld(c, SRC), kc_p(c, INDEX), c->scale, kc_p(c, X), kc_ld(c, X));
}

const struct kc_case kc_case_gather_u8 = {setup, call};
