#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# memory.sh PROGRAM: peak memory of the mlp on 60,000 digits: at most 200 MiB at batch 8192, and at batch 60000 at most 10 %
# more.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

# peak_kib BATCH REDUCE: peak resident memory of a run, which must succeed.
peak_kib() {
    python3 - "$lockstep" train --epochs 1 --batch "$1" --threads 2 --reduce "$2" <<'END'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
}

for reduce in owners replicas; do
    large=$(peak_kib 8192 $reduce)
    whole=$(peak_kib 60000 $reduce)
    echo "$reduce: $large KiB at batch 8192, $whole KiB at 60000"
    ((large <= 200 * 1024)) || fail "$reduce: $large KiB at batch 8192"
    ((whole * 10 <= large * 11)) || fail "$reduce: $whole KiB at batch 60000, $large at 8192"
done
