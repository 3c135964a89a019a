#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# digest.sh PROGRAM: one answer, any schedule: the same weights for every thread count, instruction set and way to reduce, on
# every machine and with every compiler.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

# A change of what is computed changes these; then put the new ones here and say so in the change.
golden_adam=e9d67f413b773ecb65cd88ac83b0371d
golden_sgd=dcf19418a32e548fb8360804e23af289
golden_conv=5ee6fe15253e9d0c5712ec0922127f17

expect() { # GOLDEN OPTIONS...
    local golden=$1 got
    shift
    got=$(digest "$@") || fail "$*: $(cat "$work/digest.err")"
    [[ $got == "$golden" ]] || fail "digest $got, expected $golden: $*"
    runs=$((runs + 1))
}

# Four shards; the last of three batches is shorter.
adam=(--data "$tiny" --model 'flatten | linear(40) | relu | linear(10)' --batch 1000 --shards 4 --epochs 2)
sgd=(--data "$tiny" --model 'flatten | linear(33) | tanh | linear(17) | sigmoid | linear(10)' --batch 700 --shards 2
    --epochs 2 --optimizer sgd --lr 0.1 --momentum 0.9 --nesterov --weight-decay 0.001 --lr-schedule cosine --warmup 3
    --init xavier --seed 7)
conv=(--data "$tiny" --batch 600 --shards 2 --epochs 1 --model 'h = conv1d(20, kernel_size=3, stride=2, padding=1) | relu
    r = h | conv1d(20, kernel_size=3, padding=same, groups=2) | tanh | max_pool1d(2)
        | conv_transpose1d(20, kernel_size=2, stride=2)
    h + r | relu | avg_pool1d(3, padding=1) | flatten | linear(10)')

runs=0
mapfile -t isas < <(supported_isas)
((${#isas[@]} > 0)) || fail 'no instruction set'
for isa in "${isas[@]}"; do
    for threads in 1 2 3 7; do
        for reduce in owners replicas; do
            expect "$golden_adam" "${adam[@]}" --isa "$isa" --threads "$threads" --reduce "$reduce"
            expect "$golden_conv" "${conv[@]}" --isa "$isa" --threads "$threads" --reduce "$reduce"
        done
    done
    expect "$golden_sgd" "${sgd[@]}" --isa "$isa"
done
[[ $(digest "${adam[@]}" --seed 2) != "$golden_adam" ]] || fail 'another seed gave the same digest'
echo "$runs runs on ${isas[*]}: the same digests"
