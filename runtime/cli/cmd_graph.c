/* SPDX-License-Identifier: MIT
 * lockstep graph: values and gradients of a computational graph, or shapes and sizes of a network; as a table, JSON or
 * a drawing. Names and texts of nodes hold no quotes or backslashes: the model text has none. */
#include "cli/args.h"
#include "cli/tensor.h"
#include "core/mem.h"

#include <stdio.h>
#include <string.h>

enum { CELL = 256, SMALL = 12, TEXT_WIDTH = 40 };

struct graph {
    struct lockstep_model *model;
    bool network;        /* reads data: has no values here */
    float *value, *grad; /* of one node at a time */
};

/* ---- build ---- */

static enum lockstep_status new_graph(struct graph *g, const struct cli *cli, const struct lockstep_value *value,
                                      struct lockstep_error *err)
{
    const struct lockstep_options options = {.threads = 1, .isa = cli->options.isa};
    struct lockstep_recipe one_row;
    size_t channels = 28, length = 28, classes = 10;

    g->network = lockstep_text_reads_data(cli->file, &channels, &length, &classes);
    if (!g->network)
        return lockstep_graph_new(cli->file, value, cli->values, &options, &g->model, err);
    if (cli->values)
        return ls_fail(
            err, LOCKSTEP_E_USAGE,
            "%s: expected no values with a text that reads data, got one (input and label come from the data)",
            value->name);
    lockstep_recipe_init(&one_row);
    one_row.batch = 1;
    return lockstep_model_new(cli->file, channels, length, classes, &one_row, &options, &g->model, err);
}

/* The values of the command line. */
static enum lockstep_status bind(struct graph *g, const struct cli *cli, struct lockstep_error *err)
{
    struct lockstep_value *value = ls_alloc(cli->values, sizeof *value, err);
    char **block = ls_alloc(cli->values, sizeof *block, err);
    enum lockstep_status status = value && block ? LOCKSTEP_OK : LOCKSTEP_E_MEMORY;

    for (size_t i = 0; !status && i < cli->values; i++)
        status = tensor_parse(cli->value[i], &value[i], &block[i], err);
    if (!status)
        status = new_graph(g, cli, value, err);
    for (size_t i = 0; block && i < cli->values; i++)
        ls_free(block[i]);
    ls_free(block);
    ls_free(value);
    return status;
}

static struct lockstep_node node_at(const struct graph *g, size_t i)
{
    struct lockstep_node n;

    lockstep_node_at(g->model, i, &n);
    return n;
}

static size_t count_of(const struct lockstep_node *n)
{
    return n->rank > 1 ? n->shape[0] * n->shape[1] : n->shape[0];
}

/* Room for the largest node; forward and backward. */
static enum lockstep_status compute(struct graph *g, struct lockstep_error *err)
{
    size_t most = 1;

    for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
        const struct lockstep_node n = node_at(g, i);

        most = count_of(&n) > most ? count_of(&n) : most;
    }
    g->value = ls_alloc(most, sizeof *g->value, err);
    g->grad = g->value ? ls_alloc(most, sizeof *g->grad, err) : NULL;
    return g->grad ? lockstep_backward(g->model, NULL, err) : LOCKSTEP_E_MEMORY;
}

/* Node i with g->value and g->grad. */
static enum lockstep_status read_node(struct graph *g, size_t i, struct lockstep_node *n, struct lockstep_error *err)
{
    enum lockstep_status status;

    *n = node_at(g, i);
    status = lockstep_node_get(g->model, i, g->value, count_of(n), err);
    return status ? status : lockstep_node_grad(g->model, i, g->grad, count_of(n), err);
}

static void print_shape(FILE *f, const struct lockstep_node *n)
{
    fprintf(f, n->rank > 1 ? "(%zu, %zu)" : "(%zu)", n->shape[0], n->shape[1]);
}

/* Values as text where they are few, else the shape. */
static void fill_cell(char cell[CELL], const struct lockstep_node *n, const float *values)
{
    FILE *f = fmemopen(cell, CELL, "w");

    cell[0] = 0;
    if (!f)
        return;
    if (count_of(n) <= SMALL)
        tensor_print(f, false, n->rank, n->shape, values);
    else
        print_shape(f, n);
    fclose(f);
}

static int wider(int width, const char *text, int most)
{
    const int n = strlen(text) < (size_t)most ? (int)strlen(text) : most;

    return n > width ? n : width;
}

/* ---- a graph with values ---- */

static enum lockstep_status value_table(struct graph *g, struct lockstep_error *err)
{
    int name = 4, value = 5;

    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            printf("%-*s  %-*s  gradient\n", name, "name", value, "value");
        for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
            struct lockstep_node n;
            char cell[2][CELL];

            if (read_node(g, i, &n, err))
                return err->status;
            fill_cell(cell[0], &n, g->value);
            fill_cell(cell[1], &n, g->grad);
            name = wider(name, n.name, CELL);
            value = wider(value, cell[0], CELL);
            if (pass)
                printf("%-*s  %-*s  %s\n", name, n.name, value, cell[0], cell[1]);
        }
    }
    return LOCKSTEP_OK;
}

static enum lockstep_status value_json(struct graph *g, struct lockstep_error *err)
{
    for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
        struct lockstep_node n;

