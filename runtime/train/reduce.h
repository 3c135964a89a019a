/* SPDX-License-Identifier: MIT
 *
 * --reduce auto: which of the two ways to add gradients is faster, by a model of what one step pays for them. Times in
 * nanoseconds, sizes in floats; T threads, S shards.
 *
 *   work      2 FLOPs a multiply-add at the measured peak of all threads; replicas: the worker with the most shards,
 *             ceil(S / T), runs them all
 *   barriers  owners meet twice a block, replicas twice a batch
 *   crossing  cache lines that a worker reads from the others, 1 - 1/T of: for owners the values and gradients of the
 *             batch, for replicas one copy of the gradient
 *   copies    replicas write one gradient more and read it again at the end
 *
 * A line that crosses costs what the handover between two threads (barrier / T) takes longer than L3, divided by the
 * lines that are on their way at once; the first lines of a block come alone.
 *
 * Owners without a comparison: one thread; fewer shards than threads, whose workers would idle; copies (a block of
 * values and a gradient for each thread) that do not fit one L3, so that replicas would run from memory.
 * Constants: measured (docs/benchmarking.md). More than two threads are scaled, not measured.
 */
#ifndef LS_REDUCE_H
#define LS_REDUCE_H

#include "graph/graph.h"
#include "train/engine.h"

/* What a step asks for, and of which machine. */
struct ls_load {
    unsigned threads;
    size_t shards, batch;
    size_t block;  /* rows, at most, between two barriers of owners */
    size_t own;    /* rows, at most, of a block that a worker runs alone */
    size_t values; /* activations and their gradients, a row */
    size_t params;
    size_t flops;              /* of training, a row */
    size_t l3;                 /* bytes, 0: unknown */
    double barrier_ns, gflops; /* of all threads; ls_load_measure */
};

/* A way to reduce and why. The times are 0 where nothing was compared. */
struct ls_choice {
    enum ls_reduce reduce;
    const char *why;
    double barrier_ns; /* 0: not measured */
    double owners_ns, replicas_ns;
};

/* What a planned graph asks for. */
struct ls_load ls_load_of(const struct ls_graph *g, size_t batch, size_t shards, unsigned threads);

/* Is there anything to compare? Else *out is owners, with the reason. */
bool ls_reduce_open(const struct ls_load *load, struct ls_choice *out);

/* Measure barrier and peak, about 3 ms. E_MEMORY. */
enum lockstep_status ls_load_measure(struct ls_load *load, const struct lk_kernels *k, struct lockstep_error *err);

/* The faster way by the model; owners, which need less memory, unless replicas win by more than 2 %. */
struct ls_choice ls_reduce_choose(const struct ls_load *load);

/* Do workers wait for each other's CPU? */
bool ls_barrier_slept(double barrier_ns, unsigned threads);

/*
 * "none": one thread; "near": the team shares a cache; "far": it does not; "between"; "shared CPUs": workers wait for
 * one. By the handover, so that the words mean the same for every team; of two threads below 150, above 200,
 * above 5000 ns.
 */
const char *ls_barrier_kind(double barrier_ns, unsigned threads);

#endif
