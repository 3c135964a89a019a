/* SPDX-License-Identifier: MIT
 * Random numbers, sizes, buffer descriptions and contents of the kernel checker. */
#include "kc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 (Steele, Lea and Flood 2014) */
uint64_t kc_random(struct kc *c)
{
    uint64_t z = c->rng += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t kc_below(struct kc *c, size_t n)
{
    return (size_t)(kc_random(c) >> 32) % n;
}

size_t kc_dim(struct kc *c, size_t max)
{
    size_t kind = kc_below(c, 24), residue = (c->id + c->dims * (c->id / 16)) % 16;

    c->dims++;
    if (kind < 2)
        return kind;
    if (kind < 12 && max >= 16)
        return 16 * kc_below(c, max / 16) + residue;
    return kc_below(c, max + 1);
}

size_t kc_ld_of(struct kc *c, size_t min)
{
    return kc_below(c, 2) ? min : min + kc_below(c, 40);
}

void kc_shape(struct kc *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->shape, sizeof c->shape, format, args);
    va_end(args);
}

static float from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* About normal, of variance 1: the sum of 4 uniform numbers. */
static float normal(struct kc *c)
{
    int32_t sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (int32_t)kc_below(c, 1 << 20) - (1 << 19);
    return (float)sum * 0x1.bb67aep-20f;
}

/* Values where a kernel may change its way, half of them up to 2 steps beside. */
static float special(struct kc *c)
{
    static const uint32_t bits[] = {
        0x7fc00000, 0xffc12345, 0x7f812345, 0x7f800000, 0xff800000, 0x00000001, 0x807fffff,
        0x00400000, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x00000000, 0x80000000,
        0x3f800000, 0xbf800000, 0x42b17218, 0xc2aeac50, 0x00800001, 0x3f7fffff, 0x3f600000,
        0xbf600000, 0x41540000, 0xc1540000, 0x4120a3d7, 0xc120a3d7, 0x42b00000, 0xc2b00000,
    };
    return from_bits(bits[kc_below(c, sizeof bits / sizeof *bits)] +
                     (kc_below(c, 2) ? 0 : (uint32_t)kc_below(c, 5) - 2));
}

/* How the floats of one buffer are drawn; each buffer has its own range, so that chains neither always nor never
 * overflow. */
struct range {
    enum kc_fill fill;
    int exponent, spread; /* KC_NORMAL, KC_WIDE */
    size_t rarity;        /* KC_SPECIALS, KC_ZEROS: one special, or one that is not 0, in how many */
    uint32_t sign, signs; /* KC_ZEROS: sign of all zeros, bits that vary; zeros of one sign let a chain stay at -0 */
    bool any_bits;        /* KC_WIDE */
};

static struct range draw_range(struct kc *c)
{
    static const size_t rarities[] = {2, 16, 256, 2048};
    struct range r = {.fill = c->fill};

    r.exponent = c->fill == KC_NORMAL ? (int)kc_below(c, 13) - 6 : (int)kc_below(c, 250) - 125;
    r.spread = (int)kc_below(c, 60);
    r.rarity = rarities[kc_below(c, 4)];
    r.any_bits = kc_below(c, 5) == 0;
    r.signs = kc_below(c, 2) ? 0x80000000u : 0;
    r.sign = kc_below(c, 2) ? 0x80000000u : 0;
    return r;
}

static float draw_wide(struct kc *c, const struct range *r)
{
    uint32_t bits = (uint32_t)kc_random(c);
    int e = 127 + r->exponent + (int)kc_below(c, (size_t)r->spread + 1) - r->spread / 2;

    if (r->any_bits)
        return from_bits(bits);
    e = e < 0 ? 0 : e > 254 ? 254 : e;
    return from_bits((bits & 0x807fffffu) | (uint32_t)e << 23);
}

static float draw(struct kc *c, const struct range *r)
{
    switch (r->fill) {
    case KC_WIDE:
        return draw_wide(c, r);
    case KC_ZEROS:
        return kc_below(c, r->rarity) ? from_bits(((uint32_t)kc_random(c) & r->signs) ^ r->sign) : normal(c);
    case KC_SPECIALS:
        return kc_below(c, r->rarity) ? normal(c) : special(c);
    case KC_INTEGERS:
        return (float)((int)kc_below(c, 17) - 8);
    case KC_NORMAL:
    case KC_FILLS:
        break;
    }
    return normal(c) * from_bits((uint32_t)(127 + r->exponent) << 23);
}

