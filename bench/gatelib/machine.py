# SPDX-License-Identifier: MIT
"""The machine: which CPUs, how fast they run at the moment, whether a quota holds us back."""
import os
import time
import zlib

BUFFER = bytes(range(256)) * 256  # 64 KiB: the caches of the core hold it
CANDIDATES = 4                    # CPUs tried for a block


def allowed():
    """CPUs of this process, in order."""
    return sorted(os.sched_getaffinity(0))


def calibrate():
    """Seconds of the calibration kernel on this CPU now: a checksum, which no change of the program can make slower."""
    start = time.perf_counter()
    for _ in range(8):
        zlib.crc32(BUFFER)
    return time.perf_counter() - start


def pin(cpus):
    """This process, and those it starts from now on, run on these CPUs only."""
    os.sched_setaffinity(0, cpus)


def quietest(cpus):
    """The CPU on which the calibration kernel is fastest now: another process may own one."""
    best = None
    for cpu in cpus[:CANDIDATES]:
        pin({cpu})
        # The sum, not the minimum: it sees who takes the CPU away.
        speed = sum(calibrate() for _ in range(6))
        if best is None or speed < best[0]:
            best = (speed, cpu)
    return best[1]


def _numbers(path):
    """{key: number} of a file of such lines; empty without the file."""
    try:
        with open(path, encoding="ascii") as f:
            return {k: int(v) for k, v in (line.split()[:2] for line in f) if v.isdigit()}
    except (OSError, ValueError):
        return {}


def throttled():
    """Times so far that a cgroup's CPU quota stopped us."""
    try:
        with open("/proc/self/cgroup", encoding="ascii") as f:
            group = next((line.split(":", 2)[2].strip() for line in f if line.startswith("0::")), "/")
    except OSError:
        group = "/"
    for folder in (group, "/"):
        found = _numbers(f"/sys/fs/cgroup{folder}/cpu.stat")
        if "nr_throttled" in found:
            return found["nr_throttled"]
    return 0


def stolen():
    """Seconds so far that the host took from all CPUs of this machine."""
    try:
        with open("/proc/stat", encoding="ascii") as f:
            fields = f.readline().split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def _cpuinfo(key):
    """The first value of a key of /proc/cpuinfo."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "")
    except OSError:
        return ""


def has(flag):
    """Has the CPU this feature?"""
    return flag in _cpuinfo("flags").split()


def describe():
    """What a report says of the machine."""
    return {"cpu": _cpuinfo("model name") or "unknown CPU", "cpus": len(allowed()), "system": " ".join(os.uname()[i] for i in (0, 2, 4))}
