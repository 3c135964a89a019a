#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# refused.sh KC KC_WITHOUT: does the checker fail when it checks nothing, or not what this CPU can run?
set -euo pipefail

kc=$1 without=$2 wrong=0

refuses() { # EXIT_CODE MESSAGE COMMAND...
    local expected=$1 message=$2 status=0 got
    shift 2
    got=$("$@" 2>&1) || status=$?
    if [[ $status == "$expected" && $got == *"$message"* ]]; then
        echo "exit code $status: $message"
    else
        echo "WRONG: exit code $status, expected $expected and '$message': ${*##*/}"
        printf '%s\n' "$got"
        wrong=$((wrong + 1))
    fi
}

refuses 1 'no case was run' "$kc" --kernel no_such_kernel
refuses 1 'no case was run' "$kc" --count 0
refuses 2 'unknown or not on this machine' "$kc" --isa no_such_isa
refuses 1 'this machine does not have it' env LOCKSTEP_EXPECT_ISA=no_such_isa "$kc" --count 1
for isa in avx2:'avx2 fma' avx512:'avx2 fma avx512f avx512vl avx512bw avx512dq'; do
    has=yes
    for flag in ${isa#*:}; do
        grep -qw "$flag" /proc/cpuinfo || has=
    done
    [[ ! $has ]] || refuses 1 "this CPU has ${isa%%:*}, but there is no kernel of it" "$without" --count 1
done
((wrong == 0))
