/* SPDX-License-Identifier: MIT
 * A fresh folder for each test, a file in it, and a small model to save there, for groups of cmocka tests. Include
 * cmocka.h first. */
#ifndef TENSOR_FILES_H
#define TENSOR_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/tensors.h"

static char folder[64], file[96];

static inline int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_tensors_XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/m", folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder); /* fails, and so does the test, when a temporary file is left */
}

/* ---- files as byte strings ---- */

struct bytes {
    unsigned char *at;
    size_t n;
};

static inline struct bytes slurp(void)
{
    FILE *f = fopen(file, "rb");
    struct bytes b;
    struct stat st;

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    b.n = (size_t)st.st_size;
    b.at = malloc(b.n + 1);
    assert_non_null(b.at);
    assert_int_equal(fread(b.at, 1, b.n, f), b.n);
    fclose(f);
    return b;
}

static inline void spill(const void *at, size_t n)
{
    FILE *f = fopen(file, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(at, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* ---- a small model ---- */

static float weight[6] = {1, -2, 0.5f, -0.0f, 1e-40f, 3.4e38f}, bias[3] = {7, 8, 9}, scale[1] = {-1};

static const struct ls_tensor small[] = {
    {"0.weight", 2, {3, 2}, weight}, {"0.bias", 1, {3}, bias}, {"scale", 0, {0}, scale}};
static const struct ls_meta meta[] = {{"format", "pt"}, {"lockstep.model", "linear(3) | relu\n# \"x\""}};
enum { N = 3, METAS = 2 };

static inline void save_small(void)
{
    struct lockstep_error err = {0};

    if (ls_tensors_save(file, small, N, meta, METAS, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

#endif
