#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# reported.sh FUNCTION[,ALSO] PROGRAM [ARGUMENT...]: does ThreadSanitizer report a data race in this program, every race it
# reports within FUNCTION, and at least one of them within ALSO?
set -euo pipefail

function=${1%,*} also=${1#*,} status=0
shift
report=$("$@" 2>&1) || status=$?
# Of each report its kind, and whether the function is on its stacks.
found=$(awk -v name="#[0-9]+ $function " '
    /WARNING: ThreadSanitizer/ { kind = $3 " " $4; seen = 0; inside = 1 }
    inside && $0 ~ name { seen = 1 }
    /^SUMMARY: ThreadSanitizer/ { print kind, seen ? "here" : "elsewhere"; inside = 0 }' <<<"$report" | sort | uniq -c)
echo "exit code $status; reports: ${found:-none}"
if [[ $status != 66 || ! $found =~ ^\ *[0-9]+\ data\ race\ here$ ]] || ! grep -q "#[0-9]* $also " <<<"$report"; then
    printf '%s\n' "$report" | head -n 200
    exit 1
fi
