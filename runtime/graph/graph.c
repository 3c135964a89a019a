/* SPDX-License-Identifier: MIT
 * Syntax tree -> graph: resolve names and ops, bind attributes, add the implied input and loss, run the shape rules. */
#include "graph/graph.h"

#include "core/nearest.h"
#include "graph/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OP(name) extern const struct ls_op ls_op_##name;
#include "graph/ops.def"
#undef OP

const struct ls_op *const ls_ops[] = {
#define OP(name) &ls_op_##name,
#include "graph/ops.def"
#undef OP
    NULL};

enum { OPS = sizeof ls_ops / sizeof *ls_ops - 1, MAX_FEATURES = 1 << 24 };

struct builder {
    struct ls_graph *g;
    size_t capacity, channels, length;
    struct lockstep_error *err;
    struct ls_node label; /* stands for the labels; not part of the graph */
};

static const struct ls_op *find_op(const char *name)
{
    for (size_t i = 0; i < OPS; i++)
        if (!strcmp(ls_ops[i]->name, name))
            return ls_ops[i];
    return NULL;
}

static enum lockstep_status place_fail(struct lockstep_error *err, unsigned line, unsigned column, const char *text)
{
    return ls_fail(err, LOCKSTEP_E_USAGE, "model text: line %u, column %u: %s", line, column, text);
}

enum lockstep_status ls_node_fail(const struct ls_node *n, struct lockstep_error *err, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return place_fail(err, n->line, n->column, text);
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
    snprintf(name, 64, "%s.%s", n->prefix, n->param[i].name);
}

/* E_USAGE: no such op or value; with the nearest name there is. */
static enum lockstep_status unknown(struct builder *b, const struct ls_expr *e, const char *kind)
{
    const char *names[OPS], *near;
    char text[256];

    for (size_t i = 0; i < OPS; i++)
        names[i] = ls_ops[i]->name;
    near = ls_nearest(e->name, names, OPS);
    snprintf(text, sizeof text, "expected %s, got \"%.48s\"%s%s%s", kind, e->name, near ? " (did you mean \"" : "",
             near ? near : "", near ? "\"?)" : "");
    return place_fail(b->err, e->line, e->column, text);
}

/* A new last node; the room was allocated for every node of the text. */
static struct ls_node *append(struct builder *b, const struct ls_op *op, unsigned line, unsigned column)
{
    struct ls_node *n = &b->g->node[b->g->n++];

    *n = (struct ls_node){.op = op, .line = line, .column = column};
    for (size_t i = 0; i < LS_ATTRS; i++)
        n->attr[i] = op->attr[i].value;
    return n;
}

static enum lockstep_status finish_node(struct builder *b, struct ls_node *n)
{
    enum lockstep_status s = n->op->shape(n, b->err);

    if (s)
        return s;
    n->features = 1;
    for (size_t i = 0; i < n->shape.rank; i++)
        if (!ls_mul(n->features, n->shape.dim[i], &n->features) || n->features > MAX_FEATURES)
            return ls_node_fail(n, b->err, "%s: expected at most %d values in a row", n->op->name, MAX_FEATURES);
    for (size_t i = 0; i < n->n_params; i++) {
        size_t count;

        if (!ls_mul(n->param[i].rows, n->param[i].cols, &count) || count > (size_t)1 << 31)
            return ls_node_fail(n, b->err, "%s: expected at most 2^31 elements in %s", n->op->name, n->param[i].name);
    }
    return LOCKSTEP_OK;
}

static enum lockstep_status set_attr(struct builder *b, struct ls_node *n, size_t i, const struct ls_expr *e)
{
    const struct ls_attr *a = &n->op->attr[i];
    bool is_size =
        e->kind == LS_EXPR_NUMBER && e->number >= 1.0 && e->number <= MAX_FEATURES && e->number == floor(e->number);
    bool is_bool = e->kind == LS_EXPR_NAME && (!strcmp(e->name, "true") || !strcmp(e->name, "false"));
    char text[256];

