/* SPDX-License-Identifier: MIT
 * What the gradient check is run on: the example of an op, a model text; the public function. */
#include "core/mem.h"
#include "graph/build.h"
#include "train/gradcheck.h"
#include "train/machine.h"
#include "train/model.h"

#include <string.h>

enum { SIDE = 28, CLASSES = 10, OP_ROWS = 11, MODEL_ROWS = 4 };

/* Can the model be built for this number of classes? */
static bool builds(const struct ls_check_model *m, size_t classes, struct lockstep_error *err)
{
    struct ls_graph g;

    if (ls_graph_build(m->text, m->channels, m->length, classes, &g, err))
        return false;
    ls_graph_free(&g);
    return true;
}

/* The first number of classes, or 0 for none, that the text fits. */
static bool find_classes(struct ls_check_model *m, size_t first)
{
    struct lockstep_error err;

    for (m->classes = first; m->classes <= LS_CLASSES; m->classes++)
        if (builds(m, m->classes, &err))
            return true;
    return false;
}

enum lockstep_status ls_gradcheck_op(struct ls_check *check, const struct ls_op *op, struct lockstep_error *err)
{
    struct ls_check_model m = {
        .name = op->name, .text = op->example, .channels = 1, .length = 1, .rows = OP_ROWS, .every_node = true};

    ls_graph_reads_data(m.text, &m.channels, &m.length, &m.classes);
    if (!find_classes(&m, 0))
        m.classes = 0; /* for the error */
    return ls_gradcheck(check, &m, NULL, err);
}

enum lockstep_status ls_gradcheck_text(struct ls_check *check, const char *name, const char *text,
                                       struct lockstep_check_cost *cost, struct lockstep_error *err)
{
    struct ls_check_model m = {
        .name = name, .text = text, .channels = SIDE, .length = SIDE, .classes = CLASSES, .rows = MODEL_ROWS};

    ls_graph_reads_data(text, &m.channels, &m.length, &m.classes);
    if (!builds(&m, m.classes, err) && !find_classes(&m, 1))
        m.classes = CLASSES; /* for the error */
    return ls_gradcheck(check, &m, cost, err);
}

static enum lockstep_status check_model(struct ls_check *check, const char *model, struct lockstep_check_cost *cost,
                                        struct lockstep_error *err)
{
    char *text;
    enum lockstep_status s = ls_model_text(model, &text, err);

    if (!s)
        s = ls_gradcheck_text(check, strcmp(text, model) ? model : "model", text, cost, err);
    ls_free(text);
    return s;
}

static enum lockstep_status check_ops(struct ls_check *check, struct lockstep_error *err)
{
    for (size_t i = 0; ls_ops[i]; i++)
        if (ls_gradcheck_op(check, ls_ops[i], err))
            return err->status;
    return LOCKSTEP_OK;
}

enum lockstep_status lockstep_gradcheck(const char *model, uint32_t seed, const struct lockstep_options *options,
                                        lockstep_checked_fn *tensor, void *user, struct lockstep_check_cost *cost,
                                        struct lockstep_error *err)
{
    struct ls_check check = {.seed = seed, .tensor = tensor, .user = user};
    struct lk_table table;
    enum lockstep_status s;
    unsigned host_fpenv;

    if (ls_machine_table(options, &table, err) || ls_threads(options, &check.threads, err))
        return err->status;
    check.kernels = &table;
    host_fpenv = lk_fpenv_enter(); /* the answer does not depend on how the caller rounds */
    s = model ? check_model(&check, model, cost, err) : check_ops(&check, err);
    lk_fpenv_leave(host_fpenv);
    if (!s && check.failed)
        *err = check.first;
    return !s && check.failed ? err->status : s;
}
