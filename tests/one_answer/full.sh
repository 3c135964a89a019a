#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# full.sh [COMPILER LEVEL [RECIPE]]: the whole proof matrix: every schedule of every recipe, built by gcc and by clang, at -O2
# and at -O3; or one of these four (full.sh gcc -O2), or its recipes that begin with RECIPE (full.sh gcc -O2 mlp/adam). As many
# recipes run at once as there are CPUs. A failing run prints what repeats it, expected and got.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
export work
trap 'rm -rf "$work"' EXIT

build() { # COMPILER LEVEL
    if ! { cmake -S "$here/../.." -B "$work/$1$2" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_COMPILER=$1" \
        "-DCMAKE_C_FLAGS_RELEASE=$2 -DNDEBUG" -DLOCKSTEP_TESTS=ON -DLOCKSTEP_BENCH=OFF &&
        cmake --build "$work/$1$2" --target one_answer; } >"$work/log" 2>&1; then
        cat "$work/log"
        echo "$1 $2: does not build"
        exit 1
    fi
}
run() { # COMPILER LEVEL RECIPE
    "$work/$1$2/tests/one_answer/one_answer" --full --recipe "$3" 2>&1 | sed "s|^|$1 $2 $3: |"
}
export -f run

case $# in
0) cells=('gcc -O2' 'gcc -O3' 'clang -O2' 'clang -O3') ;;
2 | 3) cells=("$1 $2") ;;
*)
    echo 'usage: full.sh [COMPILER LEVEL [RECIPE]]' >&2
    exit 2
    ;;
esac
recipes=$(awk -v start="${3:-}" '!/^#/ && index($1, start) == 1 { print $1 }' "$here/digests.txt")
for cell in "${cells[@]}"; do
    # shellcheck disable=SC2086 # two words
    build $cell
    for recipe in $recipes; do
        echo "$cell $recipe"
    done
done >"$work/jobs"
xargs -r -P "$(nproc)" -L 1 bash -c 'run "$@"' run <"$work/jobs" | tee "$work/results" || true

# Every job must have ended with its sum.
awk -v jobs="$(wc -l <"$work/jobs")" -v seconds=$SECONDS '
    / runs, [0-9]+ with another digest$/ { ended++; runs += $4; bad += $6 }
    END {
        printf "%d runs of %d recipes and builds, %d with another digest, %d recipes and builds without end; %d min %d s\n",
            runs, jobs, bad, jobs - ended, seconds / 60, seconds % 60
        exit !(runs && !bad && ended == jobs)
    }' "$work/results"
echo 'one answer'