    if (a->kind == LS_ATTR_SIZE && is_size) {
        n->attr[i] = (size_t)e->number;
        return LOCKSTEP_OK;
    }
    if (a->kind == LS_ATTR_BOOL && is_bool) {
        n->attr[i] = e->name[0] == 't';
        return LOCKSTEP_OK;
    }
    snprintf(text, sizeof text, "%s: %s: expected %s", n->op->name, a->name,
             a->kind == LS_ATTR_SIZE ? "a whole number 1..16777216" : "true or false");
    return place_fail(b->err, e->line, e->column, text);
}

/* Attributes: positional in the op's order, then by keyword. `e` is the first argument that is not a value. */
static enum lockstep_status bind_attrs(struct builder *b, struct ls_node *n, const struct ls_expr *e)
{
    bool given[LS_ATTRS] = {false};
    char text[256];

    for (size_t position = 0; e; e = e->next) {
        size_t i = e->keyword ? 0 : position++;

        while (e->keyword && i < LS_ATTRS && n->op->attr[i].name && strcmp(n->op->attr[i].name, e->keyword))
            i++;
        if (i >= LS_ATTRS || !n->op->attr[i].name || given[i]) {
            snprintf(text, sizeof text, "%s: unexpected argument%s%.32s (it takes", n->op->name, e->keyword ? " " : "",
                     e->keyword ? e->keyword : "");
            for (size_t k = 0; k < LS_ATTRS && n->op->attr[k].name; k++)
                snprintf(text + strlen(text), sizeof text - strlen(text), " %s", n->op->attr[k].name);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s)", n->op->attr[0].name ? "" : " none");
            return place_fail(b->err, e->line, e->column, text);
        }
        given[i] = true;
        if (set_attr(b, n, i, e))
            return b->err->status;
    }
    for (size_t i = 0; i < LS_ATTRS && n->op->attr[i].name; i++)
        if (n->op->attr[i].required && !given[i])
            return ls_node_fail(n, b->err, "%s: expected %s, got nothing", n->op->name, n->op->attr[i].name);
    return LOCKSTEP_OK;
}

/* The implied input, made when the first op asks for it. */
static struct ls_node *implied_input(struct builder *b, unsigned line, unsigned column)
{
    struct ls_node *n = b->g->input;

    if (n)
        return n;
    n = append(b, &ls_op_input, line, column);
    n->attr[0] = b->channels;
    n->attr[1] = b->length > 1 ? b->length : 0;
    snprintf(n->name, sizeof n->name, "input");
    b->g->input = n;
    return finish_node(b, n) ? NULL : n;
}

static struct ls_node *build_expr(struct builder *b, const struct ls_expr *e);

static struct ls_node *build_name(struct builder *b, const struct ls_expr *e)
{
    struct ls_node *n = ls_graph_find(b->g, e->name);

    if (n)
        return n;
    if (!strcmp(e->name, "label"))
        return &b->label;
    if (!strcmp(e->name, "input"))
        return implied_input(b, e->line, e->column);
    if (find_op(e->name)) /* an op without parentheses */
        return build_expr(
            b, &(struct ls_expr){.kind = LS_EXPR_CALL, .line = e->line, .column = e->column, .name = e->name});
    unknown(b, e, "a value or an op");
    return NULL;
}

/* Can the argument be a value (and not an attribute)? Every other name is: an unknown one is reported as such. */
static bool is_value(const struct builder *b, const struct ls_expr *e)
{
    if (e->keyword || e->kind == LS_EXPR_NUMBER)
        return false;
    return e->kind == LS_EXPR_CALL || ls_graph_find(b->g, e->name) ||
           (strcmp(e->name, "true") && strcmp(e->name, "false"));
}

