/* SPDX-License-Identifier: MIT
 * libFuzzer target: any file is loaded or refused with one line. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "train/tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lockstep_error err;
    struct ls_tensors tensors;
    char path[64], hex[33];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ls_tensors_load(path, &tensors, &err) == LOCKSTEP_OK) {
        ls_tensors_digest(tensors.tensor, tensors.n, hex);
        ls_tensors_meta(&tensors, "format");
        ls_tensors_free(&tensors);
    } else if (strncmp(err.text, path, strlen(path)) != 0) {
        abort();
    }
    close(fd);
    return 0;
}
