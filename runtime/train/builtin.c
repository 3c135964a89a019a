/* SPDX-License-Identifier: MIT
 * Built-in models, written as model text, and how --model finds a text. */
#include "core/mem.h"
#include "core/nearest.h"
#include "train/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
} builtin[] = {
    {"two-layer", "flatten | linear(100) | relu | linear(10)"},
    {"mlp", "flatten | linear(512) | relu | linear(256) | relu | linear(10)"},
    {"conv1d", "conv1d(64, kernel_size=3, padding=same) | relu | max_pool1d(2) "
               "| conv1d(128, kernel_size=3, padding=same) | relu | max_pool1d(2) "
               "| flatten | linear(128) | relu | linear(10)"},
    {"residual", "h = conv1d(64, kernel_size=5, padding=same) | relu | max_pool1d(2) "
                 "| conv1d(96, kernel_size=3, padding=same) | relu | max_pool1d(2)\n"
                 "r = h | conv1d(96, kernel_size=3, padding=same) | relu | conv1d(96, kernel_size=3, padding=same)\n"
                 "h + r | relu | flatten | linear(10)\n"},
};

enum { BUILTINS = sizeof builtin / sizeof *builtin, TEXT_MAX = 64 * 1024 };

const char *ls_builtin_model(const char *name)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (!strcmp(builtin[i].name, name))
            return builtin[i].text;
    return NULL;
}

static enum lockstep_status no_such_model(const char *name, struct lockstep_error *err)
{
    const char *names[BUILTINS], *near;
    char list[128] = "";

    for (size_t i = 0; i < BUILTINS; i++) {
        names[i] = builtin[i].name;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
    }
    near = ls_nearest(name, names, BUILTINS);
    return ls_fail(err, LOCKSTEP_E_USAGE,
                   "model: expected a built-in name (%s), a model text or a file, got \"%.64s\" (%s%s%s)", list, name,
                   near ? "did you mean \"" : strerror(errno), near ? near : "", near ? "\"?" : "");
}

enum lockstep_status ls_model_text(const char *model, char **text, struct lockstep_error *err)
{
    const char *found = strpbrk(model, "(|=\n") ? model : ls_builtin_model(model);
    size_t n;
    FILE *f;

    *text = NULL;
    if (found) {
        *text = ls_strdup(found, err);
        return *text ? LOCKSTEP_OK : err->status;
    }
    f = fopen(model, "re");
    if (!f)
        return no_such_model(model, err);
    *text = ls_alloc(TEXT_MAX + 2, 1, err);
    n = *text ? fread(*text, 1, TEXT_MAX + 1, f) : 0;
    if (*text && ferror(f))
        ls_fail(err, LOCKSTEP_E_USAGE, "%s: cannot read: %s", model, strerror(errno));
    else if (*text && n > TEXT_MAX)
        ls_fail(err, LOCKSTEP_E_USAGE, "%s: expected at most %d bytes of model text", model, TEXT_MAX);
    else if (*text && strlen(*text) != n)
        ls_fail(err, LOCKSTEP_E_USAGE, "%s: expected text, got a NUL byte at byte %zu", model, strlen(*text));
    else if (*text)
        err->status = LOCKSTEP_OK;
    fclose(f);
    if (err->status) {
        ls_free(*text);
        *text = NULL;
    }
    return err->status;
}
