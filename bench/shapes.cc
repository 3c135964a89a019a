/* SPDX-License-Identifier: MIT
 * The named sets of shapes. */
#include "job.h"

#include "runtime.h"

namespace bench
{
namespace
{

/* The layers of mlp, the first of two-layer. */
const std::pair<size_t, size_t> kMlp[] = {{784, 512}, {512, 256}, {256, 10}, {784, 100}};

std::vector<Layer> layers()
{
    std::vector<Layer> all;

    for (size_t batch : {100, 512})
        for (auto [inputs, outputs] : kMlp)
            all.push_back({"mnist", batch, inputs, outputs, false});
    for (size_t batch : {1024, 8192})
        for (auto [inputs, outputs] : kMlp)
            all.push_back({"large-batch", batch, inputs, outputs, false});
    all.push_back({"conv1d", 128, 896, 128, false});
    all.push_back({"tails", 1, 784, 512, false});
    all.push_back({"tails", 7, 33, 17, false});
    all.push_back({"tails", 63, 785, 47, false});
    all.push_back({"tails", 101, 101, 101, false});
    for (size_t n : {64, 128, 256, 512, 1024})
        all.push_back({"square", n, n, n, false});
    for (auto [inputs, outputs] : kMlp)
        all.push_back({"cold", 100, inputs, outputs, true});
    return all;
}

std::string by(size_t a, size_t b, size_t c)
{
    return std::to_string(a) + "x" + std::to_string(b) + "x" + std::to_string(c);
}

/* A convolution that keeps the length (odd taps), stride 1, one group. */
Shape same_conv(const std::string &set, size_t b, size_t c, size_t o, size_t l, size_t taps, size_t dilation = 1)
{
    Shape s;

    s.conv = {b, c, l, o, l, taps, 1, dilation, (taps - 1) * dilation / 2, 1};
    s.name = set + "/" + by(b, c, o) + "/L" + std::to_string(l) + "k" + std::to_string(taps) + "d" +
             std::to_string(dilation);
    return s;
}

} // namespace

std::vector<Shape> layer_shapes(bool with_cold, const std::function<Shape(const Layer &)> &order)
{
    std::vector<Shape> shapes;

    for (const Layer &layer : layers()) {
        if (layer.cold && !with_cold)
            continue;
        Shape s = order(layer);
        s.cold = layer.cold;
        s.name = layer.set + "/" + by(s.m, s.n, s.k);
        shapes.push_back(s);
    }
    return shapes;
}

std::vector<Shape> conv_shapes()
{
    return {same_conv("conv1d", 128, 28, 64, 28, 3),       same_conv("conv1d", 128, 64, 128, 14, 3),
            same_conv("conv1d", 128, 28, 64, 28, 5),       same_conv("conv1d", 128, 96, 96, 7, 3),
            same_conv("conv1d", 1, 15, 15, 60000, 51, 8),  same_conv("conv1d", 128, 1, 16, 784, 5),
            same_conv("large-batch", 1024, 28, 64, 28, 3), same_conv("large-batch", 1024, 64, 128, 14, 3),
            same_conv("tails", 9, 17, 33, 29, 5),          same_conv("tails", 3, 5, 7, 13, 3),
            same_conv("square", 32, 64, 64, 64, 3),        same_conv("square", 32, 128, 128, 128, 3)};
}

std::vector<Shape> level_shapes(double bytes_of_unit)
{
    std::vector<Shape> shapes;

    for (int level = LOCKSTEP_L1; level < LOCKSTEP_LEVELS; level++) {
        const auto bytes = static_cast<double>(bench_level_bytes(static_cast<lockstep_level>(level)));
        Shape s;

        s.name = bench_level_name(static_cast<lockstep_level>(level));
        s.m = std::max(size_t{1}, static_cast<size_t>(bytes / bytes_of_unit));
        shapes.push_back(s);
    }
    return shapes;
}

} // namespace bench
