/* SPDX-License-Identifier: MIT
 * One case of the kernel checker: placement at guard pages, the call with crashes caught, comparison. */
#include "kc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xmmintrin.h>

enum { PAGE = 4096, SLACK = 2048 }; /* SLACK: bytes watched around a buffer */

enum place { AT_END, AT_START }; /* which end of the buffer touches a guard page */

static const struct kc_case *const cases[] = {
#define X(k) &kc_case_##k,
    LK_KERNELS(X)
#undef X
};

static sigjmp_buf crashed;
static volatile sig_atomic_t in_kernel;

/* A crash of the checker itself, for a kernel may have written where it must not, ends it: it would come again for
 * ever. */
static void on_crash(int signal)
{
    static const char text[] = "kc: crashed outside a kernel\n";

    if (!in_kernel) {
        const ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);

        (void)ignored;
        _exit(2);
    }
    in_kernel = 0;
    siglongjmp(crashed, signal);
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        perror("kc: mmap");
        exit(2);
    }
    return p;
}

void kc_init(struct kc *c)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action = {.sa_handler = on_crash};

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    memset(c, 0, sizeof *c);
    for (int i = 0; i < KC_BUFFERS; i++) {
        unsigned char *p = map(KC_CAPACITY + 2 * PAGE);

        if (mprotect(p, PAGE, PROT_NONE) || mprotect(p + PAGE + KC_CAPACITY, PAGE, PROT_NONE)) {
            perror("kc: mprotect");
            exit(2);
        }
        c->arena[i] = p + PAGE;
        c->buf[i].init = map(KC_CAPACITY);
        c->buf[i].want = map(KC_CAPACITY);
    }
}

void kc_fail(struct kc *c, const char *format, ...)
{
    va_list args;

    if (c->failed)
        return;
    c->failed = true;
    va_start(args, format);
    vsnprintf(c->what, sizeof c->what, format, args);
    va_end(args);
}

/* Watched bytes before and after the buffer in its arena. */
static void slack(const struct kc *c, int i, size_t *before, size_t *after)
{
    const struct kc_buf *b = &c->buf[i];
    const unsigned char *end = b->p + kc_span(b);

    *before = (size_t)(b->p - c->arena[i]);
    *after = (size_t)(c->arena[i] + KC_CAPACITY - end);
    *before = *before < SLACK ? *before : SLACK;
    *after = *after < SLACK ? *after : SLACK;
}

static unsigned char gap_byte(const struct kc *c, const unsigned char *p)
{
    return (unsigned char)(c->gap >> 8 * ((uintptr_t)p % 4));
}

static void put(struct kc *c, int i, enum place place)
{
    struct kc_buf *b = &c->buf[i];
    size_t before, after, span = kc_span(b);

    b->p = place == AT_END ? c->arena[i] + KC_CAPACITY - span : c->arena[i] + b->shift * kc_size(b);
    slack(c, i, &before, &after);
    for (size_t j = 0; j < before; j++)
        b->p[j - before] = gap_byte(c, b->p + j - before);
    for (size_t j = 0; j < after; j++)
        b->p[span + j] = gap_byte(c, b->p + span + j);
    memcpy(b->p, b->init, span);
}

/* Buffer `replaced` is not a buffer of its own in this run, its memory is that of its alias. */
static void put_all(struct kc *c, enum place place, int replaced)
{
    for (int i = 0; i < c->buffers; i++) {
        if (c->buf[i].role == KC_ABSENT)
            c->buf[i].p = NULL;
        else
            put(c, i, place);
    }
    if (replaced >= 0)
        c->buf[replaced].p = c->buf[c->buf[replaced].alias].p;
}

static void call(struct kc *c, enum lk_slot slot, const struct lk_kernels *k)
{
    enum { CONTROL = 0xffc0 };
    unsigned saved = lk_fpenv_enter(), before = _mm_getcsr();
    int signal = sigsetjmp(crashed, 1);

    if (signal) {
        kc_fail(c, "crash: %s", strsignal(signal));
    } else {
        in_kernel = 1;
        cases[slot]->call(k, c);
        in_kernel = 0;
    }
    if ((_mm_getcsr() & CONTROL) != (before & CONTROL))
        kc_fail(c, "MXCSR changed from 0x%x to 0x%x", before & CONTROL, _mm_getcsr() & CONTROL);
    lk_fpenv_leave(saved);
}

static void fail_at(struct kc *c, const struct kc_buf *b, size_t block, size_t i, const char *text)
{
    const size_t column = block * LK_PANEL + i % LK_PANEL;

    if (b->samples > 1 || b->before + b->after)
        kc_fail(c, "%s[%zu][%zu][%td]: %s", b->name, kc_place_of(b, i).sample, column, kc_place_of(b, i).position,
                text);
    else if (b->columns != KC_PLAIN)
        kc_fail(c, "%s[%zu][%zu]: %s", b->name, i / LK_PANEL, column, text);
    else if (b->blocks > 1)
        kc_fail(c, "%s[%zu][%zu]: %s", b->name, block, i, text);
    else
        kc_fail(c, "%s[%zu]: %s", b->name, i, text);
}

static uint32_t word_at(const struct kc_buf *b, const unsigned char *base, size_t element)
{
    uint32_t u = 0;

    memcpy(&u, base + kc_size(b) * element, kc_size(b));
    return u;
}

