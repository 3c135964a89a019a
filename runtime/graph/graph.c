/* SPDX-License-Identifier: MIT
 * The registry of ops, and what can be asked of a graph however it was built. */
#include "graph/graph.h"

#include "graph/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct ls_op *const ls_ops[] = {
#define OP(name) &ls_op_##name,
#include "graph/ops.def"
#undef OP
    NULL};

const struct ls_op *ls_op_find(const char *name)
{
    for (size_t i = 0; i < LS_OPS; i++)
        if (!strcmp(ls_ops[i]->name, name))
            return ls_ops[i];
    return NULL;
}

struct ls_node *ls_graph_find(const struct ls_graph *g, const char *name)
{
    for (size_t i = g->n; i-- > 0;)
        if (!strcmp(g->node[i].name, name))
            return &g->node[i];
    return NULL;
}

void ls_param_name(const struct ls_node *n, size_t i, char name[64])
{
    const char *param = n->param[i].name;

    snprintf(name, 64, "%s%s%s", n->prefix, param ? "." : "", param ? param : "");
}

const char *ls_shape_text(struct ls_shape s, char text[LS_SHAPE_TEXT])
{
    if (s.rank == 1)
        snprintf(text, LS_SHAPE_TEXT, "(%zu)", s.dim[0]);
    else
        snprintf(text, LS_SHAPE_TEXT, "(%zu, %zu)", s.dim[0], s.dim[1]);
    return text;
}

enum lockstep_status ls_node_fail(const struct ls_node *n, struct lockstep_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    ls_text_failv(err, n->line, n->column, format, args);
    va_end(args);
    return err->status;
}

void ls_graph_free(struct ls_graph *g)
{
    ls_free(g->node);
    ls_free(g->unit);
    ls_free(g->extra);
    *g = (struct ls_graph){0};
}
