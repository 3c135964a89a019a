/* SPDX-License-Identifier: MIT
 * Model text -> syntax tree. Knows the grammar, not the ops.
 *
 *   program   = { [NAME "="] expr (newline | ";") }    "#" starts a comment up to the end of the line
 *   expr      = sum { "|" stage }                      feeds what is on its left into the op on its right: loosest
 *   stage     = NAME [ "(" arguments ")" ]
 *   sum       = product { ("+" | "-") product }        op names add, sub
 *   product   = unary { ("*" | "/") unary }            op names mul, div
 *   unary     = "-" unary | primary                    op name neg (a minus before a number is part of the number)
 *   primary   = NUMBER | NAME | NAME "(" arguments ")" | "(" expr ")"
 *   arguments = [ argument { "," argument } ]
 *   argument  = [NAME "="] expr
 *
 * Newlines inside parentheses, and before a line that begins with "|", do not end a statement. NAME =
 * [A-Za-z_][A-Za-z0-9_]*; NUMBER = digits [. digits] [e [+-] digits].
 */
#ifndef LS_TEXT_H
#define LS_TEXT_H

#include "core/status.h"

#include <stdarg.h>

enum ls_expr_kind { LS_EXPR_NUMBER, LS_EXPR_NAME, LS_EXPR_CALL };

/* One node of the tree. A call's arguments form a list by next; keyword is NULL for a positional one. */
struct ls_expr {
    enum ls_expr_kind kind;
    unsigned line, column; /* of its first character (an operator: of the operator), from 1 */
    const char *name;      /* NAME: itself; CALL: the op */
    double number;         /* NUMBER */
    bool piped;            /* CALL: its first argument came by "|" */
    const char *keyword;
    struct ls_expr *args, *next;
    const char *at; /* its text, a stage without what feeds it; borrowed from what was parsed */
    size_t length;
};

struct ls_statement {
    const char *name; /* NULL: no name given */
    unsigned line, column;
    struct ls_expr *expr;
    struct ls_statement *next;
};

/* Owns every node and string. */
struct ls_text {
    struct ls_statement *first;
    void *storage;
};

/*
 * Parse. E_USAGE: "model text: line L, column C: expected X, got Y". At most 64 KiB of text, 64 levels of nesting, 4096
 * nodes.
 */
enum lockstep_status ls_text_parse(const char *text, struct ls_text *out, struct lockstep_error *err);
void ls_text_free(struct ls_text *text);

/* E_USAGE: "model text: line L, column C: " and what is wrong there. */
enum lockstep_status ls_text_fail(struct lockstep_error *err, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum lockstep_status ls_text_failv(struct lockstep_error *err, unsigned line, unsigned column, const char *format,
                                   va_list args);

/* The text of an expression on one line, without comments, cut to size. */
void ls_expr_text(const struct ls_expr *e, size_t size, char *out);

#endif
