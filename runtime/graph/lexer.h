/* SPDX-License-Identifier: MIT
 * Model text -> tokens. Knows positions, line ends, comments and open parentheses, not the grammar. */
#ifndef LS_LEXER_H
#define LS_LEXER_H

#include "core/status.h"

#include <locale.h>

enum ls_token_kind {
    LS_TOKEN_END,
    LS_TOKEN_NEWLINE,
    LS_TOKEN_NAME,
    LS_TOKEN_NUMBER,
    LS_TOKEN_MARK,
    LS_TOKEN_BAD_NUMBER, /* not spelt as one */
    LS_TOKEN_BAD_RANGE,  /* a number that no double is near */
    LS_TOKEN_BAD_CHAR,   /* ASCII that no text has */
    LS_TOKEN_BAD_BYTE    /* not printable ASCII */
};

struct ls_token {
    enum ls_token_kind kind;
    char mark; /* MARK: the character */
    const char *at;
    size_t length;
    unsigned line, column; /* from 1 */
    double number;         /* NUMBER */
};

struct ls_lexer {
    const char *at, *line_start, *end; /* end: of the token before the current one */
    unsigned line, open;               /* open: parentheses not closed yet */
    locale_t c_locale;
    struct ls_token token; /* the current one */
};

/* Before the first token of a text, which is borrowed until ls_lexer_close. E_MEMORY. */
enum lockstep_status ls_lexer_open(struct ls_lexer *lx, const char *text, struct lockstep_error *err);

/* Move to the next token. The end of a line is one unless it is inside parentheses or the next line begins with "|". A
 * copy of a lexer looks ahead. */
void ls_lexer_advance(struct ls_lexer *lx);

void ls_lexer_close(struct ls_lexer *lx);

#endif
