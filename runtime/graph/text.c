/* SPDX-License-Identifier: MIT
 * Model text: a recursive-descent parser with one function for each rule of the grammar. Every node and string lies in
 * one block, sized by the text before the first is made. */
#include "graph/text.h"

#include "core/mem.h"
#include "graph/lexer.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TEXT = 65536, MAX_LEVELS = 64, MAX_NODES = 4096, MAX_SHOWN = 32 };

struct parser {
    struct ls_lexer lexer;
    unsigned level;
    size_t nodes, max_nodes;
    struct ls_expr *node;
    struct ls_statement *statement;
    char *string; /* free space for names */
    struct lockstep_error *err;
};

static bool is_mark(const struct parser *p, char mark)
{
    return p->lexer.token.kind == LS_TOKEN_MARK && p->lexer.token.mark == mark;
}

/* Is the current token a name with "=" behind it? */
static bool is_binding(const struct parser *p)
{
    struct ls_lexer ahead = p->lexer;

    if (ahead.token.kind != LS_TOKEN_NAME)
        return false;
    ls_lexer_advance(&ahead);
    return ahead.token.kind == LS_TOKEN_MARK && ahead.token.mark == '=';
}

static void advance(struct parser *p)
{
    ls_lexer_advance(&p->lexer);
}

/* ---- errors ---- */

enum lockstep_status ls_text_failv(struct lockstep_error *err, unsigned line, unsigned column, const char *format,
                                   va_list args)
{
    char text[256];

    vsnprintf(text, sizeof text, format, args);
    return ls_fail(err, LOCKSTEP_E_USAGE, "model text: line %u, column %u: %s", line, column, text);
}

enum lockstep_status ls_text_fail(struct lockstep_error *err, unsigned line, unsigned column, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    ls_text_failv(err, line, column, format, args);
    va_end(args);
    return err->status;
}

static void *fail_at(struct parser *p, const struct ls_token *t, const char *expected, const char *got,
                     const char *hint)
{
    ls_text_fail(p->err, t->line, t->column, "expected %s, got %s%s%s%s", expected, got, *hint ? " (" : "", hint,
                 *hint ? ")" : "");
    return NULL;
}

static void show_token(const struct ls_token *t, char text[MAX_SHOWN + 16])
{
    const int shown = (int)(t->length < MAX_SHOWN ? t->length : MAX_SHOWN);

    if (t->kind == LS_TOKEN_BAD_BYTE)
        snprintf(text, MAX_SHOWN + 16, "byte 0x%02x", (unsigned char)*t->at);
    else if (t->kind == LS_TOKEN_END)
        snprintf(text, MAX_SHOWN + 16, "the end of the text");
    else if (t->kind == LS_TOKEN_NEWLINE)
        snprintf(text, MAX_SHOWN + 16, "the end of the line");
    else
        snprintf(text, MAX_SHOWN + 16, "\"%.*s\"%s", shown, t->at, t->length > MAX_SHOWN ? "..." : "");
}

/* The current token is not what the grammar wants here. A token that is wrong anywhere says so itself. */
static void *fail_hint(struct parser *p, const char *expected, const char *hint)
{
    const struct ls_token *t = &p->lexer.token;
    char got[MAX_SHOWN + 16];

    show_token(t, got);
    if (t->kind == LS_TOKEN_BAD_BYTE && !strncmp(t->at, "\xef\xbb\xbf", 3))
        return fail_at(p, t, "printable ASCII", got, "remove the byte order mark");
    if (t->kind == LS_TOKEN_BAD_BYTE)
        return fail_at(p, t, "printable ASCII", got, "also in comments");
    if (t->kind == LS_TOKEN_BAD_NUMBER)
        return fail_at(p, t, "a number such as 12, 0.5 or 1e-3", got, "");
    if (t->kind == LS_TOKEN_BAD_RANGE)
        return fail_at(p, t, "a number from 2.3e-308 to 1.7e308", got, "");
    return fail_at(p, t, expected, got, hint);
}

static void *fail(struct parser *p, const char *expected)
{
    return fail_hint(p, expected, "");
}

/* What follows a whole expression must be one of its ends; after a stage an operator is the likely slip. */
static void *fail_end(struct parser *p, const char *expected)
{
    const struct ls_token *t = &p->lexer.token;

    if (t->kind == LS_TOKEN_MARK && strchr("+-*/", t->mark))
        return fail_hint(p, expected, "\"|\" binds loosest: put the pipe in parentheses");
    if (is_mark(p, ')'))
        return fail_hint(p, expected, "no \"(\" is open");
    return fail(p, expected);
}

static void *fail_close(struct parser *p, const char *expected, const struct ls_token *open)
{
    char hint[64];

    snprintf(hint, sizeof hint, "\"(\" at line %u, column %u is open", open->line, open->column);
    return fail_hint(p, expected, hint);
}

/* ---- nodes ---- */

static struct ls_expr *new_node(struct parser *p, enum ls_expr_kind kind, const struct ls_token *t, const char *name)
{
    struct ls_expr *e = p->node + p->nodes;

