/* SPDX-License-Identifier: MIT */
#include "graph/names.h"

#include <stdio.h>
#include <string.h>

/* Is the name taken by another node, or, for a name of the text, by a later one? */
static bool taken(const struct ls_graph *g, const struct ls_node *n, const char *name)
{
    for (const struct ls_node *o = n->name[0] ? n + 1 : g->node; o < g->node + g->n; o++)
        if (o != n && !strcmp(o->name, name))
            return true;
    return false;
}

/* The text, where that is short and new. */
static void name_by_text(const struct ls_graph *g, struct ls_node *n)
{
    if (strlen(n->text) < sizeof n->name && !ls_graph_find(g, n->text))
        memcpy(n->name, n->text, sizeof n->name);
}

/* The op, then with a count. next: the count to try, for each op of the registry. */
static void prefix_by_op(const struct ls_graph *g, struct ls_node *n, size_t next[LS_OPS])
{
    const char *name = n->op->loss ? "loss" : n->op->name;
    size_t op = 0;

    while (ls_ops[op] != n->op)
        op++;
    do {
        if (next[op])
            snprintf(n->prefix, sizeof n->prefix, "%s%zu", name, next[op]);
        else
            snprintf(n->prefix, sizeof n->prefix, "%s", name);
        next[op]++;
    } while (taken(g, n, n->prefix));
}

/* Names of the text: the latest node of a name has it. */
static void keep_names(struct ls_graph *g, bool by_text)
{
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        if (n->name[0] && taken(g, n, n->name))
            n->name[0] = 0;
        n->unnamed = !n->name[0];
        if (n->unnamed && by_text)
            name_by_text(g, n);
    }
}

void ls_names_give(struct ls_graph *g, bool by_text)
{
    size_t index = 0, next[LS_OPS] = {0};

    keep_names(g, by_text);
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];
        const bool counted = n->n_inputs && !n->op->loss;

        if (g->pipeline && counted)
            snprintf(n->prefix, sizeof n->prefix, "%zu", index);
        else if (n->name[0])
            memcpy(n->prefix, n->name, sizeof n->prefix);
        else
            prefix_by_op(g, n, next);
        if (!n->name[0])
            memcpy(n->name, n->prefix, sizeof n->name);
        index += counted;
    }
}