float kc_float(struct kc *c)
{
    struct range r = draw_range(c);

    return draw(c, &r);
}

void kc_probability(float *p, size_t i)
{
    const float x = p[i] < 0.0f ? -p[i] : p[i];

    p[i] = x > 1.0f ? 1.0f / x : x;
}

/* Pad columns of inputs: what must not be used. Infinities too, for a maximum ignores NaN. */
static uint32_t garbage(struct kc *c)
{
    static const uint32_t bits[] = {0x7fc0bad0, 0x7f80bad0, 0xffc0bad0, 0x7f800000, 0x7f7fffff, 0xff800000};

    return bits[kc_below(c, sizeof bits / sizeof *bits)];
}

size_t kc_size(const struct kc_buf *b)
{
    return b->type == KC_U8 ? 1 : b->type == KC_U16 ? 2 : 4;
}

size_t kc_span(const struct kc_buf *b)
{
    return b->blocks && b->len ? ((b->blocks - 1) * b->ld + b->len) * kc_size(b) : 0;
}

bool kc_is_pad(const struct kc_buf *b, size_t block, size_t i)
{
    return b->columns != KC_PLAIN && block * LK_PANEL + i % LK_PANEL >= b->columns;
}

struct kc_place kc_place_of(const struct kc_buf *b, size_t i)
{
    const ptrdiff_t row = (ptrdiff_t)(i / LK_PANEL) - (ptrdiff_t)b->before;
    size_t sample = row < 0 || b->samples < 2 ? 0 : (size_t)row / b->pitch;
    ptrdiff_t position;

    sample = sample < b->samples ? sample : b->samples - 1;
    position = row - (ptrdiff_t)(sample * b->pitch);
    if (sample + 1 < b->samples && position >= (ptrdiff_t)(b->length + b->after)) /* nearer to the next one */
        return (struct kc_place){sample + 1, position - (ptrdiff_t)b->pitch};
    return (struct kc_place){sample, position};
}

bool kc_is_halo(const struct kc_buf *b, size_t i)
{
    ptrdiff_t position;

    if (b->columns == KC_PLAIN)
        return false;
    position = kc_place_of(b, i).position;
    return position < 0 || position >= (ptrdiff_t)b->length;
}

/* Halo rows that the kernel may read. */
static bool is_zero_row(const struct kc_buf *b, size_t i)
{
    const ptrdiff_t position = kc_place_of(b, i).position;

    return position >= -(ptrdiff_t)b->before && position < (ptrdiff_t)(b->length + b->after);
}

static void fill_words(struct kc *c, struct kc_buf *b)
{
    struct range r = draw_range(c);
    uint32_t *word = (uint32_t *)b->init;

    for (size_t block = 0; block < b->blocks; block++, word += b->ld)
        for (size_t i = 0; i < b->len; i++) {
            float x;

            if (kc_is_halo(b, i) && (b->role == KC_OUT || !is_zero_row(b, i)))
                continue;
            if (b->role == KC_OUT)
                word[i] = KC_CANARY;
            else if (kc_is_pad(b, block, i))
                word[i] = garbage(c);
            else if (kc_is_halo(b, i))
                word[i] = 0;
            else if (b->type == KC_U32)
                word[i] = (uint32_t)kc_random(c);
            else {
                x = draw(c, &r);
                memcpy(&word[i], &x, sizeof x);
            }
        }
}

/* Elements of less than a word: any, and in outputs and between the blocks the first bytes of the word. */
static void fill_parts(struct kc *c, struct kc_buf *b)
{
    const size_t size = kc_size(b);
    const uint32_t canary = KC_CANARY;

    for (size_t i = 0, n = kc_span(b); i < n; i += size)
        memcpy(b->init + i, &c->gap, size);
    for (size_t block = 0; block < b->blocks; block++)
        for (size_t i = 0; i < b->len; i++) {
            const uint32_t any = (uint32_t)kc_random(c);

            memcpy(b->init + (block * b->ld + i) * size, b->role == KC_OUT ? &canary : &any, size);
        }
}

