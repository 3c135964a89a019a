/* SPDX-License-Identifier: MIT
 * Benchmarks of pooling: samples of 64 channels of length 28 in L1, L2, L3 and DRAM, windows of 2 by 2 and 3 by 1. */
#include "job.h"

namespace bench
{
namespace
{

constexpr size_t kChannels = 64, kLength = 28;

/* m samples; windows of n, k apart, padded so that 3 by 1 keeps the length. */
lk_pool pool_of(const Shape &s)
{
    const size_t padding = (s.n - 1) / 2;

    return {s.m, kChannels, kLength, (kLength + 2 * padding - s.n) / s.k + 1, s.n, s.k, padding, 0};
}

std::vector<Shape> pool_shapes(bool with_index)
{
    std::vector<Shape> shapes;

    for (auto [window, stride] : {std::pair<size_t, size_t>{2, 2}, {3, 1}}) {
        const lk_pool one = pool_of({"", 1, window, stride});
        const double out = panel_bytes(one.T, kChannels);

        for (Shape s : level_shapes(panel_bytes(kLength, kChannels) + out + (with_index ? out / 4 : 0))) {
            s.n = window;
            s.k = stride;
            s.name += "/k" + std::to_string(window) + "s" + std::to_string(stride);
            shapes.push_back(s);
        }
    }
    return shapes;
}

/* A value of the samples with n positions each, dense. */
struct Value {
    Buffer<float> memory;
    size_t length, ld;
    double bytes;

    Value(const lk_pool &g, size_t n)
        : memory(panels(g.B * n, g.C)), length(n), ld(g.B * n * kPanel), bytes(panel_bytes(g.B * n, g.C))
    {
    }

    operator lk_view() const
    {
        return {memory.get(), ld, length};
    }

    operator lk_cview() const
    {
        return {memory.get(), ld, length};
    }
};

Buffer<uint8_t> indices(const lk_pool &g)
{
    return Buffer<uint8_t>(g.B * g.T * lk_panels(g.C) * kPanel);
}

} // namespace

Setup setup_max_pool_fwd()
{
    return {pool_shapes(true), [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value x(g, g.L), y(g, g.T);
                auto index = indices(g);

                return Job{[=] { k.max_pool_fwd(&g, x, y, index.get()); }, 0, {x.bytes, y.bytes * 1.25}};
            }};
}

Setup setup_max_pool_bwd()
{
    return {pool_shapes(true), [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value x(g, g.L), d(g, g.T), dx(g, g.L);
                auto index = indices(g);

                k.max_pool_fwd(&g, x, d, index.get());
                return Job{[=] { k.max_pool_bwd(&g, index.get(), d, dx); }, 0, {d.bytes * 1.25, dx.bytes}};
            }};
}

Setup setup_avg_pool_fwd()
{
    return {pool_shapes(false), [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value x(g, g.L), y(g, g.T);

                return Job{[=] { k.avg_pool_fwd(&g, x, y); }, 0, {x.bytes, y.bytes}};
            }};
}

Setup setup_avg_pool_bwd()
{
    return {pool_shapes(false), [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value d(g, g.T), dx(g, g.L);

                return Job{[=] { k.avg_pool_bwd(&g, d, dx); }, 0, {d.bytes, dx.bytes}};
            }};
}

} // namespace bench
