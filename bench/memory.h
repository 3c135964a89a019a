/* SPDX-License-Identifier: MIT
 * Memory of the benchmarks: aligned buffers of random numbers, in panel form where a kernel wants it. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

extern "C" {
#include "kernels.h"
}

namespace bench
{

constexpr size_t kPanel = LK_PANEL;

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

inline uint32_t next_random()
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 32);
}

/* n floats between -1 and 1 times scale, plus shift; the first 65,536 again and again. */
inline Buffer<float> floats(size_t n, float scale = 1.0f, float shift = 0.0f)
{
    constexpr size_t kPeriod = 65536;
    Buffer<float> b(n);
    float *p = b.get();

    for (size_t i = 0; i < std::min(n, kPeriod); i++)
        p[i] = static_cast<float>(static_cast<int32_t>(next_random())) * 0x1p-31f * scale + shift;
    for (size_t i = kPeriod; i < n; i += kPeriod)
        std::memcpy(p + i, p, std::min(n - i, kPeriod) * sizeof(float));
    return b;
}

/* n floats between 0 and 1, none of them 0. */
inline Buffer<float> positive_floats(size_t n)
{
    return floats(n, 0.5f, 0.5f + 0x1p-20f);
}

/* A dense panel matrix of rows x columns, and its bytes. */
inline Buffer<float> panels(size_t rows, size_t columns)
{
    return floats(lk_panels(columns) * kPanel * rows);
}

/* A value of rows x columns: panels that begin an odd number of lines after each other, as in training
 * (graph/place.c). */
inline size_t value_ld(size_t rows)
{
    return (rows | 1) * kPanel;
}

inline Buffer<float> values(size_t rows, size_t columns)
{
    return floats(lk_panels(columns) * value_ld(rows));
}

inline double panel_bytes(size_t rows, size_t columns)
{
    return 4.0 * static_cast<double>(lk_panels(columns) * kPanel * rows);
}

inline double product(size_t a, size_t b, size_t c = 1)
{
    return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
}

} // namespace bench

#endif
