/* SPDX-License-Identifier: MIT */
#include "cli/args.h"
#include "core/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, WORD, SIZE, UNSIGNED, POWER_OF_TWO, REAL, POSITIVE, FLAG };

/* One row per option: value is what help shows, and for WORD the legal words; min and max are inclusive (POSITIVE: >
 * 0). */
struct option {
    const char *name, *value;
    enum kind kind;
    unsigned commands;
    size_t offset; /* into struct cli */
    double min, max;
    const char *help;
};

enum { STEPS = CLI_TRAIN | CLI_EXPLAIN, DATA = STEPS | CLI_EVAL | CLI_PREDICT, ALL = DATA | CLI_INFO | CLI_GRADCHECK };
#define AT(member) offsetof(struct cli, member)

static const struct option table[] = {
    {"model", "NAME|TEXT|FILE", TEXT, STEPS | CLI_GRADCHECK, AT(model), 0, 0,
     "two-layer, mlp, conv1d, residual, a model text, or a file with one"},
    {"data", "DIR|digits", TEXT, DATA, AT(data), 0, 0, "folder with the IDX files of MNIST, or the built-in digits"},
    {"batch", "N", SIZE, STEPS, AT(recipe.batch), 1, 1 << 24, "rows per step"},
    {"epochs", "N", SIZE, CLI_TRAIN, AT(recipe.epochs), 1, 1e6, "passes over the data"},
    {"optimizer", "sgd|adam|adamw", WORD, STEPS, AT(recipe.optimizer), 0, 0, "update rule"},
    {"lr", "X", POSITIVE, CLI_TRAIN, AT(recipe.lr), 0, 1e6, "learning rate"},
    {"momentum", "X", REAL, CLI_TRAIN, AT(recipe.momentum), 0, 1, "of sgd"},
    {"nesterov", "", FLAG, CLI_TRAIN, AT(recipe.nesterov), 0, 0, "Nesterov momentum, of sgd"},
    {"weight-decay", "X", REAL, CLI_TRAIN, AT(recipe.weight_decay), 0, 1e6,
     "added to the gradient; adamw: apart from it"},
    {"lr-schedule", "constant|cosine", WORD, CLI_TRAIN, AT(recipe.lr_schedule), 0, 0, "learning rate over the steps"},
    {"warmup", "N", SIZE, CLI_TRAIN, AT(recipe.warmup), 0, 1e9, "steps of linear warm-up"},
    {"init", "he|xavier|normal(STD)", TEXT, CLI_TRAIN, AT(recipe.init), 0, 0, "first weights"},
    {"seed", "N", UNSIGNED, CLI_TRAIN | CLI_GRADCHECK, AT(recipe.seed), 0, UINT32_MAX, "of weights, order and masks"},
    {"shards", "N", POWER_OF_TWO, STEPS, AT(recipe.shards), 1, 4096, "parts of a batch (by batch size)"},
    {"threads", "N", UNSIGNED, ALL, AT(options.threads), 1, 1024, "worker threads (as many as the machine allows)"},
    {"isa", "NAME", TEXT, ALL | CLI_GRAPH, AT(options.isa), 0, 0, "instruction set: ref, avx2, ... (the best)"},
    {"zero-skip", "auto|on|off", WORD, DATA, AT(options.zero_skip), 0, 0,
     "leave out multiplications by pixels of 0 (auto: where the data has many)"},
    {"reduce", "auto|owners|replicas", WORD, STEPS, AT(options.reduce), 0, 0, "how threads add gradients"},
    {"verify", "N", SIZE, CLI_TRAIN, AT(options.verify), 1, 1e9,
     "compute every N-th step twice, compare the bits (never)"},
    {"save", "FILE", TEXT, CLI_TRAIN, AT(save), 0, 0, "write the weights as safetensors"},
    {"json", "", FLAG, CLI_GRAPH | CLI_EXPLAIN, AT(json), 0, 0, "print JSON"},
    {"dot", "", FLAG, CLI_GRAPH, AT(dot), 0, 0, "print the drawing as Graphviz text"},
    {"metrics", "FILE", TEXT, CLI_TRAIN, AT(metrics), 0, 0,
     "write JSON objects: at the start, per epoch, of the steps at the end"},
};
enum { OPTIONS = sizeof table / sizeof table[0] };

