/* SPDX-License-Identifier: MIT
 * libFuzzer target: any text is parsed or refused with one line. */
#include <stdlib.h>
#include <string.h>

#include "graph/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lockstep_error err;
    struct ls_text text;
    char *s = malloc(size + 1);

    if (!s)
        return 0;
    memcpy(s, data, size);
    s[size] = '\0';
    if (ls_text_parse(s, &text, &err) == LOCKSTEP_OK) {
        for (const struct ls_statement *st = text.first; st; st = st->next) {
            char shown[24];

            ls_expr_text(st->expr, sizeof shown, shown);
            if (!shown[0])
                abort();
        }
        ls_text_free(&text);
    } else if (strncmp(err.text, "model text: line ", 17) != 0)
        abort();
    free(s);
    return 0;
}
