/* SPDX-License-Identifier: MIT
 * A Google Benchmark program that knows nothing of Lockstep. WORK: how much it sorts and hashes, in percent. */
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace
{

void BM_sort(benchmark::State &state)
{
    std::vector<uint32_t> values(static_cast<size_t>(state.range(0)) * WORK / 100);

    for (auto _ : state) {
        for (size_t i = 0; i < values.size(); i++)
            values[i] = static_cast<uint32_t>(i * 2654435761u);
        std::sort(values.begin(), values.end());
        benchmark::DoNotOptimize(values.data());
    }
}

template <typename T> void BM_hash(benchmark::State &state)
{
    const std::string text(65536 / 100 * WORK, 'x');

    for (auto _ : state)
        benchmark::DoNotOptimize(std::hash<T>()(text));
}

BENCHMARK(BM_sort)->Arg(1000)->Arg(10000);
BENCHMARK_TEMPLATE(BM_hash, std::string)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
