#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cli.sh PROGRAM: what a user meets: errors with their exit codes, output that cannot be written, signals, files.
# LOCKSTEP_PATIENCE multiplies the second that an error may take (sanitizer builds).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

out=$work/out err=$work/err
small=(--data "$tiny" --model 'flatten | linear(16) | relu | linear(10)' --batch 500 --epochs 2)

# bad CODE PATTERN ARGUMENTS...: exit code, nothing on stdout, one line on stderr that matches, within a second.
bad() {
    local want=$1 pattern=$2 got=0 start
    shift 2
    for try in 1 2 3; do
        got=0 start=${EPOCHREALTIME/./}
        "$lockstep" "$@" >"$out" 2>"$err" || got=$?
        ((${EPOCHREALTIME/./} - start > 1000000 * ${LOCKSTEP_PATIENCE:-1})) || break
        ((try < 3)) || fail "$*: took more than a second"
    done
    [[ $got == "$want" ]] || fail "$*: exit code $got, expected $want: $(cat "$err")"
    [[ ! -s $out ]] || fail "$*: printed $(head -n 1 "$out")"
    [[ $(wc -l <"$err") == 1 ]] || fail "$*: expected one line: $(cat "$err")"
    grep -qE "^lockstep: $pattern" "$err" || fail "$*: expected /$pattern/: $(cat "$err")"
}

usage_errors() {
    local value
    bad 2 '"": expected a command'
    bad 2 'trian: unknown command .did you mean train' trian
    bad 2 '--bacth: unknown option .did you mean --batch' train --bacth 3
    bad 2 '--xyzzy: unknown option' train --xyzzy
    bad 2 '--batch: this command has no such option' eval file --batch 3
    bad 2 '--lr: a value is missing: expected a number' train --lr
    bad 2 '--save: a value is missing' train --save --metrics file
    bad 2 '--epochs: given twice' train --epochs 1 --epochs=2
    bad 2 '--nesterov: takes no value' train --nesterov=yes
    bad 2 'file: unexpected argument' train file
    bad 2 'no file: expected the saved model' eval
    for value in 0 12x -1 1.5 '8 ' ' 8' 0x8 16777217 99999999999999999999 ''; do
        bad 2 "--batch $value: expected a whole number 1..16777216, got \"$value\"" train "--batch=$value"
    done
    for value in nan inf -1 0 1e400 1e-400 0x1 1,5 '1 ' ''; do
        bad 2 "--lr $value: expected a number above 0" train "--lr=$value"
    done
    for value in 0 3 8192 x; do
        bad 2 "--shards $value: expected a power of two" train --shards "$value"
    done
    bad 2 '--seed 4294967296: expected' train --seed 4294967296
    bad 2 '--threads 0: expected' train --threads 0
    bad 2 '--threads 1000000: expected' train --threads 1000000
    bad 2 '--epochs 0: expected' train --epochs 0
    bad 2 '--momentum 1.5: expected a number 0..1' train --optimizer sgd --momentum 1.5
    bad 2 '--optimizer Adam: expected sgd.adam.adamw' train --optimizer Adam
    bad 2 '--reduce all: expected auto.owners.replicas' train --reduce all
    bad 2 '--verify 0: expected a whole number 1..' train --verify 0
    bad 2 '--verify: this command has no such option' eval file --verify 1
    bad 2 '--lr-schedule step: expected' train --lr-schedule step
    bad 2 'init: expected he, xavier or normal.STD.' train --init 'normal(x)'
    bad 2 '--momentum: expected --optimizer sgd' train --momentum 0.9
    bad 2 '--metrics .*is also the file' train --save "$work/x" --metrics "$work/x"
    bad 2 '--metrics .*is also the file' train "${small[@]}" --save "$work/x" --metrics "$work/./x"
    [[ ! -e $work/x ]] || fail 'two outputs with one name: a file was left'
    bad 2 'isa: expected one of ref, avx2, avx512, got "sse9"' train --isa sse9
    bad 2 'model text: line 1, column 11: .*did you mean "linear"' train --model 'flatten | liner(10)'
    bad 2 '--batch 2501: expected at most the 2500 rows' train "${small[@]:0:4}" --batch 2501
    bad 2 '--batch 60001: expected at most the 60000 rows of digits' train --batch 60001
}

# copy NAME: a copy of the data to break.
copy() {
    cp -r "$tiny" "$work/$1"
    broken=$work/$1
}

