/* SPDX-License-Identifier: MIT
 * safetensors that cannot be written, or are only written whole: folders, limits, what others left, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>

#include "tensor_files.h"

static void expect_unwritable(const char *path, const char *line)
{
    struct lockstep_error err = {0};

    assert_int_equal(ls_tensors_save(path, small, N, meta, METAS, &err), LOCKSTEP_E_OUTPUT);
    assert_string_equal(err.text, line);
    err.text[0] = '\0';
    assert_int_equal(ls_tensors_save_check(path, &err), LOCKSTEP_E_OUTPUT);
    assert_string_equal(err.text, line);
}

static void test_unwritable(void **state)
{
    char path[512], line[700];

    (void)state;
    expect_unwritable("/no/such/m", "/no/such/m: cannot write: its folder does not exist (create the folder first)");
    expect_unwritable("", ": cannot write: it is a folder (give a file name)");
    expect_unwritable("/tmp", "/tmp: cannot write: it is a folder (give a file name)");
    expect_unwritable("/tmp/", "/tmp/: cannot write: it is a folder (give a file name)");
    expect_unwritable("/", "/: cannot write: it is a folder (give a file name)");
    expect_unwritable("..", "..: cannot write: it is a folder (give a file name)");
    expect_unwritable("/dev/null", "/dev/null: cannot write: it is not a regular file (give another name)");
    expect_unwritable("/dev/null/m", "/dev/null/m: cannot write: a part of the path is not a folder (check the path)");
    snprintf(path, sizeof path, "%s/%0250d", folder, 0);
    snprintf(line, sizeof line, "%0200d: cannot write: the name is too long (use a shorter one)", 0);
    expect_unwritable(path, line);
    if (geteuid() != 0) {
        assert_int_equal(chmod(folder, 0500), 0);
        snprintf(line, sizeof line,
                 "%s: cannot write: permission denied (check the rights of the folder or save elsewhere)", file);
        expect_unwritable(file, line);
        assert_int_equal(chmod(folder, 0700), 0);
    }
}

static void test_save_check(void **state)
{
    struct lockstep_error err;
    struct bytes b;

    (void)state;
    assert_int_equal(ls_tensors_save_check(file, &err), LOCKSTEP_OK);
    assert_int_equal(access(file, F_OK), -1);
    spill("old", 3);
    assert_int_equal(ls_tensors_save_check(file, &err), LOCKSTEP_OK);
    b = slurp();
    assert_int_equal(b.n, 3);
    free(b.at);
}

static void test_relative_path(void **state)
{
    char before[4096];
    struct lockstep_error err;

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(ls_tensors_save("m", small, N, meta, METAS, &err), LOCKSTEP_OK);
    assert_int_equal(ls_tensors_save_check("./m", &err), LOCKSTEP_OK);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(access(file, F_OK), 0);
}

static void test_file_size_limit(void **state)
{
    struct rlimit old, tight = {.rlim_cur = 90}; /* the file would have 96 bytes */
    struct lockstep_error err = {0};
    struct ls_tensors t;
    struct bytes a, b;
    enum lockstep_status status;
    char line[200];

    (void)state;
    save_small();
    a = slurp();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    status = ls_tensors_save(file, small, 1, NULL, 0, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);

    assert_int_equal(status, LOCKSTEP_E_OUTPUT);
    snprintf(line, sizeof line, "%s: cannot write: file size limit reached (raise it (ulimit -f) or save elsewhere)",
             file);
    assert_string_equal(err.text, line);
    b = slurp();
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.at, b.at, a.n);
    free(a.at);
    free(b.at);
    assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_OK);
    ls_tensors_free(&t);
}

