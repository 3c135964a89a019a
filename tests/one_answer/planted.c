/* SPDX-License-Identifier: MIT
 *
 * one_answer with one mistake in the runtime, named by LS_PLANTED: the linker puts the functions below in place of the
 * runtime's (--wrap). The check of digests must report each; without LS_PLANTED nothing is changed.
 *
 *   shards  the number of shards follows the number of threads
 *   sum     a thread adds its shards one after another, not as a tree
 *   split   the samples of dW and db are split between the threads, and their sums are added
 */
#include <stdlib.h>
#include <string.h>

#include "train/units.h"

/* __real_f: the function of the runtime; __wrap_f: what its callers get. */
#define REPLACED(f) __typeof__(f) __real_##f, __wrap_##f
REPLACED(ls_engine_init);
REPLACED(ls_stack_push);
REPLACED(ls_unit_chains);

static bool planted(const char *mistake)
{
    const char *wanted = getenv("LS_PLANTED");

    return wanted && !strcmp(wanted, mistake);
}

enum lockstep_status __wrap_ls_engine_init(struct ls_engine *e, const struct ls_graph *g,
                                           const struct lk_table *kernels, unsigned threads, enum ls_reduce reduce,
                                           size_t shards, const struct ls_optim *optim, uint32_t seed,
                                           struct lockstep_error *err)
{
    if (planted("shards"))
        for (shards = 1; shards * 2 <= threads;)
            shards *= 2;
    return __real_ls_engine_init(e, g, kernels, threads, reduce, shards, optim, seed, err);
}

size_t __wrap_ls_stack_push(struct ls_stack *s, struct ls_part part)
{
    if (!planted("sum"))
        return __real_ls_stack_push(s, part);
    s->n = 1;
    return s->part[0].size++ > 0; /* added to the only part there is */
}

void __wrap_ls_unit_chains(const struct ls_engine *e, const struct ls_context *c, const struct ls_unit *u,
                           struct ls_gradient g, bool first)
{
    const size_t parts = planted("split") ? e->threads : 1;

    for (size_t i = 0; i < parts; i++) {
        struct ls_context span = *c;
        struct ls_gradient sum = {i ? calloc(e->scratch_stride, sizeof(float)) : g.base, i || g.packed};
        size_t begin, end;

        if (!sum.base)
            abort();
        ls_span(c->rows, parts, i, &begin, &end);
        span.row += begin;
        span.batch_row += begin;
        span.rows = end - begin;
        __real_ls_unit_chains(e, &span, u, sum, first || i);
        if (i) {
            ls_unit_add(e, u, g, sum);
            free(sum.base);
        }
    }
}