file_errors() {
    local broken
    bad 3 "$work/none" train --data "$work/none"
    copy swapped
    cp "$broken/train-labels-idx1-ubyte" "$broken/train-images-idx3-ubyte"
    bad 3 "$broken/train-images" train --data "$broken"
    copy counts
    cp "$broken/t10k-labels-idx1-ubyte" "$broken/train-labels-idx1-ubyte"
    bad 3 "$broken/train-" train --data "$broken"
    copy cut
    gzip "$broken"/*
    truncate -s -100 "$broken/train-images-idx3-ubyte.gz"
    bad 3 "$broken/train-images" train --data "$broken"
    bad 5 "$work/none/model" train --save "$work/none/model"
    bad 5 "$work" train "${small[@]}" --save "$work"
    bad 5 "$work/none/m" train "${small[@]}" --metrics "$work/none/m"
    head -c 1000 /dev/urandom >"$work/garbage"
    bad 4 "$work/garbage" eval "$work/garbage" --data "$tiny"
    bad 4 "$work/none" predict "$work/none" --data "$tiny"
    bad 4 "$work" eval "$work" --data "$tiny"
}

environment() {
    LOCKSTEP_ISA=sse9 bad 6 'LOCKSTEP_ISA: expected one of' train "${small[@]}"
    LOCKSTEP_CPU=-avx2 bad 6 'isa: this CPU does not support avx2' train "${small[@]}" --isa avx2
    LOCKSTEP_CPU=avx2 bad 6 'LOCKSTEP_CPU: expected' train "${small[@]}"
    [[ $(LOCKSTEP_CPU=-avx digest "${small[@]}") == $(digest "${small[@]}") ]] || fail 'hidden features: another digest'
    LOCKSTEP_CPU=-avx "$lockstep" train "${small[@]}" 2>&1 >/dev/null | grep -q 'isa ref' || fail 'expected isa ref'
}

# Output that cannot be written: exit code 5 and one line.
full() {
    local got=0
    "$@" >/dev/full 2>"$err" || got=$?
    [[ $got == 5 ]] || fail "$* >/dev/full: exit code $got"
    got=0
    "$@" >&- 2>"$err" || got=$?
    [[ $got == 5 ]] || fail "$* with stdout closed: exit code $got"
    grep -q '^lockstep: standard output' "$err" || fail "$* with stdout closed: $(cat "$err")"
}

outputs() {
    local got=0
    full "$lockstep" --help
    full "$lockstep" train --help
    full "$lockstep" train "${small[@]}"
    "$lockstep" train "${small[@]}" --metrics /dev/full >/dev/null 2>&1 || got=$?
    [[ $got == 5 ]] || fail "--metrics /dev/full: exit code $got"
    got=0
    (ulimit -f 8 && exec "$lockstep" train "${small[@]}" --save "$work/limited") >/dev/null 2>"$err" || got=$?
    [[ $got == 5 ]] || fail "--save with a limit: exit code $got: $(cat "$err")"
    grep -q '^lockstep: .*limited: cannot write: file size limit reached' "$err" || fail "--save with a limit: $(cat "$err")"
    ! compgen -G "$work/limited*" || fail '--save with a limit: a file was left'
    "$lockstep" --help | grep -q predict
    "$lockstep" --version | grep -q '^lockstep [0-9]'
}

# A loss that is not finite ends the run, and the whole team, before the update.
diverging() {
    local got reduce
    for reduce in owners owners owners replicas replicas; do
        got=0
        timeout -k 1 60 "$lockstep" train --data "$tiny" --model 'flatten | linear(64) | linear(64) | linear(10)' --threads 2 \
            --optimizer sgd --lr 1000000 --reduce "$reduce" --save "$work/diverged" >/dev/null 2>"$err" || got=$?
        [[ $got == 8 ]] || fail "diverging with $reduce: exit code $got: $(cat "$err")"
        grep -q '^lockstep: .*not finite' "$err" || fail "diverging: $(cat "$err")"
        [[ ! -e $work/diverged ]] || fail 'a diverged model was saved'
    done
}

# Saved files are equal from run to run; metrics but for the timing are equal for every schedule.
files() {
    local field='"\(seconds\|eval_seconds\|samples_per_second\|gflops\|peak_share\|effective_gflops\|barrier_ns\|threads\|barriers\|peak_bytes\)":[^,}]*,\?'
    for t in 1 2; do
        "$lockstep" train "${small[@]}" --threads "$t" --save "$work/model$t" --metrics "$work/metrics$t" >"$out$t" 2>"$err"
        sed "1d; \$d; s/$field//g" "$work/metrics$t" >"$work/numbers$t"
        [[ $(wc -l <"$work/metrics$t") == 4 ]] || fail 'expected four lines of metrics'
    done
    cmp "$work/model1" "$work/model2" || fail 'two runs saved different files'
    cmp "$work/numbers1" "$work/numbers2" || fail 'metrics differ between one and two threads'
    python3 -c 'import json, sys; print(*map(json.loads, open(sys.argv[1])))' "$work/metrics1" >/dev/null
    grep -q '"train_loss":.*"test_accuracy"' "$work/numbers1" || fail 'metrics lack fields'
    [[ $(tail -n 1 "${out}1") =~ ^digest\ [0-9a-f]{32}$ ]] || fail 'the last line is not the digest'
    [[ $(sed 's/ seconds.*//' "${out}1") == "$(sed 's/ seconds.*//' "${out}2")" ]] || fail 'epoch lines differ'

    local trained evaluated
    trained=$(sed -n 's/^epoch 2 .*\(test_loss .*\) seconds.*/\1/p' "${out}1")
    evaluated=$("$lockstep" eval "$work/model1" --data "$tiny")
    [[ $trained == "$evaluated" ]] || fail "eval gives $evaluated, training $trained"
    "$lockstep" predict "$work/model1" --data "$tiny" >"$out"
    [[ $(grep -cE '^[0-9] [01]\.[0-9]{6}$' "$out") == 500 ]] || fail 'predict: expected 500 lines'
}

