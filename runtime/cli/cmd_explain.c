/* SPDX-License-Identifier: MIT
 * lockstep explain: a line for each op and phase of a training step, what it asks for, what the machine allows, what it
 * took; then what is not of an op, and the whole step. Names and texts of nodes hold no quotes or backslashes. */
#include "cli/args.h"

#include <stdio.h>
#include <string.h>

struct job {
    const struct cli *cli;
    struct lockstep_data *data;
    struct lockstep_model *model;
    struct lockstep_explained *e;
};

/* ---- the table ---- */

enum { NODE = 10, TEXT = 24 };

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static void print_head(const struct job *job)
{
    const struct lockstep_explained *e = job->e;
    const struct cli *cli = job->cli;

    printf("model %.*s%s, %zu parameters; data %s; batch %zu, shards %u, %zu rows between barriers; optimizer %s\n",
           (int)strcspn(cli->model, "\n"), cli->model, strchr(cli->model, '\n') ? "..." : "",
           lockstep_model_parameters(job->model), cli->data, e->batch, lockstep_model_shards(job->model), e->block,
           cli->recipe.optimizer);
    printf("isa %s (%s), threads %u (%s): FMA peak %.1f GFLOP/s; reads L1 %.0f, L2 %.0f, L3 %.0f, DRAM %.0f, the data "
           "%.0f GB/s\n",
           lockstep_model_isa(job->model), e->start.isa_why, lockstep_model_threads(job->model), e->start.threads_why,
           e->start.peak_gflops, e->memory[LOCKSTEP_L1].read, e->memory[LOCKSTEP_L2].read, e->memory[LOCKSTEP_L3].read,
           e->memory[LOCKSTEP_DRAM].read, e->data_read);
    cli_print_start(stdout, &e->start);
    if (!strcmp(e->start.barrier, "shared CPUs"))
        fputs(
            "\nthe threads share CPUs: one waits while another computes, so a work can take less than its roof, which "
            "is of all at once",
            stdout);
    printf("\n\n%-*s  %-*s  %-8s  %-24s  %-6s  %-7s  %-24s%3s%9s%8s  %-7s%9s%10s%8s%8s\n", NODE, "node", TEXT, "op",
           "phase", "kernel", "isa", "tile", "shared as", "by", "MFLOP", "MB", "roof", "roof us", "took us", "of roof",
           "of step");
}

/* As much of a text as a column shows. */
static void print_cut(const char *text, int width)
{
    const bool cut = strlen(text) > (size_t)width;
    const int shown = cut ? width - 2 : width;

    printf("%-*.*s%s  ", shown, shown, text, cut ? ".." : "");
}

/* `repeats`: the line before is of the same node. */
static void print_work(const struct lockstep_explained *e, const struct lockstep_work *w, bool repeats)
{
    const char *kernel = *w->kernel ? w->kernel : *w->node ? "plain C" : "";

    print_cut(repeats ? "" : w->node, NODE);
    print_cut(repeats ? "" : w->text, TEXT);
    printf("%-8s  %-24s  %-6s  %-7s  %-24s%3u", w->phase, kernel, w->isa, w->tile, w->how, w->threads);
    if (*w->node)
        printf("%9.2f%8.3f", w->flops_done * 1e-6, w->bytes * 1e-6);
    else
        printf("%9s%8s", "", "");
    if (w->roof_seconds > 0)
        printf("  %-7s%9.1f%10.1f%7.0f%%", w->roof, w->roof_seconds * 1e6, w->seconds * 1e6,
               percent(w->roof_seconds, w->seconds));
    else
        printf("  %-7s%9s%10.1f%8s", "", "", w->seconds * 1e6, "");
    printf("%7.1f%%\n", percent(w->seconds, e->step_seconds));
}

/* The works of nodes together. */
static void print_sum(const struct lockstep_explained *e)
{
    double bytes = 0, roof = 0, seconds = 0;

    for (const struct lockstep_work *w = e->work; w < e->work + e->works; w++)
        if (*w->node) {
            bytes += w->bytes;
            roof += w->roof_seconds;
            seconds += w->seconds;
        }
    printf("%-*s%9.2f%8.3f  %-7s%9.1f%10.1f%7.0f%%%7.1f%%\n", NODE + TEXT + 84, "sum of the ops", e->flops_done * 1e-6,
           bytes * 1e-6, "", roof * 1e6, seconds * 1e6, percent(roof, seconds), percent(seconds, e->step_seconds));
}

static void print_step(const struct lockstep_explained *e)
{
    const double s = e->plain_seconds;

    printf(
        "\nstep %.1f us, without the clocks %.1f us (medians of %zu each): %.0f samples/s, %.1f GFLOP/s, %.0f%% of the "
        "FMA peak",
        e->step_seconds * 1e6, s * 1e6, e->steps, (double)e->batch / s, e->flops_done / s * 1e-9,
        percent(e->flops_done / s * 1e-9, e->start.peak_gflops));
    if (e->flops_done < e->flops)
        printf("; %.1f of %.1f MFLOP left out", (e->flops - e->flops_done) * 1e-6, e->flops * 1e-6);
    putchar('\n');
}

static void print_table(const struct job *job)
{
    const struct lockstep_explained *e = job->e;

    print_head(job);
    for (const struct lockstep_work *w = e->work; w < e->work + e->works; w++) {
        if (!*w->node && !strcmp(w->phase, "waiting"))
            print_sum(e);
        print_work(e, w, w > e->work && *w->node && !strcmp(w->node, w[-1].node));
    }
    print_step(e);
}

/* The test part is small and gives the shape, so that a wrong text is seen at once. */
static enum lockstep_status prepare(struct job *job, struct lockstep_error *err)
{
    const struct cli *cli = job->cli;
    enum lockstep_status status;
    size_t channels, length, classes;

    if ((status = lockstep_data_open(cli->data, LOCKSTEP_TEST, &cli->options, &job->data, err)))
        return status;
    lockstep_data_shape(job->data, &channels, &length);
    classes = lockstep_data_classes(job->data);
    lockstep_data_free(job->data);
    job->data = NULL;
    status = lockstep_model_new(cli->model, channels, length, classes, &cli->recipe, &cli->options, &job->model, err);
    return status ? status : lockstep_data_open(cli->data, LOCKSTEP_TRAIN, &cli->options, &job->data, err);
}

enum lockstep_status cmd_explain(const struct cli *cli, struct lockstep_error *err)
{
    const double seconds = 1.0;
    struct job job = {.cli = cli};
    enum lockstep_status status = prepare(&job, err);

    if (!status)
        status = lockstep_explain(job.model, job.data, seconds, &job.e, err);
    if (!status && cli->json)
        cli_put_explained(stdout, cli, job.model, job.e, "\n");
    else if (!status)
        print_table(&job);
    lockstep_explained_free(job.e);
    lockstep_model_free(job.model);
    lockstep_data_free(job.data);
    return status;
}
