/* SPDX-License-Identifier: MIT */
#include "train/shards.h"

#include "core/math64.h"

unsigned ls_shards_default(size_t batch)
{
    unsigned s = 1;

    while (s < 16 && (size_t)s * 2 <= batch / 512)
        s *= 2;
    return s;
}

struct ls_shards ls_shards_of(size_t n, size_t count)
{
    return (struct ls_shards){n, count, (n + count - 1) / count};
}

void ls_shard_rows(const struct ls_shards *s, size_t shard, size_t *first, size_t *end)
{
    *first = shard * s->length < s->n ? shard * s->length : s->n;
    *end = s->n - *first < s->length ? s->n : *first + s->length;
}

size_t ls_stack_push(struct ls_stack *s, struct ls_part part)
{
    size_t additions = 0, n = s->n;

    s->part[n++] = part;
    while (n > 1 && s->part[n - 2].size == s->part[n - 1].size &&
           s->part[n - 2].first % (2 * s->part[n - 1].size) == 0) {
        s->part[n - 2].size *= 2;
        n--;
        additions++;
    }
    s->n = n;
    return additions;
}

size_t ls_stack_depth(size_t first, size_t end)
{
    struct ls_stack s = {0};
    size_t depth = 1;

    for (size_t i = first; i < end; i++) {
        depth = s.n + 1 > depth ? s.n + 1 : depth;
        ls_stack_push(&s, (struct ls_part){i, 1});
    }
    return depth;
}

double ls_mean_loss(const struct ls_shards *s, const float *loss)
{
    struct ls_stack stack = {0};
    double slot[LS_STACK_MAX];

    for (size_t i = 0; i < s->count; i++) {
        size_t row, end, at = stack.n, additions;
        double sum = 0.0;

        for (ls_shard_rows(s, i, &row, &end); row < end; row++)
            sum += (double)loss[row];
        slot[at] = sum;
        for (additions = ls_stack_push(&stack, (struct ls_part){i, 1}); additions; additions--, at--)
            slot[at - 1] += slot[at];
    }
    return ls_one_nan(slot[0] / (double)s->n);
}
