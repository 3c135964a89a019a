/* SPDX-License-Identifier: MIT
 * "Did you mean": the candidate nearest to a word by edit distance. */
#include "core/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MAX_WORD = 64 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Insertions, deletions, changes and swaps of neighbours between words of at most MAX_WORD letters, case ignored.
 * Optimal string alignment (Damerau 1964), three rows of the table. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_WORD + 1], *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *spare = before;

        before = above;
        above = row;
        row = spare;
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            bool same = lower(a[i - 1]) == lower(b[j - 1]);

            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return row[m];
}

const char *ls_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t best = SIZE_MAX, length = strlen(word);
    const char *nearest = NULL;

    for (size_t i = 0; i < n && length <= MAX_WORD; i++) {
        size_t m = strlen(candidates[i]), d;

        if (m > MAX_WORD)
            continue;
        d = edit_distance(word, length, candidates[i], m);
        if (3 * d <= m && d < best) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
