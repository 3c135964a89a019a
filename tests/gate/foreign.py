# SPDX-License-Identifier: MIT
"""foreign.py PROGRAM SLOWER: the gate on Google Benchmark programs that are not Lockstep's. The second does 20 % more work:
that must be red, whatever else runs here; a program against itself must not."""
import json
import os
import subprocess
import sys
import tempfile

import here

NAMES = {"BM_sort/1000", "BM_sort/10000", "BM_hash<std::string>/real_time"}


def gate(base, head):
    """(exit code, {benchmark: verdict})"""
    with tempfile.TemporaryDirectory() as folder:
        code = subprocess.run([sys.executable, here.GATE, base, head, "--budget", "120s", "--out", folder],
                              check=False, stdout=subprocess.DEVNULL).returncode
        with open(os.path.join(folder, "gate.json"), encoding="utf-8") as f:
            return code, {b["name"]: b["verdict"] for b in json.load(f)["benchmarks"]}


def main():
    program, slower = sys.argv[1:]
    code, verdicts = gate(program, slower)
    assert code == 1 and set(verdicts) == NAMES, (code, verdicts)
    assert "pass" not in verdicts.values() and "improvement" not in verdicts.values(), verdicts
    code, verdicts = gate(program, program)
    assert code in (0, 3) and "regression" not in verdicts.values(), (code, verdicts)


main()
