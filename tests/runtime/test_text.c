/* SPDX-License-Identifier: MIT
 * Model text: trees (compared as s-expressions), golden error lines, limits, truncations, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/nearest.h"
#include "graph/text.h"

/* ---- trees as text: name=(op first keyword=second); a call fed by "|" is (|op ...) ---- */

struct sink {
    char text[4096];
    size_t n;
};

static void put(struct sink *s, const char *word)
{
    size_t n = strlen(word);
    assert_true(s->n + n < sizeof s->text);
    memcpy(s->text + s->n, word, n + 1);
    s->n += n;
}

static void put_expr(struct sink *s, const struct ls_expr *e)
{
    char number[32];

    if (e->keyword) {
        put(s, e->keyword);
        put(s, "=");
    }
    if (e->kind == LS_EXPR_NUMBER) {
        snprintf(number, sizeof number, "%.17g", e->number);
        put(s, number);
    } else if (e->kind == LS_EXPR_NAME) {
        put(s, e->name);
    } else {
        put(s, e->piped ? "(|" : "(");
        put(s, e->name);
        for (const struct ls_expr *a = e->args; a; a = a->next) {
            put(s, " ");
            put_expr(s, a);
        }
        put(s, ")");
    }
}

static void expect_tree(const char *text, const char *tree)
{
    struct sink s = {.n = 0};
    struct lockstep_error err = {0};
    struct ls_text t;

    if (ls_text_parse(text, &t, &err) != LOCKSTEP_OK)
        fail_msg("%s: %s", text, err.text);
    for (const struct ls_statement *st = t.first; st; st = st->next) {
        put(&s, s.n ? "; " : "");
        put(&s, st->name ? st->name : "");
        put(&s, st->name ? "=" : "");
        put_expr(&s, st->expr);
    }
    assert_string_equal(s.text, tree);
    ls_text_free(&t);
    assert_null(t.first);
    assert_null(t.storage);
}

static void expect_error(const char *text, const char *line)
{
    struct lockstep_error err = {0};
    struct ls_text t;

    assert_int_equal(ls_text_parse(text, &t, &err), LOCKSTEP_E_USAGE);
    assert_int_equal(err.status, LOCKSTEP_E_USAGE);
    assert_string_equal(err.text, line);
    assert_null(t.first);
    assert_null(t.storage);
}

static const char long_text[] =
    "# a conv net\r\n"
    "h      = input(28, 28) | conv1d(64, kernel_size=3, padding=same) | relu | max_pool1d(2)\n"
    "h      = h | conv1d(128, kernel_size=3, padding=same) | relu  # again\n"
    "         # pooled below\n"
    "\n"
    "       | max_pool1d(2); skip = (h + -1e-3 * h) / 2 - -h\n"
    "logits = h | flatten | linear(\n  128, # wide\n  bias=(a | b)\n) | relu | linear(10)\r\n"
    "loss   = cross_entropy(logits, label)";

static void test_trees(void **state)
{
    (void)state;
    expect_tree("x", "x");
    expect_tree("f()", "(f)");
    expect_tree("flatten | linear(10)", "(|linear flatten 10)");
    expect_tree("a | b | c(2, k=3) | d()", "(|d (|c (|b a) 2 k=3))");
    expect_tree("y = f(g(1), k=h(2) | i, -x)", "y=(f (g 1) k=(|i (h 2)) (neg x))");
    expect_tree("a=1;b=2;;c=a", "a=1; b=2; c=a");
    expect_tree("_A1=b_2", "_A1=b_2");
    expect_tree("nan | inf", "(|inf nan)"); /* names, never numbers */
    expect_tree(long_text, "h=(|max_pool1d (|relu (|conv1d (input 28 28) 64 kernel_size=3 padding=same)) 2); "
                           "h=(|max_pool1d (|relu (|conv1d h 128 kernel_size=3 padding=same)) 2); "
                           "skip=(sub (div (add h (mul -0.001 h)) 2) (neg h)); "
                           "logits=(|linear (|relu (|linear (|flatten h) 128 bias=(|b a))) 10); "
                           "loss=(cross_entropy logits label)");
}

