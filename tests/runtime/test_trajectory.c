/* SPDX-License-Identifier: MIT
 * Five steps of a small net against the same computed independently in plain double, 6 -> 5 -> 4 with a relu between;
 * and learning rates against their formulas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "train/lr.h"
#include "train/model.h"

enum { I = 6, H = 5, O = 4, B = 9, STEPS = 5, W1 = 0, B1 = W1 + H * I, W2 = B1 + H, B2 = W2 + O * H, P = B2 + O };

struct plain {
    double p[P], g[P], m[P], v[P];
    double x[B][I];
    int label[B];
};

/* Gradient of the mean cross entropy; returns the loss. */
static double plain_gradient(struct plain *s)
{
    double loss = 0.0;

    memset(s->g, 0, sizeof s->g);
    for (int r = 0; r < B; r++) {
        double h[H], z[O], dh[H] = {0.0}, sum = 0.0;

        for (int j = 0; j < H; j++) {
            h[j] = s->p[B1 + j];
            for (int i = 0; i < I; i++)
                h[j] += s->x[r][i] * s->p[W1 + j * I + i];
            h[j] = h[j] > 0.0 ? h[j] : 0.0;
        }
        for (int o = 0; o < O; o++) {
            z[o] = s->p[B2 + o];
            for (int j = 0; j < H; j++)
                z[o] += h[j] * s->p[W2 + o * H + j];
            sum += exp(z[o]);
        }
        loss += (log(sum) - z[s->label[r]]) / B;
        for (int o = 0; o < O; o++) {
            const double d = (exp(z[o]) / sum - (o == s->label[r])) / B;

            s->g[B2 + o] += d;
            for (int j = 0; j < H; j++) {
                s->g[W2 + o * H + j] += d * h[j];
                dh[j] += h[j] > 0.0 ? d * s->p[W2 + o * H + j] : 0.0;
            }
        }
        for (int j = 0; j < H; j++) {
            s->g[B1 + j] += dh[j];
            for (int i = 0; i < I; i++)
                s->g[W1 + j * I + i] += dh[j] * s->x[r][i];
        }
    }
    return loss;
}

/* As the textbook has them: SGD with momentum, Adam (L2), AdamW (decoupled). */
static void plain_update(struct plain *s, const struct lockstep_recipe *r, int t)
{
    for (int i = 0; i < P; i++) {
        if (!strcmp(r->optimizer, "sgd")) {
            const double g = s->g[i] + r->weight_decay * s->p[i];

            s->m[i] = r->momentum * s->m[i] + g;
            s->p[i] -= r->lr * (r->nesterov ? g + r->momentum * s->m[i] : s->m[i]);
        } else {
            const bool coupled = !strcmp(r->optimizer, "adam");
            const double g = s->g[i] + (coupled ? r->weight_decay * s->p[i] : 0.0);

            if (!coupled)
                s->p[i] -= r->lr * r->weight_decay * s->p[i];
            s->m[i] = 0.9 * s->m[i] + 0.1 * g;
            s->v[i] = 0.999 * s->v[i] + 0.001 * g * g;
            s->p[i] -= r->lr * (s->m[i] / (1.0 - pow(0.9, t))) / (sqrt(s->v[i] / (1.0 - pow(0.999, t))) + 1e-8);
        }
    }
}

static const struct {
    const char *name;
    int at, n;
} TENSORS[] = {{"0.weight", W1, H *I}, {"0.bias", B1, H}, {"2.weight", W2, O *H}, {"2.bias", B2, O}};

