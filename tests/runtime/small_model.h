/* SPDX-License-Identifier: MIT
 * A small model and a batch for it, through the public API, for groups of cmocka tests. Include cmocka.h first. */
#ifndef SMALL_MODEL_H
#define SMALL_MODEL_H

#include <lockstep.h>

enum { CHANNELS = 4, LENGTH = 5, FEATURES = CHANNELS * LENGTH, CLASSES = 3, ROWS = 12, HIDDEN = 8 };

static const char text[] = "flatten | linear(8) | relu | linear(3)";

static struct lockstep_error err;

static inline float number(unsigned i)
{
    return (float)((i * 2654435761u >> 8) & 0xffff) / 32768.0f - 1.0f;
}

static inline struct lockstep_model *model_with(const struct lockstep_recipe *r, const struct lockstep_options *o)
{
    struct lockstep_model *m;

    if (lockstep_model_new(text, CHANNELS, LENGTH, CLASSES, r, o, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

static inline void set_batch(struct lockstep_model *m, size_t rows)
{
    float x[ROWS * FEATURES], label[ROWS];

    for (unsigned i = 0; i < ROWS * FEATURES; i++)
        x[i] = number(i + 1);
    for (unsigned i = 0; i < ROWS; i++)
        label[i] = (float)(i % CLASSES);
    assert_int_equal(lockstep_set(m, "input", x, rows * FEATURES, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_set(m, "label", label, rows, &err), LOCKSTEP_OK);
}

static inline struct lockstep_model *ready_model(const struct lockstep_options *o)
{
    struct lockstep_model *m = model_with(NULL, o);

    set_batch(m, ROWS);
    return m;
}

#endif
