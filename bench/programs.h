/* SPDX-License-Identifier: MIT
 * The parts of lockstep-bench that main puts together. */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <benchmark/benchmark.h>

#include <string>

namespace bench
{

/* kernel/isa/shape: every kernel of every instruction set of this CPU; of ref the first shape only. */
void register_kernels();

/* step/model/isa/batch/threads and epoch/...: training of the built-in models. */
void register_steps();

/* A table of medians for people. */
class Table : public benchmark::BenchmarkReporter
{
  public:
    bool ReportContext(const Context &context) override;
    void ReportRuns(const std::vector<Run> &runs) override;
    void Finalize() override;

  private:
    std::vector<Run> runs_;
};

} // namespace bench

#endif
