/* SPDX-License-Identifier: MIT
 * Benchmarks of softmax and the losses: rows of 10 classes in L1, L2, L3 and DRAM, and other widths. */
#include "job.h"

namespace bench
{
namespace
{

/* Rows of so many columns and arrays: m rows, n columns, k positions. */
std::vector<Shape> row_shapes(size_t arrays)
{
    constexpr size_t kClasses = 10;
    std::vector<Shape> shapes = level_shapes(static_cast<double>(arrays) * panel_bytes(1, kClasses));

    for (Shape &s : shapes)
        s.n = kClasses, s.k = 1;
    shapes.push_back({"mnist/100x10", 100, 10, 1});
    shapes.push_back({"square/256x256", 256, 256, 1});
    return shapes;
}

template <typename Kernel> Setup rows_fwd(Kernel *const lk_kernels::*slot)
{
    return {row_shapes(2), [=](const lk_kernels &k, const Shape &s) {
                auto z = panels(s.m, s.n), p = panels(s.m, s.n);
                const double bytes = panel_bytes(s.m, s.n);

                return Job{
                    [=, m = s.m, n = s.n, kernel = k.*slot] { kernel(m, n, z.get(), m * kPanel, p.get(), m * kPanel); },
                    0,
                    {bytes, bytes}};
            }};
}

template <typename Kernel> Setup rows_bwd(Kernel *const lk_kernels::*slot)
{
    return {row_shapes(3), [=](const lk_kernels &k, const Shape &s) {
                auto p = panels(s.m, s.n), d = panels(s.m, s.n), dz = panels(s.m, s.n);
                const double bytes = panel_bytes(s.m, s.n);

                return Job{[=, m = s.m, n = s.n, ld = s.m * kPanel, kernel = k.*slot] {
                               kernel(m, n, p.get(), ld, d.get(), ld, dz.get(), ld);
                           },
                           0,
                           {2 * bytes, bytes}};
            }};
}

/* Losses of samples: rows, and channels of positions. */
template <typename Kernel> Setup loss(Kernel *const lk_kernels::*slot)
{
    std::vector<Shape> shapes = row_shapes(2);

    shapes.push_back({"conv1d/64x64x28", 64, 64, 28});
    return {shapes, [=](const lk_kernels &k, const Shape &s) {
                const size_t rows = s.m * s.k, count = lk_panels(s.n) * kPanel * rows;
                auto x = positive_floats(count), t = positive_floats(count), result = floats(s.m);

                return Job{[=, m = s.m, n = s.n, length = s.k, kernel = k.*slot] {
                               const lk_cview vx = {x.get(), rows * kPanel, length};
                               const lk_cview vt = {t.get(), rows * kPanel, length};

                               kernel(m, n, length, 0.01f, vx, vt, result.get());
                           },
                           0,
                           {2 * panel_bytes(rows, s.n), 4.0 * static_cast<double>(s.m)}};
            }};
}

} // namespace

#define BENCH_ROWS(slot, family)                                                                                       \
    Setup setup_##slot()                                                                                               \
    {                                                                                                                  \
        return family(&lk_kernels::slot);                                                                              \
    }

BENCH_ROWS(softmax_fwd, rows_fwd)
BENCH_ROWS(softmax_bwd, rows_bwd)
BENCH_ROWS(log_softmax_fwd, rows_fwd)
BENCH_ROWS(log_softmax_bwd, rows_bwd)
BENCH_ROWS(mse_fwd, loss)
BENCH_ROWS(bce_fwd, loss)
BENCH_ROWS(bce_logits_fwd, loss)

Setup setup_softmax_xent()
{
    return {row_shapes(2), [](const lk_kernels &k, const Shape &s) {
                auto z = panels(s.m, s.n), d = panels(s.m, s.n), result = floats(s.m);
                Buffer<uint8_t> label(s.m), hit(s.m);
                const double bytes = panel_bytes(s.m, s.n), rows = static_cast<double>(s.m);

                for (size_t m = 0; m < s.m; m++)
                    label.get()[m] = static_cast<uint8_t>(next_random() % s.n);
                return Job{[=, m = s.m, n = s.n, ld = s.m * kPanel] {
                               k.softmax_xent(m, n, z.get(), ld, label.get(), 1.0f / static_cast<float>(m), d.get(), ld,
                                              result.get(), hit.get());
                           },
                           0,
                           {bytes + rows, bytes + 5 * rows}};
            }};
}

} // namespace bench
