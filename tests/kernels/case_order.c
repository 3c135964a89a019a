/* SPDX-License-Identifier: MIT
 * Checker cases of the kernels that move values between orders and of those over the elements of a sample. */
#include "kc.h"

enum { P = LK_PANEL };

/* L: mostly the length of a small layer, sometimes up to `most`, longer than what a kernel takes at once. */
static void draw_sizes(struct kc *c, size_t most)
{
    c->B = kc_below(c, 7);
    c->C = kc_below(c, 8) ? 1 + kc_below(c, 40) : kc_dim(c, 100);
    c->L = kc_dim(c, kc_below(c, 12) && most > 36 ? 36 : most);
}

/* The halo is seen as such, so that a value in place has the same. */
struct layout {
    size_t pitch, halo, ld;
};

static struct layout draw_layout(struct kc *c)
{
    const size_t pitch = (c->L ? c->L : 1) + kc_below(c, 2) * kc_below(c, 4), halo = kc_below(c, 3);

    return (struct layout){pitch, halo, kc_ld_of(c, kc_sample_rows(c->B, c->L, pitch, 2 * halo) * P)};
}

static void samples(struct kc *c, enum kc_role role, const char *name, struct layout l)
{
    kc_samples(c, role, name, c->B, c->C, c->L, l.pitch, l.halo, l.ld);
}

/* One number for each sample. */
static void scalars(struct kc *c, enum kc_role role, const char *name)
{
    const size_t pitch = 1 + kc_below(c, 2) * kc_below(c, 3);

    kc_samples(c, role, name, c->B, 1, 1, pitch, 0, kc_ld_of(c, kc_sample_rows(c->B, 1, pitch, 0) * P));
}

enum { SRC, INDEX, GATHERED, BITS };

/* A share of the bytes is 0, of any size. */
static void sow_zero_bytes(struct kc *c, size_t rows)
{
    const size_t of_ten = kc_below(c, 11);
    uint8_t *src = kc_contents(c, SRC);

    for (size_t m = 0; m < rows; m++)
        for (size_t i = 0; i < c->C * c->L; i++)
            if (kc_below(c, 10) < of_ten)
                src[m * c->buf[SRC].ld + i] = 0;
}

static void gather_setup(struct kc *c)
{
    const size_t rows = 1 + kc_below(c, 60), one = kc_below(c, 2);
    size_t lds, pitch;
    uint32_t *index;

    draw_sizes(c, 600);
    if (one) { /* a plain matrix */
        c->B = kc_dim(c, 64);
        c->C = kc_below(c, 20) ? kc_dim(c, 100) : 784;
        c->L = 1;
    }
    c->scale = kc_below(c, 3) ? 1.0f / 255 : kc_float(c);
    lds = kc_ld_of(c, c->C * c->L);
    pitch = (c->L ? c->L : 1) + kc_below(c, 2) * kc_below(c, 4);
    kc_bytes(c, KC_IN, "src", rows, c->C * c->L, lds);
    kc_u32(c, KC_IN, "index", c->B);
    kc_samples(c, KC_OUT, "x", c->B, c->C, c->L, pitch, 1, kc_ld_of(c, kc_sample_rows(c->B, c->L, pitch, 2) * P));
    if (one && kc_below(c, 2)) /* not KC_OUT: bits may be those that mark "not written" */
        kc_bits(c, KC_INOUT, "Z", c->B, c->C, kc_ld_of(c, c->B));
    else
        kc_absent(c);
    sow_zero_bytes(c, rows);
    index = kc_contents(c, INDEX);
    for (size_t b = 0; b < c->B; b++)
        index[b] = (uint32_t)(kc_below(c, 8) ? kc_below(c, rows) : rows - 1);
    kc_shape(c, "B=%zu C=%zu L=%zu pitch=%zu lds=%zu rows=%zu scale=%a", c->B, c->C, c->L, pitch, lds, rows,
             (double)c->scale);
}

static void gather_call(const struct lk_kernels *k, struct kc *c)
{
    k->gather_u8(c->B, c->C, c->L, kc_p(c, SRC), kc_ld(c, SRC), kc_p(c, INDEX), c->scale, kc_view(c, GATHERED),
                 kc_p(c, BITS), kc_ld(c, BITS));
}

const struct kc_case kc_case_gather_u8 = {gather_setup, gather_call};