        if (read_node(g, i, &n, err))
            return err->status;
        printf("%s\n  {\"name\": \"%s\", \"value\": ", i ? "," : "[", n.name);
        tensor_print(stdout, true, n.rank, n.shape, g->value);
        printf(", \"grad\": ");
        tensor_print(stdout, true, n.rank, n.shape, g->grad);
        putchar('}');
    }
    puts("\n]");
    return LOCKSTEP_OK;
}

/* Value and gradient of a node on the arrow to one that reads it. */
static enum lockstep_status value_arrow(struct graph *g, size_t from, const char *to, struct lockstep_error *err)
{
    struct lockstep_node n;
    char cell[2][CELL];

    if (read_node(g, from, &n, err))
        return err->status;
    fill_cell(cell[0], &n, g->value);
    fill_cell(cell[1], &n, g->grad);
    printf("  n%zu -> %s [label=\"%s\\n%s\"];\n", from, to, cell[0], cell[1]);
    return LOCKSTEP_OK;
}

static enum lockstep_status shape_arrow(struct graph *g, size_t from, const char *to)
{
    const struct lockstep_node n = node_at(g, from);

    printf("  n%zu -> %s [label=\"", from, to);
    print_shape(stdout, &n);
    puts("\"];");
    return LOCKSTEP_OK;
}

static enum lockstep_status arrow(struct graph *g, size_t from, const char *to, struct lockstep_error *err)
{
    return g->network ? shape_arrow(g, from, to) : value_arrow(g, from, to, err);
}

/* Values are words, ops are circles with the name that the text gives them. */
static enum lockstep_status drawing(struct graph *g, struct lockstep_error *err)
{
    puts("digraph lockstep {\n  rankdir=LR;");
    for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
        const struct lockstep_node n = node_at(g, i);
        const bool named = strcmp(n.name, n.text) != 0;
        char to[32];

        if (n.inputs)
            printf("  n%zu [label=\"%s%s%s\"];\n", i, g->network ? n.text : n.op, named ? "\\n" : "",
                   named ? n.name : "");
        else
            printf("  n%zu [label=\"%s\", shape=plaintext];\n", i, n.name);
        snprintf(to, sizeof to, "n%zu", i);
        for (size_t k = 0; k < n.inputs; k++)
            if (arrow(g, n.input[k], to, err))
                return err->status;
        snprintf(to, sizeof to, "out%zu", i);
        if (n.objective) {
            printf("  %s [label=\"\", shape=none];\n", to);
            if (arrow(g, i, to, err))
                return err->status;
        }
    }
    puts("}");
    return LOCKSTEP_OK;
}

/* ---- a network ---- */

static void network_table(const struct graph *g)
{
    int name = 5, text = 2;
    size_t parameters = 0, flops = 0;

    for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
        const struct lockstep_node n = node_at(g, i);

        name = wider(name, n.name, TEXT_WIDTH);
        text = wider(text, n.text, TEXT_WIDTH);
        parameters += n.parameters;
        flops += n.flops;
    }
    printf("%-*s  %-*s  %-14s%12s%16s\n", name, "node", text, "op", "output", "parameters", "FLOPs of a row");
    for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
        const struct lockstep_node n = node_at(g, i);
        char shape[32];

        snprintf(shape, sizeof shape, n.rank > 1 ? "(%zu, %zu)" : "(%zu)", n.shape[0], n.shape[1]);
        printf("%-*s  %-*.*s  %-14s%12zu%16zu\n", name, n.name, text, TEXT_WIDTH, n.text, shape, n.parameters, n.flops);
    }
    printf("%-*s  %-*s  %-14s%12zu%16zu\n", name, "total", text, "", "", parameters, flops);
}

static void network_json(const struct graph *g)
{
    for (size_t i = 0; i < lockstep_nodes(g->model); i++) {
        const struct lockstep_node n = node_at(g, i);

        printf("%s\n  {\"name\": \"%s\", \"text\": \"%s\", \"op\": \"%s\", \"shape\": [%zu", i ? "," : "[", n.name,
               n.text, n.op, n.shape[0]);
        if (n.rank > 1)
            printf(", %zu", n.shape[1]);
        printf("], \"parameters\": %zu, \"flops\": %zu, \"inputs\": [", n.parameters, n.flops);
        for (size_t k = 0; k < n.inputs; k++)
            printf("%s%zu", k ? ", " : "", n.input[k]);
        printf("]}");
    }
    puts("\n]");
}

static enum lockstep_status show(struct graph *g, const struct cli *cli, struct lockstep_error *err)
{
    if (cli->dot)
        return drawing(g, err);
    if (!g->network)
        return cli->json ? value_json(g, err) : value_table(g, err);
    if (cli->json)
        network_json(g);
    else
        network_table(g);
    return LOCKSTEP_OK;
}

enum lockstep_status cmd_graph(const struct cli *cli, struct lockstep_error *err)
{
    struct graph g = {0};
    enum lockstep_status status;

    if (cli->json && cli->dot)
        return ls_fail(err, LOCKSTEP_E_USAGE, "--dot: expected without --json");
    status = bind(&g, cli, err);
    if (!status && !g.network)
        status = compute(&g, err);
    if (!status)
        status = show(&g, cli, err);
    lockstep_model_free(g.model);
    ls_free(g.value);
    ls_free(g.grad);
    return status;
}
