#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers.sh [--selftest] SOURCE: includes go one way (cli -> train -> graph, data -> core -> kernels.h), intrinsics, OpenMP, memory
# and printing stay in their rooms, and nothing lets a compiler round otherwise. --selftest: each rule sees what it forbids.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")

selftest() { # SOURCE: lines planted in a copy are all reported, those of the copy itself are not
    local place line why report bad=0
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r "$1"/{CMakeLists.txt,CMakePresets.json,kernels,runtime,toolchain} "$copy"
    "$self" "$copy"
    while IFS='|' read -r why place line; do
        printf '%s\n' "$line" >>"$copy/$place"
    done <<<"$planted"
    report=$("$self" "$copy" || true)
    while IFS='|' read -r why place line; do
        # Below its reason, up to the next one.
        if ! awk -v why="$why:" '/:$/ {on = $0 == why} on' <<<"$report" | grep -F "$line" | grep -q "^$place:"; then
            echo "not seen: $why: $place: $line"
            bad=1
        fi
    done <<<"$planted"
    return "$bad"
}
# WHY|FILE|LINE
planted='kernels includes runtime/|kernels/table.c|#include "runtime/core/mem.h"
runtime/core includes graph/|runtime/core/rng.c|#include <graph/graph.h>
runtime/graph includes train/|runtime/graph/plan.c|#include "train/model.h"
intrinsics outside an instruction set|kernels/ref/gemm.c|#include <immintrin.h>
intrinsics outside an instruction set|kernels/simd/gemm.h|static __m256 four;
intrinsics outside an instruction set|runtime/train/step.c|x = _mm_rcp_ss(x);
intrinsics outside an instruction set|kernels/simd/rows.h|x = __builtin_ia32_rsqrtps256(x);
OpenMP outside the team|runtime/train/step.c|#pragma omp parallel for
OpenMP outside the team|runtime/train/trainer.c|#include <omp.h>
OpenMP outside the team|kernels/ref/order.c|_Pragma("omp simd")
OpenMP outside the team|runtime/data/data.c|n = omp_get_max_threads();
an OpenMP reduction adds in any order|runtime/core/team.c|#pragma omp parallel for reduction(+ : sum)
memory outside mem.c|runtime/graph/plan.c|p = malloc(8);
memory outside mem.c|runtime/core/rng.c|free(p);
memory outside mem.c|runtime/data/idx.c|p = mmap(NULL, n, 1, 2, fd, 0);
memory outside mem.c|runtime/cli/main.c|p = strdup(q);
printing outside cli|runtime/train/step.c|printf("%d", 1);
a kernel asks the environment or the system|kernels/table.c|getenv("LOCKSTEP_ISA");
the source changes how it is compiled|runtime/core/math64.c|#pragma STDC FP_CONTRACT ON
the source changes how it is compiled|kernels/simd/math.h|#pragma clang fp reassociate(on)
the source changes how it is compiled|kernels/ref/rows.c|#pragma GCC optimize("fast-math")
the source changes how it is compiled|runtime/train/optim.c|__attribute__((optimize("Ofast"))) static int f(void);
the source changes how it is compiled|runtime/train/shards.c|__attribute__((target("avx2"))) static int f(void);
__builtin_fma outside ref.h|kernels/ref/act.c|y = __builtin_fmaf(a, b, c);
__builtin_fma outside ref.h|runtime/train/optim.c|y = __builtin_fma(a, b, c);
a flag lets the compiler round otherwise|CMakeLists.txt|add_compile_options(-ffast-math)
a flag lets the compiler round otherwise|CMakePresets.json|"CMAKE_C_FLAGS": "-Ofast"
a flag lets the compiler round otherwise|kernels/CMakeLists.txt|add_compile_options(-funsafe-math-optimizations)
a flag lets the compiler round otherwise|runtime/CMakeLists.txt|add_compile_options(-O2;-fassociative-math)
a flag lets the compiler round otherwise|toolchain/flags.cmake|add_compile_options(-ffp-contract=fast)
a flag lets the compiler round otherwise|toolchain/lockstep.pc.in|Cflags: -freciprocal-math
a flag lets the compiler round otherwise|toolchain/test|CFLAGS=-mrecip'

