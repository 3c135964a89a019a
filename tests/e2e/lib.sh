# SPDX-License-Identifier: MIT
# What the end-to-end scripts share; each is called as NAME.sh PROGRAM and sources this.
# shellcheck shell=bash
# shellcheck disable=SC2034 # variables are used by the scripts
lockstep=$1
export OMP_DYNAMIC=false # as many threads as a test asks for, on any machine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tiny=$work/tiny
python3 "$(dirname "${BASH_SOURCE[0]}")/tiny.py" "$tiny"

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# digest OPTIONS...: of a training run.
digest() {
    "$lockstep" train "$@" 2>"$work/digest.err" | sed -n 's/^digest //p'
}

# Names of the instruction sets that this CPU supports, lowest first.
supported_isas() {
    "$lockstep" info | awk '/^instructions/ {table = 1; next} table && $2 == "yes" {print $1}'
}

# at_least WANTED OPTIONS...: the last epoch of a training run reaches this test accuracy.
at_least() {
    local wanted=$1 accuracy
    shift
    accuracy=$("$lockstep" train "$@" | tee /dev/stderr | sed -n 's/.*test_accuracy \([0-9.]*\).*/\1/p' | tail -n 1)
    awk -v a="$accuracy" -v w="$wanted" 'BEGIN {exit !(a >= w)}' || fail "accuracy $accuracy, expected >= $wanted: $*"
}
