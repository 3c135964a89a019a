/* SPDX-License-Identifier: MIT
 * Benchmarks of the matrix products. The set cold takes the weights of another copy at each call, more copies than all
 * caches hold; what it must move is those weights. */
#include "job.h"

#include "runtime.h"

namespace bench
{
namespace
{

lk_act activation(size_t outputs)
{
    return outputs > 10 ? LK_ACT_RELU : LK_ACT_NONE;
}

/* Weights, one copy or as many as leave the caches; next() is the copy to use. */
class Weights
{
  public:
    Weights(size_t rows, size_t columns, bool cold)
        : floats_(lk_panels(columns) * kPanel * rows),
          copies_(cold ? bench_level_bytes(LOCKSTEP_DRAM) / (floats_ * sizeof(float)) + 1 : 1),
          data_(floats(floats_ * copies_)), at_(std::make_shared<size_t>(0))
    {
    }

    const float *next() const
    {
        *at_ = *at_ + 1 < copies_ ? *at_ + 1 : 0;
        return data_.get() + *at_ * floats_;
    }

  private:
    size_t floats_, copies_;
    Buffer<float> data_;
    std::shared_ptr<size_t> at_;
};

Traffic traffic(const Shape &s, double weights, double read, double written)
{
    return s.cold ? Traffic{weights, 0, 0, true} : Traffic{weights + read, written};
}

} // namespace

Setup setup_gemm_fwd()
{
    return {layer_shapes(true,
                         [](const Layer &l) {
                             return Shape{"", l.batch, l.outputs, l.inputs};
                         }),
            [](const lk_kernels &k, const Shape &s) {
                auto a = values(s.m, s.k), bias = floats(s.n), y = values(s.m, s.n);
                const Weights w(s.k, s.n, s.cold);

                return Job{[=, m = s.m, n = s.n, depth = s.k] {
                               k.gemm_fwd(m, n, depth, a.get(), value_ld(m), w.next(), bias.get(), y.get(), value_ld(m),
                                          activation(n));
                           },
                           2 * product(s.m, s.n, s.k),
                           traffic(s, panel_bytes(s.k, s.n), panel_bytes(s.m, s.k), panel_bytes(s.m, s.n))};
            }};
}

Setup setup_gemm_dx()
{
    return {layer_shapes(true,
                         [](const Layer &l) {
                             return Shape{"", l.batch, l.inputs, l.outputs};
                         }),
            [](const lk_kernels &k, const Shape &s) {
                auto d = values(s.m, s.k), y = values(s.m, s.n), dx = values(s.m, s.n);
                const Weights wt(s.k, s.n, s.cold);

                return Job{[=, m = s.m, n = s.n, depth = s.k] {
                               k.gemm_dx(m, n, depth, d.get(), value_ld(m), wt.next(), y.get(), value_ld(m),
                                         LK_ACT_RELU, dx.get(), value_ld(m));
                           },
                           2 * product(s.m, s.n, s.k),
                           traffic(s, panel_bytes(s.k, s.n), panel_bytes(s.m, s.k) + panel_bytes(s.m, s.n),
                                   panel_bytes(s.m, s.n))};
            }};
}

Setup setup_gemm_dw()
{
    return {layer_shapes(false,
                         [](const Layer &l) {
                             return Shape{"", l.inputs, l.outputs, l.batch};
                         }),
            [](const lk_kernels &k, const Shape &s) {
                auto x = values(s.k, s.m), d = values(s.k, s.n), g = panels(s.m, s.n), db = panels(1, s.n);

                return Job{[=, m = s.m, n = s.n, depth = s.k] {
                               k.gemm_dw(m, n, depth, x.get(), value_ld(depth), d.get(), value_ld(depth), g.get(),
                                         m * kPanel, db.get(), 1, nullptr);
                           },
                           2 * product(s.m, s.n, s.k),
                           {panel_bytes(s.k, s.m) + panel_bytes(s.k, s.n), panel_bytes(s.m, s.n)}};
            }};
}

} // namespace bench
