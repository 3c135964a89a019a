/* SPDX-License-Identifier: MIT
 * Prints docs/layers.md from the registry of ops; lint/layers_doc compares. */
#include "graph/graph.h"

#include <stdio.h>

/* Text inside a cell of a table. */
static void cell(const char *text)
{
    for (; text && *text; text++)
        if (*text == '|')
            fputs("\\|", stdout);
        else if (*text == '\n')
            fputs("<br>", stdout);
        else
            putchar(*text);
}

/* The word at a place of a list "a|b|c". */
static void word(const char *words, int at)
{
    for (; at > 0; words++)
        at -= *words == '|';
    while (*words && *words != '|')
        putchar(*words++);
}

static void default_of(const struct ls_attr *a)
{
    switch (a->kind) {
    case LS_ATTR_BOOL:
        fputs(a->value != 0.0 ? "true" : "false", stdout);
        break;
    case LS_ATTR_WORD:
        word(a->words, (int)a->value);
        break;
    default:
        printf("%g", a->value);
    }
}

/* A size that may be left out and has no default of its own: the op says what it then is. */
static bool open_default(const struct ls_attr *a)
{
    return a->kind == LS_ATTR_SIZE && !a->required && a->value == 0.0;
}

/* How the op is called: values, then arguments with their defaults. */
static void call(const struct ls_op *op)
{
    const char *comma = "";

    printf("`%s(", op->name);
    for (size_t i = 0; i < op->inputs; i++, comma = ", ")
        printf("%s%c", comma, "xy"[i]);
    if (op->labels) {
        printf("%slabel", comma);
        comma = ", ";
    }
    for (size_t i = 0; i < LS_ATTRS && op->attr[i].name; i++, comma = ", ") {
        printf("%s%s", comma, op->attr[i].name);
        if (op->attr[i].required)
            continue;
        putchar('=');
        if (open_default(&op->attr[i]))
            fputs("...", stdout);
        else
            default_of(&op->attr[i]);
    }
    fputs(")`", stdout);
    for (size_t i = 0; i < LS_ATTRS && op->attr[i].name; i++)
        if (op->attr[i].words) {
            printf("<br>%s: %s", op->attr[i].name, op->attr[i].kind == LS_ATTR_WORD ? "" : "a number or ");
            cell(op->attr[i].words);
        }
}

int main(void)
{
    puts("# Layers\n\n"
         "What a model text may call, as the program's registry has it (`tests/tools/layers.c` writes this page). "
         "Names and\n"
         "arguments are PyTorch's. Shapes are without the batch: (C, L) channels and length, (N) flat. g is the "
         "gradient of\n"
         "the result, n the rows of the batch, count n times the elements of a row. `=...` is an argument that may be "
         "left\n"
         "out. `lockstep gradcheck` compares each gradient with central differences.\n\n"
         "| call | shape | forward | gradient | example |\n| --- | --- | --- | --- | --- |");
    for (size_t i = 0; ls_ops[i]; i++) {
        const struct ls_op *op = ls_ops[i];

        fputs("| ", stdout);
        call(op);
        fputs(" | ", stdout);
        cell(op->shapes);
        fputs(" | ", stdout);
        cell(op->formula);
        fputs(" | ", stdout);
        cell(op->gradient);
        fputs(" | <code>", stdout);
        cell(op->example);
        puts("</code> |");
    }
    return 0;
}
