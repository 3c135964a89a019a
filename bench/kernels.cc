/* SPDX-License-Identifier: MIT
 *
 * lockstep-bench: every kernel of every instruction set this CPU has, called through the kernel table. Names are
 * kernel/instruction set/shape (MxNxK, rows x columns, n, or BxCxO of a convolution with its L, taps k, dilation d);
 * figures are GFLOP/s with their share of the FMA peak measured at start, or GB/s of the bytes that must move.
 */
#include <benchmark/benchmark.h>

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "cpu.h"
}

namespace
{

constexpr size_t kPanel = LK_PANEL;

struct Shape {
    size_t m, n, k; /* n and k are 0 where a kernel has no such size */
    lk_conv conv = {};
};

/* One benchmark, ready to run: a call of the kernel and what it does. */
struct Job {
    std::function<void()> call;
    double flops = 0, bytes = 0;
};

/* How to set up a slot: shapes and a job for one of them. */
struct Setup {
    std::vector<Shape> shapes;
    std::function<Job(const lk_kernels &, const Shape &)> prepare;
};

/* Every slot has a specialisation, or this program does not compile. */
template <lk_slot> Setup setup() = delete;

/* Cache-line aligned memory that lives as long as the job that holds it. */
template <typename T> class Buffer
{
  public:
    explicit Buffer(size_t n)
        : data_(static_cast<T *>(std::aligned_alloc(64, (n * sizeof(T) + 63) / 64 * 64 + 64)), std::free)
    {
        if (!data_)
            std::abort();
    }

    T *get() const
    {
        return data_.get();
    }

  private:
    std::shared_ptr<T> data_;
};

uint32_t next_random()
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 32);
}

/* n floats between -1 and 1. */
Buffer<float> floats(size_t n)
{
    Buffer<float> b(n);

    for (size_t i = 0; i < n; i++)
        b.get()[i] = static_cast<float>(static_cast<int32_t>(next_random())) * 0x1p-31f;
    return b;
}

/* n positive floats. */
Buffer<float> positive_floats(size_t n)
{
    Buffer<float> b = floats(n);

    for (size_t i = 0; i < n; i++)
        b.get()[i] = b.get()[i] * 0.5f + 0.5f + 0x1p-20f;
    return b;
}

/* A dense panel matrix of rows x columns, and its bytes. */
Buffer<float> panels(size_t rows, size_t columns)
{
    return floats(lk_panels(columns) * kPanel * rows);
}

double panel_bytes(size_t rows, size_t columns)
{
    return 4.0 * static_cast<double>(lk_panels(columns) * kPanel * rows);
}

double product(size_t a, size_t b, size_t c = 1)
{
    return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
}

lk_act activation(size_t outputs)
{
    return outputs > 10 ? LK_ACT_RELU : LK_ACT_NONE;
}

/* The layers 784 -> 512 -> 256 -> 10 at batch 100 and 512, as inputs and outputs by the caller's order of letters. */
std::vector<Shape> layer_shapes(const std::function<Shape(size_t, size_t, size_t)> &order)
{
    std::vector<Shape> shapes;

    for (size_t batch : {size_t{100}, size_t{512}}) {
        shapes.push_back(order(batch, 784, 512));
        shapes.push_back(order(batch, 512, 256));
        shapes.push_back(order(batch, 256, 10));
    }
    return shapes;
}

template <> Setup setup<LK_SLOT_gemm_fwd>()
{
    return {layer_shapes([](size_t b, size_t i, size_t o) {
                return Shape{b, o, i};
            }),
            [](const lk_kernels &k, const Shape &s) {
                auto a = panels(s.m, s.k), w = panels(s.k, s.n), bias = floats(s.n), y = panels(s.m, s.n);

                return Job{[=] {
                               k.gemm_fwd(s.m, s.n, s.k, a.get(), s.m * kPanel, w.get(), bias.get(), y.get(),
                                          s.m * kPanel, activation(s.n));
                           },
                           2 * product(s.m, s.n, s.k)};
            }};
}

