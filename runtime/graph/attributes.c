/* SPDX-License-Identifier: MIT */
#include "graph/attributes.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void ls_attributes_default(struct ls_node *n)
{
    const struct ls_attr *attr = n->op->attr;

    for (size_t i = 0; i < LS_ATTRS; i++)
        n->attr[i] = (struct ls_value){attr[i].kind == LS_ATTR_WORD ? (int)attr[i].value : -1, (size_t)attr[i].value,
                                       attr[i].value};
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

bool ls_attributes_word(const struct ls_op *op, const char *word)
{
    for (size_t i = 0; i < LS_ATTRS && op->attr[i].name; i++)
        if (word_in(op->attr[i].words, word) >= 0)
            return true;
    return !strcmp(word, "true") || !strcmp(word, "false");
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
    if (e->kind == LS_EXPR_NAME && word_in(a->words, e->name) >= 0) {
        out->word = word_in(a->words, e->name);
        return true;
    }
    if (a->kind == LS_ATTR_BOOL) {
        out->n = e->kind == LS_EXPR_NAME && !strcmp(e->name, "true");
        return e->kind == LS_EXPR_NAME && (out->n || !strcmp(e->name, "false"));
    }
    if (a->kind == LS_ATTR_REAL)
        return number && fabs(e->number) <= FLT_MAX;
    if (a->kind == LS_ATTR_WORD || !whole || e->number < least || e->number > LS_FEATURES_MOST)
        return false;
    out->n = (size_t)e->number;
    return true;
}

static enum lockstep_status set_attr(struct ls_node *n, size_t i, const struct ls_expr *e, struct lockstep_error *err)
{
    const struct ls_attr *a = &n->op->attr[i];
    const char *words = a->kind == LS_ATTR_WORD ? "one of " : a->words ? " or one of " : "";
    char got[32];

    if (read_attr(a, e, &n->attr[i]))
        return LOCKSTEP_OK;
    ls_expr_text(e, sizeof got, got);
    return ls_text_fail(err, e->line, e->column, "%s: %s: expected %s%s%s, got %s", n->op->name, a->name,
                        expected(a->kind), words, a->words ? a->words : "", got);
}

static enum lockstep_status unexpected(const struct ls_op *op, const struct ls_expr *e, struct lockstep_error *err)
{
    char takes[256] = "";

    for (size_t k = 0; k < LS_ATTRS && op->attr[k].name; k++)
        snprintf(takes + strlen(takes), sizeof takes - strlen(takes), " %s", op->attr[k].name);
    return ls_text_fail(err, e->line, e->column, "%s: unexpected argument%s%.32s (it takes%s)", op->name,
                        e->keyword ? " " : "", e->keyword ? e->keyword : "", *takes ? takes : " none");
}

/* The attribute of that keyword; LS_ATTRS: none. */
static size_t place_of(const struct ls_op *op, const char *keyword)
{
    for (size_t i = 0; i < LS_ATTRS && op->attr[i].name; i++)
        if (!strcmp(op->attr[i].name, keyword))
            return i;
    return LS_ATTRS;
}

enum lockstep_status ls_attributes_bind(struct ls_node *n, const struct ls_expr *e, struct lockstep_error *err)
{
    bool given[LS_ATTRS] = {false};

    for (size_t position = 0; e; e = e->next) {
        const size_t i = e->keyword ? place_of(n->op, e->keyword) : position++;

        if (i >= LS_ATTRS || !n->op->attr[i].name || given[i])
            return unexpected(n->op, e, err);
        given[i] = true;
        if (set_attr(n, i, e, err))
            return err->status;
    }
    for (size_t i = 0; i < LS_ATTRS && n->op->attr[i].name; i++)
        if (n->op->attr[i].required && !given[i])
            return ls_node_fail(n, err, "%s: expected %s, got nothing", n->op->name, n->op->attr[i].name);
    return LOCKSTEP_OK;
}