    if (p->nodes == p->max_nodes)
        return fail_at(p, t, "at most 4096 values and ops", "more", "");
    p->nodes++;
    *e = (struct ls_expr){.kind = kind, .line = t->line, .column = t->column, .name = name, .number = t->number};
    return e;
}

static const char *new_name(struct parser *p, const struct ls_token *t)
{
    char *name = p->string;

    memcpy(name, t->at, t->length);
    p->string += t->length + 1;
    return name;
}

/* e reaches from a place to the last token used. */
static struct ls_expr *span(struct parser *p, struct ls_expr *e, const char *from)
{
    if (e) {
        e->at = from;
        e->length = (size_t)(p->lexer.end - from);
    }
    return e;
}

static struct ls_expr *new_operator(struct parser *p, const struct ls_token *t, const char *op, struct ls_expr *left,
                                    struct ls_expr *right, const char *from)
{
    struct ls_expr *e = new_node(p, LS_EXPR_CALL, t, op);

    if (e) {
        e->args = left;
        left->next = right;
    }
    return span(p, e, from);
}

static bool enter(struct parser *p)
{
    if (p->level == MAX_LEVELS) {
        fail_at(p, &p->lexer.token, "at most 64 levels of nesting", "more", "");
        return false;
    }
    p->level++;
    return true;
}

/* ---- grammar ---- */

static struct ls_expr *parse_expr(struct parser *p);

static bool keyword_is_new(struct parser *p, const struct ls_expr *args, const struct ls_token *t)
{
    char got[MAX_SHOWN + 16];

    for (; args; args = args->next)
        if (args->keyword && strlen(args->keyword) == t->length && !memcmp(args->keyword, t->at, t->length)) {
            snprintf(got, sizeof got, "\"%.*s\" again", MAX_SHOWN, args->keyword);
            fail_at(p, t, "each argument once", got, "");
            return false;
        }
    return true;
}

static struct ls_expr *parse_argument(struct parser *p, const struct ls_expr *before)
{
    const char *keyword = NULL;
    struct ls_expr *e;

    if (is_binding(p)) {
        if (!keyword_is_new(p, before, &p->lexer.token))
            return NULL;
        keyword = new_name(p, &p->lexer.token);
        advance(p);
        advance(p);
    }
    e = parse_expr(p);
    if (e)
        e->keyword = keyword;
    return e;
}

/* "(" arguments ")" behind the arguments that call has already. */
static bool parse_arguments(struct parser *p, struct ls_expr *call)
{
    const struct ls_token open = p->lexer.token;
    struct ls_expr **tail = &call->args;

    while (*tail)
        tail = &(*tail)->next;
    if (!enter(p))
        return false;
    advance(p);
    if (!is_mark(p, ')'))
        for (;;) {
            *tail = parse_argument(p, call->args);
            if (!*tail)
                return false;
            tail = &(*tail)->next;
            if (!is_mark(p, ','))
                break;
            advance(p);
        }
    if (!is_mark(p, ')'))
        return fail_close(p, "\",\" or \")\"", &open);
    advance(p);
    p->level--;
    return true;
}

static struct ls_expr *parse_group(struct parser *p)
{
    const struct ls_token open = p->lexer.token;
    struct ls_expr *e;

    if (!enter(p))
        return NULL;
    advance(p);
    e = parse_expr(p);
    if (!e)
        return NULL;
    if (!is_mark(p, ')'))
        return fail_close(p, "\")\"", &open);
    advance(p);
    p->level--;
    return e;
}

static struct ls_expr *parse_primary(struct parser *p)
{
    const struct ls_token t = p->lexer.token;
    struct ls_expr *e;

    if (t.kind == LS_TOKEN_NUMBER) {
        e = new_node(p, LS_EXPR_NUMBER, &t, NULL);
        advance(p);
        return span(p, e, t.at);
    }
    if (t.kind == LS_TOKEN_NAME) {
        e = new_node(p, LS_EXPR_NAME, &t, new_name(p, &t));
        advance(p);
        if (!e || !is_mark(p, '('))
            return span(p, e, t.at);
        e->kind = LS_EXPR_CALL;
        return parse_arguments(p, e) ? span(p, e, t.at) : NULL;
    }
    return is_mark(p, '(') ? parse_group(p) : fail(p, "a value");
}

static struct ls_expr *parse_unary(struct parser *p)
{
    const struct ls_token minus = p->lexer.token;
    struct ls_expr *e, *operand;

    if (!is_mark(p, '-'))
        return parse_primary(p);
    advance(p);
    if (p->lexer.token.kind == LS_TOKEN_NUMBER) {
        e = new_node(p, LS_EXPR_NUMBER, &minus, NULL);
        if (e)
            e->number = -p->lexer.token.number;
        advance(p);
        return span(p, e, minus.at);
    }
    if (!enter(p) || !(operand = parse_unary(p)))
        return NULL;
    p->level--;
    return new_operator(p, &minus, "neg", operand, NULL, minus.at);
}

static struct ls_expr *parse_product(struct parser *p)
{
    const char *from = p->lexer.token.at;
    struct ls_expr *left = parse_unary(p);