template <> Setup setup<LK_SLOT_gemm_dx>()
{
    return {layer_shapes([](size_t b, size_t i, size_t o) {
                return Shape{b, i, o};
            }),
            [](const lk_kernels &k, const Shape &s) {
                auto d = panels(s.m, s.k), wt = panels(s.k, s.n), y = panels(s.m, s.n), dx = panels(s.m, s.n);

                return Job{[=] {
                               k.gemm_dx(s.m, s.n, s.k, d.get(), s.m * kPanel, wt.get(), y.get(), s.m * kPanel,
                                         LK_ACT_RELU, dx.get(), s.m * kPanel);
                           },
                           2 * product(s.m, s.n, s.k)};
            }};
}

template <> Setup setup<LK_SLOT_gemm_dw>()
{
    return {layer_shapes([](size_t b, size_t i, size_t o) {
                return Shape{i, o, b};
            }),
            [](const lk_kernels &k, const Shape &s) {
                auto x = panels(s.k, s.m), d = panels(s.k, s.n), g = panels(s.m, s.n), db = panels(1, s.n);

                return Job{[=] {
                               k.gemm_dw(s.m, s.n, s.k, x.get(), s.k * kPanel, d.get(), s.k * kPanel, g.get(),
                                         s.m * kPanel, db.get(), 1);
                           },
                           2 * product(s.m, s.n, s.k)};
            }};
}

template <> Setup setup<LK_SLOT_transpose>()
{
    return {{{784, 512, 0}, {512, 256, 0}, {256, 10, 0}}, [](const lk_kernels &k, const Shape &s) {
                auto w = panels(s.m, s.n), wt = panels(s.n, s.m);

                return Job{[=] { k.transpose(s.m, s.n, w.get(), s.m * kPanel, wt.get(), s.n * kPanel); }, 0,
                           panel_bytes(s.m, s.n) + panel_bytes(s.n, s.m)};
            }};
}

/* A convolution that keeps the length (odd taps), stride 1, one group. */
Shape same_conv(size_t b, size_t c, size_t o, size_t l, size_t taps, size_t dilation)
{
    return {b, c, o, {b, c, l, o, l, taps, 1, dilation, (taps - 1) * dilation / 2, 1}};
}

const std::vector<Shape> kConvs = {same_conv(128, 28, 64, 28, 3, 1), same_conv(128, 64, 128, 14, 3, 1),
                                   same_conv(1, 15, 15, 60000, 51, 8), same_conv(128, 1, 16, 784, 5, 1)};

/* A value of the same length in and out, with +0 for a halo of `padding` rows. */
class Samples
{
  public:
    Samples(const lk_conv &g, size_t channels)
        : pitch_(g.L + g.padding), rows_(g.B * pitch_ + g.padding), data_(panels(rows_, channels)),
          first_(data_.get() + g.padding * kPanel)
    {
        for (size_t p = 0; p < lk_panels(channels); p++)
            for (size_t r = 0; r < rows_; r++)
                if (r < g.padding || (r - g.padding) % pitch_ >= g.L)
                    std::fill_n(data_.get() + (p * rows_ + r) * kPanel, kPanel, 0.0f);
    }

    lk_view view() const
    {
        return {first_, rows_ * kPanel, pitch_};
    }

    lk_cview cview() const
    {
        return {first_, rows_ * kPanel, pitch_};
    }

  private:
    size_t pitch_, rows_;
    Buffer<float> data_;
    float *first_;
};

double conv_flops(const lk_conv &g)
{
    return 2 * product(g.B * g.T, g.O, g.taps * g.C);
}

template <> Setup setup<LK_SLOT_conv_fwd>()
{
    return {kConvs, [](const lk_kernels &k, const Shape &s) {
                const lk_conv g = s.conv;
                const Samples x(g, g.C), y(g, g.O);
                auto w = panels(g.taps * g.C, g.O), bias = floats(g.O);

                return Job{[=] {
                               const lk_epilogue e = {bias.get(), LK_ACT_RELU, {}};

                               k.conv_fwd(&g, x.cview(), w.get(), &e, y.view());
                           },
                           conv_flops(g)};
            }};
}

