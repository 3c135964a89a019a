/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strtod_l */
#include "train/init.h"

#include "core/rng.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* STD of normal(STD); negative when the text is anything else. */
static double normal_std(const char *init)
{
    static const char head[] = "normal(";
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double std = -1.0;
    char *end;

    if (c && !strncmp(init, head, sizeof head - 1) &&
        strspn(init + sizeof head - 1, "0123456789.eE+-)") == strlen(init + sizeof head - 1)) {
        std = strtod_l(init + sizeof head - 1, &end, c);
        if (end == init + sizeof head - 1 || strcmp(end, ")") || !(std > 0.0 && std <= 1e6))
            std = -1.0;
    }
    if (c)
        freelocale(c);
    return std;
}

enum lockstep_status ls_init_check(const char *init, struct lockstep_error *err)
{
    if (!strcmp(init, "he") || !strcmp(init, "xavier") || normal_std(init) > 0.0)
        return LOCKSTEP_OK;
    return ls_fail(err, LOCKSTEP_E_USAGE, "init: expected he, xavier or normal(STD) with 0 < STD <= 1e6, got \"%.48s\"",
                   init);
}

static double deviation(const struct ls_param *p, const char *init)
{
    if (!strcmp(init, "he"))
        return __builtin_sqrt(2.0 / (double)p->rows);
    if (!strcmp(init, "xavier"))
        return __builtin_sqrt(2.0 / (double)(p->rows + p->cols * ls_taps(p)));
    return normal_std(init);
}

void ls_init(const struct ls_graph *g, const char *init, uint32_t seed, float *w)
{
    uint32_t number = 0;

    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->node[i].n_params; k++, number++) {
            const struct ls_param *p = &g->node[i].param[k];
            const double std = p->zero_init ? 0.0 : deviation(p, init);
            double pair[2] = {0.0, 0.0};

            for (size_t e = 0; std > 0.0 && e < p->rows * p->cols; e++) {
                if (e % 2 == 0) {
                    uint32_t word[4];

                    ls_philox(seed, LS_STREAM_INIT, (uint32_t[4]){number, (uint32_t)(e / 2), 0, 0}, word);
                    ls_normal(word, pair);
                }
                w[p->offset + ls_param_index(p, e)] = (float)(std * pair[e % 2]);
            }
        }
}
