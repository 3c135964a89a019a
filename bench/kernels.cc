/* SPDX-License-Identifier: MIT
 * Benchmarks of the kernels, called through the kernel table by one thread. */
#include "programs.h"
#include "roofs.h"

extern "C" {
#include "cpu.h"
}

namespace bench
{
namespace
{

void run(benchmark::State &state, lk_isa isa, const lk_kernels &k, const Setup &setup, const Shape &shape)
{
    const Job job = setup.prepare(k, shape);

    job.call();
    const Roof roof = roof_of(isa, k, job);
    for (auto _ : state) {
        job.call();
        benchmark::ClobberMemory();
    }
    count(state, job, roof);
}

const std::vector<Setup> &setups()
{
    static const std::vector<Setup> all = {
#define X(slot) setup_##slot(),
        LK_KERNELS(X)
#undef X
    };

    return all;
}

void register_isa(lk_isa isa)
{
    lk_table table;

    lk_table_init(&table, isa, lk_cpu_features());
    for (size_t slot = 0; slot < setups().size(); slot++) {
        const Setup &setup = setups()[slot];
        const std::string prefix = std::string(lk_slot_name(static_cast<lk_slot>(slot))) + "/" + lk_isa_name(isa) + "/";

        for (const Shape &shape : setup.shapes) {
            benchmark::RegisterBenchmark((prefix + shape.name).c_str(), [isa, k = table.k, &setup,
                                                                         &shape](benchmark::State &state) {
                run(state, isa, k, setup, shape);
            })->UseRealTime();
            if (isa == LK_ISA_ref)
                break;
        }
    }
}

} // namespace

void register_kernels()
{
    for (int isa = 0; isa < LK_ISA_COUNT; isa++)
        if (lk_isa_supported(static_cast<lk_isa>(isa), lk_cpu_features()))
            register_isa(static_cast<lk_isa>(isa));
}

} // namespace bench
