/* SPDX-License-Identifier: MIT */
#include "core/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

/* Ahead of each block: its size, so that ls_grow can copy. One alignment unit keeps the block aligned. */
struct header {
    size_t bytes;
};

static atomic_size_t allocations, in_use, peak;

/* Bytes more or less in use. */
static void count_bytes(size_t more, size_t less)
{
    const size_t now = atomic_fetch_add_explicit(&in_use, more - less, memory_order_relaxed) + more - less;
    size_t most = atomic_load_explicit(&peak, memory_order_relaxed);

    while (more && now > most &&
           !atomic_compare_exchange_weak_explicit(&peak, &most, now, memory_order_relaxed, memory_order_relaxed))
        ;
}

bool ls_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool ls_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static struct header *header_of(void *p)
{
    return (struct header *)(void *)((char *)p - ALIGN);
}

void *ls_alloc(size_t count, size_t size, struct lockstep_error *err)
{
    size_t bytes, total;
    char *raw = NULL;

    if (ls_mul(count, size, &bytes) && ls_add(bytes, 2 * ALIGN - 1, &total))
        raw = aligned_alloc(ALIGN, total / ALIGN * ALIGN);
    if (!raw) {
        ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: %zu x %zu bytes wanted (use a smaller batch or model)", count,
                size);
        return NULL;
    }
    memset(raw, 0, ALIGN + bytes);
    ((struct header *)(void *)raw)->bytes = bytes;
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    count_bytes(bytes, 0);
    return raw + ALIGN;
}

char *ls_strdup(const char *s, struct lockstep_error *err)
{
    size_t n = strlen(s) + 1;
    char *copy = ls_alloc(n, 1, err);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

void *ls_grow(void *p, size_t count, size_t size, struct lockstep_error *err)
{
    void *q = ls_alloc(count, size, err);
    if (q && p) {
        size_t old = header_of(p)->bytes, now = header_of(q)->bytes;
        memcpy(q, p, old < now ? old : now);
        ls_free(p);
    }
    return q;
}

void ls_free(void *p)
{
    if (!p)
        return;
    count_bytes(0, header_of(p)->bytes);
    free(header_of(p));
}

size_t ls_mem_allocations(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

size_t ls_mem_peak(void)
{
    return atomic_load_explicit(&peak, memory_order_relaxed);
}

size_t ls_arena_book(struct ls_arena *arena, size_t count, size_t size)
{
    size_t offset = arena->size, bytes, end;

    if (!ls_mul(count, size, &bytes) || !ls_add(bytes, ALIGN - 1, &bytes) ||
        !ls_add(offset, bytes / ALIGN * ALIGN, &end)) {
        arena->overflow = true;
        return 0;
    }
    arena->size = end;
    return offset;
}

size_t ls_arena_book_2d(struct ls_arena *arena, size_t rows, size_t count, size_t size)
{
    size_t n;

    if (ls_mul(rows, count, &n))
        return ls_arena_book(arena, n, size);
    arena->overflow = true;
    return 0;
}

enum lockstep_status ls_arena_commit(struct ls_arena *arena, struct lockstep_error *err)
{
    if (arena->overflow)
        return ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: the model's buffers exceed the address space");
    arena->base = ls_alloc(arena->size, 1, err);
    return arena->base ? LOCKSTEP_OK : err->status;
}

void *ls_arena_at(const struct ls_arena *arena, size_t offset)
{
    return arena->base + offset;
}

void ls_arena_free(struct ls_arena *arena)
{
    ls_free(arena->base);
    *arena = (struct ls_arena){0};
}