static uint32_t one_nan(const struct kc_buf *b, uint32_t u)
{
    return b->type == KC_F32 && (u & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : u;
}

static void fail_value(struct kc *c, const struct kc_buf *b, size_t block, size_t i, uint32_t want, uint32_t got)
{
    char text[96];
    float w, g;

    memcpy(&w, &want, sizeof w);
    memcpy(&g, &got, sizeof g);
    if (b->type == KC_F32)
        snprintf(text, sizeof text, "want %a (0x%08x), got %a (0x%08x)", (double)w, want, (double)g, got);
    else
        snprintf(text, sizeof text, "want %u, got %u", want, got);
    fail_at(c, b, block, i, text);
}

static void check_element(struct kc *c, const struct kc_buf *b, size_t block, size_t i, const unsigned char *want)
{
    size_t at = block * b->ld + i;
    uint32_t got = word_at(b, b->p, at), canary = KC_CANARY & (0xffffffffu >> (32 - 8 * kc_size(b)));

    if (b->role == KC_OUT && got == canary)
        fail_at(c, b, block, i, "not written");
    else if (kc_is_pad(b, block, i) && got)
        fail_value(c, b, block, i, 0, got);
    else if (want && one_nan(b, got) != one_nan(b, word_at(b, want, at)))
        fail_value(c, b, block, i, word_at(b, want, at), got);
}

/* init: contents of this memory before the call. */
static void check_output(struct kc *c, const struct kc_buf *b, const unsigned char *init, const unsigned char *want)
{
    for (size_t block = 0; b->len && block < b->blocks; block++) {
        for (size_t i = 0; i < b->len; i++) {
            if (!kc_is_halo(b, i))
                check_element(c, b, block, i, want);
            else if (word_at(b, b->p, block * b->ld + i) != word_at(b, init, block * b->ld + i))
                fail_at(c, b, block, i, "halo written");
        }
        for (size_t i = b->len; block + 1 < b->blocks && i < b->ld; i++)
            if (word_at(b, b->p, block * b->ld + i) != word_at(b, init, block * b->ld + i))
                kc_fail(c, "%s: written between block %zu and the next, %zu past its end", b->name, block, i - b->len);
    }
}

static void check_input(struct kc *c, const struct kc_buf *b)
{
    if (!memcmp(b->p, b->init, kc_span(b)))
        return;
    for (size_t i = 0; i < kc_span(b); i++)
        if (b->p[i] != b->init[i])
            kc_fail(c, "%s: input changed at byte %zu", b->name, i);
}

static void check_slack(struct kc *c, int i)
{
    const struct kc_buf *b = &c->buf[i];
    const unsigned char *end = b->p + kc_span(b);
    size_t before, after;

    slack(c, i, &before, &after);
    for (size_t j = 1; j <= before; j++)
        if (*(b->p - j) != gap_byte(c, b->p - j))
            kc_fail(c, "%s: written %zu bytes before its start", b->name, j);
    for (size_t j = 0; j < after; j++)
        if (end[j] != gap_byte(c, end + j))
            kc_fail(c, "%s: written %zu bytes past its end", b->name, j);
}

/* After a call: nothing but the outputs changed, and they are as expected (expected: NULL for the reference). */
static void check_all(struct kc *c, int replaced, bool expected)
{
    for (int i = 0; i < c->buffers && !c->failed; i++) {
        const struct kc_buf *b = &c->buf[i];

        if (b->role == KC_ABSENT)
            continue;
        if (i != replaced)
            check_slack(c, i);
        if (b->role != KC_IN)
            check_output(c, b, i == replaced ? c->buf[b->alias].init : b->init, expected ? b->want : NULL);
        else if (replaced < 0 || i != c->buf[replaced].alias)
            check_input(c, b);
    }
}

bool kc_prepare(struct kc *c, enum lk_slot slot, uint64_t seed, unsigned id, const struct lk_kernels *ref)
{
    static const uint32_t gaps[] = {0x7fa50000, 0x7fc50000, 0x7f800000, 0x7e967699};
    size_t cut;

    c->rng = seed;
    c->rng = kc_random(c) + (uint64_t)slot;
    c->rng = kc_random(c) + id;
    c->id = id;
    c->fill = (enum kc_fill)(id % KC_FILLS);
    c->gap = gaps[kc_below(c, 4)];
    c->dims = 0;
    c->buffers = 0;
    c->cut = 0;
    c->failed = false;
    cases[slot]->setup(c);
    cut = c->cut;
    c->cut = 0;
    put_all(c, id % 2 ? AT_END : AT_START, -1);
    call(c, slot, ref);
    check_all(c, -1, false);
    for (int i = 0; i < c->buffers; i++)
        if (c->buf[i].role >= KC_OUT)
            memcpy(c->buf[i].want, c->buf[i].p, kc_span(&c->buf[i]));
    c->cut = cut;
    return !c->failed;
}

bool kc_check(struct kc *c, enum lk_slot slot, const struct lk_kernels *k)
{
    static const char *const names[] = {"buffers end at a guard page", "buffers start at a guard page or near"};
    char text[sizeof c->what];

    c->failed = false;
    for (int place = AT_END; place <= AT_START; place++)
        for (int replaced = -1; replaced < c->buffers && !c->failed; replaced++) {
            if (replaced >= 0 && c->buf[replaced].alias < 0)
                continue;
            put_all(c, (enum place)place, replaced);
            call(c, slot, k);
            check_all(c, replaced, true);
            if (c->failed) {
                memcpy(text, c->what, sizeof text);
                snprintf(c->what, sizeof c->what, "%.150s; %s%s", text, names[place], replaced < 0 ? "" : ", in place");
            }
        }
    return !c->failed;
}
