/* SPDX-License-Identifier: MIT
 * Benchmarks of training: steps and epochs of the built-in models on MNIST where LOCKSTEP_MNIST_DIR names its folder,
 * else on the built-in digits. A step is gather, forward, backward, reduction and update by adam; an epoch is
 * lockstep_train with its shuffle, without evaluation. The roof is the FMA peak of the same threads at once, measured
 * beside. */
#include "programs.h"
#include "runtime.h"

#include <cstdlib>

extern "C" {
#include "cpu.h"
}

namespace bench
{
namespace
{

struct Case {
    std::string model, isa;
    size_t batch;
    unsigned threads;

    lockstep_recipe recipe() const
    {
        lockstep_recipe r;

        lockstep_recipe_init(&r);
        r.batch = batch;
        r.epochs = 1;
        return r;
    }

    lockstep_options options() const
    {
        lockstep_options o = {};

        o.threads = threads;
        o.isa = isa.c_str();
        o.zero_skip = "off"; /* a share of the peak is that of dense products */
        return o;
    }
};

const char *data_folder()
{
    const char *folder = std::getenv("LOCKSTEP_MNIST_DIR");

    return folder && *folder ? folder : "digits";
}

/* The rows to train on, opened once; NULL and a message when that fails. */
const lockstep_data *training_rows(std::string *why)
{
    static lockstep_error err = {};
    static lockstep_data *data = [] {
        lockstep_data *opened = nullptr;

        lockstep_data_open(data_folder(), LOCKSTEP_TRAIN, nullptr, &opened, &err);
        return opened;
    }();

    *why = err.text;
    return data;
}

void count_training(benchmark::State &state, double flops, double rows, double peak_gflops)
{
    using benchmark::Counter;

    state.SetLabel("fma");
    state.counters["GFLOP/s"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
    state.counters["rows/s"] = Counter(rows, Counter::kIsIterationInvariantRate);
    state.counters["fma_roof"] = peak_gflops;
    state.counters["share"] = Counter(flops * 1e-9 / peak_gflops, Counter::kIsIterationInvariantRate);
}

void run_steps(benchmark::State &state, const Case &c)
{
    const lockstep_recipe recipe = c.recipe();
    const lockstep_options options = c.options();
    lockstep_error err = {};
    std::string why;
    const lockstep_data *data = training_rows(&why);
    bench_steps *steps = data ? bench_steps_open(c.model.c_str(), &recipe, &options, data, &err) : nullptr;
    double seconds = 0, peak = 0;

    if (!steps) {
        state.SkipWithError(data ? err.text : why.c_str());
        return;
    }
    bench_steps_run(steps, 1, &seconds, &peak);
    while (state.KeepRunningBatch(state.max_iterations)) { /* all in one team */
        bench_steps_run(steps, static_cast<size_t>(state.max_iterations), &seconds, &peak);
        state.SetIterationTime(seconds);
    }
    count_training(state, bench_steps_flops(steps), static_cast<double>(c.batch), peak);
    bench_steps_close(steps);
}

/* Time, rate and peak of one epoch. */
void take_epoch(void *user, const lockstep_epoch *e)
{
    *static_cast<lockstep_epoch *>(user) = *e;
}

void run_epoch(benchmark::State &state, const Case &c)
{
    const lockstep_recipe recipe = c.recipe();
    const lockstep_options options = c.options();
    lockstep_error err = {};
    lockstep_model *model = nullptr;
    lockstep_epoch epoch = {};
    lockstep_events events = {};
    std::string why;
    const lockstep_data *data = training_rows(&why);
    size_t channels, length;

    if (!data) {
        state.SkipWithError(why.c_str());
        return;
    }
    events.user = &epoch;
    events.epoch = take_epoch;
    lockstep_data_shape(data, &channels, &length);
    if (lockstep_model_new(c.model.c_str(), channels, length, lockstep_data_classes(data), &recipe, &options, &model,
                           &err)) {
        state.SkipWithError(err.text);
        return;
    }
    for (auto _ : state) {
        if (lockstep_train(model, data, nullptr, &events, &err)) {
            state.SkipWithError(err.text);
            break;
        }
        state.SetIterationTime(epoch.seconds);
    }
    count_training(state, epoch.gflops * 1e9 * epoch.seconds, static_cast<double>(lockstep_data_rows(data)),
                   epoch.gflops / epoch.peak_share);
    lockstep_model_free(model);
}

void register_case(const Case &c)
{
    const std::string name =
        c.model + "/" + c.isa + "/batch" + std::to_string(c.batch) + "/threads" + std::to_string(c.threads);

    benchmark::RegisterBenchmark(("step/" + name).c_str(), [c](benchmark::State &s) { run_steps(s, c); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("epoch/" + name).c_str(), [c](benchmark::State &s) { run_epoch(s, c); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
}

} // namespace

void register_steps()
{
    const unsigned all = bench_threads();

    benchmark::AddCustomContext("data", data_folder());
    for (int isa = LK_ISA_ref + 1; isa < LK_ISA_COUNT; isa++) {
        if (!lk_isa_supported(static_cast<lk_isa>(isa), lk_cpu_features()))
            continue;
        for (const char *model : {"two-layer", "mlp", "conv1d", "residual"})
            for (size_t batch : {100, 128, 1024, 8192})
                for (unsigned threads = 1; threads <= all; threads = threads < all ? all : all + 1)
                    register_case({model, lk_isa_name(static_cast<lk_isa>(isa)), batch, threads});
    }
}

} // namespace bench