progress() {
    script -qec "'$lockstep' train --data '$tiny' --model mlp --epochs 1 --isa ref --threads 1" /dev/null >"$out"
    grep -q 'epoch 1/1 .*samples/s.*GFLOP/s.*% of peak.*ETA' "$out" || fail 'no progress line on a terminal'
    "$lockstep" train "${small[@]}" 2>"$err" >"$out"
    ! grep -q $'[\r\e]' "$err" "$out" || fail 'a progress line without a terminal'
}

# How gradients are added and why: on stderr and in the metrics. auto is the default and never changes the digest.
reduce_choices() {
    local ns='[0-9]+ ns \((near|far|between|shared CPUs)\)'
    start() { # PATTERN OPTIONS...
        local pattern=$1
        shift
        "$lockstep" train "${small[@]}" --metrics "$work/start" "$@" >"$out" 2>"$err" || fail "$*: $(cat "$err")"
        grep -qE "^reduce $pattern\$" "$err" || fail "$*: expected /$pattern/: $(cat "$err")"
    }
    start 'owners: one thread' --threads 1
    start "owners: fewer shards than threads; barrier $ns" --threads 2
    start "replicas: as asked; barrier $ns" --threads 2 --reduce replicas
    start "(owners|replicas): predicted [0-9.]+ ms a step by owners, [0-9.]+ by replicas; barrier $ns" --threads 2 --shards 4
    python3 - "$work/start" <<'END' || fail "start record: $(head -n 1 "$work/start")"
import json, sys
start, epoch, _, _ = map(json.loads, open(sys.argv[1]))
assert start["record"] == "start" and start["reduce_why"] == "predicted" and start["threads"] == 2 and start["shards"] == 4
assert start["threads_why"] == "as asked" and start["isa_why"] in ("the best here", "LOCKSTEP_ISA")
assert start["reduce"] == ("replicas" if start["replicas_seconds"] < 0.98 * start["owners_seconds"] else "owners")
assert start["barrier_ns"] > 0 and epoch["barrier_ns"] > 0 and start["verify"] == 0
END
    env -u OMP_DYNAMIC "$lockstep" train "${small[@]}" --threads 1000 >/dev/null 2>"$err"
    grep -qE '^lockstep: warning: 1000 threads on ([0-9]+) CPUs: \1 run \(OMP_DYNAMIC=false: all; the same result\)$' "$err" ||
        fail "1000 threads: $(cat "$err")"
    "$lockstep" info --threads 2 | grep -qE "^barrier +[0-9]+ ns for 2 threads" || fail 'info: no barrier'
    ! "$lockstep" info --threads 1 | grep '^barrier' || fail 'info: a barrier of one thread'
}

# Steps computed twice: the same digest, said at the start.
verified() {
    local plain threads
    plain=$(digest "${small[@]}" --shards 2)
    for threads in 1 2; do
        [[ $(digest "${small[@]}" --shards 2 --threads "$threads" --verify 1) == "$plain" ]] || fail 'verify: another digest'
        grep -qE "^reduce .*; verify: 1 step of 1 again by (owners|replicas) on $((3 - threads)) threads?\$" "$work/digest.err" ||
            fail "verify: $(cat "$work/digest.err")"
    done
}

