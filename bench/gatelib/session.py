# SPDX-License-Identifier: MIT
"""A comparison: blocks of fresh processes, judged as they come, until all is decided or the budget is spent."""
import dataclasses
import math
import os
import random
import shutil
import sys
import tempfile
import time

from . import machine, program, verdict
from .program import CannotMeasure

class TooFewSamples(CannotMeasure):
    """The budget ended before a decision could fall."""


CONFIRM_SHARE = 0.4  # of the budget is kept for the second round


@dataclasses.dataclass
class Result:
    """One benchmark after the comparison."""
    name: str
    verdict: str
    reason: str
    first: verdict.Judgement
    second: verdict.Judgement | None
    blocks: list  # of both rounds,


@dataclasses.dataclass
class Comparison:
    """All results, and what they rest on."""
    results: list
    seconds: float
    added: list        # benchmarks that only head has
    machine: dict
    disturbances: dict


class Copies:
    """Byte copies of the programs: arms A and B, and C, again of base. New ones each round: where the pages of a file lie
    in memory is part of the noise."""

    def __init__(self, base, head):
        self.folder = tempfile.mkdtemp(prefix="gate-")
        self.path = {}
        for arm, source in zip(verdict.ARMS, (base, head, base)):
            self.path[arm] = os.path.join(self.folder, arm, "program")  # names of one length
            os.mkdir(os.path.dirname(self.path[arm]))
            try:
                shutil.copy(source, self.path[arm])
            except OSError as e:
                self.remove()
                raise CannotMeasure(f"{source}: cannot be copied: {e.strerror}") from e

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.remove()


def say(text):
    """Progress, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def common_names(base, head, pattern):
    """Names that both programs have, and those that only head has. A benchmark that head lacks is an error."""
    of_base, of_head = program.names(base, pattern), program.names(head, pattern)
    missing = [name for name in of_base if name not in of_head]
    if missing:
        raise CannotMeasure(f"{head}: benchmark '{missing[0]}' of base is missing" +
                            (f", and {len(missing) - 1} more" if len(missing) > 1 else "") +
                            " (leave it out with --filter if that is meant)")
    return of_base, [name for name in of_head if name not in of_base]


class Sampler:
    """Times blocks of one pair of programs."""

    def __init__(self, path, plans, rng):
        self.path, self.plans, self.rng = path, plans, rng
        self.cpus = machine.allowed()

    def _groups(self, wanted):
        """Benchmarks of one thread with equal plans share a process on one CPU; one of several has all CPUs for itself."""
        shared, alone = {}, []
        for name in wanted:
            plan = self.plans[name]
            if plan.threads > 1:
                alone.append((plan, [name], set(self.cpus)))
            else:
                shared.setdefault(plan, []).append(name)
        cpu = machine.quietest(self.cpus) if shared else None
        return [(plan, names, {cpu}) for plan, names in shared.items()] + alone

    def block(self, wanted):
        """{name: {"A": log time, "B": ..., "C": ..., "clock": log time of the calibration kernel in the same block}}."""
        result = {}
        try:
            for plan, group, cpus in self._groups(wanted):
                machine.pin(cpus)
                clock = [machine.calibrate()]
                found = program.together(self.path, group, plan, self.rng, lambda: clock.append(machine.calibrate()))
                for name in group:
                    result[name] = {arm: math.log(program.lower(found[arm][name])) for arm in verdict.ARMS}
                    result[name]["clock"] = math.log(1e9 * program.lower(clock))
        finally:
            machine.pin(self.cpus)
        return result


def sample_round(sampler, wanted, rule, deadline, title):
    """Blocks until every benchmark is decided, or the deadline or the most blocks are reached: {name: (judgement, blocks)}."""
    blocks = {name: [] for name in wanted}
    judged, undecided, longest = {}, list(wanted), 0.0
    while undecided:
        start = time.monotonic()
        for name, block in sampler.block(undecided).items():
            blocks[name].append(block)
        count = len(blocks[undecided[0]])
        longest = max(longest, time.monotonic() - start)
        last = time.monotonic() + longest > deadline or count >= rule.max_blocks
        if last and count < rule.min_blocks:
            raise TooFewSamples(f"too few samples: {count} blocks of the {rule.min_blocks} that a decision needs fit "
                                f"into the budget (give more with --budget, or fewer benchmarks with --filter)")
        if last or verdict.ready(count, rule):
            for name in undecided:
                judged[name] = verdict.judge(blocks[name], rule, len(wanted), last)
            undecided = [] if last else [n for n in undecided if judged[n].state == verdict.OPEN]
        say(f"{title}: {count} blocks, {len(undecided)} of {len(wanted)} benchmarks undecided, "
            f"{max(0.0, deadline - time.monotonic()):.0f} s left")
    return {name: (judged[name], blocks[name]) for name in wanted}


def compare(base, head, pattern, budget, rule=verdict.Rule(), seed=None):
    """Compare two programs within `budget` seconds. CannotMeasure when there can be no verdict."""
    start, rng = time.monotonic(), random.Random(seed)
    stolen, throttled = machine.stolen(), machine.throttled()
    wanted, added = common_names(base, head, pattern)
    second = {}
    with Copies(base, head) as path:
        plans = {}
        for name in wanted:
            say(f"trying {name}")
            plans[name] = program.trial(path["A"], name)
        first = sample_round(Sampler(path, plans, rng), wanted, rule,
                             start + budget * (1.0 - CONFIRM_SHARE), "round 1")
    changed = [n for n in wanted if first[n][0].state in (verdict.SLOWER, verdict.FASTER)]
    if changed:
        with Copies(base, head) as path:
            second = sample_round(Sampler(path, plans, rng), changed, rule, start + budget, "round 2")
    say("")
    results = []
    for name in wanted:
        one, two = first[name][0], second[name][0] if name in second else None
        what, why = verdict.combine(one, two, rule)
        results.append(Result(name, what, why, one, two, first[name][1] + (second[name][1] if two else [])))
    return Comparison(results, time.monotonic() - start, added, machine.describe(),
                      {"stolen_seconds": machine.stolen() - stolen, "throttled": machine.throttled() - throttled})


def exit_code(comparison):
    """0 pass, 1 regression, 3 inconclusive."""
    verdicts = {r.verdict for r in comparison.results}
    return 1 if verdict.REGRESSION in verdicts else 3 if verdict.INCONCLUSIVE in verdicts else 0