static void test_precedence(void **state)
{
    (void)state;
    expect_tree("a + b * c - d / e", "(sub (add a (mul b c)) (div d e))");
    expect_tree("a - b - c", "(sub (sub a b) c)");
    expect_tree("a / b / c", "(div (div a b) c)");
    expect_tree("(a - (b - c)) * d", "(mul (sub a (sub b c)) d)");
    expect_tree("-a * -b", "(mul (neg a) (neg b))");
    expect_tree("a -2", "(sub a 2)");
    expect_tree("- 2 - -2", "(sub -2 -2)");
    expect_tree("--2", "(neg -2)");
    expect_tree("a + b | relu", "(|relu (add a b))");
    expect_tree("a + (b | relu)", "(add a (|relu b))");
}

static void test_numbers(void **state)
{
    (void)state;
    expect_tree("f(0, 007, 12, 0.5, 1e3, 1e+3, 2.5e-3)", "(f 0 7 12 0.5 1000 1000 0.0025000000000000001)");
    expect_tree("0.30000000000000004", "0.30000000000000004");
    expect_tree("3.14159265358979323846264338327950288", "3.1415926535897931");
    expect_tree("1.7976931348623157e308", "1.7976931348623157e+308");
    expect_tree("0e999", "0");
    expect_tree("-0", "-0");
}

/* A locale with a decimal comma changes nothing. Skipped where the machine has none. */
static void test_locale(void **state)
{
    struct lockstep_error err;
    struct ls_text t;

    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        skip();
    (void)state;
    assert_int_equal(ls_text_parse("2.5", &t, &err), LOCKSTEP_OK);
    setlocale(LC_ALL, "C");
    assert_true(t.first->expr->number == 2.5);
    ls_text_free(&t);
}

static void test_positions(void **state)
{
    struct lockstep_error err;
    struct ls_text t;
    const struct ls_expr *e;

    (void)state;
    assert_int_equal(ls_text_parse("\n# c\n  y = a +\tf(k = -3)\n     | relu", &t, &err), LOCKSTEP_OK);
    assert_int_equal(t.first->line, 3);
    assert_int_equal(t.first->column, 3);
    e = t.first->expr; /* relu */
    assert_int_equal(e->line, 4);
    assert_int_equal(e->column, 8);
    e = e->args; /* + */
    assert_int_equal(e->column, 9);
    e = e->args->next; /* f */
    assert_int_equal(e->column, 11);
    assert_int_equal(e->args->column, 17);
    ls_text_free(&t);
}

static void test_lines(void **state)
{
    (void)state;
    expect_tree("\n\n a \r\n\n b\n", "a; b");
    expect_tree("a\n  # c\n\n\t| b\n| c\nd", "(|c (|b a)); d");
    expect_tree("f(\n1,\n\n# c )\n2\n)", "(f 1 2)");
    expect_tree("(a\n+\nb)", "(add a b)");
    expect_tree("a # b = c | d", "a");
    expect_error("a\n= 1", "model text: line 2, column 1: expected a value, got \"=\"");
    expect_error("a = f(1)\n+ b", "model text: line 2, column 1: expected a value, got \"+\"");
    expect_error("a;\n| b", "model text: line 2, column 1: expected a value, got \"|\"");
}

#define END_OF "expected an operator, \"|\", \";\" or the end of the line, got "
#define NUMBER "expected a number such as 12, 0.5 or 1e-3, got "
#define RANGE  "expected a number from 2.3e-308 to 1.7e308, got "
#define ASCII  "expected printable ASCII, got byte "

