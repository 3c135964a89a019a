#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# symbols.sh BUILD: kernels (not the description of the CPU) import nothing but memcpy and memset, the library imports no inexact
# function of libm and exports lockstep_ only.
set -euo pipefail
cd "$1"

found=0
report() { # WHY SYMBOLS
    if [[ -n $2 ]]; then
        printf '%s:\n%s\n' "$1" "$2"
        found=1
    fi
}
library=$(find runtime -name 'liblockstep.so')
mapfile -t kernels < <(find kernels -name '*.o' -not -path '*lk_base.dir*')
if ((${#kernels[@]} == 0)) || [[ -z $library ]]; then
    echo 'expected kernel objects and liblockstep.so in the build folder'
    exit 1
fi

imports=$(nm -u "${kernels[@]}" | awk '$1 == "U" {print $2}' | sort -u |
    grep -vE '^(lk_.*|memcpy|memset|_GLOBAL_OFFSET_TABLE_)$' || true)
report 'kernels import' "$imports"

# Exact by definition: the same bits from every libm.
exact='^(sqrtf?|floorf?|ceilf?|truncf?|ldexp|frexp)$'
libm=$(nm -D --defined-only "$("${CC:-cc}" -print-file-name=libm.so.6)" | awk '{sub(/@.*/, "", $3); print $3}' | sort -u)
imports=$(nm -D -u "$library" | awk '{sub(/@.*/, "", $2); print $2}' | sort -u)
report 'the library imports from libm' "$(comm -12 <(echo "$libm") <(echo "$imports") | grep -vE "$exact" || true)"

report 'the library exports' "$(nm -D --defined-only "$library" | awk '$3 !~ /^lockstep_/')"
exit "$found"
