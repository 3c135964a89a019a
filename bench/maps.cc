/* SPDX-License-Identifier: MIT
 * Benchmarks of the elementwise kernels, the optimisers and the memory probes: n elements in L1, L2, L3 and DRAM. */
#include "job.h"

namespace bench
{
namespace
{

/* What a kernel reads, writes and holds for each element, in floats; and its operations. */
struct Element {
    double read, written, held, flops;
};

Traffic traffic(const Element &e, size_t n)
{
    const double bytes = 4.0 * static_cast<double>(n);

    return {e.read * bytes, e.written * bytes, e.held * bytes};
}

double flops(const Element &e, size_t n)
{
    return e.flops * static_cast<double>(n);
}

template <typename Call> Job job(const Element &e, size_t n, Call call)
{
    return {call, flops(e, n), traffic(e, n)};
}

/* y = f(x) */
template <typename Kernel> Setup map1(Kernel *const lk_kernels::*slot, double operations = 0)
{
    const Element e = {1, 1, 2, operations};

    return {level_shapes(8), [=](const lk_kernels &k, const Shape &s) {
                auto x = positive_floats(s.m), y = floats(s.m);

                return job(e, s.m, [=, n = s.m, kernel = k.*slot] { kernel(n, x.get(), y.get()); });
            }};
}

/* y = f(a, b) */
template <typename Kernel> Setup map2(Kernel *const lk_kernels::*slot, double operations = 0)
{
    const Element e = {2, 1, 3, operations};

    return {level_shapes(12), [=](const lk_kernels &k, const Shape &s) {
                auto a = floats(s.m), b = floats(s.m), y = floats(s.m);

                return job(e, s.m, [=, n = s.m, kernel = k.*slot] { kernel(n, a.get(), b.get(), y.get()); });
            }};
}

/* y = f(a, b, c) */
template <typename Kernel> Setup map3(Kernel *const lk_kernels::*slot)
{
    const Element e = {3, 1, 4, 0};

    return {level_shapes(16), [=](const lk_kernels &k, const Shape &s) {
                auto a = floats(s.m), b = floats(s.m), c = floats(s.m), y = floats(s.m);

                return job(e, s.m, [=, n = s.m, kernel = k.*slot] { kernel(n, a.get(), b.get(), c.get(), y.get()); });
            }};
}

/* y = f(scalar, x) */
template <typename Kernel> Setup scalar_map1(Kernel *const lk_kernels::*slot, double operations = 0)
{
    const Element e = {1, 1, 2, operations};

    return {level_shapes(8), [=](const lk_kernels &k, const Shape &s) {
                auto x = floats(s.m), y = floats(s.m);

                return job(e, s.m, [=, n = s.m, kernel = k.*slot] { kernel(n, 0.01f, x.get(), y.get()); });
            }};
}

/* y = f(scalar, a, b) */
template <typename Kernel> Setup scalar_map2(Kernel *const lk_kernels::*slot, double operations = 0)
{
    const Element e = {2, 1, 3, operations};

    return {level_shapes(12), [=](const lk_kernels &k, const Shape &s) {
                auto a = positive_floats(s.m), b = positive_floats(s.m), y = floats(s.m);

                return job(e, s.m, [=, n = s.m, kernel = k.*slot] { kernel(n, 0.01f, a.get(), b.get(), y.get()); });
            }};
}

} // namespace

#define BENCH_MAP(slot, map, ...)                                                                                      \
    Setup setup_##slot()                                                                                               \
    {                                                                                                                  \
        return map(&lk_kernels::slot, ##__VA_ARGS__);                                                                  \
    }

BENCH_MAP(relu_fwd, map1)
BENCH_MAP(relu_bwd, map2)
BENCH_MAP(leaky_relu_fwd, scalar_map1)
BENCH_MAP(leaky_relu_bwd, scalar_map2)
BENCH_MAP(sigmoid_fwd, map1)
BENCH_MAP(sigmoid_bwd, map2, 3)
BENCH_MAP(tanh_fwd, map1)
BENCH_MAP(tanh_bwd, map2, 3)
BENCH_MAP(gelu_fwd, map1)
BENCH_MAP(gelu_bwd, map2)
BENCH_MAP(gelu_tanh_fwd, map1)
BENCH_MAP(gelu_tanh_bwd, map2)
BENCH_MAP(silu_fwd, map1)
BENCH_MAP(silu_bwd, map2)
BENCH_MAP(exp, map1)
BENCH_MAP(log, map1)
BENCH_MAP(log1p, map1)
BENCH_MAP(erf, map1)
BENCH_MAP(add, map2, 1)
BENCH_MAP(sub, map2, 1)
BENCH_MAP(mul, map2, 1)
BENCH_MAP(div, map2)
BENCH_MAP(maximum, map2)
BENCH_MAP(minimum, map2)
BENCH_MAP(maximum_bwd, map3)
BENCH_MAP(scale, scalar_map1, 1)
BENCH_MAP(mse_bwd, scalar_map2, 2)
BENCH_MAP(bce_bwd, scalar_map2)
BENCH_MAP(bce_logits_bwd, scalar_map2)

Setup setup_sgd()
{
    const Element e = {3, 2, 3, 6};

    return {level_shapes(12), [=](const lk_kernels &k, const Shape &s) {
                auto grad = floats(s.m), w = floats(s.m), m = floats(s.m);
                const lk_sgd p = {1e-6f, 0.9f, 1e-4f, 0};

                return job(e, s.m, [=, n = s.m] { k.sgd(n, grad.get(), w.get(), m.get(), &p); });
            }};
}

Setup setup_adam()
{
    const Element e = {4, 3, 4, 0};

    return {level_shapes(16), [=](const lk_kernels &k, const Shape &s) {
                auto grad = floats(s.m), w = floats(s.m), m = floats(s.m), v = positive_floats(s.m);
                const lk_adam p = {1e-6f, 0.1f, 0.999f, 0.001f, 1.0f, 1e-8f, 0.0f, 1.0f};

                return job(e, s.m, [=, n = s.m] { k.adam(n, grad.get(), w.get(), m.get(), v.get(), &p); });
            }};
}

/* The probes, as any kernel: their share of a roof is what two measurements of it differ by. */
Setup setup_peak_fma()
{
    return {{{"registers", 10000}}, [](const lk_kernels &k, const Shape &s) {
                return Job{[=, n = s.m] { k.peak_fma(n); }, k.peak_fma(s.m), {}};
            }};
}

Setup setup_peak_clock()
{
    return {{{"registers", 10000}}, [](const lk_kernels &k, const Shape &s) {
                return Job{[=, n = s.m] { k.peak_clock(n); }, 0, {}};
            }};
}

Setup setup_peak_read()
{
    return {level_shapes(4), [](const lk_kernels &k, const Shape &s) {
                auto x = floats(s.m);

                return job({1, 0, 1, 0}, s.m, [=, n = s.m] { k.peak_read(n, x.get()); });
            }};
}

Setup setup_peak_write()
{
    return {level_shapes(4), [](const lk_kernels &k, const Shape &s) {
                auto y = floats(s.m);

                return job({0, 1, 1, 0}, s.m, [=, n = s.m] { k.peak_write(n, 1.0f, y.get()); });
            }};
}

BENCH_MAP(peak_copy, map1)

} // namespace bench
