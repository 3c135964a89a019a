/* SPDX-License-Identifier: MIT */
#include "train/differences.h"

#include <math.h>

static const double STEP = 1e-5;

/* Objective with element *at moved. */
static double moved(const struct ls_differences *d, double *at, double to)
{
    const double x = *at;
    double objective;

    *at = to;
    objective = ls_define_from(d->g, d->in, d->values, d->first);
    *at = x;
    return objective;
}

/* (f(x + h) - f(x - h)) / 2h; *bend: by how much its two halves differ. */
static double central(const struct ls_differences *d, double *at, double f, double h, double *bend)
{
    const double up = *at + h, down = *at - h;
    const double above = moved(d, at, up), below = moved(d, at, down);

    *bend = (above - f) / (up - *at) - (f - below) / (*at - down);
    return (above - below) / (up - down);
}

bool ls_derivative(const struct ls_differences *d, double *at, double f, double scale, double *out)
{
    enum { STEPS = 3 };
    const double agree = 1e-5, shrink = 1.0 / 16.0;
    double h = STEP * (fabs(*at) > 1.0 ? fabs(*at) : 1.0), bend, half;

    for (int i = 0; i < STEPS; i++, h *= shrink) {
        double most, finer;

        *out = central(d, at, f, h, &bend);
        most = fabs(*out) > scale ? fabs(*out) : scale;
        if (fabs(bend) <= agree * most)
            return true;
        finer = central(d, at, f, 0.5 * h, &half);
        *out = (4.0 * finer - *out) / 3.0;
        if (fabs(bend - 2.0 * half) <= agree * most)
            return true;
    }
    return false;
}
