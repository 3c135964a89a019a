/* SPDX-License-Identifier: MIT
 * Benchmarks of the products that leave zeros out, on the pixels of the built-in digits. flops counts what is done: a
 * dense product of the same shape has 2 M N K. */
#include "job.h"

#include "runtime.h"

#include <benchmark/benchmark.h>

#include <numeric>

namespace bench
{
namespace
{

constexpr size_t kPixels = 784;

/* A batch of digits in panels, and its bits. */
struct Images {
    size_t rows;
    Buffer<float> x;
    Buffer<uint16_t> bits;

    Images(const lk_kernels &k, size_t n) : rows(n), x(values(n, kPixels)), bits(lk_panels(kPixels) * n)
    {
        std::vector<uint8_t> bytes(n * kPixels);
        std::vector<uint32_t> index(n);

        std::iota(index.begin(), index.end(), 0);
        bench_digits(n, bytes.data());
        k.gather_u8(n, kPixels, 1, bytes.data(), kPixels, index.data(), 1.0f / 255.0f, {x.get(), value_ld(n), 1},
                    bits.get(), n);
    }

    double bytes() const
    {
        return panel_bytes(rows, kPixels) * 33 / 32;
    }
};

/* Batch m, outputs n. */
std::vector<Shape> shapes()
{
    std::vector<Shape> all;

    for (size_t m : {100, 512})
        for (size_t n : {100, 512})
            all.push_back({"mnist/" + std::to_string(m) + "x" + std::to_string(n) + "x784", m, n});
    return all;
}

} // namespace

Setup setup_finite()
{
    return {level_shapes(4), [](const lk_kernels &k, const Shape &s) {
                auto x = floats(s.m);

                return Job{[=, n = s.m] { benchmark::DoNotOptimize(k.finite(n, x.get())); },
                           0,
                           {4.0 * static_cast<double>(s.m), 0}};
            }};
}

Setup setup_gemm_fwd_skip()
{
    return {shapes(), [](const lk_kernels &k, const Shape &s) {
                const Images a(k, s.m);
                auto w = panels(kPixels, s.n), bias = floats(s.n), y = values(s.m, s.n);
                const auto call = [=, n = s.n] {
                    return k.gemm_fwd_skip(a.rows, n, kPixels, a.x.get(), value_ld(a.rows), a.bits.get(), a.rows,
                                           w.get(), bias.get(), y.get(), value_ld(a.rows), LK_ACT_RELU);
                };

                return Job{[=] { call(); },
                           2.0 * static_cast<double>(call()),
                           {a.bytes() + panel_bytes(kPixels, s.n), panel_bytes(s.m, s.n)}};
            }};
}

Setup setup_gemm_dw_skip()
{
    return {shapes(), [](const lk_kernels &k, const Shape &s) {
                const Images x(k, s.m);
                auto d = values(s.m, s.n), g = panels(kPixels, s.n), db = panels(1, s.n);
                const auto call = [=, n = s.n] {
                    return k.gemm_dw_skip(kPixels, n, x.rows, x.x.get(), value_ld(x.rows), x.bits.get(), x.rows,
                                          d.get(), value_ld(x.rows), g.get(), kPixels * kPanel, db.get(), 1);
                };

                return Job{[=] { call(); },
                           2.0 * static_cast<double>(call()),
                           {x.bytes() + panel_bytes(s.m, s.n), panel_bytes(kPixels, s.n)}};
            }};
}

} // namespace bench
