/* SPDX-License-Identifier: MIT
 * Benchmarks of what moves values: transpose, gather, flatten, masks, sums over a sample and their spread. */
#include "job.h"

namespace bench
{
namespace
{

/* Samples of n channels and k positions in both layers of conv1d. */
std::vector<Shape> sample_shapes()
{
    return {
        {"conv1d/128x64x28", 128, 64, 28}, {"conv1d/128x128x7", 128, 128, 7}, {"large-batch/1024x64x14", 1024, 64, 14}};
}

/* A dense value of m samples. */
struct Value {
    Buffer<float> memory;
    size_t length, ld;

    Value(size_t m, size_t n, size_t k) : memory(panels(m * k, n)), length(k), ld(m * k * kPanel)
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

double bytes(const Shape &s)
{
    return panel_bytes(s.m * s.k, s.n);
}

double flat_bytes(const Shape &s)
{
    return panel_bytes(s.m, s.n * s.k);
}

} // namespace

Setup setup_transpose()
{
    return {{{"mnist/784x512", 784, 512}, {"mnist/512x256", 512, 256}, {"mnist/256x10", 256, 10}},
            [](const lk_kernels &k, const Shape &s) {
                auto w = panels(s.m, s.n), wt = panels(s.n, s.m);

                return Job{[=, m = s.m, n = s.n] { k.transpose(m, n, w.get(), m * kPanel, wt.get(), n * kPanel); },
                           0,
                           {panel_bytes(s.m, s.n), panel_bytes(s.n, s.m)}};
            }};
}

/* Samples of n channels of k positions, out of 8192 (6 MiB) in random order; of plain rows also which are not 0. */
Setup setup_gather_u8()
{
    return {{{"mnist/100x784", 100, 784, 1}, {"mnist/512x784", 512, 784, 1}, {"conv1d/128x28x28", 128, 28, 28}},
            [](const lk_kernels &k, const Shape &s) {
                constexpr size_t kRows = 8192;
                const size_t features = s.n * s.k;
                Buffer<uint8_t> src(kRows * features);
                Buffer<uint32_t> index(s.m);
                const Value x(s.m, s.n, s.k);
                Buffer<uint16_t> bits(s.k == 1 ? lk_panels(s.n) * s.m : 0);

                for (size_t i = 0; i < kRows * features; i++)
                    src.get()[i] = static_cast<uint8_t>(next_random());
                for (size_t m = 0; m < s.m; m++)
                    index.get()[m] = next_random() % kRows;
                return Job{[=, m = s.m, n = s.n, length = s.k] {
                               k.gather_u8(m, n, length, src.get(), features, index.get(), 1.0f / 255, x,
                                           length == 1 ? bits.get() : nullptr, m);
                           },
                           0,
                           {product(s.m, features), bytes(s)}};
            }};
}

Setup setup_flatten_fwd()
{
    return {sample_shapes(), [](const lk_kernels &k, const Shape &s) {
                const Value x(s.m, s.n, s.k);
                auto y = panels(s.m, s.n * s.k);

                return Job{[=, m = s.m, n = s.n, length = s.k] { k.flatten_fwd(m, n, length, x, y.get(), m * kPanel); },
                           0,
                           {bytes(s), flat_bytes(s)}};
            }};
}

Setup setup_flatten_bwd()
{
    return {sample_shapes(), [](const lk_kernels &k, const Shape &s) {
                const Value dx(s.m, s.n, s.k);
                auto d = panels(s.m, s.n * s.k);

                return Job{
                    [=, m = s.m, n = s.n, length = s.k] { k.flatten_bwd(m, n, length, d.get(), m * kPanel, dx); },
                    0,
                    {flat_bytes(s), bytes(s)}};
            }};
}

Setup setup_dropout()
{
    return {sample_shapes(), [](const lk_kernels &k, const Shape &s) {
                const Value x(s.m, s.n, s.k), y(s.m, s.n, s.k);
                const lk_dropout p = {1, 2, 3, 0, 0x80000000u, 2.0f};

                return Job{[=, m = s.m, n = s.n, length = s.k] { k.dropout(&p, m, n, length, x, y); },
                           0,
                           {bytes(s), bytes(s)}};
            }};
}

Setup setup_sum()
{
    return {sample_shapes(), [](const lk_kernels &k, const Shape &s) {
                const Value x(s.m, s.n, s.k), y(s.m, 1, 1);

                return Job{[=, m = s.m, n = s.n, length = s.k] { k.sum(m, n, length, 1.0f, x, y); },
                           0,
                           {bytes(s), panel_bytes(s.m, 1)}};
            }};
}

Setup setup_expand()
{
    return {sample_shapes(), [](const lk_kernels &k, const Shape &s) {
                const Value x(s.m, 1, 1), y(s.m, s.n, s.k);

                return Job{[=, m = s.m, n = s.n, length = s.k] { k.expand(m, n, length, 1.0f, x, y); },
                           0,
                           {panel_bytes(s.m, 1), bytes(s)}};
            }};
}

} // namespace bench