template <> Setup setup<LK_SLOT_conv_dx>()
{
    return {kConvs, [](const lk_kernels &k, const Shape &s) {
                const lk_conv g = s.conv;
                const Samples d(g, g.O), x(g, g.C), dx(g, g.C);
                auto wt = panels(g.taps * g.O, g.C);

                return Job{[=] {
                               const lk_epilogue e = {nullptr, LK_ACT_RELU, x.cview()};

                               k.conv_dx(&g, d.cview(), wt.get(), &e, dx.view());
                           },
                           conv_flops(g)};
            }};
}

/* All taps; the first call takes the bias gradient, too. */
template <> Setup setup<LK_SLOT_conv_dw>()
{
    return {kConvs, [](const lk_kernels &k, const Shape &s) {
                const lk_conv g = s.conv;
                const Samples x(g, g.C), d(g, g.O);
                auto dw = panels(g.taps * g.C, g.O), db = panels(1, g.O);

                return Job{[=] {
                               for (size_t tap = 0; tap < g.taps; tap++)
                                   k.conv_dw(&g, tap, 0, g.C, 0, g.O, x.cview(), d.cview(),
                                             dw.get() + tap * g.C * kPanel, g.taps * g.C * kPanel,
                                             tap ? nullptr : db.get(), 1);
                           },
                           conv_flops(g)};
            }};
}

/* Elementwise: up to three arrays in L1 (32 KiB) and in L2 (512 KiB). */
const std::vector<Shape> kElementwise = {{2048, 0, 0}, {32768, 0, 0}};

template <typename Kernel> Setup map1(Kernel *const lk_kernels::*slot)
{
    return {kElementwise, [slot](const lk_kernels &k, const Shape &s) {
                auto x = positive_floats(s.m), y = floats(s.m);
                auto *kernel = k.*slot;

                return Job{[=] { kernel(s.m, x.get(), y.get()); }, 0, 8.0 * static_cast<double>(s.m)};
            }};
}

template <typename Kernel> Setup map2(Kernel *const lk_kernels::*slot)
{
    return {kElementwise, [slot](const lk_kernels &k, const Shape &s) {
                auto a = floats(s.m), b = floats(s.m), y = floats(s.m);
                auto *kernel = k.*slot;

                return Job{[=] { kernel(s.m, a.get(), b.get(), y.get()); }, 0, 12.0 * static_cast<double>(s.m)};
            }};
}

template <typename Kernel> Setup map3(Kernel *const lk_kernels::*slot)
{
    return {
        kElementwise, [slot](const lk_kernels &k, const Shape &s) {
            auto a = floats(s.m), b = floats(s.m), c = floats(s.m), y = floats(s.m);
            auto *kernel = k.*slot;

            return Job{[=] { kernel(s.m, a.get(), b.get(), c.get(), y.get()); }, 0, 16.0 * static_cast<double>(s.m)};
        }};
}

/* With a scalar before the arrays. */
template <typename Kernel> Setup scalar_map1(Kernel *const lk_kernels::*slot)
{
    return {kElementwise, [slot](const lk_kernels &k, const Shape &s) {
                auto x = floats(s.m), y = floats(s.m);
                auto *kernel = k.*slot;

                return Job{[=] { kernel(s.m, 0.01f, x.get(), y.get()); }, 0, 8.0 * static_cast<double>(s.m)};
            }};
}

template <typename Kernel> Setup scalar_map2(Kernel *const lk_kernels::*slot)
{
    return {kElementwise, [slot](const lk_kernels &k, const Shape &s) {
                auto a = positive_floats(s.m), b = positive_floats(s.m), y = floats(s.m);
                auto *kernel = k.*slot;

                return Job{[=] { kernel(s.m, 0.01f, a.get(), b.get(), y.get()); }, 0, 12.0 * static_cast<double>(s.m)};
            }};
}

#define LS_MAP(slot, map)                                                                                              \
    template <> Setup setup<LK_SLOT_##slot>()                                                                          \
    {                                                                                                                  \
        return map(&lk_kernels::slot);                                                                                 \
    }