/* What a killed process with our number left behind does no harm, until there is too much of it. */
static void test_stale_temporaries(void **state)
{
    char path[16][128], line[200];

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        int fd;

        if (i == 0)
            snprintf(path[i], sizeof path[i], "%s.tmp.%ld", file, (long)getpid());
        else
            snprintf(path[i], sizeof path[i], "%s.tmp.%ld.%u", file, (long)getpid(), i + 1);
        save_small();
        fd = open(path[i], O_CREAT | O_EXCL | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    snprintf(line, sizeof line,
             "%s: cannot write: old temporary files are in the way (remove the files *.tmp.* beside it)", file);
    expect_unwritable(file, line);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(unlink(path[i]), 0); /* still there: not ours to remove */
}

static void test_closed_standard_files(void **state)
{
    struct lockstep_error err;
    int saved = dup(STDIN_FILENO);
    enum lockstep_status status;

    (void)state;
    close(STDIN_FILENO);
    status = ls_tensors_save(file, small, N, meta, METAS, &err);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
    assert_int_equal(status, LOCKSTEP_OK);
}

static void test_bad_names_to_save(void **state)
{
    static const struct ls_tensor twice[] = {{"a", 0, {0}, scale}, {"a", 0, {0}, scale}},
                                  latin1[] = {{"\xf6", 0, {0}, scale}}, empty[] = {{"", 0, {0}, scale}},
                                  reserved[] = {{"__metadata__", 0, {0}, scale}},
                                  huge[] = {{"a", 2, {SIZE_MAX, 2}, scale}};
    static const struct ls_meta bad_value[] = {{"k", "\xff"}}, twice_key[] = {{"k", "1"}, {"k", "2"}};
    struct lockstep_error err;

    (void)state;
    assert_int_equal(ls_tensors_save(file, twice, 2, NULL, 0, &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(ls_tensors_save(file, latin1, 1, NULL, 0, &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(ls_tensors_save(file, empty, 1, NULL, 0, &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(ls_tensors_save(file, reserved, 1, NULL, 0, &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(ls_tensors_save(file, huge, 1, NULL, 0, &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(ls_tensors_save(file, NULL, 0, bad_value, 1, &err), LOCKSTEP_E_OUTPUT);
    assert_int_equal(ls_tensors_save(file, NULL, 0, twice_key, 2, &err), LOCKSTEP_E_OUTPUT);
    assert_non_null(strstr(err.text, "no header can be made"));
    assert_int_equal(access(file, F_OK), -1);
}

/* Every allocation of jansson fails once: the save fails with the old file whole, or a whole file is saved. */
static long allocations, failing;

static void *failing_malloc(size_t n)
{
    return allocations++ == failing ? NULL : malloc(n);
}

static void test_json_out_of_memory(void **state)
{
    struct lockstep_error err;
    struct ls_tensors t;

    (void)state;
    save_small();
    for (failing = 0, allocations = 1; allocations > failing; failing++) {
        enum lockstep_status saved;

        allocations = 0;
        json_set_alloc_funcs(failing_malloc, free);
        saved = ls_tensors_save(file, small, 1, meta, METAS, &err);
        json_set_alloc_funcs(malloc, free);
        assert_true(saved == LOCKSTEP_OK || saved == LOCKSTEP_E_OUTPUT);
        assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_OK);
        assert_int_equal(t.n, saved == LOCKSTEP_OK ? 1 : N);
        ls_tensors_free(&t);
        save_small();
    }
    for (failing = 0, allocations = 1; allocations > failing; failing++) {
        enum lockstep_status loaded;

        allocations = 0;
        json_set_alloc_funcs(failing_malloc, free);
        loaded = ls_tensors_load(file, &t, &err);
        json_set_alloc_funcs(malloc, free);
        assert_true((loaded == LOCKSTEP_OK) == (t.n == N));
        if (loaded == LOCKSTEP_OK)
            assert_string_equal(ls_tensors_meta(&t, "format"), "pt");
        ls_tensors_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unwritable),         TEST(test_save_check),        TEST(test_relative_path),
        TEST(test_file_size_limit),    TEST(test_stale_temporaries), TEST(test_closed_standard_files),
        TEST(test_json_out_of_memory), TEST(test_bad_names_to_save),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
