/* SPDX-License-Identifier: MIT
 * A file that appears whole or not at all: written under a temporary name beside its path, synced, renamed. Every
 * function but _end returns false with E_OUTPUT (or E_MEMORY) in err: "PATH: cannot write: REASON (what to do)". */
#ifndef LS_OUTPUT_H
#define LS_OUTPUT_H

#include "core/status.h"

struct ls_output {
    const char *path, *name; /* name: the last part of path */
    char *temporary;         /* its name beside path; empty while there is none */
    int folder, file;
    struct lockstep_error *err;
};

/* Begin, write any number of times, finish (fsync, close), publish (rename, fsync of the folder); then always end. */
bool ls_output_begin(struct ls_output *o, const char *path, struct lockstep_error *err);
bool ls_output_write(struct ls_output *o, const void *data, size_t bytes);
bool ls_output_finish(struct ls_output *o);
bool ls_output_publish(struct ls_output *o);
/* Close, and remove the temporary file if it was not published. */
void ls_output_end(struct ls_output *o);

/* Report that path cannot be written; returns false. */
bool ls_output_fail(struct lockstep_error *err, const char *path, const char *reason, const char *hint);

/* The path as error lines show it: of a long one the tail. */
const char *ls_path_shown(const char *path);

#endif