LS_MAP(relu_fwd, map1)
LS_MAP(sigmoid_fwd, map1)
LS_MAP(tanh_fwd, map1)
LS_MAP(exp, map1)
LS_MAP(log, map1)
LS_MAP(relu_bwd, map2)
LS_MAP(sigmoid_bwd, map2)
LS_MAP(tanh_bwd, map2)
LS_MAP(add, map2)
LS_MAP(leaky_relu_fwd, scalar_map1)
LS_MAP(leaky_relu_bwd, scalar_map2)
LS_MAP(gelu_fwd, map1)
LS_MAP(gelu_bwd, map2)
LS_MAP(gelu_tanh_fwd, map1)
LS_MAP(gelu_tanh_bwd, map2)
LS_MAP(silu_fwd, map1)
LS_MAP(silu_bwd, map2)
LS_MAP(log1p, map1)
LS_MAP(erf, map1)
LS_MAP(sub, map2)
LS_MAP(mul, map2)
LS_MAP(div, map2)
LS_MAP(maximum, map2)
LS_MAP(minimum, map2)
LS_MAP(maximum_bwd, map3)
LS_MAP(scale, scalar_map1)
LS_MAP(mse_bwd, scalar_map2)
LS_MAP(bce_bwd, scalar_map2)
LS_MAP(bce_logits_bwd, scalar_map2)

const std::vector<Shape> kLogits = {{100, 10, 0}, {512, 10, 0}, {512, 256, 0}};

template <typename Kernel> Setup rows_fwd(Kernel *const lk_kernels::*slot)
{
    return {kLogits, [slot](const lk_kernels &k, const Shape &s) {
                auto z = panels(s.m, s.n), p = panels(s.m, s.n);
                auto *kernel = k.*slot;

                return Job{[=] { kernel(s.m, s.n, z.get(), s.m * kPanel, p.get(), s.m * kPanel); }, 0,
                           2 * panel_bytes(s.m, s.n)};
            }};
}

template <typename Kernel> Setup rows_bwd(Kernel *const lk_kernels::*slot)
{
    return {
        kLogits, [slot](const lk_kernels &k, const Shape &s) {
            auto p = panels(s.m, s.n), d = panels(s.m, s.n), dz = panels(s.m, s.n);
            auto *kernel = k.*slot;
            const size_t ld = s.m * kPanel;

            return Job{[=] { kernel(s.m, s.n, p.get(), ld, d.get(), ld, dz.get(), ld); }, 0, 3 * panel_bytes(s.m, s.n)};
        }};
}

LS_MAP(softmax_fwd, rows_fwd)
LS_MAP(softmax_bwd, rows_bwd)
LS_MAP(log_softmax_fwd, rows_fwd)
LS_MAP(log_softmax_bwd, rows_bwd)

/* Losses of samples: rows, and channels of positions (samples x channels x positions). */
template <typename Kernel> Setup loss_map(Kernel *const lk_kernels::*slot)
{
    return {{{512, 10, 1}, {512, 256, 1}, {64, 64, 28}}, [slot](const lk_kernels &k, const Shape &s) {
                const size_t rows = s.m * s.k, count = lk_panels(s.n) * kPanel * rows;
                auto x = positive_floats(count), t = positive_floats(count), loss = floats(s.m);
                auto *kernel = k.*slot;

                return Job{[=] {
                               const lk_cview vx = {x.get(), rows * kPanel, s.k}, vt = {t.get(), rows * kPanel, s.k};

                               kernel(s.m, s.n, s.k, 0.01f, vx, vt, loss.get());
                           },
                           0, 2 * panel_bytes(rows, s.n) + 4.0 * static_cast<double>(s.m)};
            }};
}

LS_MAP(mse_fwd, loss_map)
LS_MAP(bce_fwd, loss_map)
LS_MAP(bce_logits_fwd, loss_map)