static const struct {
    const char *text, *line; /* line: without "model text: line " */
} bad[] = {
    {"", "1, column 1: expected a value, got the end of the text"},
    {" \n# only this\n", "3, column 1: expected a value, got the end of the text"},
    {"a +", "1, column 4: expected a value, got the end of the text"},
    {"a +\nb", "1, column 4: expected a value, got the end of the line"},
    {"a =", "1, column 4: expected a value, got the end of the text"},
    {"a == b", "1, column 4: expected a value, got \"=\""},
    {"a b", "1, column 3: " END_OF "\"b\""},
    {"2 = a", "1, column 3: " END_OF "\"=\""},
    {"a, b", "1, column 2: " END_OF "\",\""},
    {"a)", "1, column 2: " END_OF "\")\" (no \"(\" is open)"},
    {"a | b + c", "1, column 7: " END_OF "\"+\" (\"|\" binds loosest: put the pipe in parentheses)"},
    {"a | 3", "1, column 5: expected the name of an op, got \"3\""},
    {"a |", "1, column 4: expected the name of an op, got the end of the text"},
    {"a |\nb",
     "1, column 4: expected the name of an op, got the end of the line (begin the next line with \"|\" instead)"},
    {"f(1,)", "1, column 5: expected a value, got \")\""},
    {"f(,1)", "1, column 3: expected a value, got \",\""},
    {"f(k=)", "1, column 5: expected a value, got \")\""},
    {"f(1 2)", "1, column 5: expected \",\" or \")\", got \"2\" (\"(\" at line 1, column 2 is open)"},
    {"f(1\ng = 2", "2, column 1: expected \",\" or \")\", got \"g\" (\"(\" at line 1, column 2 is open)"},
    {"f(1; g", "1, column 4: expected \",\" or \")\", got \";\" (\"(\" at line 1, column 2 is open)"},
    {"(a", "1, column 3: expected \")\", got the end of the text (\"(\" at line 1, column 1 is open)"},
    {"()", "1, column 2: expected a value, got \")\""},
    {"f(k=1, j=2, k=3)", "1, column 13: expected each argument once, got \"k\" again"},
    {"x | f(k=1, k=1)", "1, column 12: expected each argument once, got \"k\" again"},
    {"linear(12x)", "1, column 8: " NUMBER "\"12x\""},
    {"0x10", "1, column 1: " NUMBER "\"0x10\""},
    {"1.5.2", "1, column 1: " NUMBER "\"1.5.2\""},
    {"1_000", "1, column 1: " NUMBER "\"1_000\""},
    {"5.", "1, column 1: " NUMBER "\"5.\""},
    {".5", "1, column 1: " NUMBER "\".5\""},
    {"-.5", "1, column 2: " NUMBER "\".5\""},
    {".", "1, column 1: " NUMBER "\".\""},
    {"1e", "1, column 1: " NUMBER "\"1e\""},
    {"1e+", "1, column 1: " NUMBER "\"1e\""},
    {"1E3", "1, column 1: " NUMBER "\"1E3\""},
    {"1e999", "1, column 1: " RANGE "\"1e999\""},
    {"-1e-999", "1, column 2: " RANGE "\"1e-999\""},
    {"1,5", "1, column 2: " END_OF "\",\""},
    {"\xef\xbb\xbfx", "1, column 1: " ASCII "0xef (remove the byte order mark)"},
    {"a = \xc3\xb6", "1, column 5: " ASCII "0xc3 (also in comments)"},
    {"a # \xff", "1, column 5: " ASCII "0xff (also in comments)"},
    {"a\rb", "1, column 2: " ASCII "0x0d (also in comments)"},
    {"a \x1b[0m", "1, column 3: " ASCII "0x1b (also in comments)"},
    {"a \x7f", "1, column 3: " ASCII "0x7f (also in comments)"},
    {"[1, 2]", "1, column 1: expected a value, got \"[\""},
    {"a @ b", "1, column 3: " END_OF "\"@\""},
    {"a abcdefghijklmnopqrstuvwxyz_0123456789", "1, column 3: " END_OF "\"abcdefghijklmnopqrstuvwxyz_01234\"..."},
};

static void test_errors(void **state)
{
    char line[512];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "model text: line %s", bad[i].line);
        expect_error(bad[i].text, line);
    }
}

/* unit repeated n times between head and tail; the caller frees. */
static char *repeat(const char *head, const char *unit, size_t n, const char *tail)
{
    size_t u = strlen(unit), h = strlen(head);
    char *s = malloc(h + u * n + strlen(tail) + 1);

    assert_non_null(s);
    memcpy(s, head, h);
    for (size_t i = 0; i < n; i++)
        memcpy(s + h + i * u, unit, u);
    memcpy(s + h + u * n, tail, strlen(tail) + 1);
    return s;
}

