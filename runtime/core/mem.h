/* SPDX-License-Identifier: MIT
 * Memory: the only malloc of the product. Every size goes through the one checked multiply; counters let a test prove
 * that training steps allocate nothing. */
#ifndef LS_MEM_H
#define LS_MEM_H

#include "core/status.h"

/* *out = a * b, a + b; false on overflow (*out is then unchanged). */
bool ls_mul(size_t a, size_t b, size_t *out);
bool ls_add(size_t a, size_t b, size_t *out);

/* count * size bytes at a 64-byte boundary, zeroed. NULL and E_MEMORY in err on failure. count or size 0 gives a valid
 * block. */
void *ls_alloc(size_t count, size_t size, struct lockstep_error *err);

/* Copy of a string by ls_alloc. */
char *ls_strdup(const char *s, struct lockstep_error *err);

/* Grow a block of ls_alloc to count * size bytes, new bytes zeroed. NULL and E_MEMORY: p is still valid. */
void *ls_grow(void *p, size_t count, size_t size, struct lockstep_error *err);

/* NULL allowed. */
void ls_free(void *p);

/* Allocations made since the process began (ls_alloc, ls_strdup, ls_grow). */
size_t ls_mem_allocations(void);

/* Most bytes of such blocks that were in use at once since the process began. */
size_t ls_mem_peak(void);

/*
 * Arena: many blocks planned first, then cut out of one allocation. Book every block with ls_arena_book (returns its
 * offset), allocate once with ls_arena_commit, then address block i as ls_arena_at(arena, offset). Blocks are 64-byte
 * aligned.
 */
struct ls_arena {
    char *base;
    size_t size;
    bool overflow;
};
size_t ls_arena_book(struct ls_arena *arena, size_t count, size_t size);
size_t ls_arena_book_2d(struct ls_arena *arena, size_t rows, size_t count, size_t size);
enum lockstep_status ls_arena_commit(struct ls_arena *arena, struct lockstep_error *err);
void *ls_arena_at(const struct ls_arena *arena, size_t offset);
void ls_arena_free(struct ls_arena *arena);

#endif