template <> Setup setup<LK_SLOT_softmax_xent>()
{
    return {kLogits, [](const lk_kernels &k, const Shape &s) {
                auto z = panels(s.m, s.n), d = panels(s.m, s.n), loss = floats(s.m);
                Buffer<uint8_t> label(s.m), hit(s.m);
                const size_t ld = s.m * kPanel;

                for (size_t m = 0; m < s.m; m++)
                    label.get()[m] = static_cast<uint8_t>(next_random() % s.n);
                return Job{[=] {
                               k.softmax_xent(s.m, s.n, z.get(), ld, label.get(), 1.0f / static_cast<float>(s.m),
                                              d.get(), ld, loss.get(), hit.get());
                           },
                           0, 2 * panel_bytes(s.m, s.n) + 6.0 * static_cast<double>(s.m)};
            }};
}

/* Samples of s.n channels of s.k positions (of 784 values where k is 0), out of 8192 (6 MiB), in random order. */
template <> Setup setup<LK_SLOT_gather_u8>()
{
    return {{{100, 784, 0}, {512, 784, 0}, {128, 28, 28}}, [](const lk_kernels &k, const Shape &s) {
                constexpr size_t kRows = 8192;
                const size_t length = std::max(s.k, size_t{1}), features = s.n * length;
                Buffer<uint8_t> src(kRows * features);
                Buffer<uint32_t> index(s.m);
                auto x = panels(s.m * length, s.n);
                const lk_view view = {x.get(), s.m * length * kPanel, length};

                for (size_t i = 0; i < kRows * features; i++)
                    src.get()[i] = static_cast<uint8_t>(next_random());
                for (size_t m = 0; m < s.m; m++)
                    index.get()[m] = next_random() % kRows;
                return Job{
                    [=, x = x] { k.gather_u8(s.m, s.n, length, src.get(), features, index.get(), 1.0f / 255, view); },
                    0, product(s.m, features) + panel_bytes(s.m * length, s.n)};
            }};
}

/* Optimisers: in L1, and all parameters of 784 -> 512 -> 256 -> 10. */
const std::vector<Shape> kParameters = {{1024, 0, 0}, {535818, 0, 0}};

template <> Setup setup<LK_SLOT_sgd>()
{
    return {kParameters, [](const lk_kernels &k, const Shape &s) {
                auto grad = floats(s.m), w = floats(s.m), m = floats(s.m);
                const lk_sgd p = {1e-6f, 0.9f, 1e-4f, 0};

                return Job{[=] { k.sgd(s.m, grad.get(), w.get(), m.get(), &p); }, 0, 20.0 * static_cast<double>(s.m)};
            }};
}

template <> Setup setup<LK_SLOT_adam>()
{
    return {kParameters, [](const lk_kernels &k, const Shape &s) {
                auto grad = floats(s.m), w = floats(s.m), m = floats(s.m), v = positive_floats(s.m);
                const lk_adam p = {1e-6f, 0.1f, 0.999f, 0.001f, 1.0f, 1e-8f, 0.0f, 1.0f};

                return Job{[=] { k.adam(s.m, grad.get(), w.get(), m.get(), v.get(), &p); }, 0,
                           28.0 * static_cast<double>(s.m)};
            }};
}

/* Pooling of 128 samples of 64 channels of length 28: kernel m, stride n, padding k; the input (917 KiB) in L2 or L3. */
const std::vector<Shape> kPools = {{2, 2, 0}, {3, 1, 1}};

lk_pool pool_of(const Shape &s)
{
    constexpr size_t kLength = 28;

    return {128, 64, kLength, (kLength + 2 * s.k - s.m) / s.n + 1, s.m, s.n, s.k, 0};
}

/* A value of rows x 64 channels as the kernels see it, dense. */
struct Value {
    Buffer<float> memory;
    size_t length, ld;

