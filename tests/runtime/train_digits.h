/* SPDX-License-Identifier: MIT
 * Built-in digits to train on and to test with, a net, recipes and models, for groups of cmocka tests. Include cmocka.h
 * first. */
#ifndef TRAIN_DIGITS_H
#define TRAIN_DIGITS_H

#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/model.h"

/* Of each digit only the middle lines, which keeps the plain C of ref short. */
enum { TRAIN = 2000, TEST = 500, SIDE = LS_DIGITS_SIDE, LINES = SIDE / 2, PIXELS = LINES * SIDE };

static const char net[] = "flatten | linear(20) | relu | linear(36) | sigmoid | linear(10)";

static struct lockstep_data train_part, test_part;

static inline struct lockstep_data draw(enum lockstep_part part, size_t rows)
{
    struct lockstep_data d = {.rows = rows, .channels = LINES, .length = SIDE, .classes = 10};
    uint8_t whole[SIDE * SIDE];

    d.x = malloc(rows * PIXELS);
    d.label = malloc(rows);
    if (!d.x || !d.label)
        abort();
    for (size_t i = 0; i < rows; i++) {
        d.label[i] = ls_digits_draw(part, i, whole);
        memcpy(d.x + i * PIXELS, whole + (SIDE - LINES) / 2 * SIDE, PIXELS);
    }
    return d;
}

static inline int open_data(void **state)
{
    (void)state;
    train_part = draw(LOCKSTEP_TRAIN, TRAIN);
    test_part = draw(LOCKSTEP_TEST, TEST);
    return 0;
}

static inline int free_data(void **state)
{
    (void)state;
    free(train_part.x);
    free(train_part.label);
    free(test_part.x);
    free(test_part.label);
    return 0;
}

static inline struct lockstep_recipe recipe_of(const char *optimizer)
{
    struct lockstep_recipe r;

    lockstep_recipe_init(&r);
    r.batch = 203; /* 2000 = 9 * 203 + 173 */
    r.epochs = 1;
    r.optimizer = optimizer;
    r.lr = 0.002;
    if (!strcmp(optimizer, "sgd")) {
        r.lr = 0.05;
        r.momentum = 0.9;
        r.nesterov = true;
    }
    r.weight_decay = !strcmp(optimizer, "adam") ? 0.0 : 0.01;
    return r;
}

static inline struct lockstep_model *model_of(const char *text, const struct lockstep_recipe *r, unsigned threads,
                                              const char *isa, const char *reduce)
{
    const struct lockstep_options o = {.threads = threads, .isa = isa, .reduce = reduce};
    struct lockstep_model *m;
    struct lockstep_error err;

    if (lockstep_model_new(text, LINES, SIDE, 10, r, &o, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

#endif
