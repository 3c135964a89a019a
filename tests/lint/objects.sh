#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# objects.sh [--selftest] BUILD: what the compiled objects of kernels and runtime may hold. VEX and EVEX instructions only in the
# objects of an instruction set (all others run on any x86-64), nowhere an instruction that is not rounded like the definition.
# --selftest: each rule sees what it forbids.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")

# WHY|OBJECT LIBRARY|INSTRUCTION
# shellcheck disable=SC2016
planted='AVX outside its objects|kernels/lk_ref.dir|vaddps %xmm0, %xmm1, %xmm2
AVX outside its objects|kernels/lk_ref.dir|vfmadd231ss %xmm0, %xmm1, %xmm2
AVX outside its objects|kernels/lk_base.dir|shlx %eax, (%rdi), %ecx
AVX outside its objects|runtime/ls_runtime.dir|vaddps %zmm0, %zmm1, %zmm2
AVX outside its objects|runtime/ls_runtime.dir|kmovw %eax, %k1
an instruction that approximates|kernels/lk_ref.dir|rcpps %xmm0, %xmm1
an instruction that approximates|kernels/lk_ref_fma.dir|vrsqrtss %xmm0, %xmm1, %xmm2
an instruction that approximates|kernels/lk_avx2.dir|vrcpps %ymm0, %ymm1
an instruction that approximates|kernels/lk_avx2.dir|vrsqrtps (%rdi), %ymm1
an instruction that approximates|kernels/lk_avx512.dir|vrcp14ps %zmm0, %zmm1
an instruction that approximates|kernels/lk_avx512.dir|vrsqrt14ps %zmm0, %zmm1
an instruction that approximates|runtime/ls_runtime.dir|rsqrtss %xmm0, %xmm1
another order of additions|kernels/lk_ref.dir|haddps %xmm0, %xmm1
another order of additions|kernels/lk_avx2.dir|vhaddps %ymm0, %ymm1, %ymm2
another order of additions|kernels/lk_avx2.dir|vhsubps %ymm0, %ymm1, %ymm2
another order of additions|kernels/lk_avx512.dir|vdpps $1, %xmm0, %xmm1, %xmm2
only AVX-512 has it|kernels/lk_avx512.dir|vscalefps %zmm0, %zmm1, %zmm2
only AVX-512 has it|kernels/lk_avx512.dir|vgetexpps %zmm0, %zmm1
only AVX-512 has it|kernels/lk_avx512.dir|vgetmantps $0, %zmm0, %zmm1
only AVX-512 has it|kernels/lk_avx512.dir|vrangeps $0, %zmm0, %zmm1, %zmm2
only AVX-512 has it|kernels/lk_avx512.dir|vreduceps $0, %zmm0, %zmm1
only AVX-512 has it|kernels/lk_avx512.dir|vfixupimmps $0, %zmm0, %zmm1, %zmm2
rounds by itself, not by MXCSR|kernels/lk_avx512.dir|vaddps {rz-sae}, %zmm0, %zmm1, %zmm2
x87 rounds to 64 bits|kernels/lk_ref.dir|fadd %st(1), %st
x87 rounds to 64 bits|runtime/ls_runtime.dir|fsin
MXCSR set outside cpu.c|kernels/lk_avx2.dir|vldmxcsr (%rdi)
MXCSR set outside cpu.c|runtime/ls_runtime.dir|ldmxcsr (%rdi)'

