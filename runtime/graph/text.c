/* SPDX-License-Identifier: MIT
 * Model text: a lexer that knows positions, newlines and parentheses, and a recursive-descent parser with one function
 * for each rule of the grammar. Every node and string lies in one block, sized by the text before the first is made. */
#define _GNU_SOURCE /* strtod_l */
#include "graph/text.h"

#include <errno.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum { MAX_TEXT = 65536, MAX_LEVELS = 64, MAX_NODES = 4096, MAX_SHOWN = 32 };

enum token_kind { T_END, T_NEWLINE, T_NAME, T_NUMBER, T_MARK, T_BAD_NUMBER, T_BAD_RANGE, T_BAD_CHAR, T_BAD_BYTE };

struct token {
    enum token_kind kind;
    char mark; /* T_MARK: the character */
    const char *at;
    size_t length;
    unsigned line, column;
    double number;
};

struct lexer {
    const char *at, *line_start, *end; /* end: of the token before the current one */
    unsigned line, open;               /* open: parentheses not closed yet */
    locale_t c_locale;
    struct token token; /* the current one */
};

struct parser {
    struct lexer lexer;
    unsigned level;
    size_t nodes, max_nodes;
    struct ls_expr *node;
    struct ls_statement *statement;
    char *string; /* free space for names */
    struct lockstep_error *err;
};

/* ---- characters (the C library's answers depend on the locale) ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c)
{
    return is_name_start(c) || is_digit(c);
}

static bool is_printable(char c)
{
    return c >= 0x20 && c < 0x7f;
}

/* ---- lexer ---- */

/* Length of a line end at s, 0 if there is none. */
static size_t newline_length(const char *s)
{
    return *s == '\n' ? 1 : s[0] == '\r' && s[1] == '\n' ? 2 : 0;
}

static void skip_spaces_and_comment(struct lexer *lx)
{
    while (*lx->at == ' ' || *lx->at == '\t')
        lx->at++;
    if (*lx->at == '#')
        while (is_printable(*lx->at) || *lx->at == '\t')
            lx->at++;
}

static void skip_lines(struct lexer *lx)
{
    size_t n;

    while ((n = newline_length(lx->at))) {
        lx->at += n;
        lx->line_start = lx->at;
        lx->line++;
        skip_spaces_and_comment(lx);
    }
}

static void lex_number(struct lexer *lx)
{
    struct token *t = &lx->token;
    const char *s = lx->at;

    while (is_digit(*s))
        s++;
    if (s[0] == '.' && is_digit(s[1]))
        for (s++; is_digit(*s);)
            s++;
    if (s[0] == 'e' && (is_digit(s[1]) || ((s[1] == '+' || s[1] == '-') && is_digit(s[2]))))
        for (s += 2; is_digit(*s);)
            s++;
    if (!is_digit(*lx->at) || is_name(*s) || *s == '.') {
        while (is_name(*s) || *s == '.')
            s++;
        t->kind = T_BAD_NUMBER;
    } else {
        errno = 0;
        t->number = strtod_l(lx->at, NULL, lx->c_locale);
        t->kind = errno ? T_BAD_RANGE : T_NUMBER;
    }
    lx->at = s;
}

static enum token_kind kind_of_character(char c)
{
    if (c == '\0')
        return T_END;
    if (strchr("=|+-*/(),;", c))
        return T_MARK;
    return is_printable(c) ? T_BAD_CHAR : T_BAD_BYTE;
}

/* Move to the next token. The end of a line is one unless it is inside parentheses or the next line begins with "|". */
static void advance(struct lexer *lx)
{
    struct token *t = &lx->token;

    lx->end = t->at + t->length;
    skip_spaces_and_comment(lx);
    *t = (struct token){.at = lx->at, .line = lx->line, .column = (unsigned)(lx->at - lx->line_start) + 1};
    if (newline_length(lx->at)) {
        skip_lines(lx);
        if (!lx->open && *lx->at != '|') {
            t->kind = T_NEWLINE;
            return;
        }
        *t = (struct token){.at = lx->at, .line = lx->line, .column = (unsigned)(lx->at - lx->line_start) + 1};
    }
    if (is_name_start(*lx->at)) {
        t->kind = T_NAME;
        while (is_name(*lx->at))
            lx->at++;
    } else if (is_digit(*lx->at) || *lx->at == '.') {
        lex_number(lx);
    } else {
        t->kind = kind_of_character(*lx->at);
        t->mark = *lx->at;
        if (t->mark == '(')
            lx->open++;
        else if (t->mark == ')' && lx->open)
            lx->open--;
        lx->at += t->kind != T_END;
    }
    t->length = (size_t)(lx->at - t->at);
}

