/* SPDX-License-Identifier: MIT
 * A pass over all rows of a data set: forward, loss and hit of each row. */
#ifndef LS_EVALUATE_H
#define LS_EVALUATE_H

#include "data/data.h"
#include "train/model.h"

/* Losses and hits in row order. */
struct ls_pass {
    const struct lockstep_data *data;
    uint32_t *index; /* 0, 1, 2, ... */
    float *loss;
    uint8_t *hit;
};

/* E_MEMORY; ls_pass_free in any case. */
enum lockstep_status ls_pass_alloc(struct ls_pass *p, const struct lockstep_data *data, struct lockstep_error *err);
void ls_pass_free(struct ls_pass *p);

/* Run this worker's span of the rows; no barrier. `done` as in ls_forward_rows. */
void ls_pass_run(struct ls_engine *e, struct ls_worker *w, const struct ls_pass *p, ls_chunk_fn *done, void *user);

/* Mean loss, summed in double in row order, and fraction of hits. */
void ls_pass_sum(const struct ls_pass *p, double *loss, double *accuracy);

/* Rows of a data set as a source, chosen by index. */
struct ls_source ls_data_source(const struct lockstep_data *d, const uint32_t *index, size_t rows);

/* Does a data set fit the model? E_USAGE. */
enum lockstep_status ls_data_check(const struct lockstep_model *m, const struct lockstep_data *d,
                                   struct lockstep_error *err);

#endif
