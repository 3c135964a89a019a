/* SPDX-License-Identifier: MIT
 * Model text -> graph (text.h): names and ops resolved, input and loss added, shapes known. */
#ifndef LS_BUILD_H
#define LS_BUILD_H

#include "graph/graph.h"

/* A name whose value comes from outside: a parameter of that shape. */
struct ls_binding {
    const char *name;
    struct ls_shape shape;
};

/*
 * The graph of a model text for data rows of channels x length and `classes` labels. Input and loss are implied when
 * not written. E_USAGE names line and column; E_MEMORY.
 */
enum lockstep_status ls_graph_build(const char *text, size_t channels, size_t length, size_t classes,
                                    struct ls_graph *out, struct lockstep_error *err);

/* ... without data: free names take the bindings' values, and the objective is the sum of the last value. E_USAGE,
 * E_MEMORY. */
enum lockstep_status ls_graph_build_free(const char *text, const struct ls_binding *binding, size_t bindings,
                                         struct ls_graph *out, struct lockstep_error *err);

/* What a text reads: data rows of channels x length and labels, as it says itself or as they come in (defaults). False:
 * none, or the text has an error before it reads any. */
bool ls_graph_reads_data(const char *text, size_t *channels, size_t *length, size_t *classes);

#endif
