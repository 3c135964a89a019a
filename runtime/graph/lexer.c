/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strtod_l */
#include "graph/lexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The C library's answers depend on the locale. */
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

/* Length of a line end at s, 0 if there is none. */
static size_t newline_length(const char *s)
{
    return *s == '\n' ? 1 : s[0] == '\r' && s[1] == '\n' ? 2 : 0;
}

static void skip_spaces_and_comment(struct ls_lexer *lx)
{
    while (*lx->at == ' ' || *lx->at == '\t')
        lx->at++;
    if (*lx->at == '#')
        while (is_printable(*lx->at) || *lx->at == '\t')
            lx->at++;
}

static void skip_lines(struct ls_lexer *lx)
{
    size_t n;

    while ((n = newline_length(lx->at))) {
        lx->at += n;
        lx->line_start = lx->at;
        lx->line++;
        skip_spaces_and_comment(lx);
    }
}

static void lex_number(struct ls_lexer *lx)
{
    struct ls_token *t = &lx->token;
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
        t->kind = LS_TOKEN_BAD_NUMBER;
    } else {
        errno = 0;
        t->number = strtod_l(lx->at, NULL, lx->c_locale);
        t->kind = errno ? LS_TOKEN_BAD_RANGE : LS_TOKEN_NUMBER;
    }
    lx->at = s;
}

static enum ls_token_kind kind_of_character(char c)
{
    if (c == '\0')
        return LS_TOKEN_END;
    if (strchr("=|+-*/(),;", c))
        return LS_TOKEN_MARK;
    return is_printable(c) ? LS_TOKEN_BAD_CHAR : LS_TOKEN_BAD_BYTE;
}

static struct ls_token token_here(const struct ls_lexer *lx)
{
    return (struct ls_token){.at = lx->at, .line = lx->line, .column = (unsigned)(lx->at - lx->line_start) + 1};
}

static void lex_name(struct ls_lexer *lx)
{
    lx->token.kind = LS_TOKEN_NAME;
    while (is_name(*lx->at))
        lx->at++;
}

static void lex_character(struct ls_lexer *lx)
{
    struct ls_token *t = &lx->token;

    t->kind = kind_of_character(*lx->at);
    t->mark = *lx->at;
    if (t->mark == '(')
        lx->open++;
    else if (t->mark == ')' && lx->open)
        lx->open--;
    lx->at += t->kind != LS_TOKEN_END;
}

void ls_lexer_advance(struct ls_lexer *lx)
{
    struct ls_token *t = &lx->token;

    lx->end = t->at + t->length;
    skip_spaces_and_comment(lx);
    *t = token_here(lx);
    if (newline_length(lx->at)) {
        skip_lines(lx);
        if (!lx->open && *lx->at != '|') {
            t->kind = LS_TOKEN_NEWLINE;
            return;
        }
        *t = token_here(lx);
    }
    if (is_name_start(*lx->at))
        lex_name(lx);
    else if (is_digit(*lx->at) || *lx->at == '.')
        lex_number(lx);
    else
        lex_character(lx);
    t->length = (size_t)(lx->at - t->at);
}

enum lockstep_status ls_lexer_open(struct ls_lexer *lx, const char *text, struct lockstep_error *err)
{
    *lx = (struct ls_lexer){.at = text, .line_start = text, .line = 1};
    lx->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return lx->c_locale ? LOCKSTEP_OK : ls_fail(err, LOCKSTEP_E_MEMORY, "out of memory: no C locale");
}

void ls_lexer_close(struct ls_lexer *lx)
{
    freelocale(lx->c_locale);
}
