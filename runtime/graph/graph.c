/* SPDX-License-Identifier: MIT
 * Syntax tree -> graph: resolve names and ops, bind attributes, add the implied input and loss, run the shape rules. */
#include "graph/graph.h"

#include "core/nearest.h"
#include "graph/text.h"

#include <float.h>
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
    const struct ls_binding *binding;
    size_t bindings;
    struct lockstep_error *err;
    size_t *read[3]; /* ls_graph_reads_data: channels, length, classes; else NULL */
    bool reads_data;
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

static enum lockstep_status place_failv(struct lockstep_error *err, unsigned line, unsigned column, const char *format,
                                        va_list args)
{
    char text[256];

    vsnprintf(text, sizeof text, format, args);
    return place_fail(err, line, column, text);
}

__attribute__((format(printf, 3, 4))) static enum lockstep_status
place_failf(struct builder *b, const struct ls_expr *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    place_failv(b->err, e->line, e->column, format, args);
    va_end(args);
    return b->err->status;
}

enum lockstep_status ls_node_fail(const struct ls_node *n, struct lockstep_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    place_failv(err, n->line, n->column, format, args);
    va_end(args);
    return err->status;
}

const char *ls_shape_text(struct ls_shape s, char text[LS_SHAPE_TEXT])
{
    if (s.rank == 1)
        snprintf(text, LS_SHAPE_TEXT, "(%zu)", s.dim[0]);
    else
        snprintf(text, LS_SHAPE_TEXT, "(%zu, %zu)", s.dim[0], s.dim[1]);
    return text;
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

    *n = (struct ls_node){.op = op, .graph = b->g, .kernels = op->kernels, .line = line, .column = column};
    for (size_t i = 0; i < LS_ATTRS; i++)
        n->attr[i] = (struct ls_value){op->attr[i].kind == LS_ATTR_WORD ? (int)op->attr[i].value : -1,
                                       (size_t)op->attr[i].value, op->attr[i].value};
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
        if (!ls_mul(n->features, n->shape.dim[i], &n->features) || n->features > MAX_FEATURES)
            return ls_node_fail(n, b->err, "%s: expected at most %d values in a row", n->op->name, MAX_FEATURES);
    for (size_t i = 0; i < n->n_params; i++) {
        size_t count;

        if (!ls_mul(n->param[i].rows, n->param[i].cols, &count) || count > (size_t)1 << 31)
            return ls_node_fail(n, b->err, "%s: expected at most 2^31 elements in %s", n->op->name, n->param[i].name);
    }
    return LOCKSTEP_OK;
}

/* Place of a word in a list "a|b|c"; -1: not there. */
static int word_in(const char *words, const char *word)
{
    const size_t n = strlen(word);
    int at = 0;

    for (const char *w = words; w; w = strchr(w, '|'), at++) {
        w += *w == '|';
        if (!strncmp(w, word, n) && (w[n] == '|' || !w[n]))
            return at;
    }
    return -1;
}

static const char *expected(enum ls_attr_kind kind)
{
    switch (kind) {
    case LS_ATTR_SIZE:
        return "a whole number 1..16777216";
    case LS_ATTR_COUNT:
        return "a whole number 0..16777216";
    case LS_ATTR_REAL:
        return "a number";
    case LS_ATTR_BOOL:
        return "true or false";
    case LS_ATTR_WORD:
        break;
    }
    return "";
}

/* Does the expression give the attribute a value of its kind? */
static bool read_attr(const struct ls_attr *a, const struct ls_expr *e, struct ls_value *out)
{
    const bool number = e->kind == LS_EXPR_NUMBER, whole = number && e->number == floor(e->number);
    const double least = a->kind == LS_ATTR_SIZE ? 1.0 : 0.0;

    *out = (struct ls_value){-1, 0, number ? e->number : 0.0};
    if (e->kind == LS_EXPR_NAME && a->words && word_in(a->words, e->name) >= 0) {
        out->word = word_in(a->words, e->name);
        return true;
    }
    if (a->kind == LS_ATTR_BOOL) {
        out->n = e->kind == LS_EXPR_NAME && !strcmp(e->name, "true");
        return e->kind == LS_EXPR_NAME && (out->n || !strcmp(e->name, "false"));
    }
    if (a->kind == LS_ATTR_REAL)
        return number && fabs(e->number) <= FLT_MAX;
    if (a->kind == LS_ATTR_WORD || !whole || e->number < least || e->number > MAX_FEATURES)
        return false;
    out->n = (size_t)e->number;
    return true;
}

