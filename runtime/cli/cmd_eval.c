/* SPDX-License-Identifier: MIT
 * lockstep eval, lockstep predict: a saved model on the test part of a data set. */
#include "cli/args.h"
#include "core/mem.h"

#include <stdio.h>

struct job {
    struct lockstep_model *model;
    struct lockstep_data *data;
};

static enum lockstep_status open_job(struct job *job, const struct cli *cli, struct lockstep_error *err)
{
    enum lockstep_status status = lockstep_model_load(cli->file, &cli->options, &job->model, err);

    return status ? status : lockstep_data_open(cli->data, LOCKSTEP_TEST, &cli->options, &job->data, err);
}

static void close_job(struct job *job)
{
    lockstep_model_free(job->model);
    lockstep_data_free(job->data);
}

enum lockstep_status cmd_eval(const struct cli *cli, struct lockstep_error *err)
{
    struct job job = {0};
    double loss, accuracy;
    enum lockstep_status status = open_job(&job, cli, err);

    if (!status)
        status = lockstep_evaluate(job.model, job.data, &loss, &accuracy, err);
    if (!status)
        printf("test_loss %.6f test_accuracy %.6f\n", loss, accuracy);
    close_job(&job);
    return status;
}

static enum lockstep_status predict(struct job *job, struct lockstep_error *err)
{
    size_t rows = lockstep_data_rows(job->data);
    uint8_t *label = ls_alloc(rows, sizeof *label, err);
    float *probability = label ? ls_alloc(rows, sizeof *probability, err) : NULL;
    enum lockstep_status status = LOCKSTEP_E_MEMORY;

    if (probability)
        status = lockstep_predict(job->model, job->data, label, probability, err);
    for (size_t i = 0; !status && i < rows; i++)
        printf("%u %.6f\n", label[i], (double)probability[i]);
    ls_free(label);
    ls_free(probability);
    return status;
}

enum lockstep_status cmd_predict(const struct cli *cli, struct lockstep_error *err)
{
    struct job job = {0};
    enum lockstep_status status = open_job(&job, cli, err);

    if (!status)
        status = predict(&job, err);
    close_job(&job);
    return status;
}