if [[ ${1:-} == --selftest ]]; then
    selftest "$2"
    exit
fi
cd "$1"

found=0
names='*.[ch]'
forbid() { # WHY PATTERN PATHS [allowed path]...: no line of PATHS matches, save in the allowed ones
    local why=$1 pattern=$2 hits
    local -a paths=() but=()
    read -ra paths <<<"$3"
    shift 3
    for path in "$@"; do
        but+=(-e "^$path")
    done
    hits=$(grep -rnHP --include="$names" -e "$pattern" "${paths[@]}" || true)
    if ((${#but[@]})); then
        hits=$(grep -v "${but[@]}" <<<"$hits" || true)
    fi
    if [[ -n $hits ]]; then
        printf '%s:\n%s\n' "$why" "$hits"
        found=1
    fi
}
includes() { # FOLDER FORBIDDEN...: FOLDER includes none of these folders
    local folder=$1 name
    shift
    for name in "$@"; do
        forbid "$folder includes $name" "^\s*#\s*include\s+[\"<]$name" "$folder"
    done
}

includes kernels runtime/ core/ data/ graph/ train/ cli/ lockstep.h
includes runtime/core data/ graph/ train/ cli/
includes runtime/data graph/ train/ cli/
includes runtime/graph data/ train/ cli/
includes runtime/train cli/
includes runtime/cli kernels cpu.h data/ graph/ train/

forbid 'intrinsics outside an instruction set' \
    '\b_mm\d*_|\w*mmintrin\.h|\bx86(gpr)?intrin\.h|\b__m(128|256|512)|\b__builtin_ia32_(?!pause\b)' 'kernels runtime' \
    kernels/avx2/ kernels/avx512/ kernels/cpu.c
forbid 'OpenMP outside the team' '\bpragma\b\W*omp\b|_Pragma\W*omp\b|\bomp_\w+\(|\bomp\.h\b' 'kernels runtime' runtime/core/team.c
forbid 'an OpenMP reduction adds in any order' '\breduction\s*\(' 'kernels runtime'
forbid 'memory outside mem.c' \
    '(?<![.>\w])(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|memalign|free|mmap|munmap|strn?dup)\s*\(' \
    'kernels runtime' runtime/core/mem.c
forbid 'printing outside cli' '\b(v?printf|puts|putchar|perror)\(|\bf(printf|puts|putc|write)\(.*\bstd(out|err)\b' \
    'kernels runtime' runtime/cli/
forbid 'a kernel asks the environment or the system' '\b(getenv|fopen|open|pthread_\w+)\(' kernels

forbid 'the source changes how it is compiled' \
    'FP_CONTRACT\s+(ON|DEFAULT)|pragma\W*(GCC|clang)\W+(optimize|target|fp)\b|__attribute__.*\b(__)?(optimize|target)(__)?\s*\(' \
    'kernels runtime'
forbid '__builtin_fma outside ref.h' '\b__builtin_fma' 'kernels runtime' kernels/ref/ref.h

# Flags: whatever describes a build; also those of tests and benchmarks, which compile kernels, too.
mapfile -t build < <(find CMakeLists.txt CMakePresets.json .ci toolchain kernels runtime tests bench -type f \
    \( -name CMakeLists.txt -o -name CMakePresets.json -o -name '*.cmake' -o -path '.ci/*' -o -path 'toolchain/*' \) 2>/dev/null)
names='*'
fast='-Ofast\b|-f(fast-math|unsafe-math-optimizations|associative-math|reciprocal-math|finite-math-only|no-signed-zeros)'
fast+='|-ffp-contract=(?!off)|-ffp-model=|-mrecip|-mdaz-ftz'
forbid 'a flag lets the compiler round otherwise' "$fast" "${build[*]}"
if ! grep -qe '-ffp-contract=off' toolchain/flags.cmake; then
    echo 'toolchain/flags.cmake: -ffp-contract=off is missing'
    found=1
fi
exit "$found"
