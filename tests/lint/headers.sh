#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers.sh SOURCE: each header compiles alone, the public one also as C++. Not kernels/simd: its bodies come after a vec.h.
set -euo pipefail
cd "$1"

flags=(-fsyntax-only -std=gnu11 -Wall -Wextra -Wshadow -Werror -Wno-unused-function -I. -Ikernels -Iruntime -DLK_REF=ref)
simd=(-mavx2 -mfma -mavx512f -mavx512vl -mavx512bw -mavx512dq)

status=0
while read -r header; do
    extra=()
    if [[ $header == kernels/avx*/* ]]; then
        extra=("${simd[@]}")
    fi
    "${CC:-cc}" "${flags[@]}" "${extra[@]}" -x c - <<<"#include \"$header\"" || status=1
done < <(find kernels runtime -name '*.h' -not -path 'kernels/simd/*' | sort)
"${CXX:-c++}" -fsyntax-only -std=c++11 -Wall -Wextra -Werror -x c++ runtime/lockstep.h || status=1
exit "$status"