/* Whole decimal numbers only; too large ones end above every range. */
static bool whole(const char *text, double *out)
{
    size_t n = strspn(text, "0123456789");

    *out = strtod(text, NULL);
    return n && !text[n];
}

/* Decimal numbers without blanks, hex, inf or nan; the locale is "C" because nobody sets another. */
static bool real(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return *text && !*end && !text[strspn(text, "0123456789+-.eE")];
}

static bool one_of(const char *text, const char *words)
{
    size_t n = strlen(text);

    for (const char *w = words; n; w++) {
        size_t m = strcspn(w, "|");

        if (m == n && !memcmp(w, text, n))
            return true;
        w += m;
        if (!*w)
            break;
    }
    return false;
}

/* What an option takes, for messages and help. */
static void describe(const struct option *o, char out[96])
{
    switch (o->kind) {
    case SIZE:
    case UNSIGNED:
        snprintf(out, 96, "a whole number %.0f..%.0f", o->min, o->max);
        break;
    case POWER_OF_TWO:
        snprintf(out, 96, "a power of two %.0f..%.0f", o->min, o->max);
        break;
    case REAL:
        snprintf(out, 96, "a number %g..%.0f", o->min, o->max);
        break;
    case POSITIVE:
        snprintf(out, 96, "a number above 0, up to %.0f", o->max);
        break;
    default:
        snprintf(out, 96, "%s", o->value);
    }
}

/* Put the value into *cli; false when text is not a legal value of o. */
static bool assign(struct cli *cli, const struct option *o, const char *text)
{
    void *to = (char *)cli + o->offset;
    double x = 0;
    bool ok = true;

    switch (o->kind) {
    case TEXT:
    case WORD:
        ok = o->kind == TEXT ? *text : one_of(text, o->value);
        *(const char **)to = text;
        return ok;
    case FLAG:
        *(bool *)to = true;
        return true;
    case REAL:
    case POSITIVE:
        if (!real(text, &x) || !(x >= o->min && x <= o->max) || (o->kind == POSITIVE && !(x > 0)))
            return false;
        *(double *)to = x;
        return true;
    default:
        if (!whole(text, &x) || !(x >= o->min && x <= o->max))
            return false;
        if (o->kind == SIZE)
            *(size_t *)to = (size_t)x;
        else
            *(unsigned *)to = (unsigned)x;
        return o->kind != POWER_OF_TWO || !((unsigned)x & ((unsigned)x - 1));
    }
}

/* The row of a name; NULL with E_USAGE in err when the command has none. */
static const struct option *find(const char *name, enum cli_command command, struct lockstep_error *err)
{
    const char *names[OPTIONS], *near;

    for (const struct option *o = table; o < table + OPTIONS; o++)
        if (!strcmp(o->name, name)) {
            if (o->commands & command)
                return o;
            ls_fail(err, LOCKSTEP_E_USAGE, "--%s: this command has no such option", name);
            return NULL;
        }
    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = table[i].name;
    near = ls_nearest(name, names, OPTIONS);
    if (near)
        ls_fail(err, LOCKSTEP_E_USAGE, "--%.64s: unknown option (did you mean --%s?)", name, near);
    else
        ls_fail(err, LOCKSTEP_E_USAGE, "--%.64s: unknown option (--help lists them)", name);
    return NULL;
}