    while (left && (is_mark(p, '*') || is_mark(p, '/'))) {
        const struct ls_token t = p->lexer.token;
        struct ls_expr *right;

        advance(p);
        right = parse_unary(p);
        left = right ? new_operator(p, &t, t.mark == '*' ? "mul" : "div", left, right, from) : NULL;
    }
    return left;
}

static struct ls_expr *parse_sum(struct parser *p)
{
    const char *from = p->lexer.token.at;
    struct ls_expr *left = parse_product(p);

    while (left && (is_mark(p, '+') || is_mark(p, '-'))) {
        const struct ls_token t = p->lexer.token;
        struct ls_expr *right;

        advance(p);
        right = parse_product(p);
        left = right ? new_operator(p, &t, t.mark == '+' ? "add" : "sub", left, right, from) : NULL;
    }
    return left;
}

static struct ls_expr *parse_stage(struct parser *p, struct ls_expr *fed)
{
    const struct ls_token t = p->lexer.token;
    struct ls_expr *e;

    if (t.kind != LS_TOKEN_NAME)
        return fail_hint(p, "the name of an op",
                         t.kind == LS_TOKEN_NEWLINE ? "begin the next line with \"|\" instead" : "");
    e = new_node(p, LS_EXPR_CALL, &t, new_name(p, &t));
    if (!e)
        return NULL;
    e->piped = true;
    e->args = fed;
    advance(p);
    if (is_mark(p, '(') && !parse_arguments(p, e))
        return NULL;
    return span(p, e, t.at);
}

static struct ls_expr *parse_expr(struct parser *p)
{
    struct ls_expr *e = parse_sum(p);

    while (e && is_mark(p, '|')) {
        advance(p);
        e = parse_stage(p, e);
    }
    return e;
}

static struct ls_statement *parse_statement(struct parser *p)
{
    struct ls_statement *s = p->statement;
    const struct ls_token first = p->lexer.token;
    bool named = is_binding(p);

    if (named) {
        advance(p);
        advance(p);
    }
    *s = (struct ls_statement){.line = first.line, .column = first.column, .expr = parse_expr(p)};
    if (!s->expr)
        return NULL;
    if (named)
        s->name = new_name(p, &first);
    if (p->lexer.token.kind != LS_TOKEN_NEWLINE && p->lexer.token.kind != LS_TOKEN_END && !is_mark(p, ';'))
        return fail_end(p, "an operator, \"|\", \";\" or the end of the line");
    p->statement++;
    return s;
}

static bool parse_program(struct parser *p, struct ls_statement **tail)
{
    advance(p);
    for (;;) {
        while (p->lexer.token.kind == LS_TOKEN_NEWLINE || is_mark(p, ';'))
            advance(p);
        if (p->lexer.token.kind == LS_TOKEN_END && p->nodes)
            return true;
        *tail = parse_statement(p);
        if (!*tail)
            return false;
        tail = &(*tail)->next;
    }
}

enum lockstep_status ls_text_parse(const char *text, struct ls_text *out, struct lockstep_error *err)
{
    size_t length = strlen(text), max_nodes = length < MAX_NODES ? length : MAX_NODES;
    struct parser p = {.max_nodes = max_nodes, .err = err};
    struct ls_arena arena = {0};
    size_t nodes = ls_arena_book(&arena, max_nodes, sizeof *p.node);
    size_t statements = ls_arena_book(&arena, max_nodes + 1, sizeof *p.statement);
    size_t strings = ls_arena_book(&arena, 2 * length + 1, 1); /* a name of n letters takes n + 1 of at most 2 n */
    bool done = false;

    *out = (struct ls_text){0};
    if (length > MAX_TEXT)
        return ls_text_fail(err, 1, 1, "expected at most %d bytes, got %zu", MAX_TEXT, length);
    if (ls_lexer_open(&p.lexer, text, err))
        return err->status;
    if (ls_arena_commit(&arena, err) == LOCKSTEP_OK) {
        p.node = ls_arena_at(&arena, nodes);
        p.statement = ls_arena_at(&arena, statements);
        p.string = ls_arena_at(&arena, strings);
        out->storage = arena.base;
        done = parse_program(&p, &out->first);
    }
    ls_lexer_close(&p.lexer);
    if (!done)
        ls_text_free(out);
    return done ? LOCKSTEP_OK : err->status;
}

void ls_text_free(struct ls_text *text)
{
    ls_free(text->storage);
    *text = (struct ls_text){0};
}

/* Blanks, line ends and comments become one blank. */
void ls_expr_text(const struct ls_expr *e, size_t size, char *out)
{
    const char *s = e->at, *end = s + e->length;
    size_t n = 0;

    while (s < end && n + 1 < size) {
        if (*s == '#')
            s += strcspn(s, "\r\n");
        else if (strchr(" \t\r\n", *s))
            for (out[n++] = ' '; s < end && strchr(" \t\r\n", *s);)
                s++;
        else
            out[n++] = *s++;
        if (n > 1 && out[n - 1] == ' ' && out[n - 2] == ' ')
            n--;
    }
    out[n] = 0;
    if (s < end && size > 4)
        memcpy(out + size - 4, "...", 3);
}
