/* SPDX-License-Identifier: MIT
 * A training loop in plain C over the sgemm of another library: what a careful user would write. Layers with bias and
 * relu, softmax with cross entropy, SGD with momentum 0.9; one parallel region, buffers kept; threads share rows, then
 * rows of the weight gradients. Row-major; not reproducible over threads or libraries. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "sgemm.h"

#include <stdint.h>

enum { LOOP_LAYERS = 4 };

struct loop;

/* sizes: inputs, outputs of each of n layers. NULL without memory. */
struct loop *loop_open(enum peer p, const size_t *sizes, int n, size_t batch, int threads);
void loop_close(struct loop *l);

/* Steps over rows index[0..steps * batch) of x (any, sizes[0]) bytes with labels; returns the seconds. */
double loop_run(struct loop *l, const uint8_t *x, const uint8_t *label, const uint32_t *index, size_t steps);

/* Mean loss of the last step. */
double loop_loss(const struct loop *l);

#endif