/* The value arguments of a call; *rest is what follows them. The first one may be implied: the input. */
static size_t build_values(struct builder *b, const struct ls_op *op, const struct ls_expr *e,
                           struct ls_node *input[LS_INPUTS], const struct ls_expr **rest)
{
    const struct ls_expr *a = e->args;
    size_t n = 0;

    for (; a && n < op->inputs && is_value(b, a); a = a->next) {
        input[n] = build_expr(b, a);
        if (!input[n])
            return 0;
        if (input[n] == &b->label && !(op->loss && n == 1)) {
            place_fail(b->err, a->line, a->column, "label: expected only as the second argument of a loss");
            return 0;
        }
        n++;
    }
    if (!n && op->inputs == 1) {
        input[0] = implied_input(b, e->line, e->column);
        n = input[0] != NULL;
        if (!n)
            return 0;
    }
    if (n < op->inputs) {
        char text[96];

        snprintf(text, sizeof text, "%s: expected %zu values, got %zu", op->name, op->inputs, n);
        place_fail(b->err, e->line, e->column, text);
        return 0;
    }
    *rest = a;
    return n;
}

static enum lockstep_status check_input(struct builder *b, const struct ls_node *n)
{
    if (b->g->input)
        return ls_node_fail(n, b->err, "input: expected once, got a second one (name the first to use it again)");
    if (n->attr[0] == b->channels && n->attr[1] == (b->length > 1 ? b->length : 0))
        return LOCKSTEP_OK;
    if (n->attr[0] == b->channels * b->length && !n->attr[1])
        return LOCKSTEP_OK;
    return ls_node_fail(n, b->err, "input: expected (%zu, %zu) as in the data, got (%zu, %zu)", b->channels, b->length,
                        n->attr[0], n->attr[1] ? n->attr[1] : 1);
}

static struct ls_node *build_call(struct builder *b, const struct ls_expr *e)
{
    const struct ls_op *op = find_op(e->name);
    const struct ls_expr *rest = e->args;
    struct ls_node *input[LS_INPUTS] = {NULL}, *n;

    if (!op) {
        unknown(b, e, "an op");
        return NULL;
    }
    if (op->inputs && !build_values(b, op, e, input, &rest))
        return NULL;
    n = append(b, op, e->line, e->column);
    n->n_inputs = op->inputs - (op->loss ? 1 : 0); /* the label is no node */
    memcpy(n->input, input, sizeof input);
    for (size_t i = 0; i < n->n_inputs; i++)
        if (input[i]->op->loss) {
            ls_node_fail(n, b->err, "%s: expected a value of the batch, got the loss", op->name);
            return NULL;
        }
    if (op->loss && input[1] != &b->label) {
        ls_node_fail(n, b->err, "%s: expected label as the second argument", op->name);
        return NULL;
    }
    if (bind_attrs(b, n, rest) || (op == &ls_op_input && check_input(b, n)) || finish_node(b, n))
        return NULL;
    if (op == &ls_op_input)
        b->g->input = n;
    if (op->loss) {
        if (b->g->loss) {
            ls_node_fail(n, b->err, "%s: expected one loss, got a second one", op->name);
            return NULL;
        }
        b->g->loss = n;
    }
    return n;
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
    place_fail(b->err, e->line, e->column, "expected a value, got a number");
    return NULL;
}

/* Is the name taken by another node, or, for a name of the text, by a later one? */
static bool name_taken(const struct ls_graph *g, const struct ls_node *n, const char *name)
{
    for (const struct ls_node *o = n->name[0] ? n + 1 : g->node; o < g->node + g->n; o++)
        if (o != n && !strcmp(o->name, name))
            return true;
    return false;
}

/* A name for a node without one: the op, then with a count. next: the count to try, for each op of the registry. */
static void make_name(const struct ls_graph *g, struct ls_node *n, size_t next[OPS])
{
    size_t op = 0;

    while (ls_ops[op] != n->op)
        op++;
    do {
        if (next[op])
            snprintf(n->prefix, sizeof n->prefix, "%s%zu", n->op->loss ? "loss" : n->op->name, next[op]);
        else
            snprintf(n->prefix, sizeof n->prefix, "%s", n->op->loss ? "loss" : n->op->name);
        next[op]++;
    } while (name_taken(g, n, n->prefix));
}