static void flatten_setup(struct kc *c)
{
    draw_sizes(c, 600);
    samples(c, KC_IN, "x", draw_layout(c));
    kc_panels(c, KC_OUT, "Y", c->B, c->C * c->L, kc_ld_of(c, c->B * P));
    kc_shape(c, "B=%zu C=%zu L=%zu pitch=%zu ldy=%zu", c->B, c->C, c->L, c->buf[0].pitch, kc_ld(c, 1));
}

static void flatten_call(const struct lk_kernels *k, struct kc *c)
{
    k->flatten_fwd(c->B, c->C, c->L, kc_cview(c, 0), kc_p(c, 1), kc_ld(c, 1));
}

const struct kc_case kc_case_flatten_fwd = {flatten_setup, flatten_call};

static void flatten_bwd_setup(struct kc *c)
{
    draw_sizes(c, 600);
    kc_panels(c, KC_IN, "D", c->B, c->C * c->L, kc_ld_of(c, c->B * P));
    samples(c, KC_OUT, "dx", draw_layout(c));
    kc_shape(c, "B=%zu C=%zu L=%zu ldd=%zu pitch=%zu", c->B, c->C, c->L, kc_ld(c, 0), c->buf[1].pitch);
}

static void flatten_bwd_call(const struct lk_kernels *k, struct kc *c)
{
    k->flatten_bwd(c->B, c->C, c->L, kc_p(c, 0), kc_ld(c, 0), kc_view(c, 1));
}

const struct kc_case kc_case_flatten_bwd = {flatten_bwd_setup, flatten_bwd_call};

static uint32_t draw_word(struct kc *c)
{
    return kc_below(c, 6) ? (uint32_t)kc_random(c) : (uint32_t)kc_below(c, 3) - 1;
}

static void dropout_setup(struct kc *c)
{
    struct lk_dropout *d = &c->dropout;
    struct layout in;

    draw_sizes(c, 12); /* slow where AVX-512 is emulated */
    in = draw_layout(c);
    *d = (struct lk_dropout){draw_word(c), draw_word(c), draw_word(c), draw_word(c), draw_word(c), kc_float(c)};
    samples(c, KC_IN, "x", in);
    samples(c, KC_OUT, "y", in);
    kc_may_equal(c, 0);
    kc_shape(c, "B=%zu C=%zu L=%zu pitch=%zu seed=%u stream=%u step=%u row=%u threshold=%u", c->B, c->C, c->L, in.pitch,
             d->seed, d->stream, d->step, d->row, d->threshold);
}

static void dropout_call(const struct lk_kernels *k, struct kc *c)
{
    k->dropout(&c->dropout, c->B, c->C, c->L, kc_cview(c, 0), kc_view(c, 1));
}

const struct kc_case kc_case_dropout = {dropout_setup, dropout_call};

static void sum_setup(struct kc *c)
{
    draw_sizes(c, 600);
    c->scale = kc_below(c, 3) ? 1.0f / (float)(1 + kc_below(c, 100)) : kc_float(c);
    samples(c, KC_IN, "x", draw_layout(c));
    scalars(c, KC_OUT, "y");
    kc_shape(c, "B=%zu C=%zu L=%zu pitch=%zu alpha=%a", c->B, c->C, c->L, c->buf[0].pitch, (double)c->scale);
}

static void sum_call(const struct lk_kernels *k, struct kc *c)
{
    k->sum(c->B, c->C, c->L, c->scale, kc_cview(c, 0), kc_view(c, 1));
}

const struct kc_case kc_case_sum = {sum_setup, sum_call};

static void expand_setup(struct kc *c)
{
    draw_sizes(c, 600);
    c->scale = kc_below(c, 3) ? 1.0f / (float)(1 + kc_below(c, 100)) : kc_float(c);
    scalars(c, KC_IN, "x");
    samples(c, KC_OUT, "y", draw_layout(c));
    kc_shape(c, "B=%zu C=%zu L=%zu pitch=%zu alpha=%a", c->B, c->C, c->L, c->buf[1].pitch, (double)c->scale);
}

static void expand_call(const struct lk_kernels *k, struct kc *c)
{
    k->expand(c->B, c->C, c->L, c->scale, kc_cview(c, 0), kc_view(c, 1));
}

const struct kc_case kc_case_expand = {expand_setup, expand_call};