selftest() { # each planted instruction in an object of its own, beside objects with nothing to report
    local why place instruction n=0 bad=0 report
    fake=$(mktemp -d)
    trap 'rm -rf "$fake"' EXIT
    object() { # FOLDER NAME INSTRUCTION
        mkdir -p "$fake/$1"
        printf '%s\n' "$3" | "${CC:-cc}" -c -x assembler -o "$fake/$1/$2.o" -
    }
    object kernels/lk_ref.dir good 'mulss %xmm0, %xmm1'
    object kernels/lk_ref_fma.dir good 'vfmadd231ss %xmm0, %xmm1, %xmm2'
    object kernels/lk_avx2.dir good 'vfmadd231ps %ymm0, %ymm1, %ymm2'
    object kernels/lk_avx512.dir good 'vfnmadd231ps %zmm0, %zmm1, %zmm2'
    object kernels/lk_base.dir good 'ldmxcsr (%rdi)'
    object runtime/ls_runtime.dir good 'addsd %xmm0, %xmm1'
    "$self" "$fake"
    while IFS='|' read -r why place instruction; do
        object "$place" "planted$((n++))" "$instruction"
    done <<<"$planted"
    report=$("$self" "$fake" || true)
    n=0
    while IFS='|' read -r why place instruction; do
        if ! grep -qF "$why: $place/planted$n.o: " <<<"$report"; then
            echo "not seen: $why: $place: $instruction"
            bad=1
        fi
        n=$((n + 1))
    done <<<"$planted"
    # The search must find what it looks for where it belongs: good.o becomes empty.
    find "$fake" -name '*.o' -path '*planted*' -delete
    object kernels/lk_avx2.dir good nop
    report=$("$self" "$fake" || true)
    if [[ $report != *'no fma in kernels/lk_avx2.dir'* ]]; then
        echo 'not seen: an instruction set without fma'
        bad=1
    fi
    object kernels/lk_avx2.dir good 'vfmadd231ps %ymm0, %ymm1, %ymm2'
    # The commands: one without the flag, one with a later word against it.
    for instruction in '-O3' '-ffp-contract=off -O3 -ffp-contract=fast' '-ffp-contract=off -Ofast'; do
        printf '  "command": "cc %s -c x.c",\n' -ffp-contract=off "$instruction" >"$fake/compile_commands.json"
        report=$("$self" "$fake" || true)
        if [[ $report != *"cc $instruction -c"* ]]; then
            echo "not seen: cc $instruction"
            bad=1
        fi
    done
    return "$bad"
}

if [[ ${1:-} == --selftest ]]; then
    selftest
    exit
fi
cd "$1"

mapfile -t objects < <(find kernels runtime -name '*.o')
if ((${#objects[@]} == 0)); then
    echo 'expected objects in the build folder'
    exit 1
fi
# In 64-bit mode VEX begins with c4 or c5, EVEX with 62, x87 with d8..df, after prefixes.
objdump -d --insn-width=15 "${objects[@]}" | awk -F '\t' '
function report(why) {
    bad = 1
    if (++count[why] <= 20) {
        print why ": " file ": " $3
    }
}
/file format/ {
    file = $0
    sub(/:? +file format.*/, "", file)
    isa = match(file, /lk_(ref_fma|avx2|avx512)\.dir/) ? substr(file, RSTART, RLENGTH) : ""
    base = file ~ /lk_base\.dir/
    next
}
NF < 3 {next}
{
    bytes = $2
    sub(/^((66|67|f2|f3|f0|2e|36|3e|26|64|65) )*/, "", bytes)
    first = substr(bytes, 1, 2)
    name = $3
    sub(/^(\{[a-z]*\} )*/, "", name)
    sub(/ .*/, "", name)
}
first ~ /^(c4|c5|62)$/ && isa == "" {report("AVX outside its objects")}
first ~ /^d[89a-f]$/ || (first == "9b") {report("x87 rounds to 64 bits")}
name ~ /^v?(rcp|rsqrt)(14|28)?[ps][sdh]$/ || name ~ /^vexp2p/ {report("an instruction that approximates")}
name ~ /^v?(hadd|hsub|dp)p[sd]$/ {report("another order of additions")}
name ~ /^v(scalef|getexp|getmant|range|reduce|fixupimm)[ps][sdh]$/ {report("only AVX-512 has it")}
/\{r[nduz]-sae\}/ {report("rounds by itself, not by MXCSR")}
name ~ /^v?ldmxcsr$/ && !base {report("MXCSR set outside cpu.c")}
name ~ /^vfn?m/ {fma[isa]++}
END {
    for (i = split("lk_ref_fma.dir lk_avx2.dir lk_avx512.dir", want, " "); i; i--) {
        if (!fma[want[i]]) { # contraction has nothing to say there: the search, or the build, is not what it should be
            print "no fma in kernels/" want[i]
            bad = 1
        }
    }
    exit bad
}'

# The commands that made them, where CMake wrote them down: no contraction, nothing fast.
if [[ -f compile_commands.json ]]; then
    fast='-ffp-contract=(fast|on)|-Ofast|-ffast-math|-funsafe-math|-fassociative-math|-freciprocal-math|-mrecip'
    inexact=$(awk -v fast="$fast" '/"command":/ && (!/-ffp-contract=off/ || $0 ~ fast)' compile_commands.json)
    if [[ -n $inexact ]]; then
        printf 'compiled otherwise than with -ffp-contract=off:\n%s\n' "$inexact"
        exit 1
    fi
fi