gradcheck() {
    bad 2 'model text: line 1, column 11: .*did you mean "linear"' gradcheck --model 'flatten | liner(10)'
    bad 2 '--batch: this command has no such option' gradcheck --batch 3
    "$lockstep" gradcheck --isa ref >"$out" || fail 'gradcheck: expected exit code 0'
    ! grep -v ' ok$' "$out" | tail -n +2 | grep . || fail 'gradcheck: a tensor failed'
    grep -qE '^gelu +input +gradient .* ok$' "$out" || fail 'gradcheck: expected the gradient of gelu'
    "$lockstep" gradcheck --model 'flatten | linear(4) | relu | linear(10)' >"$out" || fail 'gradcheck --model failed'
    tail -n 1 "$out" | grep -qE '^differences of all 3190 parameters: .* times' || fail 'gradcheck: no cost'
}

# explain: a line for each op and phase, the sum and the step; JSON with the same.
explained() {
    local row
    bad 2 'model text: line 1, column 11: .*did you mean "linear"' explain --model 'flatten | liner(10)'
    bad 2 '--epochs: this command has no such option' explain --epochs 3
    bad 2 'batch: expected at most the 2500 rows of the data, got 2501' explain --data "$tiny" --batch 2501
    "$lockstep" explain "${small[@]:0:6}" --threads 2 --isa ref --zero-skip on >"$out" || fail 'explain: expected exit code 0'
    for row in 'input +input +forward +gather_u8 +ref +250 rows a call +2 ' '1 +linear.16. +forward +gemm_fwd_skip . relu +ref ' \
        '3 +linear.10. +backward +gemm_dx . relu. +ref ' '3 +linear.10. +grad +gemm_dw +ref .*FMA' \
        ' +update +adam transpose +ref ' 'sum of the ops ' ' +waiting +2 barriers ' ' +other ' 'step [0-9.]+ us, without the clocks'; do
        grep -qE "^$row" "$out" || fail "explain: expected /$row/: $(cat "$out")"
    done
    "$lockstep" explain "${small[@]:0:6}" --threads 1 --zero-skip off --json >"$out" || fail 'explain --json failed'
    python3 -m json.tool "$out" >/dev/null || fail 'explain --json: no JSON'
    python3 - "$out" <<'END' || fail "explain --json: $(cat "$out")"
import json, sys
e = json.load(open(sys.argv[1]))
assert e["flops"] == sum(w["flops"] for w in e["work"]) == 500 * 2 * (2 * 784 * 16 + 3 * 16 * 10)
assert {w["phase"] for w in e["work"]} == {"forward", "backward", "grad", "update", "waiting", "other"}
assert all(w["seconds"] > 0 and w["roof_seconds"] > 0 and w["threads"] == 1 for w in e["work"] if w["node"])
END
    # The same record ends the metrics of a training; with --verify 1 no step is timed.
    "$lockstep" train "${small[@]}" --threads 1 --zero-skip off --metrics "$work/timed" >/dev/null 2>&1
    "$lockstep" train "${small[@]}" --threads 1 --zero-skip off --verify 1 --metrics "$work/untimed" >/dev/null 2>&1
    python3 - "$out" "$work/timed" "$work/untimed" <<'END' || fail "the record of explain: $(tail -n 1 "$work/timed")"
import json, sys
own, timed, untimed = (json.loads(open(f).read().splitlines()[-1] if i else open(f).read()) for i, f in enumerate(sys.argv[1:]))
for e in timed, untimed:
    assert e["record"] == "explain" and e.keys() == own.keys() and e["threads_why"] == "as asked"
    measured = ("seconds", "roof", "roof_seconds", "roof_share")
    same = lambda w: {k: v for k, v in w.items() if k not in measured}
    assert list(map(same, e["work"])) == list(map(same, own["work"]))
assert 0 < timed["steps"] <= 100 and all(w["seconds"] > 0 and w["roof_share"] > 0 for w in timed["work"] if w["node"])
assert timed["plain_seconds"] is None and own["plain_seconds"] > 0
assert untimed["steps"] == 0 and untimed["step_seconds"] is None
assert all(w["seconds"] is w["roof_share"] is None and w["roof_seconds"] > 0 for w in untimed["work"] if w["node"])
END
}

# info: every bandwidth of every instruction set, of one thread and of two, is there.
machine() {
    local isa
    "$lockstep" info --threads 2 >"$out" || fail 'info: expected exit code 0'
    for isa in $(supported_isas); do
        awk -v isa="$isa" '/^GB/ {table = 1}
            table && $1 == isa {here = 1}
            here && rows < 2 {for (i = NF; i > NF - 12; i--) positive += $i > 0; rows++}
            END {exit positive != 24}' "$out" || fail "info: expected 2 rows of 12 bandwidths of $isa: $(cat "$out")"
    done
}

usage_errors
file_errors
machine
explained
gradcheck
environment
outputs
diverging
files
reduce_choices
verified
progress
python3 "$(dirname "$0")/signals.py" "$lockstep" "$tiny"
