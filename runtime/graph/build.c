/* SPDX-License-Identifier: MIT
 * Syntax tree -> graph: resolve names and ops, add the implied input and loss, run the shape rules. */
#include "graph/build.h"

#include "core/nearest.h"
#include "graph/attributes.h"
#include "graph/names.h"
#include "graph/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct builder {
    struct ls_graph *g;
    size_t channels, length;
    const struct ls_binding *binding;
    size_t bindings;
    struct lockstep_error *err;
    size_t *read[3]; /* ls_graph_reads_data: channels, length, classes; else NULL */
    bool reads_data;
    struct ls_node label; /* stands for the labels; not part of the graph */
};

/* E_USAGE: no such op or value; with the nearest name there is. */
static enum lockstep_status unknown(struct builder *b, const struct ls_expr *e, const char *kind)
{
    const char *names[LS_OPS], *near;

    for (size_t i = 0; i < LS_OPS; i++)
        names[i] = ls_ops[i]->name;
    near = ls_nearest(e->name, names, LS_OPS);
    return ls_text_fail(b->err, e->line, e->column, "expected %s, got \"%.48s\"%s%s%s", kind, e->name,
                        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* A new last node; the room was allocated for every node of the text. */
static struct ls_node *append(struct builder *b, const struct ls_op *op, unsigned line, unsigned column)
{
    struct ls_node *n = &b->g->node[b->g->n++];

    *n = (struct ls_node){.op = op, .graph = b->g, .kernels = op->kernels, .line = line, .column = column};
    ls_attributes_default(n);
    return n;
}

static enum lockstep_status finish_node(struct builder *b, struct ls_node *n)
{
    enum lockstep_status s = n->op->shape(n, b->err);

    if (s)
        return s;
    n->trained = n->n_params > 0;
    for (size_t i = 0; i < n->n_inputs; i++)
        n->trained |= n->input[i]->trained;
    n->features = 1;
    for (size_t i = 0; i < n->shape.rank; i++)
        if (!ls_mul(n->features, n->shape.dim[i], &n->features) || n->features > LS_FEATURES_MOST)
            return ls_node_fail(n, b->err, "%s: expected at most %d values in a row", n->op->name, LS_FEATURES_MOST);
    for (size_t i = 0; i < n->n_params; i++) {
        size_t count;

        if (!ls_mul(n->param[i].rows, n->param[i].cols, &count) || count > (size_t)1 << 31)
            return ls_node_fail(n, b->err, "%s: expected at most 2^31 elements in %s", n->op->name, n->param[i].name);
    }
    return LOCKSTEP_OK;
}

/* The implied input, made when the first op asks for it. */
static struct ls_node *implied_input(struct builder *b, unsigned line, unsigned column)
{
    struct ls_node *n = b->g->input;

    if (n)
        return n;
    b->reads_data = true;
    if (!b->channels) {
        ls_text_fail(b->err, line, column, "expected a value, got nothing (there are no data here)");
        return NULL;
    }
    n = append(b, &ls_op_input, line, column);
    snprintf(n->text, sizeof n->text, "input");
    n->attr[0].n = b->channels;
    n->attr[1].n = b->length > 1 ? b->length : 0;
    snprintf(n->name, sizeof n->name, "input");
    b->g->input = n;
    return finish_node(b, n) ? NULL : n;
}

static struct ls_node *build_expr(struct builder *b, const struct ls_expr *e);

/* A node of an op with two attributes, whole numbers: a parameter of a shape, a value expanded to it. */
static struct ls_node *shaped(struct builder *b, const struct ls_op *op, struct ls_node *x, struct ls_shape shape,
                              unsigned line, unsigned column)
{
    struct ls_node *n = append(b, op, line, column);

    n->n_inputs = x != NULL;
    n->input[0] = x;
    n->attr[0].n = shape.dim[0];
    n->attr[1].n = shape.rank > 1 ? shape.dim[1] : 0;
    return finish_node(b, n) ? NULL : n;
}

/* Place of the binding of a name; that of none: the count of bindings. */
static size_t binding_of(const struct builder *b, const char *name)
{
    size_t i = 0;

    while (i < b->bindings && strcmp(b->binding[i].name, name))
        i++;
    return i;
}

/* The parameter of a binding, made when the first op asks for it. */
static struct ls_node *bound_value(struct builder *b, size_t binding, const struct ls_expr *e)
{
    struct ls_node *n;

    for (size_t i = 0; i < b->g->n; i++)
        if (b->g->node[i].binding == binding + 1)
            return &b->g->node[i];
    n = shaped(b, &ls_op_parameter, NULL, b->binding[binding].shape, e->line, e->column);
    if (!n)
        return NULL;
    snprintf(n->name, sizeof n->name, "%s", e->name);
    ls_expr_text(e, sizeof n->text, n->text);
    n->binding = binding + 1;
    return n;
}

static struct ls_node *number(struct builder *b, const struct ls_expr *e)
{
    struct ls_node *n;

    if (!(fabs(e->number) <= FLT_MAX)) {
        ls_text_fail(b->err, e->line, e->column, "expected a number of at most 3.4e38, got %g", e->number);
        return NULL;
    }
    n = append(b, &ls_op_constant, e->line, e->column);
    n->attr[0].x = e->number;
    ls_expr_text(e, sizeof n->text, n->text);
    return finish_node(b, n) ? NULL : n;
}

static struct ls_node *build_name(struct builder *b, const struct ls_expr *e)
{
    struct ls_node *n = ls_graph_find(b->g, e->name);
    const size_t binding = binding_of(b, e->name);

    if (n)
        return n;
    if (binding < b->bindings)
        return bound_value(b, binding, e);
    if (b->g->classes && !strcmp(e->name, "label")) {
        b->reads_data = true;
        return &b->label;
    }
    if (b->channels && !strcmp(e->name, "input"))
        return implied_input(b, e->line, e->column);
    if (ls_op_find(e->name)) { /* an op without parentheses */
        struct ls_expr call = *e;

        call.kind = LS_EXPR_CALL;
        return build_expr(b, &call);
    }
    unknown(b, e, b->channels ? "a value or an op" : "a value (NAME=VALUE beside the text) or an op");
    return NULL;
}

/* Can the argument of a call be a value (and not an attribute)? What is before "|" is one, a number elsewhere where the
 * op has no attributes. Every other name is: an unknown one is reported as such. */
static bool is_value(const struct builder *b, const struct ls_op *op, const struct ls_expr *call,
                     const struct ls_expr *e)
{
    if (call->piped && e == call->args)
        return true;
    if (e->keyword)
        return false;
    if (e->kind == LS_EXPR_NUMBER)
        return !op->attr[0].name;
    if (e->kind == LS_EXPR_CALL || ls_graph_find(b->g, e->name))
        return true;
    return !ls_attributes_word(op, e->name);
}

static bool is_label(const struct ls_expr *e)
{
    return e && !e->keyword && e->kind == LS_EXPR_NAME && !strcmp(e->name, "label");
}

/* The value arguments of a call; *rest is what follows them. The only one may be implied: the input. */
static enum lockstep_status build_values(struct builder *b, const struct ls_op *op, const struct ls_expr *e,
                                         struct ls_node *input[LS_INPUTS], const struct ls_expr **rest)
{
    const struct ls_expr *a = e->args;
    size_t n = 0;

    if (e->piped && !op->inputs && !op->labels)
        return ls_text_fail(b->err, e->line, e->column, "%s: expected no value, got one before \"|\"", op->name);
    for (; a && n < op->inputs && is_value(b, op, e, a); a = a->next, n++) {
        input[n] = build_expr(b, a);
        if (!input[n])
            return b->err->status;
        if (input[n] == &b->label)
            return ls_text_fail(b->err, a->line, a->column,
                                "label: expected only as the last argument of cross_entropy or one_hot");
        if (input[n]->op->loss)
            return ls_text_fail(b->err, e->line, e->column, "%s: expected a value of the batch, got the loss",
                                op->name);
    }
    if (!n && op->inputs == 1) {
        input[0] = implied_input(b, e->line, e->column);
        if (!input[0])
            return b->err->status;
        n = 1;
    }
    if (n < op->inputs)
        return ls_text_fail(b->err, e->line, e->column, "%s: expected %zu values, got %zu", op->name, op->inputs, n);
    if (op->labels && !is_label(a))
        return ls_text_fail(b->err, e->line, e->column, "%s: expected label as the last argument", op->name);
    if (op->labels && !b->g->classes)
        return ls_text_fail(b->err, a->line, a->column, "label: expected data with labels, got a text without data");
    b->reads_data |= op->labels;
    *rest = op->labels ? a->next : a;
    return LOCKSTEP_OK;
}

/* An input of one element takes the shape of the other one. */
static enum lockstep_status broadcast(struct builder *b, const struct ls_expr *e, struct ls_node *input[LS_INPUTS])
{
    for (size_t i = 0; i < LS_INPUTS; i++) {
        const struct ls_node *other = input[1 - i];

        if (input[i]->features > 1 || input[i]->shape.rank >= other->shape.rank + (other->features > 1))
            continue;
        input[i] = shaped(b, &ls_op_expand, input[i], other->shape, e->line, e->column);
        if (!input[i])
            return b->err->status;
    }
    return LOCKSTEP_OK;
}

static enum lockstep_status check_input(struct builder *b, const struct ls_node *n)
{
    b->reads_data = true;
    if (!b->channels && !b->read[0])
        return ls_node_fail(n, b->err, "input: expected a text without data (NAME=VALUE beside it gives values)");
    if (b->g->input)
        return ls_node_fail(n, b->err, "input: expected once, got a second one (name the first to use it again)");
    if (b->read[0]) {
        *b->read[0] = n->attr[0].n;
        *b->read[1] = n->attr[1].n ? n->attr[1].n : 1;
        return LOCKSTEP_OK;
    }
    if (n->attr[0].n == b->channels && n->attr[1].n == (b->length > 1 ? b->length : 0))
        return LOCKSTEP_OK;
    if (n->attr[0].n == b->channels * b->length && !n->attr[1].n)
        return LOCKSTEP_OK;
    return ls_node_fail(n, b->err, "input: expected (%zu, %zu) as in the data, got (%zu, %zu)", b->channels, b->length,
                        n->attr[0].n, n->attr[1].n ? n->attr[1].n : 1);
}

static struct ls_node *keep_loss(struct builder *b, struct ls_node *n)
{
    if (b->g->loss) {
        ls_node_fail(n, b->err, "%s: expected one loss, got a second one", n->op->name);
        return NULL;
    }
    b->g->loss = n;
    return n;
}

static struct ls_node *build_call(struct builder *b, const struct ls_expr *e)
{
    const struct ls_op *op = ls_op_find(e->name);
    const struct ls_expr *rest = e->args;
    struct ls_node *input[LS_INPUTS] = {NULL}, *n;

    if (!op) {
        unknown(b, e, "an op");
        return NULL;
    }
    if (build_values(b, op, e, input, &rest))
        return NULL;
    if (op->broadcasts && broadcast(b, e, input))
        return NULL;
    n = append(b, op, e->line, e->column);
    n->n_inputs = op->inputs;
    memcpy(n->input, input, sizeof input);
    ls_expr_text(e, sizeof n->text, n->text);
    if (b->read[0] && op->labels && op->inputs)
        b->g->classes = input[0]->features;
    if (ls_attributes_bind(n, rest, b->err) || (op == &ls_op_input && check_input(b, n)) || finish_node(b, n))
        return NULL;
    if (op == &ls_op_input)
        b->g->input = n;
    return op->loss ? keep_loss(b, n) : n;
}

static struct ls_node *build_expr(struct builder *b, const struct ls_expr *e)
{
    switch (e->kind) {
    case LS_EXPR_NAME:
        return build_name(b, e);
    case LS_EXPR_CALL:
        return build_call(b, e);
    case LS_EXPR_NUMBER:
        break;
    }
    return number(b, e);
}

static size_t count_nodes(const struct ls_expr *e)
{
    size_t n = 0;

    for (; e; e = e->next)
        n += 1 + count_nodes(e->args);
    return n;
}

/* made: nodes that the statement added. */
static const char *statement_error(const struct builder *b, const struct ls_statement *s, const struct ls_node *n,
                                   size_t made)
{
    if (n == &b->label)
        return "expected a value, got the labels";
    if (!s->name && s->next && !n->op->loss)
        return "a value without a name that nothing uses (give it a name, or begin the next line with |)";
    if (!s->name)
        return NULL;
    if (strlen(s->name) >= LS_NAME)
        return "expected a name of at most 47 letters";
    if (!strcmp(s->name, "label") || ls_op_find(s->name))
        return "expected a name that is no op and not label";
    return made && !n->binding ? NULL : "expected an op, got another name for a value";
}

static enum lockstep_status build_statements(struct builder *b, const struct ls_text *t)
{
    for (const struct ls_statement *s = t->first; s; s = s->next) {
        const size_t before = b->g->n;
        struct ls_node *n = build_expr(b, s->expr);
        const char *error = n ? statement_error(b, s, n, b->g->n - before) : NULL;

        if (!n)
            return b->err->status;
        if (error)
            return ls_text_fail(b->err, s->line, s->column, "%s", error);
        if (s->name)
            snprintf(n->name, sizeof n->name, "%s", s->name);
        if (!n->op->loss)
            b->g->output = n;
    }
    return LOCKSTEP_OK;
}

/* The implied loss, and what it must fit. */
static enum lockstep_status build_loss(struct builder *b)
{
    struct ls_graph *g = b->g;
    struct ls_node *n;

    if (!g->output && !g->loss)
        return ls_text_fail(b->err, 1, 1, "expected a model, got nothing");
    if (!g->loss && g->classes && !b->read[0]) {
        n = append(b, &ls_op_cross_entropy, g->output->line, g->output->column);
        snprintf(n->text, sizeof n->text, "cross_entropy");
        n->n_inputs = 1;
        n->input[0] = g->output;
        if (finish_node(b, n))
            return b->err->status;
        g->loss = n;
    }
    if (g->loss)
        g->output = g->loss->input[0];
    return LOCKSTEP_OK;
}

/* One chain: every node but the input reads the one before it. */
static bool is_chain(const struct ls_graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct ls_node *n = &g->node[i];

        if (n != g->input && (n->n_inputs != 1 || n->input[0] != n - 1))
            return false;
    }
    return true;
}

static enum lockstep_status build(struct builder *b, const char *text)
{
    struct ls_graph *g = b->g;
    struct ls_text t;
    size_t nodes = 2; /* implied input and loss */

