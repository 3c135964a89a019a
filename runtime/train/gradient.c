/* SPDX-License-Identifier: MIT */
#include "train/gradient.h"

#include "train/units.h"

void ls_gradient_deal(const struct ls_walk *k)
{
    size_t first, end;

    ls_engine_units(k->e, k->w, &first, &end);
    ls_share_fill(k->e->share, k->w, k->w->phase + 1, first, end);
}

/* Scalars of the update, NULL when the gradient is only wanted. */
static const struct ls_optim_step *update_of(const struct ls_walk *k)
{
    return k->b->mode == LS_TRAIN ? &k->b->optim : NULL;
}

/* The gradient of any unit in a slot of a set. */
static struct ls_gradient in_slot(const struct ls_engine *e, size_t set, size_t slot)
{
    return (struct ls_gradient){ls_engine_slot(e, set, slot), false};
}

/* Is the gradient finite that a unit will read in products which leave out zeros? */
static bool finite_gradient(const struct ls_context *c, const struct ls_node *n, const struct ls_unit *u)
{
    for (size_t p = u->col / LK_PANEL; p < lk_panels(u->col + u->cols); p++)
        if (!c->k->finite(c->rows * LK_PANEL, ls_rows(c, n->d) + p * n->d.ld))
            return false;
    return true;
}

/* The units of a block that a worker runs in turn. */
struct series {
    struct ls_context c;
    bool skip; /* zeros may be left out where the gradient is finite */
    const struct ls_unit *before;
};

/* Units of the same columns come in turn and ask once whether their gradient is finite. */
static void choose_skip(const struct ls_walk *k, struct series *s, const struct ls_unit *u)
{
    const struct ls_node *n = &k->e->g->node[u->node];

    if (!s->before || s->before->node != u->node || s->before->col != u->col)
        s->c.skip = s->skip && n->skips && finite_gradient(&s->c, n, u);
    s->before = u;
}

/*
 * Continue the chains of a unit over a block whose rows lie in the activation block; fold what the shard completes.
 * With `last` the tree is complete, too. A shard of one block that is added or used up at once never reaches its slot.
 */
static void gradient_of(const struct ls_walk *k, struct ls_context *c, const struct ls_block *b,
                        const struct ls_unit *u, bool last)
{
    struct ls_engine *e = k->e;
    const bool passing = b->opens && b->closes && (b->additions || (last && e->reduce == LS_OWNERS));
    struct ls_gradient sum =
        passing ? (struct ls_gradient){e->scratch + k->w->t * e->scratch_stride, true} : in_slot(e, k->set, b->slot);

    c->next = ls_unit_next(e, u, b->closes && b->additions ? in_slot(e, k->set, b->slot - 1).base : NULL,
                           last && update_of(k));
    ls_unit_chains(e, c, u, sum, b->opens);
    ls_walk_lap(k, u->node, LS_PHASE_GRAD);
    for (size_t a = 0; b->closes && a < b->additions; a++) {
        const struct ls_gradient left = in_slot(e, k->set, b->slot - 1 - a);

        ls_unit_add(e, u, left, sum);
        ls_walk_lap(k, u->node, LS_PHASE_ADD);
        sum = left;
    }
    if (last) {
        ls_unit_finish(e, u, sum, update_of(k));
        ls_walk_lap(k, u->node, LS_PHASE_UPDATE);
    }
}

/* The next unit of a phase: of the team's shares or, alone, of all in turn, *i counting up from -1. */
static bool next_unit(const struct ls_walk *k, size_t *i)
{
    return k->together ? ls_walk_take(k, i) : ++*i < k->e->g->n_units;
}

void ls_gradient_block(const struct ls_walk *k, const struct ls_block *b, bool last)
{
    struct series s = {.c = ls_walk_block(k, b, 0, b->end - b->first)};

    s.skip = s.c.skip;
    for (size_t i = (size_t)-1; next_unit(k, &i);) {
        const struct ls_unit *u = &k->e->g->unit[i];

        choose_skip(k, &s, u);
        gradient_of(k, &s.c, b, u, last);
    }
}

/* Push the parts of a unit that worker t left onto the stack of all; additions land in the left operand. */
static void push_parts(const struct ls_walk *k, const struct ls_unit *u, unsigned t, struct ls_stack *all,
                       struct ls_gradient sum[LS_STACK_MAX])
{
    const struct ls_engine *e = k->e;
    struct ls_stack parts = {0};

    for (size_t s = e->shards * t / k->w->T; s < e->shards * (t + 1) / k->w->T; s++)
        ls_stack_push(&parts, (struct ls_part){s, 1});
    for (size_t p = 0; p < parts.n; p++) {
        size_t at = all->n, additions = ls_stack_push(all, parts.part[p]);

        sum[at] = in_slot(e, t, p);
        for (; additions; additions--, at--)
            ls_unit_add(e, u, sum[at - 1], sum[at]);
        ls_walk_lap(k, u->node, LS_PHASE_ADD);
    }
}

void ls_gradient_fold(const struct ls_walk *k)
{
    struct ls_engine *e = k->e;
    size_t i;

    while (ls_walk_take(k, &i)) {
        const struct ls_unit *u = &e->g->unit[i];
        struct ls_stack all = {0};
        struct ls_gradient sum[LS_STACK_MAX];

        for (unsigned t = 0; t < k->w->T; t++)
            push_parts(k, u, t, &all, sum);
        ls_unit_finish(e, u, sum[0], update_of(k));
        ls_walk_lap(k, u->node, LS_PHASE_UPDATE);
    }
}
