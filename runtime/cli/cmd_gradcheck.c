/* SPDX-License-Identifier: MIT
 * lockstep gradcheck: a line for each tensor checked, and what numerical differentiation of the whole model would take.
 */
#include "cli/args.h"

#include <stdio.h>

struct caller {
    const char *first; /* name of the first column */
    bool told;         /* the names of the columns are printed */
};

static void shape_text(const struct lockstep_checked *t, char text[80])
{
    size_t at = 0;

    for (size_t i = 0; i < t->rank; i++)
        at += (size_t)snprintf(text + at, 80 - at, "%s%zu", i ? ", " : "(", t->shape[i]);
    snprintf(text + at, 80 - at, ")");
}

static void print_tensor(void *user, const struct lockstep_checked *t)
{
    struct caller *caller = user;
    char shape[80];

    if (!caller->told)
        printf("%-32s %-24s %-9s%-20s%9s%10s%10s\n", caller->first, "tensor", "", "shape", "checked", "error",
               "allowed");
    caller->told = true;
    shape_text(t, shape);
    printf("%-32s %-24s %-9s%-20s%9zu%10.1e%10.1e  %s\n", t->model, t->tensor, t->gradient ? "gradient" : "value",
           shape, t->checked, t->error, t->tolerance, t->ok ? "ok" : "FAIL");
}

enum lockstep_status cmd_gradcheck(const struct cli *cli, struct lockstep_error *err)
{
    struct caller caller = {.first = cli->model ? "model" : "op"};
    struct lockstep_check_cost cost = {0};
    enum lockstep_status status;

    status = lockstep_gradcheck(cli->model, cli->recipe.seed, &cli->options, print_tensor, &caller, &cost, err);
    if (cost.parameters)
        printf("differences of all %zu parameters: %.3g s, %.0f times the %.3g s of one forward and backward (one "
               "thread)\n",
               cost.parameters, cost.differences_seconds, cost.differences_seconds / cost.backward_seconds,
               cost.backward_seconds);
    return status;
}