    if (ls_text_parse(text, &t, b->err))
        return b->err->status;
    for (const struct ls_statement *s = t.first; s; s = s->next)
        nodes += 2 * count_nodes(s->expr); /* each may need an expansion */
    g->node = ls_alloc(nodes, sizeof *g->node, b->err);
    if (g->node && !build_statements(b, &t) && !build_loss(b)) {
        g->pipeline = t.first && !t.first->next && is_chain(g);
        ls_names_give(g, !b->channels);
        b->err->status = LOCKSTEP_OK;
    }
    ls_text_free(&t);
    if (b->err->status)
        ls_graph_free(g);
    return b->err->status;
}

enum lockstep_status ls_graph_build(const char *text, size_t channels, size_t length, size_t classes,
                                    struct ls_graph *out, struct lockstep_error *err)
{
    struct builder b = {.g = out, .channels = channels, .length = length, .err = err};

    *out = (struct ls_graph){.classes = classes};
    return build(&b, text);
}

enum lockstep_status ls_graph_build_free(const char *text, const struct ls_binding *binding, size_t bindings,
                                         struct ls_graph *out, struct lockstep_error *err)
{
    struct builder b = {.g = out, .binding = binding, .bindings = bindings, .err = err};

    *out = (struct ls_graph){0};
    return build(&b, text);
}

/* Too many classes are left to the implied loss, which says where. */
bool ls_graph_reads_data(const char *text, size_t *channels, size_t *length, size_t *classes)
{
    struct lockstep_error err = {0};
    struct ls_graph g = {.classes = *classes};
    struct builder b = {
        .g = &g, .channels = *channels, .length = *length, .err = &err, .read = {channels, length, classes}};

    if (!build(&b, text))
        *classes = g.loss ? g.classes : g.output->features < LS_CLASSES ? g.output->features : LS_CLASSES;
    ls_graph_free(&g);
    return b.reads_data;
}
