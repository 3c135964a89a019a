/* SPDX-License-Identifier: MIT
 * What a benchmark of a kernel is made of: shapes, and a job for each. A slot without a setup does not link. */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include "memory.h"

#include <functional>
#include <string>
#include <vector>

extern "C" {
#include "lockstep.h"
}

namespace bench
{

/* One size of a kernel. name is set/sizes, or for what only depends on the level of memory its name. */
struct Shape {
    std::string name;
    size_t m = 0, n = 0, k = 0; /* as the kernel's setup says */
    lk_conv conv = {};
    bool cold = false; /* the weights come from DRAM */
};

/* Bytes that a call must read and write at least, each once. */
struct Traffic {
    double read = 0, written = 0;
    double held = 0;   /* bytes in use, 0: read + written; less where memory is updated in place */
    bool cold = false; /* not in any cache */
};

/* One benchmark, ready to run: a call of the kernel and what it does. flops counts additions, multiplications and, as
 * two, fused multiply-adds; 0 where a kernel does other things, too. */
struct Job {
    std::function<void()> call;
    double flops = 0;
    Traffic traffic;
};

/* How to set up a slot. */
struct Setup {
    std::vector<Shape> shapes;
    std::function<Job(const lk_kernels &, const Shape &)> prepare;
};

#define X(slot) Setup setup_##slot();
LK_KERNELS(X)
#undef X

/* ---- shapes (shapes.cc) ---- */

/* A linear layer: batch, inputs, outputs. */
struct Layer {
    std::string set;
    size_t batch, inputs, outputs;
    bool cold;
};

/* The sets mnist, large-batch, conv1d, tails, square and, where wanted, cold; each as the kernel orders its letters. */
std::vector<Shape> layer_shapes(bool with_cold, const std::function<Shape(const Layer &)> &order);

/* Convolutions: the sets conv1d, large-batch, tails, square. */
std::vector<Shape> conv_shapes();

/* L1, L2, L3, DRAM: m is how many units of so many bytes the probe of that level walks through, at least one. */
std::vector<Shape> level_shapes(double bytes_of_unit);

} // namespace bench

#endif
