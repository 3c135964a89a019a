#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# symbols.sh [--selftest] BUILD: kernels (not the description of the CPU) import nothing but memcpy, memset and, not optimised,
# copysignf; the library imports no inexact function of libm and exports lockstep_ only. --selftest: each rule sees what it forbids.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")

selftest() { # a library and a kernel that import and export what they must not
    local name report bad=0
    local -a inexact=(exp expf log logf pow sin sincosf cos tanh tanhf erff fma fmaf exp2f _ZGVbN4v_expf rand)
    fake=$(mktemp -d)
    trap 'rm -rf "$fake"' EXIT
    mkdir "$fake/kernels" "$fake/runtime"
    code() { # NAME...: a public function that calls each
        printf 'void %s(void);\n' "$@"
        printf 'void lockstep_x(void)\n{\n'
        printf '    %s();\n' "$@"
        printf '}\n'
    }
    library() { # its source
        "${CC:-cc}" -w -fno-builtin -fPIC -shared -o "$fake/runtime/liblockstep.so" -x c -
    }
    kernel() {
        "${CC:-cc}" -w -fno-builtin -fPIC -c -o "$fake/kernels/k.o" -x c -
    }
    code sqrt floor ldexp snprintf | library
    code memcpy memset | kernel
    "$self" "$fake"
    code sqrt "${inexact[@]}" | library
    code memcpy expf malloc | kernel
    report=$("$self" "$fake" || true)
    for name in "${inexact[@]}" malloc; do
        if ! grep -qx "$name" <<<"$report"; then
            echo "not seen: $name"
            bad=1
        fi
    done
    if grep -qxE 'sqrt|memcpy' <<<"$report"; then
        echo 'reported, but allowed: sqrt, memcpy'
        bad=1
    fi
    echo 'int ls_leak;' | library
    report=$("$self" "$fake" || true)
    if [[ $report != *ls_leak* ]]; then
        echo 'not seen: ls_leak exported'
        bad=1
    fi
    return "$bad"
}
if [[ ${1:-} == --selftest ]]; then
    selftest
    exit
fi
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
    grep -vE '^(lk_.*|memcpy|memset|copysignf|_GLOBAL_OFFSET_TABLE_)$' || true)
report 'kernels import' "$imports"

# Exact by definition: the same bits from every libm.
exact='^(sqrtf?|floorf?|ceilf?|truncf?|copysignf?|ldexp|frexp)$'
libm=$(nm -D --defined-only "$("${CC:-cc}" -print-file-name=libm.so.6)" | awk '{sub(/@.*/, "", $3); print $3}' | sort -u)
imports=$(nm -D -u "$library" | awk '{sub(/@.*/, "", $2); print $2}' | sort -u)
report 'the library imports from libm' "$(comm -12 <(echo "$libm") <(echo "$imports") | grep -vE "$exact" || true)"
# libmvec's vectors of them come with fast-math; the C library's random numbers are another seed.
other='^(_ZGV.*|s?rand|s?random|[dejlmn]rand48|getrandom|arc4random.*)$'
report 'the library imports' "$(grep -E "$other" <<<"$imports" || true)"

report 'the library exports' "$(nm -D --defined-only "$library" | awk '$3 !~ /^lockstep_/')"
exit "$found"
