/* SPDX-License-Identifier: MIT */
#include "cli/tensor.h"
#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at;
    float *values;
    size_t n;
};

static bool take(struct reader *r, char mark)
{
    r->at += strspn(r->at, " \t");
    if (*r->at != mark)
        return false;
    r->at++;
    r->at += strspn(r->at, " \t");
    return true;
}

/* Decimal, within the range of float. */
static bool read_number(struct reader *r)
{
    const size_t n = strspn(r->at, "0123456789+-.eE");
    char *end;
    const float x = strtof(r->at, &end);

    if (!n || end != r->at + n || !isfinite(x))
        return false;
    r->at = end;
    r->values[r->n++] = x;
    return true;
}

/* "[" items "]"; their number, or 0. */
static size_t read_row(struct reader *r)
{
    size_t n = 0;

    if (!take(r, '['))
        return 0;
    do {
        if (!read_number(r))
            return 0;
        n++;
    } while (take(r, ','));
    return take(r, ']') ? n : 0;
}

static bool read_matrix(struct reader *r, size_t shape[2])
{
    shape[0] = 0;
    if (!take(r, '['))
        return false;
    do {
        const size_t n = read_row(r);

        if (!n || (shape[0] && n != shape[1]))
            return false;
        shape[1] = n;
        shape[0]++;
    } while (take(r, ','));
    return take(r, ']');
}

static bool read_value(struct reader *r, struct lockstep_value *out)
{
    out->rank = 1;
    out->shape[0] = out->shape[1] = 1;
    if (*r->at != '[')
        return read_number(r) && !*r->at;
    if (r->at[1 + strspn(r->at + 1, " \t")] == '[') {
        out->rank = 2;
        return read_matrix(r, out->shape) && !*r->at;
    }
    out->shape[0] = read_row(r);
    return out->shape[0] && !*r->at;
}

enum lockstep_status tensor_parse(const char *text, struct lockstep_value *out, char **block,
                                  struct lockstep_error *err)
{
    const size_t name = strcspn(text, "="), room = (strlen(text) / 2 + 1) * sizeof(float);
    struct reader r = {.at = text + name + 1};

    if (!name || !text[name])
        return ls_fail(err, LOCKSTEP_E_USAGE, "%.64s: expected NAME=VALUE", text);
    *block = ls_alloc(room + name + 1, 1, err);
    if (!*block)
        return err->status;
    r.values = (float *)(void *)*block;
    memcpy(*block + room, text, name);
    *out = (struct lockstep_value){.name = *block + room, .values = r.values};
    if (!read_value(&r, out))
        return ls_fail(err, LOCKSTEP_E_USAGE,
                       "%.64s: expected a number, [1,2] or [[1,2],[3,4]] with rows of one length", text);
    return LOCKSTEP_OK;
}

static void print_number(FILE *f, bool json, float x)
{
    if (json && !isfinite(x))
        fputs("null", f);
    else
        fprintf(f, "%.*g", json ? 9 : 6, (double)x + 0.0); /* -0 as 0 */
}

static void print_row(FILE *f, bool json, size_t n, const float *values)
{
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", " : "[", f);
        print_number(f, json, values[i]);
    }
    putc(']', f);
}

void tensor_print(FILE *f, bool json, size_t rank, const size_t *shape, const float *values)
{
    if (rank == 1 && shape[0] == 1) {
        print_number(f, json, values[0]);
    } else if (rank == 1) {
        print_row(f, json, shape[0], values);
    } else {
        for (size_t i = 0; i < shape[0]; i++) {
            fputs(i ? ", " : "[", f);
            print_row(f, json, shape[1], values + i * shape[1]);
        }
        putc(']', f);
    }
}
