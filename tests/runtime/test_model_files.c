/* SPDX-License-Identifier: MIT
 * Models saved and loaded through the public API, and files that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "small_model.h"

static char folder[] = "/tmp/lockstep-test-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void save_and_load(void **state)
{
    struct lockstep_model *m = ready_model(NULL), *l;
    float y[2][ROWS * CLASSES];
    char digest[2][33];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(lockstep_step(m, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_save_check(path, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_model_save(m, path, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_model_load(path, &(struct lockstep_options){.isa = "ref", .threads = 2}, &l, &err),
                     LOCKSTEP_OK);
    lockstep_model_digest(m, digest[0]);
    lockstep_model_digest(l, digest[1]);
    assert_string_equal(digest[0], digest[1]);
    assert_string_equal(lockstep_model_text(l), text);
    set_batch(l, ROWS);
    assert_int_equal(lockstep_forward(m, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_forward(l, NULL, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_get(m, "3", y[0], ROWS * CLASSES, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_get(l, "3", y[1], ROWS * CLASSES, &err), LOCKSTEP_OK);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    lockstep_model_free(m);
    lockstep_model_free(l);
}

static void save_errors(void **state)
{
    struct lockstep_model *m = ready_model(NULL);

    (void)state;
    assert_int_equal(lockstep_save_check("/nowhere/m.safetensors", &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(lockstep_model_save(m, "/nowhere/m.safetensors", &err), LOCKSTEP_E_OUTPUT);
    assert_non_null(strstr(err.text, "/nowhere/m.safetensors: "));
    lockstep_model_free(m);
}

static size_t read_file(char *out, size_t size)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, size, f);
    fclose(f);
    return n;
}

static void write_file(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Loading must fail as a checkpoint, name the file and say `part`. */
static void refuse_file(const char *part)
{
    struct lockstep_model *m = (struct lockstep_model *)1;

    assert_int_equal(lockstep_model_load(path, NULL, &m, &err), LOCKSTEP_E_CHECKPOINT);
    assert_null(m);
    assert_memory_equal(err.text, path, strlen(path));
    if (!strstr(err.text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, err.text);
}

/* A saved file with one piece of its header changed for another of the same length. */
static void refuse_change(const char *from, const char *to, const char *part)
{
    char bytes[8192], *at = NULL;
    struct lockstep_model *m = ready_model(NULL);
    size_t n;

    assert_int_equal(strlen(from), strlen(to));
    assert_int_equal(lockstep_model_save(m, path, &err), LOCKSTEP_OK);
    lockstep_model_free(m);
    n = read_file(bytes, sizeof bytes);
    for (size_t i = 0; i + strlen(from) <= n && !at; i++)
        at = memcmp(bytes + i, from, strlen(from)) ? NULL : bytes + i;
    if (!at)
        fail_msg("%s: not in the file", from);
    memcpy(at, to, strlen(to));
    write_file(bytes, n);
    refuse_file(part);
}

static void load_errors(void **state)
{
    char bytes[8192];
    struct lockstep_model *m;

    (void)state;
    write_file("this is no safetensors file at all", 34);
    refuse_file("");
    write_file("", 0);
    refuse_file("");
    refuse_change("linear(8)", "linear(9)", "tensor 1.weight: expected shape (9, 20), got (8, 20)");
    refuse_change("linear(8)", "liner (8)", "model text: line 1, column 11: expected an op, got \"liner\"");
    refuse_change("flatten | linear(8)", "flatten | softmax  ", "expected 2 tensors as in its model text, got 4");
    refuse_change("1.bias", "1.bios", "expected tensor 1.bias");
    refuse_change("lockstep-1", "lockstep-9", "expected the metadata of a model saved by lockstep");
    refuse_change("4,5", "4,6", "tensor 1.weight: expected shape (8, 24), got (8, 20)");
    write_file(bytes, read_file(bytes, sizeof bytes) - 4);
    refuse_file("");
    unlink(path);
    assert_int_equal(lockstep_model_load(path, NULL, &m, &err), LOCKSTEP_E_CHECKPOINT);
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(save_and_load),
        cmocka_unit_test(save_errors),
        cmocka_unit_test(load_errors),
    };

    unsetenv("LOCKSTEP_ISA");
    unsetenv("LOCKSTEP_CPU");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
