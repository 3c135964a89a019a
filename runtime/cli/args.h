/* SPDX-License-Identifier: MIT
 * The command line: one table of options for all commands, and the commands. Nothing here reads data or touches a file.
 */
#ifndef LS_ARGS_H
#define LS_ARGS_H

#include "core/status.h"

#include <stdio.h>

enum cli_command {
    CLI_TRAIN = 1,
    CLI_EVAL = 2,
    CLI_PREDICT = 4,
    CLI_INFO = 8,
    CLI_GRAPH = 16,
    CLI_GRADCHECK = 32,
    CLI_EXPLAIN = 64
};

/* Every value that can be given; the strings are borrowed from argv. */
struct cli {
    bool help;
    const char *file; /* the saved model of eval and predict, the text of graph */
    char **value;     /* of graph: NAME=VALUE */
    size_t values;
    bool json, dot;
    const char *model, *data, *save, *metrics;
    struct lockstep_recipe recipe;
    struct lockstep_options options;
};

/*
 * Fill *cli with the defaults, then with argv[0..argc), what follows the name of the command. E_USAGE names the option,
 * its legal values and what was given.
 */
enum lockstep_status cli_parse(struct cli *cli, enum cli_command command, int argc, char **argv,
                               struct lockstep_error *err);

/* Print the options of a command with their defaults. */
void cli_print_options(enum cli_command command);

/* The commands. Results go to stdout; main reports the error. */
enum lockstep_status cmd_train(const struct cli *cli, struct lockstep_error *err);
enum lockstep_status cmd_eval(const struct cli *cli, struct lockstep_error *err);
enum lockstep_status cmd_predict(const struct cli *cli, struct lockstep_error *err);
enum lockstep_status cmd_graph(const struct cli *cli, struct lockstep_error *err);
enum lockstep_status cmd_info(const struct cli *cli, struct lockstep_error *err);
enum lockstep_status cmd_gradcheck(const struct cli *cli, struct lockstep_error *err);
enum lockstep_status cmd_explain(const struct cli *cli, struct lockstep_error *err);

/* cmd_train.c: how the gradients are added and why, without the end of the line. */
void cli_print_start(FILE *f, const struct lockstep_start *s);

/* explained.c: the record of a step as one JSON object; newline: "\n", or "" for one line. */
void cli_put_explained(FILE *f, const struct cli *cli, const struct lockstep_model *m,
                       const struct lockstep_explained *e, const char *newline);

#endif
