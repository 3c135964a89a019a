/* SPDX-License-Identifier: MIT
 * The record of a step as JSON: of explain --json on lines, of train --metrics on one. Names and texts of nodes hold no
 * quotes or backslashes. */
#include "cli/args.h"

/* `, "name": value`; what was not measured is null. */
static void put_seconds(FILE *f, const char *name, double seconds, bool measured)
{
    if (measured)
        fprintf(f, ", \"%s\": %.6g", name, seconds);
    else
        fprintf(f, ", \"%s\": null", name);
}

static void put_work(FILE *f, const struct lockstep_work *w, bool timed)
{
    const bool share = timed && w->roof_seconds > 0 && w->seconds > 0;

    fprintf(f,
            "{\"node\": \"%s\", \"text\": \"%s\", \"phase\": \"%s\", \"kernel\": \"%s\", \"isa\": \"%s\", \"tile\": "
            "\"%s\", \"how\": \"%s\", \"threads\": %u, ",
            w->node, w->text, w->phase, w->kernel, w->isa, w->tile, w->how, w->threads);
    fprintf(f, "\"flops\": %.17g, \"flops_done\": %.17g, \"bytes\": %.17g, \"roof\": \"%s\", \"roof_seconds\": %.6g",
            w->flops, w->flops_done, w->bytes, w->roof, w->roof_seconds);
    put_seconds(f, "seconds", w->seconds, timed);
    put_seconds(f, "roof_share", share ? w->roof_seconds / w->seconds : 0, share);
    putc('}', f);
}

static void put_memory(FILE *f, const struct lockstep_explained *e)
{
    static const char *const level[LOCKSTEP_LEVELS] = {"L1", "L2", "L3", "DRAM"};
    const char *comma = "";

    fputs("\"memory\": {", f);
    for (int i = 0; i < LOCKSTEP_LEVELS; i++) {
        const struct lockstep_bandwidth *b = &e->memory[i];

        if (!(b->read > 0))
            continue;
        fprintf(f, "%s\"%s\": {\"read\": %.6g, \"write\": %.6g, \"copy\": %.6g, \"update\": %.6g}", comma, level[i],
                b->read, b->write, b->copy, b->update);
        comma = ", ";
    }
    fprintf(f, "}, \"data_read\": %.6g", e->data_read);
}

static void put_run(FILE *f, const struct cli *cli, const struct lockstep_model *m, const struct lockstep_explained *e,
                    const char *newline)
{
    const struct lockstep_start *s = &e->start;

    fprintf(f,
            "{\"record\": \"explain\", \"isa\": \"%s\", \"isa_why\": \"%s\", \"threads\": %u, \"threads_why\": \"%s\", "
            "\"batch\": %zu, \"shards\": %u, \"block\": %zu, \"optimizer\": \"%s\",%s ",
            lockstep_model_isa(m), s->isa_why, lockstep_model_threads(m), s->threads_why, e->batch,
            lockstep_model_shards(m), e->block, cli->recipe.optimizer, newline);
    fprintf(f,
            "\"reduce\": \"%s\", \"reduce_why\": \"%s\", \"barrier\": \"%s\", \"barrier_ns\": %.6g, \"zero_skip\": %s, "
            "\"peak_gflops\": %.6g,%s ",
            s->reduce, s->reduce_why, s->barrier, s->barrier_ns, s->zero_skip ? "true" : "false", s->peak_gflops,
            newline);
}

void cli_put_explained(FILE *f, const struct cli *cli, const struct lockstep_model *m,
                       const struct lockstep_explained *e, const char *newline)
{
    put_run(f, cli, m, e, newline);
    put_memory(f, e);
    fprintf(f, ",%s \"steps\": %zu", newline, e->steps);
    put_seconds(f, "step_seconds", e->step_seconds, e->steps);
    put_seconds(f, "plain_seconds", e->plain_seconds, e->plain_seconds > 0);
    fprintf(f, ", \"flops\": %.17g, \"flops_done\": %.17g,%s \"work\": [", e->flops, e->flops_done, newline);
    for (size_t i = 0; i < e->works; i++) {
        fprintf(f, "%s%s ", i ? "," : "", newline);
        put_work(f, &e->work[i], e->steps);
    }
    fprintf(f, "%s]}\n", newline);
}
