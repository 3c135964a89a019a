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

bool ls_data_sparse(const struct lockstep_data *d)
{
    enum { GROUP = 6, GROUPS = 100 };
    const size_t n = d->channels * d->length;
    size_t groups = d->rows / GROUP < GROUPS ? d->rows / GROUP : GROUPS, used = 0;

    for (size_t g = 0; g < groups; g++)
        for (size_t i = 0; i < n; i++) {
            unsigned any = 0;

            for (size_t r = 0; r < GROUP; r++)
                any |= d->x[(g * GROUP + r) * n + i];
            used += any != 0;
        }
    return groups && used <= groups * n / 4 * 3;
}
