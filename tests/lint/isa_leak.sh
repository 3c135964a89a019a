#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# isa_leak.sh BUILD: only the objects of an instruction set use AVX or later; all others run on any x86-64.
set -euo pipefail
cd "$1"

mapfile -t objects < <(find kernels runtime -name '*.o' -not -path '*lk_ref_fma.dir*' -not -path '*lk_avx*.dir*')
if ((${#objects[@]} == 0)); then
    echo 'expected objects in the build folder'
    exit 1
fi
# VEX and EVEX instructions begin with v and name a vector register.
leaks=$(objdump -d --no-show-raw-insn "${objects[@]}" |
    awk '/file format/ {file = $1} /\tv[a-z0-9]+ .*%[xyz]mm/ || /%[yz]mm/ {print file, $0}' | head -n 20)
if [[ -n $leaks ]]; then
    printf 'AVX outside its objects:\n%s\n' "$leaks"
    exit 1
fi
# The search itself works: it must find what it looks for where it belongs.
find kernels -path '*lk_avx2.dir*' -name '*.o' -exec objdump -d --no-show-raw-insn {} + | grep '%ymm' >/dev/null