/* Parse a generated text, which is then freed: NULL line means that it must be accepted. */
static void expect_generated(char *text, const char *line)
{
    struct lockstep_error err = {0};
    struct ls_text t;

    if (line) {
        expect_error(text, line);
    } else {
        assert_int_equal(ls_text_parse(text, &t, &err), LOCKSTEP_OK);
        ls_text_free(&t);
    }
    free(text);
}

static void test_limits(void **state)
{
    char *nested[2];

    (void)state;
    expect_generated(repeat("a", " ", 65535, ""), NULL);
    expect_generated(repeat("a", " ", 65536, ""),
                     "model text: line 1, column 1: expected at most 65536 bytes, got 65537");

    for (size_t i = 0; i < 2; i++)
        nested[i] = repeat("", "f(", 64 + i, "x");
    expect_generated(repeat(nested[0], ")", 64, ""), NULL);
    expect_generated(repeat(nested[1], ")", 65, ""),
                     "model text: line 1, column 130: expected at most 64 levels of nesting, got more");
    free(nested[0]);
    free(nested[1]);
    expect_generated(repeat("", "(", 20000, ""),
                     "model text: line 1, column 65: expected at most 64 levels of nesting, got more");
    expect_generated(repeat("", "-", 64, "x"), NULL);
    expect_generated(repeat("", "-", 65, "x"),
                     "model text: line 1, column 66: expected at most 64 levels of nesting, got more");

    expect_generated(repeat("x", "|relu", 4095, ""), NULL);
    expect_generated(repeat("x", "|relu", 4096, ""),
                     "model text: line 1, column 20478: expected at most 4096 values and ops, got more");
    expect_generated(repeat("", "a\n", 4096, ""), NULL);
    expect_generated(repeat("", "a\n", 4097, ""),
                     "model text: line 4097, column 1: expected at most 4096 values and ops, got more");
    expect_generated(repeat("", "a=1;", 4096, ""), NULL);
    expect_generated(repeat("a", "b", 65535, ""), NULL);
}

static void test_truncations(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof long_text; n++) {
        char *text = malloc(n + 1); /* exactly, so that a read beyond is seen */
        struct lockstep_error err = {0};
        struct ls_text t;
        enum lockstep_status status;

        assert_non_null(text);
        memcpy(text, long_text, n);
        text[n] = '\0';
        status = ls_text_parse(text, &t, &err);
        free(text);
        assert_true(status == LOCKSTEP_OK || status == LOCKSTEP_E_USAGE);
        if (status == LOCKSTEP_OK)
            ls_text_free(&t);
        else
            assert_non_null(strstr(err.text, "model text: line "));
    }
}

static void test_one_allocation(void **state)
{
    struct lockstep_error err;
    struct ls_text t;
    size_t before = ls_mem_allocations();

    (void)state;
    assert_int_equal(ls_text_parse(long_text, &t, &err), LOCKSTEP_OK);
    assert_int_equal(ls_mem_allocations() - before, 1);
    ls_text_free(&t);
    ls_text_free(&t);
}

static void test_nearest(void **state)
{
    static const char *const ops[] = {"linear", "conv1d", "max_pool1d", "relu", "add", "sub", "softmax"};
    static const struct {
        const char *word, *nearest;
    } c[] = {{"lineer", "linear"},
             {"Linear", "linear"},
             {"ReLU", "relu"},
             {"rleu", "relu"},
             {"conv", "conv1d"},
             {"conv2d", "conv1d"},
             {"maxpool1d", "max_pool1d"},
             {"ad", "add"},
             {"sum", "sub"},
             {"relu", "relu"},
             {"x", NULL},
             {"", NULL},
             {"tanh", NULL},
             {"soft", NULL},
             {"linearlinearlinear", NULL}};
    char *word = repeat("", "linear", 1000, "");

    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        const char *got = ls_nearest(c[i].word, ops, sizeof ops / sizeof *ops);
        assert_string_equal(got ? got : "(none)", c[i].nearest ? c[i].nearest : "(none)");
    }
    assert_null(ls_nearest(word, ops, sizeof ops / sizeof *ops));
    assert_null(ls_nearest("relu", ops, 0));
    free(word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),   cmocka_unit_test(test_precedence),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_locale),  cmocka_unit_test(test_positions),      cmocka_unit_test(test_lines),
        cmocka_unit_test(test_errors),  cmocka_unit_test(test_limits),         cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_one_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
