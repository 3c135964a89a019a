/* SPDX-License-Identifier: MIT
 * Benchmarks of the convolutions. */
#include "job.h"

namespace bench
{
namespace
{

/* A value of the same length in and out, with +0 for a halo of `padding` rows. */
class Samples
{
  public:
    Samples(const lk_conv &g, size_t channels)
        : pitch_(g.L + g.padding), rows_(g.B * pitch_ + g.padding), data_(panels(rows_, channels)),
          first_(data_.get() + g.padding * kPanel), bytes_(panel_bytes(rows_, channels))
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

    double bytes() const
    {
        return bytes_;
    }

  private:
    size_t pitch_, rows_;
    Buffer<float> data_;
    float *first_;
    double bytes_;
};

double conv_flops(const lk_conv &g)
{
    return 2 * product(g.B * g.T, g.O, g.taps * g.C);
}

} // namespace

Setup setup_conv_fwd()
{
    return {conv_shapes(), [](const lk_kernels &k, const Shape &s) {
                const lk_conv g = s.conv;
                const Samples x(g, g.C), y(g, g.O);
                auto w = panels(g.taps * g.C, g.O), bias = floats(g.O);

                return Job{[=] {
                               const lk_epilogue e = {bias.get(), LK_ACT_RELU, {}};

                               k.conv_fwd(&g, x.cview(), w.get(), &e, y.view());
                           },
                           conv_flops(g),
                           {x.bytes() + panel_bytes(g.taps * g.C, g.O), y.bytes()}};
            }};
}

Setup setup_conv_dx()
{
    return {conv_shapes(), [](const lk_kernels &k, const Shape &s) {
                const lk_conv g = s.conv;
                const Samples d(g, g.O), x(g, g.C), dx(g, g.C);
                auto wt = panels(g.taps * g.O, g.C);

                return Job{[=] {
                               const lk_epilogue e = {nullptr, LK_ACT_RELU, x.cview()};

                               k.conv_dx(&g, d.cview(), wt.get(), &e, dx.view());
                           },
                           conv_flops(g),
                           {d.bytes() + x.bytes() + panel_bytes(g.taps * g.O, g.C), dx.bytes()}};
            }};
}

Setup setup_conv_dw()
{
    return {conv_shapes(), [](const lk_kernels &k, const Shape &s) {
                const lk_conv g = s.conv;
                const Samples x(g, g.C), d(g, g.O);
                auto dw = panels(g.taps * g.C, g.O), db = panels(1, g.O);

                return Job{[=] {
                               k.conv_dw(&g, 0, g.taps * g.C, 0, g.O, x.cview(), d.cview(), dw.get(),
                                         g.taps * g.C * kPanel, db.get(), 1);
                           },
                           conv_flops(g),
                           {x.bytes() + d.bytes(), panel_bytes(g.taps * g.C, g.O)}};
            }};
}

} // namespace bench
