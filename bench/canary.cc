/* SPDX-License-Identifier: MIT
 *
 * lockstep-canary: three benchmarks that start in milliseconds, for the performance gate (docs/gate.md): a matrix
 * product, an elementwise kernel and a whole training step on all threads, on the preferred instruction set.
 */
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

extern "C" {
#include "cpu.h"
#include "lockstep.h"
}

namespace
{

/* Cache-line aligned floats between 0.5 and 1.5. */
struct Floats {
    explicit Floats(size_t n) : data(static_cast<float *>(std::aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64)))
    {
        if (!data)
            std::abort();
        for (size_t i = 0; i < n; i++)
            data[i] = 0.5f + static_cast<float>(i * 2654435761u % 1024) / 1024.0f;
    }
    ~Floats()
    {
        std::free(data);
    }
    Floats(const Floats &) = delete;
    Floats &operator=(const Floats &) = delete;

    float *data;
};

const lk_kernels &kernels()
{
    static lk_table table;
    static const bool ready = [] {
        unsigned features = lk_cpu_features();
        const char *hidden = std::getenv("LOCKSTEP_CPU");

        if (hidden)
            lk_cpu_hide(hidden, &features);
        lk_table_init(&table, lk_isa_preferred(features), features);
        return true;
    }();

    (void)ready;
    return table.k;
}

/* Rows x 512 times 512 x 256, a layer at batch 100. */
void gemm_fwd(benchmark::State &state)
{
    constexpr size_t M = 100, N = 256, K = 512, lda = M * LK_PANEL;
    const Floats a(M * K), w(K * N), bias(N), y(M * N);

    for (auto _ : state) {
        kernels().gemm_fwd(M, N, K, a.data, lda, w.data, bias.data, y.data, lda, LK_ACT_RELU);
        benchmark::ClobberMemory();
    }
}

/* 384 KiB in L2. */
void add(benchmark::State &state)
{
    constexpr size_t n = 32768;
    const Floats a(n), b(n), y(n);

    for (auto _ : state) {
        kernels().add(n, a.data, b.data, y.data);
        benchmark::ClobberMemory();
    }
}

/* 784 -> 512 -> 256 -> 10 at batch 100; the rate is so low that the weights stay what they are. */
lockstep_model *new_model(lockstep_error *err)
{
    constexpr size_t batch = 100, pixels = 784;
    lockstep_recipe recipe;
    lockstep_model *model = nullptr;
    const Floats input(batch * pixels);
    std::vector<float> label(batch);

    lockstep_recipe_init(&recipe);
    recipe.batch = batch;
    recipe.lr = 1e-9;
    for (size_t i = 0; i < batch; i++)
        label[i] = static_cast<float>(i % 10);
    if (!lockstep_model_new("linear(512) | relu | linear(256) | relu | linear(10)", pixels, 1, 10, &recipe, nullptr,
                            &model, err) &&
        !lockstep_set(model, "input", input.data, batch * pixels, err) &&
        !lockstep_set(model, "label", label.data(), batch, err))
        return model;
    lockstep_model_free(model);
    return nullptr;
}

/* One model for all repetitions: building it takes longer than they do. */
void step(benchmark::State &state)
{
    static lockstep_error err;
    static lockstep_model *const model = new_model(&err);

    for (auto _ : state)
        if (!model || lockstep_step(model, nullptr, &err)) {
            state.SkipWithError(err.text);
            break;
        }
}

BENCHMARK(gemm_fwd)->Name("canary/gemm_fwd");
BENCHMARK(add)->Name("canary/add");
BENCHMARK(step)->Name("canary/step")->UseRealTime();

} // namespace

BENCHMARK_MAIN();
