/* SPDX-License-Identifier: MIT */
#include "roofs.h"

#include "runtime.h"

#include <chrono>
#include <map>

namespace bench
{
namespace
{

using Clock = std::chrono::steady_clock;

/* A figure and when it was taken. */
template <typename T> struct Measured {
    T value = {};
    Clock::time_point at = {};

    template <typename Measure> const T &fresh(Measure measure)
    {
        if (at == Clock::time_point() || Clock::now() - at > std::chrono::milliseconds(500)) {
            value = measure();
            at = Clock::now();
        }
        return value;
    }
};

double peak(int isa, const lk_kernels &k)
{
    static std::map<int, Measured<double>> known;

    return known[isa].fresh([&] { return bench_peak(&k); });
}

lockstep_bandwidth bandwidth(int isa, const lk_kernels &k, lockstep_level level)
{
    static std::map<std::pair<int, int>, Measured<lockstep_bandwidth>> known;

    return known[{isa, level}].fresh([&] { return bench_bandwidth(&k, level); });
}

/* The smallest level that holds the job. */
lockstep_level level_of(const Traffic &t)
{
    const double footprint = t.held > 0 ? t.held : t.read + t.written;

    for (lockstep_level level : {LOCKSTEP_L1, LOCKSTEP_L2, LOCKSTEP_L3})
        if (!t.cold && footprint <= static_cast<double>(bench_cache_bytes(level)))
            return level;
    return LOCKSTEP_DRAM;
}

/* Nanoseconds to move the bytes: what is updated in place at the speed of that, else as many reads as writes at the
 * speed of a copy, the rest at that of what is left. */
double moving(const Traffic &t, const lockstep_bandwidth &b)
{
    const double updated = t.held > 0 ? t.read + t.written - t.held : 0;
    const double copied = std::min(t.read, t.written) - updated;

    return 2 * updated / b.update + 2 * copied / b.copy + (t.read - updated - copied) / b.read +
           (t.written - updated - copied) / b.write;
}

benchmark::Counter rate(double amount)
{
    return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
}

} // namespace

Roof roof_of(int isa, const lk_kernels &k, const Job &job)
{
    const double bytes = job.traffic.read + job.traffic.written;
    Roof r;

    r.fma = peak(isa, k);
    if (job.flops > 0) {
        r.seconds = job.flops / r.fma * 1e-9;
        r.binding = "fma";
    }
    if (bytes > 0) {
        const lockstep_level level = level_of(job.traffic);
        const double ns = moving(job.traffic, bandwidth(isa, k, level));

        r.level = level;
        r.bandwidth = bytes / ns;
        if (ns * 1e-9 > r.seconds) {
            r.seconds = ns * 1e-9;
            r.binding = bench_level_name(level);
        }
    }
    return r;
}

void count(benchmark::State &state, const Job &job, const Roof &roof)
{
    const double bytes = job.traffic.read + job.traffic.written;

    state.SetLabel(roof.binding);
    state.counters["fma_roof"] = roof.fma;
    if (job.flops > 0)
        state.counters["GFLOP/s"] = rate(job.flops * 1e-9);
    if (bytes > 0) {
        state.counters["GB/s"] = rate(bytes * 1e-9);
        state.counters["memory_roof"] = roof.bandwidth;
        state.counters["level"] = roof.level + 1;
    }
    if (job.flops > 0 && bytes > 0)
        state.counters["FLOP/byte"] = job.flops / bytes;
    if (roof.seconds > 0)
        state.counters["share"] = rate(roof.seconds);
}

} // namespace bench
