#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# qemu.sh PROGRAM: on a CPU without AVX the same build trains to the same weights, with no illegal instruction.
set -euo pipefail

command -v qemu-x86_64 >/dev/null || exit 77
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

recipe=(--data "$tiny" --model 'flatten | linear(16) | relu | linear(10)' --batch 500 --epochs 1 --threads 2)
native=$(digest "${recipe[@]}" --isa ref)
emulated=$(qemu-x86_64 -cpu Nehalem "$lockstep" train "${recipe[@]}" 2>"$work/err" | sed -n 's/^digest //p') ||
    fail "$(cat "$work/err")"
grep -q 'isa ref' "$work/err" || fail "expected isa ref: $(cat "$work/err")"
[[ -n $native && $native == "$emulated" ]] || fail "digest $emulated, expected $native"
