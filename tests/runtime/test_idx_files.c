/* SPDX-License-Identifier: MIT
 * The IDX reader in the file system: folders of four files, what is no file, odd names, files larger than memory, and
 * the files of MNIST where there are any. */
#define _GNU_SOURCE /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "idx_files.h"

#include <sys/resource.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif

/* ---- folders ---- */

static void copy_as(const char *folder, const char *name, const void *p, size_t n, bool gzip)
{
    char path[128];
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (gzip)
        write_gzip(path, p, n);
    else
        write_file(path, p, n);
}

static void opens(const char *folder, enum lockstep_part part)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    check_read(ls_idx_open(folder, part, &d, &err), &d, &err);
}

static void refuses_folder(const char *folder, const char *line)
{
    struct lockstep_data d;
    struct lockstep_error err = {0};

    memset(&d, 0x55, sizeof d);
    check_refused(ls_idx_open(folder, LOCKSTEP_TEST, &d, &err), &d, &err, line);
}

static void test_folder(void **state)
{
    (void)state;
    copy_as("one", "train-images-idx3-ubyte", good_images, IMAGES, false);
    copy_as("one", "train-labels.idx1-ubyte.gz", good_labels, LABELS, true);
    copy_as("one", "t10k-images.idx3-ubyte", good_images, IMAGES, false);
    copy_as("one", "t10k-labels-idx1-ubyte.gz", good_labels, LABELS, true);
    opens("one", LOCKSTEP_TRAIN);
    opens("one/", LOCKSTEP_TEST);
}

static void test_folder_prefers_plain(void **state)
{
    (void)state;
    copy_as("two", "train-images-idx3-ubyte", good_images, IMAGES, false);
    copy_as("two", "train-images-idx3-ubyte.gz", "broken", 6, false);
    copy_as("two", "train-labels.idx1-ubyte", good_labels, LABELS, false);
    copy_as("two", "train-labels-idx1-ubyte.gz", "broken", 6, false);
    opens("two", LOCKSTEP_TRAIN);
}

static void test_bad_folders(void **state)
{
    char longest[5000];

    (void)state;
    mkdir("empty", 0700);
    refuses_folder("nowhere", "nowhere: no such folder (give a folder with the four MNIST files, or digits)");
    refuses_folder("images",
                   "images: not a folder: expected one with the four MNIST files, got a file (give its folder)");
    refuses_folder(
        "empty", "empty: file missing: expected t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz, got neither (get "
                 "it with toolchain/get-mnist)");
    copy_as("half", "t10k-images-idx3-ubyte", good_images, IMAGES, false);
    refuses_folder(
        "half", "half: file missing: expected t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz, got neither (get it "
                "with toolchain/get-mnist)");
    refuses_folder("", NULL);
    memset(longest, '/', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    refuses_folder(longest, NULL);
    longest[4080] = 0;
    refuses_folder(longest, NULL);
}

/* ---- things that are not files ---- */

static void test_not_a_file(void **state)
{
    (void)state;
    mkdir("folder", 0700);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    refuses("folder", "labels", "folder: not a file: expected an IDX file, got a folder (give a regular file)");
    refuses("images", "folder", NULL);
    refuses("pipe", "labels", "pipe: not a file: expected an IDX file, got a pipe (give a regular file)");
    refuses("/dev/zero", "labels", "/dev/zero: not a file: expected an IDX file, got a device (give a regular file)");
    refuses("/dev/null", "labels", NULL);
    refuses("loop", "labels", NULL);
    refuses("", "labels", NULL);
    refuses("missing", "labels",
            "missing: cannot be opened: expected an IDX file, got \"No such file or directory\" (check name and "
            "permissions)");
}

static void test_not_permitted(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip();
    write_file("secret", good_images, IMAGES);
    chmod("secret", 0);
    refuses("secret", "labels", NULL);
}

/* The message survives a long name and hides control characters. */
static void test_odd_names(void **state)
{
    char path[1100] = "";

    (void)state;
    for (int i = 0; i < 500; i++)
        strcat(path, "./");
    strcat(path, "labels");
    refuses(path, "labels", NULL);
    write_file("a\n\033[31mb", good_labels, LABELS);
    refuses("a\n\033[31mb", "labels", NULL);
}

/* ---- memory ---- */

/* An honest file of 4 GiB, with holes, under a limit of 1 GiB. */
static void test_out_of_memory(void **state)
{
    static const uint8_t images[16] = {0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0},
                         labels[8] = {0, 0, 8, 1, 0, 1, 0, 0};
    struct lockstep_data d;
    struct lockstep_error err = {0};
    struct rlimit old, low;
    enum lockstep_status status;

    (void)state;
#ifdef SANITIZED
    skip();
#endif
    write_file("large", images, sizeof images);
    write_file("many", labels, sizeof labels);
    if (truncate("large", 16 + (off_t)65536 * 65536) != 0)
        skip();
    assert_int_equal(truncate("many", 8 + 65536), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    low = (struct rlimit){.rlim_cur = 1u << 30, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    status = ls_idx_read("large", "many", &d, &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_int_equal(status, LOCKSTEP_E_MEMORY);
    assert_int_equal(err.status, LOCKSTEP_E_MEMORY);
    assert_empty(&d);
}

/* ---- the real files, where there are any ---- */

static char *mnist;

static void test_mnist(void **state)
{
    static const uint8_t train[] = {5, 0, 4, 1, 9}, test[] = {7, 2, 1, 0, 4};
    struct lockstep_data d;
    struct lockstep_error err = {0};

    (void)state;
    if (!mnist)
        skip();
    if (ls_idx_open(mnist, LOCKSTEP_TRAIN, &d, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(d.rows, 60000);
    assert_int_equal(d.channels, 28);
    assert_int_equal(d.length, 28);
    assert_memory_equal(d.label, train, sizeof train);
    drop(&d);
    if (ls_idx_open(mnist, LOCKSTEP_TEST, &d, &err) != LOCKSTEP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(d.rows, 10000);
    assert_memory_equal(d.label, test, sizeof test);
    drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_folder_prefers_plain),
        cmocka_unit_test(test_bad_folders),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_not_permitted),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_mnist),
        cmocka_unit_test(test_no_descriptor_left),
    };
    const char *named = getenv("LOCKSTEP_MNIST_DIR");

    mnist = named && *named ? realpath(named, NULL) : NULL;
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    free(mnist);
    return failed;
}