void kc_fill_buffer(struct kc *c, struct kc_buf *b)
{
    size_t span = kc_span(b);

    if (kc_size(b) < sizeof c->gap) {
        fill_parts(c, b);
        return;
    }
    for (size_t i = 0; i < span; i += sizeof c->gap)
        memcpy(b->init + i, &c->gap, sizeof c->gap);
    fill_words(c, b);
}

static struct kc_buf *declare(struct kc *c, enum kc_role role, enum kc_type type, const char *name)
{
    struct kc_buf *b = &c->buf[c->buffers];

    if (c->buffers++ == KC_BUFFERS) {
        fprintf(stderr, "kc: more than %d buffers\n", KC_BUFFERS);
        exit(2);
    }
    b->name = name;
    b->role = role;
    b->type = type;
    b->alias = -1;
    b->shift = kc_below(c, 2) ? 0 : kc_below(c, 16);
    b->blocks = 1;
    b->columns = KC_PLAIN;
    b->len = b->ld = 0;
    b->samples = b->length = b->pitch = b->before = b->after = 0;
    return b;
}

static void finish(struct kc *c, struct kc_buf *b)
{
    if (kc_span(b) > KC_CAPACITY - 4096) {
        fprintf(stderr, "kc: buffer %s is too large (%s)\n", b->name, c->shape);
        exit(2);
    }
    kc_fill_buffer(c, b);
}

void kc_panels(struct kc *c, enum kc_role role, const char *name, size_t rows, size_t columns, size_t ld)
{
    kc_samples_halo(c, role, name, 1, columns, rows, rows, 0, 0, ld);
}

size_t kc_sample_rows(size_t B, size_t L, size_t pitch, size_t halo)
{
    return B ? (B - 1) * pitch + L + halo : 0;
}

void kc_samples_halo(struct kc *c, enum kc_role role, const char *name, size_t B, size_t C, size_t L, size_t pitch,
                     size_t before, size_t after, size_t ld)
{
    struct kc_buf *b = declare(c, role, KC_F32, name);

    b->blocks = lk_panels(C);
    b->len = kc_sample_rows(B, L, pitch, before + after) * LK_PANEL;
    b->ld = ld;
    b->columns = C;
    b->samples = B;
    b->length = L;
    b->pitch = pitch;
    b->before = before;
    b->after = after;
    if (pitch < L || (ld < b->len && b->blocks > 1)) {
        fprintf(stderr, "kc: samples of %s overlap (%s)\n", name, c->shape);
        exit(2);
    }
    finish(c, b);
}

void kc_samples(struct kc *c, enum kc_role role, const char *name, size_t B, size_t C, size_t L, size_t pitch,
                size_t halo, size_t ld)
{
    kc_samples_halo(c, role, name, B, C, L, pitch, halo, halo, ld);
}

void kc_vector(struct kc *c, enum kc_role role, const char *name, size_t n)
{
    struct kc_buf *b = declare(c, role, KC_F32, name);

    b->len = n;
    finish(c, b);
}

void kc_u32(struct kc *c, enum kc_role role, const char *name, size_t n)
{
    struct kc_buf *b = declare(c, role, KC_U32, name);

    b->len = n;
    finish(c, b);
}

void kc_bytes(struct kc *c, enum kc_role role, const char *name, size_t rows, size_t len, size_t ld)
{
    struct kc_buf *b = declare(c, role, KC_U8, name);

    b->blocks = rows;
    b->len = len;
    b->ld = ld;
    finish(c, b);
}

void kc_bits(struct kc *c, enum kc_role role, const char *name, size_t rows, size_t columns, size_t ld)
{
    struct kc_buf *b = declare(c, role, KC_U16, name);

    b->blocks = lk_panels(columns);
    b->len = rows;
    b->ld = ld;
    finish(c, b);
}

void kc_absent(struct kc *c)
{
    declare(c, KC_ABSENT, KC_F32, "NULL");
}

void kc_may_equal(struct kc *c, int in)
{
    c->buf[c->buffers - 1].alias = in;
}

struct lk_view kc_view(struct kc *c, int b)
{
    const struct kc_buf *buf = &c->buf[b];
    float *p = kc_p(c, b);

    return (struct lk_view){p ? p + buf->before * LK_PANEL : NULL, buf->ld, buf->pitch};
}

struct lk_cview kc_cview(struct kc *c, int b)
{
    const struct lk_view v = kc_view(c, b);

    return (struct lk_cview){v.p, v.ld, v.pitch};
}
