/* SPDX-License-Identifier: MIT
 *
 * The kernel checker: one `struct kc_case` for each slot of LK_KERNELS, written once and run for every instruction set.
 * A case describes shapes and buffers (setup) and makes one call through the kernel table (call); the driver owns the
 * memory, guard pages, fills, crash handling and the comparison with the reference.
 */
#ifndef KC_H
#define KC_H

#include "cpu.h"

/* What floats a case works on; the fill of a case is its number modulo KC_FILLS. */
enum kc_fill { KC_NORMAL, KC_WIDE, KC_ZEROS, KC_SPECIALS, KC_INTEGERS, KC_FILLS };

enum kc_role { KC_ABSENT, KC_IN, KC_OUT, KC_INOUT };

enum kc_type { KC_F32, KC_U32, KC_U16, KC_U8 };

enum {
    KC_BUFFERS = 8,
    KC_CAPACITY = 8 << 20, /* bytes of one buffer at most */
    KC_PLAIN = 0           /* kc_buf.columns of buffers without pad */
};

/*
 * `blocks` runs of `len` elements, `ld` elements apart. Panels are blocks of 16 * rows, the last has pad columns. In
 * sample form the rows are `before` halo rows, `samples` times `length` rows that begin `pitch` rows apart, `after`
 * halo rows; matrices are one sample.
 */
struct kc_buf {
    const char *name;
    enum kc_role role;
    enum kc_type type;
    size_t blocks, len, ld, columns;
    size_t samples, length, pitch, before, after;
    size_t shift;        /* misalignment in elements where the buffer starts after the guard page */
    int alias;           /* input whose memory this output may use, or -1 */
    unsigned char *init; /* contents before the call */
    unsigned char *want; /* contents after the call of the reference */
    unsigned char *p;    /* where the kernel sees it in this run */
};

struct kc {
    uint64_t rng;
    unsigned id, dims;
    enum kc_fill fill;
    uint32_t gap; /* word between and around buffers */
    int buffers;
    struct kc_buf buf[KC_BUFFERS];
    unsigned char *arena[KC_BUFFERS];
    /* free for the case */
    size_t M, N, K, B, C, L;
    enum lk_act act;
    int first;
    float scale;
    struct lk_conv conv;
    struct lk_sgd sgd;
    struct lk_adam adam;
    struct lk_pool pool;
    struct lk_dropout dropout;
    size_t cut; /* where a call may be cut in two; 0 in the call of the reference that gives the expected result */
    /* outcome */
    bool failed;
    char shape[192], what[256];
};

struct kc_case {
    void (*setup)(struct kc *c);
    void (*call)(const struct lk_kernels *k, struct kc *c);
};

/* Every slot has its case, or the program does not link. */
#define X(k) extern const struct kc_case kc_case_##k;
LK_KERNELS(X)
#undef X

/* Map the arenas and catch crashes; exits on failure. */
void kc_init(struct kc *c);

/* Set up case `id` of `seed` and compute what is expected with ref. False: ref itself broke the contract. */
bool kc_prepare(struct kc *c, enum lk_slot slot, uint64_t seed, unsigned id, const struct lk_kernels *ref);

/* Run the prepared case on k in every placement and compare. False: c->what says why. */
bool kc_check(struct kc *c, enum lk_slot slot, const struct lk_kernels *k);

/* Each broken kernel must be caught. Returns the number of wrong answers. */
int kc_selftest(struct kc *c, const struct lk_kernels *ref, uint64_t seed);

/* For setup: random numbers and sizes. */
uint64_t kc_random(struct kc *c);
size_t kc_below(struct kc *c, size_t n);
/* A size of 0..max: 0, 1, every residue modulo 16 in turn over the cases, or any. */
size_t kc_dim(struct kc *c, size_t max);
/* A distance of panels (or rows) of `min` elements: often min, else a little more. */
size_t kc_ld_of(struct kc *c, size_t min);
/* One float of the fill of this case. */
float kc_float(struct kc *c);
/* Make element i, unless it is NaN, a number of 0..1. */
void kc_probability(float *p, size_t i);
void kc_shape(struct kc *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For setup: declare the buffers in the order in which call numbers them; contents follow the fill of the case. */
void kc_panels(struct kc *c, enum kc_role role, const char *name, size_t rows, size_t columns, size_t ld);
/*
 * Samples (B, C, L). Inputs hold +0 in up to `before` rows before and `after` rows behind each sample, and what must
 * not be used further away; outputs keep what lies there. ld >= 16 kc_sample_rows(B, L, pitch, before + after).
 */
void kc_samples_halo(struct kc *c, enum kc_role role, const char *name, size_t B, size_t C, size_t L, size_t pitch,
                     size_t before, size_t after, size_t ld);
/* The same with `halo` rows before and behind. */
void kc_samples(struct kc *c, enum kc_role role, const char *name, size_t B, size_t C, size_t L, size_t pitch,
                size_t halo, size_t ld);
/* Rows of a panel of B samples; halo: rows before the first and behind the last together. */
size_t kc_sample_rows(size_t B, size_t L, size_t pitch, size_t halo);
void kc_vector(struct kc *c, enum kc_role role, const char *name, size_t n);
void kc_u32(struct kc *c, enum kc_role role, const char *name, size_t n);
/* Panels of 16 bits for each row, as gather_u8 writes them. */
void kc_bits(struct kc *c, enum kc_role role, const char *name, size_t rows, size_t columns, size_t ld);
void kc_bytes(struct kc *c, enum kc_role role, const char *name, size_t rows, size_t len, size_t ld);
void kc_absent(struct kc *c);
/* The last declared buffer, an output, may be the memory of `in`, a buffer of the same layout. */
void kc_may_equal(struct kc *c, int in);

/* For setup: contents before the call, to overwrite. For call: address (NULL when absent) and ld of a buffer. */
static inline void *kc_contents(struct kc *c, int b)
{
    return c->buf[b].init;
}

static inline void *kc_p(struct kc *c, int b)
{
    return c->buf[b].p;
}

static inline size_t kc_ld(struct kc *c, int b)
{
    return c->buf[b].ld;
}

/* For call: a buffer in sample form; p NULL when absent. */
struct lk_view kc_view(struct kc *c, int b);
struct lk_cview kc_cview(struct kc *c, int b);

/* Report that a kernel broke its contract (only the first report of a run counts). */
void kc_fail(struct kc *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For kc.c: fill b->init by role, type and fill. */
void kc_fill_buffer(struct kc *c, struct kc_buf *b);

/* Bytes of one element and of the whole buffer. */
size_t kc_size(const struct kc_buf *b);
size_t kc_span(const struct kc_buf *b);

/* Is element i of block `block` a pad column? */
bool kc_is_pad(const struct kc_buf *b, size_t block, size_t i);

/* Where an element of a block lies in the sample form: row `position` of sample `sample`, before it (< 0) or behind it
 * (>= length). */
struct kc_place {
    size_t sample;
    ptrdiff_t position;
};
struct kc_place kc_place_of(const struct kc_buf *b, size_t i);

/* Is element i of a block outside the samples? */
bool kc_is_halo(const struct kc_buf *b, size_t i);

/* Before the call every output element holds this signalling NaN, which no arithmetic gives (bytes: its low byte). */
#define KC_CANARY 0x7fa5c35au

#endif
