/* SPDX-License-Identifier: MIT
 * A data set in memory: rows of bytes with a label each, and where it comes from. */
#ifndef LS_DATA_H
#define LS_DATA_H

#include "core/status.h"

/* x (rows, channels * length) bytes row-major; label (rows), each < classes. An image of 28 x 28: 28 channels of
 * length 28. */
struct lockstep_data {
    size_t rows, channels, length, classes;
    uint8_t *x;
    uint8_t *label;
};

/*
 * idx.c: read an image file (magic 0x00000803) and a label file (0x00000801) of MNIST's IDX form, each plain or gzip by
 * its first bytes, not by its name. Checked: magic, counts that agree, sizes (no overflow, as the file says), every
 * byte there and none left over, gzip CRC and length, labels < 10. E_DATA names file, place, expected, got. E_MEMORY.
 * On LOCKSTEP_OK *out owns x and label (ls_free); otherwise *out is zeroed.
 */
enum lockstep_status ls_idx_read(const char *images, const char *labels, struct lockstep_data *out,
                                 struct lockstep_error *err);

/*
 * idx.c: find the pair of one part in a folder: {train,t10k}-images-idx3-ubyte and -labels-idx1-ubyte (also with '.'
 * for the
 * '-' before idx), plain first, then .gz; and read it.
 */
enum lockstep_status ls_idx_open(const char *folder, enum lockstep_part part, struct lockstep_data *out,
                                 struct lockstep_error *err);

/* digits.c: rows of the built-in digits, 28 x 28, 10 classes. */
enum { LS_DIGITS_SIDE = 28, LS_DIGITS_TRAIN = LOCKSTEP_DIGITS_TRAIN, LS_DIGITS_TEST = LOCKSTEP_DIGITS_TEST };

/* Draw image number `row` of a part into x (28 * 28) and return its label. A pure function of (part, row). */
uint8_t ls_digits_draw(enum lockstep_part part, size_t row, uint8_t *x);

/* The whole part, drawn by `threads` threads. */
enum lockstep_status ls_digits_open(enum lockstep_part part, unsigned threads, struct lockstep_data *out,
                                    struct lockstep_error *err);

/* Are most pixels 0 wherever one looks? Of the first rows, six at a time, at most three quarters of the columns hold
 * another byte: then leaving out zeros pays. */
bool ls_data_sparse(const struct lockstep_data *d);

#endif
