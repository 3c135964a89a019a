/* SPDX-License-Identifier: MIT
 * Open a data set by name: the built-in digits or a folder. A new format is one more row here. */
#include "data/data.h"

#include "core/mem.h"
#include "core/team.h"

#include <string.h>

enum lockstep_status lockstep_data_open(const char *where, enum lockstep_part part,
                                        const struct lockstep_options *options, struct lockstep_data **out,
                                        struct lockstep_error *err)
{
    struct lockstep_data *d;
    enum lockstep_status s;
    unsigned threads;

    *out = NULL;
    if (ls_threads(options, &threads, err))
        return err->status;
    d = ls_alloc(1, sizeof *d, err);
    if (!d)
        return err->status;
    s = !strcmp(where, "digits") ? ls_digits_open(part, threads, d, err) : ls_idx_open(where, part, d, err);
    if (s) {
        ls_free(d);
        return s;
    }
    *out = d;
    return LOCKSTEP_OK;
}

void lockstep_data_free(struct lockstep_data *data)
{
    if (!data)
        return;
    ls_free(data->x);
    ls_free(data->label);
    ls_free(data);
}

size_t lockstep_data_rows(const struct lockstep_data *data)
{
    return data->rows;
}

void lockstep_data_shape(const struct lockstep_data *data, size_t *channels, size_t *length)
{
    *channels = data->channels;
    *length = data->length;
}

size_t lockstep_data_classes(const struct lockstep_data *data)
{
    return data->classes;
}

const uint8_t *lockstep_data_labels(const struct lockstep_data *data)
{
    return data->label;
}
