# SPDX-License-Identifier: MIT
"""Programs that speak Google Benchmark's language without measuring anything: scripts for the tests of the gate."""
import os
import stat

TEXT = '''#!/usr/bin/env python3
import json, math, random, sys
scale, names, fault = {scale!r}, {names!r}, {fault!r}
options = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a)
if "--benchmark_list_tests" in options:
    if fault == "silent":
        print("Failed to match any benchmarks against regex: .")
    else:
        print("\\n".join(names))
    sys.exit()
if fault == "crash":
    sys.exit("the roof is on fire")
if fault == "junk":
    sys.exit(print("this is no JSON"))
if fault == "sleep":
    import os, time
    open(os.environ["GATE_STARTED"], "w").write(str(os.getpid()))
    time.sleep(600)
if fault == "kill":
    import os
    os.kill(os.getpid(), 11)
wanted = options["--benchmark_filter"][2:-2].replace("\\\\", "").split("|")
rows = []
for name in names:
    if name not in wanted or (fault == "lost" and name == names[-1]):
        continue
    for k in range(int(options["--benchmark_repetitions"])):
        t = 100.0 * scale * math.exp(random.gauss(0, 0.004))
        row = dict(name=name, run_name=name, run_type="iteration", repetition_index=k, time_unit="us",
                   real_time=3 * t, cpu_time=t)
        if fault in ("nan", "zero", "text"):
            row["cpu_time"] = dict(nan=math.nan, zero=0.0, text="12")[fault]
        if fault == "error":
            row.update(error_occurred=True, error_message="no such device")
        rows.append(row)
    rows.append(dict(name=name + "_mean", run_name=name, run_type="aggregate", cpu_time=0.0, real_time=0.0))
print(json.dumps(dict(context={{}}, benchmarks=rows)))
'''


def write(folder, name, scale=1.0, names=("one", "two/8:64"), fault=""):
    """A program in a folder: its path."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(TEXT.format(scale=scale, names=list(names), fault=fault))
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return path
