#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers.sh SOURCE: includes go one way (cli -> train -> graph, data -> core -> kernels.h), and intrinsics, OpenMP, memory and
# printing stay in their rooms.
set -euo pipefail
cd "$1"

found=0
forbid() { # WHY PATTERN PATHS [allowed path]...: no line of PATHS matches, save in the allowed ones
    local why=$1 pattern=$2 hits
    local -a paths=() but=()
    read -ra paths <<<"$3"
    shift 3
    for path in "$@"; do
        but+=(-e "^$path")
    done
    hits=$(grep -rnP --include='*.[ch]' "$pattern" "${paths[@]}" || true)
    if ((${#but[@]})); then
        hits=$(grep -v "${but[@]}" <<<"$hits" || true)
    fi
    if [[ -n $hits ]]; then
        printf '%s:\n%s\n' "$why" "$hits"
        found=1
    fi
}
includes() { # FOLDER FORBIDDEN...: FOLDER includes none of these folders
    local folder=$1 name
    shift
    for name in "$@"; do
        forbid "$folder includes $name" "^\s*#\s*include\s+[\"<]$name" "$folder"
    done
}

includes kernels runtime/ core/ data/ graph/ train/ cli/ lockstep.h
includes runtime/core data/ graph/ train/ cli/
includes runtime/data graph/ train/ cli/
includes runtime/graph data/ train/ cli/
includes runtime/train cli/
includes runtime/cli kernels cpu.h data/ graph/ train/

forbid 'intrinsics outside an instruction set' '\b_mm\d*_|immintrin\.h|\b__m(128|256|512)' 'kernels runtime' \
    kernels/avx2/ kernels/avx512/ kernels/cpu.c
forbid 'OpenMP outside the team' '#\s*pragma\s+omp|\bomp_\w+\(' 'kernels runtime' runtime/core/team.c runtime/train/
forbid 'memory outside mem.c' '(?<![.>\w])(malloc|calloc|realloc|aligned_alloc|posix_memalign|free)\(' 'kernels runtime' \
    runtime/core/mem.c
forbid 'printing outside cli' '\b(v?printf|puts|putchar|perror)\(|\bf(printf|puts|putc|write)\(.*\bstd(out|err)\b' \
    'kernels runtime' runtime/cli/
forbid 'a kernel asks the environment or the system' '\b(getenv|fopen|open|pthread_\w+)\(' kernels
exit "$found"