/* Names for nodes without one, or whose name went to a later node; and the prefix of parameter names: nn.Sequential's
 * index in a pipeline, else the name. */
static void name_nodes(struct ls_graph *g)
{
    size_t index = 0, next[OPS] = {0};

    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];
        const bool counted = n->op->inputs && !n->op->loss;

        if (n->name[0] && name_taken(g, n, n->name))
            n->name[0] = 0;
        if (g->pipeline && counted)
            snprintf(n->prefix, sizeof n->prefix, "%zu", index);
        else if (n->name[0])
            memcpy(n->prefix, n->name, sizeof n->prefix);
        else
            make_name(g, n, next);
        if (!n->name[0])
            memcpy(n->name, n->prefix, sizeof n->name);
        index += counted;
    }
}

static size_t count_nodes(const struct ls_expr *e)
{
    size_t n = 0;

    for (; e; e = e->next)
        n += 1 + count_nodes(e->args);
    return n;
}

static enum lockstep_status build_statements(struct builder *b, const struct ls_text *t)
{
    for (const struct ls_statement *s = t->first; s; s = s->next) {
        size_t before = b->g->n;
        struct ls_node *n = build_expr(b, s->expr);

        if (!n)
            return b->err->status;
        if (!s->name && s->next && !n->op->loss)
            return place_fail(
                b->err, s->line, s->column,
                "a value without a name that nothing uses (give it a name, or begin the next line with |)");
        if (n == &b->label)
            return place_fail(b->err, s->line, s->column, "expected a value, got the labels");
        if (s->name && strlen(s->name) >= LS_NAME)
            return place_fail(b->err, s->line, s->column, "expected a name of at most 47 letters");
        if (s->name && (!strcmp(s->name, "label") || find_op(s->name)))
            return place_fail(b->err, s->line, s->column, "expected a name that is no op and not label");
        if (s->name && b->g->n == before)
            return place_fail(b->err, s->line, s->column, "expected an op, got another name for a value");
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
        return place_fail(b->err, 1, 1, "expected a model, got nothing");
    if (!g->loss) {
        n = append(b, &ls_op_cross_entropy, g->output->line, g->output->column);
        n->n_inputs = 1;
        n->input[0] = g->output;
        if (finish_node(b, n))
            return b->err->status;
        g->loss = n;
    }
    g->output = g->loss->input[0];
    if (g->output->features != g->classes)
        return ls_node_fail(g->output, b->err, "expected %zu outputs, one for each class, got %zu", g->classes,
                            g->output->features);
    return LOCKSTEP_OK;
}

enum lockstep_status ls_graph_build(const char *text, size_t channels, size_t length, size_t classes,
                                    struct ls_graph *out, struct lockstep_error *err)
{
    struct ls_text t;
    struct builder b = {.g = out, .channels = channels, .length = length, .err = err};
    size_t nodes = 2; /* implied input and loss */

    *out = (struct ls_graph){.classes = classes};
    if (ls_text_parse(text, &t, err))
        return err->status;
    for (const struct ls_statement *s = t.first; s; s = s->next)
        nodes += count_nodes(s->expr);
    out->pipeline = t.first && !t.first->next;
    out->node = ls_alloc(nodes, sizeof *out->node, err);
    if (out->node && !build_statements(&b, &t) && !build_loss(&b)) {
        name_nodes(out);
        err->status = LOCKSTEP_OK;
    }
    ls_text_free(&t);
    if (err->status)
        ls_graph_free(out);
    return err->status;
}

void ls_graph_free(struct ls_graph *g)
{
    ls_free(g->node);
    ls_free(g->unit);
    *g = (struct ls_graph){0};
}