static enum lockstep_status set_attr(struct builder *b, struct ls_node *n, size_t i, const struct ls_expr *e)
{
    const struct ls_attr *a = &n->op->attr[i];
    char text[256];

    if (read_attr(a, e, &n->attr[i]))
        return LOCKSTEP_OK;
    snprintf(text, sizeof text, "%s: %s: expected %s%s%s", n->op->name, a->name, expected(a->kind),
             a->kind == LS_ATTR_WORD ? "one of "
             : a->words              ? " or one of "
                                     : "",
             a->words ? a->words : "");
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
    b->reads_data = true;
    if (!b->channels) {
        place_fail(b->err, line, column, "expected a value, got nothing (there are no data here)");
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

static struct ls_node *bound_value(struct builder *b, const struct ls_expr *e)
{
    struct ls_node *n;

    for (size_t i = 0; i < b->g->n; i++)
        if (b->g->node[i].binding && !strcmp(b->binding[b->g->node[i].binding - 1].name, e->name))
            return &b->g->node[i];
    for (size_t i = 0; i < b->bindings; i++)
        if (!strcmp(b->binding[i].name, e->name)) {
            n = shaped(b, &ls_op_parameter, NULL, b->binding[i].shape, e->line, e->column);
            if (n) {
                snprintf(n->name, sizeof n->name, "%s", e->name);
                ls_expr_text(e, sizeof n->text, n->text);
                n->binding = i + 1;
            }
            return n;
        }
    return NULL;
}

static bool is_bound(const struct builder *b, const char *name)
{
    for (size_t i = 0; i < b->bindings; i++)
        if (!strcmp(b->binding[i].name, name))
            return true;
    return false;
}

static struct ls_node *number(struct builder *b, const struct ls_expr *e)
{
    struct ls_node *n;

    if (!(fabs(e->number) <= FLT_MAX)) {
        place_failf(b, e, "expected a number of at most 3.4e38, got %g", e->number);
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

    if (n)
        return n;
    if (is_bound(b, e->name))
        return bound_value(b, e);
    if (b->g->classes && !strcmp(e->name, "label")) {
        b->reads_data = true;
        return &b->label;
    }
    if (b->channels && !strcmp(e->name, "input"))
        return implied_input(b, e->line, e->column);
    if (find_op(e->name)) { /* an op without parentheses */
        struct ls_expr call = *e;

        call.kind = LS_EXPR_CALL;
        return build_expr(b, &call);
    }
    unknown(b, e, b->channels ? "a value or an op" : "a value (NAME=VALUE beside the text) or an op");
    return NULL;
}

/* Can the argument be a value (and not an attribute)? A number is where the op has no attributes. Every other name is:
 * an unknown one is reported as such. */
static bool is_value(const struct builder *b, const struct ls_op *op, const struct ls_expr *e)
{
    if (e->keyword)
        return false;
    if (e->kind == LS_EXPR_NUMBER)
        return !op->attr[0].name;
    if (e->kind == LS_EXPR_CALL || ls_graph_find(b->g, e->name))
        return true;
    for (size_t i = 0; i < LS_ATTRS && op->attr[i].name; i++)
        if (op->attr[i].words && word_in(op->attr[i].words, e->name) >= 0)
            return false;
    return strcmp(e->name, "true") && strcmp(e->name, "false");
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

    for (; a && n < op->inputs && is_value(b, op, a); a = a->next, n++) {
        input[n] = build_expr(b, a);
        if (!input[n])
            return b->err->status;
        if (input[n] == &b->label)
            return place_fail(b->err, a->line, a->column,
                              "label: expected only as the last argument of cross_entropy or one_hot");
        if (input[n]->op->loss)
            return place_failf(b, e, "%s: expected a value of the batch, got the loss", op->name);
    }
    if (!n && op->inputs == 1) {
        input[0] = implied_input(b, e->line, e->column);
        if (!input[0])
            return b->err->status;
        n = 1;
    }
    if (n < op->inputs)
        return place_failf(b, e, "%s: expected %zu values, got %zu", op->name, op->inputs, n);
    if (op->labels && !(b->g->classes && is_label(a)))
        return place_failf(b, e, "%s: expected label as the last argument", op->name);
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

static struct ls_node *build_call(struct builder *b, const struct ls_expr *e)
{
    const struct ls_op *op = find_op(e->name);
    const struct ls_expr *rest = e->args;
    struct ls_node *input[LS_INPUTS] = {NULL}, *n;

    if (!op) {
        unknown(b, e, "an op");
        return NULL;
    }
    if ((op->inputs || op->labels) && build_values(b, op, e, input, &rest))
        return NULL;
    if (op->broadcasts && broadcast(b, e, input))
        return NULL;
    n = append(b, op, e->line, e->column);
    n->n_inputs = op->inputs;
    memcpy(n->input, input, sizeof input);
    ls_expr_text(e, sizeof n->text, n->text);
    if (b->read[0] && op->labels && op->inputs)
        b->g->classes = input[0]->features;
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
    return number(b, e);
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

/* Without data nothing is saved: a node without a name has its text as name, where that is short and new. */
static void name_by_text(struct ls_graph *g, struct ls_node *n)
{
    if (strlen(n->text) < sizeof n->name && !ls_graph_find(g, n->text))
        memcpy(n->name, n->text, sizeof n->name);
}

/* Names for nodes without one, or whose name went to a later node; and the prefix of parameter names: nn.Sequential's
 * index in a pipeline, else the name. */
static void name_nodes(struct ls_graph *g, bool free)
{
    size_t index = 0, next[OPS] = {0};

    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];

        if (n->name[0] && name_taken(g, n, n->name))
            n->name[0] = 0;
        n->unnamed = !n->name[0];
        if (n->unnamed && free)
            name_by_text(g, n);
    }
    for (size_t i = 0; i < g->n; i++) {
        struct ls_node *n = &g->node[i];
        const bool counted = n->n_inputs && !n->op->loss;

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
        if (n == &b->label)
            return place_fail(b->err, s->line, s->column, "expected a value, got the labels");
        if (!s->name && s->next && !n->op->loss)
            return place_fail(
                b->err, s->line, s->column,
                "a value without a name that nothing uses (give it a name, or begin the next line with |)");
        if (s->name && strlen(s->name) >= LS_NAME)
            return place_fail(b->err, s->line, s->column, "expected a name of at most 47 letters");
        if (s->name && (!strcmp(s->name, "label") || find_op(s->name)))
            return place_fail(b->err, s->line, s->column, "expected a name that is no op and not label");
        if (s->name && (b->g->n == before || n->binding))
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
        name_nodes(g, !b->channels);
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

bool ls_graph_reads_data(const char *text, size_t *channels, size_t *length, size_t *classes)
{
    struct lockstep_error err = {0};
    struct ls_graph g = {.classes = *classes};
    struct builder b = {
        .g = &g, .channels = *channels, .length = *length, .err = &err, .read = {channels, length, classes}};

    if (!build(&b, text))
        *classes = g.loss ? g.classes : g.output->features;
    ls_graph_free(&g);
    return b.reads_data;
}

void ls_graph_free(struct ls_graph *g)
{
    ls_free(g->node);
    ls_free(g->unit);
    ls_free(g->extra);
    *g = (struct ls_graph){0};
}