static bool is_mark(const struct parser *p, char mark)
{
    return p->lexer.token.kind == T_MARK && p->lexer.token.mark == mark;
}

/* Is the current token a name with "=" behind it? */
static bool is_binding(const struct parser *p)
{
    struct lexer ahead = p->lexer;

    if (ahead.token.kind != T_NAME)
        return false;
    advance(&ahead);
    return ahead.token.kind == T_MARK && ahead.token.mark == '=';
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

static void *fail_at(struct parser *p, const struct token *t, const char *expected, const char *got, const char *hint)
{
    ls_text_fail(p->err, t->line, t->column, "expected %s, got %s%s%s%s", expected, got, *hint ? " (" : "", hint,
                 *hint ? ")" : "");
    return NULL;
}

/* The current token is not what the grammar wants here. A token that is wrong anywhere says so itself. */
static void *fail_hint(struct parser *p, const char *expected, const char *hint)
{
    const struct token *t = &p->lexer.token;
    char got[MAX_SHOWN + 16];

    if (t->kind == T_BAD_BYTE)
        snprintf(got, sizeof got, "byte 0x%02x", (unsigned char)*t->at);
    else if (t->kind == T_END)
        snprintf(got, sizeof got, "the end of the text");
    else if (t->kind == T_NEWLINE)
        snprintf(got, sizeof got, "the end of the line");
    else
        snprintf(got, sizeof got, "\"%.*s\"%s", (int)(t->length < MAX_SHOWN ? t->length : MAX_SHOWN), t->at,
                 t->length > MAX_SHOWN ? "..." : "");

    if (t->kind == T_BAD_BYTE && !strncmp(t->at, "\xef\xbb\xbf", 3))
        return fail_at(p, t, "printable ASCII", got, "remove the byte order mark");
    if (t->kind == T_BAD_BYTE)
        return fail_at(p, t, "printable ASCII", got, "also in comments");
    if (t->kind == T_BAD_NUMBER)
        return fail_at(p, t, "a number such as 12, 0.5 or 1e-3", got, "");
    if (t->kind == T_BAD_RANGE)
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
    const struct token *t = &p->lexer.token;

    if (t->kind == T_MARK && strchr("+-*/", t->mark))
        return fail_hint(p, expected, "\"|\" binds loosest: put the pipe in parentheses");
    if (is_mark(p, ')'))
        return fail_hint(p, expected, "no \"(\" is open");
    return fail(p, expected);
}

static void *fail_close(struct parser *p, const char *expected, const struct token *open)
{
    char hint[64];

    snprintf(hint, sizeof hint, "\"(\" at line %u, column %u is open", open->line, open->column);
    return fail_hint(p, expected, hint);
}

/* ---- nodes ---- */

static struct ls_expr *new_node(struct parser *p, enum ls_expr_kind kind, const struct token *t, const char *name)
{
    struct ls_expr *e = p->node + p->nodes;

    if (p->nodes == p->max_nodes)
        return fail_at(p, t, "at most 4096 values and ops", "more", "");
    p->nodes++;
    *e = (struct ls_expr){.kind = kind, .line = t->line, .column = t->column, .name = name, .number = t->number};
    return e;
}

static const char *new_name(struct parser *p, const struct token *t)
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

static struct ls_expr *new_operator(struct parser *p, const struct token *t, const char *op, struct ls_expr *left,
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

static bool keyword_is_new(struct parser *p, const struct ls_expr *args, const struct token *t)
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
        advance(&p->lexer);
        advance(&p->lexer);
    }
    e = parse_expr(p);
    if (e)
        e->keyword = keyword;
    return e;
}

/* "(" arguments ")" behind the arguments that call has already. */
static bool parse_arguments(struct parser *p, struct ls_expr *call)
{
    const struct token open = p->lexer.token;
    struct ls_expr **tail = &call->args;

    while (*tail)
        tail = &(*tail)->next;
    if (!enter(p))
        return false;
    advance(&p->lexer);
    if (!is_mark(p, ')'))
        for (;;) {
            *tail = parse_argument(p, call->args);
            if (!*tail)
                return false;
            tail = &(*tail)->next;
            if (!is_mark(p, ','))
                break;
            advance(&p->lexer);
        }
    if (!is_mark(p, ')'))
        return fail_close(p, "\",\" or \")\"", &open);
    advance(&p->lexer);
    p->level--;
    return true;
}

static struct ls_expr *parse_group(struct parser *p)
{
    const struct token open = p->lexer.token;
    struct ls_expr *e;

    if (!enter(p))
        return NULL;
    advance(&p->lexer);
    e = parse_expr(p);
    if (!e)
        return NULL;
    if (!is_mark(p, ')'))
        return fail_close(p, "\")\"", &open);
    advance(&p->lexer);
    p->level--;
    return e;
}

