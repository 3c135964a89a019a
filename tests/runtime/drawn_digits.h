/* SPDX-License-Identifier: MIT
 * The first ROWS built-in digits as a data set, for a group of cmocka tests: the includer defines ROWS before. */
#ifndef DRAWN_DIGITS_H
#define DRAWN_DIGITS_H

#include <stdlib.h>

#include "data/data.h"

enum { SIDE = LS_DIGITS_SIDE };

static struct lockstep_data digits = {.rows = ROWS, .channels = SIDE, .length = SIDE, .classes = 10};

static int draw(void **state)
{
    (void)state;
    digits.x = malloc((size_t)ROWS * SIDE * SIDE);
    digits.label = malloc(ROWS);
    if (!digits.x || !digits.label)
        abort();
    for (size_t i = 0; i < ROWS; i++)
        digits.label[i] = ls_digits_draw(LOCKSTEP_TRAIN, i, digits.x + i * SIDE * SIDE);
    return 0;
}

static int free_digits(void **state)
{
    (void)state;
    free(digits.x);
    free(digits.label);
    return 0;
}

#endif