static void start_trajectory(struct plain *s, struct lockstep_model *m)
{
    float x[B * I], label[B], w[P];
    struct lockstep_error err;

    memset(s, 0, sizeof *s);
    for (int i = 0; i < B * I + P; i++) {
        uint32_t word[4];
        float u;

        ls_philox(5, LS_STREAM_TEST, (uint32_t[4]){(uint32_t)i, 0, 0, 0}, word);
        u = (float)(2.0 * ls_uniform(word[0], word[1]) - 1.0);
        if (i < B * I)
            s->x[i / I][i % I] = (double)(x[i] = u);
        else
            s->p[i - B * I] = (double)(w[i - B * I] = 0.7f * u);
    }
    for (int r = 0; r < B; r++)
        label[r] = (float)(s->label[r] = r % O);
    assert_int_equal(lockstep_set(m, "input", x, B * I, &err), LOCKSTEP_OK);
    assert_int_equal(lockstep_set(m, "label", label, B, &err), LOCKSTEP_OK);
    for (int k = 0; k < 4; k++)
        assert_int_equal(lockstep_set(m, TENSORS[k].name, w + TENSORS[k].at, (size_t)TENSORS[k].n, &err), LOCKSTEP_OK);
}

static void trajectory(const struct lockstep_recipe *r)
{
    static struct plain s;
    struct lockstep_model *m;
    struct lockstep_error err;
    double moved = 0.0, start[P];
    float w[P];

    assert_int_equal(lockstep_model_new("linear(5) | relu | linear(4)", I, 1, O, r, NULL, &m, &err), LOCKSTEP_OK);
    start_trajectory(&s, m);
    memcpy(start, s.p, sizeof start);
    for (int t = 1; t <= STEPS; t++) {
        const double expected = plain_gradient(&s);
        double loss;

        assert_int_equal(lockstep_step(m, &loss, &err), LOCKSTEP_OK);
        assert_true(fabs(loss - expected) < 1e-5);
        plain_update(&s, r, t);
        for (int k = 0; k < 4; k++)
            assert_int_equal(lockstep_get(m, TENSORS[k].name, w + TENSORS[k].at, (size_t)TENSORS[k].n, &err),
                             LOCKSTEP_OK);
        for (int i = 0; i < P; i++) {
            if (!(fabs((double)w[i] - s.p[i]) <= 1e-5))
                fail_msg("%s, step %d, parameter %d: expected %.9g, got %.9g", r->optimizer, t, i, s.p[i],
                         (double)w[i]);
            moved = fmax(moved, fabs(s.p[i] - start[i]));
        }
    }
    assert_true(moved > 0.02);
    lockstep_model_free(m);
}

static void trajectories_are_the_textbooks(void **state)
{
    struct lockstep_recipe r;

    (void)state;
    lockstep_recipe_init(&r);
    r.lr = 0.1;
    r.optimizer = "sgd";
    trajectory(&r);
    r.momentum = 0.9;
    trajectory(&r);
    r.nesterov = true;
    r.weight_decay = 0.05;
    r.shards = 4;
    trajectory(&r);
    r.lr = 0.01;
    r.optimizer = "adam";
    trajectory(&r);
    r.optimizer = "adamw";
    trajectory(&r);
}

/* ---- learning rates ---- */

static void near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-14))
        fail_msg("expected %.17g, got %.17g", expected, got);
}

static void learning_rates(void **state)
{
    ls_lr_fn *constant = ls_lr_find("constant"), *cosine = ls_lr_find("cosine");

    (void)state;
    assert_null(ls_lr_find("linear"));
    for (size_t t = 0; t < 10; t++) {
        near(ls_lr(constant, 0.5, 0, t, 10), 0.5);
        near(ls_lr(cosine, 0.5, 0, t, 10), 0.25 * (1.0 + cos(3.14159265358979323846 * (double)t / 10.0)));
        near(ls_lr(constant, 0.5, 4, t, 10), t < 4 ? 0.125 * (double)(t + 1) : 0.5);
    }
    near(ls_lr(cosine, 1.0, 0, 5, 10), 0.5);
    near(ls_lr(cosine, 1.0, 2, 0, 10), 0.5);
    near(ls_lr(cosine, 1.0, 2, 1, 10), 1.0);
    near(ls_lr(cosine, 1.0, 2, 2, 10), 1.0);
    near(ls_lr(cosine, 1.0, 2, 6, 10), 0.5);
    near(ls_lr(cosine, 1.0, 20, 9, 10), 0.5);
    near(ls_lr(cosine, 1.0, 10, 9, 10), 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learning_rates),
        cmocka_unit_test(trajectories_are_the_textbooks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
