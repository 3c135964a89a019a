# SPDX-License-Identifier: MIT
"""Google Benchmark programs: what they offer, one run, and a run of several at once that take turns."""
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import tempfile
import time

from . import stats

UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
DECLARES_WALL = re.compile("/(real_time|manual_time)(/|$)")
LIMIT = 300.0  # seconds of one process, until it counts as hanging


class CannotMeasure(Exception):
    """The gate has no verdict: exit code 4, with this line."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a benchmark is run: found out by a trial."""
    seconds: float    # of a repetition, at least
    repetitions: int
    turn: float       # seconds until another program has its turn: several repetitions fit
    threads: int      # most seen; with more than one it has all CPUs and the wall clock


def _exact(names):
    """A --benchmark_filter for exactly these names."""
    quoted = [re.sub(r"[][.*+?(){}|^$\\]", lambda m: "\\" + m.group(), name) for name in names]
    return "^(" + "|".join(quoted) + ")$"


def _environment(padding):
    """The environment and some bytes more: where stack and strings lie differs from process to process."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("BENCHMARK_")}
    env["GATE_PADDING"] = "x" * padding
    return env


class Process:
    """A running program; its output goes to a file, so that it never waits for a reader."""

    def __init__(self, path, arguments, padding=0):
        self.path, self.out, self.err = path, tempfile.TemporaryFile(), tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL, stdout=self.out,
                                             stderr=self.err, env=_environment(padding))
        except OSError as e:
            raise CannotMeasure(f"{path}: cannot be started: {e.strerror}") from e
        self.end = time.monotonic() + LIMIT

    def running(self):
        if self._process.poll() is not None:
            return False
        if time.monotonic() > self.end:
            raise CannotMeasure(f"{self.path}: no end after {LIMIT:.0f} s")
        return True

    def signal(self, number):
        self._process.send_signal(number)

    def threads(self):
        """Threads of the process now."""
        try:
            with open(f"/proc/{self._process.pid}/stat", encoding="ascii", errors="replace") as f:
                return int(f.read().rpartition(")")[2].split()[17])
        except (OSError, IndexError):
            return 0

    def output(self):
        """Standard output of a process that has ended well."""
        code = self._process.returncode
        if code:
            self.err.seek(0)
            lines = self.err.read().decode(errors="replace").strip().splitlines() or ["no message"]
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise CannotMeasure(f"{self.path}: {how}: {lines[-1]}")
        self.out.seek(0)
        return self.out.read().decode(errors="replace")

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.out.close()
        self.err.close()


def _run(path, arguments, watch=None):
    """Output of a program; watch(process) is called about every millisecond."""
    process = Process(path, arguments)
    try:
        while process.running():
            if watch:
                watch(process)
            time.sleep(0.001)
        return process.output()
    finally:
        process.close()


def names(path, pattern):
    """Names of the benchmarks that match a pattern of --benchmark_filter, in the program's order."""
    try:
        out = _run(path, ["--benchmark_list_tests=true", f"--benchmark_filter={pattern}"])
    except CannotMeasure as e:
        raise CannotMeasure(f"{e} (asked for --benchmark_list_tests: is it a Google Benchmark program?)") from e
    found = [line.strip() for line in out.splitlines() if line.strip()]
    if not found:
        raise CannotMeasure(f"{path}: lists no benchmark (is it a Google Benchmark program?)")
    if found[0].startswith("Failed to match"):
        raise CannotMeasure(f"{path}: no benchmark matches '{pattern}'")
    return found


def arguments(wanted, seconds, repetitions):
    """Options for a run of these benchmarks: seconds at least for each repetition."""
    return ["--benchmark_format=json", f"--benchmark_filter={_exact(wanted)}", f"--benchmark_min_time={seconds:g}",
            f"--benchmark_repetitions={repetitions}", "--benchmark_report_aggregates_only=false"]


def times(text, path, wanted, wall):
    """{name: [nanoseconds of an iteration, of each repetition]} of a report; every name, every time valid. The clock is
    the one that the benchmark declares: the thread's CPU time, or the wall clock (UseRealTime, UseManualTime). wall:
    always the wall clock, as several threads need it."""
    try:
        rows = json.loads(text)["benchmarks"]
    except (ValueError, KeyError, TypeError) as e:
        raise CannotMeasure(f"{path}: its output is not Google Benchmark's JSON") from e
    found = {name: [] for name in wanted}
    for row in rows:
        if row.get("run_type", "iteration") != "iteration":
            continue
        name = row.get("run_name", row.get("name"))
        if row.get("error_occurred"):
            raise CannotMeasure(f"{path}: {name}: {row.get('error_message', 'error')}")
        value = row.get("real_time" if wall or DECLARES_WALL.search(str(name)) else "cpu_time")
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise CannotMeasure(f"{path}: {name}: the time is {value}")
        if name in found:
            found[name].append(value * UNITS.get(row.get("time_unit", "ns"), 1.0))
    for name, values in found.items():
        if not values:
            raise CannotMeasure(f"{path}: {name}: missing in the report")
    return found


# (seconds, repetitions): many short ones find quiet moments; where it takes long to get a repetition going, fewer and longer.
EFFORTS = ((0.002, 60), (0.005, 25), (0.02, 10))
TRIAL = (0.002, 10)
TURN = 0.010  # seconds, at least
SHARE = 0.4   # seconds of a process that one benchmark may take


def trial(path, name):
    """Run one benchmark for a moment: its Plan."""
    most, start = 1, time.monotonic()

    def watch(process):
        nonlocal most
        most = max(most, process.threads())

    names(path, _exact([name]))
    started = time.monotonic()
    text = _run(path, arguments([name], *TRIAL), watch)
    spent = (time.monotonic() - started - (started - start)) / TRIAL[1]  # a repetition, without the start of the program
    iteration = 1e-9 * stats.median(times(text, path, [name], most > 1)[name])
    overhead = max(0.0, spent - max(TRIAL[0], iteration))
    effort = next((e for e in EFFORTS if e[1] * (overhead + max(e[0], iteration)) <= SHARE), EFFORTS[-1])
    return Plan(*effort, max(TURN, 5 * effort[0], 5 * iteration), most)


def together(path, wanted, plan, rng, between):
    """Run the programs of path = {arm: file} at once, in turns P Q R R Q P, so that all see the same moods of the
    machine: {arm: {name: times}}. A stopped process costs the wall clock of one repetition in several; the lower decile of
    the repetitions (see lower) does not see it. between() is called after each round of turns."""
    order = rng.sample(sorted(path), len(path))
    process = {}
    try:
        for arm in order:
            process[arm] = Process(path[arm], arguments(wanted, plan.seconds, plan.repetitions), rng.randrange(4096))
            process[arm].signal(signal.SIGSTOP)
        live = dict(process)
        while live:
            for arm in [a for a in order + order[::-1] if a in live]:
                if arm in live:
                    live[arm].signal(signal.SIGCONT)
                    time.sleep(plan.turn)
                    live[arm].signal(signal.SIGSTOP)
                    if not live[arm].running():
                        del live[arm]
            between()
        return {arm: times(p.output(), p.path, wanted, plan.threads > 1) for arm, p in process.items()}
    finally:
        for p in process.values():
            p.close()


def lower(values):
    """The lower decile: what the program takes when nobody disturbs it, but no single lucky repetition."""
    return sorted(values)[len(values) // 10]