    Value(const lk_pool &g, size_t n) : memory(panels(g.B * n, g.C)), length(n), ld(g.B * n * kPanel)
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

double pool_bytes(const lk_pool &g)
{
    return panel_bytes(g.B * (g.L + g.T), g.C);
}

double index_bytes(const lk_pool &g)
{
    return panel_bytes(g.B * g.T, g.C) / 4;
}

template <> Setup setup<LK_SLOT_max_pool_fwd>()
{
    return {kPools, [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value x(g, g.L), y(g, g.T);
                Buffer<uint8_t> index(g.B * g.T * lk_panels(g.C) * kPanel);

                return Job{[=] { k.max_pool_fwd(&g, x, y, index.get()); }, 0, pool_bytes(g) + index_bytes(g)};
            }};
}

template <> Setup setup<LK_SLOT_max_pool_bwd>()
{
    return {kPools, [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value x(g, g.L), d(g, g.T), dx(g, g.L);
                Buffer<uint8_t> index(g.B * g.T * lk_panels(g.C) * kPanel);

                k.max_pool_fwd(&g, x, d, index.get());
                return Job{[=] { k.max_pool_bwd(&g, index.get(), d, dx); }, 0, pool_bytes(g) + index_bytes(g)};
            }};
}

template <> Setup setup<LK_SLOT_avg_pool_fwd>()
{
    return {kPools, [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value x(g, g.L), y(g, g.T);

                return Job{[=] { k.avg_pool_fwd(&g, x, y); }, 0, pool_bytes(g)};
            }};
}

template <> Setup setup<LK_SLOT_avg_pool_bwd>()
{
    return {kPools, [](const lk_kernels &k, const Shape &s) {
                const lk_pool g = pool_of(s);
                const Value d(g, g.T), dx(g, g.L);

                return Job{[=] { k.avg_pool_bwd(&g, d, dx); }, 0, pool_bytes(g)};
            }};
}

/* Batch x channels x length. */
const std::vector<Shape> kSamples = {{128, 64, 28}, {128, 128, 7}};

lk_pool samples_of(const Shape &s)
{
    lk_pool g = {};

    g.B = s.m;
    g.C = s.n;
    g.L = s.k;
    return g;
}

template <> Setup setup<LK_SLOT_flatten_fwd>()
{
    return {kSamples, [](const lk_kernels &k, const Shape &s) {
                const Value x(samples_of(s), s.k);
                auto y = panels(s.m, s.n * s.k);

                return Job{[=] { k.flatten_fwd(s.m, s.n, s.k, x, y.get(), s.m * kPanel); }, 0,
                           2 * panel_bytes(s.m * s.k, s.n)};
            }};
}

template <> Setup setup<LK_SLOT_flatten_bwd>()
{
    return {kSamples, [](const lk_kernels &k, const Shape &s) {
                const Value dx(samples_of(s), s.k);
                auto d = panels(s.m, s.n * s.k);

                return Job{[=] { k.flatten_bwd(s.m, s.n, s.k, d.get(), s.m * kPanel, dx); }, 0,
                           2 * panel_bytes(s.m * s.k, s.n)};
            }};
}

template <> Setup setup<LK_SLOT_dropout>()
{
    return {kSamples, [](const lk_kernels &k, const Shape &s) {
                const Value x(samples_of(s), s.k), y(samples_of(s), s.k);
                const lk_dropout p = {1, 2, 3, 0, 0x80000000u, 2.0f};

                return Job{[=] { k.dropout(&p, s.m, s.n, s.k, x, y); }, 0, 2 * panel_bytes(s.m * s.k, s.n)};
            }};
}

template <> Setup setup<LK_SLOT_sum>()
{
    return {kSamples, [](const lk_kernels &k, const Shape &s) {
                const Value x(samples_of(s), s.k), y(samples_of({s.m, 1, 1}), 1);

                return Job{[=] { k.sum(s.m, s.n, s.k, 1.0f, x, y); }, 0, panel_bytes(s.m * s.k, s.n)};
            }};
}

template <> Setup setup<LK_SLOT_expand>()
{
    return {kSamples, [](const lk_kernels &k, const Shape &s) {
                const Value x(samples_of({s.m, 1, 1}), 1), y(samples_of(s), s.k);

                return Job{[=] { k.expand(s.m, s.n, s.k, 1.0f, x, y); }, 0, panel_bytes(s.m * s.k, s.n)};
            }};
}

template <> Setup setup<LK_SLOT_peak_fma>()
{
    return {{{10000, 0, 0}}, [](const lk_kernels &k, const Shape &s) {
                return Job{[=] { k.peak_fma(s.m); }, k.peak_fma(s.m)};
            }};
}

template <> Setup setup<LK_SLOT_peak_clock>()
{
    return {{{10000, 0, 0}}, [](const lk_kernels &k, const Shape &s) { return Job{[=] { k.peak_clock(s.m); }}; }};
}

template <> Setup setup<LK_SLOT_peak_read>()
{
    return {kElementwise, [](const lk_kernels &k, const Shape &s) {
                auto x = floats(s.m);

                return Job{[=] { k.peak_read(s.m, x.get()); }, 0, 4.0 * static_cast<double>(s.m)};
            }};
}

template <> Setup setup<LK_SLOT_peak_write>()
{
    return {kElementwise, [](const lk_kernels &k, const Shape &s) {
                auto y = floats(s.m);

                return Job{[=] { k.peak_write(s.m, 1.0f, y.get()); }, 0, 4.0 * static_cast<double>(s.m)};
            }};
}

LS_MAP(peak_copy, map1)

/* Processor time of this thread: what other processes take does not count. */
double seconds()
{
    timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/* FMA peak in GFLOP/s: the best of 50 probes of at least 2 ms. */
double measure_peak(const lk_kernels &k)
{
    double best = 0;
    size_t n = 1000;

    for (int probes = 0; probes < 50;) {
        const double start = seconds(), flops = k.peak_fma(n), time = seconds() - start;

        if (time < 2e-3) {
            n *= 2;
            continue;
        }
        best = std::max(best, flops / time * 1e-9);
        probes++;
    }
    return best;
}

void run(benchmark::State &state, const Setup &setup, const lk_kernels &k, const Shape &shape, double peak)
{
    const Job job = setup.prepare(k, shape);

    job.call();
    const double start = seconds();
    for (auto _ : state) {
        job.call();
        benchmark::ClobberMemory();
    }
    const double per_second = static_cast<double>(state.iterations()) / (seconds() - start) * 1e-9;
    if (job.flops > 0) {
        state.counters["GFLOP/s"] = job.flops * per_second;
        state.counters["peak_share"] = job.flops * per_second / peak;
    }
    if (job.bytes > 0)
        state.counters["GB/s"] = job.bytes * per_second;
}

std::string shape_name(const Shape &s)
{
    std::string name = std::to_string(s.m);

    for (size_t d : {s.n, s.k})
        if (d)
            name += "x" + std::to_string(d);
    if (s.conv.taps)
        name +=
            "/L" + std::to_string(s.conv.L) + "k" + std::to_string(s.conv.taps) + "d" + std::to_string(s.conv.dilation);
    return name;
}

void register_isa(lk_isa isa, const std::vector<Setup> &setups)
{
    lk_table table;
    const std::string isa_name = lk_isa_name(isa);

    lk_table_init(&table, isa, lk_cpu_features());
    const double peak = measure_peak(table.k);
    benchmark::AddCustomContext("fma_peak_gflops_" + isa_name, std::to_string(peak));
    for (size_t slot = 0; slot < setups.size(); slot++)
        for (const Shape &shape : setups[slot].shapes) {
            const std::string name =
                std::string(lk_slot_name(static_cast<lk_slot>(slot))) + "/" + isa_name + "/" + shape_name(shape);
            const Setup &setup = setups[slot];
            const lk_kernels k = table.k;

            benchmark::RegisterBenchmark(name.c_str(),
                                         [=, &setup](benchmark::State &state) { run(state, setup, k, shape, peak); });
        }
}

} // namespace

int main(int argc, char **argv)
{
    const std::vector<Setup> setups = {
#define X(slot) setup<LK_SLOT_##slot>(),
        LK_KERNELS(X)
#undef X
    };
    char cpu[64];

    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    lk_fpenv_enter();
    lk_cpu_name(cpu);
    benchmark::AddCustomContext("cpu", cpu);
    for (int isa = 0; isa < LK_ISA_COUNT; isa++)
        if (lk_isa_supported(static_cast<lk_isa>(isa), lk_cpu_features()))
            register_isa(static_cast<lk_isa>(isa), setups);
    return benchmark::RunSpecifiedBenchmarks() ? 0 : 1;
}
