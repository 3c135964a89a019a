# SPDX-License-Identifier: MIT
"""The gate on this very machine: lockstep-canary against copies of it that are slower, or that must not be."""
import contextlib
import datetime
import multiprocessing
import os
import sys
import time

from . import machine, project, replay, session, stats, verdict
from .project import Usage

GEMM, ADD, STEP = "canary/gemm_fwd", "canary/add", "canary/step/real_time"
LEVELS = (3, 5, 10, 20)

# kind: (benchmark that must be called slower, benchmarks that may be).
KINDS = {f"{kind}-{percent}": ({must}, {STEP}) for percent in LEVELS
         for kind, must in (("kernel", GEMM), ("barrier", STEP), ("pass", STEP), ("thread", STEP))}
KINDS["avx2"] = ({GEMM}, {ADD, STEP})
KINDS.update({kind: (set(), set()) for kind in ("same", "comment", "reorder", "environment")})
HOG = "hog:"  # before a kind: another process spins on one CPU
DEFAULT = ["same", "comment", "reorder", "environment", "kernel-3", "kernel-5", "kernel-10", "barrier-5", "pass-5",
           "thread-5", "avx2"]

CAUGHT, CLEAN, MISSED, FALSE_ALARM, UNDECIDED = "caught", "clean", "missed", "false alarm", "inconclusive"


def outcome(kind, comparison):
    """Was the verdict right?"""
    must, may = KINDS[kind.removeprefix(HOG)]
    found = {r.name: r.verdict for r in comparison.results}
    red = {name for name, v in found.items() if v == verdict.REGRESSION}
    faster = {name for name, v in found.items() if v == verdict.IMPROVEMENT}
    if red - must - may or (faster and not must):
        return FALSE_ALARM
    if must & red:
        return CAUGHT
    if must & faster or any(found[name] == verdict.PASS for name in must):
        return MISSED
    return UNDECIDED if must or verdict.INCONCLUSIVE in found.values() else CLEAN


def _spin(cpu):
    machine.pin({cpu})
    while True:
        pass


@contextlib.contextmanager
def hog(wanted):
    """A process that spins on the last CPU meanwhile."""
    if not wanted:
        yield
        return
    process = multiprocessing.Process(target=_spin, args=(machine.allowed()[-1],), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def build():
    """(canary, folder of its slowed copies)."""
    folder = project.build("the self-test", project.ROOT, None, os.path.join(project.ROOT, "build", "gate"),
                           ["-DLOCKSTEP_GATE_SLOWDOWN=ON", "-DCMAKE_C_FLAGS=-ffunction-sections"])
    return os.path.join(folder, "lockstep-canary"), os.path.join(folder, "canary")


def _details(comparison):
    """Each benchmark's short name, verdict and change."""
    if not comparison:
        return "too few samples"
    return "; ".join(f"{r.name.split('/')[1]} {r.verdict} {verdict.percent(r.first.estimate)}" for r in comparison.results)


def one(kind, canary, slowed, budget, rule):
    """One comparison of a kind: (outcome, comparison, or None when the machine is too slow for one)."""
    plain = kind.removeprefix(HOG)
    head = canary if plain == "same" else os.path.join(slowed, plain)
    with hog(kind.startswith(HOG)):
        try:
            comparison = session.compare(canary, head, project.SETS["canary"][1], budget, rule)
        except session.TooFewSamples:
            return UNDECIDED, None
    return outcome(kind, comparison), comparison


def rates(results):
    """Lines of a table: what happened for each kind, with a 95 % limit for the rate of wrong verdicts."""
    lines = ["kind          runs  right  inconclusive  wrong  wrong at most (95 %)"]
    for kind, found in results.items():
        wrong = sum(o in (MISSED, FALSE_ALARM) for o in found)
        undecided = found.count(UNDECIDED)
        lines.append(f"{kind:<13} {len(found):4}  {len(found) - wrong - undecided:5}  {undecided:12}  {wrong:5}  "
                     f"{100 * stats.binomial_upper(wrong, len(found)):.0f} %")
    return lines


def run(kinds, runs, budget, tally, record):
    """Runs of each kind; exit code 1: a verdict was wrong, 3: none was, but some were inconclusive."""
    kinds = kinds or DEFAULT
    for kind in kinds:
        if kind.removeprefix(HOG) not in KINDS:
            raise Usage(f"--selftest {kind}: expected {', '.join(KINDS)}, or one of them after '{HOG}'")
    canary, slowed = build()
    results = {}
    for kind in kinds * runs:
        start = time.monotonic()
        recorded = record and kind == "same"
        what, comparison = one(kind, canary, slowed, budget, replay.RULE if recorded else verdict.Rule())
        results.setdefault(kind, []).append(what)
        line = (f"{datetime.date.today()} {project.here()} {kind:<13} {what:<12} {time.monotonic() - start:3.0f} s  "
                f"{_details(comparison)}")
        print(line, file=sys.stderr, flush=True)
        if recorded and comparison:
            replay.add(comparison)
        if tally:
            with open(tally, "a", encoding="utf-8") as f:
                f.write(line + "\n")
    print("\n".join(rates(results)))
    outcomes = {o for found in results.values() for o in found}
    return 1 if outcomes & {MISSED, FALSE_ALARM} else 3 if UNDECIDED in outcomes else 0
