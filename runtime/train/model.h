/* SPDX-License-Identifier: MIT
 * What stands behind struct lockstep_model. */
#ifndef LS_MODEL_H
#define LS_MODEL_H

#include "graph/graph.h"
#include "train/lr.h"
#include "train/reduce.h"
#include "train/step.h"

enum { LS_BATCH_MAX = 1 << 24 }; /* rows of a batch, at most */

struct lockstep_model {
    char *text; /* resolved: never a built-in's or a file's name */
    size_t channels, length;
    struct lockstep_recipe recipe;
    ls_lr_fn *lr_rule;
    struct ls_graph graph;
    struct ls_engine engine;
    const char *isa_why, *threads_why;
    struct ls_choice choice; /* of the way to reduce */
    enum ls_zero_skip { LS_ZERO_AUTO, LS_ZERO_ON, LS_ZERO_OFF } zero_skip;
    size_t verify; /* every so many steps of a training twice, 0: never */
    size_t steps;  /* updates so far */

    /* The batch of lockstep_set. */
    float *input, *loss;
    uint8_t *label, *hit;
    size_t rows;
    bool labelled, forwarded, differentiated; /* what holds for this batch */
};

/* Make room for a batch of rows. E_MEMORY. */
enum lockstep_status ls_model_resize(struct lockstep_model *m, size_t rows, struct lockstep_error *err);

/* How a training on a team of T goes. barrier_ns: measured now; told where the choice was made without one. */
struct lockstep_start ls_model_start(const struct lockstep_model *m, unsigned T, double barrier_ns, double peak_gflops);

/* Before rows of a data set are run: are terms with an input of 0 left out? */
void ls_model_choose_skip(struct lockstep_model *m, const struct lockstep_data *data);

/* Value or gradient of a node, as lockstep_get and lockstep_grad. */
enum lockstep_status ls_model_read(const struct lockstep_model *m, const struct ls_node *n, bool gradient,
                                   float *values, size_t count, struct lockstep_error *err);

/* Built-in text of a name, or NULL. */
const char *ls_builtin_model(const char *name);

/* The text of --model: text itself, a built-in name, or the contents of a file (E_USAGE). Owned by the caller
 * (ls_free). */
enum lockstep_status ls_model_text(const char *model, char **text, struct lockstep_error *err);

#endif