static struct ls_expr *parse_primary(struct parser *p)
{
    const struct token t = p->lexer.token;
    struct ls_expr *e;

    if (t.kind == T_NUMBER) {
        e = new_node(p, LS_EXPR_NUMBER, &t, NULL);
        advance(&p->lexer);
        return span(p, e, t.at);
    }
    if (t.kind == T_NAME) {
        e = new_node(p, LS_EXPR_NAME, &t, new_name(p, &t));
        advance(&p->lexer);
        if (!e || !is_mark(p, '('))
            return span(p, e, t.at);
        e->kind = LS_EXPR_CALL;
        return parse_arguments(p, e) ? span(p, e, t.at) : NULL;
    }
    return is_mark(p, '(') ? parse_group(p) : fail(p, "a value");
}

static struct ls_expr *parse_unary(struct parser *p)
{
    const struct token minus = p->lexer.token;
    struct ls_expr *e, *operand;

    if (!is_mark(p, '-'))
        return parse_primary(p);
    advance(&p->lexer);
    if (p->lexer.token.kind == T_NUMBER) {
        e = new_node(p, LS_EXPR_NUMBER, &minus, NULL);
        if (e)
            e->number = -p->lexer.token.number;
        advance(&p->lexer);
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
        const struct token t = p->lexer.token;
        struct ls_expr *right;

        advance(&p->lexer);
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
        const struct token t = p->lexer.token;
        struct ls_expr *right;

        advance(&p->lexer);
        right = parse_product(p);
        left = right ? new_operator(p, &t, t.mark == '+' ? "add" : "sub", left, right, from) : NULL;
    }
    return left;
}

static struct ls_expr *parse_stage(struct parser *p, struct ls_expr *fed)
{
    const struct token t = p->lexer.token;
    struct ls_expr *e;

    if (t.kind != T_NAME)
        return fail_hint(p, "the name of an op", t.kind == T_NEWLINE ? "begin the next line with \"|\" instead" : "");
    e = new_node(p, LS_EXPR_CALL, &t, new_name(p, &t));
    if (!e)
        return NULL;
    e->piped = true;
    e->args = fed;
    advance(&p->lexer);
    if (is_mark(p, '(') && !parse_arguments(p, e))
        return NULL;
    return span(p, e, t.at);
}

static struct ls_expr *parse_expr(struct parser *p)
{
    struct ls_expr *e = parse_sum(p);

    while (e && is_mark(p, '|')) {
        advance(&p->lexer);
        e = parse_stage(p, e);
    }
    return e;
}

static struct ls_statement *parse_statement(struct parser *p)
{
    struct ls_statement *s = p->statement;
    const struct token first = p->lexer.token;
    bool named = is_binding(p);

    if (named) {
        advance(&p->lexer);
        advance(&p->lexer);
    }
    *s = (struct ls_statement){.line = first.line, .column = first.column, .expr = parse_expr(p)};
    if (!s->expr)
        return NULL;
    if (named)
        s->name = new_name(p, &first);
    if (p->lexer.token.kind != T_NEWLINE && p->lexer.token.kind != T_END && !is_mark(p, ';'))
        return fail_end(p, "an operator, \"|\", \";\" or the end of the line");
    p->statement++;
    return s;
}

static bool parse_program(struct parser *p, struct ls_statement **tail)
{
    advance(&p->lexer);
    for (;;) {
        while (p->lexer.token.kind == T_NEWLINE || is_mark(p, ';'))
            advance(&p->lexer);
        if (p->lexer.token.kind == T_END && p->nodes)
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
    struct parser p = {.lexer = {.at = text, .line_start = text, .line = 1}, .max_nodes = max_nodes, .err = err};
    struct ls_arena arena = {0};
    size_t nodes = ls_arena_book(&arena, max_nodes, sizeof *p.node);
    size_t statements = ls_arena_book(&arena, max_nodes + 1, sizeof *p.statement);
    size_t strings = ls_arena_book(&arena, 2 * length + 1, 1); /* a name of n letters takes n + 1 of at most 2 n */
    bool done;

    *out = (struct ls_text){0};
    if (length > MAX_TEXT)
        return ls_text_fail(err, 1, 1, "expected at most %d bytes, got %zu", MAX_TEXT, length);
    p.lexer.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!p.lexer.c_locale)
        return ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: no C locale");
    if (ls_arena_commit(&arena, err) == LOCKSTEP_OK) {
        p.node = ls_arena_at(&arena, nodes);
        p.statement = ls_arena_at(&arena, statements);
        p.string = ls_arena_at(&arena, strings);
        out->storage = arena.base;
        done = parse_program(&p, &out->first);
        if (!done)
            ls_text_free(out);
    } else {
        done = false;
    }
    freelocale(p.lexer.c_locale);
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
