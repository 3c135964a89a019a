/* SPDX-License-Identifier: MIT
 * libFuzzer target: any bytes as an image file, with a good label file of three labels. */
#define _GNU_SOURCE /* memfd_create */
#include "core/mem.h"
#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A file in memory; its path goes into path. */
static int make(const void *bytes, size_t n, char path[32])
{
    int fd = memfd_create("fuzz_idx", MFD_CLOEXEC);

    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const uint8_t good[] = {0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 9};
    char images[32], labels[32];
    int image_fd = make(bytes, n, images), label_fd = make(good, sizeof good, labels);
    struct lockstep_data d;
    struct lockstep_error err = {0};
    enum lockstep_status status = ls_idx_read(images, labels, &d, &err);

    if (status != LOCKSTEP_OK && status != LOCKSTEP_E_DATA)
        abort();
    if ((status == LOCKSTEP_OK) != (d.rows == 3 && d.x && d.label))
        abort();
    ls_free(d.x);
    ls_free(d.label);
    close(image_fd);
    close(label_fd);
    return 0;
}