/* argv[*i] is "--name=value", or "--name" with its value in argv[*i + 1]; *i moves to the last argument used. */
static enum lockstep_status take(struct cli *cli, enum cli_command command, int argc, char **argv, int *i,
                                 unsigned *seen, struct lockstep_error *err)
{
    char name[128], legal[96];
    const char *arg = argv[*i] + 2, *value = strchr(arg, '=');
    const struct option *o;

    snprintf(name, sizeof name, "%.*s", value ? (int)(value - arg) : 126, arg);
    if (!(o = find(name, command, err)))
        return LOCKSTEP_E_USAGE;
    describe(o, legal);
    if (*seen & 1u << (o - table))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--%s: given twice", name);
    *seen |= 1u << (o - table);
    if (o->kind == FLAG && value)
        return ls_fail(err, LOCKSTEP_E_USAGE, "--%s: takes no value, got \"%.64s\"", name, value + 1);
    if (value)
        value++;
    else if (o->kind == FLAG)
        value = "";
    else if (*i + 1 == argc || !strncmp(argv[*i + 1], "--", 2))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--%s: a value is missing: expected %s", name, legal);
    else
        value = argv[++*i];
    if (!assign(cli, o, value))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--%s %.64s: expected %s, got \"%.64s\"", name, value, legal, value);
    return LOCKSTEP_OK;
}

static void defaults(struct cli *cli, enum cli_command command)
{
    *cli = (struct cli){.model = command == CLI_GRADCHECK ? NULL : "mlp", .data = "digits", .options.reduce = "auto"};
    lockstep_recipe_init(&cli->recipe);
}

/* An argument that is no option: the file or text, then the values of graph, which move to the front of argv. */
static bool place(struct cli *cli, enum cli_command command, char **argv, char *arg)
{
    if (command & (CLI_EVAL | CLI_PREDICT | CLI_GRAPH) && !cli->file) {
        cli->file = arg;
        return true;
    }
    cli->value = argv;
    if (command == CLI_GRAPH)
        argv[cli->values++] = arg;
    return command == CLI_GRAPH;
}

enum lockstep_status cli_parse(struct cli *cli, enum cli_command command, int argc, char **argv,
                               struct lockstep_error *err)
{
    enum lockstep_status status;
    unsigned seen = 0;
    bool only_files = false;

    defaults(cli, command);
    for (int i = 0; i < argc; i++) {
        char *arg = argv[i];

        if (!only_files && !strcmp(arg, "--")) {
            only_files = true;
        } else if (!only_files && (!strcmp(arg, "--help") || !strcmp(arg, "-h"))) {
            cli->help = true;
            return LOCKSTEP_OK;
        } else if (!only_files && !strncmp(arg, "--", 2)) {
            if ((status = take(cli, command, argc, argv, &i, &seen, err)))
                return status;
        } else if ((!only_files && arg[0] == '-' && command != CLI_GRAPH) || !place(cli, command, argv, arg)) {
            return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: unexpected argument (options begin with --)", arg);
        }
    }
    if (command & (CLI_EVAL | CLI_PREDICT) && !cli->file)
        return ls_fail(err, LOCKSTEP_E_USAGE, "no file: expected the saved model to read (lockstep train --save FILE)");
    if (command == CLI_GRAPH && !cli->file)
        return ls_fail(err, LOCKSTEP_E_USAGE, "no text: expected a model text, a built-in name or a file with a text");
    return LOCKSTEP_OK;
}

/* The default of an option in parentheses, nothing where it is empty. */
static void print_default(const struct cli *cli, const struct option *o)
{
    const void *at = (const char *)cli + o->offset;

    if ((o->kind == TEXT || o->kind == WORD) && *(const char *const *)at)
        printf(" (%s)", *(const char *const *)at);
    else if (o->kind == SIZE && *(const size_t *)at)
        printf(" (%zu)", *(const size_t *)at);
    else if (o->kind == UNSIGNED && *(const unsigned *)at)
        printf(" (%u)", *(const unsigned *)at);
    else if (o->kind == REAL || o->kind == POSITIVE)
        printf(" (%g)", *(const double *)at);
}

void cli_print_options(enum cli_command command)
{
    struct cli cli;

    defaults(&cli, command);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &table[i];
        char left[64];

        if (!(o->commands & command))
            continue;
        snprintf(left, sizeof left, "--%s %s", o->name, o->value);
        printf("  %-32s%s", left, o->help);
        print_default(&cli, o);
        putchar('\n');
    }
}
