/* SPDX-License-Identifier: MIT
 *
 * lockstep-bench: Google Benchmark over the kernel table and over training. All options of Google Benchmark work;
 * --short runs a selection in about a minute and prints a table. docs/benchmarking.md says what the rows mean.
 */
#include "programs.h"

#include <malloc.h>

#include <cstring>
#include <vector>

extern "C" {
#include "cpu.h"
}

namespace
{

/* What --short runs; of the instruction sets the best one. */
std::string selection()
{
    const std::string isa = lk_isa_name(lk_isa_preferred(lk_cpu_features()));

    return "^gemm_(fwd|dx|dw)/" + isa + "/(mnist|cold)/|^gemm_fwd/" + isa + "/(tails|square)/|^conv_(fwd|dx|dw)/" +
           isa + "/conv1d/|^(relu_fwd|relu_bwd|exp|sigmoid_fwd|adam|max_pool_fwd|softmax_xent|peak_.*)/" + isa +
           "/|^(gather_u8|transpose)/" + isa + "/mnist/|^step/(two-layer|mlp|conv1d)/" + isa + "/";
}

/* Take --short out of the arguments. */
bool take_short(std::vector<char *> *arguments)
{
    for (auto at = arguments->begin(); at != arguments->end(); ++at)
        if (!std::strcmp(*at, "--short")) {
            arguments->erase(at);
            return true;
        }
    return false;
}

/* The caller's arguments behind our defaults, so that they win. */
std::vector<char *> with_defaults(int argc, char **argv, bool *quick)
{
    static char interleave[] = "--benchmark_enable_random_interleaving=true", repeat[] = "--benchmark_repetitions=5";
    static std::string chosen = "--benchmark_filter=" + selection();
    static char brief[] = "--benchmark_min_time=0.02", usual[] = "--benchmark_min_time=0.1";
    std::vector<char *> given(argv + 1, argv + argc), all = {argv[0], interleave};

    *quick = take_short(&given);
    all.push_back(*quick ? brief : usual);
    if (*quick)
        all.insert(all.end(), {repeat, chosen.data()});
    all.insert(all.end(), given.begin(), given.end());
    return all;
}

} // namespace

int main(int argc, char **argv)
{
    bool quick;
    std::vector<char *> arguments = with_defaults(argc, argv, &quick);
    int count = static_cast<int>(arguments.size());
    bench::Table table;
    char cpu[64];

    mallopt(M_MMAP_MAX, 0); /* memory that a benchmark frees serves the next one without new pages */
    mallopt(M_TRIM_THRESHOLD, -1);
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data()))
        return 2;
    lk_fpenv_enter();
    lk_cpu_name(cpu);
    benchmark::AddCustomContext("cpu", cpu);
    bench::register_kernels();
    bench::register_steps();
    return benchmark::RunSpecifiedBenchmarks(quick ? &table : nullptr) ? 0 : 1;
}
