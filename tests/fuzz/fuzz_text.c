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
    if (ls_text_parse(s, &text, &err) == LOCKSTEP_OK)
        ls_text_free(&text);
    else if (strncmp(err.text, "model text: line ", 17) != 0)
        abort();
    free(s);
    return 0;
}
