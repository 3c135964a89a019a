# SPDX-License-Identifier: MIT
"""canary.py BASE SLOWER: an injected slowdown of 20 % must be red. The gate that cannot see it protects nothing."""
import subprocess
import sys

import here

done = subprocess.run([sys.executable, here.GATE, *sys.argv[1:], "--filter", "^canary/(gemm_fwd|add)", "--budget", "120s"],
                      check=False, capture_output=True, text=True)
print(done.stdout, done.stderr)
assert done.returncode == 1 and "canary/gemm_fwd` | 🔴 slower" in done.stdout, done.returncode
