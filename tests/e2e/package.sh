#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# package.sh SOURCE BUILD: an installed Lockstep serves a program outside the tree, shared and static, by find_package and by
# pkg-config.
set -euo pipefail

source=$1 build=$2
here=$source/tests/e2e/consumer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

try_prefix() { # PREFIX
    local prefix=$1 pc
    pc=$(find "$prefix" -name lockstep.pc -printf '%h\n')
    "$prefix/bin/lockstep" --version

    cmake -S "$here" -B "$prefix/by-cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
    cmake --build "$prefix/by-cmake" >/dev/null
    "$prefix/by-cmake/consumer" "$prefix/by-cmake/model"

    read -ra flags < <(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs lockstep)
    cc -Wall -Wextra -Werror "$here/main.c" -o "$prefix/by-pc" "${flags[@]}" "-Wl,-rpath,$(dirname "$pc")"
    "$prefix/by-pc" "$prefix/model"
    cmp "$prefix/model" "$prefix/by-cmake/model"
}

cmake --install "$build" --prefix "$work/shared" >/dev/null
library=$(find "$work/shared" -name 'liblockstep.so')
readelf -d "$library" | grep -q 'SONAME.*liblockstep\.so\.[0-9]'
strangers=$(nm -D --defined-only "$library" | awk '$3 !~ /^lockstep_/')
if [[ -n $strangers ]]; then
    echo "exported beside lockstep_: $strangers" >&2
    exit 1
fi
# A moved prefix must still work.
mv "$work/shared" "$work/moved"
if [[ -x $build/lockstep-bench ]]; then
    "$work/moved/bin/lockstep-bench" --benchmark_list_tests >"$work/benchmarks"
    grep -q '^gemm_fwd/ref/mnist/' "$work/benchmarks"
fi
try_prefix "$work/moved"

cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLOCKSTEP_TESTS=OFF \
    -DLOCKSTEP_BENCH=OFF >/dev/null
cmake --build "$work/build" >/dev/null
cmake --install "$work/build" --prefix "$work/static" >/dev/null
try_prefix "$work/static"
