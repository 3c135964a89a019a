# SPDX-License-Identifier: MIT
"""Error rates on recorded noise: thousands of comparisons resampled from one long run of a program against itself.

The recording holds, for each benchmark, the logarithms of the times of three equal arms, block by block. A comparison
draws runs of neighbouring blocks (what comes together stays together), gives the arms' names at random, adds the injected
slowdown to head, and goes through the same looks and two rounds as a live one.
"""
import gzip
import json
import math
import os
import random
import time

from . import stats, verdict

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "noise.json.gz")
COMPARISONS, INJECTED, RUN = 10000, 0.05, 4
LIMIT_FALSE, LIMIT_FOUND = 0.001, 0.99


def load(path=FILE):
    """{benchmark: [[a, b, c] of each block]}."""
    with gzip.open(path, "rt", encoding="ascii") as f:
        return json.load(f)


def add(comparison):
    """Add the blocks of a comparison of equal programs to the recording."""
    recordings = load() if os.path.exists(FILE) else {}
    for r in comparison.results:
        recordings.setdefault(r.name, []).extend([round(b[arm], 4) for arm in verdict.ARMS] for b in r.blocks)
    with open(FILE, "wb") as f, gzip.GzipFile("", "wb", fileobj=f, mtime=0) as packed:
        packed.write(json.dumps(recordings, separators=(",", ":")).encode("ascii"))


def draw(recording, count, shift, rng):
    """`count` blocks of a benchmark as verdict.judge wants them; head is slower by `shift`."""
    blocks = []
    while len(blocks) < count:
        start = rng.randrange(len(recording))
        for k in range(RUN):
            a, b, c = rng.sample(recording[(start + k) % len(recording)], 3)
            blocks.append({"A": a, "B": b + shift, "C": c})
    return blocks[:count]


def one_round(recording, shift, rule, benchmarks, rng):
    """The judgement of a round of one benchmark."""
    blocks = []
    for look in rule.looks:
        blocks += draw(recording, look - len(blocks), shift, rng)
        found = verdict.judge(blocks, rule, benchmarks, look == rule.max_blocks)
        if found.state != verdict.OPEN:
            break
    return found


def comparison(recordings, shift, rule, rng):
    """Verdicts of one synthetic comparison: {benchmark: verdict}; the slowdown is in every benchmark."""
    first = {name: one_round(r, shift, rule, len(recordings), rng) for name, r in recordings.items()}
    changed = [name for name, j in first.items() if j.state in (verdict.SLOWER, verdict.FASTER)]
    second = {name: one_round(recordings[name], shift, rule, len(changed), rng) for name in changed}
    return {name: verdict.combine(j, second.get(name), rule)[0] for name, j in first.items()}


def rates(recordings, comparisons=COMPARISONS, rule=verdict.Rule(), seed=1):
    """Counts of verdicts: {shift: {benchmark: {verdict: count}}}, and comparisons with any false alarm."""
    rng = random.Random(seed)
    counts, alarms = {}, 0
    for shift in (0.0, math.log1p(INJECTED)):
        counts[shift] = {name: dict.fromkeys((verdict.REGRESSION, verdict.IMPROVEMENT, verdict.PASS,
                                              verdict.INCONCLUSIVE), 0) for name in recordings}
        for _ in range(comparisons):
            found = comparison(recordings, shift, rule, rng)
            for name, what in found.items():
                counts[shift][name][what] += 1
            alarms += not shift and verdict.REGRESSION in found.values()
    return counts, alarms


def run():
    """Print the rates; exit code 1 when they are beyond the limits."""
    start = time.monotonic()
    recordings = load()
    counts, alarms = rates(recordings)
    good = alarms <= LIMIT_FALSE * COMPARISONS
    print(f"{COMPARISONS} comparisons of a program with itself: {alarms} false alarms")
    for name, recording in recordings.items():
        noise = stats.spread([b - 0.5 * (a + c) for a, b, c in recording])
        found = counts[math.log1p(INJECTED)][name]
        share = found[verdict.REGRESSION] / COMPARISONS
        good &= share >= LIMIT_FOUND
        print(f"{name}: {len(recording)} blocks, spread {100 * noise:.1f} %; slower by 5 %: found {100 * share:.2f} %, "
              f"inconclusive {found[verdict.INCONCLUSIVE]}, passed {found[verdict.PASS]}; equal: inconclusive "
              f"{counts[0.0][name][verdict.INCONCLUSIVE]}")
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if good else 1
