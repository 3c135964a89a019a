#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# full.sh [COMPILER LEVEL [OPTION...]]: the whole proof matrix: every schedule of every recipe, built by gcc and by clang, at -O2
# and at -O3; or one of these four (full.sh gcc -O2), or a part of it (full.sh gcc -O2 --recipe mlp). Each takes
# 35 minutes of CPU time, mostly the plain C of ref; all four on two cores about an hour and a half. A failing run prints recipe, schedule, expected and got.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=()

cell() { # COMPILER LEVEL OPTION...
    local compiler=$1 level=$2 build=$work/$1$2 status=ok
    shift 2
    echo "== $compiler $level"
    if ! { cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_COMPILER=$compiler" \
        "-DCMAKE_C_FLAGS_RELEASE=$level -DNDEBUG" -DLOCKSTEP_TESTS=ON -DLOCKSTEP_BENCH=OFF &&
        cmake --build "$build" --target one_answer; } >"$work/log" 2>&1; then
        cat "$work/log"
        status='does not build'
    elif ! "$build/tests/one_answer/one_answer" --full "$@"; then
        status='another answer'
    fi
    rm -rf "$build"
    [[ $status == ok ]] || failed+=("$compiler $level: $status")
}

case $# in
0)
    for compiler in gcc clang; do
        for level in -O2 -O3; do
            cell "$compiler" "$level"
        done
    done
    ;;
1)
    echo 'usage: full.sh [COMPILER LEVEL [OPTION...]]' >&2
    exit 2
    ;;
*) cell "$@" ;;
esac
if ((${#failed[@]})); then
    printf '%s\n' "${failed[@]}"
    exit 1
fi
echo 'one answer'
