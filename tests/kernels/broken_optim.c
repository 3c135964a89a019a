/* SPDX-License-Identifier: MIT
 * Broken optimisers. */
#include "broken.h"

#include <math.h>

static int sgd_decays_late(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = fma1(p->momentum, m[i], fma1(p->weight_decay, w[i], grad[i]));
        w[i] = fma1(-p->lr, m[i], w[i]);
    }
    return kc_good->finite(n, w);
}

static int sgd_always_finite(size_t n, const float *grad, float *w, float *m, const struct lk_sgd *p)
{
    kc_good->sgd(n, grad, w, m, p);
    return 1;
}

static int adam_eps_inside(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p)
{
    for (size_t i = 0; i < n; i++) {
        float x = w[i] * p->decay, g = fma1(p->weight_decay, x, grad[i]);

        m[i] = fma1(p->beta1c, g - m[i], m[i]);
        v[i] = fma1(p->beta2c, g * g, p->beta2 * v[i]);
        w[i] = fma1(-p->step, m[i] / (sqrtf(v[i]) * p->rbias2 + p->eps), x);
    }
    return kc_good->finite(n, w);
}

static int adam_asks_m(size_t n, const float *grad, float *w, float *m, float *v, const struct lk_adam *p)
{
    kc_good->adam(n, grad, w, m, v, p);
    return kc_good->finite(n, m);
}

const struct kc_broken kc_broken_optim[] = {
    BROKEN(sgd, sgd_decays_late, "nesterov missing"),
    BROKEN(sgd, sgd_always_finite, "weights always called finite"),
    BROKEN(adam, adam_eps_inside, "multiply and add in place of fma"),
    BROKEN(adam, adam_asks_m, "another array called finite"),
    {.what = NULL},
};
