/* SPDX-License-Identifier: MIT
 * lockstep: the program. Finds the command, parses its options, runs it, reports one line and the exit code. */
#include "cli/args.h"
#include "core/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *arguments, *help;
    enum cli_command command;
    enum lockstep_status (*run)(const struct cli *cli, struct lockstep_error *err);
} commands[] = {
    {"train", "[options]", "train a model; one line per epoch, then the digest of the weights", CLI_TRAIN, cmd_train},
    {"eval", "FILE [options]", "loss and accuracy of a saved model on the test part", CLI_EVAL, cmd_eval},
    {"predict", "FILE [options]", "label and probability of each row of the test part", CLI_PREDICT, cmd_predict},
    {"gradcheck", "[options]", "gradients against central differences: of every op, or of --model", CLI_GRADCHECK,
     cmd_gradcheck},
    {"graph", "TEXT|NAME|FILE [NAME=VALUE ...] [options]",
     "values and gradients of a computational graph, or shapes and sizes of a network", CLI_GRAPH, cmd_graph},
    {"explain", "[options]", "where the time of a training step goes: each op and phase beside what the machine allows",
     CLI_EXPLAIN, cmd_explain},
    {"info", "[options]", "this machine: CPU, threads, caches; FMA peak, clock and bandwidths as measured", CLI_INFO,
     cmd_info},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(void)
{
    puts("lockstep: trains neural networks on x86-64 CPUs; one answer on any schedule\n\nusage: lockstep COMMAND "
         "[options]");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s%s\n", commands[i].name, commands[i].help);
    puts("       lockstep COMMAND --help | --help | --version\n\n"
         "exit codes: 0 ok, 1 internal, 2 usage or model text, 3 data file, 4 saved file, 5 output not written,\n"
         "            6 CPU or environment, 7 memory, 8 loss not finite, 128+n signal n");
}

static enum lockstep_status run(int argc, char **argv, struct lockstep_error *err)
{
    const char *name = argc > 1 ? argv[1] : "", *names[COMMANDS], *near;
    enum lockstep_status status;
    struct cli cli;

    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        print_help();
        return LOCKSTEP_OK;
    }
    if (!strcmp(name, "--version")) {
        printf("lockstep %s\n", lockstep_version());
        return LOCKSTEP_OK;
    }
    for (const struct command *c = commands; c < commands + COMMANDS; c++) {
        if (strcmp(name, c->name))
            continue;
        if ((status = cli_parse(&cli, c->command, argc - 2, argv + 2, err)))
            return status;
        if (!cli.help)
            return c->run(&cli, err);
        printf("usage: lockstep %s %s\n%s\n", c->name, c->arguments, c->help);
        cli_print_options(c->command);
        return LOCKSTEP_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    near = ls_nearest(name, names, COMMANDS);
    if (near)
        return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: unknown command (did you mean %s?)", name, near);
    return ls_fail(
        err, LOCKSTEP_E_USAGE,
        "\"%.64s\": expected a command: train, eval, predict, gradcheck, graph, explain or info (see --help)", name);
}

/* Files must not get the numbers of standard streams: a closed one becomes /dev/null for reading, so writing to it
 * fails. */
static void reserve_standard_streams(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
        continue;
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct lockstep_error err = {0};
    enum lockstep_status status;
    bool failed;

    reserve_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* writing says what is wrong */
    signal(SIGXFSZ, SIG_IGN);
    status = run(argc, argv, &err);
    failed = ferror(stdout);
    errno = 0;
    if ((fclose(stdout) || failed) && !status)
        status = ls_fail(&err, LOCKSTEP_E_OUTPUT, "standard output: cannot be written: %s",
                         errno ? strerror(errno) : "an earlier write failed");
    if (status)
        fprintf(stderr, "lockstep: %s\n", err.text);
    return (int)status;
}
