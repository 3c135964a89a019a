#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# planted.sh PROGRAM: does the check of digests see each mistake of planted.c under the schedules that it depends on, and is
# it right under the one that hides it?
set -euo pipefail

program=$1 wrong=0 isa=ref
if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    isa=avx2 # the mistakes do not depend on it, and ref is slow
fi

agrees() { # MISTAKE OPTION...
    judge 0 "$@"
}
differs() { # MISTAKE OPTION...
    judge 1 "$@"
}
judge() { # EXPECTED MISTAKE OPTION...
    local expected=$1 mistake=$2 status=0 got word=agree
    shift 2
    if [[ $mistake == nothing ]]; then
        got=$("$program" --full --isa $isa "$@") || status=$?
    else
        got=$(LS_PLANTED=$mistake "$program" --full --isa $isa "$@") || status=$?
    fi
    ((expected == 0)) || word=differ
    # In every run: a number of runs, and all or none of them with another digest.
    if [[ $status == "$expected" && $got =~ ([0-9]+)\ runs,\ ([0-9]+)\ with\ another\ digest$ && $got != *none* ]] &&
        ((BASH_REMATCH[2] == expected * BASH_REMATCH[1])); then
        echo "$mistake: all $word with $*"
    else
        echo "WRONG: $mistake: expected that all $word with $*"
        printf '%s\n' "$got"
        wrong=$((wrong + 1))
    fi
}

for threads in 1 2 3 7; do
    agrees nothing --recipe two-layer/sgd/4 --threads $threads
done
agrees shards --recipe two-layer/sgd/1 --threads 1
agrees shards --recipe two-layer/sgd/4 --threads 4
for threads in 2 3 7; do
    differs shards --recipe two-layer/sgd/1 --threads $threads
done
# Two threads: (0 + 1) + (2 + 3) is also the tree.
agrees sum --recipe two-layer/sgd/4 --reduce replicas --threads 2
for threads in 1 3 7; do
    differs sum --recipe two-layer/sgd/8 --reduce replicas --threads $threads
done
differs sum --recipe two-layer/sgd/4 --reduce owners
agrees split --recipe two-layer/sgd/1 --threads 1
for threads in 2 3 7; do
    differs split --recipe two-layer/sgd/1 --threads $threads
done
echo "$wrong wrong answers"
((wrong == 0))
